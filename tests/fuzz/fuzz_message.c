/*
 * fuzz_message: a conversation tells the same however its bytes are cut: the same messages, control frames
 * and verdict. Input: limit, allowed RSV bits and whether what follows is raw bytes, or (first byte, length,
 * payload) of frames to be masked; a seed for the cuts.
 */
#include "ws/message.h"

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

/* Reads the wire cut by seed: 0 is whole, 1 byte by byte, others at random. */
static void fuzz_read(
	struct fuzz_heard *heard, const uint8_t *wire, size_t len, const uint8_t *opts, uint32_t seed)
{
	struct message_reader reader;
	struct message_event event;
	uint64_t max = opts[0] & 0x80 ? UINT64_MAX : opts[0];
	size_t n;

	message_reader_init(&reader, max, NULL);
	for (size_t at = 0; at < len; at += n) {
		n = seed == 0 ? len : seed == 1 ? 1 : 1 + (seed >> 16) % 13;
		seed = seed > 1 ? seed * 1103515245 + 12345 : seed;
		n = n < len - at ? n : len - at;
		uint8_t *part = malloc(n);
		memcpy(part, wire + at, n);
		for (size_t used = 0;;) {
			used += message_read(&reader, part + used, n - used, &event);
			fuzz_check(used <= n);
			fuzz_hear(heard, &event, max);
			if (event.kind == MESSAGE_NEED_MORE) {
				fuzz_check(used == n);
				break;
			}
		}
		free(part);
	}
}

/* Makes masked frames of (first byte, length, payload); returns their length. */
static size_t fuzz_frames(uint8_t *wire, const uint8_t *data, size_t size)
{
	size_t len = 0;

	while (size >= 2) {
		size_t n = data[1] < size - 2 ? data[1] : size - 2;
		struct frame_header header = { .fin = data[0] >> 7,
			.rsv = data[0] >> 4 & 7,
			.opcode = data[0] & 0xf,
			.masked = true,
			.key = { data[0], data[1], 0x55, 0xaa },
			.len = n };
		len += frame_encode(&header, wire + len);
		memcpy(wire + len, data + 2, n);
		frame_mask(wire + len, n, header.key, 0);
		len += n;
		data += 2 + n;
		size -= 2 + n;
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	uint32_t seeds[] = { 0, 1, 2u + data[2] * 16777619u };
	struct fuzz_heard heard[3] = { 0 };
	uint8_t *wire = malloc(8 * size);
	size_t len = size - 3;

	if ((data[1] & 0x80) != 0)
		len = fuzz_frames(wire, data + 3, size - 3);
	else
		memcpy(wire, data + 3, len);
	for (size_t i = 0; i < 3; i++) {
		fuzz_read(&heard[i], wire, len, data, seeds[i]);
		fuzz_check(heard[i].len == heard[0].len);
		fuzz_check(heard[0].len == 0 || memcmp(heard[i].log, heard[0].log, heard[0].len) == 0);
	}
	for (size_t i = 0; i < 3; i++)
		free(heard[i].log);
	free(wire);
	return 0;
}
