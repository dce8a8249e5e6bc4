/*
 * message: the receiving half of a WebSocket connection (RFC 6455 sections 5 to 7): fragments, control frames
 * between them, compressed messages (RFC 7692), UTF-8 of text, limits, close codes. Pull: give it bytes, take
 * events until it needs more. Payload is unmasked in place, inflated if need be, and passed on as it arrives;
 * nothing is gathered but control frames (125 bytes). Pure.
 */
#ifndef WS_MESSAGE_H
#define WS_MESSAGE_H

#include "base/text.h"
#include "ws/frame.h"
#include "ws/inflater.h"
#include "ws/utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Close codes (RFC 6455 7.4.1 and the IANA registry). */
enum close_code {
	CLOSE_NORMAL = 1000,
	CLOSE_GOING_AWAY = 1001,
	CLOSE_PROTOCOL = 1002,
	CLOSE_UNSUPPORTED = 1003,
	CLOSE_NO_STATUS = 1005, /* received only: a close frame without a code; never sent */
	CLOSE_ABNORMAL = 1006,	/* log only: no close frame; never sent */
	CLOSE_BAD_DATA = 1007,
	CLOSE_POLICY = 1008,
	CLOSE_TOO_BIG = 1009,
	CLOSE_INTERNAL = 1011,
	CLOSE_RESTART = 1012,
	CLOSE_TRY_LATER = 1013,
	CLOSE_BAD_GATEWAY = 1014,
};

enum message_kind {
	MESSAGE_NEED_MORE = 0, /* all bytes are used */
	MESSAGE_DATA,	       /* a piece of a message */
	MESSAGE_PING,	       /* data, len: to be answered with the same */
	MESSAGE_PONG,
	MESSAGE_CLOSE, /* code (CLOSE_NO_STATUS if none) and reason; what follows is to be ignored */
	MESSAGE_ERROR, /* code and reason: fail the connection with them; what follows is swallowed */
};

struct message_event {
	enum message_kind kind;
	uint8_t *data; /* of a piece: into the caller's buffer or reader->out; of a control frame: into the
			  reader, until the next call */
	size_t len;
	bool text;	  /* of a piece: the message is text */
	bool first, last; /* of a piece: the message begins, ends with it. An empty message is one piece of
			     length 0, and so is the end of one whose final frame is empty */
	uint16_t code;
	struct text reason; /* of a close: what the peer said (valid UTF-8); of an error: our words */
};

struct message_reader {
	uint64_t max_message;	   /* bytes, inflated; 0 is no limit: set by the caller */
	struct inflater *inflater; /* of compressed messages, the caller's; NULL: RSV1 is an error */
	uint8_t *out;	/* where inflated payload goes, set by the caller; a call needs it with an inflater */
	size_t out_len; /* ... and how much of it at once, at least 1 */
	bool in_message; /* a message began and did not end well: for everybody to see */
	uint8_t state;	 /* private from here on */
	bool text;
	bool reported;	 /* a piece of this message went out */
	bool compressed; /* this message */
	struct utf8 utf8;
	uint8_t n_header;		    /* bytes of a header that came in parts */
	uint8_t scratch[FRAME_CONTROL_MAX]; /* of a header in parts, then of a control frame */
	struct frame_header frame;
	uint64_t frame_seen; /* payload bytes of this frame so far */
	uint64_t unmasked; /* ... of a compressed one, that are without the mask: some may not be used yet */
	uint64_t message_len; /* payload bytes of this message: up to the end of this frame, or inflated so
				 far */
	bool more;	      /* inflated bytes may wait for room */
	uint16_t fail_code;   /* of the error that is reported next */
	const char *fail_reason;
};

void message_reader_init(struct message_reader *reader, uint64_t max_message, struct inflater *inflater);

/*
 * Reads from buf (len bytes, written to: the mask is removed in place) and reports the next event. Returns
 * how many bytes were used; call again with the rest, and with the bytes that come behind it, until the event
 * is MESSAGE_NEED_MORE. An unmasked frame is an error (5.1); bytes before the first bad byte of a text, and
 * as many of a compressed message as max_message allows, are reported before the error. After a close or an
 * error everything is swallowed.
 */
size_t message_read(struct message_reader *reader, uint8_t *buf, size_t len, struct message_event *event);

/* May message_read() have an event without any more bytes? */
bool message_reader_has_more(const struct message_reader *reader);

/* May this code be in a close frame on the wire (7.4)? */
bool message_close_code_valid(uint16_t code);

/*
 * Writes a whole close frame of a server (not masked) into out: code, and as much of the reason as fits in
 * 123 bytes, valid UTF-8 and no character split. code 0 or CLOSE_NO_STATUS: no payload; any other must be
 * valid on the wire. Returns its size.
 */
size_t message_close_frame(uint8_t out[static 2 + FRAME_CONTROL_MAX], uint16_t code, struct text reason);

#endif
