/*
 * test_text: every function of base/text.h, with inputs that end at a guard page.
 */
#include "base/text.h"

#include "guard.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct text NOTHING = { NULL, 0 };
static struct guard guard;

static int guard_setup(void **state)
{
	(void)state;
	guard = guard_new(4096);
	return 0;
}

static int guard_teardown(void **state)
{
	(void)state;
	guard_free(&guard);
	return 0;
}

/* The text without its NUL, so that its last byte is the last one that may be read. */
static struct text guarded(const char *cstr)
{
	return (struct text){ (const char *)guard_put(&guard, cstr, strlen(cstr)), strlen(cstr) };
}

static void check_text(struct text got, const char *expected)
{
	assert_int_equal(got.len, strlen(expected));
	assert_memory_equal(got.len ? got.ptr : "", expected, got.len);
}

static void test_of(void **state)
{
	(void)state;
	assert_null(text_of(NULL).ptr);
	assert_int_equal(text_of(NULL).len, 0);
	assert_int_equal(text_of("").len, 0);
	check_text(text_of("abc"), "abc");
}

static void test_equal(void **state)
{
	static const char nul_a[] = "a\0b", nul_b[] = "a\0c";

	(void)state;
	assert_true(text_equal(NOTHING, text_of("")));
	assert_true(text_equal(text_of("abc"), guarded("abc")));
	assert_false(text_equal(text_of("abc"), guarded("abC")));
	assert_false(text_equal(text_of("abc"), guarded("ab")));
	assert_false(text_equal((struct text){ nul_a, 3 }, (struct text){ nul_b, 3 }));
	assert_true(text_is(guarded("GET"), "GET"));
	assert_false(text_is(guarded("GET"), "GE"));
	assert_false(text_is(guarded("GE"), "GET"));
	assert_true(text_is(NOTHING, ""));
}

static void test_equal_nocase(void **state)
{
	(void)state;
	assert_true(text_equal_nocase(guarded("Upgrade"), text_of("uPGRADE")));
	assert_true(text_equal_nocase(NOTHING, NOTHING));
	assert_false(text_equal_nocase(guarded("Upgrade"), text_of("upgrad")));
	assert_true(text_is_nocase(guarded("AZaz09-_"), "azAZ09-_"));
	for (int a = 1; a < 256; a++) {
		for (int b = 1; b < 256; b++) {
			const char x[] = { (char)a, '\0' }, y[] = { (char)b, '\0' };
			bool letters = (a | 0x20) >= 'a' && (a | 0x20) <= 'z';

			assert_int_equal(text_is_nocase((struct text){ x, 1 }, y),
				a == b || (letters && a < 128 && (a ^ b) == 0x20));
		}
	}
}

