/*
 * test_calendar: dates and times of day, against libc's.
 */
#include "base/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void check_second(int64_t seconds)
{
	const struct calendar utc = calendar_at(seconds);
	const time_t when = (time_t)seconds;
	struct tm tm;

	assert_non_null(gmtime_r(&when, &tm));
	assert_int_equal(utc.year, tm.tm_year + 1900);
	assert_int_equal(utc.month, tm.tm_mon);
	assert_int_equal(utc.day, tm.tm_mday);
	assert_int_equal(utc.weekday, tm.tm_wday);
	assert_int_equal(utc.hour, tm.tm_hour);
	assert_int_equal(utc.minute, tm.tm_min);
	assert_int_equal(utc.second, tm.tm_sec);
}

/* Each day's first second and its last. */
static void test_days(void **state)
{
	(void)state;
	for (int64_t day = CALENDAR_FIRST; day < CALENDAR_LAST; day += 86400) {
		check_second(day);
		check_second(day + 86399);
	}
}

/* Each second of two days. */
static void test_seconds(void **state)
{
	(void)state;
	for (int64_t second = -86400; second < 86400; second++)
		check_second(second);
}

/* The last ones that it knows, and what is outside. */
static void test_ends(void **state)
{
	static const int64_t below[] = { CALENDAR_FIRST, CALENDAR_FIRST - 1, INT64_MIN },
			     above[] = { CALENDAR_LAST, CALENDAR_LAST + 1, INT64_MAX };

	(void)state;
	check_second(CALENDAR_FIRST);
	check_second(CALENDAR_LAST);
	for (int i = 0; i < 3; i++) {
		const struct calendar first = calendar_at(below[i]), last = calendar_at(above[i]);

		assert_int_equal(first.year, 0);
		assert_int_equal(first.month + first.hour + first.minute + first.second, 0);
		assert_int_equal(first.day, 1);
		assert_int_equal(last.year, 9999);
		assert_int_equal(last.month * 100 + last.day, 1131);
		assert_int_equal(last.hour * 10000 + last.minute * 100 + last.second, 235959);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
