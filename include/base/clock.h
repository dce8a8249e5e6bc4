/*
 * clock: the time that nobody sets.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds on the monotonic clock. Any thread; also between fork and execve. */
int64_t clock_now_ms(void);

#endif
