/*
 * terminal_internal: what the parts of a terminal's endpoint share with each other and with nobody else.
 */
#ifndef BACKEND_TERMINAL_INTERNAL_H
#define BACKEND_TERMINAL_INTERNAL_H

#include "backend/terminal.h"
#include "backend/ttymessage.h"

#include <event2/buffer.h>
#include <event2/event_struct.h>

enum terminal_state {
	TERMINAL_NEW,
	TERMINAL_GREETING, /* ready; the first message is waited for */
	TERMINAL_STARTING, /* ... and was there */
	TERMINAL_OPEN,	   /* the program runs, or has left something to say */
	TERMINAL_ENDED	   /* all is said, or `end` is about to be */
};

/* What the other side wants, when that came before the program did. */
enum terminal_wish { TERMINAL_STAY, TERMINAL_FINISH, TERMINAL_ABORT };

struct terminal {
	struct endpoint endpoint; /* first: an endpoint is its terminal */
	struct terminal_params params;
	char *strings; /* of entry and env; until the start */
	struct endpoint *process;
	enum terminal_state state;
	bool has_started; /* the program's place will be given back by its own endpoint */
	enum terminal_wish wish;
	struct end wished;
	struct ttymessage_reader reader;
	struct ttymessage_size size; /* that the program knows */
	struct evbuffer *early;	     /* what was typed before it was there; NULL while empty */
	bool paused;		     /* by the client */
	bool exited;		     /* the program has; the timer is that of the pause and the window */
	bool unheld;		     /* neither a pause nor the window counts any more */
	bool choked;		     /* so much input waits that the client is not read */
	uint64_t unseen;	     /* bytes of output that the client has not said that it is done with */
	size_t allowed;		     /* bytes of output */
	struct end end;		     /* ENDED: to be said */
	char how[64];		     /* it ended without a program */
	struct event timer;
};

/* terminal.c: enters a state; there is no way back. */
void terminal_enter(struct terminal *terminal, enum terminal_state state);

/* terminal.c: it is over: on_eof and on_closed follow from the loop, and a program that there is dies. how:
 * for the log. */
void terminal_end(struct terminal *terminal, const struct end *end, const char *how);

/* terminal.c: ... since the client is wrong or memory is short. */
void terminal_fail(struct terminal *terminal, uint16_t code, const char *reason);

/* terminal.c: OPEN: the other side wants no more, and the program is told. */
void terminal_leave(struct terminal *terminal);

/* terminal_program.c: the first message was there: starts the program. */
void terminal_launch(struct terminal *terminal);

/* terminal_input.c: derives how much of the output is read. */
void terminal_update(struct terminal *terminal);

/* terminal_input.c: from now on the client gets the output as it comes. */
void terminal_unhold(struct terminal *terminal);

/* terminal_input.c: tells the program how large its terminal is, if it does not know and was not told just
 * now; the timer comes back here. */
void terminal_resize(struct terminal *terminal);

/* terminal_input.c: the program has begun to run and gets what was typed before. */
void terminal_type_early(struct terminal *terminal);

/* terminal_input.c: the endpoint op: a piece of what the client says. */
int terminal_send(struct endpoint *endpoint, const struct piece *piece);

/* terminal_input.c: frees what is held of it. */
void terminal_forget_input(struct terminal *terminal);

#endif
