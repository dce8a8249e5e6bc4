/*
 * pace: goes down at once to what would have been right, and up by doubling as long as all that may be read
 * is there. Pure; any thread.
 */
#include "backend/pace.h"

/* What comes in one piece need not be felt for. */
void pace_init(struct pace *pace, bool whole)
{
	pace->most = whole ? PACE_MOST : PACE_FIRST;
}

/* Between the two marks it stays, so that a steady flood finds its pace. */
void pace_after(struct pace *pace, size_t len, size_t n)
{
	if (n > PACE_MESSAGES) {
		size_t right = len * PACE_MESSAGES / n;
		pace->most = right > PACE_LEAST ? right : PACE_LEAST;
	} else if (n <= PACE_MESSAGES / 2 && len >= pace->most) {
		pace->most = pace->most < PACE_MOST / 2 ? pace->most * 2 : PACE_MOST;
	}
}
