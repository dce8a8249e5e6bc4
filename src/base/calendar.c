/*
 * calendar: counts days in cycles of 400 years.
 */
#include "base/calendar.h"

enum {
	CALENDAR_CYCLE = 146097, /* days of 400 years */
	CALENDAR_EPOCH = 719468	 /* days from 1 March 0 to 1 January 1970 */
};

/* Years are counted from March on, so that the day of a leap year is the last one; the first cycle begins in
 * the year -400. */
static void calendar_set_day(struct calendar *out, int64_t days)
{
	unsigned long since = (unsigned long)(days + CALENDAR_EPOCH + CALENDAR_CYCLE);
	unsigned cycle = (unsigned)(since / CALENDAR_CYCLE), in_cycle = (unsigned)(since % CALENDAR_CYCLE);
	unsigned year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
	unsigned in_year = in_cycle - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * in_year + 2) / 153; /* from March */

	out->year = (int)(cycle * 400 + year + (month >= 10)) - 400;
	out->month = (int)(month + 2) % 12;
	out->day = (int)(in_year - (153 * month + 2) / 5 + 1);
	out->weekday = (int)((since + 3) % 7);
}

struct calendar calendar_at(int64_t seconds)
{
	struct calendar out;

	if (seconds < CALENDAR_FIRST)
		seconds = CALENDAR_FIRST;
	if (seconds > CALENDAR_LAST)
		seconds = CALENDAR_LAST;
	int in_day = (int)((seconds % 86400 + 86400) % 86400);
	calendar_set_day(&out, (seconds - in_day) / 86400);
	out.hour = in_day / 3600;
	out.minute = in_day / 60 % 60;
	out.second = in_day % 60;
	return out;
}
