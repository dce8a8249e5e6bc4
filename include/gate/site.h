/*
 * site: what a plain request gets of a directory of static files: a file or a part of it, its gzip form, or
 * only word that it has not changed.
 */
#ifndef GATE_SITE_H
#define GATE_SITE_H

#include "gate/file.h"
#include "gate/reply.h"
#include "http/request.h"
#include "http/response.h"

/* Room for a Content-Range: "bytes FIRST-LAST/LENGTH". */
enum { SITE_RANGE_SIZE = 80 };

/* Points into itself: is not copied. */
struct site {
	struct reply reply; /* all but `close` */
	struct file file;   /* the body, to be closed by whoever asked; fd -1 when there is none */
	const char *reason; /* for the log */
	struct file_facts facts;
	char modified[HTTP_DATE_SIZE], range[SITE_RANGE_SIZE];
};

/*
 * Finds `path` (decoded) beneath the directory of a route and makes the reply of a GET or HEAD for it
 * (RFC 9110 sections 12 to 14). Returns 0, or a file_error: then there is no reply, and nothing is open.
 */
int site_find(struct site *site, const struct http_request *request, const struct route_conf *route,
	struct text path);

#endif
