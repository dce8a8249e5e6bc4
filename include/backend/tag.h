/*
 * tag: tells a program's two outputs apart on the way to the client, in the form of websocketd's
 * --passstderr: each message of text becomes the JSON object {"stream":"stdout","data":"..."}, with "stderr"
 * for the other one. What is binary comes from stdout alone and passes as it is. Pure.
 */
#ifndef BACKEND_TAG_H
#define BACKEND_TAG_H

#include "backend/framing.h"

/* One output. */
struct tag {
	const char *stream; /* "stdout" or "stderr" */
	bool open;	    /* a message has begun and not ended */
	bool text;	    /* ... that one */
};

/*
 * Passes a piece on; the pieces of one text are one JSON string. Where a message was ended early, what comes
 * of it later is a message of its own. Text must be valid UTF-8. Returns 0, FRAMING_NO_MEMORY, or what the
 * callback returned.
 */
int tag_piece(struct tag *tag, const struct piece *piece, framing_piece_fn out, void *arg);

/* Ends the message that is open, if one is, before its time. Returns the same. */
int tag_end(struct tag *tag, framing_piece_fn out, void *arg);

#endif
