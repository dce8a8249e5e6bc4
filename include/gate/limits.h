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
	atomic_uint pending;  /* places taken by connections that have not been upgraded */
	atomic_uint sessions; /* upgrades that were let in and have not ended */
	struct limits_visitors *visitors;
};

enum limits_verdict { LIMITS_OK, LIMITS_FULL, LIMITS_VISITOR_FULL, LIMITS_NO_MEMORY };

int limits_init(struct limits *limits);	 /* 0 or -ENOMEM */
void limits_done(struct limits *limits); /* when every place has been given back */

/*
 * A place for one more connection that is not upgraded; false when `max` are taken. Taken before the accept;
 * whoever then has the descriptor (listener, parcel, session) has the place with it and gives it back once.
 */
bool limits_take_pending(struct limits *limits, unsigned max);
void limits_give_pending(struct limits *limits);

/*
 * Lets a session in, or says which limit it would break. max_visitor: 0 is no limit; visitor: addr_visitor(),
 * 0 is not counted. What was let in is let out with the same visitor.
 */
enum limits_verdict limits_enter(struct limits *limits, unsigned max, unsigned max_visitor, uint64_t visitor);
void limits_leave(struct limits *limits, uint64_t visitor);

#endif
