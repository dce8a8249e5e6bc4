/*
 * framing_internal: what the framings share with each other and with nobody else: a row for each framing,
 * where results go, what waits, payloads with their length before them, and text that must come out valid.
 */
#ifndef BACKEND_FRAMING_INTERNAL_H
#define BACKEND_FRAMING_INTERNAL_H

#include "backend/framing.h"

/* Where bytes for the backend go. */
struct framing_bytes_sink {
	framing_bytes_fn out;
	void *arg;
};

/* Where pieces for the client go. */
struct framing_piece_sink {
	framing_piece_fn out;
	void *arg;
};

/* Each returns 0, a framing_error, or what the sink returned. */
typedef int (*framing_encode_fn)(
	struct framing_encoder *encoder, const struct piece *piece, const struct framing_bytes_sink *sink);
typedef int (*framing_decode_fn)(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink);
typedef int (*framing_end_fn)(struct framing_decoder *decoder, const struct framing_piece_sink *sink);

/* Takes bytes of what stands before a payload. Returns how many, all unless it called
 * framing_counted_begin(), or FRAMING_BAD_RECORD. */
typedef int (*framing_take_head_fn)(struct framing_decoder *decoder, const uint8_t *data, size_t len);

/* Writes what stands before a payload of len bytes. Returns how many bytes that is. */
enum { FRAMING_HEAD_MAX = 24 };
typedef size_t (*framing_make_head_fn)(
	const struct framing_row *row, size_t len, uint8_t head[static FRAMING_HEAD_MAX]);

struct framing_ops {
	framing_encode_fn encode;
	framing_decode_fn decode;
	framing_end_fn end;
	framing_take_head_fn take_head; /* for framing_counted_decode() */
	framing_make_head_fn make_head; /* for framing_counted_encode() */
};

extern const struct framing_ops framing_stream_ops;    /* framing_stream.c */
extern const struct framing_ops framing_lines_ops;     /* framing_lines.c */
extern const struct framing_ops framing_records_ops;   /* framing_records.c */
extern const struct framing_ops framing_length_ops;    /* framing_length.c */
extern const struct framing_ops framing_netstring_ops; /* framing_netstring.c */
extern const struct framing_ops framing_base64_ops;    /* framing_base64.c */

/* A framing: how it works, and by what it differs from others that work in the same way. */
struct framing_row {
	const struct framing_ops *ops;
	bool text;	      /* what it decodes is text, unless messages or a record say otherwise */
	uint8_t delimiter;    /* of lines and nul */
	uint8_t n_length;     /* of length8 to length64: bytes of the length */
	bool little;	      /* ... the lowest first */
	uint32_t max_message; /* bytes that can be encoded; 0 is no limit */
};

/* How a part of a message relates to what follows it. */
enum framing_until {
	FRAMING_PART,	     /* the message goes on */
	FRAMING_MESSAGE_END, /* the message ends but the text goes on in the next: half a character waits for
				it */
	FRAMING_TEXT_END     /* both end: half a character is an invalid one. Always comes out, if empty */
};

/* framing.c: hands over bytes for the backend; nothing when len is 0. */
int framing_put_bytes(const struct framing_bytes_sink *sink, const uint8_t *data, size_t len);

/* framing.c: passes on a part of a message: text made valid, binary as it is. */
int framing_put_part(struct framing_decoder *decoder, uint8_t *data, size_t len, enum framing_until until,
	const struct framing_piece_sink *sink);

/* framing.c: hands over a piece of the message that is open or begins, as it is. */
int framing_put_piece(struct framing_decoder *decoder, uint8_t *data, size_t len, bool last,
	const struct framing_piece_sink *sink);

/* framing_text.c: passes on a part of a message of text, made valid. */
int framing_text_put(struct framing_decoder *decoder, uint8_t *data, size_t len, enum framing_until until,
	const struct framing_piece_sink *sink);

/* framing_counted.c: a payload of so many bytes follows. */
void framing_counted_begin(struct framing_decoder *decoder, uint64_t len);

/* framing_counted.c: cuts a chunk into heads and payloads; its end; the encoder that holds a message until
 * its length is known. */
int framing_counted_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink);
int framing_counted_end(struct framing_decoder *decoder, const struct framing_piece_sink *sink);
int framing_counted_encode(
	struct framing_encoder *encoder, const struct piece *piece, const struct framing_bytes_sink *sink);

/* framing_hold.c: what waits; the buffer is NULL when nothing does. Adding returns 0 or FRAMING_NO_MEMORY. */
int framing_hold_add(struct evbuffer **held, const uint8_t *data, size_t len);
size_t framing_hold_len(const struct evbuffer *held);
size_t framing_hold_cost(const struct evbuffer *held); /* bytes of memory; for tests */

/* All that waits in one run, until it is dropped. NULL when memory is short. */
uint8_t *framing_hold_data(struct evbuffer *held);
void framing_hold_drop(struct evbuffer **held);

/* Hands what waits to the backend and drops it. */
int framing_hold_flush(struct evbuffer **held, const struct framing_bytes_sink *sink);

#endif
