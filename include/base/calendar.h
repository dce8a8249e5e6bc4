/*
 * calendar: the date and the time of day (UTC) of a second. No state, any thread: gmtime_r() takes libc's
 * lock of time zones, and sessions ask twice, for the 101's Date and for their line of log.
 */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include <stdint.h>

/* The seconds that it knows: the years 0 to 9999 of the Gregorian calendar. */
#define CALENDAR_FIRST INT64_C(-62167219200)
#define CALENDAR_LAST  INT64_C(253402300799)

struct calendar {
	int year, month, day; /* month from 0, day from 1 */
	int weekday;	      /* Sunday is 0 */
	int hour, minute, second;
};

/* Takes seconds since 1970-01-01 00:00 UTC, those before too; one that it does not know becomes the nearest.
 */
struct calendar calendar_at(int64_t seconds);

#endif
