/*
 * test_framing: each framing in each direction, whole, split at every position, and byte by byte, from a
 * buffer that ends at a guard page; and at the size from which things stream.
 */
#include "framing_parts.h"

static void test_lines_from_backend(void **unused)
{
	(void)unused;
	DECODED(FRAMING_LINES, "", "", 0);
	DECODED(FRAMING_LINES, "a\n", "t[a]", 0);
	DECODED(FRAMING_LINES, "a\nb", "t[a]t[b]", 0);
	DECODED(FRAMING_LINES, "\n\n", "t[]t[]", 0);
	DECODED(FRAMING_LINES, "one\r\n\r\ntwo\r\nthree\n", "t[one]t[]t[two]t[three]", 0);
	DECODED(FRAMING_LINES, "a\rb\r\r\nc\r", "t[a\rb\r]t[c\r]", 0);
	DECODED(FRAMING_LINES, "\r", "t[\r]", 0);
	DECODED(FRAMING_LINES, "\xc3\xa4\xe2\x82\xac\n\xf0\x9f\x98\x80",
		"t[\xc3\xa4\xe2\x82\xac]t[\xf0\x9f\x98\x80]", 0);
	DECODED(FRAMING_LINES, "x\xe2\x82\ny\xff\xff\n\xac\xe2",
		"t[x" FFFD "]t[y" FFFD FFFD "]t[" FFFD FFFD "]", 0);
	DECODED(FRAMING_LINES, "\xe2\x82\r\n", "t[" FFFD "]", 0);
}

static void test_records_from_backend(void **unused)
{
	(void)unused;
	DECODED(FRAMING_RECORDS, "", "", 0);
	DECODED(FRAMING_RECORDS, "t\0\0\0\3abcb\0\0\0\0t\0\0\0\0", "t[abc]b[]t[]", 0);
	DECODED(FRAMING_RECORDS, "b\0\0\0\2\xff\xfe", "b[\xff\xfe]", 0);
	DECODED(FRAMING_RECORDS, "T\0\0\0\2heT\0\0\0\0T\0\0\0\2llt\0\0\0\1o", "t[hello]", 0);
	DECODED(FRAMING_RECORDS, "B\0\0\0\1xB\0\0\0\1yb\0\0\0\0t\0\0\0\1z", "b[xy]t[z]", 0);
	/* Text is valid across the records of a message, and only there. */
	DECODED(FRAMING_RECORDS, "T\0\0\0\1\xe2T\0\0\0\1\x82t\0\0\0\2\xac.", "t[\xe2\x82\xac.]", 0);
	DECODED(FRAMING_RECORDS, "t\0\0\0\1\xe2t\0\0\0\2\x82\xac", "t[" FFFD "]t[" FFFD FFFD "]", 0);
	DECODED(FRAMING_RECORDS, "T\0\0\0\1\xe2T\0\0\0\1\x82t\0\0\0\0", "t[" FFFD "]", 0);
	DECODED(FRAMING_RECORDS, "T\0\0\0\3\xe2\x82.t\0\0\0\1\xff", "t[" FFFD "." FFFD "]", 0);
	/* Broken ones. */
	DECODED(FRAMING_RECORDS, "t\0\0\0\1ax\0\0\0\1b", "t[a]", FRAMING_BAD_RECORD);
	DECODED(FRAMING_RECORDS, "\0", "", FRAMING_BAD_RECORD);
	DECODED(FRAMING_RECORDS, "T\0\0\0\1ab\0\0\0\1b", "t[a", FRAMING_BAD_RECORD);
	DECODED(FRAMING_RECORDS, "B\0\0\0\1aT\0\0\0\1b", "b[a", FRAMING_BAD_RECORD);
	DECODED(FRAMING_RECORDS, "B\0\0\0\0T\0\0\0\1b", "", FRAMING_BAD_RECORD);
	/* Ended too early: in a header, in a record, in a message. */
	DECODED(FRAMING_RECORDS, "t\0\0\0", "", FRAMING_CUT_RECORD);
	DECODED(FRAMING_RECORDS, "t\0\0\0\2a", "", FRAMING_CUT_RECORD);
	DECODED(FRAMING_RECORDS, "T\0\0\0\2ab", "t[ab", FRAMING_CUT_RECORD);
}

