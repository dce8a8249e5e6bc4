/*
 * upgrade: the server's side of the opening handshake, RFC 6455 section 4.2, on a request that
 * http_request_parse() has accepted. Pure; any thread.
 */
#ifndef HTTP_UPGRADE_H
#define HTTP_UPGRADE_H

#include "http/request.h"

enum {
	UPGRADE_ACCEPT_SIZE = 29,  /* Sec-WebSocket-Accept with its NUL */
	UPGRADE_PROTOCOLS_MAX = 32 /* subprotocols read from an offer */
};

/* Each error has an HTTP status and words: upgrade_status(), upgrade_reason(). */
enum upgrade_error {
	UPGRADE_BAD_VERSION =
		-1,	       /* 426 and Sec-WebSocket-Version: 13 (4.4); absent is as bad as another one */
	UPGRADE_BAD_KEY = -2,  /* 400: absent, or not 16 bytes in canonical base64 */
	UPGRADE_BAD_HTTP = -3, /* 400: not HTTP/1.1 or not GET */
	UPGRADE_BAD_CONNECTION = -4, /* 400: Upgrade: websocket without Connection: upgrade */
	UPGRADE_BAD_PROTOCOL = -5,   /* 400: Sec-WebSocket-Protocol is no list of distinct tokens, or too long
					a list */
	UPGRADE_BAD_BODY = -6,	     /* 400: announces a body */
	UPGRADE_BAD_UPGRADE = -7,    /* 400: Upgrade names websocket beside something else */
	UPGRADE_BAD_EXTENSIONS = -8  /* 400: Sec-WebSocket-Extensions is not as 9.1 has it */
};

/* What a handshake asks for. The texts point into the request's bytes. */
struct upgrade {
	struct text key;
	struct text
		protocols[UPGRADE_PROTOCOLS_MAX]; /* as offered, in order, over all headers of that name */
	size_t n_protocols;
};

/*
 * Returns 1 for a correct opening handshake, 0 for a request that asks for none (Upgrade is absent or does
 * not name websocket), or a negative upgrade_error. An extension that we don't know is no error, nor is one
 * whose parameters make no sense: who negotiates them declines.
 */
int upgrade_check(struct upgrade *out, const struct http_request *request);

int upgrade_status(int error);
const char *upgrade_reason(int error); /* one line */

/* Sec-WebSocket-Accept for a key that upgrade_check() gave (4.2.2 step 5.4), NUL-terminated. */
void upgrade_accept(struct text key, char out[UPGRADE_ACCEPT_SIZE]);

/*
 * Chooses the subprotocol to answer. `known`: our list, best first (n may be 0: then the first one offered).
 * Names are compared exactly, case too. Returns an index into up->protocols, or -1 for none.
 */
int upgrade_choose_protocol(const struct upgrade *up, const char *const *known, size_t n);

/*
 * Is this Origin allowed? Call it when there is an Origin header; that none is fine is the caller's to say.
 * `origin` is the header's value; `host` and `host_port` are the request's; `secure` is whether the client
 * speaks TLS, as far as that is known. `rules` are the route's list, of which one must allow it (none does
 * when n is 0):
 *
 *   any, *                      whatever it says
 *   null                        the Origin `null`
 *   same                        http or https, and host and port are the request's own; if it does only
 *                               https (else both: a proxy in front may have taken it off and not say so)
 *   https://a.example[:port]    that scheme, host and port
 *   a.example[:port]            that host and port, any scheme
 *   *.example                   any name below it, any scheme and port
 *
 * A port that is not given is its scheme's default, 80 or 443; in `same` and in a rule without a scheme that
 * of the Origin's scheme. Letters are folded, all else is compared exactly.
 */
bool upgrade_origin_allowed(struct text origin, const char *const *rules, size_t n, struct text host,
	struct text host_port, bool secure);

#endif
