/*
 * test_framing_rules: what a route says about its messages besides the framing: their type, delimiters within
 * them, and text that is not UTF-8. And nul, which is lines with another delimiter.
 */
#include "framing_parts.h"

static void test_nul(void **unused)
{
	(void)unused;
	ENCODED(FRAMING_NUL, true, "abc", "abc\0");
	ENCODED(FRAMING_NUL, false, "", "\0");
	ENCODED(FRAMING_NUL, true, "a\nb\r", "a\nb\r\0");
	DECODED(FRAMING_NUL, "", "", 0);
	DECODED(FRAMING_NUL, "a\0b\0", "t[a]t[b]", 0);
	DECODED(FRAMING_NUL, "a\0\0b", "t[a]t[]t[b]", 0);
	DECODED(FRAMING_NUL, "a\n\0\r\0b\r", "t[a\n]t[\r]t[b\r]", 0);
	DECODED(FRAMING_NUL, "\xe2\x82\xac\0\xe2\0", "t[\xe2\x82\xac]t[" FFFD "]", 0);
}

/* Longer than what is held, a record of nul streams as a line does. */
static void test_long_nul(void **unused)
{
	(void)unused;
	for (size_t len = FRAMING_HOLD - 1; len <= FRAMING_HOLD + 1; len++) {
		struct guard guard = guard_new(len + 2);
		struct heard heard = { 0 };
		uint8_t *said = long_message(len + 1);
		said[len - 1] = '\r';
		said[len] = '\0';
		assert_int_equal(
			decode_parts(&heard, rules_of(FRAMING_NUL), &guard, said, len + 1, 10000, 10000), 0);
		assert_int_equal(heard.n_pieces == 1, len <= FRAMING_HOLD);
		assert_int_equal(heard.len, 2 + len + 1);
		free(heard.text);
		free(said);
		guard_free(&guard);
	}
}

static void test_types(void **unused)
{
	const struct framing_rules *binary_lines = rules_of(FRAMING_LINES, .messages = MESSAGES_BINARY);

	(void)unused;
	/* Lines as binary: nothing is replaced, line ends go as ever. */
	DECODED_BY(binary_lines, "\xff\r\n\n\r\r\n\xe2\r", "b[\xff]b[]b[\r]b[\xe2\r]", 0);
	DECODED_BY(rules_of(FRAMING_NUL, .messages = MESSAGES_BINARY), "\xff\0x", "b[\xff]b[x]", 0);
	/* Records say it themselves. */
	DECODED_BY(rules_of(FRAMING_RECORDS, .messages = MESSAGES_BINARY), "t\0\0\0\1ab\0\0\0\1\xff",
		"t[a]b[\xff]", 0);
	DECODED_BY(rules_of(FRAMING_RECORDS, .messages = MESSAGES_TEXT), "t\0\0\0\1ab\0\0\0\1\xff",
		"t[a]b[\xff]", 0);
}

/* A stream of text is text-stream, and the other way round. */
static void test_types_of_streams(void **unused)
{
	struct heard heard = { 0 };
	struct guard guard = guard_new(64);

	(void)unused;
	decode_parts(&heard, rules_of(FRAMING_STREAM, .messages = MESSAGES_TEXT), &guard, "a\xe2\x82\xac\xff",
		5, 3, 4);
	HEARD(&heard, "t[a]t[\xe2\x82\xac" FFFD "]");
	decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM, .messages = MESSAGES_BINARY), &guard,
		"a\xe2\x82\xac\xff", 5, 3, 4);
	HEARD(&heard, "b[a\xe2\x82]b[\xac\xff]");
	guard_free(&guard);
}