static void test_streams_from_backend(void **unused)
{
	struct heard heard = { 0 };
	struct guard guard = guard_new(64);
	const char euros[] = "\xe2\x82\xac\xe2\x82\xac";

	(void)unused;
	assert_int_equal(decode_parts(&heard, rules_of(FRAMING_STREAM), &guard,
				 "abc\xff"
				 "def",
				 7, 4, 2),
		0);
	HEARD(&heard, "b[abc\xff]b[de]b[f]");
	assert_int_equal(decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM), &guard, "abcdef", 6, 4, 2), 0);
	HEARD(&heard, "t[abcd]t[ef]");
	assert_int_equal(decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM), &guard, euros, 6, 6, 1), 0);
	HEARD(&heard, "t[\xe2\x82\xac\xe2\x82\xac]");
	assert_int_equal(decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM), &guard, euros, 6, 4, 2), 0);
	HEARD(&heard, "t[\xe2\x82\xac]t[\xe2\x82\xac]");
	assert_int_equal(decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM), &guard, euros, 6, 1, 1), 0);
	HEARD(&heard, "t[\xe2\x82\xac]t[\xe2\x82\xac]");
	/* The seam and the rest of the chunk are one message. */
	assert_int_equal(decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM), &guard, "a\xf0\x9f\x98\x80z\xe2",
				 7, 3, 4),
		0);
	HEARD(&heard, "t[a]t[\xf0\x9f\x98\x80z]t[" FFFD "]");
	assert_int_equal(
		decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM), &guard, "a\xf0\x9fz", 4, 3, 4), 0);
	HEARD(&heard, "t[a]t[" FFFD "z]");
	assert_int_equal(
		decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM), &guard, "\xe2\xe2\x82\xac\xff", 5, 1, 4),
		0);
	HEARD(&heard, "t[" FFFD "\xe2\x82\xac" FFFD "]");
	assert_int_equal(decode_parts(&heard, rules_of(FRAMING_TEXT_STREAM), &guard, "", 0, 1, 4), 0);
	HEARD(&heard, "");
	guard_free(&guard);
}

static void test_to_backend(void **unused)
{
	(void)unused;
	ENCODED(FRAMING_STREAM, false, "abc", "abc");
	ENCODED(FRAMING_STREAM, true, "", "");
	ENCODED(FRAMING_TEXT_STREAM, true, "abc", "abc");
	ENCODED(FRAMING_TEXT_STREAM, false, "", "");
	ENCODED(FRAMING_LINES, true, "abc", "abc\n");
	ENCODED(FRAMING_LINES, false, "a\nb\r", "a\nb\r\n");
	ENCODED(FRAMING_LINES, true, "", "\n");
	ENCODED(FRAMING_RECORDS, true, "abc", "t\0\0\0\3abc");
	ENCODED(FRAMING_RECORDS, false, "abcd", "b\0\0\0\4abcd");
	ENCODED(FRAMING_RECORDS, true, "", "t\0\0\0\0");
	ENCODED(FRAMING_RECORDS, false, "", "b\0\0\0\0");
}

