/*
 * bridge: joins the two endpoints of a session: pieces across, back-pressure, ends.
 *
 * It knows bytes and messages and nothing of WebSocket, TCP or processes. The two sides are
 * side[BRIDGE_VISITOR] and side[BRIDGE_BACKEND]; what is done to one is done to the other with the index
 * turned.
 */
#ifndef GATE_BRIDGE_H
#define GATE_BRIDGE_H

#include "net/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BRIDGE_VISITOR, BRIDGE_BACKEND };

struct bridge;

struct bridge_side {
	struct bridge *bridge;
	struct endpoint *endpoint;
	bool stopped; /* its reading, since the other side holds too much */
	bool closed;
	bool spoke;		  /* since the last flush */
	uint64_t bytes, messages; /* received from it */
};

struct bridge {
	struct bridge_side side[2];
	size_t buffer;		    /* bytes that may wait for each side */
	uint64_t active_at;	    /* when the last piece came, from either side */
	void (*on_over)(void *arg); /* both sides are gone */
	void *arg;
};

/* The hooks that an endpoint of a bridge has; their arg is &bridge->side[which]. */
extern const struct endpoint_hooks bridge_hooks;

void bridge_init(struct bridge *bridge, size_t buffer, void (*on_over)(void *arg), void *arg);

/* Joins two endpoints that are ready and gives them its hooks. Bytes may flow from now on. */
void bridge_join(struct bridge *bridge, struct endpoint *visitor, struct endpoint *backend);

/* Ends it from our side (idle, shutdown): the visitor is told `end`; what it answers ends the backend. */
void bridge_end(struct bridge *bridge, const struct end *end);

/*
 * How much side `reader` may read at once when `used` bytes wait for the other one; 0 when it is stopped.
 * What it reads then never lets the other one hold more than `buffer`. The one place where the marks are;
 * pure.
 */
size_t bridge_allowance(int reader, size_t buffer, size_t used, bool *stopped);

#endif
