/*
 * limits: what all workers together may hold: connections, sessions, those of one visitor and of one route,
 * programs and how fast they may be started. Safe on every thread.
 */
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limits_visitors;

/* Of one route. */
struct limits_route {
	atomic_uint sessions;
	atomic_ullong started; /* limits_start()'s own */
};

struct limits {
	atomic_uint pending;   /* connections that have not been upgraded, and run no CGI program */
	atomic_uint sessions;  /* upgrades that were let in and have not ended */
	atomic_uint processes; /* programs that run, are being started, or may be by who has the place */
	atomic_uint arrivals;  /* connections that were ever here; wraps around */
	atomic_uint served;    /* sessions that had both sides, and have ended */
	unsigned max_served; /* nobody is let in once so many were; 0 is no limit; set before there are any */
	struct limits_route *routes; /* as many as the configuration has, in its order */
	struct limits_visitors *visitors;
};

enum limits_verdict { LIMITS_OK, LIMITS_FULL, LIMITS_VISITOR_FULL, LIMITS_NO_MEMORY };

int limits_init(struct limits *limits, size_t n_routes); /* 0 or -ENOMEM */
void limits_done(struct limits *limits);		 /* when every place has been given back */

/*
 * A place for one more connection that is not upgraded; false when `max` are taken. Taken before the accept;
 * whoever then has the descriptor (listener, parcel, session) has the place with it and gives it back once.
 */
bool limits_take_pending(struct limits *limits, unsigned max);
void limits_give_pending(struct limits *limits);

/*
 * A connection that has given its place back, for as long as it is counted otherwise, and is pending again.
 * It is there, so it is counted in any case; false when that is one too many, and it should end soon.
 */
bool limits_retake_pending(struct limits *limits, unsigned max);
bool limits_is_pending_full(const struct limits *limits, unsigned max); /* would that be one too many now? */

/*
 * Lets a session in, or says which limit it would break. max_visitor: 0 is no limit; visitor: addr_visitor(),
 * 0 is not counted. What was let in is let out with the same visitor.
 */
enum limits_verdict limits_enter(struct limits *limits, unsigned max, unsigned max_visitor, uint64_t visitor);
void limits_leave(struct limits *limits, uint64_t visitor);

/* A session that had both sides has ended; before limits_leave(). */
void limits_serve(struct limits *limits);

/* A place for one more session of a route; false when `max` are taken, 0 is no limit. */
bool limits_take_route(struct limits *limits, size_t route, unsigned max);
void limits_give_route(struct limits *limits, size_t route);

/* A place for one more program; false when `max` are taken. Taken before it is started, given back when it
 * has been released (spawn_release()), or never was started. */
bool limits_take_process(struct limits *limits, unsigned max);
void limits_give_process(struct limits *limits);

/*
 * May a program be started on this route now? Counts it if so. rate: starts a second, at most a million, the
 * same with every call; as many may come at once after a second without any. 0 is no limit. now: loop_now(),
 * milliseconds, of any thread.
 */
bool limits_start(struct limits *limits, size_t route, unsigned rate, uint64_t now);

#endif