static void test_long_line_to_backend(void **unused)
{
	(void)unused;
	for (size_t len = FRAMING_HOLD - 1; len <= FRAMING_HOLD + 1; len++) {
		struct framing_encoder encoder;
		struct heard heard = { 0 };
		uint8_t *message = long_message(len);

		framing_encoder_init(&encoder, rules_of(FRAMING_LINES));
		struct piece piece = { message, len - 1, true, true, false };
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
		assert_int_equal(heard.len, 0);
		/* One more byte, and the message is not at its end yet. */
		piece = (struct piece){ message + len - 1, 1, true, false, false };
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
		assert_int_equal(heard.len, len > FRAMING_HOLD ? len : 0);
		assert_true(framing_hold_cost(encoder.held) <= FRAMING_HOLD * 2);
		assert_int_equal(framing_hold_cost(encoder.held) > 0, len <= FRAMING_HOLD);
		/* Later pieces follow at once; the newline comes with the last. */
		piece = (struct piece){ message, 3, true, false, false };
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
		assert_int_equal(heard.len, len + 3 > FRAMING_HOLD ? len + 3 : 0);
		piece = (struct piece){ message, 0, true, false, true };
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
		assert_int_equal(heard.len, len + 4);
		assert_memory_equal(heard.text, message, len);
		assert_memory_equal(heard.text + len, "abc\n", 4);
		/* The next message is held again. */
		piece = (struct piece){ message, 1, true, true, false };
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
		assert_int_equal(heard.len, len + 4);
		framing_encoder_done(&encoder);
		free(heard.text);
		free(message);
	}
}

static void test_empty_pieces_of_a_long_record(void **unused)
{
	uint8_t *message = long_message(FRAMING_HOLD + 1);
	struct framing_encoder encoder;
	struct heard heard = { 0 };

	(void)unused;
	framing_encoder_init(&encoder, rules_of(FRAMING_RECORDS));
	struct piece piece = { message, FRAMING_HOLD + 1, false, true, false };
	assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
	/* No record says more than 64 KiB, and none says nothing but the last. */
	assert_int_equal(heard.len, 5 + FRAMING_HOLD + 5 + 1);
	assert_memory_equal(heard.text, "B\0\1\0\0", 5);
	assert_memory_equal(heard.text + 5 + FRAMING_HOLD, "B\0\0\0\1", 5);
	piece = (struct piece){ message, 0, false, false, false };
	assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
	assert_int_equal(heard.len, 5 + FRAMING_HOLD + 5 + 1);
	/* Such a one may have no data at all. */
	piece = (struct piece){ NULL, 0, false, false, true };
	assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
	assert_memory_equal(heard.text + 5 + FRAMING_HOLD + 5 + 1, "b\0\0\0\0", 5);
	framing_encoder_done(&encoder);
	free(heard.text);
	free(message);
}

/* Decodes what was encoded and fails unless it is the one message. */
static void expect_echo(
	enum framing framing, struct heard *encoded, bool text, const uint8_t *message, size_t len)
{
	struct guard guard = guard_new(encoded->len);
	struct heard heard = { 0 }, want = { 0 };

	heard_note(&want, text ? "t[" : "b[", 2);
	heard_note(&want, message, len);
	heard_note(&want, "]", 1);
	for (size_t step = 997; step < 300000; step *= 4) {
		assert_int_equal(decode_parts(&heard, rules_of(framing), &guard, encoded->text, encoded->len,
					 step, step),
			0);
		heard_expect(&heard, want.text, want.len);
	}
	free(want.text);
	guard_free(&guard);
}

static void test_long_messages_and_back(void **unused)
{
	static const size_t lengths[] = { FRAMING_HOLD - 1, FRAMING_HOLD, FRAMING_HOLD + 1, 200000 };
	static const size_t steps[] = { 1000, 40000, FRAMING_HOLD, 1000000 };

	(void)unused;
	for (unsigned i = 0; i < 4 * 4 * 2 * 2; i++) {
		size_t len = lengths[i / 4 % 4], step = steps[i % 4];
		bool text = i / 16 % 2 != 0;
		enum framing framing = i / 32 != 0 ? FRAMING_LINES : FRAMING_RECORDS;
		struct framing_encoder encoder;
		struct heard encoded = { 0 };
		uint8_t *message = long_message(len);

		framing_encoder_init(&encoder, rules_of(framing));
		encode_parts(&encoder, &encoded, text, message, len, step, step);
		if (framing == FRAMING_RECORDS)
			assert_int_equal(
				encoded.text[0] == 't' || encoded.text[0] == 'b', len <= FRAMING_HOLD);
		expect_echo(framing, &encoded, text || framing == FRAMING_LINES, message, len);
		assert_int_equal(framing_hold_cost(encoder.held), 0);
		free(encoded.text);
		free(message);
	}
}

