/*
 * background: a start that is waited for: whoever started the gateway gets its exit status when it serves, or
 * can't, and it goes on without a terminal.
 */
#ifndef RUN_BACKGROUND_H
#define RUN_BACKGROUND_H

/*
 * Forks. In the new process, which belongs to no terminal, it returns a descriptor for background_leave(), or
 * -errno; while there is one thread. The old one does not return: it waits and exits, with 0 once
 * background_leave() was called, with `failed` when the new one has ended before.
 */
int background_enter(int failed);

/* All is open: standard input, output and error lead nowhere from here on, and whoever waits is told. */
void background_leave(int fd);

#endif
