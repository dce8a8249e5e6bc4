/*
 * test_framing_counted: the framings that say a length before the payload, length8 to length64 and netstring:
 * both directions in every split, at the ends of what a length can say and of what is held, and lengths that
 * nobody means.
 */
#include "aborts.h"
#include "framing_parts.h"

/* How each framing writes a length. */
static const struct counted {
	enum framing framing;
	size_t n_length;
	bool little;
	uint64_t max; /* of a message from the client */
} counted[] = {
	{ FRAMING_LENGTH8, 1, false, 255 },
	{ FRAMING_LENGTH16, 2, false, 65535 },
	{ FRAMING_LENGTH16_LE, 2, true, 65535 },
	{ FRAMING_LENGTH32, 4, false, 16777216 },
	{ FRAMING_LENGTH32_LE, 4, true, 16777216 },
	{ FRAMING_LENGTH64, 8, false, 16777216 },
	{ FRAMING_LENGTH64_LE, 8, true, 16777216 },
	{ FRAMING_NETSTRING, 0, false, 16777216 },
};

enum { N_COUNTED = sizeof(counted) / sizeof(counted[0]) };

/* Appends what the framing makes of a payload that is not longer than it can say. */
static void note_counted(struct heard *heard, const struct counted *how, const void *payload, size_t len)
{
	char head[24];
	size_t n = how->n_length;

	for (size_t i = 0; i < n; i++) {
		size_t shift = 8 * (how->little ? i : n - 1 - i);
		head[i] = (char)(len >> shift);
	}
	if (how->framing == FRAMING_NETSTRING)
		n = (size_t)snprintf(head, sizeof(head), "%zu:", len);
	heard_note(heard, head, n);
	heard_note(heard, payload, len);
	if (how->framing == FRAMING_NETSTRING)
		heard_note(heard, ",", 1);
}

static void test_lengths_to_backend(void **unused)
{
	(void)unused;
	ENCODED(FRAMING_LENGTH8, true, "abc", "\3abc");
	ENCODED(FRAMING_LENGTH8, false, "", "\0");
	ENCODED(FRAMING_LENGTH16, true, "abc", "\0\3abc");
	ENCODED(FRAMING_LENGTH16_LE, true, "abc", "\3\0abc");
	ENCODED(FRAMING_LENGTH32, true, "abc", "\0\0\0\3abc");
	ENCODED(FRAMING_LENGTH32_LE, true, "abc", "\3\0\0\0abc");
	ENCODED(FRAMING_LENGTH64, false, "a\0\n", "\0\0\0\0\0\0\0\3a\0\n");
	ENCODED(FRAMING_LENGTH64_LE, false, "", "\0\0\0\0\0\0\0\0");
	ENCODED(FRAMING_NETSTRING, true, "hello world!", "12:hello world!,");
	ENCODED(FRAMING_NETSTRING, false, "", "0:,");
}

static void test_lengths_from_backend(void **unused)
{
	(void)unused;
	DECODED(FRAMING_LENGTH8, "", "", 0);
	DECODED(FRAMING_LENGTH8, "\3abc\0\1x", "b[abc]b[]b[x]", 0);
	DECODED(FRAMING_LENGTH16, "\0\3abc\0\0\0\1x", "b[abc]b[]b[x]", 0);
	DECODED(FRAMING_LENGTH16_LE, "\3\0abc\0\0\1\0x", "b[abc]b[]b[x]", 0);
	DECODED(FRAMING_LENGTH32, "\0\0\0\3abc\0\0\0\0", "b[abc]b[]", 0);
	DECODED(FRAMING_LENGTH32_LE, "\3\0\0\0abc\1\0\0\0\xff", "b[abc]b[\xff]", 0);
	DECODED(FRAMING_LENGTH64, "\0\0\0\0\0\0\0\3abc\0\0\0\0\0\0\0\0", "b[abc]b[]", 0);
	DECODED(FRAMING_LENGTH64_LE, "\3\0\0\0\0\0\0\0abc\1\0\0\0\0\0\0\0x", "b[abc]b[x]", 0);
	/* An end within a length or a payload. */
	DECODED(FRAMING_LENGTH8, "\1a\2b", "b[a]", FRAMING_CUT_RECORD);
	DECODED(FRAMING_LENGTH16, "\0", "", FRAMING_CUT_RECORD);
	DECODED(FRAMING_LENGTH32_LE, "\1\0\0", "", FRAMING_CUT_RECORD);
	DECODED(FRAMING_LENGTH32, "\0\0\0\1", "", FRAMING_CUT_RECORD);
	DECODED(FRAMING_LENGTH64, "\0\0\0\0\0\0\0\2a", "", FRAMING_CUT_RECORD);
}

