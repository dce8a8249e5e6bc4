/*
 * visitor_internal: what the parts of the visitor share with each other and with nobody else.
 */
#ifndef GATE_VISITOR_INTERNAL_H
#define GATE_VISITOR_INTERNAL_H

#include "gate/framer.h"
#include "gate/intake.h"
#include "gate/pongs.h"
#include "gate/pulse.h"
#include "gate/visitor.h"

#include <event2/event_struct.h>

enum { VISITOR_LOOK_MS = 100 }; /* between two looks at what a client that is to end has taken */

/* In the order in which they may follow each other. */
enum visitor_state {
	VISITOR_OPEN,
	VISITOR_CLOSE_RECEIVED, /* the client has closed; the backend may go on for a while, then we answer */
	VISITOR_CLOSE_SENT,	/* we have closed; what the client still sends counts until its close frame */
	VISITOR_LOST,		/* nothing reaches the client any more; what it sent before is still read */
	VISITOR_LINGER,		/* nothing more is said; TCP ends when the client has seen it all */
	VISITOR_GONE
};

struct visitor {
	struct endpoint endpoint; /* first: an endpoint is its visitor */
	struct stream *stream;
	const struct route_conf *route;
	struct intake intake;
	struct framer framer;
	enum visitor_state state;
	bool eof_reported;
	char how[64]; /* why it ended otherwise than by a close handshake, for the log */
	uint16_t code_sent, code_received;
	struct event timer;
	uint64_t deadline; /* CLOSE_SENT, LINGER: when we stop waiting; 0: it has not yet taken all that we
			      sent */
	struct pulse pulse;
	bool watched; /* bytes wait, and the pulse knows */
	bool peeks;   /* the timer is set to look whether a client that is not read is there */

	struct pongs pongs;
};

/* May what the client sends still mean something? */
static inline bool visitor_listens(const struct visitor *visitor)
{
	return visitor->state == VISITOR_OPEN || visitor->state == VISITOR_CLOSE_SENT ||
	       visitor->state == VISITOR_LOST;
}

/* visitor_end.c: keeps the first reason for the log. */
void visitor_note(struct visitor *visitor, const char *how);

/* visitor_end.c: nothing is left of it. */
void visitor_gone(struct visitor *visitor);

/* visitor_end.c: the client broke a rule: says which, unless a close frame was said before, and listens no
 * more. */
void visitor_fail(struct visitor *visitor, uint16_t code, const char *reason);

/* visitor_end.c: a close frame of the client. */
void visitor_on_close(struct visitor *visitor, const struct message_event *event);

/* visitor_end.c: the stream's on_eof and on_broken. */
void visitor_on_eof(void *arg, int error);
void visitor_on_broken(void *arg, int error);

/* visitor_end.c: the endpoint's finish, and its abort. */
void visitor_finish(struct endpoint *endpoint, const struct end *end);

/* visitor_clock.c: what the pulse is taken from. */
struct pulse_sight visitor_look(const struct visitor *visitor);

/* visitor_clock.c: while the session is open, sets the timer to the next time to look at the pulse. */
void visitor_arm(struct visitor *visitor);

/* visitor_clock.c: when the first byte has to wait, wherever that came to pass, starts the clock of
 * send_timeout. */
void visitor_watch(struct visitor *visitor);

/* visitor_clock.c: when the client is not read, sees to it that somebody looks whether it is there. */
void visitor_watch_pause(struct visitor *visitor);

/* visitor_clock.c: the timer's callback. */
void visitor_on_timer(evutil_socket_t fd, short what, void *arg);

#endif
