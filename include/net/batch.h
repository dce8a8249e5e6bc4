/*
 * batch: the writes of one callback, gathered into one writev(2).
 *
 * A read of 64 KiB may hold a thousand frames; each becomes a header and a payload for the other side. What
 * stays where it is (in the scratch buffer) is pointed at as long as it is in one run, or large; other small
 * pieces are copied together. So a payload goes from the scratch buffer to the kernel without a copy, and
 * mostly as a single piece, which is what the kernel takes most cheaply. Therefore a batch must be flushed
 * before the callback returns that filled it. One batch a thread, used by one stream at a time
 * (net/stream_send.c).
 */
#ifndef NET_BATCH_H
#define NET_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	BATCH_IOV = 64,	      /* pieces */
	BATCH_SMALL = 16384,  /* bytes of small pieces */
	BATCH_COPY_MAX = 1024 /* pieces up to this size are copied: cheaper than an iovec of their own */
};

struct batch {
	void *owner; /* the stream that it belongs to now; NULL: empty */
	int n;
	size_t len; /* bytes in all */
	size_t n_small;
	struct iovec iov[BATCH_IOV];
	uint8_t small[BATCH_SMALL];
};

struct batch *batch_new(void); /* NULL when memory is short */
void batch_free(struct batch *batch);

/* Is there room for a piece of this size? An empty batch has room for any. */
bool batch_has_room(const struct batch *batch, size_t len);

/* Adds a piece (len > 0) for which there is room. stays: its bytes are there until the batch is flushed; of a
 * small piece for which that is not said there is a copy. */
void batch_add(struct batch *batch, const void *data, size_t len, bool stays);

void batch_clear(struct batch *batch);

#endif
