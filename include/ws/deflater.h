/*
 * deflater: messages to the payload of compressed ones (RFC 7692 section 7.2.1), piece by piece; nothing of a
 * piece is held back for the next one. zlib's state is there from the first piece of a message to its last
 * one, and between messages only when the context is taken over. Pure.
 */
#ifndef WS_DEFLATER_H
#define WS_DEFLATER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEFLATER_OUT = 16384 };

struct deflater {
	struct z_stream_s *stream; /* private; NULL while nothing is kept */
	uint8_t level, window_bits;
	bool takeover;
};

/*
 * level: 1 to 9; window_bits: 9 to 15 (zlib can't do 8 without a header). takeover: refer to the messages
 * before. zlib's state takes 8 * 2^window_bits bytes and 6 KiB: 38 KiB for 12 bits, 262 KiB for 15.
 */
void deflater_init(struct deflater *deflater, unsigned level, unsigned window_bits, bool takeover);
void deflater_done(struct deflater *deflater); /* in any state, more than once */

/* Before the first piece of each message. Returns 0, or -ENOMEM: the message is to be sent as it is, which
 * is always allowed (RFC 7692 6). */
int deflater_begin(struct deflater *deflater);

/* Payload of one frame, 1 to DEFLATER_OUT bytes; `data` is only there during the call. */
typedef void (*deflater_out_fn)(void *arg, const uint8_t *data, size_t len, bool last);

/*
 * Compresses a piece into one or more calls of `out`, in order; the last call of the message's last piece has
 * `last`, and without the tail 00 00 ff ff (7.2.1). A piece of length 0 that is not the last one gives none.
 * `work` is DEFLATER_OUT bytes that are the caller's again afterwards. len: less than 4 GiB.
 */
void deflater_piece(struct deflater *deflater, const uint8_t *data, size_t len, bool last,
	uint8_t work[static DEFLATER_OUT], deflater_out_fn out, void *arg);

#endif
