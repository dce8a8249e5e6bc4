/*
 * date: takes dates apart by patterns, a letter for each thing that stands there. Not strptime(): that takes
 * the locale's names, and spaces wherever it likes. No state, any thread.
 */
#include "http/date.h"

#include <string.h>

enum { DATE_NAME_MAX = 9 }; /* Wednesday */

static const char date_days[][DATE_NAME_MAX + 1] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday" };
static const char date_months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Takes a number of exactly `n` digits off the text; false when there is none, or one above max. */
static bool date_take_number(struct text *in, size_t n, int max, int *out)
{
	uint64_t number;

	if (in->len < n || !text_to_u64((struct text){ in->ptr, n }, (uint64_t)max, &number))
		return false;
	*out = (int)number;
	*in = text_slice(*in, n);
	return true;
}

/* Takes the name of a day, the whole one or its first three letters. */
static bool date_take_day(struct text *in, bool whole)
{
	for (size_t i = 0; i < 7; i++) {
		size_t len = whole ? strlen(date_days[i]) : 3;

		if (in->len >= len && memcmp(in->ptr, date_days[i], len) == 0) {
			*in = text_slice(*in, len);
			return true;
		}
	}
	return false;
}

/* Takes the name of a month. */
static bool date_take_month(struct text *in, int *out)
{
	for (int i = 0; i < 12; i++) {
		if (in->len >= 3 && memcmp(in->ptr, date_months + (size_t)i * 3, 3) == 0) {
			*in = text_slice(*in, 3);
			*out = i;
			return true;
		}
	}
	return false;
}

/* Takes a day of the month, in asctime()'s form with a space for its first digit. */
static bool date_take_mday(struct text *in, bool spaced, int *out)
{
	if (!spaced || !text_starts_with(*in, " "))
		return date_take_number(in, 2, 31, out);
	*in = text_slice(*in, 1);
	return date_take_number(in, 1, 9, out);
}

/* Takes what one letter of a pattern stands for; any other character stands for itself. */
static bool date_take(struct text *in, char what, struct tm *tm)
{
	switch (what) {
	case 'w':
	case 'W':
		return date_take_day(in, what == 'W');
	case 'd':
	case 'e':
		return date_take_mday(in, what == 'e', &tm->tm_mday);
	case 'b':
		return date_take_month(in, &tm->tm_mon);
	case 'Y':
		return date_take_number(in, 4, 9999, &tm->tm_year);
	case 'y':
		return date_take_number(in, 2, 99, &tm->tm_year);
	case 'h':
		return date_take_number(in, 2, 23, &tm->tm_hour);
	case 'm':
		return date_take_number(in, 2, 59, &tm->tm_min);
	case 's':
		return date_take_number(in, 2, 60, &tm->tm_sec); /* a leap second */
	default:
		if (in->len == 0 || in->ptr[0] != what)
			return false;
		*in = text_slice(*in, 1);
		return true;
	}
}

/* Does the text follow the pattern to its end? */
static bool date_matches(struct text in, const char *pattern, struct tm *tm)
{
	*tm = (struct tm){ 0 };
	while (*pattern != '\0') {
		if (!date_take(&in, *pattern++, tm))
			return false;
	}
	return in.len == 0;
}

/* The full year of two digits: the one of the hundred that end 50 years ahead. (The RFC asks for that of the
 * whole timestamp; years are near enough.) */
static int date_full_year(int two, time_t now)
{
	struct tm tm = { 0 };
	int this_year, year;

	gmtime_r(&now, &tm);
	this_year = tm.tm_year + 1900;
	year = this_year - this_year % 100 + two;
	if (year > this_year + 50)
		return year - 100;
	return year <= this_year - 50 ? year + 100 : year;
}

/* Tries one form after the other, then has the calendar look at it. */
bool date_parse(struct text in, time_t now, time_t *out)
{
	struct tm tm, checked;

	if (date_matches(in, "W, d-b-y h:m:s GMT", &tm))
		tm.tm_year = date_full_year(tm.tm_year, now);
	else if (!date_matches(in, "w, d b Y h:m:s GMT", &tm) && !date_matches(in, "w b e h:m:s Y", &tm))
		return false;
	tm.tm_year -= 1900;
	checked = tm;
	checked.tm_sec = 0;
	checked.tm_isdst = 0;
	time_t minute = timegm(&checked);
	if (checked.tm_mday != tm.tm_mday || checked.tm_mon != tm.tm_mon)
		return false;
	*out = minute + tm.tm_sec;
	return true;
}
