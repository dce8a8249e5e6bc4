/*
 * bounds: when the gateway ends by itself: after one session, so long after its start, or when nobody comes
 * (what config.run_once, end_after_ms and end_idle_ms say; only the name websockify sets them).
 */
#ifndef RUN_BOUNDS_H
#define RUN_BOUNDS_H

#include "conf/config.h"
#include "gate/limits.h"
#include "net/loop.h"

struct bounds_hooks {
	void (*on_shut)(void *arg); /* nobody else is to come in, and it ends with the last session; once */
	void (*on_end)(void *arg);  /* it is to stop; the last call */
};

struct bounds {
	const struct config *config;
	struct limits *limits;
	struct loop *loop;
	const struct bounds_hooks *hooks;
	void *arg;
	struct event *timer; /* NULL: there are no bounds */
	uint64_t began_at, active_at;
	unsigned arrivals; /* seen */
	bool shut;
};

/* Of these limits only so many sessions are let in as may be; before the workers start. */
void bounds_prepare(const struct config *config, struct limits *limits);

/* Begins to look, if there is something to look for. Returns 0 or -ENOMEM. */
int bounds_start(struct bounds *bounds, const struct config *config, struct limits *limits, struct loop *loop,
	const struct bounds_hooks *hooks, void *arg);

/* Looks no more; frees what there is. Both also when it never began. */
void bounds_stop(struct bounds *bounds);
void bounds_done(struct bounds *bounds);

#endif
