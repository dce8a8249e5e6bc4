/*
 * sender: the body of a response that is a file, on its way to a client.
 *
 * Content-Length is never satisfied with bytes that the file did not have: before the last piece of the body
 * is sent, the file must be what it was when it was opened; else the body stays incomplete. Most of a body is
 * copied to the stream. Of a very large one to a plain socket, what is in front is lent to the kernel by
 * sendfile(2): its pages are those of the file and change with it until the client's program has read them,
 * which may be long after they were acknowledged, since a client on the same machine has the very same pages
 * in its receive queue. So what is lent ends so far before the end of the body that a client's kernel that
 * has acknowledged all but the last piece can't hold any of it any more (outlet_ask_peer()).
 */
#ifndef GATE_SENDER_H
#define GATE_SENDER_H

#include "gate/file.h"
#include "net/stream.h"

enum {
	SENDER_LAST = LOOP_SCRATCH,	    /* bytes that are held back until the file was looked at */
	SENDER_LEND_MIN = 262144,	    /* bytes that are worth lending */
	SENDER_TURN_MAX = 8 * LOOP_SCRATCH, /* bytes in one turn of the loop, and a read more */
	SENDER_LOOK_MS = 10,		    /* from a look at what was acknowledged to the next, at first */
	SENDER_LOOK_MAX_MS = 32 * SENDER_LOOK_MS
};

enum sender_step {
	SENDER_IDLE,  /* nothing is left to be given to the stream */
	SENDER_SENDS, /* goes on in the stream's on_sent */
	SENDER_LOOKS, /* goes on after look_ms */
	SENDER_BROKEN /* `reason` says why: the stream is to be reset */
};

struct sender {
	struct file file; /* fd -1: idle */
	struct stream *stream;
	uint64_t lend_end;  /* bytes before it are lent to the kernel, ... */
	uint64_t last;	    /* ... those before this are copied, and behind it is the last piece */
	bool has_lent;	    /* some were */
	uint64_t max_ms;    /* how long a client may acknowledge nothing */
	uint64_t look_ms;   /* until the next look; 0: it has not come to that */
	uint64_t unsent;    /* by the last look */
	uint64_t since;	    /* when it became so */
	const char *reason; /* BROKEN: for the log */
};

/* Idle. */
void sender_init(struct sender *sender);

/* Takes a file, to be sent on the stream from file->at to file->end; none when its fd is -1. */
void sender_begin(struct sender *sender, struct stream *stream, const struct file *file, uint64_t max_ms);

/* Gives the stream as much as it takes and one turn should. Nothing is left open after IDLE and BROKEN. */
enum sender_step sender_go(struct sender *sender);

bool sender_is_idle(const struct sender *sender);

/* Does it wait for the client to acknowledge, so that a timer and not on_sent goes on with it? */
bool sender_is_looking(const struct sender *sender);

/* Closes the file. Idempotent. */
void sender_drop(struct sender *sender);

#endif
