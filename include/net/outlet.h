/*
 * outlet: bytes on their way to one descriptor: written at once, and what the kernel does not take is queued,
 * in order. Used by a stream, which decides when the queue is tried again and what an error means.
 */
#ifndef NET_OUTLET_H
#define NET_OUTLET_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Zeroed but for fd and is_socket to begin. */
struct outlet {
	int fd;			/* the owner's; non-blocking */
	bool is_socket;		/* as far as one knows, net/transfer.h */
	bool corked;		/* what is put now is followed at once, net/transfer.h (`more`) */
	struct evbuffer *queue; /* NULL while empty */
	uint64_t n_written;	/* bytes that the kernel has taken */
};

/* Sends n pieces, `len` bytes in all. Returns 0, or -errno: what was queued is lost. */
int outlet_put(struct outlet *outlet, const struct iovec *iov, int n, size_t len);

/* Tries the queue again. Returns whether the kernel took any of it, or -errno. */
int outlet_retry(struct outlet *outlet);

/*
 * Gives the descriptor, a socket, at most len bytes of a file without a copy in between; with an empty queue
 * only. The pages are lent: what happens to the file happens to them, until the peer's program has read them
 * (on this machine) or its kernel has acknowledged them. Returns how many were taken, -EAGAIN, or another
 * -errno (-ENODATA: the file ends before `offset`).
 */
long outlet_put_file(struct outlet *outlet, int file, uint64_t offset, size_t len);

/* What the kernel knows of the other end. */
struct outlet_peer {
	bool is_gone; /* nothing reaches it any more */
	/* Bytes that its kernel can have acknowledged, at most, while its program has not read them; 0 when
	 * that is not known. */
	uint64_t unread_max;
};
void outlet_ask_peer(const struct outlet *outlet, struct outlet_peer *out);

/* Has the kernel take no more than about `max` bytes that it can't send yet, for who would rather not say
 * what is old by the time that it comes; what it does not take is queued. Of TCP. */
void outlet_limit_unsent(const struct outlet *outlet, int max);

/* Bytes of memory that the queue holds (an upper bound), 0 while it is empty. */
size_t outlet_cost(const struct outlet *outlet);

/* Forgets what is queued. */
void outlet_drop(struct outlet *outlet);

#endif
