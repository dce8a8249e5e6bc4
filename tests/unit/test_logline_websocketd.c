/*
 * test_logline_websocketd: what lines look like in the form of websocketd's log, which level each has, and
 * that no client can write a column of its own.
 */
#include "base/logline_websocketd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define FIELDS(...) ((const struct log_field[]){ __VA_ARGS__, { .key = NULL } })
#define HEAD	    "Sat, 21 Nov 2026 22:31:55 +0000 | "

static const struct log_field NO_FIELDS[] = { { .key = NULL } };
static const struct logline_websocketd_word WORDS[] = {
	{ "began", LOG_WEBSOCKETD_ACCESS, "session", "CONNECT", NULL },
	{ "ended", LOG_WEBSOCKETD_ACCESS, "session", "DISCONNECT", NULL },
	{ "request", LOG_WEBSOCKETD_ACCESS, "http", NULL, "words" },
	{ "said", LOG_WEBSOCKETD_ERROR, "stderr", NULL, "line" },
	{ "cannot", LOG_WEBSOCKETD_FATAL, "server", "Can't: at all", NULL },
	{ NULL, LOG_WEBSOCKETD_OFF, NULL, NULL, NULL },
};
static const struct logline_websocketd ALL = { LOG_WEBSOCKETD_DEBUG, WORDS };
static const struct logline_websocketd FROM_ACCESS = { LOG_WEBSOCKETD_ACCESS, WORDS };
static const uint64_t WHEN_US = UINT64_C(1795300315123456); /* 2026-11-21 22:31:55.123456 UTC */

/* Formats what is logged from `least` on, and compares; "" is a line that is left out. */
static void check_from(enum log_websocketd least, enum log_level level, const char *sentence,
	const struct log_field *fields, const char *expected)
{
	const struct logline_websocketd form = { least, WORDS };
	char out[4096];
	size_t len = logline_websocketd_format(
		out, sizeof(out) - 1, &form, false, WHEN_US, level, sentence, fields);

	out[len] = '\0';
	assert_string_equal(out, expected);
}

/* The same for all that there is. */
static void check_line(
	enum log_level level, const char *sentence, const struct log_field *fields, const char *expected)
{
	check_from(LOG_WEBSOCKETD_DEBUG, level, sentence, fields, expected);
}

/* Its words for our lines. */
static void test_words(void **state)
{
	const struct log_field session[] = { LOG_STR("url", "http://h/x?***"), LOG_STR("id", "5d"),
		LOG_STR("remote", "::1"), LOG_STR("origin", NULL), LOG_U64("pid", 7), { .key = NULL } };

	(void)state;
	check_line(LOG_INFO, "began", session,
		HEAD "ACCESS | session    | url:'http://h/x?***' id:'5d' remote:'::1' pid:'7' | CONNECT");
	check_line(LOG_INFO, "ended", session,
		HEAD "ACCESS | session    | url:'http://h/x?***' id:'5d' remote:'::1' pid:'7' | DISCONNECT");
	check_line(LOG_INFO, "request", FIELDS(LOG_STR("words", "NOT FOUND"), LOG_STR("url", "http://h/")),
		HEAD "ACCESS | http       | url:'http://h/' | NOT FOUND");
	check_line(LOG_INFO, "said", FIELDS(LOG_STR("id", "5d"), LOG_STR("line", "it's \"odd\" | \\ \x1b")),
		HEAD "ERROR  | stderr     | id:'5d' | it's \"odd\" | \\\\ \\u001b");
	check_line(LOG_ERROR, "cannot", FIELDS(LOG_STR("address", "*:80")),
		HEAD "FATAL  | server     | address:'*:80' | Can't: at all");
	check_line(LOG_INFO, "Serving using application   : /bin/cat", NO_FIELDS,
		HEAD "INFO   | server     |  | Serving using application   : /bin/cat");
	check_line(LOG_WARNING, "odd", FIELDS(LOG_I64("a", -3), LOG_MS("b", 61250)),
		HEAD "ERROR  | server     | a:'-3' b:'61.250' | odd");
	check_line(LOG_DEBUG, "x", NO_FIELDS, HEAD "TRACE  | server     |  | x");
	check_line(LOG_TRACE, "x", NO_FIELDS, HEAD "DEBUG  | server     |  | x");
}

