/*
 * test_utf8: the check against a naive decoder and the published tables, at every split and alignment.
 */
#include "ws/utf8.h"

#include "../simd/utf8_checks.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Returns the size of the well-formed code point at buf by the definition of RFC 3629, or 0. */
static size_t naive_code_point(const uint8_t *buf, size_t len)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = buf[0] < 0x80       ? 1
		   : buf[0] >> 5 == 6  ? 2
		   : buf[0] >> 4 == 14 ? 3
		   : buf[0] >> 3 == 30 ? 4
				       : 0;
	uint32_t value = n == 1 ? buf[0] : n == 2 ? buf[0] & 0x1f : n == 3 ? buf[0] & 0xf : buf[0] & 7;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((buf[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (buf[i] & 0x3f);
	}
	return value < least[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff) ? 0 : n;
}

/* Says whether something can be appended to the n bytes to make a code point. */
static bool naive_prefix(const uint8_t *buf, size_t n)
{
	static const uint8_t next[] = { 0x80, 0x90, 0xa0, 0xbf };
	uint8_t whole[4];

	for (size_t i = 0; i < sizeof(next); i++) {
		memcpy(whole, buf, n);
		memset(whole + n, 0x80, sizeof(whole) - n);
		whole[n] = next[i];
		for (size_t len = n + 1; len <= 4; len++) {
			if (naive_code_point(whole, len) == len)
				return true;
		}
	}
	return false;
}

/* Returns how many bytes come before the first bad one, and how many of those are of an open code point. */
static size_t naive_check(const uint8_t *buf, size_t len, size_t *open)
{
	size_t i = 0, n;

	while (i < len && (n = naive_code_point(buf + i, len - i)) > 0)
		i += n;
	for (n = 0; i + n < len && n < 3 && naive_prefix(buf + i, n + 1); n++)
		continue;
	*open = n;
	return i + n;
}

/* Checks one input whole, at every split, and byte by byte. */
static void check_input(const struct guard *guard, const uint8_t *input, size_t len)
{
	size_t open, want = naive_check(input, len, &open);
	const uint8_t *at = guard_put(guard, input, len);

	for (size_t split = 0; split <= len; split++) {
		struct utf8 state = { 0 };
		size_t good = utf8_check(&state, at, split);
		if (good == split)
			good += utf8_check(&state, at + split, len - split);
		assert_int_equal(good, want);
		assert_int_equal(utf8_complete(&state), open == 0);
		/* Those that each path is compared with below. */
		state = (struct utf8){ 0 };
		good = utf8_check_by(utf8_portable(), &state, at, split);
		if (good == split)
			good += utf8_check_by(utf8_portable(), &state, at + split, len - split);
		assert_int_equal(good, want);
	}
	struct utf8 state = { 0 };
	size_t good = 0;
	while (good < len && utf8_check(&state, at + good, 1) == 1)
		good++;
	assert_int_equal(good, want);
	if (want == len)
		assert_int_equal(utf8_tail(at, len), open);
}

/* Bytes from each row of the table of well-formed sequences, and from just outside. */
static const uint8_t edges[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
	0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff };

static void test_every_edge(void **unused)
{
	const size_t n = sizeof(edges);
	struct guard guard = guard_new(8);

	(void)unused;
	for (size_t i = 0; i < n * n * n * n; i++) {
		uint8_t input[4] = { edges[i / n / n / n], edges[i / n / n % n], edges[i / n % n],
			edges[i % n] };
		struct utf8 state = { 0 };
		size_t open, want = naive_check(input, sizeof(input), &open);
		assert_int_equal(utf8_check(&state, input, sizeof(input)), want);
		assert_int_equal(utf8_complete(&state), open == 0);
		if (i % 17 == 0)
			check_input(&guard, input, sizeof(input));
	}
	guard_free(&guard);
}

static void test_every_code_point(void **unused)
{
	(void)unused;
	for (uint32_t value = 0x800; value < 0x11ffff; value++) {
		uint8_t four[4] = { (uint8_t)(0xf0 | value >> 18), (uint8_t)(0x80 | (value >> 12 & 0x3f)),
			(uint8_t)(0x80 | (value >> 6 & 0x3f)), (uint8_t)(0x80 | (value & 0x3f)) };
		uint8_t three[3] = { (uint8_t)(0xe0 | (value >> 12 & 0xf)), four[2], four[3] };
		struct utf8 state = { 0 };
		bool good = utf8_check(&state, four, 4) == 4;
		assert_int_equal(good, value >= 0x10000 && value <= 0x10ffff);
		if (value <= 0xffff) {
			state = (struct utf8){ 0 };
			good = utf8_check(&state, three, 3) == 3;
			assert_int_equal(good, value < 0xd800 || value > 0xdfff);
		}
	}
}

static void test_bad_byte_in_long_text(void **unused)
{
	struct guard guard = guard_new(256);
	uint8_t input[200];

	(void)unused;
	for (size_t len = 0; len <= sizeof(input); len++) {
		for (size_t bad = 0; bad <= len; bad++) {
			struct utf8 state = { 0 };
			memset(input, 'a', len);
			if (bad < len)
				input[bad] = 0xff;
			const uint8_t *at = guard_put(&guard, input, len);
			assert_int_equal(utf8_check(&state, at, len), bad);
			assert_true(utf8_complete(&state));
		}
	}
	guard_free(&guard);
}

static void test_splits(void **unused)
{
	static const char *const texts[] = { "", "a", "plain ASCII text that is longer than thirty-two bytes",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		"12345678\xe4\xb8\xad\xe6\x96\x87 12345678901234567\xd0\x96", "\xf4\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xed\x9f\xbf", "\xed\xa0\x80", "\xe0\x9f\xbf", "\xc1\xbf",
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64", "abc\x80",
		"\xf0\x9f\x98", "0123456701234567012345670123456701234567\xe2\x82",
		"\xe2\x82 and then nothing but ASCII", "\xf0\x9f\x98\x80 and then nothing but ASCII" };
	struct guard guard = guard_new(256);

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_input(&guard, (const uint8_t *)texts[i], strlen(texts[i]));
	guard_free(&guard);
}

static void test_tail(void **unused)
{
	static const struct {
		const char *text;
		size_t tail;
	} rows[] = { { "", 0 }, { "a", 0 }, { "\x80", 0 }, { "a\xc3", 1 }, { "\xc3\xa4", 0 },
		{ "\xc3\xa4\xe2", 1 }, { "\xe2\x82", 2 }, { "\xe2\x82\xac", 0 }, { "\xf0\x9f\x98", 3 },
		{ "a\xf0\x9f", 2 }, { "\xf0\x80", 0 }, { "\xed\xa0", 0 }, { "\xc1", 0 }, { "\xf5", 0 },
		{ "\xe2\x82\xac\x82", 0 }, { "\xc3\x80\x80", 0 }, { "\x80\x80\x80\x80", 0 },
		{ "\xe2\x41", 0 }, { "\xf4\x8f\xbf", 3 }, { "\xf4\x90", 0 } };
	struct guard guard = guard_new(16);

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text);
		assert_int_equal(utf8_tail(guard_put(&guard, rows[i].text, len), len), rows[i].tail);
		assert_int_equal(utf8_tail(guard_put_first(&guard, rows[i].text, len), len), rows[i].tail);
	}
	guard_free(&guard);
}

