/*
 * bounds: looks at what the workers count, several times a second where somebody may wait for the end, else
 * once; so nothing of this is in the way of a session. Owns its timer; how the gateway ends is the server's.
 * Runs on the main thread.
 */
#include "run/bounds.h"

#include <errno.h>

enum { BOUNDS_TICK_MS = 1000, BOUNDS_ONCE_TICK_MS = 100, BOUNDS_IDLE_TICKS = 10 };

/* One session, and no other while that ends. */
void bounds_prepare(const struct config *config, struct limits *limits)
{
	limits->max_served = config->run_once ? 1 : 0;
}

/* Remembers when somebody was here last: now, if anybody is, or has been since it was looked. */
static void bounds_look(struct bounds *bounds, uint64_t now)
{
	const struct limits *limits = bounds->limits;
	unsigned arrivals = atomic_load(&limits->arrivals);
	bool here = atomic_load(&limits->pending) > 0 || atomic_load(&limits->sessions) > 0 ||
		    atomic_load(&limits->processes) > 0; /* a CGI program's client is neither of these */

	if (here || arrivals != bounds->arrivals)
		bounds->active_at = now;
	bounds->arrivals = arrivals;
}

/* Why it is to stop now; NULL: it is not. */
static const char *bounds_why(const struct bounds *bounds, uint64_t now)
{
	const struct config *config = bounds->config;

	if (config->run_once && atomic_load(&bounds->limits->served) > 0)
		return "one session was served (--run-once)";
	if (config->end_idle_ms > 0 && now - bounds->active_at >= config->end_idle_ms)
		return "nobody was connected for so long (--idle-timeout)";
	return NULL;
}

/* Lets nobody in any more, when it is time. */
static void bounds_shut(struct bounds *bounds, uint64_t now)
{
	unsigned after_ms = bounds->config->end_after_ms;

	if (bounds->shut || after_ms == 0 || now - bounds->began_at < after_ms)
		return;
	bounds->shut = true;
	log_info(bounds->loop->log, "ending", LOG_STR("reason", "the time is up (--timeout)"));
	bounds->hooks->on_shut(bounds->arg);
}

/* How long until the next look. */
static uint64_t bounds_tick(const struct bounds *bounds, uint64_t now)
{
	const struct config *config = bounds->config;
	uint64_t ms = config->run_once ? BOUNDS_ONCE_TICK_MS : BOUNDS_TICK_MS;
	uint64_t passed = now - bounds->began_at;

	if (config->end_idle_ms > 0 && config->end_idle_ms / BOUNDS_IDLE_TICKS < ms)
		ms = config->end_idle_ms / BOUNDS_IDLE_TICKS;
	if (!bounds->shut && config->end_after_ms > passed && config->end_after_ms - passed < ms)
		ms = config->end_after_ms - passed;
	return ms;
}

/* Time for a look. */
static void bounds_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct bounds *bounds = arg;
	uint64_t now = loop_now(bounds->loop);
	const char *why;
	(void)fd;
	(void)what;

	bounds_look(bounds, now);
	why = bounds_why(bounds, now);
	if (why != NULL) {
		log_info(bounds->loop->log, "ending", LOG_STR("reason", why));
		bounds->hooks->on_end(bounds->arg);
		return;
	}
	bounds_shut(bounds, now);
	loop_timer_set(bounds->timer, bounds_tick(bounds, now));
}

/* Begins. */
int bounds_start(struct bounds *bounds, const struct config *config, struct limits *limits, struct loop *loop,
	const struct bounds_hooks *hooks, void *arg)
{
	uint64_t now = loop_now(loop);

	*bounds = (struct bounds){ .config = config,
		.limits = limits,
		.loop = loop,
		.hooks = hooks,
		.arg = arg,
		.began_at = now,
		.active_at = now };
	if (!config->run_once && config->end_after_ms == 0 && config->end_idle_ms == 0)
		return 0;
	bounds->timer = loop_event_new(loop, -1, 0, bounds_on_timer, bounds);
	return bounds->timer == NULL ? -ENOMEM : loop_timer_set(bounds->timer, bounds_tick(bounds, now));
}

/* Stops the timer. */
void bounds_stop(struct bounds *bounds)
{
	if (bounds->timer != NULL)
		loop_event_stop(bounds->timer);
}

/* Frees it. */
void bounds_done(struct bounds *bounds)
{
	if (bounds->timer != NULL)
		loop_event_free(bounds->loop, bounds->timer);
	bounds->timer = NULL;
}