static void test_whole_message_is_not_copied(void **unused)
{
	static const enum framing framings[] = { FRAMING_LINES, FRAMING_STREAM, FRAMING_TEXT_STREAM,
		FRAMING_RECORDS };
	uint8_t payload[] = "payload", lines[] = "abc\ndef\n", records[] = "t\0\0\0\3abc",
		broken[] = "ab\xffz\n";
	struct framing_encoder encoder;
	struct framing_decoder decoder;
	struct heard heard = { 0 };

	(void)unused;
	for (size_t i = 0; i < 4; i++) {
		struct piece piece = { payload, 7, true, true, true };
		framing_encoder_init(&encoder, rules_of(framings[i]));
		heard.fail_at = framings[i] == FRAMING_LINES ? heard.n_pieces + 2 : 0;
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard),
			heard.fail_at ? HEARD_REFUSED : 0);
		assert_ptr_equal(heard.last_data, payload);
	}
	heard.fail_at = 0;
	framing_decoder_init(&decoder, rules_of(FRAMING_LINES));
	assert_int_equal(framing_decode(&decoder, lines, 8, heard_piece, &heard), 0);
	assert_ptr_equal(heard.last_data, lines + 4);
	assert_int_equal(framing_decode(&decoder, broken, 5, heard_piece, &heard), 0);
	assert_ptr_not_equal(heard.last_data, broken);
	framing_decoder_init(&decoder, rules_of(FRAMING_RECORDS));
	assert_int_equal(framing_decode(&decoder, records, 8, heard_piece, &heard), 0);
	assert_ptr_equal(heard.last_data, records + 5);
	assert_int_equal(framing_hold_cost(decoder.held), 0);
	free(heard.text);
}

static void test_long_line_from_backend(void **unused)
{
	(void)unused;
	for (size_t len = FRAMING_HOLD - 1; len <= FRAMING_HOLD + 1; len++) {
		struct framing_decoder decoder;
		struct heard heard = { 0 };
		uint8_t *line = long_message(len), rest[] = "\xff\xe2", end[] = "\x82\xac\r", crlf[] = "\n";

		framing_decoder_init(&decoder, rules_of(FRAMING_LINES));
		assert_int_equal(framing_decode(&decoder, line, len - 1, heard_piece, &heard), 0);
		assert_int_equal(heard.n_pieces, 0);
		assert_true(framing_hold_cost(decoder.held) > 0 &&
			    framing_hold_cost(decoder.held) < 2 * FRAMING_HOLD);
		assert_int_equal(framing_decode(&decoder, line + len - 1, 1, heard_piece, &heard), 0);
		assert_int_equal(heard.n_pieces > 0, len > FRAMING_HOLD);
		assert_int_equal(framing_decode(&decoder, rest, 2, heard_piece, &heard), 0);
		assert_int_equal(framing_hold_cost(decoder.held), 0);
		assert_int_equal(framing_decode(&decoder, end, 3, heard_piece, &heard), 0);
		assert_true(heard.open);
		/* All that may go out went out; the "\r" waits for the newline. */
		assert_int_equal(heard.len, 2 + len + 3 + 3);
		assert_int_equal(framing_decode(&decoder, crlf, 1, heard_piece, &heard), 0);
		assert_int_equal(heard.len, 2 + len + 3 + 3 + 1);
		assert_memory_equal(heard.text + 2 + len, FFFD "\xe2\x82\xac]", 7);
		framing_decoder_done(&decoder);
		free(heard.text);
		free(line);
	}
}

