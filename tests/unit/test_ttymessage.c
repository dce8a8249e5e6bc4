/*
 * Tests of the messages of `tty`: each whole, split at every position and byte by byte, and each limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ttymessage.h"
#include "guard.h"

enum { LONGEST = 3 * TTYMESSAGE_MAX };

/* What came of a message. */
struct result {
	enum ttymessage rc;	 /* of the last piece, or what was wrong */
	size_t n_parts, n_input; /* of input */
	uint8_t input[LONGEST];
};

static struct result result;

/* Notes what a piece means. Returns whether more may come. */
static bool give(struct ttymessage_reader *reader, const struct piece *piece)
{
	struct piece input = { 0 };

	result.rc = ttymessage_read(reader, piece, &input);
	if (result.rc == TTYMESSAGE_INPUT) {
		assert_int_equal(input.last, piece->last);
		assert_int_equal(input.first, result.n_parts++ == 0);
		memcpy(result.input + result.n_input, input.data, input.len);
		result.n_input += input.len;
	} else {
		assert_true(result.rc <= 0 || piece->last);
	}
	return result.rc >= 0;
}

/* A message in two parts, each in pieces of `step` bytes (0: one piece), after an empty one and before one.
 */
static enum ttymessage say_in_parts(struct ttymessage_reader *reader, const struct guard *guard,
	const void *data, size_t len, size_t split, size_t step, bool empty)
{
	size_t at = 0;
	struct piece piece = { .data = guard_put(guard, "", 0), .first = true };

	memset(&result, 0, sizeof(result));
	if (empty && !give(reader, &piece))
		return result.rc;
	piece.first = !empty;
	do {
		size_t end = at < split ? split : len;
		piece.len = step == 0 || step > end - at ? end - at : step;
		piece.data = guard_put(guard, (const uint8_t *)data + at, piece.len);
		at += piece.len;
		piece.last = at == len && !empty;
		if (!give(reader, &piece))
			return result.rc;
		piece.first = false;
	} while (at < len);
	piece.len = 0;
	piece.last = true;
	if (empty)
		give(reader, &piece);
	return result.rc;
}

/* A message in one piece. */
static enum ttymessage say_bytes(struct ttymessage_reader *reader, const void *data, size_t len)
{
	struct guard guard = guard_new(len);
	enum ttymessage rc = say_in_parts(reader, &guard, data, len, 0, 0, false);

	guard_free(&guard);
	return rc;
}

static enum ttymessage say(struct ttymessage_reader *reader, const char *text)
{
	return say_bytes(reader, text, strlen(text));
}

/* A client whose terminal has this size. */
static struct ttymessage_reader greeted(void)
{
	struct ttymessage_reader reader;

	ttymessage_reader_init(&reader);
	assert_int_equal(say(&reader, "{\"AuthToken\":\"\",\"columns\":100,\"rows\":30}"), TTYMESSAGE_HELLO);
	return reader;
}

