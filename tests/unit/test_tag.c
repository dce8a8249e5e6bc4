/*
 * Tests of the tags of a program's two outputs: the form, what is escaped, where messages begin and end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "backend/tag.h"
#include "guard.h"

/* What came out: the messages with a newline behind each, "t:" or "b:" before. */
struct result {
	char text[1 << 20];
	size_t len, n_pieces;
	bool open;
	int stop; /* what the callback returns */
};

static struct result result;

static int result_on_piece(void *arg, const struct piece *piece)
{
	struct result *to = arg;
	assert_int_equal(piece->first, !to->open);
	if (piece->first)
		to->len += (size_t)sprintf(to->text + to->len, "%c:", piece->text ? 't' : 'b');
	memcpy(to->text + to->len, piece->data, piece->len);
	to->len += piece->len;
	if (piece->last)
		to->text[to->len++] = '\n';
	to->text[to->len] = '\0';
	to->open = !piece->last;
	to->n_pieces++;
	return to->stop;
}

/* Sends one message in pieces of `step` bytes; 0 is one piece. */
static void send_message(
	struct tag *tag, const struct guard *guard, const void *data, size_t len, size_t step, bool text)
{
	const uint8_t *at = data;
	size_t left = len;

	do {
		struct piece piece = { .len = step == 0 || step > left ? left : step, .text = text };
		piece.data = guard_put(guard, at + (len - left), piece.len);
		piece.first = left == len;
		left -= piece.len;
		piece.last = left == 0;
		assert_int_equal(tag_piece(tag, &piece, result_on_piece, &result), 0);
	} while (left > 0);
}

static void check(const char *stream, const void *data, size_t len, const char *json)
{
	struct guard guard = guard_new(len);
	for (size_t step = 0; step <= len; step++) {
		struct tag tag = { .stream = stream };
		char expected[1024];
		memset(&result, 0, sizeof(result));
		send_message(&tag, &guard, data, len, step, true);
		snprintf(expected, sizeof(expected), "t:{\"stream\":\"%s\",\"data\":\"%s\"}\n", stream, json);
		assert_string_equal(result.text, expected);
		assert_int_equal(result.n_pieces, step == 0 || len == 0 ? 1 : (len + step - 1) / step);
		assert_false(tag.open);
	}
	guard_free(&guard);
}

/* In one piece and at every size of pieces. */
static void test_form(void **state)
{
	(void)state;
	check("stdout", "", 0, "");
	check("stdout", "a line", 6, "a line");
	check("stderr", "\xc3\xa9 \xf0\x9d\x84\x9e", 7, "\xc3\xa9 \xf0\x9d\x84\x9e");
}

static void test_escapes(void **state)
{
	(void)state;
	check("stdout", "\"\\/\b\f\n\r\t", 8, "\\\"\\\\/\\u0008\\u000c\\n\\r\\t");
	for (unsigned byte = 0; byte < 0x80; byte++) {
		uint8_t data[3] = { 'a', (uint8_t)byte, 'b' };
		char json[32];
		const char *at = memchr("\"\\\n\r\t", (int)byte, 5);
		if (at != NULL)
			snprintf(json, sizeof(json), "a\\%cb",
				"\"\\nrt"[strchr("\"\\\n\r\t", (int)byte) - "\"\\\n\r\t"]);
		else if (byte < 0x20)
			snprintf(json, sizeof(json), "a\\u%04xb", byte);
		else
			snprintf(json, sizeof(json), "a%cb", (char)byte);
		check("stderr", data, sizeof(data), json);
	}
}

/* 64 KiB of what becomes longest. */
static void test_long(void **state)
{
	static const uint8_t data[65536];
	struct tag tag = { .stream = "stderr" };
	struct guard guard = guard_new(sizeof(data));
	(void)state;

	memset(&result, 0, sizeof(result));
	send_message(&tag, &guard, data, sizeof(data), 0, true);
	assert_int_equal(result.len, 2 + 28 + 6 * sizeof(data) + 1 + 1);
	guard_free(&guard);
}

/* Binary messages have no tag, whatever is between them. */
static void test_binary(void **state)
{
	struct tag tag = { .stream = "stdout" };
	struct guard guard = guard_new(16);
	(void)state;

	memset(&result, 0, sizeof(result));
	send_message(&tag, &guard, "\"", 1, 0, false);
	send_message(&tag, &guard, "x", 1, 0, true);
	send_message(&tag, &guard, "", 0, 0, false);
	send_message(&tag, &guard, "12345", 5, 2, false);
	assert_string_equal(result.text, "b:\"\nt:{\"stream\":\"stdout\",\"data\":\"x\"}\nb:\nb:12345\n");
	guard_free(&guard);
}

/* A message that is ended early is whole, and so is the one that its rest becomes; with none open nothing
 * happens. */
static void test_end(void **state)
{
	(void)state;
	for (int text = 0; text < 2; text++) {
		struct tag tag = { .stream = "stdout" };
		uint8_t data[2] = "ab";
		struct piece piece = { .data = data, .len = 1, .text = text, .first = true };
		memset(&result, 0, sizeof(result));
		assert_int_equal(tag_end(&tag, result_on_piece, &result), 0);
		assert_int_equal(result.n_pieces, 0);
		assert_int_equal(tag_piece(&tag, &piece, result_on_piece, &result), 0);
		assert_true(tag.open);
		assert_int_equal(tag_end(&tag, result_on_piece, &result), 0);
		assert_int_equal(tag_end(&tag, result_on_piece, &result), 0);
		piece = (struct piece){ .data = data + 1, .len = 1, .text = text };
		assert_int_equal(tag_piece(&tag, &piece, result_on_piece, &result), 0);
		piece = (struct piece){ .data = data, .text = text, .last = true };
		assert_int_equal(tag_piece(&tag, &piece, result_on_piece, &result), 0);
		assert_string_equal(result.text, text ? "t:{\"stream\":\"stdout\",\"data\":\"a\"}\n"
							"t:{\"stream\":\"stdout\",\"data\":\"b\"}\n"
						      : "b:a\nb:b\n");
	}
}

/* What the callback says is returned. */
static void test_stop(void **state)
{
	struct tag tag = { .stream = "stdout" };
	uint8_t data[1] = "x";
	struct piece piece = { .data = data, .len = 1, .text = true, .first = true };
	(void)state;

	memset(&result, 0, sizeof(result));
	result.stop = -7;
	assert_int_equal(tag_piece(&tag, &piece, result_on_piece, &result), -7);
	assert_int_equal(tag_end(&tag, result_on_piece, &result), -7);
	piece.text = false;
	assert_int_equal(tag_piece(&tag, &piece, result_on_piece, &result), -7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
