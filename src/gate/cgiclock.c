/*
 * cgiclock: compares the times of a run with its limits. Pure; any thread.
 */
#include "gate/cgiclock.h"

/* What is left of a limit that runs from `from`; 0 when it is over, UINT64_MAX without one. */
static uint64_t cgiclock_left(unsigned limit_ms, uint64_t from, uint64_t now)
{
	uint64_t gone = now > from ? now - from : 0;

	if (limit_ms == 0)
		return UINT64_MAX;
	return gone < limit_ms ? limit_ms - gone : 0;
}

/* How long nothing may move in this turn, and what it is that ends then. */
static unsigned cgiclock_limit(const struct cgiclock *clock, enum cgiclock_verdict *verdict)
{
	switch (clock->turn) {
	case CGICLOCK_BODY:
		*verdict = CGICLOCK_NO_BODY;
		return clock->send_ms;
	case CGICLOCK_RESPONSE:
		*verdict = CGICLOCK_STUCK;
		return clock->send_ms;
	case CGICLOCK_PROGRAM:
	case CGICLOCK_TURNS:
		break;
	}
	*verdict = clock->answered ? CGICLOCK_IDLE : CGICLOCK_NO_HEAD;
	bool silent = clock->answered && clock->idle_ms > 0 && clock->idle_ms < CGICLOCK_HEAD_MS;
	if (silent || (clock->answered && !clock->over))
		return clock->idle_ms;
	return CGICLOCK_HEAD_MS;
}

/* The sooner one decides; of both at once, the one that nothing can put off. */
enum cgiclock_verdict cgiclock_check(const struct cgiclock *clock, uint64_t now, uint64_t *again_ms)
{
	enum cgiclock_verdict verdict;
	unsigned limit = cgiclock_limit(clock, &verdict);
	uint64_t life = cgiclock_left(clock->lifetime_ms, clock->began_at, now);
	uint64_t turn = cgiclock_left(limit, clock->moved_at, now);

	*again_ms = life < turn ? life : turn;
	if (*again_ms > 0)
		return CGICLOCK_ON;
	return life == 0 ? CGICLOCK_LIFETIME : verdict;
}

/* A row for each. */
const char *cgiclock_reason(enum cgiclock_verdict verdict)
{
	static const char *const reasons[] = {
		[CGICLOCK_ON] = "",
		[CGICLOCK_LIFETIME] = "lifetime",
		[CGICLOCK_NO_HEAD] = "the program did not answer in time",
		[CGICLOCK_IDLE] = "idle",
		[CGICLOCK_NO_BODY] = "the client's body did not come on",
		[CGICLOCK_STUCK] = "the client takes nothing",
	};
	return reasons[verdict];
}