static void test_carriage_returns_in_a_long_line(void **unused)
{
	static const struct {
		const char *parts[4];
		const char *want;
	} rows[] = {
		{ { "\r", "\n" }, "]" },
		{ { "\r", "\r", "\n" }, "\r]" },
		{ { "\r", "x", "\r\n" }, "\rx]" },
		{ { "x\r", "\ny" }, "x]t[y]" },
		{ { "\r", "\r\n" }, "\r]" },
		{ { "\r" }, "\r]" },
		{ { "\xe2", "\r", "\n" }, FFFD "]" },
		{ { "\xe2", "\r", "\r" }, FFFD "\r\r]" },
		{ { "\xe2" }, FFFD "]" },
		{ { NULL }, "]" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct framing_decoder decoder;
		struct heard heard = { 0 };
		uint8_t *line = long_message(FRAMING_HOLD + 1);

		framing_decoder_init(&decoder, rules_of(FRAMING_LINES));
		assert_int_equal(framing_decode(&decoder, line, FRAMING_HOLD + 1, heard_piece, &heard), 0);
		for (size_t j = 0; j < 4 && rows[i].parts[j] != NULL; j++) {
			uint8_t part[8];
			size_t len = strlen(rows[i].parts[j]);
			memcpy(part, rows[i].parts[j], len);
			assert_int_equal(framing_decode(&decoder, part, len, heard_piece, &heard), 0);
		}
		assert_int_equal(framing_decode_end(&decoder, heard_piece, &heard), 0);
		assert_string_equal(heard.text + 2 + FRAMING_HOLD + 1, rows[i].want);
		framing_decoder_done(&decoder);
		free(heard.text);
		free(line);
	}
}

static void test_long_record_streams(void **unused)
{
	uint8_t header[] = "b\xff\xff\xff\xff", chunk[1000] = { 0 };
	struct framing_decoder decoder;
	struct heard heard = { 0 };

	(void)unused;
	framing_decoder_init(&decoder, rules_of(FRAMING_RECORDS));
	assert_int_equal(framing_decode(&decoder, header, 5, heard_piece, &heard), 0);
	assert_int_equal(heard.n_pieces, 0);
	for (size_t i = 1; i <= 100; i++) {
		assert_int_equal(framing_decode(&decoder, chunk, sizeof(chunk), heard_piece, &heard), 0);
		assert_int_equal(heard.len, 2 + i * sizeof(chunk));
		assert_int_equal(framing_hold_cost(decoder.held), 0);
	}
	assert_int_equal(framing_decode_end(&decoder, heard_piece, &heard), FRAMING_CUT_RECORD);
	framing_decoder_done(&decoder);
	free(heard.text);
}

static void test_many_short_lines(void **unused)
{
	struct framing_decoder decoder;
	struct heard heard = { 0 };
	uint8_t *chunk = malloc(FRAMING_HOLD);

	(void)unused;
	assert_non_null(chunk);
	for (size_t i = 0; i < FRAMING_HOLD; i += 2)
		memcpy(chunk + i, "x\n", 2);
	framing_decoder_init(&decoder, rules_of(FRAMING_LINES));
	assert_int_equal(framing_decode(&decoder, chunk, FRAMING_HOLD, heard_piece, &heard), 0);
	assert_int_equal(heard.n_pieces, FRAMING_HOLD / 2);
	assert_int_equal(heard.len, FRAMING_HOLD / 2 * 4);
	free(heard.text);
	free(chunk);
}

static void test_refusals_reach_the_caller(void **unused)
{
	static const char *const inputs[] = { "a\nb\n", "b\0\0\0\1ab\0\0\0\1a" };
	struct guard guard = guard_new(16);
	struct framing_encoder encoder;
	uint8_t payload[] = "xyz";

	(void)unused;
	for (size_t fail_at = 1; fail_at <= 3; fail_at++) {
		struct heard heard = { .fail_at = fail_at };
		int want = fail_at <= 2 ? HEARD_REFUSED : 0;
		assert_int_equal(
			decode_parts(&heard, rules_of(FRAMING_LINES), &guard, inputs[0], 4, 3, 1), want);
		free(heard.text);
		heard = (struct heard){ .fail_at = fail_at };
		assert_int_equal(
			decode_parts(&heard, rules_of(FRAMING_RECORDS), &guard, inputs[1], 12, 3, 4), want);
		free(heard.text);
		/* Held, then the header or newline among the calls: each may be refused. */
		heard = (struct heard){ .fail_at = fail_at };
		framing_encoder_init(&encoder, rules_of(FRAMING_RECORDS));
		struct piece piece = { payload, 2, true, true, false };
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
		piece = (struct piece){ payload, 1, true, false, true };
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), HEARD_REFUSED);
		framing_encoder_done(&encoder);
		free(heard.text);
	}
	guard_free(&guard);
}

