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

/* The largest chain that buffer_append() makes; two of them, the drained and the unfilled one, are the slack
 * of buffer_cost(). */
enum { BUFFER_CHAIN = 16384 };

/* Appends a copy of len bytes. Returns 0, or -ENOMEM and then nothing was appended that matters: the session
 * must end. */
int buffer_append(struct evbuffer *queue, const void *data, size_t len);

/*
 * An upper bound of the bytes that the queue holds from malloc: its length, a 32nd of that, and two chains;
 * 0 when it is empty. It depends on the length alone, so it falls as the queue is drained. Cheap.
 */
size_t buffer_cost(const struct evbuffer *queue);

#endif
