/*
 * framing: how messages map to the bytes of a backend, both ways. Pure: pieces of messages in, bytes
 * out, and back; no sockets, no log. What must wait (half a message, half a line) waits here, within 64 KiB a
 * direction; but a message whose length goes before it waits until it is whole, within FRAMING_WHOLE.
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

enum {
	/* A message up to this many bytes goes whole to the backend, a line or record up to this many whole
	 * to the client. */
	FRAMING_HOLD = 65536,
	/* Where its length goes before it, a message to the backend has to be held until it is whole. */
	FRAMING_WHOLE = 16 << 20
};

enum framing_error {
	FRAMING_NO_MEMORY = -1,
	FRAMING_NEWLINE = -2,	 /* from the client, where newlines are rejected */
	FRAMING_BAD_RECORD = -3, /* from the backend: what stands around a payload is wrong */
	FRAMING_CUT_RECORD = -4, /* ... it ended within a record or a message */
	FRAMING_BAD_UTF8 = -5,	 /* ... text is not UTF-8, where that closes */
	FRAMING_NOT_BASE64 = -6	 /* from the client, where messages are base64 */
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
struct framing_row;

struct framing_encoder {
	const struct framing_row *row;
	struct framing_rules rules;
	bool spilled;	   /* this message is too long to be held; it goes out as it comes */
	bool padded;	   /* base64: the message has come to its end */
	uint8_t n_quantum; /* ... characters of it that wait for a fourth */
	uint8_t quantum[4];
	struct evbuffer *held; /* of a message that is not whole yet; NULL when nothing waits */
};

struct framing_decoder {
	const struct framing_row *row;
	struct framing_rules rules;
	bool in_message; /* a piece went out and it was not the last of its message */
	bool text;	 /* the type of the messages; of records, of this one */
	bool as_binary;	 /* ... but this one of text began with what is no text */
	bool cr;	 /* lines: a "\r" was held back that may belong to "\r\n" */
	/* Where a length stands before the payload (a record, here): */
	bool more_follows; /* the message goes on in the next record */
	bool in_payload;   /* the length is known */
	bool streams;	   /* this one is too long to be held */
	uint8_t head[8];   /* what came of the bytes before it */
	uint8_t n_head;
	uint64_t left; /* bytes of the payload to come */
	/* Of text and of anything: */
	uint8_t carry[4]; /* the part of a character at the end of a chunk */
	uint8_t n_carry;
	struct evbuffer *held; /* of a line or record that is not whole yet; NULL when nothing waits */
};

void framing_encoder_init(struct framing_encoder *encoder, const struct framing_rules *rules);
void framing_encoder_done(struct framing_encoder *encoder); /* frees what is held */
/* A piece from the client, of a message within framing_max_message(). Returns 0, a framing_error, or what the
 * callback returned. After FRAMING_NEWLINE nothing of that message goes out, after FRAMING_NOT_BASE64 nothing
 * of what is broken; nothing more may come. What the piece holds may be spoilt. */
int framing_encode(
	struct framing_encoder *encoder, const struct piece *piece, framing_bytes_fn out, void *arg);

void framing_decoder_init(struct framing_decoder *decoder, const struct framing_rules *rules);
void framing_decoder_done(struct framing_decoder *decoder);
/*
 * Bytes from the backend. Text pieces that come out are valid UTF-8 and never split a character between two
 * messages; what is invalid is dealt with as the rules say (replaced by U+FFFD, the message made binary, or
 * FRAMING_BAD_UTF8 after all that came before it). Returns 0, a framing_error, or what the callback returned.
 */
int framing_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, framing_piece_fn out, void *arg);
/* The backend's end of file: a last line without newline, half a character. FRAMING_CUT_RECORD when it
 * ends within a record or a message. */
int framing_decode_end(struct framing_decoder *decoder, framing_piece_fn out, void *arg);

#endif
