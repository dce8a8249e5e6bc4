/*
 * framing_counted: what the framings have in common that say a payload's length before it: records, length8
 * to length64 and netstring. A record from the backend that is not longer than FRAMING_HOLD goes out whole,
 * a longer one as it comes, whatever its length says. Pure, on every thread.
 */
#include "backend/framing_internal.h"
#include "base/must.h"

/* Knows how much is to come. */
void framing_counted_begin(struct framing_decoder *decoder, uint64_t len)
{
	decoder->n_head = 0;
	decoder->in_payload = true;
	decoder->left = len;
	decoder->streams = len > FRAMING_HOLD;
}

/* Passes on a part of a payload, or the rest of it. */
static int framing_counted_pass(struct framing_decoder *decoder, uint8_t *data, size_t len, bool whole,
	const struct framing_piece_sink *sink)
{
	bool last = whole && !decoder->more_follows;

	return framing_put_part(decoder, data, len, last ? FRAMING_TEXT_END : FRAMING_PART, sink);
}

/* Takes the bytes of a payload that are here; holds them when they are not all. */
static int framing_counted_take(struct framing_decoder *decoder, uint8_t *data, size_t len, bool whole,
	const struct framing_piece_sink *sink)
{
	decoder->in_payload = !whole;
	if (decoder->streams || (whole && decoder->held == NULL))
		return framing_counted_pass(decoder, data, len, whole, sink);
	int rc = framing_hold_add(&decoder->held, data, len);
	if (rc != 0 || !whole)
		return rc;
	data = framing_hold_data(decoder->held);
	rc = data != NULL ? framing_counted_pass(decoder, data, framing_hold_len(decoder->held), true, sink)
			  : FRAMING_NO_MEMORY;
	framing_hold_drop(&decoder->held);
	return rc;
}

/* Takes what a chunk has of a payload and of the comma behind it. Returns how many bytes, or an error. */
static long framing_counted_take_chunk(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink)
{
	bool comma = decoder->row->ops == &framing_netstring_ops;
	size_t n = len < decoder->left ? len : (size_t)decoder->left;

	decoder->left -= n;
	bool whole = decoder->left == 0 && (!comma || n < len);
	bool bad = whole && comma && data[n] != ',';
	int rc = framing_counted_take(decoder, data, n, whole && !bad, sink);
	if (rc != 0)
		return rc;
	return bad ? FRAMING_BAD_RECORD : (long)(n + (whole && comma));
}

/* Goes through a chunk. */
int framing_counted_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink)
{
	while (len > 0) {
		long used = decoder->in_payload ? 0 : decoder->row->ops->take_head(decoder, data, len);

		if (used >= 0 && decoder->in_payload) {
			size_t n = (size_t)used;
			used = framing_counted_take_chunk(decoder, data + n, len - n, sink);
			used = used < 0 ? used : used + (long)n;
		}
		if (used < 0)
			return (int)used;
		data += used;
		len -= (size_t)used;
	}
	return 0;
}

/* Takes nothing but the end of a message for an end. */
int framing_counted_end(struct framing_decoder *decoder, const struct framing_piece_sink *sink)
{
	(void)sink;
	return decoder->n_head > 0 || decoder->in_payload || decoder->more_follows ? FRAMING_CUT_RECORD : 0;
}

/* Holds a message until it is whole, then sends it behind its head. */
int framing_counted_encode(
	struct framing_encoder *encoder, const struct piece *piece, const struct framing_bytes_sink *sink)
{
	static const uint8_t comma[1] = { ',' };
	const struct framing_row *row = encoder->row;
	size_t len = framing_hold_len(encoder->held) + piece->len;
	uint8_t head[FRAMING_HEAD_MAX];

	must(len <= row->max_message);
	if (!piece->last)
		return framing_hold_add(&encoder->held, piece->data, piece->len);
	int rc = framing_put_bytes(sink, head, row->ops->make_head(row, len, head));
	if (rc == 0)
		rc = framing_hold_flush(&encoder->held, sink);
	if (rc == 0)
		rc = framing_put_bytes(sink, piece->data, piece->len);
	if (rc == 0 && row->ops == &framing_netstring_ops)
		rc = framing_put_bytes(sink, comma, sizeof(comma));
	return rc;
}