/* A line comes at its level and below, and not above. */
static void test_levels(void **state)
{
	static const struct {
		const char *sentence;
		enum log_level level;
		enum log_websocketd there;
	} lines[] = {
		{ "x", LOG_TRACE, LOG_WEBSOCKETD_DEBUG },
		{ "x", LOG_DEBUG, LOG_WEBSOCKETD_TRACE },
		{ "request", LOG_INFO, LOG_WEBSOCKETD_ACCESS },
		{ "x", LOG_INFO, LOG_WEBSOCKETD_INFO },
		{ "said", LOG_INFO, LOG_WEBSOCKETD_ERROR },
		{ "x", LOG_ERROR, LOG_WEBSOCKETD_ERROR },
		{ "cannot", LOG_ERROR, LOG_WEBSOCKETD_FATAL },
	};
	char out[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		for (int least = LOG_WEBSOCKETD_DEBUG; least <= LOG_WEBSOCKETD_NONE; least++) {
			const struct logline_websocketd form = { (enum log_websocketd)least, WORDS };
			size_t len = logline_websocketd_format(out, sizeof(out), &form, false, WHEN_US,
				lines[i].level, lines[i].sentence, NO_FIELDS);

			assert_int_equal(len > 0, least <= (int)lines[i].there);
		}
	}
}

/* What a client sends stays in its column. */
static void test_escapes(void **state)
{
	static const char nul[] = "a\0b";

	(void)state;
	check_line(LOG_INFO, "x",
		FIELDS(LOG_STR("origin", "' | CONNECT\r\nSat id:'1'"), LOG_STR("u", "\"\\\x7f\xc3\xa9")),
		HEAD "INFO   | server     | origin:'\\u0027 \\u007c CONNECT\\r\\nSat id:\\u00271\\u0027' "
		     "u:'\"\\\\\\u007f\\u00e9' | x");
	check_line(LOG_INFO, "said", FIELDS(LOG_TEXT("line", ((struct text){ nul, 3 }))),
		HEAD "ERROR  | stderr     |  | a\\u0000b");
	check_line(LOG_INFO, "said", FIELDS(LOG_STR("line", "a\nb")), HEAD "ERROR  | stderr     |  | a\\nb");
}

/* The head has the priority in front when the journal reads it, and its time is that of the zone. */
static void test_prefix_and_zone(void **state)
{
	char out[4096];
	size_t len;

	(void)state;
	len = logline_websocketd_format(
		out, sizeof(out), &FROM_ACCESS, true, WHEN_US, LOG_ERROR, "x", NO_FIELDS);
	out[len] = '\0';
	assert_string_equal(out, "<3>" HEAD "ERROR  | server     |  | x");
	setenv("TZ", "IST-05:30", 1);
	tzset();
	check_line(LOG_INFO, "x", NO_FIELDS, "Sun, 22 Nov 2026 04:01:55 +0530 | INFO   | server     |  | x");
	setenv("TZ", "UTC0", 1);
	tzset();
}

/* Fields that are too long are cut, and the message is there all the same; at every size the line is within
 * its bounds and has both quotes of each value. */
static void test_cut(void **state)
{
	char *url = malloc(9001);

	(void)state;
	assert_non_null(url);
	memset(url, 'u', 9000);
	url[9000] = '\0';
	const struct log_field with_url[] = { LOG_STR("long", url), LOG_U64("pid", 1), { .key = NULL } };
	for (size_t size = LOGLINE_MIN; size <= 1024; size++) {
		char *out = malloc(size);
		size_t len = logline_websocketd_format(
			out, size, &ALL, false, WHEN_US, LOG_INFO, "ended", with_url);
		char line[1025];

		assert_true(len <= size);
		memcpy(line, out, len);
		line[len] = '\0';
		free(out);
		assert_non_null(strstr(line, "u' | DISCONNECT cut=true"));
		assert_non_null(strstr(line, "| long:'u"));
	}
	for (size_t size = LOGLINE_MIN; size <= 300; size++) {
		char *out = malloc(size);
		const struct log_field said[] = { LOG_STR("line", url), { .key = NULL } };
		size_t len =
			logline_websocketd_format(out, size, &ALL, false, WHEN_US, LOG_INFO, "said", said);

		assert_true(len <= size);
		assert_memory_equal(out + len - 10, "u cut=true", 10);
		free(out);
	}
	free(url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_prefix_and_zone),
		cmocka_unit_test(test_cut),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
