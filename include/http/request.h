/*
 * request: a strict parser for the head of an HTTP/1 request (RFC 9112, and stricter where leniency has let
 * requests be smuggled). Pure: bytes in, verdict out; the verdict does not depend on how the bytes were
 * split. Any thread.
 *
 * Use: http_request_scan() after each read until it finds the end of the head, then http_request_parse() on
 * that head. Every error ends the connection once it was answered: what follows a head that was refused must
 * never be read as a request.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	HTTP_HEADERS_MAX = 64,
	HTTP_LINE_MAX = 8192, /* bytes of one line, its CRLF not counted */
	HTTP_NAME_MAX = 64    /* bytes of a header's name */
};

struct http_header {
	struct text name, value; /* value without the white space around it */
};

/* A parsed head. Every text points into the bytes that were parsed, which must outlive it. */
struct http_request {
	struct text method; /* GET, HEAD or POST */
	struct text target; /* as sent, origin form: begins with "/", 0x21 to 0x7e, escapes well formed */
	struct text path;   /* of the target, not decoded */
	struct text query;  /* after the "?", which is not in it */
	bool has_query;
	int minor;		 /* HTTP/1.minor: 0 or 1 */
	struct text host;	 /* of Host, without the port and without the brackets of an IPv6
				    address; empty if there was none (HTTP/1.0) */
	struct text host_port;	 /* digits after the colon, at most 65535, or empty */
	uint64_t content_length; /* of the body that follows; 0 if there was none, and always but on a POST */
	bool has_length;	 /* there was a Content-Length */
	bool expects_continue;	 /* waits for a 100 (Continue) before it sends its body; only if it has one */
	bool keep_alive;	 /* what Connection and the version ask for */
	/* Lengths that names of headers have, a bit for each (http_request_bit()), and those that more than
	 * one has: mostly enough to tell that a header is not there. Who adds a header by hand
	 * sets its bit; who takes one out may leave it. */
	uint64_t lens, lens_twice;
	size_t n_headers;
	struct http_header headers[HTTP_HEADERS_MAX]; /* last: only those that are there are written */
};

/*
 * Each error has an HTTP status and words: http_request_status(), http_request_reason(). Who answers a 405
 * says in Allow which methods there are.
 */
enum http_request_error {
	HTTP_BAD_LINE = -1,	   /* 400: request line */
	HTTP_BAD_METHOD = -2,	   /* 405: not GET, HEAD or POST */
	HTTP_BAD_TARGET = -3,	   /* 400: not origin form, or a byte or escape that may not be there */
	HTTP_BAD_VERSION = -4,	   /* 505: another HTTP version, well formed; else HTTP_BAD_LINE */
	HTTP_BAD_NAME = -5,	   /* 400: header name: empty, no token, too long, space before the colon */
	HTTP_BAD_VALUE = -6,	   /* 400: header value, NUL or control character */
	HTTP_BAD_FOLD = -7,	   /* 400: obs-fold */
	HTTP_BAD_HOST = -8,	   /* 400: missing, twice, or not a host */
	HTTP_BAD_LENGTH = -9,	   /* 400: Content-Length */
	HTTP_BAD_CODING = -10,	   /* 501: Transfer-Encoding */
	HTTP_BAD_REPEAT = -11,	   /* 400: a header twice that may come once */
	HTTP_BAD_BODY = -12,	   /* 400: a body where none may be, or one announced in two ways */
	HTTP_BAD_EXPECT = -13,	   /* 417: any but 100-continue on a POST with a body */
	HTTP_HEAD_TOO_LARGE = -14, /* 431: too many bytes or headers */
	HTTP_URI_TOO_LONG = -15,   /* 414: the request line is longer than HTTP_LINE_MAX */
	HTTP_BAD_NEWLINE = -16,	   /* 400: a bare CR or LF */
	HTTP_BAD_H2 = -17,	   /* 400: HTTP/2's preface, or an HTTP2-Settings header */
	HTTP_BAD_TLS = -18, /* 400: no HTTP at all but TLS: the first byte is that of a handshake record */
	HTTP_BAD_PROXY =
		-19 /* 400: a header of the PROXY protocol: version 1's line, version 2's first byte */
};

/* Where an incremental scan for the end of the head stands; zeroed to begin. Work is O(n) over all calls. */
struct http_scan {
	size_t seen; /* bytes that were judged */
	size_t line; /* where the line began that is being read */
	unsigned state;
};

/*
 * Looks for the end of the head in the len bytes received so far (all of them, from the first; they may have
 * moved between calls). Returns the length of the head with its empty line, 0 when more is needed, or a
 * negative http_request_error at the first byte that no head can have there: controls, bare CR or LF, a
 * folded line, a line or head that is too long. What the lines say is http_request_parse()'s business.
 * `max` is the limit in bytes of the whole head; the refusal comes when max bytes are there without its end.
 * After a result other than 0 the scan is over.
 */
long http_request_scan(struct http_scan *scan, const char *buf, size_t len, size_t max);

/*
 * Parses one whole head of exactly len bytes. Returns 0 or a negative http_request_error (HTTP_BAD_LINE, too,
 * for bytes that are not one whole head); after an error the method, target and headers read so far are in
 * *out, for the log, and the rest is empty. But HTTP_BAD_METHOD comes last, when nothing else was wrong: then
 * all is there, so that it can be said which methods there are for that host and path.
 *
 * Only a POST may have a body, and only one whose length is told (RFC 9112 6.3); without a length it has
 * none. Nor may it have one beside an Upgrade. Who does not read content_length bytes behind the head has to
 * close the connection: they must never be read as a request.
 */
int http_request_parse(struct http_request *out, const char *head, size_t len);

/* The same of a head that http_request_scan() has just found in these bytes: they are not judged once more.
 */
int http_request_parse_scanned(struct http_request *out, const char *head, size_t len);

/* Gives a request another target: origin form, as RFC 3875 6.2.2 has it for local redirects. The bytes must
 * outlive the request. Returns 0, or HTTP_BAD_TARGET: then nothing has changed. */
int http_request_retarget(struct http_request *request, struct text target);

int http_request_status(int error);	    /* the HTTP status to refuse with */
const char *http_request_reason(int error); /* what to tell the client, one line */

/* The bit of names of that length. */
static inline uint64_t http_request_bit(size_t len)
{
	return UINT64_C(1) << len % 64;
}

/* The first header of that name, ASCII case folded, or NULL; by http_request_header(). */
const struct http_header *http_request_find(const struct http_request *request, struct text name);

/* The same of a string. What is not there is not looked for, mostly. */
static inline const struct http_header *http_request_header(
	const struct http_request *request, const char *name)
{
	struct text wanted = text_of(name);
	return (request->lens & http_request_bit(wanted.len)) == 0 ? NULL
								   : http_request_find(request, wanted);
}

/* Is `token` an element of the comma-separated lists in every header of that name? Case folded. */
bool http_request_has_token(const struct http_request *request, const char *name, const char *token);

#endif
