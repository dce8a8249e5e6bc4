/*
 * cgi_reply: the response that the head and the document of a CGI program become, on a stream.
 */
#ifndef GATE_CGI_REPLY_H
#define GATE_CGI_REPLY_H

#include "conf/config.h"
#include "http/cgihead.h"
#include "net/stream.h"

/* How a client knows where the document ends (RFC 9112 6.3). */
enum cgi_reply_framing {
	CGI_REPLY_NOTHING, /* there is none: HEAD, or a status that never has one */
	CGI_REPLY_LENGTH,  /* Content-Length */
	CGI_REPLY_CHUNKED, /* its last chunk */
	CGI_REPLY_CLOSE	   /* the connection's end */
};

/* Zeroed but for the first two to begin. */
struct cgi_reply {
	bool only_head; /* the request was a HEAD */
	bool old;	/* ... of HTTP/1.0, where there are no chunks */
	bool begun;
	enum cgi_reply_framing framing;
	uint64_t length; /* LENGTH */
	uint64_t sent;	 /* of the document */
	bool overlong;	 /* LENGTH: there was more */
};

/* Does this head need the connection's end behind its document? */
bool cgi_reply_needs_close(const struct cgi_reply *reply, const struct cgihead *head);

/* Sends the head, not of a local redirect. close: the response is the connection's last. Flush follows, here
 * and below. Returns 0 or -ENOMEM: then nothing was sent. */
int cgi_reply_begin(struct cgi_reply *reply, struct stream *stream, const struct cgihead *head,
	const struct route_conf *route, bool close);

/* Sends a part of the document: what is beyond its length, or of a document that is not to be, is not sent.
 * Returns whether all of it was. */
bool cgi_reply_add(struct cgi_reply *reply, struct stream *stream, const uint8_t *data, size_t len);

/* Has the client all that it was promised, whatever still comes of the program? */
bool cgi_reply_is_whole(const struct cgi_reply *reply);

/*
 * The document ends here; cut: it is not known to be whole. Returns whether the client has all that it was
 * promised. If not, it can tell once the connection ends: its last chunk or some of its length is missing;
 * but with CGI_REPLY_CLOSE that must be a reset.
 */
bool cgi_reply_end(const struct cgi_reply *reply, struct stream *stream, bool cut);

#endif
