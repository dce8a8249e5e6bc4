/*
 * session_internal: what the parts of the session share with each other and with nobody else.
 */
#ifndef GATE_SESSION_INTERNAL_H
#define GATE_SESSION_INTERNAL_H

#include "gate/admission.h"
#include "gate/bridge.h"
#include "gate/exchange.h"
#include "gate/namer.h"
#include "gate/preface.h"
#include "gate/record.h"
#include "gate/refused.h"
#include "gate/session.h"
#include "gate/targets.h"

#include <event2/event_struct.h>

enum session_state {
	SESSION_OPEN,	 /* accepted; what comes before TLS or HTTP is read */
	SESSION_REQUEST, /* HTTP */
	SESSION_RUN,	 /* HTTP; a CGI program runs, and is what counts of it */
	SESSION_CONNECT, /* the backend is being started, or its want is about to be told */
	SESSION_REFUSED, /* the handshake was answered to say why there is no backend */
	SESSION_BRIDGED,
	SESSION_CLOSING, /* we have told the visitor that it ends */
	SESSION_DEAD,
	SESSION_STATES
};

struct session {
	struct grave grave; /* first: a grave is its session */
	struct gate *gate;
	struct session *next, **link; /* in gate->sessions */
	enum session_state state;
	const struct config *config;
	struct client client;	 /* who connected; of a session, who asked for it */
	struct proxyhdr *told;	 /* what a PROXY header says of it; or NULL */
	struct preface *preface; /* OPEN */
	struct stream stream;
	struct exchange *exchange; /* from REQUEST until it is bridged */
	size_t weight;		   /* its part of gate->n_held */

	/* From CONNECT on. */
	struct record record;
	char accept[UPGRADE_ACCEPT_SIZE];
	struct admission admission;
	struct refused *refused; /* when it is refused by a close frame */
	struct namer *namer;	 /* before a program's backend */
	struct target *target;	 /* what its token picked, or NULL */
	struct endpoint *backend, *visitor;
	struct bridge bridge;
	struct event clock;  /* only with an idle_timeout or a max_lifetime */
	const char *overdue; /* which of the two has ended it, or NULL */
};

/* session.c: the one place where the state changes, and the counts that follow from it. Returns false when it
 * is back among the pending, and one too many of them. */
bool session_set_state(struct session *session, enum session_state state);

/* session.c: says how much it holds from now on, in plain sessions. */
void session_weigh(struct session *session, size_t weight);

/* session.c: drops the backend, and gives back the places that it and the session have. */
void session_leave(struct session *session);

/* session.c: begins to look whether it is idle, or has lasted too long, where there are limits. */
void session_watch(struct session *session);

/* session.c: the gateway itself ends it: tells the visitor the reason, and the log why; the rest follows from
 * the visitor's answer. Nothing when it is not bridged. */
void session_end(struct session *session, const char *reason, const char *why);

/* session.c: both sides are gone, or the only one that there was: the log line, and the end. */
void session_on_over(void *arg);

/* session.c: takes everything down, in any state. */
void session_die(struct session *session);

/* session.c: asks it to end, since the gateway stops. */
void session_drain(struct session *session);

/* session.c: HTTP has ended without an upgrade. */
void session_on_gone(void *arg);

/* session.c: a CGI program runs; it has ended, and the client is there. */
void session_on_run(void *arg);
bool session_on_run_over(void *arg);

/* session_start.c: a correct opening handshake. */
void session_on_upgrade(void *arg, const struct exchange_upgrade *upgrade);

#endif
