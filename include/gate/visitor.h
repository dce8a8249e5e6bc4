/*
 * visitor: the browser's side of a session: WebSocket over a stream, as an endpoint (RFC 6455 sections 5 to
 * 7).
 */
#ifndef GATE_VISITOR_H
#define GATE_VISITOR_H

#include "conf/config.h"
#include "http/permessage.h"
#include "net/endpoint.h"
#include "net/stream.h"

enum {
	VISITOR_CLOSE_MS = 5000,  /* from our close frame's leaving to the client's */
	VISITOR_LINGER_MS = 2000, /* from the last close frame to the client's end of TCP */
	VISITOR_PEEK_MS = 2000	  /* from a look whether a client that is not read is there to the next */
};

/*
 * Takes over a stream whose 101 has been sent. The stream, which stays the caller's, is closed by it when the
 * visitor is gone or destroyed. The route must outlive it. max_message: of the client, in bytes, 0 is no
 * limit. agreed: what permessage_negotiate() gave. NULL when memory is short.
 */
struct endpoint *visitor_new(struct loop *loop, struct stream *stream, const struct route_conf *route,
	uint64_t max_message, const struct permessage *agreed);

/* Bytes of memory that a visitor may hold, about, besides what every one does. */
size_t visitor_may_hold(const struct permessage *agreed);

/* The bytes that came right after the request's head: its first frames. After the bridge has joined it. */
void visitor_feed(struct endpoint *endpoint, uint8_t *data, size_t len);

/* Before its finish, when the gateway itself ends it: `why` is for the log, unless the client has closed or
 * is gone. */
void visitor_blame(struct endpoint *endpoint, const char *why);

/* One whose end has begun: resets its connection if anything still waits for it; `how` is for the log. Who
 * has taken all is left the time that it has to close (above). The hooks on_eof, if it is due, and on_closed
 * are called within. */
void visitor_cut(struct endpoint *endpoint, const char *how);

/* The close codes for the log: 0 none sent; CLOSE_ABNORMAL (1006) none received. */
uint16_t visitor_code_sent(const struct endpoint *endpoint);
uint16_t visitor_code_received(const struct endpoint *endpoint);

#endif