static void test_fold(void **state)
{
	char every[256], bytes[] = "AZaz09@[`{\xc0\xdf";

	(void)state;
	text_fold(bytes);
	assert_string_equal(bytes, "azaz09@[`{\xc0\xdf");
	for (int c = 1; c < 256; c++)
		every[c - 1] = (char)c;
	every[255] = '\0';
	text_fold(every);
	for (int c = 1; c < 256; c++)
		assert_int_equal(every[c - 1], (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
}

static void test_hex_digit(void **state)
{
	static const char digits[] = "0123456789abcdef";

	(void)state;
	for (int c = 0; c < 256; c++) {
		int small = c >= 'A' && c <= 'F' ? c + 32 : c;
		const char *at = memchr(digits, small, 16);

		assert_int_equal(text_hex_digit((char)c), at ? at - digits : -1);
	}
}

static void test_starts_and_ends(void **state)
{
	(void)state;
	assert_true(text_starts_with(guarded("unix:/x"), "unix:"));
	assert_true(text_starts_with(guarded("unix:"), "unix:"));
	assert_false(text_starts_with(guarded("unix"), "unix:"));
	assert_false(text_starts_with(guarded("Unix:"), "unix:"));
	assert_true(text_starts_with(NOTHING, ""));
	assert_false(text_starts_with(NOTHING, "a"));
	assert_true(text_ends_with(guarded("a.example.org"), ".example.org"));
	assert_true(text_ends_with(guarded(".org"), ".org"));
	assert_false(text_ends_with(guarded("org"), ".org"));
	assert_false(text_ends_with(guarded("a.orG"), ".org"));
	assert_true(text_ends_with(NOTHING, ""));
}

static void test_trim(void **state)
{
	(void)state;
	check_text(text_trim(guarded("")), "");
	check_text(text_trim(guarded(" \t ")), "");
	check_text(text_trim(guarded("a")), "a");
	check_text(text_trim(guarded("\t a b \t")), "a b");
	check_text(text_trim(guarded("\r\na\v")), "\r\na\v");
	check_text(text_trim(NOTHING), "");
}

static void test_slice(void **state)
{
	(void)state;
	check_text(text_slice(text_of("abc"), 0), "abc");
	check_text(text_slice(text_of("abc"), 2), "c");
	check_text(text_slice(text_of("abc"), 3), "");
	check_text(text_slice(text_of("abc"), 4), "");
	check_text(text_slice(text_of("abc"), SIZE_MAX), "");
	check_text(text_slice(NOTHING, 1), "");
}

/* As much as fits, and a NUL. */
static void test_copy(void **state)
{
	char out[4];

	(void)state;
	for (size_t len = 0; len <= 5; len++) {
		struct text in = guarded("abcde");
		in.len = len;
		memset(out, 'x', sizeof(out));
		text_copy(out, 4, in);
		assert_int_equal(strlen(out), len < 3 ? len : 3);
		assert_memory_equal(out, "abc", strlen(out));
	}
	text_copy(out, 1, guarded("a"));
	assert_string_equal(out, "");
	text_copy(out, 4, NOTHING);
	assert_string_equal(out, "");
}

/* Cuts `in` at commas and joins the pieces with bars. */
static void check_next(const char *in, const char *expected)
{
	struct text rest = guarded(in), piece;
	char joined[128] = "";

	while (text_next(&rest, ',', &piece))
		sprintf(joined + strlen(joined), "%.*s|", TEXT_ARG(piece));
	assert_string_equal(joined, expected);
	assert_int_equal(rest.len, 0);
	assert_false(text_next(&rest, ',', &piece));
}

static void test_next(void **state)
{
	struct text nothing = NOTHING, piece;

	(void)state;
	check_next("", "");
	check_next("a", "a|");
	check_next("a,b", "a|b|");
	check_next("a,,b", "a||b|");
	check_next(",a", "|a|");
	check_next("a,", "a|");
	check_next(",,", "||");
	check_next(" a b ,\tc ", "a b|c|");
	check_next(" ", "|");
	assert_false(text_next(&nothing, ',', &piece));
}

static void test_dup(void **state)
{
	char *copy = text_dup(guarded("abc"));

	(void)state;
	assert_string_equal(copy, "abc");
	free(copy);
	copy = text_dup(NOTHING);
	assert_string_equal(copy, "");
	free(copy);
	copy = text_dup((struct text){ "a\0b", 3 });
	assert_memory_equal(copy, "a\0b", 4);
	free(copy);
}

static void test_to_u64(void **state)
{
	static const struct {
		const char *in;
		uint64_t max, out;
	} good[] = {
		{ "0", 0, 0 },
		{ "7", 7, 7 },
		{ "007", 7, 7 },
		{ "65535", 65535, 65535 },
		{ "18446744073709551614", UINT64_MAX, UINT64_MAX - 1 },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX },
		{ "00000000000000000000000000000000000000000001", 1, 1 },
	};
	static const struct {
		const char *in;
		uint64_t max;
	} bad[] = {
		{ "", 9 },
		{ "1", 0 },
		{ "8", 7 },
		{ "10", 7 },
		{ "65536", 65535 },
		{ "18446744073709551616", UINT64_MAX },
		{ "99999999999999999999999", UINT64_MAX },
		{ "-1", 9 },
		{ "+1", 9 },
		{ " 1", 9 },
		{ "1 ", 9 },
		{ "1x", 9 },
		{ "0x1", 9 },
		{ "/", 99 },
		{ ":", 99 },
		{ "\xb2", 999 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t got = 42;

		assert_true(text_to_u64(guarded(good[i].in), good[i].max, &got));
		assert_int_equal(got, good[i].out);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t got = 42;

		assert_false(text_to_u64(guarded(bad[i].in), bad[i].max, &got));
		assert_int_equal(got, 42);
	}
}

static void check_decode(const char *in, const char *expected)
{
	char *out = (char *)malloc(strlen(in) + 1); /* one byte more only so that malloc(0) is no case */
	long len = text_percent_decode(guarded(in), out);

	assert_int_equal(len, expected ? (long)strlen(expected) : -1);
	if (expected)
		assert_memory_equal(out, expected, len);
	free(out);
}

static void test_percent_decode(void **state)
{
	(void)state;
	check_decode("", "");
	check_decode("/a b+c", "/a b+c");
	check_decode("%41%7a%2F", "Az/");
	check_decode("%2e%2E", "..");
	check_decode("%c3%A9\xc3\xa9", "\xc3\xa9\xc3\xa9");
	check_decode("%2541", "%41"); /* once, not twice */
	check_decode("%20%7e%80%ff", " ~\x80\xff");
	check_decode("%", NULL);
	check_decode("%4", NULL);
	check_decode("a%", NULL);
	check_decode("a%4", NULL);
	check_decode("%g1", NULL);
	check_decode("%1g", NULL);
	check_decode("%%41", NULL);
	check_decode("% 1", NULL);
	check_decode("%00", NULL);
	check_decode("a%0ab", NULL);
	check_decode("%0d", NULL);
	check_decode("%1f", NULL);
	check_decode("%7F", NULL);
	check_decode("a\nb", NULL);
	check_decode("\x7f", NULL);
	assert_int_equal(text_percent_decode(NOTHING, NULL), 0);
}

static void test_percent_decode_every_byte(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		char in[4], out[3];

		snprintf(in, sizeof(in), "%%%02X", (unsigned)byte & 0xff);
		if (byte < 0x20 || byte == 0x7f) {
			assert_int_equal(text_percent_decode(text_of(in), out), -1);
			continue;
		}
		assert_int_equal(text_percent_decode(text_of(in), out), 1);
		assert_int_equal((unsigned char)out[0], byte);
	}
}

static void test_distance(void **state)
{
	char name63[65], name64[65];

	(void)state;
	assert_int_equal(text_distance("", ""), 0);
	assert_int_equal(text_distance("", "abc"), 3);
	assert_int_equal(text_distance("abc", ""), 3);
	assert_int_equal(text_distance("port", "port"), 0);
	assert_int_equal(text_distance("prot", "port"), 1);
	assert_int_equal(text_distance("por", "port"), 1);
	assert_int_equal(text_distance("portt", "port"), 1);
	assert_int_equal(text_distance("pert", "port"), 1);
	assert_int_equal(text_distance("ca", "abc"), 3); /* no edit within a swap */
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("abcd", "badc"), 2);
	memset(name64, 'a', 64);
	name64[64] = '\0';
	strcpy(name63, name64 + 1);
	assert_int_equal(text_distance(name63, name63), 0);
	assert_int_equal(text_distance(name63, "a"), 62);
	assert_int_equal(text_distance(name63, name64), UINT_MAX);
	assert_int_equal(text_distance(name64, ""), UINT_MAX);
	assert_int_equal(text_distance(name64, name64), UINT_MAX);
}

