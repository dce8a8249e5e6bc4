/*
 * forwarded: who the client of a request is behind proxies: Forwarded (RFC 7239), X-Forwarded-For and
 * X-Forwarded-Proto. Pure; any thread.
 *
 * Each proxy adds to the end of these lists whom it was asked by, so they are read from the right, and only
 * as far as the proxies are trusted: what stands left of that anybody may have written, and it is not looked
 * at.
 */
#ifndef HTTP_FORWARDED_H
#define HTTP_FORWARDED_H

#include "base/cidr.h"
#include "http/request.h"

enum {
	FORWARDED_HOPS_MAX = 16, /* of a list that are read, */
	FORWARDED_MAX = 1024	 /* and bytes, commas and spaces among them */
};

enum forwarded_scheme {
	FORWARDED_UNSAID,
	FORWARDED_PLAIN, /* http, ws */
	FORWARDED_SECURE /* https, wss */
};

struct forwarded {
	struct addr addr; /* its port is 0 when it is not told */
	enum forwarded_scheme scheme;
	bool told; /* something was believed; a hop that is unknown is something, too */
};

/*
 * Finds the client of a request that came from `peer`, which is trusted: the rightmost hop that is not in
 * `trusted`; the leftmost when all are. A hop that is unknown or obfuscated (RFC 7239 6.2, 6.3) ends what is
 * known: the client is then who told so. The scheme is the one that this client used: of its element in
 * Forwarded; of X-Forwarded-Proto the element as far from the right, or the only one.
 *
 * In X-Forwarded-For a hop is an IPv4 or IPv6 address, the latter with or without brackets, a port behind
 * IPv4 or brackets, what is unknown or obfuscated as above, or nginx's "unix:". Several headers of a name are
 * one list; empty elements are passed over.
 *
 * A list is not believed at all when there is something malformed at or right of the client, or it is longer
 * than the limits before the client is found. When both kinds of headers are there, only what both say is
 * believed; nothing, when they contradict each other or only one of them names an address.
 *
 * Where nothing is believed *out is the peer, FORWARDED_UNSAID and not told. Returns false when that is so
 * although there are such headers.
 */
bool forwarded_find(struct forwarded *out, const struct http_request *request, const struct addr *peer,
	const struct cidr *trusted, size_t n_trusted);

#endif
