/*
 * stream_internal: what the parts of a stream share with each other and with nobody else.
 */
#ifndef NET_STREAM_INTERNAL_H
#define NET_STREAM_INTERNAL_H

#include "net/stream.h"

/* stream.c: derives from the state which events are waited for; due whenever what it depends on has changed.
 */
void stream_update(struct stream *stream);

/* stream.c: ends our side once nothing waits. TLS says no more. */
void stream_end(struct stream *stream);

/* stream_read.c: the callback of the event `readable`. */
void stream_on_readable(evutil_socket_t fd, short what, void *arg);

/* stream_look.c: has TLS bytes that the socket knows nothing of? */
bool stream_has_pending(const struct stream *stream);

/* stream_send.c: sends the records that TLS left in the thread's outbox, as long as our side is not ended;
 * the outbox is empty then. What fails is reported by on_broken. */
void stream_push_outbox(struct stream *stream);

#endif