static void test_nearest(void **state)
{
	static const char *const names[] = { "address", "exec", "connect", "closing_wait", "max_message",
		"max_sessions", "port" };
	const size_t n = sizeof(names) / sizeof(names[0]);
	char long_name[100];

	(void)state;
	assert_string_equal(text_nearest("conect", names, n), "connect");
	assert_string_equal(text_nearest("exce", names, n), "exec");
	assert_string_equal(text_nearest("max_session", names, n), "max_sessions");
	assert_string_equal(text_nearest("max-message", names, n), "max_message");
	assert_string_equal(text_nearest("port", names, n), "port");
	assert_string_equal(text_nearest("prt", names, n), "port");
	assert_null(text_nearest("listen", names, n));
	assert_null(text_nearest("x", names, n));
	assert_null(text_nearest("paste", names, n)); /* three edits of five letters */
	assert_null(text_nearest("pit", names, n));   /* two of three */
	assert_null(text_nearest("", names, n));
	assert_null(text_nearest("port", names, 0));
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_null(text_nearest(long_name, names, n));
}

static void test_nearest_takes_the_first_of_equals(void **state)
{
	static const char *const names[] = { "abcx", "abcy", "abcd" };

	(void)state;
	assert_string_equal(text_nearest("abcz", names, 3), "abcx");
	assert_string_equal(text_nearest("abcd", names, 3), "abcd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_equal_nocase),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_hex_digit),
		cmocka_unit_test(test_starts_and_ends),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_slice),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_dup),
		cmocka_unit_test(test_to_u64),
		cmocka_unit_test(test_percent_decode),
		cmocka_unit_test(test_percent_decode_every_byte),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_nearest_takes_the_first_of_equals),
	};

	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}