/* A long line of binary streams too, its "\r" held back. */
static void test_long_binary_line(void **unused)
{
	const struct framing_rules *rules = rules_of(FRAMING_LINES, .messages = MESSAGES_BINARY);
	uint8_t *said = long_message(FRAMING_HOLD + 12);
	struct guard guard = guard_new(FRAMING_HOLD + 20);

	(void)unused;
	said[5] = 0xff;
	memcpy(said + FRAMING_HOLD + 10, "\r\n", 2);
	for (size_t step = FRAMING_HOLD + 8; step <= FRAMING_HOLD + 12; step++) {
		struct heard heard = { 0 };
		assert_int_equal(decode_parts(&heard, rules, &guard, said, FRAMING_HOLD + 12, step, 1), 0);
		assert_int_equal(heard.len, 2 + FRAMING_HOLD + 10 + 1);
		assert_memory_equal(heard.text, "b[", 2);
		assert_memory_equal(heard.text + 2, said, FRAMING_HOLD + 10);
		free(heard.text);
	}
	guard_free(&guard);
	free(said);
}

static void test_newlines_pass_or_space(void **unused)
{
	(void)unused;
	ENCODED(FRAMING_LINES, true, "a\n\nb\n", "a\n\nb\n\n");
	ENCODED_BY(rules_of(FRAMING_LINES, .newlines = NEWLINES_SPACE), true, "a\n\nb\n", "a  b \n");
	ENCODED_BY(rules_of(FRAMING_LINES, .newlines = NEWLINES_SPACE), false, "\n", " \n");
	ENCODED_BY(rules_of(FRAMING_LINES, .newlines = NEWLINES_SPACE), true, "a\0\r", "a\0\r\n");
	ENCODED_BY(rules_of(FRAMING_NUL, .newlines = NEWLINES_SPACE), true, "a\0\nb", "a \nb\0");
	ENCODED_BY(rules_of(FRAMING_NUL, .newlines = NEWLINES_SPACE), true, "", "\0");
	/* Where nothing is delimited it means nothing. */
	ENCODED_BY(rules_of(FRAMING_STREAM, .newlines = NEWLINES_REJECT), true, "a\nb", "a\nb");
	ENCODED_BY(rules_of(FRAMING_RECORDS, .newlines = NEWLINES_REJECT), true, "a\n", "t\0\0\0\2a\n");
	ENCODED_BY(rules_of(FRAMING_NETSTRING, .newlines = NEWLINES_REJECT), true, "a\n", "2:a\n,");
}

/* Encodes a message in two parts, split at every position. Nothing may come out but the message before it. */
static void expect_rejected(const struct framing_rules *rules, const char *message, size_t len)
{
	for (size_t split = 0; split < len; split++) {
		struct framing_encoder encoder;
		struct heard heard = { 0 };
		uint8_t copy[64];
		framing_encoder_init(&encoder, rules);
		encode_parts(&encoder, &heard, true, (const uint8_t *)"ok", 2, 1, 1);
		size_t n_pieces = heard.n_pieces;
		memcpy(copy, message, len);
		struct piece piece = { copy, split, true, true, false };
		int rc = framing_encode(&encoder, &piece, heard_bytes, &heard);
		piece = (struct piece){ copy + split, len - split, true, false, true };
		if (rc == 0)
			rc = framing_encode(&encoder, &piece, heard_bytes, &heard);
		assert_int_equal(rc, FRAMING_NEWLINE);
		assert_int_equal(heard.n_pieces, n_pieces);
		assert_int_equal(framing_hold_cost(encoder.held), 0);
		framing_encoder_done(&encoder);
		free(heard.text);
	}
}

