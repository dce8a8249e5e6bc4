/*
 * message: from frames to messages (RFC 6455 sections 5.4 to 7.4). Owns the order of frames, the limits, the
 * text's validity and what a close frame may say; the bytes stay in the caller's buffer. Knows nothing of
 * sockets and sends nothing: who reads decides. Pure, on every thread.
 */
#include "ws/message.h"

#include "base/must.h"

#include <string.h>

enum message_state {
	MESSAGE_IN_HEADER,
	MESSAGE_IN_DATA,
	MESSAGE_IN_CONTROL,
	MESSAGE_IN_BAD_TEXT, /* the good bytes were reported, the error was not yet */
	MESSAGE_ENDED,
};

/* What is left of the caller's buffer. */
struct message_input {
	uint8_t *buf;
	size_t len;
};

/* Begins before the first frame. */
void message_reader_init(struct message_reader *reader, uint64_t max_message, uint8_t rsv_allowed)
{
	*reader = (struct message_reader){ .max_message = max_message, .rsv_allowed = rsv_allowed };
}

/* Uses up n bytes of the input. */
static uint8_t *message_take(struct message_input *in, size_t n)
{
	uint8_t *taken = in->buf;

	in->buf += n;
	in->len -= n;
	return taken;
}

/* Reports an error, the last event. */
static bool message_fail(
	struct message_reader *reader, struct message_event *event, uint16_t code, const char *reason)
{
	reader->state = MESSAGE_ENDED;
	event->kind = MESSAGE_ERROR;
	event->code = code;
	event->reason = text_of(reason);
	return false;
}

/* Decodes a header from the input, or from the scratch when it comes in parts. */
static int message_take_header(struct message_reader *reader, struct message_input *in)
{
	size_t had = reader->n_header, n = in->len;
	int size;

	if (had == 0) {
		size = frame_decode(&reader->frame, in->buf, in->len);
		if (size > 0)
			message_take(in, (size_t)size);
		if (size != 0)
			return size;
	}
	if (n > FRAME_HEADER_MAX - had)
		n = FRAME_HEADER_MAX - had;
	if (n > 0)
		memcpy(reader->scratch + had, in->buf, n);
	size = frame_decode(&reader->frame, reader->scratch, had + n);
	reader->n_header = size == 0 ? (uint8_t)(had + n) : 0;
	message_take(in, size > 0 ? (size_t)size - had : n);
	return size;
}

/* Our words for what frame_decode() found. */
static const char *message_frame_reason(int error)
{
	switch ((enum frame_error)error) {
	case FRAME_BAD_LENGTH:
		return "bad frame length";
	case FRAME_BAD_OPCODE:
		return "reserved opcode";
	case FRAME_BAD_CONTROL:
		return "fragmented or oversized control frame";
	}
	return "bad frame";
}

/* Begins or continues a message with a data frame whose header has just been read. */
static bool message_begin_data(struct message_reader *reader, struct message_event *event)
{
	const struct frame_header *frame = &reader->frame;
	bool begins = frame->opcode != FRAME_CONTINUATION;

	if (begins && reader->in_message)
		return message_fail(reader, event, CLOSE_PROTOCOL, "message within a message");
	if (!begins && !reader->in_message)
		return message_fail(reader, event, CLOSE_PROTOCOL, "continuation of no message");
	if (begins) {
		reader->in_message = true;
		reader->text = frame->opcode == FRAME_TEXT;
		reader->reported = false;
		reader->rsv = frame->rsv;
		reader->message_len = 0;
	}
	if (__builtin_add_overflow(reader->message_len, frame->len, &reader->message_len) ||
		(reader->max_message > 0 && reader->message_len > reader->max_message))
		return message_fail(reader, event, CLOSE_TOO_BIG, "message too big");
	reader->state = MESSAGE_IN_DATA;
	return true;
}

/* Reads a header and decides whether the frame may come now. */
static bool message_read_header(
	struct message_reader *reader, struct message_input *in, struct message_event *event)
{
	const struct frame_header *frame = &reader->frame;
	int size = message_take_header(reader, in);

	if (size == 0)
		return false;
	if (size < 0)
		return message_fail(reader, event, CLOSE_PROTOCOL, message_frame_reason(size));
	bool begins = frame->opcode == FRAME_TEXT || frame->opcode == FRAME_BINARY;
	if ((frame->rsv & ~(begins ? reader->rsv_allowed : 0)) != 0)
		return message_fail(reader, event, CLOSE_PROTOCOL, "reserved bits");
	if (!frame->masked)
		return message_fail(reader, event, CLOSE_PROTOCOL, "unmasked frame");
	reader->frame_seen = 0;
	if (!frame_is_control(frame->opcode))
		return message_begin_data(reader, event);
	reader->state = MESSAGE_IN_CONTROL;
	return true;
}

/* Passes on what is here of a data frame. */
static bool message_read_data(
	struct message_reader *reader, struct message_input *in, struct message_event *event)
{
	const struct frame_header *frame = &reader->frame;
	uint64_t left = frame->len - reader->frame_seen;
	size_t n = in->len < left ? in->len : (size_t)left;
	bool last = n == left && frame->fin;
	uint8_t *data = message_take(in, n);

