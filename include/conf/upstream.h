/*
 * upstream: the places that an upgrade may be bridged to: tcp://HOST:PORT, tls://HOST:PORT, unix:PATH. No
 * name is resolved here.
 */
#ifndef CONF_UPSTREAM_H
#define CONF_UPSTREAM_H

#include "base/addr.h"
#include "conf/value.h"

struct upstream {
	char *uri; /* as written; belongs to whoever made the service */
	struct addr_name name;
	bool tls;
};

struct upstream_list {
	struct upstream *items;
	size_t n;
};

/* Reads a URI into all but `uri`. Returns NULL, or what is wrong with it, to be written behind the word in
 * quotes: "needs a port from 1 to 65535". */
const char *upstream_parse(struct upstream *out, const char *uri);

/* Its host, as TLS and the log call it: of a unix socket "unix". */
const char *upstream_host(const struct upstream *upstream);

/* The kind of value that is a list of them (connect), for the rows of conf/options.c. */
extern const struct value_type upstream_values;
/* ... and the one that is what a service calls itself (tls_name): a host name or an address. */
extern const struct value_type upstream_tls_name;

#endif
