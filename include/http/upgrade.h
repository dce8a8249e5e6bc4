/*
 * upgrade: the server's side of the opening handshake, RFC 6455 section 4.2. Pure.
 */
#ifndef HTTP_UPGRADE_H
#define HTTP_UPGRADE_H

#include "http/request.h"

enum {
	UPGRADE_ACCEPT_SIZE = 29,  /* Sec-WebSocket-Accept with its NUL */
	UPGRADE_PROTOCOLS_MAX = 32 /* subprotocols read from an offer */
};

enum upgrade_error {
	UPGRADE_BAD_VERSION = -1,    /* 426 and Sec-WebSocket-Version: 13 (4.4) */
	UPGRADE_BAD_KEY = -2,	     /* 400: absent, twice, or not 16 bytes in canonical base64 */
	UPGRADE_BAD_HTTP = -3,	     /* 400: not HTTP/1.1 or not GET */
	UPGRADE_BAD_CONNECTION = -4, /* 400: Upgrade: websocket without Connection: upgrade */
	UPGRADE_BAD_PROTOCOL =
		-5, /* 400: Sec-WebSocket-Protocol is no list of distinct tokens, or too long a list */
	UPGRADE_BAD_BODY = -6,	  /* 400: announces a body */
	UPGRADE_BAD_UPGRADE = -7, /* 400: Upgrade names websocket beside something else */
};

struct upgrade {
	struct text key;
	struct text protocols[UPGRADE_PROTOCOLS_MAX]; /* as offered, in order */
	size_t n_protocols;
};

/* Returns 1 for a correct opening handshake, 0 for a request that asks for none, or a negative upgrade_error.
 */
int upgrade_check(struct upgrade *out, const struct http_request *request);

int upgrade_status(int error);
const char *upgrade_reason(int error);

/* Sec-WebSocket-Accept for a key (4.2.2 step 5.4), NUL-terminated. */
void upgrade_accept(struct text key, char out[UPGRADE_ACCEPT_SIZE]);

/*
 * Chooses the subprotocol to answer. `known`: our list, best first (n may be 0: then the first one offered).
 * Returns an index into up->protocols, or -1 for none.
 */
int upgrade_choose_protocol(const struct upgrade *up, const char *const *known, size_t n);

/*
 * Is this Origin allowed (SPEC 3, `origins`)? `origin` is the header's value; `rules` the route's list;
 * `host` and `host_port` the request's; `tls` whether the listener is. Exact comparisons only, default ports
 * elided, case folded.
 */
bool upgrade_origin_allowed(struct text origin, const char *const *rules, size_t n, struct text host,
	struct text host_port, bool tls);

#endif
