/*
 * message_model: what a conversation means, read by who has all of it at once (RFC 6455 sections 5 to 7, RFC
 * 7692 6.2). Slow, without states; what is checked against it is ws/message. It gives up at a compressed
 * message that zlib does not take in one call: what comes of that is between ws/message's own readings.
 */
#ifndef TESTS_FUZZ_MESSAGE_MODEL_H
#define TESTS_FUZZ_MESSAGE_MODEL_H

#include "packing.h"
#include "ws/message.h"

/* A conversation, and where its events go. */
struct model {
	const uint8_t *wire;
	size_t len, at;
	uint64_t max;
	bool deflate;
	z_stream in;
	bool takeover;
	void (*hear)(void *arg, const struct message_event *event);
	void *arg;
	uint8_t plain[1 << 18]; /* what a frame is inflated to */
	struct utf8 utf8;
	bool open, text, compressed, said; /* the message that is being read */
	uint64_t announced;		   /* bytes of it, up to the end of the last frame */
};

enum model_step { MODEL_ON, MODEL_END, MODEL_UNKNOWN };

/* A frame; what is in it is without its mask. */
struct model_frame {
	uint8_t opcode, rsv;
	bool fin, masked, whole;
	uint64_t len;
	uint8_t *data;
	size_t here; /* bytes of it */
};

static inline enum model_step model_fail(const struct model *model, uint16_t code)
{
	struct message_event event = { .kind = MESSAGE_ERROR, .code = code, .reason = text_of("x") };
	model->hear(model->arg, &event);
	return MODEL_END;
}

/* Reads a header. Returns its size, 0 when it is not whole and may be good, -1 when it is bad. */
static inline int model_header(const uint8_t *p, size_t len, struct model_frame *frame)
{
	static const char opcodes[] = { 0, 1, 2, 8, 9, 10 };
	size_t extra, n = 2;

	if (len == 0)
		return 0;
	frame->fin = p[0] >= 128;
	frame->rsv = p[0] / 16 % 8;
	frame->opcode = p[0] % 16;
	if (memchr(opcodes, frame->opcode, sizeof(opcodes)) == NULL || (frame->opcode >= 8 && !frame->fin))
		return -1;
	if (len < 2)
		return 0;
	frame->masked = p[1] >= 128;
	frame->len = p[1] % 128;
	if (frame->opcode >= 8 && frame->len > 125)
		return -1;
	extra = frame->len == 126 ? 2 : frame->len == 127 ? 8 : 0;
	if (extra == 8 && len >= 3 && p[2] >= 128)
		return -1;
	if (extra == 8 && len >= 8 && memcmp(p + 2, "\0\0\0\0\0\0", 6) == 0)
		return -1;
	if (len < 2 + extra)
		return 0;
	for (frame->len = extra > 0 ? 0 : frame->len; n < 2 + extra; n++)
		frame->len = frame->len * 256 + p[n];
	if (extra == 2 && frame->len < 126)
		return -1;
	n += frame->masked ? 4 : 0;
	return len < n ? 0 : (int)n;
}

/* Says a part of a message, up to the first byte that is not UTF-8. */
static inline enum model_step model_say(struct model *model, uint8_t *data, size_t len, bool last)
{
	size_t good = model->text ? utf8_check(&model->utf8, data, len) : len;
	bool bad = good < len || (model->text && last && !utf8_complete(&model->utf8));
	struct message_event event = { .kind = MESSAGE_DATA,
		.data = data,
		.len = good,
		.text = model->text,
		.first = !model->said,
		.last = last && !bad };

	if (event.len > 0 || event.last) {
		model->said = true;
		model->hear(model->arg, &event);
	}
	return bad ? model_fail(model, CLOSE_BAD_DATA) : MODEL_ON;
}

/* Inflates bytes of a message. Returns how many came out, -1 for what only ws/message can judge. */
static inline long model_inflate(struct model *model, uint8_t *data, size_t len)
{
	z_stream *in = &model->in;

	in->next_in = data;
	in->avail_in = (uInt)len;
	in->next_out = model->plain;
	in->avail_out = sizeof(model->plain);
	int status = len > 0 ? inflate(in, Z_SYNC_FLUSH) : Z_OK;
	long n = (long)(sizeof(model->plain) - in->avail_out);
	model->announced += (uint64_t)n;
	bool over = model->max > 0 && model->announced > model->max;
	return status != Z_OK || in->avail_in > 0 || in->avail_out == 0 || over ? -1 : n;
}