/* Each message, and what it means after the first one: the size is that, or the one before. */
static const struct {
	const char *text;
	enum ttymessage rc;
	uint16_t columns, rows;
} messages[] = {
	{ "0", TTYMESSAGE_INPUT, 100, 30 },
	{ "0ls\n", TTYMESSAGE_INPUT, 100, 30 },
	{ "00", TTYMESSAGE_INPUT, 100, 30 },
	{ "1{\"columns\":132,\"rows\":50}", TTYMESSAGE_RESIZE, 132, 50 },
	{ "1 { \"rows\" : 1 , \"columns\" : 1 , \"more\" : [ {} ] } ", TTYMESSAGE_RESIZE, 1, 1 },
	{ "1{\"columns\":65535,\"rows\":65535}", TTYMESSAGE_RESIZE, 65535, 65535 },
	{ "1{\"columns\":65535.9,\"rows\":1.5}", TTYMESSAGE_RESIZE, 65535, 1 },
	{ "1{\"columns\":2e2,\"rows\":30}", TTYMESSAGE_RESIZE, 200, 30 },
	{ "1{\"columns\":7}", TTYMESSAGE_RESIZE, 7, 30 },
	{ "1{\"rows\":7}", TTYMESSAGE_RESIZE, 100, 7 },
	{ "1{}", TTYMESSAGE_RESIZE, 100, 30 },
	{ "1{\"columns\":0,\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":132,\"rows\":0}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":132,\"rows\":0.99}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":65536,\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":-1,\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":1e300,\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":1e999,\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":99999999999999999999,\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":\"132\",\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":null,\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":132,\"rows\":50", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":132,\"rows\":50}x", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1[132,50]", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1132", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1", TTYMESSAGE_NOTHING, 100, 30 },
	{ "1{\"columns\":\"\xff\"}", TTYMESSAGE_NOTHING, 100, 30 },
	{ "2", TTYMESSAGE_PAUSE, 100, 30 },
	{ "2 and more", TTYMESSAGE_PAUSE, 100, 30 },
	{ "3", TTYMESSAGE_RESUME, 100, 30 },
	{ "3 and more", TTYMESSAGE_RESUME, 100, 30 },
	{ "", TTYMESSAGE_NOTHING, 100, 30 },
	{ "4", TTYMESSAGE_NOTHING, 100, 30 },
	{ "4-1", TTYMESSAGE_NOTHING, 100, 30 },
	{ "41 ", TTYMESSAGE_NOTHING, 100, 30 },
	{ "44294967296", TTYMESSAGE_NOTHING, 100, 30 },
	{ "40", TTYMESSAGE_SEEN, 100, 30 },
	{ "44294967295", TTYMESSAGE_SEEN, 100, 30 },
	{ "40000000007", TTYMESSAGE_SEEN, 100, 30 },
	{ "what", TTYMESSAGE_NOTHING, 100, 30 },
	{ "{\"columns\":132,\"rows\":50}", TTYMESSAGE_NOTHING, 100, 30 },
};

static void check_message(size_t i, size_t split, size_t step, bool empty)
{
	size_t len = strlen(messages[i].text);
	struct ttymessage_reader reader = greeted();
	struct guard guard = guard_new(len);

	enum ttymessage rc = say_in_parts(&reader, &guard, messages[i].text, len, split, step, empty);
	if (rc != messages[i].rc)
		fail_msg("%s, split at %zu: %d", messages[i].text, split, rc);
	assert_int_equal(reader.size.columns, messages[i].columns);
	assert_int_equal(reader.size.rows, messages[i].rows);
	if (rc == TTYMESSAGE_INPUT) {
		assert_int_equal(result.n_input, len - 1);
		assert_memory_equal(result.input, messages[i].text + 1, len - 1);
	}
	assert_int_equal(reader.seen, rc == TTYMESSAGE_SEEN ? strtoul(messages[i].text + 1, NULL, 10) : 0);
	assert_null(reader.held);
	assert_int_equal(say(&reader, "1{\"columns\":3,\"rows\":4}"), TTYMESSAGE_RESIZE);
	assert_int_equal(reader.size.columns, 3);
	ttymessage_reader_done(&reader);
	guard_free(&guard);
}

static void test_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		for (int empty = 0; empty < 2; empty++) {
			for (size_t split = 0; split <= strlen(messages[i].text); split++)
				check_message(i, split, 0, empty);
			check_message(i, 0, 1, empty);
		}
	}
}

/* First messages, and the size that they say. */
static const struct {
	const char *text;
	enum ttymessage rc;
	uint16_t columns, rows;
} hellos[] = {
	{ "{\"AuthToken\":\"\",\"columns\":132,\"rows\":50}", TTYMESSAGE_HELLO, 132, 50 },
	{ "{\"columns\":132,\"rows\":50}", TTYMESSAGE_HELLO, 132, 50 },
	{ "{\"AuthToken\":\"YTpi\"}", TTYMESSAGE_HELLO, 0, 0 },
	{ "{}", TTYMESSAGE_HELLO, 0, 0 },
	{ "{\"columns\":0,\"rows\":50}", TTYMESSAGE_HELLO, 0, 50 },
	{ "{\"columns\":132,\"rows\":65536}", TTYMESSAGE_HELLO, 132, 0 },
	{ "{\"columns\":\"132\",\"rows\":-1}", TTYMESSAGE_HELLO, 0, 0 },
	{ "{\"columns\":132,\"rows\":50", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ "{\"columns\":132,\"rows\":50}{}", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ "{", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ "", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ " {}", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ "[]", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ "0", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ "0ls\n", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ "1{\"columns\":132,\"rows\":50}", TTYMESSAGE_NO_HELLO, 0, 0 },
	{ "2", TTYMESSAGE_NO_HELLO, 0, 0 },
};

static void check_hello(size_t i, size_t split, size_t step, bool empty)
{
	size_t len = strlen(hellos[i].text);
	struct ttymessage_reader reader;
	struct guard guard = guard_new(len);

	ttymessage_reader_init(&reader);
	enum ttymessage rc = say_in_parts(&reader, &guard, hellos[i].text, len, split, step, empty);
	if (rc != hellos[i].rc)
		fail_msg("%s, split at %zu: %d", hellos[i].text, split, rc);
	if (rc == TTYMESSAGE_HELLO) {
		assert_int_equal(reader.size.columns, hellos[i].columns);
		assert_int_equal(reader.size.rows, hellos[i].rows);
		assert_null(reader.held);
		assert_int_equal(say(&reader, "0x"), TTYMESSAGE_INPUT);
	}
	ttymessage_reader_done(&reader);
	guard_free(&guard);
}

static void test_hello(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hellos) / sizeof(*hellos); i++) {
		for (int empty = 0; empty < 2; empty++) {
			for (size_t split = 0; split <= strlen(hellos[i].text); split++)
				check_hello(i, split, 0, empty);
			check_hello(i, 0, 1, empty);
		}
	}
}

