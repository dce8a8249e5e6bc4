/*
 * exchange: HTTP on a connection until it is upgraded or closed: requests in, responses out, one after the
 * other.
 *
 * What needs no backend is answered here: plain requests, and handshakes that may not pass. A correct opening
 * handshake for a route that has a backend goes to the owner, who later accepts or refuses it.
 */
#ifndef GATE_EXCHANGE_H
#define GATE_EXCHANGE_H

#include "conf/route.h"
#include "gate/access.h"
#include "gate/admission.h"
#include "gate/client.h"
#include "gate/gate.h"
#include "gate/reply.h"
#include "gate/sender.h"
#include "http/request.h"
#include "http/upgrade.h"
#include "net/stream.h"

#include <event2/event_struct.h>

enum {
	EXCHANGE_KEEPALIVE_MS = 15000, /* from a response to the next request's head */
	EXCHANGE_REQUESTS_MAX = 100,   /* on one connection */
	EXCHANGE_DRAIN_MS = 1000,      /* for a request that is on its way when the gateway stops */
	EXCHANGE_LINGER_MS = 2000,     /* after a refusal, for the client to read it before TCP is closed */
	EXCHANGE_LINGER_MAX = 65536,   /* bytes that it may still send then, ... */
	EXCHANGE_BODY_MS = 30000,      /* ... and for the rest of a body that was announced */
	EXCHANGE_REDIRECTS_MAX = 10    /* local ones, of CGI programs, one after the other */
};

enum exchange_state {
	EXCHANGE_HEAD,	 /* waits for a request's head */
	EXCHANGE_BODY,	 /* a response is on its way */
	EXCHANGE_CGI,	 /* a program makes it */
	EXCHANGE_ASKED,	 /* the owner decides about an upgrade */
	EXCHANGE_LINGER, /* the last response is on its way, input is thrown away */
	EXCHANGE_PASSED, /* the stream is somebody else's now */
	EXCHANGE_LEFT,	 /* the connection is closed, the program is made to end */
	EXCHANGE_GONE
};

/* A correct opening handshake. All of it is only there during the call. */
struct exchange_upgrade {
	const struct http_request *request;
	const struct upgrade *upgrade;
	const struct route_match *match;
	const char *url; /* for websocketd's log, else NULL */
};

struct exchange_hooks {
	/* Answer with exchange_refuse(), now or later, or exchange_accept(), later. */
	void (*on_upgrade)(void *arg, const struct exchange_upgrade *upgrade);
	/* The connection has ended; its descriptor is closed. */
	void (*on_gone)(void *arg);
	/* A CGI program runs. What follows is on_gone, or on_run_over: it has ended. Returns whether there
	 * may be another request then. */
	void (*on_run)(void *arg);
	bool (*on_run_over)(void *arg);
};

struct exchange_run;

struct exchange {
	struct gate *gate;
	const struct config *config; /* borrowed from the owner */
	const struct entrance *entrance;
	struct client *client; /* the owner's: who the request is of; between requests, `direct` */
	struct client direct;  /* who connected */
	struct stream *stream;
	const struct exchange_hooks *hooks;
	void *arg;
	enum exchange_state state;
	struct event timer; /* of whatever is waited for */
	uint64_t send_ms;   /* BODY: how long the client may take nothing */
	unsigned n_requests;
	unsigned n_redirects;	  /* within this request */
	uint64_t body_left;	  /* bytes of the request's body that have not come */
	size_t n_thrown;	  /* LINGER */
	struct exchange_run *run; /* of a CGI program; NULL: none */
	/* Bytes received that are not answered yet: a part of a head, or what came behind one. NULL when
	 * there are none. */
	char *held;
	size_t n_held;
	struct http_scan scan;
	bool keep_alive;      /* after this response */
	bool incomplete;      /* BODY: it lacks its end, which only a reset can tell */
	struct sender sender; /* BODY: of a file; idle otherwise */
	struct access access; /* the request, for the log */
};

/* Begins with a stream that is open; it stays the owner's, as does `client`, who connected. spent_ms: since
 * the accept. */
void exchange_open(struct exchange *exchange, struct gate *gate, const struct config *config,
	const struct entrance *entrance, struct client *client, struct stream *stream, uint64_t spent_ms,
	const struct exchange_hooks *hooks, void *arg);
void exchange_done(struct exchange *exchange); /* frees what it holds; in any state, more than once */

/* ASKED: sends the 101. The stream is the caller's from now on. */
void exchange_accept(
	struct exchange *exchange, const struct reply_switch *reply, const struct route_conf *route);

/* ASKED: what came behind the head, to be given to the visitor; the caller frees. NULL when nothing did. */
char *exchange_take_rest(struct exchange *exchange, size_t *len);

/* ASKED, HEAD: refuses with a status and a line or more for people. retry_after in seconds, 0 for none. */
void exchange_refuse(
	struct exchange *exchange, int status, const char *reason, const char *advice, unsigned retry_after);
/* ... with what an admission, or a start that failed, has said. */
void exchange_refuse_by(struct exchange *exchange, const struct refusal *refusal);

/* The gateway stops: an idle connection ends; one whose first request is still to come, or that has begun
 * another, has EXCHANGE_DRAIN_MS for it; what is answered is the last response. */
void exchange_drain(struct exchange *exchange);

#endif
