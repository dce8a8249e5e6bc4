/*
 * fuzz_message: a conversation tells the same however its bytes are cut and however little is inflated at
 * once: the same messages, control frames and verdict, those that message_model.h reads. Input: limit; what
 * was agreed, and whether what follows is raw bytes, or (first byte, length, payload) of frames to be masked,
 * those with all RSV bits compressed; a seed for the cuts.
 */
#include "message_model.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was heard: tags and bytes, pieces of a message merged. */
struct fuzz_heard {
	uint8_t *log;
	size_t len, room;
	bool open, ended;
	uint64_t message_len;
	struct utf8 utf8;
};

/* Ends the run with a report when the property doesn't hold. */
static void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

/* Appends to what was heard. */
static void fuzz_note(struct fuzz_heard *heard, const void *bytes, size_t len)
{
	if (heard->len + len + 1 > heard->room) {
		heard->room = 2 * (heard->len + len) + 256;
		heard->log = realloc(heard->log, heard->room);
		fuzz_check(heard->log != NULL);
	}
	if (len > 0)
		memcpy(heard->log + heard->len, bytes, len);
	heard->len += len;
}

/* Hears a piece of a message and checks what is said of it. */
static void fuzz_hear_piece(struct fuzz_heard *heard, const struct message_event *event, uint64_t max)
{
	fuzz_check(event->first == !heard->open);
	fuzz_check(event->len > 0 || event->last);
	if (event->first) {
		heard->message_len = 0;
		heard->utf8 = (struct utf8){ 0 };
		fuzz_note(heard, event->text ? "t" : "b", 1);
	}
	fuzz_note(heard, event->data, event->len);
	heard->message_len += event->len;
	fuzz_check(max == 0 || heard->message_len <= max);
	if (event->text) {
		fuzz_check(utf8_check(&heard->utf8, event->data, event->len) == event->len);
		fuzz_check(!event->last || utf8_complete(&heard->utf8));
	}
	if (event->last)
		fuzz_note(heard, "]", 1);
	heard->open = !event->last;
}

/* Hears one event. */
static void fuzz_hear(struct fuzz_heard *heard, const struct message_event *event, uint64_t max)
{
	if (event->kind == MESSAGE_NEED_MORE)
		return;
	fuzz_check(!heard->ended);
	if (event->kind == MESSAGE_DATA) {
		fuzz_hear_piece(heard, event, max);
		return;
	}
	uint8_t tag = (uint8_t)event->kind;
	fuzz_note(heard, &tag, 1);
	if (event->kind == MESSAGE_PING || event->kind == MESSAGE_PONG) {
		fuzz_check(event->len <= FRAME_CONTROL_MAX);
		fuzz_note(heard, event->data, event->len);
		return;
	}
	heard->ended = true;
	fuzz_note(heard, &event->code, sizeof(event->code));
	if (event->kind == MESSAGE_CLOSE)
		fuzz_note(heard, event->reason.ptr, event->reason.len);
	if (event->kind == MESSAGE_ERROR)
		fuzz_check(message_close_code_valid(event->code) && event->reason.len > 0);
	if (event->kind == MESSAGE_CLOSE && event->code != CLOSE_NO_STATUS) {
		/* What a peer may say, we may too. */
		uint8_t frame[2 + FRAME_CONTROL_MAX];
		size_t n = message_close_frame(frame, event->code, event->reason);
		fuzz_check(n == 4 + event->reason.len);
		fuzz_check(n == 4 || memcmp(frame + 4, event->reason.ptr, event->reason.len) == 0);
	}
}

/* What the input asks for. */
struct fuzz_options {
	uint64_t max;
	bool deflate, takeover, frames;
	size_t room; /* inflated at once, in one of the readings */
};

static struct fuzz_options fuzz_options(const uint8_t *data)
{
	struct fuzz_options options = { .max = data[0],
		.deflate = (data[1] & 1) != 0,
		.takeover = (data[1] & 2) != 0,
		.frames = (data[1] & 0x80) != 0,
		.room = 1 + (data[1] >> 2 & 0x1f) };
	if (data[0] & 0x80 || (data[0] == 0 && options.deflate)) /* a bomb byte by byte takes its time */
		options.max = options.deflate ? 5000 : UINT64_MAX;
	return options;
}

/* Reads a part of the wire; all of it is used. */
static void fuzz_read_part(struct message_reader *reader, struct fuzz_heard *heard, uint8_t *part, size_t n)
{
	struct message_event event;

	for (size_t used = 0;;) {
		used += message_read(reader, part + used, n - used, &event);
		fuzz_check(used <= n);
		fuzz_check(event.kind != MESSAGE_DATA || event.len <= n || event.len <= reader->out_len);
		fuzz_hear(heard, &event, reader->max_message);
		if (event.kind == MESSAGE_NEED_MORE) {
			fuzz_check(used == n);
			return;
		}
	}
}

