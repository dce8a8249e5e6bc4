/*
 * test_logline: what lines look like in each format, what is escaped, and how a line is cut.
 */
#include "base/logline.h"

#include "guard.h"
#include "jsonline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIELDS(...) ((const struct log_field[]){ __VA_ARGS__, { .key = NULL } })

static const struct log_field NO_FIELDS[] = { { .key = NULL } };
static const uint64_t WHEN_US = UINT64_C(1795300315123456); /* 2026-11-21 22:31:55.123456 UTC */

/* Formats with plenty of room and compares with a C string. */
static void check_line(enum log_format format, bool prefix, enum log_level level, const char *sentence,
	const struct log_field *fields, const char *expected)
{
	char out[4096];
	size_t len = logline_format(out, sizeof(out) - 1, format, prefix, WHEN_US, level, sentence, fields);

	out[len] = '\0';
	assert_string_equal(out, expected);
}

/* Compares the value of one field in all three formats. */
static void check_value(struct text value, const char *text, const char *logfmt, const char *json)
{
	static const char *const heads[] = { "2026-11-21 22:31:55.123Z INFO  x v=",
		"ts=2026-11-21T22:31:55.123Z level=info msg=x v=",
		"{\"ts\":\"2026-11-21T22:31:55.123Z\",\"level\":\"info\",\"msg\":\"x\",\"v\":" };
	const char *const values[] = { text, logfmt, json };
	char expected[512];

	for (unsigned i = 0; i < 3; i++) {
		enum log_format format = (enum log_format)i;

		strcpy(expected, heads[i]);
		strcat(expected, values[i]);
		strcat(expected, format == LOG_FORMAT_JSON ? "}" : "");
		check_line(format, false, LOG_INFO, "x", FIELDS(LOG_TEXT("v", value)), expected);
	}
}

static void test_formats(void **state)
{
	const struct log_field fields[] = { LOG_STR("route", "/x"), LOG_U64("code", 1000),
		LOG_STR("reason", "went away"), LOG_I64("left", -3), LOG_MS("took", 61250), { .key = NULL } };

	(void)state;
	check_line(LOG_FORMAT_TEXT, false, LOG_INFO, "session ended", fields,
		"2026-11-21 22:31:55.123Z INFO  session ended route=/x code=1000 reason=\"went away\" "
		"left=-3 "
		"took=61.250");
	check_line(LOG_FORMAT_LOGFMT, false, LOG_INFO, "session ended", fields,
		"ts=2026-11-21T22:31:55.123Z level=info msg=\"session ended\" route=/x code=1000 "
		"reason=\"went away\" left=-3 took=61.250");
	check_line(LOG_FORMAT_JSON, false, LOG_INFO, "session ended", fields,
		"{\"ts\":\"2026-11-21T22:31:55.123Z\",\"level\":\"info\",\"msg\":\"session ended\","
		"\"route\":\"/x\",\"code\":1000,\"reason\":\"went away\",\"left\":-3,\"took\":61.250}");
}

static void test_levels(void **state)
{
	(void)state;
	check_line(LOG_FORMAT_TEXT, true, LOG_ERROR, "a", NO_FIELDS, "<3>ERROR a");
	check_line(LOG_FORMAT_TEXT, true, LOG_WARNING, "a", NO_FIELDS, "<4>WARN  a");
	check_line(LOG_FORMAT_TEXT, true, LOG_INFO, "a", NO_FIELDS, "<6>INFO  a");
	check_line(LOG_FORMAT_TEXT, true, LOG_DEBUG, "a", NO_FIELDS, "<7>DEBUG a");
	check_line(LOG_FORMAT_TEXT, true, LOG_TRACE, "a", NO_FIELDS, "<7>TRACE a");
	check_line(LOG_FORMAT_LOGFMT, true, LOG_WARNING, "a", NO_FIELDS,
		"<4>ts=2026-11-21T22:31:55.123Z level=warning msg=a");
	check_line(LOG_FORMAT_JSON, true, LOG_TRACE, "a b", NO_FIELDS,
		"<7>{\"ts\":\"2026-11-21T22:31:55.123Z\",\"level\":\"trace\",\"msg\":\"a b\"}");
}

