/*
 * access: the line of a request in the log: what is remembered of it, and how it reads; in websocketd's log,
 * under that name, the lines of a session too.
 */
#ifndef GATE_ACCESS_H
#define GATE_ACCESS_H

#include "conf/config.h"
#include "gate/client.h"
#include "gate/gate.h"
#include "http/request.h"

enum { ACCESS_PATH = 113, ACCESS_MARKS = sizeof("***?***") - 1 };

/* A request, cut. Zeroed to begin; access_forget() is due at the end. */
struct access {
	/* Without its query, which may carry tokens: "?***" when there was one; and without a token of
	 * `targets` in the path: "***". */
	char method[8], path[ACCESS_PATH + ACCESS_MARKS];
	bool handshake; /* it asks for a WebSocket */
	char *url;	/* for websocketd's log alone, else NULL */
};

void access_remember(struct access *access, const struct config *config, const struct client *client,
	const struct http_request *request);
void access_forget(struct access *access);

/* What became of a request. */
struct access_outcome {
	int status;
	uint64_t bytes;	    /* of a body */
	const char *reason; /* or NULL */
	/* Of a CGI program's run; else NULL and 0. */
	const char *id, *program, *backend, *end; /* "pid 12" and "exit 3", or "" */
	uint64_t in_bytes;			  /* of the request's body */
	uint64_t duration_ms;
};

/* The one line of a plain request or refusal. */
void access_log(const struct access *access, struct log *log, const struct config *config,
	const struct entrance *entrance, const struct addr *peer, const struct access_outcome *outcome);

/* What websocketd's log tells of a session. */
struct access_session {
	const char *command;	  /* the program's file, borrowed, or NULL */
	const char *url, *origin; /* origin is "" without one */
	char *remote;		  /* the client's name, NULL: its address */
};

/* Makes it of the request that the session comes of; NULL when there is no memory, or the log is ours (url is
 * NULL then). NULL is allowed below. */
struct access_session *access_session_new(
	const char *url, const char *command, const struct http_request *request);
void access_session_free(struct access_session *session);

/* Keeps a copy of the client's name, once; NULL: it has none. */
void access_session_name(struct access_session *session, const char *name);

/* A line of it: "session began" or "session ended". `who` is the backend, "pid N" for a program, or "". */
void access_session_log(const struct access_session *session, struct log *log, const char *sentence,
	const char *id, const struct addr *peer, const char *who);

#endif
