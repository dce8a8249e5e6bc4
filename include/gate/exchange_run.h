/*
 * exchange_run: what an exchange knows of a request that a CGI program answers, until its line is in the log.
 */
#ifndef GATE_EXCHANGE_RUN_H
#define GATE_EXCHANGE_RUN_H

#include "gate/cgi.h"
#include "gate/cgi_reply.h"
#include "gate/cgiclock.h"
#include "gate/exchange.h"

struct exchange_run {
	struct grave grave; /* first: a grave is its run */
	struct loop *loop;
	struct cgi *cgi;
	const struct route_conf *route;
	char *head; /* the request's, for local redirects */
	size_t n_head;
	char *location;			      /* of a local redirect, or NULL */
	bool has_body;			      /* ... of the request, that is its input */
	bool expects;			      /* the client waits for a 100 before it sends its body */
	bool ready;			      /* the program runs */
	bool aborted;			      /* ... and is made to end */
	bool beyond;			      /* more came than is of its response */
	bool client_stopped, program_stopped; /* the marks of bridge_allowance() */
	struct cgi_reply reply;
	struct cgiclock clock;
	uint64_t n_body; /* bytes of the request's body that came */
	/* For the log. */
	int status;
	uint64_t bytes;
	const char *reason;
};

/* Takes places for a run of a route's program and starts it. Returns whether it is on its way; else there is
 * none, and *out says why. */
bool exchange_run_begin(struct exchange *exchange, struct text head, const struct http_request *request,
	const struct route_match *match, const struct cgi_hooks *hooks, struct refusal *out);

/* Takes the exchange's run away, with all that is left of it. */
void exchange_run_free(struct exchange *exchange);

/* Writes its line. */
void exchange_run_log(const struct exchange *exchange);

/* Nobody waits for the program any more; nothing when there is none, or once it was done. It must be ready.
 */
void exchange_run_abort(struct exchange *exchange);

#endif
