/*
 * wsclient: a client's half of RFC 6455 for tests: the request, masked frames out, unmasked frames in.
 *
 * Written apart from src/ws on purpose, so that a mistake there can't hide behind the same mistake here. It
 * is strict about what a server may send. No sockets, no allocation.
 */
#ifndef TESTS_BENCH_WSCLIENT_H
#define TESTS_BENCH_WSCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
enum { WS_HEADER_MAX = 14, WS_CONTROL_MAX = 125 };

enum wsclient_event { WSCLIENT_MORE, WSCLIENT_DATA, WSCLIENT_CONTROL, WSCLIENT_BAD };

/* What is known of the frame that is being read. */
struct wsclient {
	uint8_t header[10];
	unsigned n_header;
	uint64_t left;	      /* payload bytes of this frame still to come */
	uint64_t message_len; /* of the current message so far */
	bool in_frame, in_message;
	uint8_t control[WS_CONTROL_MAX];
	unsigned n_control;
	/* with WSCLIENT_DATA: */
	const uint8_t *data;
	size_t data_len;
	bool message_end;
	uint8_t type; /* of the message, WS_TEXT or WS_BINARY */
	/* with WSCLIENT_CONTROL: n_control bytes in control, and this */
	uint8_t opcode;
};

/* The key of RFC 6455 section 1.3 and the answer that it must get. */
#define WSCLIENT_KEY	"dGhlIHNhbXBsZSBub25jZQ=="
#define WSCLIENT_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Writes the opening request; returns its length. */
static inline size_t wsclient_request(char *out, size_t len, const char *host, const char *path)
{
	return (size_t)snprintf(out, len,
		"GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: " WSCLIENT_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
		path, host);
}

/* The length of a complete 101 answer, 0 when more is needed, -1 when it is anything else. */
static inline int wsclient_answer(const char *head, size_t len)
{
	static const char status[] = "HTTP/1.1 101 ";
	const char *end = memmem(head, len, "\r\n\r\n", 4);
	size_t n = len < sizeof(status) - 1 ? len : sizeof(status) - 1;
	if (memcmp(head, status, n) != 0)
		return -1;
	if (end == NULL)
		return 0;
	size_t head_len = (size_t)(end - head) + 4;
	return memmem(head, head_len, WSCLIENT_ACCEPT "\r\n", sizeof(WSCLIENT_ACCEPT) + 1) != NULL
		       ? (int)head_len
		       : -1;
}

/* Writes the header of a masked, final frame; returns its length. */
static inline size_t wsclient_header(
	uint8_t out[static WS_HEADER_MAX], uint8_t opcode, size_t len, uint32_t key)
{
	size_t n = 2;
	out[0] = (uint8_t)(0x80 | opcode);
	if (len < 126) {
		out[1] = (uint8_t)(0x80 | len);
	} else {
		int bytes = len < 65536 ? 2 : 8;
		out[1] = len < 65536 ? 0x80 | 126 : 0x80 | 127;
		for (int i = bytes - 1; i >= 0; i--)
			out[n++] = (uint8_t)((uint64_t)len >> (8 * i));
	}
	memcpy(out + n, &key, 4);
	return n + 4;
}

/* Copies a payload and masks it; four words at a time, which compilers make wide ones of. */
static inline void wsclient_mask(uint8_t *out, const void *data, size_t len, uint32_t key)
{
	uint64_t wide = (uint64_t)key << 32 | key, words[4];
	const uint8_t *in = data;
	size_t i = 0;
	for (; i + 32 <= len; i += 32) {
		memcpy(words, in + i, 32);
		for (int k = 0; k < 4; k++)
			words[k] ^= wide;
		memcpy(out + i, words, 32);
	}
	for (; i < len; i++)
		out[i] = in[i] ^ ((const uint8_t *)&wide)[i % 8];
}

/* Header bytes that the frame has, as far as known. */
static inline unsigned wsclient_header_need(const struct wsclient *ws)
{
	if (ws->n_header < 2)
		return 2;
	unsigned len = ws->header[1] & 0x7f;
	return len == 126 ? 4 : len == 127 ? 10 : 2;
}

/* Judges a complete header. */
static inline bool wsclient_begin_frame(struct wsclient *ws)
{
	uint8_t first = ws->header[0], opcode = first & 0x0f;
	uint64_t len = ws->header[1];
	unsigned need = wsclient_header_need(ws);
	if (need > 2) {
		len = 0;
		for (unsigned i = 2; i < need; i++)
			len = len << 8 | ws->header[i];
		if (len < 126 || (need == 10 && (len < 65536 || len >> 63 != 0)))
			return false;
	}
	if ((first & 0x70) != 0 || (ws->header[1] & 0x80) != 0)
		return false;
	ws->opcode = opcode, ws->left = len, ws->in_frame = true, ws->n_header = 0;
	if (opcode >= WS_CLOSE) {
		ws->n_control = 0;
		return opcode <= WS_PONG && (first & 0x80) != 0 && len <= WS_CONTROL_MAX;
	}
	if (opcode > WS_BINARY || (opcode == WS_CONTINUATION) != ws->in_message)
		return false;
	if (opcode != WS_CONTINUATION)
		ws->type = opcode, ws->message_len = 0;
	ws->in_message = true;
	ws->message_end = (first & 0x80) != 0;
	return true;
}

/* Takes part of a payload; says what came of it. */
static inline enum wsclient_event wsclient_payload(struct wsclient *ws, const uint8_t *at, size_t part)
{
	ws->left -= part;
	if (ws->opcode >= WS_CLOSE) {
		memcpy(ws->control + ws->n_control, at, part);
		ws->n_control += (unsigned)part;
		ws->in_frame = ws->left > 0;
		return ws->in_frame ? WSCLIENT_MORE : WSCLIENT_CONTROL;
	}
	ws->data = at, ws->data_len = part, ws->message_len += part;
	ws->in_frame = ws->left > 0;
	if (ws->in_frame)
		return WSCLIENT_DATA;
	ws->in_message = !ws->message_end;
	return WSCLIENT_DATA;
}

/* Whether a WSCLIENT_DATA was the last of its message. */
static inline bool wsclient_message_done(const struct wsclient *ws)
{
	return !ws->in_frame && !ws->in_message;
}

/* Reads from *at up to `end`, moves *at, and says what it found; call until it says WSCLIENT_MORE. */
static inline enum wsclient_event wsclient_read(struct wsclient *ws, const uint8_t **at, const uint8_t *end)
{
	for (;;) {
		while (!ws->in_frame) {
			if (ws->n_header >= 2 && ws->n_header == wsclient_header_need(ws)) {
				if (!wsclient_begin_frame(ws))
					return WSCLIENT_BAD;
				break;
			}
			if (*at == end)
				return WSCLIENT_MORE;
			ws->header[ws->n_header++] = *(*at)++;
		}
		size_t part = (size_t)(end - *at);
		if (part > ws->left)
			part = (size_t)ws->left;
		if (part == 0 && ws->left > 0)
			return WSCLIENT_MORE;
		const uint8_t *data = *at;
		*at += part;
		enum wsclient_event event = wsclient_payload(ws, data, part);
		if (event != WSCLIENT_MORE)
			return event;
	}
}

#endif
