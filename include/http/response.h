/*
 * response: heads of HTTP/1.1 responses, written into a buffer. Pure. Never echoes a byte that a client sent.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Room for an HTTP date with its NUL: "Sun, 06 Nov 1994 08:49:37 GMT". */
enum { HTTP_DATE_SIZE = 30 };

/* The reason phrase of a status (RFC 9110), "Unknown" for one we do not use. */
const char *http_status_phrase(int status);

/* Formats a date (RFC 9110 5.6.7). Returns out. */
char *http_date(time_t when, char out[HTTP_DATE_SIZE]);

/* Begins a response: status line and Date. Then headers, then http_response_end(). */
void http_response_begin(struct evbuffer *out, int status, time_t now);
/* Adds one header. A value or name with CR, LF or NUL must not come here (must()). */
void http_response_header(struct evbuffer *out, const char *name, const char *value);
void http_response_header_u64(struct evbuffer *out, const char *name, uint64_t value);
void http_response_end(struct evbuffer *out);

#endif
