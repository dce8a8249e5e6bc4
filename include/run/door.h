/*
 * door: one listening socket, a worker's or an acceptor's: lets in as many as max_pending says, over all
 * doors.
 */
#ifndef RUN_DOOR_H
#define RUN_DOOR_H

#include "gate/gate.h"
#include "net/listener.h"

/* The owner has it in a struct of its own and fills in all but the listener and the loop. */
struct door {
	const struct entrance *entrance; /* what a visitor who comes in by it is told */
	struct limits *limits;
	unsigned max_pending;
	/* A visitor, who has a place among the pending (limits_take_pending()): both are the receiver's. */
	void (*on_visitor)(struct door *door, int fd, const struct addr *peer);
	struct loop *loop;
	struct listener *listener;
};

/* Accepts on a listening descriptor, which it takes, from now on. Returns 0, or -errno with fd closed. */
int door_open(struct door *door, struct loop *loop, int fd);

/* Closes the socket; with `finish` who is connected already still comes in. A door that was not opened is
 * allowed. */
void door_close(struct door *door, bool finish);

#endif