/* How much output may be on its way: as the first message says, and no other. */
static void test_window(void **state)
{
	static const struct {
		const char *text;
		uint32_t window;
	} windows[] = { { "{\"window\":1}", 1 }, { "{\"window\":262144.5}", 262144 },
		{ "{\"window\":4294967295}", UINT32_MAX }, { "{\"window\":4294967296}", 0 },
		{ "{\"window\":0}", 0 }, { "{\"window\":0.9}", 0 }, { "{\"window\":-1}", 0 },
		{ "{\"window\":\"1\"}", 0 }, { "{\"window\":1e300}", 0 }, { "{}", 0 } };
	(void)state;

	for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		struct ttymessage_reader reader;
		ttymessage_reader_init(&reader);
		assert_int_equal(say(&reader, windows[i].text), TTYMESSAGE_HELLO);
		assert_int_equal(reader.window, windows[i].window);
		assert_int_equal(say(&reader, "1{\"columns\":3,\"rows\":4,\"window\":5}"), TTYMESSAGE_RESIZE);
		assert_int_equal(reader.window, windows[i].window);
		ttymessage_reader_done(&reader);
	}
}

/* A message of so many bytes that begins and ends so, with blanks between. */
static const uint8_t *message_of(size_t len, const char *begin, const char *end)
{
	static uint8_t text[LONGEST];

	memset(text, ' ', sizeof(text));
	memcpy(text, begin, strlen(begin));
	memcpy(text + len - strlen(end), end, strlen(end));
	return text;
}

/* All but input are as long as they may be, and no longer. */
static void test_limit(void **state)
{
	static const struct {
		const char *begin, *end;
		enum ttymessage rc;
	} kinds[] = { { "{", "}", TTYMESSAGE_HELLO }, { "1{", "}", TTYMESSAGE_RESIZE },
		{ "2", "", TTYMESSAGE_PAUSE }, { "3", "", TTYMESSAGE_RESUME },
		{ "4", "1", TTYMESSAGE_NOTHING }, { "x", "", TTYMESSAGE_NOTHING } };
	struct guard guard = guard_new(LONGEST);
	(void)state;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (size_t len = TTYMESSAGE_MAX - 1; len <= TTYMESSAGE_MAX + 1; len++) {
			for (size_t step = 0; step < 3000; step = step * 9 + 1) {
				const uint8_t *text = message_of(len, kinds[i].begin, kinds[i].end);
				struct ttymessage_reader reader = greeted();
				reader.greeted = i > 0;
				enum ttymessage rc =
					say_in_parts(&reader, &guard, text, len, len / 2, step, false);
				assert_int_equal(
					rc, len <= TTYMESSAGE_MAX ? kinds[i].rc : TTYMESSAGE_TOO_BIG);
				ttymessage_reader_done(&reader);
			}
		}
	}
	guard_free(&guard);
}

/* Input is never held, and may be of any length. */
static void test_input(void **state)
{
	struct ttymessage_reader reader = greeted();
	const uint8_t *text = message_of(LONGEST, "0begin", "end");
	struct guard guard = guard_new(LONGEST);
	(void)state;

	for (size_t step = 0; step < LONGEST; step = step * 9 + 1) {
		assert_int_equal(
			say_in_parts(&reader, &guard, text, LONGEST, 1, step, step % 2), TTYMESSAGE_INPUT);
		assert_int_equal(result.n_input, LONGEST - 1);
		assert_memory_equal(result.input, text + 1, LONGEST - 1);
		assert_null(reader.held);
	}
	ttymessage_reader_done(&reader);
	guard_free(&guard);
}

/* What is held of a message that never ends is given back. */
static void test_cut(void **state)
{
	struct ttymessage_reader reader = greeted();
	uint8_t text[] = "1{\"columns\"";
	struct piece piece = { .data = text, .len = sizeof(text) - 1, .first = true }, input;
	(void)state;

	assert_int_equal(ttymessage_read(&reader, &piece, &input), TTYMESSAGE_NOTHING);
	assert_non_null(reader.held);
	ttymessage_reader_done(&reader);
	ttymessage_reader_done(&reader);
}

static void check_title(const char *program, const char *title)
{
	uint8_t out[TTYMESSAGE_MAX];

	assert_int_equal(ttymessage_title(program, out), 1 + strlen(title));
	assert_int_equal(out[0], '1');
	assert_memory_equal(out + 1, title, strlen(title));
}

/* What the client is told of the terminal. */
static void test_told(void **state)
{
	uint8_t out[TTYMESSAGE_MAX];
	char name[TTYMESSAGE_MAX + 2] = "";
	(void)state;

	check_title("/usr/bin/bash", "bash");
	check_title("bash", "bash");
	memset(name, 'x', TTYMESSAGE_MAX - 1);
	check_title(name, name);
	name[TTYMESSAGE_MAX - 1] = 'y';
	assert_int_equal(ttymessage_title(name, out), TTYMESSAGE_MAX);
	assert_int_equal(out[TTYMESSAGE_MAX - 1], 'x');
	assert_int_equal(ttymessage_preferences(true, out), 3);
	assert_memory_equal(out, "2{}", 3);
	assert_int_equal(ttymessage_preferences(false, out), 1 + 21);
	assert_memory_equal(out, "2{\"disableStdin\":true}", 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
