/*
 * framer: headers in front of payload, and which messages are compressed.
 *
 * Owns the deflater. Keeps no payload: what was sent is the stream's. Runs on its loop's thread.
 */
#include "gate/framer.h"

#include "ws/message.h"

/* Nothing is compressed unless that was agreed. */
void framer_init(struct framer *framer, struct stream *stream, const struct route_conf *route,
	const struct permessage *agreed)
{
	*framer = (struct framer){ .stream = stream, .threshold = SIZE_MAX };
	if (!agreed->on)
		return;
	framer->threshold = route->deflate_threshold;
	deflater_init(&framer->deflater, route->deflate_level, agreed->server_max_window_bits,
		!agreed->server_no_context_takeover);
}

/* Gives the deflater's memory back. */
void framer_done(struct framer *framer)
{
	deflater_done(&framer->deflater);
}

/* Sends one frame; server frames are not masked. */
static void framer_put(struct framer *framer, struct frame_header *header, const uint8_t *payload)
{
	uint8_t out[FRAME_HEADER_MAX];

	size_t n = frame_encode(header, out);
	stream_send_behind(framer->stream, out, n, payload, (size_t)header->len);
}

/* The opcode of a message's next frame. */
static uint8_t framer_opcode(const struct framer *framer, bool text)
{
	if (framer->begun)
		return FRAME_CONTINUATION;
	return text ? FRAME_TEXT : FRAME_BINARY;
}

/* Compressed payload and whose it is. */
struct framer_packed {
	struct framer *framer;
	bool text;
};

/* Sends compressed payload. */
static void framer_on_packed(void *arg, const uint8_t *data, size_t len, bool last)
{
	const struct framer_packed *packed = arg;
	struct framer *framer = packed->framer;
	struct frame_header header = { .fin = last,
		.rsv = framer->begun ? 0 : FRAME_RSV1,
		.opcode = framer_opcode(framer, packed->text),
		.len = len };

	framer->begun = true;
	framer_put(framer, &header, data);
}

/* Sends a piece compressed. */
static void framer_pack(struct framer *framer, const struct piece *piece)
{
	struct framer_packed packed = { framer, piece->text };
	uint8_t work[DEFLATER_OUT];

	deflater_piece(
		&framer->deflater, piece->data, piece->len, piece->last, work, framer_on_packed, &packed);
}

/* Does it pay to compress the message that begins with this piece? How long it becomes is only known when
 * this is all of it. */
static bool framer_pays(const struct framer *framer, const struct piece *piece)
{
	if (framer->threshold == SIZE_MAX)
		return false;
	return !piece->last || piece->len >= framer->threshold;
}

/* Sends it as it is or compressed; without memory for that as it is. */
void framer_send(struct framer *framer, const struct piece *piece)
{
	if (piece->first) {
		framer->begun = false;
		framer->compressing = framer_pays(framer, piece) && deflater_begin(&framer->deflater) == 0;
	}
	if (framer->compressing) {
		framer_pack(framer, piece);
		return;
	}
	struct frame_header header = {
		.fin = piece->last, .opcode = framer_opcode(framer, piece->text), .len = piece->len
	};
	framer->begun = true;
	framer_put(framer, &header, piece->data);
}

/* A frame of its own. */
void framer_send_control(struct framer *framer, uint8_t opcode, const uint8_t *data, size_t len)
{
	struct frame_header header = { .fin = true, .opcode = opcode, .len = len };

	framer_put(framer, &header, data);
}

/* The close frame. */
void framer_send_close(struct framer *framer, uint16_t code, const char *reason)
{
	uint8_t frame[2 + FRAME_CONTROL_MAX];

	stream_send(framer->stream, frame, message_close_frame(frame, code, text_of(reason)));
}
