/*
 * limits: the counters that belong to no worker.
 *
 * Totals, and what belongs to a route, are atomics. Sessions of one visitor are counted in a hash table under
 * a lock, held for a few comparisons; visitors who have no session are not in it, so it is as large as the
 * number of visitors. Runs on any thread.
 */
#include "gate/limits.h"

#include "base/must.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

enum { LIMITS_SLOTS = 4096, LIMITS_TOKEN = 1000 };

struct limits_visitor {
	struct limits_visitor *next;
	uint64_t key;
	unsigned n;
};

struct limits_visitors {
	pthread_mutex_t lock;
	struct limits_visitor *slots[LIMITS_SLOTS];
};

/* Nobody is here. */
int limits_init(struct limits *limits, size_t n_routes)
{
	atomic_init(&limits->pending, 0);
	atomic_init(&limits->sessions, 0);
	atomic_init(&limits->processes, 0);
	atomic_init(&limits->arrivals, 0);
	atomic_init(&limits->served, 0);
	limits->visitors = calloc(1, sizeof(*limits->visitors));
	limits->routes = calloc(n_routes + 1, sizeof(*limits->routes));
	if (limits->visitors == NULL || limits->routes == NULL) {
		free(limits->visitors);
		free(limits->routes);
		limits->visitors = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < n_routes; i++) {
		atomic_init(&limits->routes[i].sessions, 0);
		atomic_init(&limits->routes[i].started, 0);
	}
	pthread_mutex_init(&limits->visitors->lock, NULL);
	return 0;
}

/* Everybody has left before. */
void limits_done(struct limits *limits)
{
	if (limits->visitors == NULL)
		return;
	must(atomic_load(&limits->pending) == 0 && atomic_load(&limits->processes) == 0);
	for (int i = 0; i < LIMITS_SLOTS; i++)
		must(limits->visitors->slots[i] == NULL);
	pthread_mutex_destroy(&limits->visitors->lock);
	free(limits->visitors);
	free(limits->routes);
	limits->visitors = NULL;
	limits->routes = NULL;
}

/* Looks and takes in one step: of several threads that see the last place one gets it. */
static bool limits_take(atomic_uint *taken, unsigned max)
{
	unsigned n = atomic_load(taken);

	while (n < max) {
		if (atomic_compare_exchange_weak(taken, &n, n + 1))
			return true;
	}
	return false;
}

/* A place that nobody has can't come back. */
static void limits_give(atomic_uint *taken)
{
	must(atomic_fetch_sub(taken, 1) > 0);
}

/* Where a visitor is, or would be, in the table: the multiplier is 2^64 divided by the golden ratio, made
 * odd. */
static struct limits_visitor **limits_find(struct limits_visitors *visitors, uint64_t key)
{
	struct limits_visitor **at = &visitors->slots[(key * 0x9e3779b97f4a7c15u) >> 52];
	while (*at != NULL && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

/* Counts one more session of a visitor. */
static enum limits_verdict limits_visitor_enter(struct limits_visitors *visitors, unsigned max, uint64_t key)
{
	enum limits_verdict verdict = LIMITS_OK;

	pthread_mutex_lock(&visitors->lock);
	struct limits_visitor **at = limits_find(visitors, key);
	if (*at == NULL && (*at = calloc(1, sizeof(**at))) != NULL)
		(*at)->key = key;
	if (*at == NULL)
		verdict = LIMITS_NO_MEMORY;
	else if (max > 0 && (*at)->n >= max)
		verdict = LIMITS_VISITOR_FULL;
	else
		(*at)->n++;
	pthread_mutex_unlock(&visitors->lock);
	return verdict;
}

/* One session of a visitor has ended. */
static void limits_visitor_leave(struct limits_visitors *visitors, uint64_t key)
{
	pthread_mutex_lock(&visitors->lock);
	struct limits_visitor **at = limits_find(visitors, key), *visitor = *at;
	must(visitor != NULL && visitor->n > 0);
	if (--visitor->n == 0) {
		*at = visitor->next;
		free(visitor);
	}
	pthread_mutex_unlock(&visitors->lock);
}

/* A connection comes, if there is a place. */
bool limits_take_pending(struct limits *limits, unsigned max)
{
	bool taken = limits_take(&limits->pending, max);

	if (taken)
		atomic_fetch_add(&limits->arrivals, 1);
	return taken;
}

/* Counts it. */
bool limits_retake_pending(struct limits *limits, unsigned max)
{
	return atomic_fetch_add(&limits->pending, 1) < max;
}

/* Looks only. */
bool limits_is_pending_full(const struct limits *limits, unsigned max)
{
	return atomic_load(&limits->pending) >= max;
}

/* It was upgraded, is gone, or runs a program. */
void limits_give_pending(struct limits *limits)
{
	limits_give(&limits->pending);
}

/* Takes a place, which comes back when the visitor has none left. */
enum limits_verdict limits_enter(struct limits *limits, unsigned max, unsigned max_visitor, uint64_t visitor)
{
	enum limits_verdict verdict = LIMITS_OK;

	if (!limits_take(&limits->sessions, max))
		return LIMITS_FULL;
	/* Looked at with the place taken: whoever had it before has counted by then. */
	if (limits->max_served > 0 && atomic_load(&limits->served) >= limits->max_served)
		verdict = LIMITS_FULL;
	else if (visitor != 0)
		verdict = limits_visitor_enter(limits->visitors, max_visitor, visitor);
	if (verdict != LIMITS_OK)
		limits_give(&limits->sessions);
	return verdict;
}

/* One more. */
void limits_serve(struct limits *limits)
{
	atomic_fetch_add(&limits->served, 1);
}

/* Gives a place back. */
void limits_leave(struct limits *limits, uint64_t visitor)
{
	limits_give(&limits->sessions);
	if (visitor != 0)
		limits_visitor_leave(limits->visitors, visitor);
}

/* One more of a route; they are counted where there is no limit too, for a later one. */
bool limits_take_route(struct limits *limits, size_t route, unsigned max)
{
	return limits_take(&limits->routes[route].sessions, max > 0 ? max : UINT_MAX);
}

/* One less. */
void limits_give_route(struct limits *limits, size_t route)
{
	limits_give(&limits->routes[route].sessions);
}

/* One more program. */
bool limits_take_process(struct limits *limits, unsigned max)
{
	return limits_take(&limits->processes, max);
}

/* One less. */
void limits_give_process(struct limits *limits)
{
	limits_give(&limits->processes);
}

/*
 * A bucket of tokens that is one number, so that one exchange takes a token (the "virtual scheduling" of
 * GCRA, ITU-T I.371): the time at which it is full again. A token delays that by 1000/rate ms; it is there
 * when the bucket is full within a second from now. Time is in ms times rate, where a token is 1000 and
 * nothing is lost by rounding: 2^64 of it are 580 years even at a million a second.
 */
bool limits_start(struct limits *limits, size_t route, unsigned rate, uint64_t now)
{
	atomic_ullong *full_at = &limits->routes[route].started;
	unsigned long long at = atomic_load(full_at), ticks = (unsigned long long)now * rate, next;

	if (rate == 0)
		return true;
	do {
		next = (at > ticks ? at : ticks) + LIMITS_TOKEN;
		if (next - ticks > (unsigned long long)LIMITS_TOKEN * rate)
			return false;
	} while (!atomic_compare_exchange_weak(full_at, &at, next));
	return true;
}
