/*
 * acceptor: listening sockets of which there is only one for all workers, unix and inherited ones: accepts on
 * the main thread and deals the connections to the workers in turn.
 */
#ifndef RUN_ACCEPTOR_H
#define RUN_ACCEPTOR_H

#include "run/worker.h"

struct acceptor;

/* All of them, and whom they deal to. */
struct acceptors {
	struct acceptor *first;
	struct loop *loop; /* the main one */
	struct limits *limits;
	unsigned max_pending;
	struct worker *workers;
	unsigned n_workers;
};

/*
 * Accepts on a listening descriptor from now on; takes it. `path` is that of a socket file of ours, removed
 * with the acceptor if the user that the process has become by then may do that; else it stays, and the log
 * says so. NULL for a socket that systemd keeps. Returns 0, or -errno with the file still there.
 */
int acceptor_add(struct acceptors *acceptors, const struct entrance *entrance, int fd, const char *path);

/* Nobody comes in any more; who is connected to a socket of ours already still does. What waits in a socket
 * of systemd's is the next gateway's. */
void acceptor_finish_all(struct acceptors *acceptors);

/* Closes all of them. */
void acceptor_close_all(struct acceptors *acceptors);

#endif
