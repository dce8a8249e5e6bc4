/*
 * buffer: queues of bytes in memory (evbuffers) whose cost is known.
 *
 * An evbuffer that is given bytes as they come can hold many times their number (its smallest chain is 1
 * KiB). Everything that waits in this program waits in a buffer filled by buffer_append(), which packs bytes
 * into full chains, so that what buffer_cost() says is what malloc gave. One thread at a time.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <event2/buffer.h>
#include <stddef.h>

/* The size of the chains that buffer_append() makes once a queue is not tiny; also the slack of
 * buffer_cost(). */
enum { BUFFER_CHAIN = 16384 };

/* Appends a copy of len bytes. Returns 0, or -ENOMEM and then nothing was appended that matters: the session
 * must end. */
int buffer_append(struct evbuffer *queue, const void *data, size_t len);

/* An upper bound of the bytes that the queue holds from malloc; 0 when it is empty. */
size_t buffer_cost(const struct evbuffer *queue);

#endif
