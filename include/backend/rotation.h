/*
 * rotation: which of a route's services a session is for: how many sessions each has, whose turn it is, and
 * which of them rest because they could not be reached.
 *
 * One for all workers; everything in it is atomic, nothing is locked. What counts is what sessions have seen:
 * nobody is asked how it is.
 */
#ifndef BACKEND_ROTATION_H
#define BACKEND_ROTATION_H

#include "conf/config.h"

#include <stdatomic.h>

enum { ROTATION_REST_MS = 10000 }; /* a service that could not be reached is left alone for so long */

/* One service of a route, as all sessions see it. */
struct rotation_service {
	uint64_t name;		 /* of its URI, for hash-ip */
	atomic_uint sessions;	 /* that try to reach it, or have */
	atomic_ullong rest_till; /* loop_now(); 0: it does not rest */
};

/* The services of one route, in the order of `connect`. */
struct rotation_route {
	size_t n;
	atomic_uint turns; /* sessions that have asked whose turn it is, where there are several */
	struct rotation_service *services;
};

struct rotation {
	size_t n_routes;
	struct rotation_route routes[]; /* n is 0 for those that have none */
};

/* For the routes of a configuration, which must outlive it. NULL when memory is short. */
struct rotation *rotation_new(const struct config *config);
void rotation_free(struct rotation *rotation); /* when all sessions have left. NULL is allowed */

/* The services of a route; NULL when there is none. rotation may be NULL. One that is alone is tried by each
 * session, also when it should rest: all that comes of that is who has news of it. */
struct rotation_route *rotation_of(struct rotation *rotation, size_t route_index);

/* One session's way through the services of a route, until it has reached one. */
struct rotation_walk {
	struct rotation_route *route;
	enum balance balance;
	enum health health;
	uint64_t client; /* addr_visitor(), for hash-ip */
	unsigned turn;
	bool *tried; /* one for each service, false to begin with; the caller's */
	size_t at;   /* the one that is being tried */
	bool trial;  /* it was resting, and this session is the one that looks whether it is back */
};

/* Begins; the fields above `turn`, and `tried`, are the caller's to set. */
void rotation_begin(struct rotation_walk *walk);

/*
 * The next service to try, which counts the session from now on; NULL when all were tried. By the rule of
 * `balance` among those that do not rest; then those that do, in their order, since to try in vain is better
 * than not to try. One whose rest is over goes to one session at a time.
 *
 * Each is followed by one of the three below. now: loop_now().
 */
struct rotation_service *rotation_next(struct rotation_walk *walk, uint64_t now);

/* It could not be reached: it does not count the session any more, and rests. Returns whether that is news.
 */
bool rotation_failed(struct rotation_walk *walk, uint64_t now);

/* It was reached, and counts the session until rotation_leave(). Returns whether it rested before. */
bool rotation_reached(struct rotation_walk *walk);

/* Nobody knows: the session went before it was reached. */
void rotation_abandon(struct rotation_walk *walk, uint64_t now);

/* The session is over. NULL is allowed. */
void rotation_leave(struct rotation_service *service);

#endif
