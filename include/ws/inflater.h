/*
 * inflater: payload of compressed messages to what it was (RFC 7692 section 7.2.2), as it comes and in steps
 * whose size the caller sets. zlib's state is there from the first byte of a message to its last one; between
 * messages only the window, and only when the context is taken over. Pure.
 */
#ifndef WS_INFLATER_H
#define WS_INFLATER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum inflater_error {
	INFLATER_BAD_DATA = -1, /* no DEFLATE data, or it ends within a block */
	INFLATER_NO_MEMORY = -2
};

struct inflater {
	struct z_stream_s *stream; /* private; NULL between messages */
	uint8_t *window;	   /* private; the end of the messages before, NULL when none is kept */
	unsigned n_window;	   /* private; its bytes */
	uint8_t window_bits;
	bool takeover;
	bool in_message; /* a byte of a message was read and it has not ended */
	bool fresh;	 /* private: nothing was read since the message, or a block stream within it, began */
};

/*
 * window_bits: 8 to 15, the largest window that the peer uses; 8 counts as 9, since peers with zlib that
 * agree to 8 use 9. takeover: it may refer to the messages before, so far back as the window goes
 * (7.1.1, 7.1.2). Within a message every distance that DEFLATE knows is understood (RFC 1951 3.2.5: 32 KiB):
 * zlib's own check of a smaller window depends on where the pieces end.
 */
void inflater_init(struct inflater *inflater, unsigned window_bits, bool takeover);
void inflater_done(struct inflater *inflater); /* in any state, more than once */

/* One step: set in, n_in, last, out, room; the rest is told. */
struct inflater_step {
	const uint8_t *in; /* payload, unmasked; moved past what was read */
	size_t n_in;	   /* ... and what is left of it */
	bool last;	   /* the message ends with these bytes */
	uint8_t *out;
	size_t room; /* at least 1; all of it may be written to, also when n_out is less */
	size_t n_out;
	bool more;  /* out is full: there may be more without more input */
	bool ended; /* that was the whole message */
};

/*
 * Inflates until the input is used up, out is full, or the message has ended. Returns 0 or an inflater_error;
 * then n_out bytes in front of what is wrong are in `out` all the same, and the inflater is only good for
 * inflater_done(). Neither the verdict nor the output depends on how the input was split, nor on `room`.
 * Blocks with BFINAL may stand anywhere (7.2.3.4), any number of them, each in constant time. A message
 * without a byte is taken for an empty one, and so is what follows a block with BFINAL at the very end:
 * section 7.2.1 asks the sender for a byte 00 there, but some leave it out. With 00 00 ff ff behind it
 * (7.2.2) a message has to end with a block, and these four bytes must not have been data of it.
 */
int inflater_step(struct inflater *inflater, struct inflater_step *step);

#endif
