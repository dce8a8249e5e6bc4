/*
 * framing: picks the row of a framing and hands over what it made. The framings themselves are in framing_*.c
 * beside this file. Pure, on every thread.
 */
#include "backend/framing.h"

#include "backend/framing_internal.h"

#define FRAMING_LENGTH_ROW(bytes, low_first, max)                                                            \
	{                                                                                                    \
		.ops = &framing_length_ops, .n_length = (bytes), .little = (low_first), .max_message = (max) \
	}

static const struct framing_row framing_rows[] = {
	[FRAMING_LINES] = { .ops = &framing_lines_ops, .text = true, .delimiter = '\n' },
	[FRAMING_NUL] = { .ops = &framing_lines_ops, .text = true, .delimiter = '\0' },
	[FRAMING_STREAM] = { .ops = &framing_stream_ops },
	[FRAMING_TEXT_STREAM] = { .ops = &framing_stream_ops, .text = true },
	[FRAMING_LENGTH8] = FRAMING_LENGTH_ROW(1, false, 0xff),
	[FRAMING_LENGTH16] = FRAMING_LENGTH_ROW(2, false, 0xffff),
	[FRAMING_LENGTH16_LE] = FRAMING_LENGTH_ROW(2, true, 0xffff),
	[FRAMING_LENGTH32] = FRAMING_LENGTH_ROW(4, false, FRAMING_WHOLE),
	[FRAMING_LENGTH32_LE] = FRAMING_LENGTH_ROW(4, true, FRAMING_WHOLE),
	[FRAMING_LENGTH64] = FRAMING_LENGTH_ROW(8, false, FRAMING_WHOLE),
	[FRAMING_LENGTH64_LE] = FRAMING_LENGTH_ROW(8, true, FRAMING_WHOLE),
	[FRAMING_NETSTRING] = { .ops = &framing_netstring_ops, .max_message = FRAMING_WHOLE },
	[FRAMING_RECORDS] = { .ops = &framing_records_ops },
	[FRAMING_BASE64] = { .ops = &framing_base64_ops, .text = true },
};

/* Takes from the route what concerns its bytes. */
struct framing_rules framing_rules_of(const struct route_conf *route, enum framing framing)
{
	return (struct framing_rules){ .framing = framing == FRAMING_UNSET ? route->framing : framing,
		.messages = route->messages,
		.newlines = route->newlines,
		.invalid_utf8 = route->invalid_utf8 };
}

/* Says what a length field can say, or how much of a message may wait for its last byte. */
uint64_t framing_max_message(const struct framing_rules *rules)
{
	const struct framing_row *row = &framing_rows[rules->framing];

	if (row->ops == &framing_lines_ops && rules->newlines == NEWLINES_REJECT)
		return FRAMING_HOLD;
	return row->max_message;
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
	struct piece piece = { data, len, decoder->text && !decoder->as_binary, !decoder->in_message, last };

	decoder->in_message = !last;
	decoder->as_binary = decoder->as_binary && !last;
	int rc = sink->out(sink->arg, &piece);
	return rc < 0 ? rc : 0;
}

/* Passes on a part as what its message is. */
int framing_put_part(struct framing_decoder *decoder, uint8_t *data, size_t len, enum framing_until until,
	const struct framing_piece_sink *sink)
{
	bool last = until != FRAMING_PART;

	if (decoder->text && !decoder->as_binary)
		return framing_text_put(decoder, data, len, until, sink);
	return len > 0 || last ? framing_put_piece(decoder, data, len, last, sink) : 0;
}

/* Begins before the first message. */
void framing_encoder_init(struct framing_encoder *encoder, const struct framing_rules *rules)
{
	*encoder = (struct framing_encoder){ .row = &framing_rows[rules->framing], .rules = *rules };
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
	return encoder->row->ops->encode(encoder, piece, &(struct framing_bytes_sink){ out, arg });
}

/* Begins before the first byte. */
void framing_decoder_init(struct framing_decoder *decoder, const struct framing_rules *rules)
{
	const struct framing_row *row = &framing_rows[rules->framing];

	*decoder = (struct framing_decoder){ .row = row, .rules = *rules };
	bool unset = rules->messages == MESSAGES_UNSET || rules->framing == FRAMING_BASE64;
	decoder->text = unset ? row->text : rules->messages == MESSAGES_TEXT;
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
	return decoder->row->ops->decode(decoder, data, len, &(struct framing_piece_sink){ out, arg });
}

/* Ends as the framing says. */
int framing_decode_end(struct framing_decoder *decoder, framing_piece_fn out, void *arg)
{
	return decoder->row->ops->end(decoder, &(struct framing_piece_sink){ out, arg });
}