static void test_netstrings_from_backend(void **unused)
{
	(void)unused;
	DECODED(FRAMING_NETSTRING, "", "", 0);
	DECODED(FRAMING_NETSTRING, "5:hello,0:,1:,,", "b[hello]b[]b[,]", 0);
	DECODED(FRAMING_NETSTRING, "12:hello world!,", "b[hello world!]", 0);
	/* No digit, one too many, none that is a digit. */
	DECODED(FRAMING_NETSTRING, "1:a,:,", "b[a]", FRAMING_BAD_RECORD);
	DECODED(FRAMING_NETSTRING, "00:,", "", FRAMING_BAD_RECORD);
	DECODED(FRAMING_NETSTRING, "01:a,", "", FRAMING_BAD_RECORD);
	DECODED(FRAMING_NETSTRING, "+1:a,", "", FRAMING_BAD_RECORD);
	DECODED(FRAMING_NETSTRING, " 1:a,", "", FRAMING_BAD_RECORD);
	DECODED(FRAMING_NETSTRING, "1/a,", "", FRAMING_BAD_RECORD);
	DECODED(FRAMING_NETSTRING, "1 :a,", "", FRAMING_BAD_RECORD);
	DECODED(FRAMING_NETSTRING, "a", "", FRAMING_BAD_RECORD);
	/* 18, 19 and 20 digits. */
	DECODED(FRAMING_NETSTRING, "999999999999999999:x", "b[x", FRAMING_CUT_RECORD);
	DECODED(FRAMING_NETSTRING, "9999999999999999999:x", "b[x", FRAMING_CUT_RECORD);
	DECODED(FRAMING_NETSTRING, "10000000000000000000:x", "", FRAMING_BAD_RECORD);
	/* Something else where the comma should be: a payload whose end is not sure is not told. */
	DECODED(FRAMING_NETSTRING, "1:a,1:bb", "b[a]", FRAMING_BAD_RECORD);
	DECODED(FRAMING_NETSTRING, "0:\n", "", FRAMING_BAD_RECORD);
	/* An end within one. */
	DECODED(FRAMING_NETSTRING, "1:a,1", "b[a]", FRAMING_CUT_RECORD);
	DECODED(FRAMING_NETSTRING, "1:a,1:", "b[a]", FRAMING_CUT_RECORD);
	DECODED(FRAMING_NETSTRING, "1:a,1:b", "b[a]", FRAMING_CUT_RECORD);
	DECODED(FRAMING_NETSTRING, "0:", "", FRAMING_CUT_RECORD);
}

/* A length that the encoder can't write is a mistake of ours. */
static void encode_too_much(const void *arg)
{
	const struct counted *how = arg;
	struct framing_encoder encoder;
	uint8_t *message = malloc(how->max + 1);
	struct heard heard = { 0 };

	framing_encoder_init(&encoder, rules_of(how->framing));
	struct piece piece = { message, how->max, false, true, false };
	framing_encode(&encoder, &piece, heard_bytes, &heard);
	piece = (struct piece){ message, 1, false, false, true };
	framing_encode(&encoder, &piece, heard_bytes, &heard);
}

