/*
 * ladder: ends a program step by step: its stdin closes, closing_wait, stop_signal, stop_grace, KILL.
 *
 * When its visitor broke off within a message its stdin stays open, since the end of it could make the
 * program run half a command: it is given closing_wait to read what came whole, then signalled.
 */
#ifndef BACKEND_LADDER_H
#define BACKEND_LADDER_H

#include "backend/channel.h"
#include "conf/config.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

enum ladder_step {
	LADDER_NONE,
	LADDER_FLUSHING, /* stdin takes what is queued, and then closes unless the visitor broke off */
	LADDER_READING,	 /* it did, and stdin stays open: closing_wait runs until the program has read all */
	LADDER_WAITING,	 /* stdin is closed, or took nothing for stop_grace; closing_wait runs */
	LADDER_SIGNALLED,
	LADDER_KILLED,
	LADDER_OVER /* the program has exited */
};

struct ladder {
	struct loop *loop;
	const struct route_conf *route;
	struct channel *channel; /* on its stdin */
	int stop_signal;
	void (*send_signal)(void *arg, int signo);
	void *arg;
	enum ladder_step step;
	bool broken_off;
	bool was_empty;	   /* READING: its stdin, when we looked last */
	uint64_t until_ms; /* READING */
	struct event timer;
};

/* For the program of the channel, whose group send_signal reaches; stop_signal is the route's, or what stands
 * in for it. What is pointed at must outlive it. From within send_signal the ladder may be taken down. */
void ladder_init(struct ladder *ladder, struct loop *loop, const struct route_conf *route,
	struct channel *channel, int stop_signal, void (*send_signal)(void *arg, int signo), void *arg);
void ladder_done(struct ladder *ladder);

/* Steps on the ladder, once. broken_off: in the middle of a message. */
void ladder_begin(struct ladder *ladder, bool broken_off);

/* Goes on to stop_signal now, unless it was sent. */
void ladder_hurry(struct ladder *ladder);

/* Stdin took some of what was queued, or will take no more. */
void ladder_on_input(struct ladder *ladder);

/* The program has exited: nothing more is done. */
void ladder_stop(struct ladder *ladder);

/* Was a program that lives told to end? */
bool ladder_has_signalled(const struct ladder *ladder);

#endif
