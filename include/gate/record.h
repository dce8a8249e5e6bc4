/*
 * record: what a session is, in the log, and to its program: id, route, peer, subprotocol, extension,
 * certificate.
 */
#ifndef GATE_RECORD_H
#define GATE_RECORD_H

#include "backend/framing.h"
#include "base/entropy.h"
#include "conf/config.h"
#include "gate/bridge.h"
#include "gate/exchange.h"
#include "http/permessage.h"

#include <openssl/ssl.h>

enum { RECORD_ID = 17 };

/* Zeroed to begin. */
struct record {
	const struct route_conf *route; /* borrowed, as is the peer */
	const struct addr *peer;
	char id[RECORD_ID];	    /* that no other session has */
	char *protocol;		    /* subprotocol that is answered, or NULL */
	bool tty;		    /* ... which is ttyd's, on a terminal */
	char *program;		    /* the file, of a `dir` route; else NULL */
	struct framing_rules rules; /* the route's, with that subprotocol's framing */
	struct permessage permessage;
	char *certificate;	       /* subject of the client's, or NULL */
	struct access_session *access; /* for websocketd's log, else NULL */
	const char *refusal; /* why its session can't start, whatever the client did then; NULL: it could */
	uint64_t began_at;
};

/* Makes an id. Returns 0 or -errno. */
int record_make_id(struct entropy *entropy, char id[static RECORD_ID]);

/* Begins: makes an id, chooses the subprotocol, negotiates the extension. ssl: of the connection, or NULL.
 * Returns 0 or -errno; record_done() is due in both cases. */
int record_begin(struct record *record, struct entropy *entropy, uint64_t now,
	const struct exchange_upgrade *asked, const SSL *ssl);
void record_done(struct record *record); /* also of one that never began */

/* The longest message that the client may send, in bytes; 0 is no limit. */
uint64_t record_max_message(const struct record *record);

/* The line of a session that begins, for who watches them come (debug). */
void record_log_begin(
	const struct record *record, struct log *log, uint64_t now, const struct endpoint *backend);

/* The one line of a session. `backend` is NULL when there is none, `visitor` when the handshake was not
 * answered; `reason`, unless it is "", goes before what the visitor knows. */
void record_log_end(const struct record *record, struct log *log, uint64_t now, const struct bridge *bridge,
	const struct endpoint *backend, const struct endpoint *visitor, const char *reason);

#endif