static void test_longest_message(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < N_COUNTED; i++) {
		const struct counted *how = &counted[i];
		struct framing_encoder encoder;

		assert_int_equal(framing_max_message(rules_of(how->framing)), how->max);
		if (how->little || how->n_length == 8)
			continue; /* the same at their ends, and it takes time */
		uint8_t *message = long_message(how->max);
		framing_encoder_init(&encoder, rules_of(how->framing));
		for (size_t len = how->max - 1; len <= how->max; len++) {
			struct heard heard = { 0 }, want = { 0 };
			note_counted(&want, how, message, len);
			encode_parts(&encoder, &heard, false, message, len, len / 2, 60000);
			heard_expect(&heard, want.text, want.len);
			assert_int_equal(framing_hold_cost(encoder.held), 0);
			free(want.text);
		}
		free(message);
		if (how->max < 100000)
			assert_true(aborts(encode_too_much, how));
	}
	assert_int_equal(framing_max_message(rules_of(FRAMING_LINES)), 0);
	assert_int_equal(framing_max_message(rules_of(FRAMING_STREAM)), 0);
	assert_int_equal(framing_max_message(rules_of(FRAMING_RECORDS)), 0);
}

/* Nothing of a message goes out before its end; what waits is counted. */
static void test_message_is_held(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < N_COUNTED; i++) {
		struct framing_encoder encoder;
		struct heard heard = { 0 };
		uint8_t payload[200] = { 0 };

		framing_encoder_init(&encoder, rules_of(counted[i].framing));
		struct piece piece = { payload, 200, true, true, false };
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard), 0);
		assert_int_equal(heard.n_pieces, 0);
		assert_true(framing_hold_cost(encoder.held) >= 200);
		framing_encoder_done(&encoder);
		assert_int_equal(framing_hold_cost(encoder.held), 0);
		/* A whole one is not copied. */
		framing_encoder_init(&encoder, rules_of(counted[i].framing));
		piece = (struct piece){ payload, 200, true, true, true };
		heard.fail_at = 3; /* at the comma, if there is one */
		assert_int_equal(framing_encode(&encoder, &piece, heard_bytes, &heard),
			counted[i].framing == FRAMING_NETSTRING ? HEARD_REFUSED : 0);
		assert_ptr_equal(heard.last_data, payload);
		free(heard.text);
	}
}

/* Up to what is held a record goes out in one piece, however it came; a longer one as it comes. */
static void test_whole_or_streaming(void **unused)
{
	static const size_t lengths[] = { 255, 256, 65535, FRAMING_HOLD, FRAMING_HOLD + 1 };
	static const size_t steps[] = { 1000, 65535, FRAMING_HOLD, 200000 };
	struct guard guard = guard_new(200000);

	(void)unused;
	for (unsigned i = 0; i < N_COUNTED * 5 * 4; i++) {
		const struct counted *how = &counted[i / 20];
		size_t len = lengths[i / 4 % 5], step = steps[i % 4];
		if (how->n_length < 4 && how->n_length > 0 && len > how->max)
			continue;
		struct heard said = { 0 }, heard = { 0 }, want = { 0 };
		uint8_t *payload = long_message(len);
		note_counted(&said, how, payload, len);
		heard_note(&want, "b[", 2);
		heard_note(&want, payload, len);
		heard_note(&want, "]", 1);
		assert_int_equal(
			decode_parts(&heard, rules_of(how->framing), &guard, said.text, said.len, step, step),
			0);
		if (len <= FRAMING_HOLD || said.len <= step)
			assert_int_equal(heard.n_pieces, 1);
		else
			assert_true(heard.n_pieces > 1);
		heard_expect(&heard, want.text, want.len);
		free(said.text);
		free(want.text);
		free(payload);
	}
	guard_free(&guard);
}