static void test_newlines_reject(void **unused)
{
	const struct framing_rules *lines = rules_of(FRAMING_LINES, .newlines = NEWLINES_REJECT),
				   *nul = rules_of(FRAMING_NUL, .newlines = NEWLINES_REJECT);

	(void)unused;
	expect_rejected(lines, "a\nb", 3);
	expect_rejected(lines, "\n", 1);
	expect_rejected(lines, "abc\n", 4);
	expect_rejected(nul, "a\0b", 3);
	ENCODED_BY(lines, true, "a\0\rb", "a\0\rb\n");
	ENCODED_BY(lines, true, "", "\n");
	ENCODED_BY(nul, true, "a\nb", "a\nb\0");
	/* Messages are held whole, so there is a longest one. */
	assert_int_equal(framing_max_message(lines), FRAMING_HOLD);
	assert_int_equal(framing_max_message(nul), FRAMING_HOLD);
	assert_int_equal(framing_max_message(rules_of(FRAMING_LINES, .newlines = NEWLINES_SPACE)), 0);
	assert_int_equal(framing_max_message(rules_of(FRAMING_STREAM, .newlines = NEWLINES_REJECT)), 0);
}

/* The longest one has its newline in the last byte: all of it waited. */
static void test_longest_rejected(void **unused)
{
	struct framing_encoder encoder;
	struct heard heard = { 0 };
	uint8_t *message = long_message(FRAMING_HOLD);

	(void)unused;
	framing_encoder_init(&encoder, rules_of(FRAMING_LINES, .newlines = NEWLINES_REJECT));
	struct piece piece = { message, FRAMING_HOLD, true, true, false };
	assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
	assert_int_equal(heard.n_pieces, 0);
	framing_encoder_done(&encoder);
	message[FRAMING_HOLD - 1] = '\n';
	piece = (struct piece){ message, FRAMING_HOLD - 1, true, true, false };
	assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
	piece = (struct piece){ message + FRAMING_HOLD - 1, 1, true, false, true };
	assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), FRAMING_NEWLINE);
	assert_int_equal(heard.n_pieces, 0);
	free(message);
}

static void test_invalid_binary(void **unused)
{
	const struct framing_rules *lines = rules_of(FRAMING_LINES, .invalid_utf8 = INVALID_UTF8_BINARY),
				   *records = rules_of(FRAMING_RECORDS, .invalid_utf8 = INVALID_UTF8_BINARY);

	(void)unused;
	DECODED_BY(lines, "a\nx\xffy\r\nb\n\xe2\x82\n\xe2", "t[a]b[x\xffy]t[b]b[\xe2\x82]b[\xe2]", 0);
	DECODED_BY(lines, "\xe2\x82\xac\n\xed\xa0\x80\n", "t[\xe2\x82\xac]b[\xed\xa0\x80]", 0);
	/* In records the first one decides for its message; the carry of the first is in the second. */
	DECODED_BY(records, "T\0\0\0\2a\xfft\0\0\0\2b\xff",
		"b[a\xff"
		"b\xff]",
		0);
	DECODED_BY(records, "T\0\0\0\1at\0\0\0\1\xffT\0\0\0\1\xfft\0\0\0\1b",
		"t[a" FFFD "]b[\xff"
		"b]",
		0);
	DECODED_BY(records, "T\0\0\0\1\xe2t\0\0\0\3\x82.\xe2t\0\0\0\1b", "b[\xe2\x82.\xe2]t[b]", 0);
	DECODED_BY(records, "T\0\0\0\2.\xe2T\0\0\0\1\x82t\0\0\0\1z", "t[." FFFD "z]", 0);
	DECODED_BY(records, "b\0\0\0\1\xfft\0\0\0\1\xfft\0\0\0\1a", "b[\xff]b[\xff]t[a]", 0);
	/* Nothing waits for the rest of a character any more. */
	DECODED_BY(records, "T\0\0\0\2\xff\xe2t\0\0\0\1x", "b[\xff\xe2x]", 0);
	/* The type of what goes on is checked against the record's, not against what it became. */
	DECODED_BY(records,
		"T\0\0\0\1\xff"
		"b\0\0\0\1b",
		"b[\xff", FRAMING_BAD_RECORD);
}

