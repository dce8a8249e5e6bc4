/*
 * lifespan: how long a session may last, in all (max_lifetime) and without a message (idle_timeout). Pure:
 * all times are given, monotonic milliseconds.
 */
#ifndef GATE_LIFESPAN_H
#define GATE_LIFESPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lifespan {
	unsigned idle_ms, lifetime_ms; /* 0: for ever */
	uint64_t began_at;
	uint64_t active_at; /* the last message, in either direction */
};

/* Is there a limit at all? */
bool lifespan_is_limited(const struct lifespan *span);

/* Why the session is over ("lifetime", "idle"), or NULL: then it is to be looked at again in *again_ms, at
 * least 1. One without a limit must not be asked. */
const char *lifespan_check(const struct lifespan *span, uint64_t now, uint64_t *again_ms);

#endif
