/*
 * deflated: what the tests of inflater and deflater share: bytes that grow, zlib in one call, DEFLATE blocks
 * bit by bit (RFC 1951), and data that compresses well or not at all.
 */
#ifndef TESTS_UNIT_DEFLATED_H
#define TESTS_UNIT_DEFLATED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct bytes {
	uint8_t *data;
	size_t len, room;
};

/* Appends, also a part of itself; NULL is len zeros. */
static inline void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
	uint8_t *old = bytes->data, *now = old;

	if (old == NULL || bytes->len + len > bytes->room) {
		bytes->room = 2 * (bytes->len + len) + 16;
		now = malloc(bytes->room);
		if (bytes->len > 0)
			memcpy(now, old, bytes->len);
	}
	if (len > 0 && data != NULL)
		memcpy(now + bytes->len, data, len);
	else if (len > 0)
		memset(now + bytes->len, 0, len);
	if (now != old)
		free(old);
	bytes->data = now;
	bytes->len += len;
}

static inline void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){ 0 };
}

/* Bytes without any order, the same in every run. */
static inline struct bytes bytes_noise(size_t len, uint64_t seed)
{
	struct bytes bytes = { 0 };

	bytes_add(&bytes, NULL, len);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		bytes.data[i] = (uint8_t)(seed >> 56);
	}
	return bytes;
}

/* Something like text: words in no order. */
static inline struct bytes bytes_text(size_t len)
{
	static const char *const words[] = { "the ", "gateway ", "of ", "sessions ", "keeps ", "no ",
		"message, ", "\xc3\xbcs ", "and ", "window.\n" };
	struct bytes noise = bytes_noise(len, 4), bytes = { 0 };

	for (size_t i = 0; bytes.len < len; i++) {
		const char *word = words[noise.data[i] % 10];
		size_t n = strlen(word);
		bytes_add(&bytes, word, n < len - bytes.len ? n : len - bytes.len);
	}
	bytes_free(&noise);
	return bytes;
}

/* zlib in one call, ended by that flush; after the `before` bytes of a dictionary. */
static inline struct bytes zlib_deflate(
	const void *data, size_t len, int level, int bits, int flush, const struct bytes *before)
{
	z_stream stream = { 0 };
	struct bytes out = { 0 };

	deflateInit2(&stream, level, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY);
	if (before != NULL)
		deflateSetDictionary(&stream, before->data, (uInt)before->len);
	bytes_add(&out, NULL, deflateBound(&stream, (uLong)len) + 64);
	stream.next_in = (z_const Bytef *)data;
	stream.avail_in = (uInt)len;
	stream.next_out = out.data;
	stream.avail_out = (uInt)out.len;
	deflate(&stream, flush);
	out.len = stream.total_out;
	deflateEnd(&stream);
	return out;
}

/* Payload of a compressed message as RFC 7692 7.2.1 has it. */
static inline struct bytes zlib_payload(const void *data, size_t len, int level, int bits)
{
	struct bytes out = zlib_deflate(data, len, level, bits, Z_SYNC_FLUSH, NULL);

	out.len -= 4;
	return out;
}

/* What zlib makes of data in one call for each block stream in it, appended to `out`, up to `max` bytes.
 * False when the data is bad or ends within a block; `fresh`: it ends with a block stream. */
static inline bool zlib_inflate(const uint8_t *data, size_t len, struct bytes *out, size_t max, bool *fresh)
{
	size_t before = out->len;
	int status = Z_STREAM_END, at = 0;
	uint8_t *room = malloc(max);

	*fresh = true;
	while (len > 0 && status == Z_STREAM_END) {
		z_stream stream = { 0 };
		size_t back = out->len < 32768 ? out->len : 32768;
		inflateInit2(&stream, -15);
		if (back > 0)
			inflateSetDictionary(&stream, out->data + out->len - back, (uInt)back);
		stream.next_in = (z_const Bytef *)data;
		stream.avail_in = (uInt)len;
		stream.next_out = room;
		stream.avail_out = (uInt)(max - (out->len - before));
		status = inflate(&stream, Z_SYNC_FLUSH);
		bytes_add(out, room, stream.total_out);
		data += len - stream.avail_in;
		len = stream.avail_in;
		at = stream.data_type;
		*fresh = status == Z_STREAM_END;
		inflateEnd(&stream);
	}
	free(room);
	return len == 0 && (*fresh || ((status == Z_OK || status == Z_BUF_ERROR) && at == 128));
}

/*
 * What a message is, with and without the tail; `out` is empty, or the window of the messages before, which
 * stays in front of the message. Returns whether it is good: it then has room for max bytes.
 */
static inline bool zlib_message(const struct bytes *payload, struct bytes *out, size_t max)
{
	struct bytes whole = { 0 }, text = { 0 };
	bool fresh, good;

	bytes_add(&whole, payload->data, payload->len);
	bytes_add(&whole, "\x00\x00\xff\xff", 4);
	bytes_add(&text, out->data, out->len);
	good = zlib_inflate(whole.data, whole.len, &text, max, &fresh);
	zlib_inflate(payload->data, payload->len, out, max, &fresh);
	good = fresh || (good && text.len == out->len);
	bytes_free(&whole);
	bytes_free(&text);
	return good;
}

/* DEFLATE bit by bit. */
struct bits {
	uint8_t data[64];
	size_t n;
};

/* A number: its lowest bit first (RFC 1951 3.1.1). */
static inline void bits_put(struct bits *bits, unsigned value, unsigned n)
{
	for (unsigned i = 0; i < n; i++, bits->n++)
		bits->data[bits->n / 8] |= (uint8_t)((value >> i & 1) << bits->n % 8);
}

/* A Huffman code: its highest bit first. */
static inline void bits_code(struct bits *bits, unsigned code, unsigned n)
{
	while (n-- > 0)
		bits_put(bits, code >> n & 1, 1);
}

/* A literal with the fixed codes (3.2.6), of those below 144. */
static inline void bits_literal(struct bits *bits, uint8_t byte)
{
	bits_code(bits, 0x30u + byte, 8);
}

/* Three bytes from `distance` back, with the fixed codes. */
static inline void bits_match(struct bits *bits, unsigned distance)
{
	unsigned code = 0, base = 1, extra = 0;

	while (distance >= base + (1u << extra)) {
		base += 1u << extra;
		code++;
		extra = code < 4 ? 0 : code / 2 - 1;
	}
	bits_code(bits, 1, 7); /* 257 */
	bits_code(bits, code, 5);
	bits_put(bits, distance - base, extra);
}

/* Begins a block with fixed codes; 7 bits of 0 end it. */
static inline void bits_begin(struct bits *bits, bool final)
{
	bits_put(bits, final, 1);
	bits_put(bits, 1, 2);
}

/* Ends the block and the message: the header of an empty block without compression. */
static inline void bits_end(struct bits *bits)
{
	bits_code(bits, 0, 7);
	bits_put(bits, 0, 3);
	bits->n = (bits->n + 7) / 8 * 8;
}

#endif
