/*
 * framing: how messages map to the bytes of a backend, both ways. Pure: pieces of messages in, bytes
 * out, and back; no sockets, no log. What must wait (half a message, half a line) waits here, within 64 KiB a
 * direction.
 */
#ifndef BACKEND_FRAMING_H
#define BACKEND_FRAMING_H

#include "base/piece.h"
#include "conf/config.h"
#include "ws/utf8.h"

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message up to this many bytes goes whole to the backend, a line up to this many whole to the client. */
enum { FRAMING_HOLD = 65536 };

enum framing_error {
	FRAMING_NO_MEMORY = -1,
	FRAMING_BAD_RECORD =
		-2, /* from the backend: an unknown type byte, or the type changed within a message */
};

/* Where results go. Each call may come several times; `data` is only there during the call. A negative return
 * stops and is returned. */
typedef int (*framing_bytes_fn)(
	void *arg, const uint8_t *data, size_t len);		       /* bytes for the backend, in order */
typedef int (*framing_piece_fn)(void *arg, const struct piece *piece); /* pieces for the client, in order */

/* One direction each; messages -> bytes and bytes -> messages. Opaque but for their size, so that they live
 * in the backend. */
struct framing_encoder {
	enum framing framing;
	bool spilled;	       /* this message is too long to be held; it goes out as it comes */
	struct evbuffer *held; /* of a message that is not whole yet; NULL when nothing waits */
};

struct framing_decoder {
	enum framing framing;
	bool in_message; /* a piece went out and it was not the last of its message */
	bool text;
	bool cr;	   /* lines: a "\r" was held back that may belong to "\r\n" */
	bool more_follows; /* records: the last type byte was T or B */
	bool streams;	   /* records: this one is too long to be held */
	uint8_t header[5]; /* records */
	uint8_t n_header;
	uint8_t carry[4]; /* the part of a character at the end of a chunk of text */
	uint8_t n_carry;
	uint32_t left;	       /* records: bytes of the record to come */
	struct evbuffer *held; /* of a line or record that is not whole yet; NULL when nothing waits */
};

void framing_encoder_init(struct framing_encoder *encoder, enum framing framing);
void framing_encoder_done(struct framing_encoder *encoder); /* frees what is held */
/* A piece from the client. Returns 0, a framing_error, or what the callback returned. */
int framing_encode(
	struct framing_encoder *encoder, const struct piece *piece, framing_bytes_fn out, void *arg);

void framing_decoder_init(struct framing_decoder *decoder, enum framing framing);
void framing_decoder_done(struct framing_decoder *decoder);
/*
 * Bytes from the backend. Text pieces that come out are valid UTF-8 (invalid parts replaced by U+FFFD) and
 * never split a character between two messages. Returns 0, a framing_error, or what the callback returned.
 */
int framing_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, framing_piece_fn out, void *arg);
/* The backend's end of file: a last line without newline, half a character. FRAMING_BAD_RECORD when it
 * ends within a record or a message. */
int framing_decode_end(struct framing_decoder *decoder, framing_piece_fn out, void *arg);

/* Bytes waiting in it from malloc, for the back-pressure. */
size_t framing_encoder_cost(const struct framing_encoder *encoder);
size_t framing_decoder_cost(const struct framing_decoder *decoder);

#endif
