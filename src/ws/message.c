/*
 * message: from frames to messages (RFC 6455 sections 5.4 to 7.4, RFC 7692 section 6.2). Owns the order of
 * frames, the limits, the text's validity and what a close frame may say; the bytes stay in the caller's
 * buffer, or go through ws/inflater.c into another one of his. Knows nothing of sockets and sends nothing:
 * who reads decides. Pure, on every thread.
 */
#include "ws/message.h"

#include "base/must.h"

#include <string.h>

enum message_state {
	MESSAGE_IN_HEADER,
	MESSAGE_IN_DATA,
	MESSAGE_IN_CONTROL,
	MESSAGE_FAILING, /* what came before the error was reported, the error was not yet */
	MESSAGE_ENDED,
};

/* What is left of the caller's buffer. */
struct message_input {
	uint8_t *buf;
	size_t len;
};

/* Begins before the first frame. */
void message_reader_init(struct message_reader *reader, uint64_t max_message, struct inflater *inflater)
{
	*reader = (struct message_reader){ .max_message = max_message, .inflater = inflater };
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

/* Has an error reported by the next step, behind what this one reports. */
static void message_fail_next(struct message_reader *reader, uint16_t code, const char *reason)
{
	reader->state = MESSAGE_FAILING;
	reader->fail_code = code;
	reader->fail_reason = reason;
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

/* Adds a frame that is not compressed to its message. Returns whether the message may be that long. */
static bool message_add_frame(struct message_reader *reader)
{
	if (__builtin_add_overflow(reader->message_len, reader->frame.len, &reader->message_len))
		return false;
	return reader->max_message == 0 || reader->message_len <= reader->max_message;
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
		reader->compressed = frame->rsv == FRAME_RSV1;
		reader->message_len = 0;
	}
	/* How long a compressed one is only shows as it is inflated. */
	if (!reader->compressed && !message_add_frame(reader))
		return message_fail(reader, event, CLOSE_TOO_BIG, "message too big");
	reader->unmasked = 0;
	reader->more = false;
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
	if ((frame->rsv & ~(begins && reader->inflater != NULL ? FRAME_RSV1 : 0)) != 0)
		return message_fail(reader, event, CLOSE_PROTOCOL, "reserved bits");
	if (!frame->masked)
		return message_fail(reader, event, CLOSE_PROTOCOL, "unmasked frame");
	reader->frame_seen = 0;
	if (!frame_is_control(frame->opcode))
		return message_begin_data(reader, event);
	reader->state = MESSAGE_IN_CONTROL;
	return true;
}

/* Reports payload of the message, as far as it is good; returns whether there was nothing to report but the
 * next step may follow. */
static bool message_report(
	struct message_reader *reader, struct message_event *event, uint8_t *data, size_t n, bool last)
{
	if (reader->text) {
		size_t good = utf8_check(&reader->utf8, data, n);
		if (good < n || (last && !utf8_complete(&reader->utf8))) {
			message_fail_next(reader, CLOSE_BAD_DATA, "text is not UTF-8");
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
	event->first = !reader->reported;
	event->last = last;
	reader->reported = true;
	return false;
}

/* Passes on what is here of a data frame. */
static bool message_read_data(
	struct message_reader *reader, struct message_input *in, struct message_event *event)
{
	const struct frame_header *frame = &reader->frame;
	uint64_t left = frame->len - reader->frame_seen;
	size_t n = in->len < left ? in->len : (size_t)left;
	uint8_t *data = message_take(in, n);

	frame_mask(data, n, frame->key, reader->frame_seen);
	reader->frame_seen += n;
	if (n == left)
		reader->state = MESSAGE_IN_HEADER;
	return message_report(reader, event, data, n, n == left && frame->fin);
}

/* Removes the mask of the next n bytes, but for those that had come before and were not used. */
static void message_unmask(struct message_reader *reader, uint8_t *buf, size_t n)
{
	size_t had = (size_t)(reader->unmasked - reader->frame_seen);

	if (n <= had)
		return;
	frame_mask(buf + had, n - had, reader->frame.key, reader->unmasked);
	reader->unmasked += n - had;
}

/* How much is inflated at once: enough to see that the message is too big. */
static size_t message_room(const struct message_reader *reader)
{
	uint64_t most = reader->max_message - reader->message_len;

	return reader->max_message > 0 && most < reader->out_len ? (size_t)most + 1 : reader->out_len;
}

/* Inflates what is here of a compressed data frame (RFC 7692 6.2), as much as there is room for. */
static bool message_inflate(
	struct message_reader *reader, struct message_input *in, struct message_event *event)
{
	const struct frame_header *frame = &reader->frame;
	uint64_t left = frame->len - reader->frame_seen;
	size_t n = in->len < left ? in->len : (size_t)left;
	struct inflater_step step = { .in = in->buf,
		.n_in = n,
		.last = n == left && frame->fin,
		.out = reader->out,
		.room = message_room(reader) };

	message_unmask(reader, in->buf, n);
	int error = inflater_step(reader->inflater, &step);
	message_take(in, n - step.n_in);
	reader->frame_seen += n - step.n_in;
	reader->more = step.more && error == 0;
	if (reader->frame_seen == frame->len && !step.more)
		reader->state = MESSAGE_IN_HEADER;
	reader->message_len += step.n_out;
	if (reader->max_message > 0 && reader->message_len > reader->max_message) {
		step.n_out--;
		message_fail_next(reader, CLOSE_TOO_BIG, "message too big");
	} else if (error == INFLATER_NO_MEMORY) {
		message_fail_next(reader, CLOSE_INTERNAL, "out of memory");
	} else if (error < 0) {
		message_fail_next(reader, CLOSE_BAD_DATA, "bad compressed data");
	}
	bool failing = reader->state == MESSAGE_FAILING;
	return message_report(reader, event, step.out, step.n_out, step.ended && !failing);
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
		return reader->compressed ? message_inflate(reader, in, event)
					  : message_read_data(reader, in, event);
	case MESSAGE_IN_CONTROL:
		return message_read_control(reader, in, event);
	case MESSAGE_FAILING:
		return message_fail(reader, event, reader->fail_code, reader->fail_reason);
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

/* Is there inflated data, or an error, that the last call left for the next one? */
bool message_reader_has_more(const struct message_reader *reader)
{
	return reader->state == MESSAGE_FAILING || (reader->state == MESSAGE_IN_DATA && reader->more);
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
