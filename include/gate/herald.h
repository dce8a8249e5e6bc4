/*
 * herald: tells a service who its client is, by the PROXY header that a session begins with (send_proxy).
 */
#ifndef GATE_HERALD_H
#define GATE_HERALD_H

#include "base/arena.h"
#include "base/text.h"
#include "conf/config.h"
#include "gate/client.h"
#include "net/proxyhdr.h"

#include <openssl/ssl.h>

/* What it tells. All of it is borrowed. */
struct herald {
	const struct addr *client;
	const struct proxyhdr *told; /* by a proxy in front; or NULL */
	int fd;			     /* its connection with us */
	const char *id;		     /* of the session */
	struct text host;	     /* that it asked for, without a port */
	bool secure;		     /* it speaks TLS, with us or a proxy */
	const SSL *ssl;		     /* its TLS with us, or NULL */
};

/* A copy of what a header says (of those that are relayed), with its texts, but not of the id and the host,
 * which are ours to tell. NULL when memory is short; to be given back to the arena. */
struct proxyhdr *herald_keep(struct arena *arena, const struct proxyhdr *told);

/* Makes the header. Returns its length; 0 when the route sends none. */
size_t herald_make(const struct herald *herald, enum send_proxy how, uint8_t out[static PROXYHDR_MAX]);

#endif