/* Says a compressed frame. */
static inline enum model_step model_say_packed(
	struct model *model, const struct model_frame *frame, bool last)
{
	uint8_t tail[4] = { 0, 0, 0xff, 0xff };
	long n = model_inflate(model, frame->data, frame->here);
	enum model_step step = n < 0 ? MODEL_UNKNOWN : model_say(model, model->plain, (size_t)n, false);

	if (step != MODEL_ON || !last)
		return step;
	if (model_inflate(model, tail, sizeof(tail)) != 0 || model->in.data_type != 128)
		return MODEL_UNKNOWN;
	if (!model->takeover)
		must(inflateReset(&model->in) == Z_OK);
	return model_say(model, model->plain, 0, true);
}

/* A data frame: a message begins, or goes on. */
static inline enum model_step model_data(struct model *model, const struct model_frame *frame)
{
	bool begins = frame->opcode != 0;

	if (begins == model->open)
		return model_fail(model, CLOSE_PROTOCOL);
	if (begins) {
		model->text = frame->opcode == 1;
		model->compressed = frame->rsv == 4;
		model->said = false;
		model->announced = 0;
		model->utf8 = (struct utf8){ 0 };
	}
	bool last = frame->fin && frame->whole;
	model->open = !last;
	if (model->compressed)
		return model_say_packed(model, frame, last);
	if (__builtin_add_overflow(model->announced, frame->len, &model->announced) ||
		(model->max > 0 && model->announced > model->max))
		return model_fail(model, CLOSE_TOO_BIG);
	return model_say(model, frame->data, frame->here, last);
}

/* A control frame that is whole. */
static inline enum model_step model_control(struct model *model, const struct model_frame *frame)
{
	struct message_event event = { .kind = frame->opcode == 9 ? MESSAGE_PING : MESSAGE_PONG,
		.data = frame->data,
		.len = frame->here };
	uint16_t code =
		frame->here >= 2 ? (uint16_t)(frame->data[0] * 256 + frame->data[1]) : CLOSE_NO_STATUS;
	struct utf8 utf8 = { 0 };

	if (frame->opcode != 8) {
		model->hear(model->arg, &event);
		return MODEL_ON;
	}
	if (frame->here == 1)
		return model_fail(model, CLOSE_PROTOCOL);
	if (frame->here >= 2 && (code < 1000 || code >= 5000 || (code >= 1015 && code < 3000) ||
					(code >= 1004 && code <= 1006)))
		return model_fail(model, CLOSE_PROTOCOL);
	size_t n = frame->here >= 2 ? frame->here - 2 : 0;
	if (utf8_check(&utf8, frame->data + 2, n) < n || !utf8_complete(&utf8))
		return model_fail(model, CLOSE_BAD_DATA);
	event = (struct message_event){ .kind = MESSAGE_CLOSE,
		.code = code,
		.reason = { n > 0 ? (const char *)frame->data + 2 : NULL, n } };
	model->hear(model->arg, &event);
	return MODEL_END;
}

/* A frame. */
static inline enum model_step model_frame(struct model *model)
{
	struct model_frame frame = { 0 };
	int n = model_header(model->wire + model->at, model->len - model->at, &frame);

	if (n < 0)
		return model_fail(model, CLOSE_PROTOCOL);
	if (n == 0)
		return MODEL_END;
	bool may = model->deflate && (frame.opcode == 1 || frame.opcode == 2);
	if ((frame.rsv & (may ? 3 : 7)) != 0 || !frame.masked)
		return model_fail(model, CLOSE_PROTOCOL);
	model->at += (size_t)n;
	size_t left = model->len - model->at;
	frame.here = frame.len < left ? (size_t)frame.len : left;
	frame.whole = frame.here == frame.len;
	frame.data = malloc(frame.here + 2);
	must(frame.data != NULL);
	for (size_t i = 0; i < frame.here; i++)
		frame.data[i] = model->wire[model->at + i] ^ model->wire[model->at - 4 + i % 4];
	model->at += frame.here;
	enum model_step step = MODEL_END;
	if (frame.opcode < 8)
		step = model_data(model, &frame);
	else if (frame.whole)
		step = model_control(model, &frame);
	free(frame.data);
	return step;
}

/* Reads all. Returns whether all of it is known. */
static inline bool model_read(struct model *model)
{
	enum model_step step = MODEL_ON;

	must(inflateInit2(&model->in, -15) == Z_OK);
	while (step == MODEL_ON && model->at < model->len)
		step = model_frame(model);
	inflateEnd(&model->in);
	return step != MODEL_UNKNOWN;
}

#endif
