/*
 * stdio: what a program has as 0, 1 and 2: pipes or pseudo-terminals. Made before the fork, put in its place
 * after it. Spawner only.
 */
#ifndef SPAWN_STDIO_H
#define SPAWN_STDIO_H

#include "conf/config.h"

#include <stdint.h>
#include <sys/types.h>

enum stdio_kind {
	STDIO_PIPES,
	STDIO_UNBUFFERED, /* pipes, but stdout is a pseudo-terminal that changes nothing */
	STDIO_TERMINAL	  /* one pseudo-terminal, the controlling one of the program's session */
};

struct stdio_plan {
	enum stdio_kind kind;
	enum stderr_to stderr_to; /* not of a terminal: there it is all one */
	uint16_t columns, rows;	  /* as in struct spawn_request */
	uid_t owner;		  /* of a pseudo-terminal; (uid_t)-1: ours */
};

/* All close-on-exec. */
struct stdio {
	/* Non-blocking: writes its stdin, reads its stdout, reads its stderr. -1: there is none; of stdout,
	 * that it is the first one's, a terminal. */
	int ours[3];
	int theirs[3]; /* -1: the same as the one before */
};

/* Makes what a plan asks for. Returns 0, or -errno with the step that failed. */
int stdio_open(struct stdio *stdio, const struct stdio_plan *plan, const char **step);

/* Closes those that are there, and makes them -1. */
void stdio_close(int fds[3]);

/* In the child: makes theirs 0, 1 and 2. None of them has these numbers, and 0 to 2 are open. Returns 0 or
 * -errno. Async-signal-safe. */
int stdio_arrange(const struct stdio *stdio);

#endif