/* A length is no promise: what is said of 2^63 bytes costs nothing, and what comes of them passes on. */
static void test_length_costs_nothing(void **unused)
{
	static const struct {
		enum framing framing;
		const char *head;
		size_t len;
	} rows[] = {
		{ FRAMING_LENGTH64, "\x80\0\0\0\0\0\0\0", 8 },
		{ FRAMING_LENGTH64, "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
		{ FRAMING_LENGTH64_LE, "\0\0\0\0\0\0\0\x80", 8 },
		{ FRAMING_LENGTH32, "\xff\xff\xff\xff", 4 },
		{ FRAMING_NETSTRING, "9223372036854775808:", 20 },
		{ FRAMING_RECORDS, "b\xff\xff\xff\xff", 5 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct framing_decoder decoder;
		struct heard heard = { 0 };
		uint8_t head[24], chunk[1000];
		memcpy(head, rows[i].head, rows[i].len);
		framing_decoder_init(&decoder, rules_of(rows[i].framing));
		assert_int_equal(framing_decode(&decoder, head, rows[i].len, heard_piece, &heard), 0);
		assert_int_equal(framing_hold_cost(decoder.held), 0);
		for (size_t n = 1; n <= 200; n++) {
			memset(chunk, 'x', sizeof(chunk));
			assert_int_equal(
				framing_decode(&decoder, chunk, sizeof(chunk), heard_piece, &heard), 0);
			assert_int_equal(heard.len, 2 + n * sizeof(chunk));
			assert_int_equal(framing_hold_cost(decoder.held), 0);
		}
		assert_int_equal(framing_decode_end(&decoder, heard_piece, &heard), FRAMING_CUT_RECORD);
		free(heard.text);
	}
}

/* Text is valid and its characters stay whole, also in a record that goes out as it comes. */
static void test_text(void **unused)
{
	uint8_t head[4] = { 0, 1, 0, 3 };
	struct framing_decoder decoder;
	struct heard heard = { 0 };

	(void)unused;
	DECODED_BY(rules_of(FRAMING_LENGTH8, .messages = MESSAGES_TEXT), "\4\xe2\x82\xac.\1\xff\1\xe2\2\x82.",
		"t[\xe2\x82\xac.]t[" FFFD "]t[" FFFD "]t[" FFFD ".]", 0);
	DECODED_BY(rules_of(FRAMING_NETSTRING, .messages = MESSAGES_TEXT), "3:\xe2\x82\xac,1:\xe2,",
		"t[\xe2\x82\xac]t[" FFFD "]", 0);
	framing_decoder_init(&decoder, rules_of(FRAMING_LENGTH32, .messages = MESSAGES_TEXT));
	assert_int_equal(framing_decode(&decoder, head, 4, heard_piece, &heard), 0);
	for (size_t i = 0; i < FRAMING_HOLD + 3; i++) {
		uint8_t byte = (uint8_t)(i == 0 ? 0xe2 : i == 1 ? 0x82 : i == 2 ? 0xac : 'x');
		assert_int_equal(framing_decode(&decoder, &byte, 1, heard_piece, &heard), 0);
	}
	assert_int_equal(framing_decode_end(&decoder, heard_piece, &heard), 0);
	assert_int_equal(heard.len, FRAMING_HOLD + 3 + 3);
	assert_memory_equal(heard.text, "t[\xe2\x82\xacx", 6);
	free(heard.text);
}

/* A bad end of a long netstring: what came before it has gone out. */
static void test_bad_comma_of_a_long_one(void **unused)
{
	uint8_t *said = long_message(FRAMING_HOLD + 1 + 7);
	struct guard guard = guard_new(FRAMING_HOLD + 100);

	(void)unused;
	memcpy(said, "65537:", 6);
	said[6 + FRAMING_HOLD + 1] = ';';
	for (size_t step = 5000; step < 200000; step *= 4) {
		struct heard heard = { 0 };
		assert_int_equal(decode_parts(&heard, rules_of(FRAMING_NETSTRING), &guard, said,
					 6 + FRAMING_HOLD + 2, step, step),
			FRAMING_BAD_RECORD);
		assert_true(heard.open);
		assert_int_equal(heard.len, 2 + FRAMING_HOLD + 1);
		free(heard.text);
	}
	guard_free(&guard);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths_to_backend),
		cmocka_unit_test(test_lengths_from_backend),
		cmocka_unit_test(test_netstrings_from_backend),
		cmocka_unit_test(test_longest_message),
		cmocka_unit_test(test_message_is_held),
		cmocka_unit_test(test_whole_or_streaming),
		cmocka_unit_test(test_length_costs_nothing),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_comma_of_a_long_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
