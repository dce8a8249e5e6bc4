/*
 * response: heads of HTTP/1.1 responses, written into a buffer. Never echoes a byte that a client sent by
 * itself: what a head says comes from its callers. Who owns the buffer decides on the thread.
 *
 * A head is http_response_begin(), headers, http_response_end(); what the caller appends then is the body.
 * There is a Date and no Server. Callers add Content-Length (always, but not to a 101 or 204), what closes
 * the connection after a refusal, Allow, Retry-After and the like. The functions return 0, or -ENOMEM: then
 * the buffer has half a head, and the connection must end without it.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "base/text.h"

#include <event2/buffer.h>
#include <stdint.h>
#include <time.h>

/* Room for an HTTP date with its NUL: "Sun, 06 Nov 1994 08:49:37 GMT". */
enum { HTTP_DATE_SIZE = 30 };

/* Room for what http_response_switch() writes. */
enum { HTTP_SWITCH_SIZE = 256 };

/* The reason phrase of a status (RFC 9110), "Unknown" for one that is not known. */
const char *http_status_phrase(int status);

/* Formats a date (RFC 9110 5.6.7) of the years 0 to 9999; one outside is moved to the nearest. Returns out.
 */
char *http_date(time_t when, char out[HTTP_DATE_SIZE]);

/* Begins a response: status line and Date. */
int http_response_begin(struct evbuffer *out, int status, time_t now);
/* The same in somebody else's words for the status, which hold no control character but a tab; if there are
 * any. */
int http_response_begin_as(struct evbuffer *out, int status, struct text phrase, time_t now);
/* Adds one header. A name that is no token or a value with CR or LF must not come here (must()). */
int http_response_header(struct evbuffer *out, const char *name, const char *value);
int http_response_header_text(struct evbuffer *out, struct text name, struct text value);
int http_response_header_u64(struct evbuffer *out, const char *name, uint64_t value);
/*
 * Writes the beginning of the 101 that answers an opening handshake, all of RFC 6455 4.2.2 but for
 * subprotocol and extensions: as http_response_begin() and headers would, without a buffer. Returns its
 * length; other headers may follow, and the empty line must.
 */
size_t http_response_switch(char out[HTTP_SWITCH_SIZE], const char *accept, time_t now);
/* Ends the head with its empty line. */
int http_response_end(struct evbuffer *out);

#endif
