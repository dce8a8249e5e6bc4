/*
 * framing_records: the framing that keeps type and boundary of every message, both ways. A record is a type
 * byte, four length bytes (big endian) and that many bytes: "t" text, "b" binary, "T" and "B" the same with
 * more of this message to follow. Pure, on every thread.
 */
#include "backend/framing_internal.h"

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

/* Gathers a header; the first byte of it is looked at when it comes. */
static int framing_records_take_head(struct framing_decoder *decoder, const uint8_t *data, size_t len)
{
	uint8_t *head = decoder->head;
	size_t n = 0;

	while (n < len && decoder->n_head < FRAMING_RECORDS_HEADER)
		head[decoder->n_head++] = data[n++];
	bool text = head[0] == 't' || head[0] == 'T';
	bool more = head[0] == 'T' || head[0] == 'B';
	if (!text && !more && head[0] != 'b')
		return FRAMING_BAD_RECORD;
	if (decoder->more_follows && text != decoder->text)
		return FRAMING_BAD_RECORD;
	if (decoder->n_head < FRAMING_RECORDS_HEADER)
		return (int)n;
	decoder->text = text;
	decoder->more_follows = more;
	framing_counted_begin(decoder,
		(uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4]);
	return (int)n;
}

const struct framing_ops framing_records_ops = {
	.encode = framing_records_encode,
	.decode = framing_counted_decode,
	.end = framing_counted_end,
	.take_head = framing_records_take_head,
};