	frame_mask(data, n, frame->key, reader->frame_seen);
	reader->frame_seen += n;
	if (n == left)
		reader->state = MESSAGE_IN_HEADER;
	if (reader->text && reader->rsv == 0) {
		size_t good = utf8_check(&reader->utf8, data, n);
		if (good < n || (last && !utf8_complete(&reader->utf8))) {
			reader->state = MESSAGE_IN_BAD_TEXT;
			last = false;
			n = good;
		}
	}
	if (last)
		reader->in_message = false;
	if (n == 0 && !last)
		return reader->state != MESSAGE_IN_DATA;
	event->kind = MESSAGE_DATA;
	event->data = data;
	event->len = n;
	event->text = reader->text;
	event->rsv = reader->rsv;
	event->first = !reader->reported;
	event->last = last;
	reader->reported = true;
	return false;
}

/* Reports a close frame whose payload is in the scratch (5.5.1). */
static bool message_read_close(struct message_reader *reader, struct message_event *event)
{
	const uint8_t *payload = reader->scratch;
	size_t len = (size_t)reader->frame.len;
	struct utf8 utf8 = { 0 };

	event->code = CLOSE_NO_STATUS;
	if (len == 1)
		return message_fail(reader, event, CLOSE_PROTOCOL, "close frame of one byte");
	if (len >= 2) {
		event->code = (uint16_t)(payload[0] << 8 | payload[1]);
		event->reason = (struct text){ (const char *)payload + 2, len - 2 };
		if (!message_close_code_valid(event->code))
			return message_fail(reader, event, CLOSE_PROTOCOL, "bad close code");
		if (utf8_check(&utf8, payload + 2, len - 2) < len - 2 || !utf8_complete(&utf8))
			return message_fail(reader, event, CLOSE_BAD_DATA, "close reason is not UTF-8");
	}
	reader->state = MESSAGE_ENDED;
	event->kind = MESSAGE_CLOSE;
	return false;
}

/* Gathers a control frame and reports it. */
static bool message_read_control(
	struct message_reader *reader, struct message_input *in, struct message_event *event)
{
	const struct frame_header *frame = &reader->frame;
	size_t left = (size_t)(frame->len - reader->frame_seen);
	size_t n = in->len < left ? in->len : left;

	if (n > 0)
		memcpy(reader->scratch + reader->frame_seen, message_take(in, n), n);
	reader->frame_seen += n;
	if (n < left)
		return false;
	reader->state = MESSAGE_IN_HEADER;
	frame_mask(reader->scratch, (size_t)frame->len, frame->key, 0);
	if (frame->opcode == FRAME_CLOSE)
		return message_read_close(reader, event);
	event->kind = frame->opcode == FRAME_PING ? MESSAGE_PING : MESSAGE_PONG;
	event->data = reader->scratch;
	event->len = (size_t)frame->len;
	return false;
}

/* Takes one step; true when another one may follow, false when the event stands. */
static bool message_step(struct message_reader *reader, struct message_input *in, struct message_event *event)
{
	switch ((enum message_state)reader->state) {
	case MESSAGE_IN_HEADER:
		return message_read_header(reader, in, event);
	case MESSAGE_IN_DATA:
		return message_read_data(reader, in, event);
	case MESSAGE_IN_CONTROL:
		return message_read_control(reader, in, event);
	case MESSAGE_IN_BAD_TEXT:
		return message_fail(reader, event, CLOSE_BAD_DATA, "text is not UTF-8");
	case MESSAGE_ENDED:
		break;
	}
	message_take(in, in->len);
	return false;
}

/* Steps until there is something to report or nothing more to read. */
size_t message_read(struct message_reader *reader, uint8_t *buf, size_t len, struct message_event *event)
{
	struct message_input in = { buf, len };

	*event = (struct message_event){ .kind = MESSAGE_NEED_MORE };
	while (message_step(reader, &in, event))
		continue;
	return len - in.len;
}

/* Knows the registered codes that are not for inside use, and the ranges of libraries and applications. */
bool message_close_code_valid(uint16_t code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

/* Builds the frame from the front; the reason is cut where it is no longer whole characters. */
size_t message_close_frame(uint8_t out[static 2 + FRAME_CONTROL_MAX], uint16_t code, struct text reason)
{
	const uint8_t *words = (const uint8_t *)reason.ptr;
	size_t room = FRAME_CONTROL_MAX - 2;
	struct utf8 utf8 = { 0 };

	out[0] = 0x80 | FRAME_CLOSE;
	out[1] = 0;
	if (code == 0 || code == CLOSE_NO_STATUS)
		return 2;
	must(message_close_code_valid(code));
	size_t n = utf8_check(&utf8, words, reason.len < room ? reason.len : room);
	if (!utf8_complete(&utf8))
		n -= utf8_tail(words, n);
	out[1] = (uint8_t)(2 + n);
	out[2] = (uint8_t)(code >> 8);
	out[3] = (uint8_t)code;
	if (n > 0)
		memcpy(out + 4, words, n);
	return 4 + n;
}
