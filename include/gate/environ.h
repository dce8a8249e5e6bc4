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

#endif
