/*
 * framing_length: length8 to length64: one to eight bytes of length, the highest or the lowest first, then
 * the payload. Pure, on every thread.
 */
#include "backend/framing_internal.h"

/* Where the byte is that stands for the i-th highest eight bits of a length. */
static size_t framing_length_at(const struct framing_row *row, size_t i)
{
	return row->little ? row->n_length - 1u - i : i;
}

/* Gathers the bytes of a length. */
static int framing_length_take_head(struct framing_decoder *decoder, const uint8_t *data, size_t len)
{
	const struct framing_row *row = decoder->row;
	uint64_t length = 0;
	size_t n = 0;

	while (n < len && decoder->n_head < row->n_length)
		decoder->head[decoder->n_head++] = data[n++];
	if (decoder->n_head < row->n_length)
		return (int)n;
	for (size_t i = 0; i < row->n_length; i++)
		length = length << 8 | decoder->head[framing_length_at(row, i)];
	framing_counted_begin(decoder, length);
	return (int)n;
}

/* Writes a length, which fits. */
static size_t framing_length_make_head(
	const struct framing_row *row, size_t len, uint8_t head[static FRAMING_HEAD_MAX])
{
	for (size_t i = row->n_length; i-- > 0; len >>= 8)
		head[framing_length_at(row, i)] = (uint8_t)len;
	return row->n_length;
}

const struct framing_ops framing_length_ops = {
	.encode = framing_counted_encode,
	.decode = framing_counted_decode,
	.end = framing_counted_end,
	.take_head = framing_length_take_head,
	.make_head = framing_length_make_head,
};
