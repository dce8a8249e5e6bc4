/*
 * framing_text: what a program writes is not always UTF-8 and never cut where characters end; what leaves
 * here is and does, or is not called text. Valid text passes as it lies; up to 3 bytes of a character wait in
 * the decoder's carry. Pure, on every thread.
 */
#include "backend/framing_internal.h"

#include <string.h>

/* A character, or the beginning of one that has no end, at the seam of two chunks. */
struct framing_seam {
	uint8_t bytes[4];
	size_t len;
	bool bad;
};

/* A part of a text: a seam, perhaps, and what lies behind it. */
struct framing_part {
	struct framing_seam seam;
	uint8_t *data;
	size_t len;
	size_t good; /* bytes of data that are whole characters, before the first that is none */
};

static const struct framing_seam framing_replacement = { { 0xef, 0xbf, 0xbd }, 3, false };

/* How many bytes are whole characters before the first that is none. */
static size_t framing_text_good(const uint8_t *data, size_t len)
{
	struct utf8 utf8 = { 0 };
	size_t n = utf8_check(&utf8, data, len);

	return utf8_complete(&utf8) ? n : n - utf8_tail(data, n);
}

/* Goes on with the character in the carry: takes what belongs to it off the part. The seam holds it once it
 * is known to be whole or bad, and is empty while it is still open. */
static void framing_text_join(struct framing_decoder *decoder, struct framing_part *part, bool ends)
{
	struct utf8 utf8 = { 0 };
	size_t n = decoder->n_carry;

	utf8_check(&utf8, decoder->carry, n);
	while (part->len > 0 && !utf8_complete(&utf8) && utf8_check(&utf8, part->data, 1) == 1) {
		decoder->carry[n++] = *part->data++;
		part->len--;
	}
	decoder->n_carry = (uint8_t)n;
	if (!utf8_complete(&utf8) && part->len == 0 && !ends)
		return;
	memcpy(part->seam.bytes, decoder->carry, n);
	part->seam.len = n;
	part->seam.bad = !utf8_complete(&utf8);
	decoder->n_carry = 0;
}

/* Passes on text that has bad bytes in it, from a copy without them. */
static int framing_text_put_replaced(struct framing_decoder *decoder, const uint8_t *data, size_t len,
	bool last, const struct framing_piece_sink *sink)
{
	struct evbuffer *clean = evbuffer_new();
	int rc = FRAMING_NO_MEMORY;

	if (clean != NULL && utf8_replace(clean, data, len) == 0) {
		uint8_t *all = framing_hold_data(clean);
		if (all != NULL)
			rc = framing_put_piece(decoder, all, evbuffer_get_length(clean), last, sink);
	}
	framing_hold_drop(&clean);
	return rc;
}

/* Passes on what is good before the first bad byte, and says that there is one. */
static int framing_text_put_good(struct framing_decoder *decoder, struct framing_part *part, bool last,
	const struct framing_piece_sink *sink)
{
	struct framing_seam *seam = &part->seam;
	int rc = 0;

	if (seam->bad)
		return FRAMING_BAD_UTF8;
	if (seam->len > 0)
		rc = framing_put_piece(decoder, seam->bytes, seam->len, last && part->good == 0, sink);
	if (rc == 0 && part->good > 0)
		rc = framing_put_piece(decoder, part->data, part->good, last, sink);
	return rc == 0 ? FRAMING_BAD_UTF8 : rc;
}

/* Passes on all but the tail: as it is when it is good or goes out as binary. */
static int framing_text_put_all(struct framing_decoder *decoder, struct framing_part *part,
	enum framing_until until, const struct framing_piece_sink *sink)
{
	struct framing_seam *seam = &part->seam;
	bool last = until != FRAMING_PART, as_it_is = decoder->as_binary || part->good == part->len;
	int rc = 0;

	if (seam->bad && !decoder->as_binary)
		*seam = framing_replacement;
	if (seam->len > 0)
		rc = framing_put_piece(decoder, seam->bytes, seam->len, last && part->len == 0, sink);
	if (rc != 0 || (part->len == 0 && (seam->len > 0 || until != FRAMING_TEXT_END)))
		return rc;
	return as_it_is ? framing_put_piece(decoder, part->data, part->len, last, sink)
			: framing_text_put_replaced(decoder, part->data, part->len, last, sink);
}

/* Cuts off what may wait for more, and deals with bad bytes as the rules say. */
int framing_text_put(struct framing_decoder *decoder, uint8_t *data, size_t len, enum framing_until until,
	const struct framing_piece_sink *sink)
{
	bool ends = until == FRAMING_TEXT_END;
	struct framing_part part = { .data = data, .len = len };

	if (decoder->n_carry > 0)
		framing_text_join(decoder, &part, ends);
	size_t tail = ends ? 0 : utf8_tail(part.data, part.len);
	part.good = framing_text_good(part.data, part.len - tail);
	if (part.seam.bad || part.good < part.len - tail) {
		if (decoder->rules.invalid_utf8 == INVALID_UTF8_CLOSE)
			return framing_text_put_good(decoder, &part, until == FRAMING_MESSAGE_END, sink);
		decoder->as_binary =
			decoder->rules.invalid_utf8 == INVALID_UTF8_BINARY && !decoder->in_message;
		if (decoder->as_binary && until == FRAMING_PART)
			tail = 0; /* all of the message is binary */
	}
	if (tail > 0) {
		part.len -= tail;
		memcpy(decoder->carry, part.data + part.len, tail);
		decoder->n_carry = (uint8_t)tail;
	}
	return framing_text_put_all(decoder, &part, until, sink);
}
