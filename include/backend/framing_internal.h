/*
 * framing_internal: what the framings share with each other and with nobody else: a row of functions for each
 * framing, where results go, what waits, and text that must come out valid.
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

struct framing_ops {
	framing_encode_fn encode;
	framing_decode_fn decode;
	framing_end_fn end;
	bool text; /* what it decodes is text, unless its records say so themselves */
};

extern const struct framing_ops framing_stream_ops, framing_text_stream_ops; /* framing_stream.c */
extern const struct framing_ops framing_lines_ops;			     /* framing_lines.c */
extern const struct framing_ops framing_records_ops;			     /* framing_records.c */

/* How a part of a text relates to what follows it. */
enum framing_until {
	FRAMING_PART,	     /* the message goes on */
	FRAMING_MESSAGE_END, /* the message ends but the text goes on in the next: half a character waits for
				it */
	FRAMING_TEXT_END     /* both end: half a character is an invalid one. Always comes out, if empty */
};

/* framing_text.c: passes on a part of a message of text, made valid. */
int framing_text_put(struct framing_decoder *decoder, uint8_t *data, size_t len, enum framing_until until,
	const struct framing_piece_sink *sink);

/* framing.c: hands over bytes for the backend; nothing when len is 0. */
int framing_put_bytes(const struct framing_bytes_sink *sink, const uint8_t *data, size_t len);

/* framing.c: hands over a piece of the message that is open or begins; its type is the decoder's. */
int framing_put_piece(struct framing_decoder *decoder, uint8_t *data, size_t len, bool last,
	const struct framing_piece_sink *sink);

/* framing_hold.c: what waits; the buffer is NULL when nothing does. Adding returns 0 or FRAMING_NO_MEMORY. */
int framing_hold_add(struct evbuffer **held, const uint8_t *data, size_t len);
size_t framing_hold_len(const struct evbuffer *held);

/* All that waits in one run, until it is dropped. NULL when memory is short. */
uint8_t *framing_hold_data(struct evbuffer *held);
void framing_hold_drop(struct evbuffer **held);

/* Hands what waits to the backend and drops it. */
int framing_hold_flush(struct evbuffer **held, const struct framing_bytes_sink *sink);

#endif
