/*
 * Tests of the classes of bytes.
 */
#include "base/chars.h"
#include "guard.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The table against the words of the RFCs, byte by byte. */
static void test_chars(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		bool digit = c >= '0' && c <= '9', small = c >= 'a' && c <= 'z',
		     capital = c >= 'A' && c <= 'Z';
		bool alnum = digit || small || capital, visible = c > 0x20 && c < 0x7f;
		bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

		assert_int_equal(
			chars_is((char)c, CHARS_TOKEN), alnum || (c && strchr("!#$%&'*+-.^_`|~", c)));
		assert_int_equal(
			chars_is((char)c, CHARS_VALUE), visible || c == ' ' || c == '\t' || c >= 0x80);
		assert_int_equal(chars_is((char)c, CHARS_LINE), visible || c == ' ');
		assert_int_equal(chars_is((char)c, CHARS_TARGET), visible && c != '#');
		assert_int_equal(chars_is((char)c, CHARS_HOST), alnum || c == '-' || c == '.' || c == '_');
		assert_int_equal(chars_is((char)c, CHARS_HEX), hex);
		assert_int_equal(chars_is((char)c, CHARS_BASE64), alnum || c == '+' || c == '/');
	}
}

static void test_spans(void **state)
{
	(void)state;
	assert_int_equal(chars_span(text_of("abc d"), CHARS_TOKEN), 3);
	assert_int_equal(chars_span(text_of("abc d"), CHARS_TOKEN | CHARS_LINE), 5);
	assert_int_equal(chars_span((struct text){ NULL, 0 }, CHARS_TOKEN), 0);
	assert_true(chars_all(text_of("a"), CHARS_HEX));
	assert_false(chars_all(text_of("ag"), CHARS_HEX));
	assert_false(chars_all((struct text){ "a\0", 2 }, CHARS_VALUE));
	assert_false(chars_all((struct text){ NULL, 0 }, CHARS_HEX));
}

/* A span ends at the first byte that is of no class asked for, wherever it is, and never behind the text. */
static void test_span_ends(void **state)
{
	struct guard guard = guard_new(32);
	char good[20];

	(void)state;
	for (size_t i = 0; i < sizeof(good); i++)
		good[i] = i % 3 == 0 ? '#' : '"'; /* a token, or of a target: no class has both */
	for (size_t len = 0; len <= sizeof(good); len++) {
		for (size_t bad = 0; bad <= len; bad++) {
			char *at = (char *)guard_put(&guard, good, len);

			if (bad < len)
				at[bad] = '\n';
			assert_int_equal(
				chars_span((struct text){ at, len }, CHARS_TOKEN | CHARS_TARGET), bad);
			assert_int_equal(chars_span((struct text){ at, len }, CHARS_VALUE), bad);
		}
	}
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chars),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_span_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
