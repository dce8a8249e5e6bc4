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
	FRAMING_NEWLINE = -2,	 /* from the client, where newlines are rejected */
	FRAMING_BAD_RECORD = -3, /* from the backend: what stands around a payload is wrong */
	FRAMING_CUT_RECORD = -4, /* ... it ended within a record or a message */
	FRAMING_BAD_UTF8 = -5	 /* ... text is not UTF-8, where that closes */
};

/* How a session's messages become bytes and bytes become messages: that part of its route. */
struct framing_rules {
	enum framing framing; /* never FRAMING_UNSET */
	enum messages messages;
	enum newlines newlines;
	enum invalid_utf8 invalid_utf8;
};

/* The rules of a route. framing: that of the chosen subprotocol; FRAMING_UNSET: the route's. */
struct framing_rules framing_rules_of(const struct route_conf *route, enum framing framing);

/* The longest message from the client that can be encoded, in bytes; 0 is no limit. What is longer must be
 * refused before it comes here. */
uint64_t framing_max_message(const struct framing_rules *rules);

/* What was wrong, in words for the log and the close frame. */
const char *framing_reason(const struct framing_rules *rules, int error);

/* Where results go. Each call may come several times; `data` is only there during the call. A negative return
 * stops and is returned. */
typedef int (*framing_bytes_fn)(
	void *arg, const uint8_t *data, size_t len);		       /* bytes for the backend, in order */
typedef int (*framing_piece_fn)(void *arg, const struct piece *piece); /* pieces for the client, in order */

/* One direction each; messages -> bytes and bytes -> messages. Opaque but for their size, so that they live
 * in the backend. */
struct framing_encoder {
	struct framing_rules rules;
	bool spilled;	       /* this message is too long to be held; it goes out as it comes */
	struct evbuffer *held; /* of a message that is not whole yet; NULL when nothing waits */
};

struct framing_decoder {
	struct framing_rules rules;
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

void framing_encoder_init(struct framing_encoder *encoder, const struct framing_rules *rules);
void framing_encoder_done(struct framing_encoder *encoder); /* frees what is held */
/* A piece from the client. Returns 0, a framing_error, or what the callback returned. */
int framing_encode(
	struct framing_encoder *encoder, const struct piece *piece, framing_bytes_fn out, void *arg);

void framing_decoder_init(struct framing_decoder *decoder, const struct framing_rules *rules);
void framing_decoder_done(struct framing_decoder *decoder);
/*
 * Bytes from the backend. Text pieces that come out are valid UTF-8 (invalid parts replaced by U+FFFD) and
 * never split a character between two messages. Returns 0, a framing_error, or what the callback returned.
 */
int framing_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, framing_piece_fn out, void *arg);
/* The backend's end of file: a last line without newline, half a character. FRAMING_CUT_RECORD when it
 * ends within a record or a message. */
int framing_decode_end(struct framing_decoder *decoder, framing_piece_fn out, void *arg);

/* Bytes waiting in it from malloc, for the back-pressure. */
size_t framing_encoder_cost(const struct framing_encoder *encoder);
size_t framing_decoder_cost(const struct framing_decoder *decoder);

#endif
