/*
 * page: what a plain request gets where there is no file: the console, the terminal page, and what ttyd's own
 * page asks for.
 */
#ifndef GATE_PAGE_H
#define GATE_PAGE_H

#include "conf/route.h"
#include "gate/gate.h"
#include "gate/reply.h"
#include "http/request.h"

/* Makes the reply to a GET or HEAD for a file of a page (gate/console.h), by the query: all but `close`. The
 * client that has it already is told so (RFC 9110 13.1.2). Returns the reason for the log, or NULL: then
 * there is no such file on this route, and no reply. */
const char *page_find(struct reply *out, const struct http_request *request, const struct route_conf *route);

/* Is this path (decoded) that of a terminal, with "/token" behind it? `route` is what answers the path as it
 * is, or NULL; it goes first when it names the path exactly. `host` as for route_find(). */
bool page_is_token(const struct config *config, const struct entrance *entrance, struct text host,
	struct text path, const struct route_conf *route);

/* The reply to that: ttyd's {"token":""}, since there is nothing to tell. Returns the reason. `route` may be
 * NULL. */
const char *page_token(struct reply *out, const struct http_request *request, const struct route_conf *route);

#endif
