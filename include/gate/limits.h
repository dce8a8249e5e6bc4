/*
 * limits: what all workers together may hold: connections, sessions, sessions of one visitor. Safe on every
 * thread.
 */
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct limits_visitors;

struct limits {
	atomic_uint pending;  /* connections that have not been upgraded */
	atomic_uint sessions; /* upgrades that were let in and have not ended */
	struct limits_visitors *visitors;
};

enum limits_verdict { LIMITS_OK, LIMITS_FULL, LIMITS_VISITOR_FULL, LIMITS_NO_MEMORY };

int limits_init(struct limits *limits); /* 0 or -ENOMEM */
void limits_done(struct limits *limits);

/* May another connection come in that is not upgraded? A look, not a promise: several threads may look at the
 * same last place. */
bool limits_has_room(const struct limits *limits, unsigned max_pending);

/*
 * Lets a session in, or says which limit it would break. max_visitor: 0 is no limit; visitor: addr_visitor(),
 * 0 is not counted. What was let in is let out with the same visitor.
 */
enum limits_verdict limits_enter(struct limits *limits, unsigned max, unsigned max_visitor, uint64_t visitor);
void limits_leave(struct limits *limits, uint64_t visitor);

#endif
