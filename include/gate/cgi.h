/*
 * cgi: one run of a CGI program for one request (RFC 3875): its start, its input, and its output as a head
 * and a document. What HTTP makes of these is gate/exchange_cgi.c's business.
 */
#ifndef GATE_CGI_H
#define GATE_CGI_H

#include "base/text.h"
#include "gate/admission.h"
#include "gate/client.h"
#include "gate/gate.h"
#include "gate/namer.h"
#include "gate/record.h"
#include "http/cgihead.h"
#include "net/endpoint.h"

/* Never called from within a function below. In any of them every function below may be called, but for
 * cgi_free(), which may be in the first two. */
struct cgi_hooks {
	/* It could not be started. The last call. */
	void (*on_failed)(void *arg, const struct refusal *refusal);
	/* It has ended and holds nothing any more; its output was passed on before. The last call. */
	void (*on_gone)(void *arg);
	/* It runs, and takes its input from now on. */
	void (*on_ready)(void *arg);
	/* It has taken some of its input, or will take no more. */
	void (*on_taken)(void *arg);
	/* Its head, which is only there during the call. Once, before its document. */
	void (*on_head)(void *arg, const struct cgihead *head);
	/* A part of its document. */
	void (*on_document)(void *arg, uint8_t *data, size_t len);
	/* What there is now is passed on. */
	void (*on_flush)(void *arg);
	/* Its output has begun with something else than a head, or ended before there was one; no head and no
	 * document follow. */
	void (*on_bad)(void *arg, const char *reason);
	/* All of its output was passed on. killed: by a signal that was not ours. */
	void (*on_end)(void *arg, bool killed);
};

struct cgi {
	struct grave grave; /* first: a grave is its run */
	struct gate *gate;
	const struct config *config; /* both outlive it */
	const struct route_conf *route;
	const struct cgi_hooks *hooks;
	void *arg;
	char id[RECORD_ID];
	char *program; /* its file, for the log */
	struct admission admission;
	struct namer *namer; /* its start waits for the client's name */
	struct endpoint *endpoint;
	bool began;  /* some of its input was sent */
	bool headed; /* its head is complete, or will never be */
	bool failed; /* on_bad is due, or was */
	const char *bad;
	char *head; /* n_head bytes of it; NULL before the first and once it was parsed */
	size_t n_head;
	struct cgihead_scan scan;
};

/* A run that is let in; NULL when it is not, and then *out says why. entry: as in struct spawn_request. */
struct cgi *cgi_new(struct gate *gate, const struct config *config, const struct route_conf *route,
	struct text entry, const struct cgi_hooks *hooks, void *arg, struct refusal *out);

/* Starts the program, once its client has a name where that is asked for. env: of malloc, taken. Returns 0 or
 * -errno. */
int cgi_start(struct cgi *cgi, const struct client *client, struct text entry, struct text env);

/* Ends it at once, in any state. NULL is allowed. */
void cgi_free(struct cgi *cgi);

/* Bytes of its input; flushes. last: the input ends behind them. Once it is ready. */
void cgi_send(struct cgi *cgi, uint8_t *data, size_t len, bool last);
/* The input is over without a byte. */
void cgi_send_nothing(struct cgi *cgi);
size_t cgi_queued(const struct cgi *cgi); /* memory of what it has not taken */

/* Reads at most so much of its output at once; 0 stops reading. */
void cgi_allow(struct cgi *cgi, size_t max);

/* Nobody waits for it any more: it is made to end, with its whole group, and its output goes nowhere.
 * cut: its input is not whole, and it must not take it for that. on_gone follows. */
void cgi_abort(struct cgi *cgi, bool cut);

/* The program in words ("pid 12") and how it ended ("exit 3"), as far as that is known. */
void cgi_describe(const struct cgi *cgi, char who[static 128], char how[static 64]);

#endif
