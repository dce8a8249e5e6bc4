/*
 * reply: whole HTTP responses of our own making, sent on a stream.
 */
#ifndef GATE_REPLY_H
#define GATE_REPLY_H

#include "conf/config.h"
#include "net/stream.h"

struct reply {
	int status;
	const char *type;     /* Content-Type, or NULL */
	const char *policy;   /* Content-Security-Policy, or NULL */
	const char *location; /* or NULL */
	const char *body;     /* len bytes, or NULL when the body comes later or not at all (HEAD) */
	uint64_t len;	      /* Content-Length */
	unsigned retry_after; /* seconds, 0 for none */
	bool allow;	      /* names the methods that there are (405) */
	bool upgrade;	      /* names the protocol version that there is (426) */
	bool close;	      /* the last one on this connection */
	const struct route_conf *route; /* whose header and header_http are added, or NULL */
};

/* Sends head and body. Flush follows. Returns 0 or -ENOMEM: then nothing was sent. */
int reply_send(struct stream *stream, const struct reply *reply);

/* Sends the 101 (RFC 6455 4.2.2). protocol may be NULL. Returns as above. */
int reply_send_switch(
	struct stream *stream, const char *accept, const char *protocol, const struct route_conf *route);

#endif
