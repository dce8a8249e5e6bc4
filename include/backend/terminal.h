/*
 * terminal: a program on a terminal whose client speaks ttyd's subprotocol `tty` (backend/ttymessage.h), as
 * an endpoint: it stands before the program's own (backend/process.h), of which it is the owner.
 *
 * It is ready at once and waits for the client's first message, which says how large the terminal is; then
 * the program is started. What is typed before it runs waits for it.
 */
#ifndef BACKEND_TERMINAL_H
#define BACKEND_TERMINAL_H

#include "backend/process.h"

enum {
	TERMINAL_HELLO_MS = 10000, /* for the first message; then 1008 */
	TERMINAL_RESIZE_MS = 50,   /* between two sizes that the program is told of; the last one counts */
	TERMINAL_COLUMNS = 80,	   /* when the client does not say */
	TERMINAL_ROWS = 24,
	TERMINAL_READ = 16384 /* bytes of output in one message, at most */
};

struct terminal_params {
	/* The program, but for its size: of framing stream, with messages that are binary. entry and env are
	 * copied. */
	struct process_params process;
	/* It could not be started: errno, and the whole story in words; says how the client is to be told.
	 * The arg is process.arg. */
	void (*on_unstarted)(void *arg, int error, const char *reason, struct end *out);
};

/* A terminal without a program. NULL when memory is short. */
struct endpoint *terminal_new(struct loop *loop, const struct terminal_params *params,
	const struct endpoint_hooks *hooks, void *arg);

#endif
