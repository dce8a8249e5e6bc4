/*
 * refused: a client whose handshake is answered only to tell it why its session can't start (refuse_as =
 * close), since a browser's script sees no HTTP status.
 */
#ifndef GATE_REFUSED_H
#define GATE_REFUSED_H

#include "gate/admission.h"
#include "net/endpoint.h"

/* The close handshake and the end of TCP together; then it is cut, also when it reads nothing. */
enum { REFUSED_MS = 7000 };

struct refused;

struct refused_hooks {
	/* It is time to answer the handshake. The visitor is then handed over by refused_tell(). */
	void (*on_due)(void *arg);
	/* The client is gone, or has had its time. The last call. */
	void (*on_over)(void *arg);
};

/* Calls on_due on the loop's next turn. NULL when memory is short. */
struct refused *refused_new(
	struct loop *loop, const struct refusal *refusal, const struct refused_hooks *hooks, void *arg);

/* Sends the close frame, and has what the visitor says dropped from now on. The visitor stays the caller's.
 */
void refused_tell(struct refused *refused, struct endpoint *visitor);

/* Why, as it was given. */
const struct refusal *refused_why(const struct refused *refused);

/* No more hooks; the visitor is to be destroyed before or after in the same turn. NULL is allowed. */
void refused_free(struct refused *refused);

#endif
