/*
 * framing_text: what a program writes is not always UTF-8 and never cut where characters end; what leaves
 * here is and does. Valid text passes as it lies; up to 3 bytes of a character wait in the decoder's carry.
 * Pure, on every thread.
 */
#include "backend/framing_internal.h"

#include <string.h>

/* A character, or what stands for a bad one, at the seam of two chunks. */
struct framing_seam {
	uint8_t bytes[4];
	size_t len;
};

static const struct framing_seam framing_replacement = { { 0xef, 0xbf, 0xbd }, 3 };

/*
 * Goes on with the character in the carry. Returns how many bytes of data belong to it; the seam holds it
 * once it is known to be whole or bad, and is empty while it is still open.
 */
static size_t framing_text_join(
	struct framing_decoder *decoder, const uint8_t *data, size_t len, struct framing_seam *seam)
{
	struct utf8 utf8 = { 0 };
	size_t n = decoder->n_carry, used = 0;

	utf8_check(&utf8, decoder->carry, n);
	while (used < len && !utf8_complete(&utf8) && utf8_check(&utf8, data + used, 1) == 1)
		decoder->carry[n++] = data[used++];
	if (utf8_complete(&utf8)) {
		memcpy(seam->bytes, decoder->carry, n);
		seam->len = n;
	} else if (used < len) {
		*seam = framing_replacement;
	}
	decoder->n_carry = seam->len > 0 ? 0 : (uint8_t)n;
	return used;
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

/* Puts the carry, the body and the next carry in order; what may wait for more is taken off before. */
int framing_text_put(struct framing_decoder *decoder, uint8_t *data, size_t len, enum framing_until until,
	const struct framing_piece_sink *sink)
{
	struct framing_seam seam = { .len = 0 };
	struct utf8 utf8 = { 0 };
	bool last = until != FRAMING_PART;
	int rc = 0;

	if (decoder->n_carry > 0) {
		size_t used = framing_text_join(decoder, data, len, &seam);
		data += used;
		len -= used;
	}
	if (decoder->n_carry > 0 && until == FRAMING_TEXT_END) {
		seam = framing_replacement;
		decoder->n_carry = 0;
	}
	size_t tail = until != FRAMING_TEXT_END ? utf8_tail(data, len) : 0;
	bool valid = utf8_check(&utf8, data, len) == len && (tail > 0 || utf8_complete(&utf8));
	len -= tail;
	if (tail > 0) {
		memcpy(decoder->carry, data + len, tail);
		decoder->n_carry = (uint8_t)tail;
	}

	if (seam.len > 0)
		rc = framing_put_piece(decoder, seam.bytes, seam.len, last && len == 0, sink);
	if (rc != 0 || (len == 0 && (seam.len > 0 || until != FRAMING_TEXT_END)))
		return rc;
	if (!valid)
		return framing_text_put_replaced(decoder, data, len, last, sink);
	return framing_put_piece(decoder, data, len, last, sink);
}
