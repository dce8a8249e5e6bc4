/*
 * pty: pseudo-terminals: a master for us, a slave for a program. By descriptors only, so that no name below
 * /dev/pts need be there. Spawner only.
 */
#ifndef SPAWN_PTY_H
#define SPAWN_PTY_H

#include <stdint.h>
#include <sys/types.h>

enum pty_use {
	PTY_TERMINAL, /* somebody sits at it: as a login finds it, and what is typed is UTF-8 */
	PTY_OUTPUT    /* not a byte is changed, nothing is echoed; the slave can only be written to */
};

struct pty_params {
	enum pty_use use;
	uint16_t columns, rows; /* a 0 is that of 80 x 24 */
	uid_t owner;		/* whose the slave is; (uid_t)-1: ours */
};

struct pty {
	int master; /* non-blocking */
	int slave;
};

/*
 * Makes one; both ends are close-on-exec, and the caller's. Needs no right to give files away, but that to
 * become the owner, for this thread's access to files and for the call. Returns 0, or -errno with the step
 * that failed; -EAGAIN when the system has no more of them, for now.
 */
int pty_open(struct pty *pty, const struct pty_params *params, const char **step);

/* Makes a slave the controlling terminal of the caller, who leads a session without one; its group is then in
 * the foreground. Async-signal-safe. Returns 0 or -errno. */
int pty_control(int slave);

#endif