static void test_numbers(void **state)
{
	(void)state;
	check_line(LOG_FORMAT_TEXT, true, LOG_INFO, "n",
		FIELDS(LOG_U64("a", UINT64_MAX), LOG_I64("b", INT64_MIN), LOG_I64("c", INT64_MAX),
			LOG_U64("d", 0)),
		"<6>INFO  n a=18446744073709551615 b=-9223372036854775808 c=9223372036854775807 d=0");
	check_line(LOG_FORMAT_TEXT, true, LOG_INFO, "n",
		FIELDS(LOG_MS("a", 0), LOG_MS("b", 999), LOG_MS("c", 1000), LOG_MS("d", UINT64_MAX)),
		"<6>INFO  n a=0.000 b=0.999 c=1.000 d=18446744073709551.615");
}

static void test_empty_fields_are_left_out(void **state)
{
	(void)state;
	check_line(LOG_FORMAT_TEXT, true, LOG_INFO, "n",
		FIELDS(LOG_STR("a", NULL), LOG_STR("b", ""), LOG_TEXT("c", text_of(NULL)), LOG_STR("d", "1")),
		"<6>INFO  n d=1");
}

static void test_quoting(void **state)
{
	(void)state;
	check_value(text_of("plain/1.2:3-x"), "plain/1.2:3-x", "plain/1.2:3-x", "\"plain/1.2:3-x\"");
	check_value(text_of("a b"), "\"a b\"", "\"a b\"", "\"a b\"");
	check_value(text_of("a=b"), "\"a=b\"", "\"a=b\"", "\"a=b\"");
	check_value(text_of("a\"b"), "\"a\\\"b\"", "\"a\\\"b\"", "\"a\\\"b\"");
	check_value(text_of("a\\b"), "\"a\\\\b\"", "\"a\\\\b\"", "\"a\\\\b\"");
	check_value(text_of("a\nb\rc\td"), "\"a\\nb\\rc\\td\"", "\"a\\nb\\rc\\td\"", "\"a\\nb\\rc\\td\"");
	check_value((struct text){ "a\0b", 3 }, "\"a\\u0000b\"", "\"a\\u0000b\"", "\"a\\u0000b\"");
}

