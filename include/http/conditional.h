/*
 * conditional: the preconditions of a request (RFC 9110 section 13): is the client's copy still good, may a
 * part be sent that it adds to its own. Pure; any thread.
 */
#ifndef HTTP_CONDITIONAL_H
#define HTTP_CONDITIONAL_H

#include "http/request.h"

#include <time.h>

/* What tells one state of a representation from another. */
struct conditional_validators {
	const char *etag; /* strong: with its quotes, without W/ */
	time_t modified;  /* as Last-Modified says it */
};

enum conditional_verdict {
	CONDITIONAL_SEND,	  /* as if there were no conditions */
	CONDITIONAL_NOT_MODIFIED, /* 304 */
	CONDITIONAL_FAILED	  /* 412 */
};

/*
 * Judges If-Match or else If-Unmodified-Since, then If-None-Match or else If-Modified-Since, as 13.2.2 orders
 * them, of a GET or HEAD for something that exists. A date that can't be read is as good as none, and so is
 * one of If-Modified-Since that is still to come at `now`.
 */
enum conditional_verdict conditional_check(
	const struct http_request *request, const struct conditional_validators *validators, time_t now);

/* May Range be followed? Without If-Range always; else it must be the entity tag (strong comparison) or
 * exactly the date, in the past (13.1.5). */
bool conditional_allows_range(
	const struct http_request *request, const struct conditional_validators *validators, time_t now);

#endif
