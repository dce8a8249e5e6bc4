/*
 * framing_parts: what tests of framings do: encode and decode in parts, from a buffer that ends at a guard
 * page, and look at what comes out.
 */
#ifndef TESTS_UNIT_FRAMING_PARTS_H
#define TESTS_UNIT_FRAMING_PARTS_H

#include "backend/framing.h"
#include "backend/framing_internal.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FFFD "\xef\xbf\xbd"

/* The rules of a framing, and what else is set. */
#define rules_of(which, ...) (&(struct framing_rules){ .framing = (which), __VA_ARGS__ })

/* What came out, pieces of a message merged: "t[abc]b[]". */
struct heard {
	char *text;
	size_t len, room;
	size_t n_pieces;
	size_t fail_at; /* the callback fails at the n-th call; 0 never */
	const uint8_t *last_data;
	bool open, open_text;
};

enum { HEARD_REFUSED = -77 };

/* Notes some bytes. */
static inline void heard_note(struct heard *heard, const void *bytes, size_t len)
{
	if (heard->len + len >= heard->room) {
		heard->room = 2 * (heard->len + len) + 64;
		heard->text = realloc(heard->text, heard->room);
		assert_non_null(heard->text);
	}
	if (len > 0)
		memcpy(heard->text + heard->len, bytes, len);
	heard->len += len;
	heard->text[heard->len] = '\0';
}

/* Fails unless what was noted is `want`; forgets it. */
static inline void heard_expect(struct heard *heard, const void *want, size_t len)
{
	heard_note(heard, "", 0);
	if (len < 1000)
		assert_string_equal(heard->text, want);
	assert_int_equal(heard->len, len);
	assert_memory_equal(heard->text, want, len);
	free(heard->text);
	*heard = (struct heard){ 0 };
}

/* Takes a piece, checks its flags, and spoils its bytes as a masking client might. */
static inline int heard_piece(void *arg, const struct piece *piece)
{
	struct heard *heard = arg;
	struct utf8 utf8 = { 0 };

	if (++heard->n_pieces == heard->fail_at)
		return HEARD_REFUSED;
	assert_int_equal(piece->first, !heard->open);
	assert_true(piece->len > 0 || piece->last);
	if (piece->first)
		heard_note(heard, piece->text ? "t[" : "b[", 2);
	else
		assert_int_equal(piece->text, heard->open_text);
	heard_note(heard, piece->data, piece->len);
	if (piece->text) {
		assert_int_equal(utf8_check(&utf8, piece->data, piece->len), piece->len);
		assert_true(utf8_complete(&utf8));
	}
	if (piece->last)
		heard_note(heard, "]", 1);
	heard->open = !piece->last;
	heard->open_text = piece->text;
	heard->last_data = piece->data;
	if (piece->len > 0)
		memset(piece->data, '#', piece->len);
	return 0;
}

/* Takes bytes for the backend. */
static inline int heard_bytes(void *arg, const uint8_t *data, size_t len)
{
	struct heard *heard = arg;

	if (++heard->n_pieces == heard->fail_at)
		return HEARD_REFUSED;
	assert_true(len > 0);
	heard_note(heard, data, len);
	heard->last_data = data;
	return 0;
}

/* Decodes the input in parts of `first`, then `step` bytes, up to the end or an error. */
static inline int decode_parts(struct heard *heard, const struct framing_rules *rules,
	const struct guard *guard, const void *input, size_t len, size_t first, size_t step)
{
	struct framing_decoder decoder;
	const char *from = input;
	int rc = 0;

	framing_decoder_init(&decoder, rules);
	for (size_t at = 0, n = first; at < len && rc == 0; n = step) {
		if (n > len - at)
			n = len - at;
		rc = framing_decode(&decoder, guard_put(guard, from + at, n), n, heard_piece, heard);
		at += n;
	}
	if (rc == 0)
		rc = framing_decode_end(&decoder, heard_piece, heard);
	framing_decoder_done(&decoder);
	assert_int_equal(framing_hold_cost(decoder.held), 0);
	return rc;
}

/* Decodes whole, at every split, and byte by byte. */
static inline void expect_decoded(
	const struct framing_rules *rules, const void *input, size_t len, const char *want, int want_rc)
{
	struct guard guard = guard_new(len + 1);
	struct heard heard = { 0 };

	for (size_t split = 0; split <= len; split++) {
		assert_int_equal(decode_parts(&heard, rules, &guard, input, len, split, len), want_rc);
		heard_expect(&heard, want, strlen(want));
	}
	assert_int_equal(decode_parts(&heard, rules, &guard, input, len, 1, 1), want_rc);
	heard_expect(&heard, want, strlen(want));
	assert_int_equal(decode_parts(&heard, rules, &guard, input, len, 3, 2), want_rc);
	heard_expect(&heard, want, strlen(want));
	guard_free(&guard);
}

#define DECODED_BY(rules, input, want, rc) expect_decoded(rules, input, sizeof(input) - 1, want, rc)
#define DECODED(framing, input, want, rc)  DECODED_BY(rules_of(framing), input, want, rc)

/* Encodes a message in parts of `first`, then `step` bytes. */
static inline void encode_parts(struct framing_encoder *encoder, struct heard *heard, bool text,
	const uint8_t *message, size_t len, size_t first, size_t step)
{
	size_t at = 0, n = first < len ? first : len;

	for (;;) {
		uint8_t *data = malloc(n > 0 ? n : 1); /* of its own, for the sanitizer */
		assert_non_null(data);
		if (n > 0)
			memcpy(data, message + at, n);
		struct piece piece = { data, n, text, at == 0, at + n == len };
		assert_int_equal(framing_encode(encoder, &piece, heard_bytes, heard), 0);
		free(data);
		at += n;
		if (piece.last)
			return;
		n = step < len - at ? step : len - at;
	}
}

/* Encodes whole, at every split but the first, and byte by byte. */
static inline void expect_encoded(const struct framing_rules *rules, bool text, const char *message,
	size_t len, const void *want, size_t want_len)
{
	struct framing_encoder encoder;
	struct heard heard = { 0 };

	framing_encoder_init(&encoder, rules);
	for (size_t split = 1; split <= len + 1; split++) {
		encode_parts(&encoder, &heard, text, (const uint8_t *)message, len, split, len);
		heard_expect(&heard, want, want_len);
	}
	encode_parts(&encoder, &heard, text, (const uint8_t *)message, len, 1, 1);
	heard_expect(&heard, want, want_len);
	assert_int_equal(framing_hold_cost(encoder.held), 0);
	framing_encoder_done(&encoder);
}

#define ENCODED_BY(rules, text, message, want) \
	expect_encoded(rules, text, message, sizeof(message) - 1, want, sizeof(want) - 1)
#define ENCODED(framing, text, message, want) ENCODED_BY(rules_of(framing), text, message, want)

/* A message of `len` bytes without newlines. */
static inline uint8_t *long_message(size_t len)
{
	uint8_t *message = malloc(len + 1);

	assert_non_null(message);
	for (size_t i = 0; i < len; i++)
		message[i] = (uint8_t)('a' + i % 23);
	return message;
}

#define HEARD(heard, want) heard_expect(heard, want, sizeof(want) - 1)

#endif
