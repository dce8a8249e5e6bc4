/*
 * answer: what a request gets: a refusal, a response, or the way to a backend. It decides and says so; who
 * asked does it.
 */
#ifndef GATE_ANSWER_H
#define GATE_ANSWER_H

#include "conf/route.h"
#include "gate/client.h"
#include "gate/file.h"
#include "gate/gate.h"
#include "gate/reply.h"
#include "gate/site.h"
#include "http/request.h"
#include "http/upgrade.h"

enum {
	ANSWER_WORD = 120,
	ANSWER_ADVICE = 768,
	/* A base URL, the request's host and its target. */
	ANSWER_LOCATION = 2 * HTTP_LINE_MAX + 512
};

enum answer_kind {
	ANSWER_REFUSE, /* status, reason, advice */
	ANSWER_REPLY,  /* reply, reason, and the file when its fd is not -1 */
	ANSWER_CGI,    /* match, with the program as its entry: a CGI program of the route's cgi */
	ANSWER_UPGRADE /* upgrade and match: a correct opening handshake for a route that has a backend */
};

/* Points into itself, the request and the configuration: is not copied, and outlives neither. */
struct answer {
	enum answer_kind kind;
	int status;			/* to refuse with */
	const char *reason;		/* for the log */
	const char *allow;		/* the methods that there are: of a 405, else NULL */
	char why[ANSWER_WORD + 32];	/* where the reason is when a word of the client is in it */
	char advice[ANSWER_ADVICE];	/* the body of a refusal, for people */
	struct reply reply;		/* all but `close`, which is not decided here */
	struct file file;		/* the body of the reply; whoever was answered closes it */
	struct site site;		/* of a static file: what `reply` points to */
	struct upgrade upgrade;		/* what the handshake asks for */
	struct route_match match;	/* in `path` */
	char path[HTTP_LINE_MAX];	/* decoded, not NUL-terminated */
	char location[ANSWER_LOCATION]; /* of a redirect */
};

/* Decides about a request of `client` whose head was parsed, or is one with HTTP_BAD_METHOD, and that came in
 * by `entrance`. */
void answer_decide(struct answer *out, const struct config *config, const struct entrance *entrance,
	const struct client *client, const struct http_request *request);

/* The refusal of a head that could not be parsed: a negative http_request_error. */
void answer_bad_head(struct answer *out, int error);

#endif
