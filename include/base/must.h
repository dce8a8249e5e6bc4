/*
 * must: our own invariants. A broken one is a bug of ours and ends the process with a core;
 * what a peer does never reaches a must(). Safe on every thread.
 */
#ifndef BASE_MUST_H
#define BASE_MUST_H

/* Says what was broken, and where, on stderr and aborts. */
_Noreturn void must_fail(const char *expr, const char *file, int line);

#define must(expr) ((expr) ? (void)0 : must_fail(#expr, __FILE__, __LINE__))

#endif
