/*
 * lifespan: compares a session's times with its limits. Pure; any thread.
 */
#include "gate/lifespan.h"

/* What is left of a limit that runs from `from`; 0 when it is over, UINT64_MAX without one. */
static uint64_t lifespan_left(unsigned limit_ms, uint64_t from, uint64_t now)
{
	uint64_t gone = now - from;

	if (limit_ms == 0)
		return UINT64_MAX;
	return gone < limit_ms ? limit_ms - gone : 0;
}

/* Asks both limits. */
bool lifespan_is_limited(const struct lifespan *span)
{
	return span->idle_ms > 0 || span->lifetime_ms > 0;
}

/* The sooner one decides; of both at once, the one that no message can put off. */
const char *lifespan_check(const struct lifespan *span, uint64_t now, uint64_t *again_ms)
{
	uint64_t life = lifespan_left(span->lifetime_ms, span->began_at, now);
	uint64_t idle = lifespan_left(span->idle_ms, span->active_at, now);

	*again_ms = life < idle ? life : idle;
	if (*again_ms > 0)
		return NULL;
	return life == 0 ? "lifetime" : "idle";
}
