/*
 * tcp: a TCP or unix socket service as an endpoint.
 */
#ifndef BACKEND_TCP_H
#define BACKEND_TCP_H

#include "backend/framing.h"
#include "conf/config.h"
#include "net/endpoint.h"
#include "net/resolver.h"
#include "net/tls.h"

struct rotation;

enum { TCP_PROXY_MAX = 2048 }; /* bytes; a socket that was just connected takes as many at once */

/*
 * How long a service may go on after our half-close, which follows the client's close frame. One that ends in
 * that time is heard out, however slowly the client takes it: what waits for the client has send_timeout for
 * each step, and is not counted here. One that was read for so long and goes on is taken for one that never
 * ends (a ticker, a screen): RFC 6455 5.5.1 wants the client answered as soon as practical and promises it
 * nothing more, and it is answered with its own code, for it was the one to end.
 */
enum {
	TCP_DRAIN_MS = 1000,	/* without a byte from it */
	TCP_DRAIN_MAX_MS = 5000 /* in all */
};

enum { TCP_ABORT_MS = 1000 }; /* before a reset, without a byte taken of what the visitor had sent */

/* What a connection needs to know. */
struct tcp_params {
	const struct route_conf *route;
	const struct upstream_list
		*upstreams;	   /* any of them will do: &route->connect, or what was chosen for it */
	struct rotation *rotation; /* of all sessions; NULL: tried in their order */
	size_t route_index;	   /* of it, if upstreams is &route->connect */
	struct resolver *resolver;
	struct framing_rules rules;
	struct tls *tls;    /* for those that are tls://, or NULL */
	const void *proxy;  /* the PROXY header, which goes to a service first of all; or NULL */
	size_t proxy_len;   /* at most TCP_PROXY_MAX */
	struct addr client; /* for hash-ip */
};

/* A connection to one of the services, not yet begun. route, upstreams and rotation must outlive it, the rest
 * is copied. NULL when memory is short. */
struct endpoint *tcp_new(
	struct loop *loop, const struct tcp_params *params, const struct endpoint_hooks *hooks, void *arg);

#endif
