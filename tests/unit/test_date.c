/*
 * Dates of HTTP: the three forms, each byte of them, the years of two digits.
 */
#include "guard.h"
#include "http/date.h"
#include "http/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { RFC_DATE = 784111777, NOW = 1800000000 /* in January 2027 */ };

/* Parses at the end of a readable page. */
static bool parse(const struct guard *guard, const char *text, time_t now, time_t *out)
{
	size_t len = strlen(text);

	*out = -12345;
	return date_parse((struct text){ (char *)guard_put(guard, text, len), len }, now, out);
}

static void good(const struct guard *guard, const char *text, time_t want)
{
	time_t got;

	if (!parse(guard, text, NOW, &got) || got != want)
		fail_msg("%s: %lld", text, (long long)got);
}

static void bad(const struct guard *guard, const char *text)
{
	time_t got;

	if (parse(guard, text, NOW, &got))
		fail_msg("%s: %lld", text, (long long)got);
}

static void test_forms(void **state)
{
	struct guard guard = guard_new(64);

	(void)state;
	good(&guard, "Sun, 06 Nov 1994 08:49:37 GMT", RFC_DATE);
	good(&guard, "Sunday, 06-Nov-94 08:49:37 GMT", RFC_DATE);
	good(&guard, "Sun Nov  6 08:49:37 1994", RFC_DATE);
	good(&guard, "Sun Nov 06 08:49:37 1994", RFC_DATE);
	good(&guard, "Wed Nov 16 08:49:37 1994", RFC_DATE + 10 * 86400);
	good(&guard, "Mon, 06 Nov 1994 08:49:37 GMT", RFC_DATE); /* that it was a Sunday is not asked for */
	good(&guard, "Thu, 01 Jan 1970 00:00:00 GMT", 0);
	good(&guard, "Wed, 31 Dec 1969 23:59:59 GMT", -1);
	good(&guard, "Sat, 01 Jan 0000 00:00:00 GMT", -62167219200);
	good(&guard, "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799);
	good(&guard, "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800); /* a leap second */
	guard_free(&guard);
}

/* Each limit, and one more. */
static void test_limits(void **state)
{
	struct guard guard = guard_new(64);

	(void)state;
	good(&guard, "Tue, 29 Feb 2000 00:00:00 GMT", 951782400);
	good(&guard, "Thu, 29 Feb 2024 00:00:00 GMT", 1709164800);
	bad(&guard, "Thu, 29 Feb 2023 00:00:00 GMT");
	bad(&guard, "Mon, 29 Feb 1900 00:00:00 GMT");
	bad(&guard, "Thu, 30 Feb 2024 00:00:00 GMT");
	good(&guard, "Tue, 30 Apr 2024 00:00:00 GMT", 1714435200);
	bad(&guard, "Tue, 31 Apr 2024 00:00:00 GMT");
	good(&guard, "Tue, 31 Dec 2024 00:00:00 GMT", 1735603200);
	bad(&guard, "Tue, 32 Dec 2024 00:00:00 GMT");
	good(&guard, "Sun, 01 Dec 2024 00:00:00 GMT", 1733011200);
	bad(&guard, "Sat, 00 Dec 2024 00:00:00 GMT");
	bad(&guard, "Sun Nov  0 08:49:37 1994");
	good(&guard, "Sun, 06 Nov 1994 23:59:59 GMT", 784166399);
	bad(&guard, "Sun, 06 Nov 1994 24:00:00 GMT");
	bad(&guard, "Sun, 06 Nov 1994 08:60:37 GMT");
	bad(&guard, "Sun, 06 Nov 1994 08:49:61 GMT");
	guard_free(&guard);
}

static void test_not_dates(void **state)
{
	static const char *const texts[] = { "", "0", "784111777", "Sun", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 gmt",
		"Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 1994 08:49:37 GMT ",
		" Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun,  6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
		"sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sunday, 06-Nov-4 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov -994 08:49:37 GMT",
		"Sun, 06 Nov 19940 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun Nov   6 08:49:37 1994",
		"Sun Nov  6 08:49:37 1994 GMT", "Sunday Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z",
		"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
		"Xyz, 06 Nov 1994 08:49:37 GMT", ", 06 Nov 1994 08:49:37 GMT", " Nov  6 08:49:37 1994",
		", 06-Nov-94 08:49:37 GMT", "Sun, 06  1994 08:49:37 GMT", "Sun, 06 Xyz 1994 08:49:37 GMT" };
	struct guard guard = guard_new(64);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		bad(&guard, texts[i]);
	guard_free(&guard);
}

/* Cut anywhere, or with any byte changed to one that belongs nowhere, it is none; nothing behind is read. */
static void test_every_byte(void **state)
{
	static const char *const forms[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" };
	struct guard guard = guard_new(64);
	char text[64];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t at = 0; at < strlen(forms[i]); at++) {
			strcpy(text, forms[i]);
			text[at] = '\x7f';
			bad(&guard, text);
			text[at] = '\0';
			bad(&guard, text);
		}
	}
	guard_free(&guard);
}

/* Two digits: up to 50 years ahead, or in the past. NOW is in 2027; and at the turns of centuries. */
static void test_two_digit_years(void **state)
{
	static const struct {
		time_t now;
		const char *text;
		const char *want;
	} years[] = {
		{ NOW, "Friday, 01-Jan-27 00:00:00 GMT", "Fri, 01 Jan 2027 00:00:00 GMT" },
		{ NOW, "Friday, 01-Jan-76 00:00:00 GMT", "Wed, 01 Jan 2076 00:00:00 GMT" },
		{ NOW, "Friday, 01-Jan-77 00:00:00 GMT", "Fri, 01 Jan 2077 00:00:00 GMT" },
		{ NOW, "Sunday, 01-Jan-78 00:00:00 GMT", "Sun, 01 Jan 1978 00:00:00 GMT" },
		{ NOW, "Friday, 01-Jan-99 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT" },
		{ NOW, "Saturday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT" },
		{ 915148800 /* 1999 */, "Saturday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT" },
		{ 915148800, "Saturday, 01-Jan-49 00:00:00 GMT", "Fri, 01 Jan 2049 00:00:00 GMT" },
		{ 915148800, "Saturday, 01-Jan-50 00:00:00 GMT", "Sun, 01 Jan 1950 00:00:00 GMT" },
		{ 946684800 /* 2000 */, "Saturday, 01-Jan-50 00:00:00 GMT", "Sat, 01 Jan 2050 00:00:00 GMT" },
		{ 946684800, "Saturday, 01-Jan-51 00:00:00 GMT", "Mon, 01 Jan 1951 00:00:00 GMT" },
	};
	struct guard guard = guard_new(64);

	(void)state;
	for (size_t i = 0; i < sizeof(years) / sizeof(years[0]); i++) {
		char got[HTTP_DATE_SIZE];
		time_t date;

		assert_true(parse(&guard, years[i].text, years[i].now, &date));
		assert_string_equal(http_date(date, got), years[i].want);
	}
	guard_free(&guard);
}

/* What http_date() writes is read to the same. */
static void test_written_is_read(void **state)
{
	struct guard guard = guard_new(64);
	char text[HTTP_DATE_SIZE];

	(void)state;
	for (time_t when = -62167219200; when <= 253402300799; when += 86399 * 97)
		good(&guard, http_date(when, text), when);
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_not_dates),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_two_digit_years),
		cmocka_unit_test(test_written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
