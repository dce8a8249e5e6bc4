/*
 * client: who is at the other end, as far as that is known: of a connection whoever connected or a PROXY
 * header named; of a request whom a trusted proxy in front speaks for.
 */
#ifndef GATE_CLIENT_H
#define GATE_CLIENT_H

#include "base/addr.h"

struct client {
	struct addr addr; /* its port is 0 when it is not known */
	bool secure;	  /* it speaks TLS: with us, or with the proxy that it came by */
};

#endif