static void test_invalid_binary_stream(void **unused)
{
	const struct framing_rules *rules =
		rules_of(FRAMING_TEXT_STREAM, .invalid_utf8 = INVALID_UTF8_BINARY);
	struct guard guard = guard_new(64);
	struct heard heard = { 0 };

	(void)unused;
	/* A bad chunk is a binary message; half a character at its end still belongs to the next. */
	decode_parts(&heard, rules, &guard, "a\xff\xe2\x82\xac.", 6, 3, 3);
	HEARD(&heard, "b[a\xff]t[\xe2\x82\xac.]");
	decode_parts(&heard, rules, &guard, "a\xe2zz\xe2", 5, 2, 3);
	HEARD(&heard, "t[a]b[\xe2zz]b[\xe2]");
	/* A good seam before a bad rest is in the same first fragment. */
	decode_parts(&heard, rules, &guard, "\xe2\x82\xac\xffz", 5, 1, 4);
	HEARD(&heard, "b[\xe2\x82\xac\xffz]");
	guard_free(&guard);
}

/* A long line is decided on what goes out first. */
static void test_invalid_binary_long(void **unused)
{
	const struct framing_rules *rules = rules_of(FRAMING_LINES, .invalid_utf8 = INVALID_UTF8_BINARY);
	struct guard guard = guard_new(FRAMING_HOLD + 20);

	(void)unused;
	for (int late = 0; late < 2; late++) {
		struct heard heard = { 0 };
		uint8_t *said = long_message(FRAMING_HOLD + 12);
		said[late ? FRAMING_HOLD + 2 : 5] = 0xff;
		said[FRAMING_HOLD + 11] = '\n';
		assert_int_equal(
			decode_parts(&heard, rules, &guard, said, FRAMING_HOLD + 12, FRAMING_HOLD, 1), 0);
		assert_int_equal(heard.text[0], late ? 't' : 'b');
		assert_int_equal(heard.len, 2 + FRAMING_HOLD + 11 + (late ? 2 : 0) + 1);
		free(heard.text);
		free(said);
	}
	guard_free(&guard);
}

static void test_invalid_close(void **unused)
{
	const struct framing_rules *lines = rules_of(FRAMING_LINES, .invalid_utf8 = INVALID_UTF8_CLOSE),
				   *records = rules_of(FRAMING_RECORDS, .invalid_utf8 = INVALID_UTF8_CLOSE);

	(void)unused;
	DECODED_BY(lines, "\xe2\x82\xac\na\n", "t[\xe2\x82\xac]t[a]", 0);
	DECODED_BY(lines,
		"a\nbc\xff"
		"d\ne\n",
		"t[a]t[bc", FRAMING_BAD_UTF8);
	DECODED_BY(lines, "bc\xe2\x82\n", "t[bc", FRAMING_BAD_UTF8);
	DECODED_BY(lines, "\xe2\x82\xac\xe2", "t[\xe2\x82\xac", FRAMING_BAD_UTF8);
	DECODED_BY(lines, "\xff", "", FRAMING_BAD_UTF8);
	DECODED_BY(records, "T\0\0\0\2a\xe2t\0\0\0\1b", "t[a", FRAMING_BAD_UTF8);
	DECODED_BY(records, "b\0\0\0\1\xfft\0\0\0\1\xff", "b[\xff]", FRAMING_BAD_UTF8);
	DECODED_BY(rules_of(FRAMING_LENGTH8, .messages = MESSAGES_TEXT, .invalid_utf8 = INVALID_UTF8_CLOSE),
		"\1a\2b\xff", "t[a]t[b", FRAMING_BAD_UTF8);
}

