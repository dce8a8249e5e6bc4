/*
 * environ: what a program is told about its session, as CGI/1.1 (RFC 3875 section 4.1) has it.
 */
#ifndef GATE_ENVIRON_H
#define GATE_ENVIRON_H

#include "gate/exchange.h"

/*
 * NAME=VALUE strings, each NUL-terminated, one after another, of *len bytes. The caller frees. NULL when
 * memory is short. protocol is the subprotocol chosen or NULL. No value holds a newline or NUL; a header
 * whose name has a "_", and Proxy, are left out.
 */
char *environ_build(const struct exchange *exchange, const struct exchange_upgrade *upgrade,
	const char *session, const char *protocol, size_t *len);

#endif
