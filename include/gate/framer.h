/*
 * framer: what a visitor is sent, from pieces of messages to frames of a server on its stream (RFC 6455
 * section 5), compressed where that was agreed and pays (RFC 7692 section 6.1).
 */
#ifndef GATE_FRAMER_H
#define GATE_FRAMER_H

#include "base/piece.h"
#include "conf/config.h"
#include "http/permessage.h"
#include "net/stream.h"
#include "ws/deflater.h"
#include "ws/frame.h"

struct framer {
	struct stream *stream; /* the owner's */
	struct deflater deflater;
	size_t threshold; /* bytes of a message from which on it is compressed; SIZE_MAX: none is */
	bool compressing; /* this message */
	bool begun;	  /* ... its first frame was sent */
};

/* The route says how to compress; agreed: what permessage_negotiate() gave. */
void framer_init(struct framer *framer, struct stream *stream, const struct route_conf *route,
	const struct permessage *agreed);
void framer_done(struct framer *framer); /* more than once */

/* Sends a piece, in one frame or, compressed, in several, so that nothing waits for the end of a message.
 * stream_flush() must follow, as of all these. */
void framer_send(struct framer *framer, const struct piece *piece);

/* Sends a control frame of at most FRAME_CONTROL_MAX bytes, between the frames of a message. */
void framer_send_control(struct framer *framer, uint8_t opcode, const uint8_t *data, size_t len);

/* Sends a close frame, the last one: message_close_frame(). */
void framer_send_close(struct framer *framer, uint16_t code, const char *reason);

#endif
