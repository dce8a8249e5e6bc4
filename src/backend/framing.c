/*
 * framing: picks the row of functions for a framing and hands over what they made. The framings themselves
 * are in framing_stream.c, framing_lines.c and framing_records.c. Pure, on every thread.
 */
#include "backend/framing.h"

#include "backend/framing_internal.h"
#include "base/buffer.h"

static const struct framing_ops *const framing_ops[] = {
	[FRAMING_LINES] = &framing_lines_ops,
	[FRAMING_STREAM] = &framing_stream_ops,
	[FRAMING_TEXT_STREAM] = &framing_text_stream_ops,
	[FRAMING_RECORDS] = &framing_records_ops,
};

/* Hands bytes to the backend. */
int framing_put_bytes(const struct framing_bytes_sink *sink, const uint8_t *data, size_t len)
{
	int rc = len > 0 ? sink->out(sink->arg, data, len) : 0;

	return rc < 0 ? rc : 0;
}

/* Hands a piece to the client and keeps track of whether a message is open. */
int framing_put_piece(struct framing_decoder *decoder, uint8_t *data, size_t len, bool last,
	const struct framing_piece_sink *sink)
{
	struct piece piece = { data, len, decoder->text, !decoder->in_message, last };

	decoder->in_message = !last;
	int rc = sink->out(sink->arg, &piece);
	return rc < 0 ? rc : 0;
}

/* Takes from the route what concerns its bytes. */
struct framing_rules framing_rules_of(const struct route_conf *route, enum framing framing)
{
	return (struct framing_rules){ .framing = framing == FRAMING_UNSET ? route->framing : framing,
		.messages = route->messages,
		.newlines = route->newlines,
		.invalid_utf8 = route->invalid_utf8 };
}

/* Says how much may have to be held, or what a length field can say. */
uint64_t framing_max_message(const struct framing_rules *rules)
{
	(void)rules;
	return 0;
}

/* Names the error. */
const char *framing_reason(const struct framing_rules *rules, int error)
{
	switch (error) {
	case FRAMING_NO_MEMORY:
		return "out of memory";
	case FRAMING_CUT_RECORD:
		return "the backend ended within a record";
	case FRAMING_BAD_UTF8:
		return "invalid UTF-8 from the backend";
	default:
		return rules->framing == FRAMING_NETSTRING ? "bad netstring from the backend"
							   : "bad record from the backend";
	}
}

/* Begins before the first message. */
void framing_encoder_init(struct framing_encoder *encoder, const struct framing_rules *rules)
{
	*encoder = (struct framing_encoder){ .rules = *rules };
}

/* Drops a message that never became whole. */
void framing_encoder_done(struct framing_encoder *encoder)
{
	framing_hold_drop(&encoder->held);
}

/* Encodes a piece as its framing says. */
int framing_encode(
	struct framing_encoder *encoder, const struct piece *piece, framing_bytes_fn out, void *arg)
{
	return framing_ops[encoder->rules.framing]->encode(
		encoder, piece, &(struct framing_bytes_sink){ out, arg });
}

/* Begins before the first byte. */
void framing_decoder_init(struct framing_decoder *decoder, const struct framing_rules *rules)
{
	*decoder = (struct framing_decoder){ .rules = *rules, .text = framing_ops[rules->framing]->text };
}

/* Drops half a line or record. */
void framing_decoder_done(struct framing_decoder *decoder)
{
	framing_hold_drop(&decoder->held);
}

/* Decodes a chunk as its framing says. */
int framing_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, framing_piece_fn out, void *arg)
{
	if (len == 0)
		return 0;
	return framing_ops[decoder->rules.framing]->decode(
		decoder, data, len, &(struct framing_piece_sink){ out, arg });
}

/* Ends as the framing says. */
int framing_decode_end(struct framing_decoder *decoder, framing_piece_fn out, void *arg)
{
	return framing_ops[decoder->rules.framing]->end(decoder, &(struct framing_piece_sink){ out, arg });
}

/* Says what the held part of a message takes. */
size_t framing_encoder_cost(const struct framing_encoder *encoder)
{
	return encoder->held != NULL ? buffer_cost(encoder->held) : 0;
}

/* Says what the held part of a line or record takes. */
size_t framing_decoder_cost(const struct framing_decoder *decoder)
{
	return decoder->held != NULL ? buffer_cost(decoder->held) : 0;
}