/* Reads the wire cut by seed: 0 is whole, 1 byte by byte, others at random. */
static void fuzz_read(struct fuzz_heard *heard, const uint8_t *wire, size_t len,
	const struct fuzz_options *options, size_t room, uint32_t seed)
{
	struct message_reader reader;
	struct inflater inflater;
	uint8_t *out = malloc(room);
	size_t n;

	inflater_init(&inflater, 15, options->takeover);
	message_reader_init(&reader, options->max, options->deflate ? &inflater : NULL);
	reader.out = out;
	reader.out_len = room;
	for (size_t at = 0; at < len; at += n) {
		n = seed == 0 ? len : seed == 1 ? 1 : 1 + (seed >> 16) % 13;
		seed = seed > 1 ? seed * 1103515245 + 12345 : seed;
		n = n < len - at ? n : len - at;
		uint8_t *part = malloc(n);
		memcpy(part, wire + at, n);
		fuzz_read_part(&reader, heard, part, n);
		free(part);
	}
	inflater_done(&inflater);
	free(out);
}

/* Hears an event of the model. */
static void fuzz_model_hear(void *arg, const struct message_event *event)
{
	fuzz_hear(arg, event, 0);
}

/* Reads the wire once more, slowly; what is known of it must have been heard. */
static void fuzz_check_model(
	const struct fuzz_heard *heard, const uint8_t *wire, size_t len, const struct fuzz_options *options)
{
	static struct model model;
	struct fuzz_heard want = { 0 };

	model = (struct model){ .wire = wire,
		.len = len,
		.max = options->max,
		.deflate = options->deflate,
		.takeover = options->takeover,
		.hear = fuzz_model_hear,
		.arg = &want };
	bool all = model_read(&model);
	fuzz_check(all ? want.len == heard->len : want.len <= heard->len);
	fuzz_check(want.len == 0 || memcmp(want.log, heard->log, want.len) == 0);
	free(want.log);
}

/* Adds a masked frame. */
static size_t fuzz_frame(uint8_t *wire, uint8_t first, const uint8_t *data, size_t n)
{
	struct frame_header header = { .fin = first >> 7,
		.rsv = first >> 4 & 7,
		.opcode = first & 0xf,
		.masked = true,
		.key = { first, (uint8_t)n, 0x55, 0xaa },
		.len = n };
	size_t len = frame_encode(&header, wire);

	if (n > 0)
		memcpy(wire + len, data, n);
	frame_mask(wire + len, n, header.key, 0);
	return len + n;
}

/* Adds a message compressed, in one frame or two. */
static size_t fuzz_packed(
	struct packing *packing, uint8_t *wire, uint8_t first, const uint8_t *data, size_t n)
{
	uint8_t out[1024];
	size_t len = packing_pack(packing, data, n, out, sizeof(out));

	if (first >= 0x80)
		return fuzz_frame(wire, 0xc0 | (first & 0xf), out, len);
	size_t done = fuzz_frame(wire, 0x40 | (first & 0xf), out, len / 2);
	return done + fuzz_frame(wire + done, 0x80, out + len / 2, len - len / 2);
}

/* Makes masked frames of (first byte, length, payload); returns their length. */
static size_t fuzz_frames(const struct fuzz_options *options, uint8_t *wire, const uint8_t *data, size_t size)
{
	static struct packing packing;
	size_t len = 0;

	if (packing.out.state == NULL)
		packing_init(&packing);
	packing_begin(&packing);
	packing.on = packing.client_context = options->takeover;
	while (size >= 2) {
		size_t n = data[1] < size - 2 ? data[1] : size - 2;
		if ((data[0] & 0x70) == 0x70)
			len += fuzz_packed(&packing, wire + len, data[0], data + 2, n);
		else
			len += fuzz_frame(wire + len, data[0], data + 2, n);
		data += 2 + n;
		size -= 2 + n;
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	struct fuzz_options options = fuzz_options(data);
	uint32_t seeds[] = { 0, 1, 2u + data[2] * 16777619u };
	size_t rooms[] = { 65536, options.room, 16 + data[2] };
	struct fuzz_heard heard[3] = { 0 };
	uint8_t *wire = malloc(24 * size);
	size_t len = size - 3;

	if (options.frames)
		len = fuzz_frames(&options, wire, data + 3, len);
	else
		memcpy(wire, data + 3, len);
	for (size_t i = 0; i < 3; i++) {
		fuzz_read(&heard[i], wire, len, &options, rooms[i], seeds[i]);
		fuzz_check(heard[i].len == heard[0].len);
		fuzz_check(heard[0].len == 0 || memcmp(heard[i].log, heard[0].log, heard[0].len) == 0);
	}
	fuzz_check_model(&heard[0], wire, len, &options);
	for (size_t i = 0; i < 3; i++)
		free(heard[i].log);
	free(wire);
	return 0;
}
