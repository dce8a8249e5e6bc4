/*
 * environ: what a program is told about its session, as CGI/1.1 (RFC 3875 section 4.1) has it.
 */
#ifndef GATE_ENVIRON_H
#define GATE_ENVIRON_H

#include "gate/exchange.h"

/*
 * Makes NAME=VALUE strings, each NUL-terminated, one after another: *out, of *len bytes, which the caller
 * frees. No name comes twice. No value holds a newline or NUL; what is left out for what a program may make
 * of it is said in gate/environ_internal.h. A variable without a value is absent, but for PATH_INFO,
 * QUERY_STRING and WEBSOCKET_PROTOCOL; under the name websocketd it is as that has it. `protocol` is the
 * subprotocol chosen or NULL.
 *
 * Returns 0, -ENOMEM, or -E2BIG when it is more than SPAWN_ENV_MAX bytes (431).
 */
int environ_build(const struct exchange *exchange, const struct exchange_upgrade *upgrade,
	const char *session, const char *protocol, char **out, size_t *len);

/*
 * The same for a CGI program: match->entry is its path beneath the route's cgi directory, also the end of
 * match->script_name. `id` names this run. There is no WEBSOCKET_PROTOCOL; CONTENT_LENGTH is there when the
 * request has a length, SCRIPT_FILENAME is the program's file. Under the name websocketd it is as Go's CGI
 * has it, which that uses: no SCRIPT_NAME, and all of the path as PATH_INFO. Returns the same.
 */
int environ_build_cgi(const struct exchange *exchange, const struct http_request *request,
	const struct route_match *match, const char *id, char **out, size_t *len);

#endif
