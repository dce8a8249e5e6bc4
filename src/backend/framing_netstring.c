/*
 * framing_netstring: the length in decimal digits, a colon, the payload, a comma: "5:hello,". Strict: no
 * digit more than is needed, none that is no digit. Pure, on every thread.
 */
#include "backend/framing_internal.h"

#include <stdio.h>

enum { FRAMING_NETSTRING_DIGITS = 19 }; /* they fit in 64 bits, whatever they are */

/* Adds up digits; the colon ends them. */
static int framing_netstring_take_head(struct framing_decoder *decoder, const uint8_t *data, size_t len)
{
	for (size_t n = 0; n < len; n++) {
		bool zero = decoder->n_head == 1 && decoder->left == 0; /* "0": no more may follow */
		if (data[n] == ':' && decoder->n_head > 0) {
			framing_counted_begin(decoder, decoder->left);
			return (int)(n + 1);
		}
		if (data[n] < '0' || data[n] > '9' || zero || decoder->n_head == FRAMING_NETSTRING_DIGITS)
			return FRAMING_BAD_RECORD;
		decoder->left = decoder->left * 10 + (data[n] - '0');
		decoder->n_head++;
	}
	return (int)len;
}

/* Writes a length. */
static size_t framing_netstring_make_head(
	const struct framing_row *row, size_t len, uint8_t head[static FRAMING_HEAD_MAX])
{
	(void)row;
	return (size_t)snprintf((char *)head, FRAMING_HEAD_MAX, "%zu:", len);
}

const struct framing_ops framing_netstring_ops = {
	.encode = framing_counted_encode,
	.decode = framing_counted_decode,
	.end = framing_counted_end,
	.take_head = framing_netstring_take_head,
	.make_head = framing_netstring_make_head,
};
