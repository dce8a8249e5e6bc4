/*
 * tcp: a TCP or unix socket service as an endpoint.
 */
#ifndef BACKEND_TCP_H
#define BACKEND_TCP_H

#include "conf/config.h"
#include "net/endpoint.h"
#include "net/resolver.h"

/* After finish the service may go on for this long without a byte, and so long in all, before its connection
 * is cut. */
enum { TCP_DRAIN_MS = 1000, TCP_DRAIN_MAX_MS = 5000, TCP_ABORT_MS = 1000 };

/* A connection to route->connect, not yet begun. The route must outlive it. NULL when memory is short. */
struct endpoint *tcp_new(struct loop *loop, struct resolver *resolver, const struct route_conf *route,
	enum framing framing, const struct endpoint_hooks *hooks, void *arg);

#endif
