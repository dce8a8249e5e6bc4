/*
 * route: which section [route PATH] answers a request. Pure.
 */
#ifndef CONF_ROUTE_H
#define CONF_ROUTE_H

#include "conf/config.h"

/* Why a pattern can't be taken; route_error() has the words. */
enum route_error {
	ROUTE_NO_PATH = -1,   /* no slash */
	ROUTE_BAD_HOST = -2,  /* what is before the first slash is no host name */
	ROUTE_BAD_STAR = -3,  /* a "*" that is not the whole last segment */
	ROUTE_BAD_PATH = -4,  /* a broken escape, a control character, "?" or "#" */
	ROUTE_NO_MEMORY = -5, /* pool->failed is set */
};

/* Parses "/path", "/path/" + "*", or either with a host in front, into pattern, host, path and prefix. The
 * path is decoded once. Returns 0 or a negative route_error. */
int route_parse(struct pool *pool, struct route_conf *route, const char *pattern);
const char *route_error(int error);

/* Two patterns that answer the same requests. */
bool route_same(const struct route_conf *a, const struct route_conf *b);

/* Could sessions of this route come to a tls:// service? One of targets could always. */
bool route_may_encrypt(const struct route_conf *route);

/* What was found. path_info is what follows a prefix, with its slash ("/a/b"), or empty; it points into the
 * request's path. */
struct route_match {
	const struct route_conf *route; /* NULL: none (404) */
	struct text script_name;	/* the part of the path that named the route */
	struct text path_info;
	struct text entry; /* of a `dir` or `cgi`, once gate/scripts.c has found it: the program's path
			      beneath it, also the end of script_name; else empty */
};

/* Does the route answer on the listener of this name? */
bool route_is_on(const struct route_conf *route, const char *listener);

/*
 * Finds the route for a decoded path on a listener. `host` is the Host header without its port and
 * without the brackets of an IPv6 address. A route with
 * a host wins over one without, exact over prefix, longer over shorter.
 */
struct route_match route_find(
	const struct config *config, const char *listener, struct text host, struct text path);

/* Does one of the listener's server_names (exact, or *.example.org for any name below it) cover this host?
 * It is given as to route_find(). ASCII case is folded. */
bool route_names_match(const struct conf_list *names, struct text host);

#endif
