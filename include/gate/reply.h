/*
 * reply: whole HTTP responses of our own making, sent on a stream.
 */
#ifndef GATE_REPLY_H
#define GATE_REPLY_H

#include "conf/config.h"
#include "http/cgihead.h"
#include "net/stream.h"

struct reply {
	int status;
	const char *type;     /* Content-Type, or NULL */
	const char *policy;   /* Content-Security-Policy, or NULL */
	const char *location; /* or NULL */
	const char *etag;     /* ETag, or NULL */
	const char *modified; /* Last-Modified, or NULL */
	const char *encoding; /* Content-Encoding, or NULL */
	const char *range;    /* Content-Range, or NULL */
	const char *body;     /* len bytes, or NULL when the body comes later or not at all (HEAD) */
	uint64_t len;	      /* Content-Length */
	unsigned retry_after; /* seconds, 0 for none */
	bool is_file;	      /* about a static file: what caches must know, and that there are ranges */
	bool is_page;	      /* about one of the console's files: caches must ask, and there are no ranges */
	const char *allow;    /* Allow: the methods that there are (405), or NULL */
	bool upgrade;	      /* names the protocol version that there is (426) */
	bool close;	      /* the last one on this connection */
	const struct route_conf *route; /* whose header and header_http are added, or NULL */
};

/*
 * Sends head and body. Flush follows. Returns 0 or -ENOMEM: then nothing was sent.
 * Headers that keep a page from harm, and Cache-Control, are ours only where the route's header and
 * header_http do not name them. A 304 has no Content-Length (RFC 9110 8.6).
 */
int reply_send(struct stream *stream, const struct reply *reply);

/* The head of a response that a CGI program gives; its document is the caller's to send. */
struct reply_program {
	const struct cgihead *head; /* none that is local */
	bool has_length;
	uint64_t len; /* Content-Length */
	bool chunked; /* the document goes out in chunks (http/chunk.h) */
	bool close;
	const struct route_conf *route;
};

/* Sends it. Returns as above. Of headers that the route adds too (header, header_http) only the route's are
 * sent, but of cookies all. */
int reply_send_program(struct stream *stream, const struct reply_program *reply);

/* What a 101 says (RFC 6455 4.2.2): Sec-WebSocket-Accept, -Protocol and -Extensions; NULL: not there. */
struct reply_switch {
	const char *accept, *protocol, *extensions;
};

/* Sends the 101, with the route's header and header_ws. Returns as above. */
int reply_send_switch(
	struct stream *stream, const struct reply_switch *reply, const struct route_conf *route);

#endif
