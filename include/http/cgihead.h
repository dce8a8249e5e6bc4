/*
 * cgihead: the head that a CGI program writes before its document (RFC 3875 section 6). Pure: bytes in,
 * verdict out; the verdict does not depend on how the bytes were split. Any thread.
 *
 * Use: cgihead_scan() after each read until it finds the end of the head, then cgihead_parse() on that head.
 * What is behind the head is the document. What leaves here may stand in a response: no value holds a control
 * character but a tab, every name is a token.
 */
#ifndef HTTP_CGIHEAD_H
#define HTTP_CGIHEAD_H

#include "base/text.h"
#include "http/request.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	CGIHEAD_MAX = 16384,	  /* bytes of a head, its empty line included */
	CGIHEAD_HEADERS_MAX = 64, /* lines of it, those that are left out included */
};

/* A parsed head. Every text points into the bytes that were parsed, which must outlive it; one that is not
 * there is empty. */
struct cgihead {
	int status;	      /* 200 to 599; what Status says, else 302 with a Location, else 200 */
	struct text reason;   /* the program's words behind the status; may be none */
	struct text type;     /* Content-Type (6.3.1) */
	struct text location; /* Location (6.3.2): begins with "/" or a scheme; visible ASCII */
	bool local;	      /* 6.2.2: Location is alone and a request's target: nothing of this head and
				 nothing behind it is for the client, who gets what that target has */
	bool has_content;     /* false where a status never has a document: 204, 205, 304 */
	bool has_length;
	uint64_t length; /* Content-Length: of the document behind the head */
	/*
	 * All others in their order, names that come several times too (Set-Cookie). Left out are those of
	 * the connection, which are the gateway's own: Connection, Keep-Alive, Proxy-*, TE, Trailer,
	 * Transfer-Encoding, Upgrade; and Date, which every response has anyhow (6.3.4).
	 */
	struct http_header headers[CGIHEAD_HEADERS_MAX];
	size_t n_headers;
};

/* What is wrong with a head: the program's mistake, to be answered with 502. Words: cgihead_reason(). */
enum cgihead_error {
	CGIHEAD_BAD_BYTE = -1,	   /* a control character, or a CR without its LF */
	CGIHEAD_BAD_FOLD = -2,	   /* a line that begins with white space; there are no continuations (6.3) */
	CGIHEAD_TOO_LARGE = -3,	   /* no end within CGIHEAD_MAX bytes */
	CGIHEAD_TOO_MANY = -4,	   /* more than CGIHEAD_HEADERS_MAX lines */
	CGIHEAD_BAD_LINE = -5,	   /* no name in front of a colon; or not one whole head */
	CGIHEAD_BAD_REPEAT = -6,   /* Content-Type, Location, Status or Content-Length twice */
	CGIHEAD_BAD_STATUS = -7,   /* not three digits from 200 to 599, alone or with a space behind them */
	CGIHEAD_BAD_LOCATION = -8, /* neither begins with "/" nor with a scheme, or bytes no URI has */
	CGIHEAD_BAD_TYPE = -9,	   /* an empty Content-Type */
	CGIHEAD_BAD_LENGTH = -10,  /* Content-Length is no number */
	CGIHEAD_NO_FIELD = -11	   /* none of Content-Type, Location and Status (6.3) */
};

/* Where an incremental scan for the end of the head stands; zeroed to begin. Work is O(n) over all calls. */
struct cgihead_scan {
	size_t seen;	/* bytes that were judged */
	size_t n_lines; /* that have ended */
	unsigned state;
};

/*
 * Looks for the end of the head in the len bytes received so far (all of them, from the first; they may have
 * moved between calls). A line ends with LF or CR LF. Returns the length of the head with its empty line, 0
 * when more is needed, or a negative cgihead_error at the first byte that no head can have there:
 * CGIHEAD_TOO_LARGE when CGIHEAD_MAX bytes are there without the end, CGIHEAD_TOO_MANY at the first byte of
 * a line too many. What the lines say is cgihead_parse()'s business. After a result other than 0 the scan is
 * over.
 */
long cgihead_scan(struct cgihead_scan *scan, const char *buf, size_t len);

/* Parses one whole head of exactly len bytes. Returns 0 or a negative cgihead_error; then *out is of no use.
 */
int cgihead_parse(struct cgihead *out, const char *head, size_t len);

/* What is wrong, one line, for the log and for who wrote the program. */
const char *cgihead_reason(int error);

#endif
