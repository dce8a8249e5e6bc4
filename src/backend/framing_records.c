/*
 * framing_records: the framing that keeps type and boundary of every message, both ways. A record is a type
 * byte, four length bytes (big endian) and that many bytes: "t" text, "b" binary, "T" and "B" the same with
 * more of this message to follow. Pure, on every thread.
 */
#include "backend/framing_internal.h"

#include <string.h>

enum { FRAMING_RECORDS_HEADER = 5 };

/* Writes the header of a record. */
static int framing_records_begin(bool text, bool more, size_t len, const struct framing_bytes_sink *sink)
{
	const char *types = text ? "tT" : "bB";
	uint8_t header[FRAMING_RECORDS_HEADER] = { (uint8_t)types[more], (uint8_t)(len >> 24),
		(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len };

	return framing_put_bytes(sink, header, sizeof(header));
}

/* Writes a piece as records of at most FRAMING_HOLD bytes; an empty one only to end a message. */
static int framing_records_put(const struct piece *piece, const struct framing_bytes_sink *sink)
{
	const uint8_t *data = piece->data;
	size_t left = piece->len, n;
	int rc = 0;

	if (left == 0 && !piece->last)
		return 0;
	do {
		n = left < FRAMING_HOLD ? left : FRAMING_HOLD;
		rc = framing_records_begin(piece->text, left > n || !piece->last, n, sink);
		if (rc == 0)
			rc = framing_put_bytes(sink, data, n);
		left -= n;
		if (left > 0) /* an empty message may have no data at all */
			data += n;
	} while (rc == 0 && left > 0);
	return rc;
}

/* Holds a message until its length is known, or too great for one record. */
static int framing_records_encode(
	struct framing_encoder *encoder, const struct piece *piece, const struct framing_bytes_sink *sink)
{
	size_t waiting = framing_hold_len(encoder->held);
	bool fits = !encoder->spilled && waiting + piece->len <= FRAMING_HOLD;
	int rc = 0;

	if (fits && !piece->last)
		return framing_hold_add(&encoder->held, piece->data, piece->len);
	encoder->spilled = !piece->last;
	if (waiting == 0)
		return framing_records_put(piece, sink);
	rc = framing_records_begin(piece->text, !fits, fits ? waiting + piece->len : waiting, sink);
	if (rc == 0)
		rc = framing_hold_flush(&encoder->held, sink);
	if (rc == 0)
		rc = fits ? framing_put_bytes(sink, piece->data, piece->len)
			  : framing_records_put(piece, sink);
	return rc;
}

/* Takes bytes of a header; begins the record when it is whole. Returns how many, or an error. */
static int framing_records_take_header(struct framing_decoder *decoder, const uint8_t *data, size_t len)
{
	uint8_t *header = decoder->header;
	size_t want = FRAMING_RECORDS_HEADER - decoder->n_header;
	size_t n = len < want ? len : want;
	bool text, more;

	memcpy(header + decoder->n_header, data, n);
	decoder->n_header += (uint8_t)n;
	text = header[0] == 't' || header[0] == 'T';
	more = header[0] == 'T' || header[0] == 'B';
	if (!text && !more && header[0] != 'b')
		return FRAMING_BAD_RECORD;
	if (decoder->more_follows && text != decoder->text)
		return FRAMING_BAD_RECORD;
	if (n == want) {
		decoder->text = text;
		decoder->more_follows = more;
		decoder->left = (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 |
				(uint32_t)header[3] << 8 | header[4];
		decoder->streams = decoder->left > FRAMING_HOLD;
	}
	return (int)n;
}

/* Passes on a part of a record, or the rest of it. */
static int framing_records_pass(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink)
{
	bool last = decoder->left == 0 && !decoder->more_follows;

	if (decoder->text)
		return framing_text_put(decoder, data, len, last ? FRAMING_TEXT_END : FRAMING_PART, sink);
	return len > 0 || last ? framing_put_piece(decoder, data, len, last, sink) : 0;
}

/* Takes the bytes of a record that are here: `left` is already without them. */
static int framing_records_take(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink)
{
	bool whole = decoder->left == 0;
	int rc = 0;

	if (decoder->streams || (whole && decoder->held == NULL))
		return framing_records_pass(decoder, data, len, sink);
	rc = framing_hold_add(&decoder->held, data, len);
	if (rc != 0 || !whole)
		return rc;
	data = framing_hold_data(decoder->held);
	rc = data != NULL ? framing_records_pass(decoder, data, framing_hold_len(decoder->held), sink)
			  : FRAMING_NO_MEMORY;
	framing_hold_drop(&decoder->held);
	return rc;
}

/* Cuts a chunk into headers and payload. */
static int framing_records_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink)
{
	while (len > 0) {
		size_t n;
		int rc = 0;

		if (decoder->n_header < FRAMING_RECORDS_HEADER) {
			rc = framing_records_take_header(decoder, data, len);
			if (rc < 0)
				return rc;
			data += rc;
			len -= (size_t)rc;
			if (decoder->n_header < FRAMING_RECORDS_HEADER)
				return 0;
		}
		n = len < decoder->left ? len : decoder->left;
		decoder->left -= (uint32_t)n;
		if (decoder->left == 0)
			decoder->n_header = 0;
		rc = framing_records_take(decoder, data, n, sink);
		if (rc != 0)
			return rc;
		data += n;
		len -= n;
	}
	return 0;
}

/* Takes nothing but the end of a message for an end. */
static int framing_records_end(struct framing_decoder *decoder, const struct framing_piece_sink *sink)
{
	(void)sink;
	return decoder->n_header > 0 || decoder->more_follows ? FRAMING_CUT_RECORD : 0;
}

const struct framing_ops framing_records_ops = {
	.encode = framing_records_encode,
	.decode = framing_records_decode,
	.end = framing_records_end,
};