static void test_invalid_close_stream(void **unused)
{
	const struct framing_rules *rules = rules_of(FRAMING_TEXT_STREAM, .invalid_utf8 = INVALID_UTF8_CLOSE);
	struct guard guard = guard_new(64);
	struct heard heard = { 0 };

	(void)unused;
	assert_int_equal(
		decode_parts(&heard, rules, &guard, "ab\xe2\x82\xac\xe2\x82z", 8, 4, 4), FRAMING_BAD_UTF8);
	HEARD(&heard, "t[ab]t[\xe2\x82\xac]");
	assert_int_equal(
		decode_parts(&heard, rules, &guard, "ab\xe2\x82\xac.\xff", 7, 4, 4), FRAMING_BAD_UTF8);
	HEARD(&heard, "t[ab]t[\xe2\x82\xac.]");
	assert_int_equal(decode_parts(&heard, rules, &guard, "ab\xe2\x82", 4, 4, 4), FRAMING_BAD_UTF8);
	HEARD(&heard, "t[ab]");
	assert_int_equal(decode_parts(&heard, rules, &guard, "\xff", 1, 4, 4), FRAMING_BAD_UTF8);
	HEARD(&heard, "");
	guard_free(&guard);
}

/* A client that is gone is told apart from a program that wrote no UTF-8. */
static void test_invalid_close_refused(void **unused)
{
	const struct framing_rules *rules = rules_of(FRAMING_TEXT_STREAM, .invalid_utf8 = INVALID_UTF8_CLOSE);
	struct guard guard = guard_new(64);

	(void)unused;
	for (size_t fail_at = 1; fail_at <= 4; fail_at++) {
		struct heard heard = { .fail_at = fail_at };
		/* "a", then what completes the character and what is good behind it. */
		assert_int_equal(decode_parts(&heard, rules, &guard, "a\xe2\x82\xac.\xff", 6, 2, 4),
			fail_at <= 3 ? HEARD_REFUSED : FRAMING_BAD_UTF8);
		free(heard.text);
	}
	guard_free(&guard);
}

static void test_reasons(void **unused)
{
	const struct framing_rules *netstring = rules_of(FRAMING_NETSTRING);

	(void)unused;
	assert_string_equal(framing_reason(netstring, FRAMING_BAD_RECORD), "bad netstring from the backend");
	assert_string_equal(
		framing_reason(rules_of(FRAMING_RECORDS), FRAMING_BAD_RECORD), "bad record from the backend");
	assert_string_equal(
		framing_reason(netstring, FRAMING_CUT_RECORD), "the backend ended within a record");
	assert_string_equal(framing_reason(netstring, FRAMING_BAD_UTF8), "invalid UTF-8 from the backend");
	assert_string_equal(framing_reason(netstring, FRAMING_NO_MEMORY), "out of memory");
}

/* What a route and a chosen subprotocol make together. */
static void test_rules_of_route(void **unused)
{
	struct route_conf route = { .framing = FRAMING_NUL,
		.messages = MESSAGES_BINARY,
		.newlines = NEWLINES_REJECT,
		.invalid_utf8 = INVALID_UTF8_CLOSE };
	struct framing_rules rules = framing_rules_of(&route, FRAMING_UNSET);

	(void)unused;
	assert_int_equal(rules.framing, FRAMING_NUL);
	assert_int_equal(rules.messages, MESSAGES_BINARY);
	assert_int_equal(rules.newlines, NEWLINES_REJECT);
	assert_int_equal(rules.invalid_utf8, INVALID_UTF8_CLOSE);
	assert_int_equal(framing_rules_of(&route, FRAMING_LINES).framing, FRAMING_LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long_nul),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_types_of_streams),
		cmocka_unit_test(test_long_binary_line),
		cmocka_unit_test(test_newlines_pass_or_space),
		cmocka_unit_test(test_newlines_reject),
		cmocka_unit_test(test_longest_rejected),
		cmocka_unit_test(test_invalid_binary),
		cmocka_unit_test(test_invalid_binary_stream),
		cmocka_unit_test(test_invalid_binary_long),
		cmocka_unit_test(test_invalid_close),
		cmocka_unit_test(test_invalid_close_stream),
		cmocka_unit_test(test_invalid_close_refused),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_rules_of_route),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
