/*
 * clock: the monotonic clock, for those that have no loop to ask. Holds nothing; any thread.
 */
#include "base/clock.h"

#include <time.h>

/* Asks the kernel. */
int64_t clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
