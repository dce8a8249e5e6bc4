/*
 * pace: how much of a backend's output is read in one turn, so that a flood of tiny messages does not hold up
 * the other sessions of the worker: bytes are bounded by the bridge, messages here. Pure.
 */
#ifndef BACKEND_PACE_H
#define BACKEND_PACE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	PACE_MESSAGES = 512, /* a turn is to give no more than these */
	PACE_LEAST = 512,    /* bytes that may be read in any case */
	PACE_FIRST = 4096,   /* before anything is known */
	PACE_MOST = 65536
};

struct pace {
	size_t most; /* bytes to read in the next turn */
};

/* Begins; `whole`: whatever is read in a turn is one message. */
void pace_init(struct pace *pace, bool whole);

/* A turn has read len bytes, at most `most`, and they were n messages or parts of one. */
void pace_after(struct pace *pace, size_t len, size_t n);

#endif
