/*
 * heirs: how long the output of a program counts after its exit, when those that it started hold its stdout.
 *
 * First all is passed on that the program itself had left there, however slow the visitor is. Then the heirs
 * have closing_wait; what they wrote in that time still counts, and no more. The same end, without the wait,
 * has the output of a program that goes on for too long.
 */
#ifndef BACKEND_HEIRS_H
#define BACKEND_HEIRS_H

#include "backend/channel.h"

#include <event2/event_struct.h>
#include <stdint.h>

/* How often it is looked for whether what counts is still there. */
enum { HEIRS_LOOK_MS = 1000 };

enum heirs_step {
	HEIRS_NONE,
	HEIRS_OWN,     /* until what was there at the exit is passed on */
	HEIRS_WAITING, /* closing_wait runs */
	HEIRS_REST,    /* until what was there at its end is passed on */
	HEIRS_OVER
};

struct heirs {
	struct loop *loop;
	struct channel *channel; /* on its stdout */
	unsigned wait_ms;
	enum heirs_step step;
	bool on_terminal; /* stdout is the master of one */
	uint64_t until;	  /* OWN, REST: bytes of output since the channel was opened */
	struct event timer;
};

/* For the program of the channel, which must outlive it. */
void heirs_init(struct heirs *heirs, struct loop *loop, struct channel *channel, unsigned wait_ms);
void heirs_done(struct heirs *heirs);

/* The program has exited and its stdout is not closed: ends the channel, now or later, if nobody closes it
 * before. Changes nothing after heirs_cut(). */
void heirs_begin(struct heirs *heirs);

/* What the output holds now is the last of it: ends the channel when that was passed on, which may be now.
 * Once, for a stdout that is not closed. */
void heirs_cut(struct heirs *heirs);

/* Some output was passed on. */
void heirs_on_output(struct heirs *heirs);

/* Stdout is closed. */
void heirs_stop(struct heirs *heirs);

#endif