#define FFFD "\xef\xbf\xbd"

static void test_replace(void **unused)
{
	static const struct {
		const char *in, *out;
	} rows[] = { { "", "" }, { "abc", "abc" }, { "\xff", FFFD }, { "a\xff z", "a" FFFD " z" },
		{ "\xe2\x82", FFFD }, { "\xe2\x82\xac", "\xe2\x82\xac" }, { "\xf0\x9f\x98\xff", FFFD FFFD },
		{ "\xe2\xe2\x82\xac", FFFD "\xe2\x82\xac" }, { "\x80\x80", FFFD FFFD },
		{ "ab\xe2\x82", "ab" FFFD }, { "abc\xe2\x82 d", "abc" FFFD " d" },
		/* The Unicode standard, tables 3-8 to 3-11. */
		{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
		{ "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
		{ "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B" },
		{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", FFFD FFFD FFFD FFFD "A" } };
	struct guard guard = guard_new(64);

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct evbuffer *out = evbuffer_new();
		size_t len = strlen(rows[i].in), want = strlen(rows[i].out);
		assert_int_equal(utf8_replace(out, guard_put(&guard, rows[i].in, len), len), 0);
		assert_int_equal(evbuffer_get_length(out), want);
		if (want > 0)
			assert_memory_equal(evbuffer_pullup(out, -1), rows[i].out, want);
		evbuffer_free(out);
	}
	guard_free(&guard);
}

static bool memory_is_short;

static void *short_malloc(size_t size)
{
	return memory_is_short ? NULL : malloc(size);
}

static void *short_realloc(void *old, size_t size)
{
	return memory_is_short ? NULL : realloc(old, size);
}

/* Good text and what is put in place of bad text need memory, both. */
static void test_replace_memory(void **unused)
{
	static const char *const texts[] = { "good", "\xff", "both\xff" };

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct evbuffer *out = evbuffer_new();
		memory_is_short = true;
		assert_int_equal(utf8_replace(out, (const uint8_t *)texts[i], strlen(texts[i])), -ENOMEM);
		memory_is_short = false;
		evbuffer_free(out);
	}
}

/* Each path, and what is chosen (NULL), finds what the portable one does, which the tests above are about. */
static void test_paths(void **unused)
{
	const struct utf8_path *path = utf8_paths;

	(void)unused;
	for (size_t i = 0; i < sizeof(utf8_checks) / sizeof(utf8_checks[0]); i++) {
		assert_true(utf8_checks[i].holds(NULL, 8));
		for (path = utf8_paths; path->skip != NULL; path++)
			assert_true(!path->usable() || utf8_checks[i].holds(path, 8));
	}
	assert_string_equal(path->name, "portable");
	assert_true(path->usable());
	assert_null(path[1].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_edge),
		cmocka_unit_test(test_every_code_point),
		cmocka_unit_test(test_bad_byte_in_long_text),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_replace_memory),
		cmocka_unit_test(test_paths),
	};

	event_set_mem_functions(short_malloc, short_realloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
