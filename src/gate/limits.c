/*
 * limits: the counters that belong to no worker.
 *
 * Totals are atomics. Sessions of one visitor are counted in a hash table under a lock, held for a few
 * comparisons; visitors who have no session are not in it, so it is as large as the number of visitors. Runs
 * on any thread.
 */
#include "gate/limits.h"

#include "base/must.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { LIMITS_SLOTS = 4096 };

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
int limits_init(struct limits *limits)
{
	atomic_init(&limits->pending, 0);
	atomic_init(&limits->sessions, 0);
	limits->visitors = calloc(1, sizeof(*limits->visitors));
	if (limits->visitors == NULL)
		return -ENOMEM;
	pthread_mutex_init(&limits->visitors->lock, NULL);
	return 0;
}

/* Everybody has left before. */
void limits_done(struct limits *limits)
{
	if (limits->visitors == NULL)
		return;
	must(atomic_load(&limits->pending) == 0);
	for (int i = 0; i < LIMITS_SLOTS; i++)
		must(limits->visitors->slots[i] == NULL);
	pthread_mutex_destroy(&limits->visitors->lock);
	free(limits->visitors);
	limits->visitors = NULL;
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

/* Looks and takes in one step: of several threads that see the last place one gets it. */
bool limits_take_pending(struct limits *limits, unsigned max)
{
	unsigned taken = atomic_load(&limits->pending);

	while (taken < max) {
		if (atomic_compare_exchange_weak(&limits->pending, &taken, taken + 1))
			return true;
	}
	return false;
}

/* A place that nobody has can't come back. */
void limits_give_pending(struct limits *limits)
{
	must(atomic_fetch_sub(&limits->pending, 1) > 0);
}

/* Takes a place and gives it back when there was none. */
enum limits_verdict limits_enter(struct limits *limits, unsigned max, unsigned max_visitor, uint64_t visitor)
{
	enum limits_verdict verdict = LIMITS_OK;

	if (atomic_fetch_add(&limits->sessions, 1) >= max)
		verdict = LIMITS_FULL;
	else if (visitor != 0)
		verdict = limits_visitor_enter(limits->visitors, max_visitor, visitor);
	if (verdict != LIMITS_OK)
		atomic_fetch_sub(&limits->sessions, 1);
	return verdict;
}

/* Gives a place back. */
void limits_leave(struct limits *limits, uint64_t visitor)
{
	atomic_fetch_sub(&limits->sessions, 1);
	if (visitor != 0)
		limits_visitor_leave(limits->visitors, visitor);
}