/* However little was held goes before what makes the line too long to be held. */
static void test_one_byte_before_a_long_part(void **unused)
{
	uint8_t *line = long_message(FRAMING_HOLD + 1);
	struct guard guard = guard_new(FRAMING_HOLD + 1);
	struct heard heard = { 0 };

	(void)unused;
	assert_int_equal(decode_parts(&heard, rules_of(FRAMING_LINES), &guard, line, FRAMING_HOLD + 1, 1,
				 FRAMING_HOLD),
		0);
	assert_int_equal(heard.len, 2 + FRAMING_HOLD + 1 + 1);
	assert_memory_equal(heard.text + 2, line, FRAMING_HOLD + 1);
	free(heard.text);
	guard_free(&guard);
	free(line);
}

/* The "\r" that was held back is a piece like others. */
static void test_refused_carriage_return(void **unused)
{
	uint8_t *line = long_message(FRAMING_HOLD + 1), rest[] = "x";
	struct framing_decoder decoder;
	struct heard heard = { 0 };

	(void)unused;
	line[FRAMING_HOLD] = '\r';
	framing_decoder_init(&decoder, rules_of(FRAMING_LINES));
	assert_int_equal(framing_decode(&decoder, line, FRAMING_HOLD + 1, heard_piece, &heard), 0);
	heard.fail_at = heard.n_pieces + 1;
	assert_int_equal(framing_decode(&decoder, rest, 1, heard_piece, &heard), HEARD_REFUSED);
	assert_int_equal(heard.n_pieces, heard.fail_at);
	framing_decoder_done(&decoder);
	free(heard.text);
	free(line);
}

static void test_half_a_message_is_dropped(void **unused)
{
	static const enum framing framings[] = { FRAMING_LINES, FRAMING_RECORDS };
	uint8_t payload[] = "rm -rf /tmp/x", line[] = "half a line";
	struct heard heard = { 0 };

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct framing_encoder encoder;
		struct piece piece = { payload, 4, true, true, false };
		framing_encoder_init(&encoder, rules_of(framings[i]));
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
		assert_true(framing_hold_cost(encoder.held) >= 4);
		framing_encoder_done(&encoder);
		assert_int_equal(framing_hold_cost(encoder.held), 0);
		framing_encoder_done(&encoder);
	}
	struct framing_decoder decoder;
	framing_decoder_init(&decoder, rules_of(FRAMING_LINES));
	assert_int_equal(framing_decode(&decoder, line, 11, heard_piece, &heard), 0);
	assert_true(framing_hold_cost(decoder.held) >= 11);
	framing_decoder_done(&decoder);
	framing_decoder_done(&decoder);
	assert_int_equal(heard.n_pieces, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_from_backend),
		cmocka_unit_test(test_records_from_backend),
		cmocka_unit_test(test_streams_from_backend),
		cmocka_unit_test(test_to_backend),
		cmocka_unit_test(test_long_line_to_backend),
		cmocka_unit_test(test_empty_pieces_of_a_long_record),
		cmocka_unit_test(test_long_messages_and_back),
		cmocka_unit_test(test_whole_message_is_not_copied),
		cmocka_unit_test(test_long_line_from_backend),
		cmocka_unit_test(test_carriage_returns_in_a_long_line),
		cmocka_unit_test(test_long_record_streams),
		cmocka_unit_test(test_many_short_lines),
		cmocka_unit_test(test_refusals_reach_the_caller),
		cmocka_unit_test(test_one_byte_before_a_long_part),
		cmocka_unit_test(test_refused_carriage_return),
		cmocka_unit_test(test_half_a_message_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
