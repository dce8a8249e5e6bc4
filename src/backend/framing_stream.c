/*
 * framing_stream: the framings without boundaries, stream and text-stream. Payload goes to the backend as it
 * is; what comes from it in one read is a message. Pure, on every thread.
 */
#include "backend/framing_internal.h"

/* Passes payload on. */
static int framing_stream_encode(
	struct framing_encoder *encoder, const struct piece *piece, const struct framing_bytes_sink *sink)
{
	(void)encoder;
	return framing_put_bytes(sink, piece->data, piece->len);
}

/* Makes a message of a chunk; of text, but for the part of a character at its end. */
static int framing_stream_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink)
{
	return framing_put_part(decoder, data, len, FRAMING_MESSAGE_END, sink);
}

/* Says that a character will never be whole. */
static int framing_stream_end(struct framing_decoder *decoder, const struct framing_piece_sink *sink)
{
	uint8_t nothing[1] = { 0 };

	return decoder->n_carry > 0 ? framing_put_part(decoder, nothing, 0, FRAMING_TEXT_END, sink) : 0;
}

const struct framing_ops framing_stream_ops = {
	.encode = framing_stream_encode,
	.decode = framing_stream_decode,
	.end = framing_stream_end,
};
