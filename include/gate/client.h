/*
 * client: who is at the other end, as far as that is known: of a connection whoever connected or a PROXY
 * header named; of a request whom a trusted proxy in front speaks for.
 */
#ifndef GATE_CLIENT_H
#define GATE_CLIENT_H

#include "base/addr.h"
#include "conf/config.h"
#include "http/request.h"

struct client {
	struct addr addr; /* its port is 0 when it is not known */
	bool secure;	  /* it speaks TLS: with us, or with the proxy that it came by */
	bool proxied; /* a proxy's HTTP headers speak for it: what we know of our own TLS is that proxy's */
	/* addr is that of a proxy whose PROXY header did not say who its client is: then headers of HTTP,
	 * which may be that client's own, don't either. */
	bool untold;
};

/*
 * Who a request is of that came in by `listen` on a connection of `direct`: who the headers say (see
 * http/forwarded.h) when direct is one of trusted_proxies and not untold, else direct, whatever they say.
 * Where a trusted proxy does not tell the scheme, `secure` stays that of the connection. out and direct are
 * not the same. When headers of a proxy are there but aren't believed, the log has a line for who wonders
 * (debug).
 */
void client_of_request(struct client *out, const struct client *direct, const struct listen_conf *listen,
	const struct http_request *request, struct log *log);

#endif
