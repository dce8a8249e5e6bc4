/*
 * tcp: a TCP or unix socket service as an endpoint.
 */
#ifndef BACKEND_TCP_H
#define BACKEND_TCP_H

#include "backend/framing.h"
#include "conf/config.h"
#include "net/endpoint.h"
#include "net/resolver.h"

enum {
	TCP_DRAIN_MS = 1000,	 /* after our half-close, without a byte from the service */
	TCP_DRAIN_MAX_MS = 5000, /* ... and in all */
	TCP_ABORT_MS = 1000	 /* before a reset, without a byte taken of what the visitor had sent */
};

/* A connection to route->connect, not yet begun. The route must outlive it. NULL when memory is short. */
struct endpoint *tcp_new(struct loop *loop, struct resolver *resolver, const struct route_conf *route,
	const struct framing_rules *rules, const struct endpoint_hooks *hooks, void *arg);

#endif
