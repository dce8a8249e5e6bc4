/*
 * frame: the header of a WebSocket frame and its mask, RFC 6455 sections 5.2 and 5.3. Pure; never reads past
 * buf + len.
 */
#ifndef WS_FRAME_H
#define WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_opcode {
	FRAME_CONTINUATION = 0x0,
	FRAME_TEXT = 0x1,
	FRAME_BINARY = 0x2,
	FRAME_CLOSE = 0x8,
	FRAME_PING = 0x9,
	FRAME_PONG = 0xa,
};

enum { FRAME_HEADER_MAX = 14, FRAME_CONTROL_MAX = 125 };

/* The reserved bits as frame_header.rsv has them; RSV1 is "Per-Message Compressed" (RFC 7692 6). */
enum { FRAME_RSV1 = 4, FRAME_RSV2 = 2, FRAME_RSV3 = 1 };

struct frame_header {
	bool fin;
	uint8_t rsv; /* FRAME_RSV1 and the others, or-ed */
	uint8_t opcode;
	bool masked;
	uint8_t key[4]; /* zero when not masked */
	uint64_t len;	/* of the payload, 0 to 2^63-1 */
};

enum frame_error {
	FRAME_BAD_LENGTH = -1, /* not the shortest form, or the top bit of a 64-bit one set */
	FRAME_BAD_OPCODE = -2, /* reserved: 3 to 7, 11 to 15 */
	FRAME_BAD_CONTROL = -3 /* a control frame in fragments or above 125 bytes */
};

/* Close, ping, pong and what may come to be defined beside them (5.5). */
static inline bool frame_is_control(uint8_t opcode)
{
	return (opcode & 0x8) != 0;
}

/* Returns the header's size, 2 to 14; 0 when more bytes are needed; a negative frame_error as soon as it is
 * certain (5.2, 5.5); then and with 0, *out is only partly written. */
int frame_decode(struct frame_header *out, const uint8_t *buf, size_t len);

/* Writes a header in its shortest form, with the key if h->masked. Returns its size. */
size_t frame_encode(const struct frame_header *h, uint8_t out[static FRAME_HEADER_MAX]);

/* Masks or unmasks in place. `phase` is how many bytes of this payload came before buf. */
void frame_mask(uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase);

#endif