static void test_escapes(void **state)
{
	static const struct {
		const char *in, *out;
	} vectors[] = {
		{ "\x1b[31m", "\\u001b[31m" },
		{ "\x1f\x7f\x80\xff", "\\u001f\\u007f\\u0080\\u00ff" },
		{ "caf\xc3\xa9", "caf\\u00e9" },
		{ "\xe2\x82\xac", "\\u20ac" },
		{ "\xf0\x9f\x98\x80", "\\ud83d\\ude00" },
		{ "\xc2\x80\xdf\xbf", "\\u0080\\u07ff" },
		{ "\xe0\xa0\x80\xef\xbf\xbf", "\\u0800\\uffff" },
		{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\\ud800\\udc00\\udbff\\udfff" },
		{ "\xc1\xbf", "\\u00c1\\u00bf" }, /* overlong */
		{ "\xe0\x9f\xbf", "\\u00e0\\u009f\\u00bf" },
		{ "\xf0\x8f\xbf\xbf", "\\u00f0\\u008f\\u00bf\\u00bf" },
		{ "\xed\xa0\x80", "\\u00ed\\u00a0\\u0080" },		/* a surrogate */
		{ "\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080" }, /* past U+10FFFF */
		{ "\xf5\x80\x80\x80", "\\u00f5\\u0080\\u0080\\u0080" },
		{ "\xe2\x82", "\\u00e2\\u0082" }, /* cut short */
		{ "\xe2\x82x", "\\u00e2\\u0082x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char quoted[128] = "\"";

		strcat(strcat(quoted, vectors[i].out), "\"");
		check_value(text_of(vectors[i].in), quoted, quoted, quoted);
	}
}

static void test_sentence_is_escaped(void **state)
{
	(void)state;
	check_line(LOG_FORMAT_TEXT, true, LOG_INFO, "a\nb", NO_FIELDS, "<6>INFO  a\\nb");
	check_line(LOG_FORMAT_LOGFMT, false, LOG_INFO, "a\nb", NO_FIELDS,
		"ts=2026-11-21T22:31:55.123Z level=info msg=\"a\\nb\"");
}

static void test_never_reads_past_a_value(void **state)
{
	struct guard guard = guard_new(64);
	static const char cut_short[] = "ok \xf0\x9f\x98";

	(void)state;
	for (size_t len = 1; len < sizeof(cut_short); len++) {
		char out[256];
		const char *at = (const char *)guard_put(&guard, cut_short, len);

		assert_true(logline_format(out, sizeof(out), LOG_FORMAT_JSON, false, WHEN_US, LOG_INFO, "x",
				    FIELDS(LOG_TEXT("v", ((struct text){ at, len })))) > 0);
	}
	guard_free(&guard);
}

/* Formats into every room from the least one on; out ends at a guard page. */
static void check_every_room(enum log_format format, const char *sentence, const struct log_field *fields)
{
	static const char *const marks[] = { " cut=true", " cut=true", ",\"cut\":true}" };
	struct guard guard = guard_new(1024);
	uint8_t zeros[1024] = { 0 };
	char whole[1024];
	size_t full =
		logline_format(whole, sizeof(whole), format, false, WHEN_US, LOG_WARNING, sentence, fields);
	size_t n_cut = 0;

	for (size_t room = LOGLINE_MIN; room <= sizeof(zeros); room++) {
		char *out = (char *)guard_put(&guard, zeros, room);
		size_t len = logline_format(out, room, format, false, WHEN_US, LOG_WARNING, sentence, fields);
		const char *mark = marks[format];

		assert_true(len <= room);
		if (len == full && memcmp(out, whole, full) == 0)
			continue;
		n_cut++;
		assert_true(room < full + 12); /* what the mark would need is all that may be wasted */
		assert_memory_equal(out + len - strlen(mark), mark, strlen(mark));
		if (format == LOG_FORMAT_JSON)
			assert_true(jsonline_check(out, len));
		for (size_t i = 0; i < len; i++)
			assert_true(out[i] >= 0x20 && out[i] <= 0x7e);
	}
	assert_true(n_cut > 0);
	guard_free(&guard);
}

static void test_cut(void **state)
{
	static const char long_value[] =
		"\x01\x02\xf0\x9f\x98\x80 \xc3\xa9\"plain plain plain plain plain plain "
		"plain plain plain plain plain plain plain";
	static const struct log_field fields[] = {
		{ .key = "first", .kind = LOG_FIELD_TEXT, .text = { long_value, sizeof(long_value) - 1 } },
		LOG_U64("number", UINT64_MAX),
		{ .key = "second", .kind = LOG_FIELD_TEXT, .text = { "unquoted_unquoted_unquoted", 26 } },
		LOG_MS("span", 123456),
		LOG_I64("last", INT64_MIN),
		{ .key = NULL },
	};

	(void)state;
	for (unsigned format = 0; format < 3; format++) {
		check_every_room((enum log_format)format, "a sentence", fields);
		check_every_room((enum log_format)format,
			"a sentence as long as no sentence of ours should ever be, which is why it is cut "
			"here, in "
			"the middle of it, and not in the fields",
			NO_FIELDS);
	}
}

static void test_jsonline_itself(void **state)
{
	static const char good[] = "{\"a\":-1.5,\"b\":true,\"c\":\"\\u00e9\\n\"}";
	static const char *const bad[] = { "", "{", "{}", "{\"a\":1", "{\"a\"}", "{\"a\":}", "{\"a\":01}",
		"{\"a\":1.}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u00g0\"}", "{\"a\":\"\n\"}", "{\"a\":1}x",
		"{\"a\":1,}", "{\"a\":\"b}", "{\"a\":-}" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(jsonline_check(bad[i], strlen(bad[i])));
	assert_true(jsonline_check(good, strlen(good)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_empty_fields_are_left_out),
		cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_sentence_is_escaped),
		cmocka_unit_test(test_never_reads_past_a_value),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_jsonline_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
