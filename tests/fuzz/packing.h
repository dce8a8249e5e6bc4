/*
 * packing: a client's half of permessage-deflate (RFC 7692), by zlib itself: what was agreed is read from the
 * 101, messages are compressed, and what is heard is inflated. One program includes it once.
 */
#ifndef TESTS_FUZZ_PACKING_H
#define TESTS_FUZZ_PACKING_H

#include "base/must.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct packing {
	bool on;			     /* agreed */
	bool client_context, server_context; /* may be taken over */
	z_stream out, in;
};

/* Nothing is agreed. */
static inline void packing_begin(struct packing *packing)
{
	packing->on = false;
	must(deflateReset(&packing->out) == Z_OK && inflateReset(&packing->in) == Z_OK);
}

/* Reads what the gateway agreed to, a string; windows of 9 bits, which are sent here, are always allowed. */
static inline void packing_agree(struct packing *packing, const char *head)
{
	const char *field = strstr(head, "\r\nSec-WebSocket-Extensions: permessage-deflate");

	if (field == NULL || packing->on)
		return;
	packing->on = true;
	packing->client_context = strstr(field, "client_no_context_takeover") == NULL;
	packing->server_context = strstr(field, "server_no_context_takeover") == NULL;
}

/* Compresses a message without its tail (7.2.1). Returns its length. */
static inline size_t packing_pack(
	struct packing *packing, const uint8_t *data, size_t len, uint8_t *out, size_t room)
{
	z_stream *stream = &packing->out;

	if (!packing->on || !packing->client_context)
		must(deflateReset(stream) == Z_OK);
	stream->next_in = (z_const Bytef *)data;
	stream->avail_in = (uInt)len;
	stream->next_out = out;
	stream->avail_out = (uInt)room;
	int status = deflate(stream, Z_SYNC_FLUSH);
	size_t n = room - stream->avail_out;
	must(status == Z_OK || (status == Z_BUF_ERROR && n == 0));
	must(stream->avail_in == 0 && stream->avail_out > 0);
	if (n == 0) /* nothing, behind nothing */
		out[n++] = 0;
	else
		n -= 4;
	return n;
}

/* Inflates payload of a message, as much as is there, through `take`; `last`: the message ends (7.2.2). */
static inline void packing_unpack(struct packing *packing, const uint8_t *data, size_t len, bool last,
	void (*take)(void *arg, uint8_t *data, size_t len), void *arg)
{
	static const uint8_t tail[4] = { 0, 0, 0xff, 0xff };
	static uint8_t out[4096];
	z_stream *stream = &packing->in;

	for (int part = 0; part < (last ? 2 : 1); part++) {
		stream->next_in = (z_const Bytef *)(part == 0 ? data : tail);
		stream->avail_in = part == 0 ? (uInt)len : sizeof(tail);
		do {
			stream->next_out = out;
			stream->avail_out = sizeof(out);
			int status = inflate(stream, Z_SYNC_FLUSH);
			must(status == Z_OK || status == Z_BUF_ERROR);
			if (stream->avail_out < sizeof(out))
				take(arg, out, sizeof(out) - stream->avail_out);
		} while (stream->avail_out == 0);
		must(stream->avail_in == 0);
	}
	if (last && !packing->server_context)
		must(inflateReset(stream) == Z_OK);
}

static inline void packing_ignore(void *arg, uint8_t *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
}

/* Makes zlib's states once, with all that they will ever hold. */
static inline void packing_init(struct packing *packing)
{
	static const uint8_t word[] = "once";
	uint8_t out[64];

	must(deflateInit2(&packing->out, 6, Z_DEFLATED, -9, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	must(inflateInit2(&packing->in, -15) == Z_OK);
	size_t n = packing_pack(packing, word, sizeof(word), out, sizeof(out));
	packing_unpack(packing, out, n, false, packing_ignore, NULL);
}

#endif
