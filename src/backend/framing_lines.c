/*
 * framing_lines: a message ends with a delimiter: lines with "\n", nul with NUL. To the backend it gets it;
 * from the backend it loses it, lines also a "\r" before it. Messages and lines up to FRAMING_HOLD bytes pass
 * whole, longer ones part by part. Pure, on every thread.
 */
#include "backend/framing_internal.h"

#include <string.h>

/* Looks for delimiters within a message, as the rules say. Returns whether it may pass. */
static bool framing_lines_admit(const struct framing_encoder *encoder, const struct piece *piece)
{
	bool reject = encoder->rules.newlines == NEWLINES_REJECT;

	if (encoder->rules.newlines == NEWLINES_PASS)
		return true;
	for (size_t at = 0; at < piece->len; at++) {
		uint8_t *found = memchr(piece->data + at, encoder->row->delimiter, piece->len - at);
		if (found == NULL || reject)
			return found == NULL;
		*found = ' ';
		at = (size_t)(found - piece->data);
	}
	return true;
}

/* Holds a message until it is whole, or too long for that. */
static int framing_lines_encode(
	struct framing_encoder *encoder, const struct piece *piece, const struct framing_bytes_sink *sink)
{
	size_t waiting = framing_hold_len(encoder->held);

	if (!framing_lines_admit(encoder, piece)) {
		framing_hold_drop(&encoder->held);
		return FRAMING_NEWLINE;
	}
	if (!piece->last && !encoder->spilled && waiting + piece->len <= FRAMING_HOLD)
		return framing_hold_add(&encoder->held, piece->data, piece->len);
	encoder->spilled = !piece->last;
	int rc = framing_hold_flush(&encoder->held, sink);
	if (rc == 0)
		rc = framing_put_bytes(sink, piece->data, piece->len);
	if (rc == 0 && piece->last)
		rc = framing_put_bytes(sink, &encoder->row->delimiter, 1);
	return rc;
}

/* Passes on a part of a line, or the rest of it; a "\r" at its end goes with the next part, if not with "\n".
 */
static int framing_lines_put(struct framing_decoder *decoder, uint8_t *data, size_t len, bool ended,
	const struct framing_piece_sink *sink)
{
	uint8_t cr[1] = { '\r' };

	if (decoder->cr && len > 0) {
		int rc = framing_put_part(decoder, cr, sizeof(cr), FRAMING_PART, sink);
		if (rc != 0)
			return rc;
	}
	if (len > 0 || ended)
		decoder->cr = false;
	if (len > 0 && data[len - 1] == '\r' && decoder->row->delimiter == '\n') {
		len--;
		decoder->cr = !ended;
	}
	return framing_put_part(decoder, data, len, ended ? FRAMING_TEXT_END : FRAMING_PART, sink);
}

/* Passes on what was held of a line. */
static int framing_lines_put_held(
	struct framing_decoder *decoder, bool ended, const struct framing_piece_sink *sink)
{
	uint8_t *data = framing_hold_data(decoder->held);
	int rc = FRAMING_NO_MEMORY;

	if (data != NULL)
		rc = framing_lines_put(decoder, data, framing_hold_len(decoder->held), ended, sink);
	framing_hold_drop(&decoder->held);
	return rc;
}

/* Takes a run of bytes of one line, with its delimiter behind them or not. */
static int framing_lines_take(struct framing_decoder *decoder, uint8_t *data, size_t len, bool ended,
	const struct framing_piece_sink *sink)
{
	size_t waiting = framing_hold_len(decoder->held);
	int rc = 0;

	if (!decoder->in_message && waiting + len <= FRAMING_HOLD && (waiting > 0 || !ended)) {
		rc = framing_hold_add(&decoder->held, data, len);
		return rc == 0 && ended ? framing_lines_put_held(decoder, true, sink) : rc;
	}
	if (waiting > 0)
		rc = framing_lines_put_held(decoder, false, sink);
	return rc == 0 ? framing_lines_put(decoder, data, len, ended, sink) : rc;
}

/* Cuts a chunk at its delimiters. */
static int framing_lines_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink)
{
	int rc = 0;

	while (rc == 0 && len > 0) {
		const uint8_t *end = memchr(data, decoder->row->delimiter, len);
		size_t n = end != NULL ? (size_t)(end - data) : len;
		rc = framing_lines_take(decoder, data, n, end != NULL, sink);
		n += end != NULL;
		data += n;
		len -= n;
	}
	return rc;
}

/* Passes on a last line that has no delimiter; a "\r" at its end belongs to it. */
static int framing_lines_end(struct framing_decoder *decoder, const struct framing_piece_sink *sink)
{
	uint8_t cr[1] = { '\r' };
	int rc = FRAMING_NO_MEMORY;

	if (decoder->in_message)
		return framing_put_part(decoder, cr, decoder->cr, FRAMING_TEXT_END, sink);
	if (decoder->held == NULL)
		return 0;
	uint8_t *data = framing_hold_data(decoder->held);
	if (data != NULL)
		rc = framing_put_part(decoder, data, framing_hold_len(decoder->held), FRAMING_TEXT_END, sink);
	framing_hold_drop(&decoder->held);
	return rc;
}

const struct framing_ops framing_lines_ops = {
	.encode = framing_lines_encode,
	.decode = framing_lines_decode,
	.end = framing_lines_end,
};
