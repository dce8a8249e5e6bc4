/*
 * fuzz_framing: what a backend says means the same however its bytes are cut, and what lines and records
 * encode they decode to the same messages. Input: the framing, whether to begin next to the size from which
 * things stream, a seed for the cuts; then the bytes of a backend, and once more as messages.
 */
#include "backend/framing.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes that came out, and how. */
struct fuzz_log {
	uint8_t *bytes;
	size_t len, room;
	bool open, text;
	bool marks; /* note where messages begin and end */
	int rc;
};

/* Ends the run with a report when the property doesn't hold. */
static void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

/* Appends to a log. */
static void fuzz_note(struct fuzz_log *log, const void *bytes, size_t len)
{
	if (log->len + len + 1 > log->room) {
		log->room = 2 * (log->len + len) + 256;
		log->bytes = realloc(log->bytes, log->room);
		fuzz_check(log->bytes != NULL);
	}
	if (len > 0)
		memcpy(log->bytes + log->len, bytes, len);
	log->len += len;
}

/* Frees the log and begins anew. */
static void fuzz_forget(struct fuzz_log *log, bool marks)
{
	free(log->bytes);
	*log = (struct fuzz_log){ .marks = marks };
}

/* Says whether both logs hold the same. */
static bool fuzz_same(const struct fuzz_log *a, const struct fuzz_log *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* Takes a piece for the client. */
static int fuzz_piece(void *arg, const struct piece *piece)
{
	struct fuzz_log *log = arg;
	struct utf8 utf8 = { 0 };

	fuzz_check(piece->first == !log->open);
	fuzz_check(piece->len > 0 || piece->last);
	fuzz_check(piece->first || piece->text == log->text);
	if (piece->text)
		fuzz_check(utf8_check(&utf8, piece->data, piece->len) == piece->len && utf8_complete(&utf8));
	if (piece->first && log->marks)
		fuzz_note(log, piece->text ? "t[" : "b[", 2);
	fuzz_note(log, piece->data, piece->len);
	if (piece->last && log->marks)
		fuzz_note(log, "]", 1);
	if (piece->len > 0)
		memset(piece->data, '#', piece->len);
	log->open = !piece->last;
	log->text = piece->text;
	return 0;
}

/* Takes bytes for the backend. */
static int fuzz_bytes(void *arg, const uint8_t *data, size_t len)
{
	fuzz_check(len > 0);
	fuzz_note(arg, data, len);
	return 0;
}

/* Returns the size of the next part: seed 0 is whole, 1 byte by byte, others at random. All but whole reach
 * the size from which things stream in one leap. */
static size_t fuzz_cut(uint32_t *seed, size_t at, size_t left)
{
	size_t n = *seed == 0 ? left : *seed == 1 ? 1 : 1 + (*seed >> 16) % 13;

	if (*seed != 0 && at == 0 && left > FRAMING_HOLD / 2)
		n = FRAMING_HOLD - 16 + *seed % 32;
	if (*seed > 1)
		*seed = *seed * 1103515245 + 12345;
	return n < left ? n : left;
}

/* Decodes bytes, cut by the seed. */
static void fuzz_decode(
	struct fuzz_log *log, enum framing framing, const uint8_t *bytes, size_t len, uint32_t seed)
{
	struct framing_decoder decoder;
	size_t n;

	framing_decoder_init(&decoder, framing);
	for (size_t at = 0; at < len && log->rc == 0; at += n) {
		n = fuzz_cut(&seed, at, len - at);
		uint8_t *part = malloc(n);
		memcpy(part, bytes + at, n);
		log->rc = framing_decode(&decoder, part, n, fuzz_piece, log);
		free(part);
		fuzz_check(framing_decoder_cost(&decoder) <= 2 * FRAMING_HOLD);
	}
	if (log->rc == 0)
		log->rc = framing_decode_end(&decoder, fuzz_piece, log);
	fuzz_check(log->rc != 0 || !log->open);
	framing_decoder_done(&decoder);
}

/* Decodes a backend's bytes in three ways and against what can be said without a decoder. */
static void fuzz_backend(enum framing framing, const uint8_t *bytes, size_t len, uint32_t seed)
{
	uint32_t seeds[] = { 0, 1, seed };
	bool marks = framing == FRAMING_LINES || framing == FRAMING_RECORDS;
	struct fuzz_log first = { .marks = marks }, log = { .marks = marks };
	struct evbuffer *clean = evbuffer_new();

	fuzz_decode(&first, framing, bytes, len, 0);
	for (size_t i = 1; i < 3; i++) {
		fuzz_decode(&log, framing, bytes, len, seeds[i]);
		fuzz_check(log.rc == first.rc && fuzz_same(&log, &first));
		fuzz_forget(&log, marks);
	}
	if (framing == FRAMING_STREAM)
		fuzz_check(first.len == len && (len == 0 || memcmp(first.bytes, bytes, len) == 0));
	if (framing == FRAMING_TEXT_STREAM) {
		utf8_replace(clean, bytes, len);
		fuzz_check(evbuffer_get_length(clean) == first.len);
		fuzz_check(first.len == 0 || memcmp(evbuffer_pullup(clean, -1), first.bytes, first.len) == 0);
	}
	fuzz_check(
		framing == FRAMING_RECORDS ? first.rc == 0 || first.rc == FRAMING_BAD_RECORD : first.rc == 0);
	fuzz_forget(&first, false);
	evbuffer_free(clean);
}

/* Encodes one message, cut by the seed. */
static void fuzz_encode(struct framing_encoder *encoder, struct fuzz_log *out, const uint8_t *message,
	size_t len, bool text, uint32_t seed)
{
	size_t at = 0, n;

	do {
		n = len > at ? fuzz_cut(&seed, at, len - at) : 0;
		uint8_t *part = malloc(n + !n);
		memcpy(part, message + at, n);
		struct piece piece = { part, n, text, at == 0, at + n == len };
		fuzz_check(framing_encode(encoder, &piece, fuzz_bytes, out) == 0);
		fuzz_check(framing_encoder_cost(encoder) <= 2 * FRAMING_HOLD);
		free(part);
		at += n;
	} while (at < len);
}

/* Makes messages of the bytes, cut at each 'M', and sends them there and back. */
static void fuzz_echo(enum framing framing, uint8_t *bytes, size_t len, uint32_t seed)
{
	struct fuzz_log there = { 0 }, back = { .marks = true }, want = { .marks = true };
	struct framing_encoder encoder;
	bool lines = framing == FRAMING_LINES, text = true;

	framing_encoder_init(&encoder, framing);
	for (size_t i = 0; lines && i < len; i++)
		bytes[i] = bytes[i] == '\n' || bytes[i] == '\r' ? ' ' : bytes[i];
	while (len > 0) {
		struct evbuffer *clean = evbuffer_new();
		const uint8_t *mark = memchr(bytes, 'M', len);
		size_t n = mark != NULL ? (size_t)(mark - bytes) : len;

		if (text)
			utf8_replace(clean, bytes, n);
		else if (lines)
			memset(bytes, 'b', n);
		const uint8_t *message = text ? evbuffer_pullup(clean, -1) : bytes;
		size_t message_len = text ? evbuffer_get_length(clean) : n;
		message = message != NULL ? message : bytes;
		fuzz_encode(&encoder, &there, message, message_len, text, seed);
		fuzz_note(&want, text || lines ? "t[" : "b[", 2);
		fuzz_note(&want, message, message_len);
		fuzz_note(&want, "]", 1);
		evbuffer_free(clean);
		n += mark != NULL;
		bytes += n;
		len -= n;
		text = !text;
	}
	fuzz_check(framing_encoder_cost(&encoder) == 0);
	framing_encoder_done(&encoder);
	fuzz_decode(&back, framing, there.bytes, there.len, seed / 3);
	fuzz_check(back.rc == 0 && fuzz_same(&back, &want));
	fuzz_forget(&there, false);
	fuzz_forget(&back, false);
	fuzz_forget(&want, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum framing framings[] = { FRAMING_LINES, FRAMING_STREAM, FRAMING_TEXT_STREAM,
		FRAMING_RECORDS };
	static const uint8_t long_record[5] = { 'T', 0, 1, 0, 0 };

	if (size < 3)
		return 0;
	enum framing framing = framings[data[0] % 4];
	size_t fill = data[1] >= 0xf0 ? FRAMING_HOLD - 8 + data[1] % 16 : 0, len = fill + size - 3;
	uint32_t seed = 2 + data[2] * 16777619u;
	uint8_t *bytes = malloc(len + 1);

	memset(bytes, 'a', fill);
	if (fill > 0 && framing == FRAMING_RECORDS)
		memcpy(bytes, long_record, sizeof(long_record));
	memcpy(bytes + fill, data + 3, size - 3);
	fuzz_backend(framing, bytes, len, seed);
	if (framing == FRAMING_LINES || framing == FRAMING_RECORDS)
		fuzz_echo(framing, bytes, len, seed);
	free(bytes);
	return 0;
}
