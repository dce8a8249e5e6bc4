/*
 * buffer: keeps the cost of an evbuffer close to its length. Owns no queue; adds to the caller's.
 *
 * libevent 2.1.12 rounds every chain, its 48-byte header included, up to a power of two of at least 1 KiB,
 * and evbuffer_add() fills the last chain before it makes another, no smaller than that one. So added in
 * pieces that with their header fit BUFFER_CHAIN, all chains between the first and the last are full.
 */
#include "base/buffer.h"

#include <errno.h>

enum {
	BUFFER_CHAIN_HEADER = 48, /* struct evbuffer_chain on LP64 */
	BUFFER_MALLOC_HEADER = 16 /* what malloc adds to a block */
};

/* Adds piece by piece; a single large evbuffer_add() would round up to twice what it needs. */
int buffer_append(struct evbuffer *queue, const void *data, size_t len)
{
	const size_t piece_max = BUFFER_CHAIN - BUFFER_CHAIN_HEADER;
	const char *at = data;

	while (len > 0) {
		size_t piece = len < piece_max ? len : piece_max;

		if (evbuffer_add(queue, at, piece) != 0)
			return -ENOMEM;
		at += piece;
		len -= piece;
	}
	return 0;
}

/*
 * Bounds the cost by the length: the first chain may be drained and the last one unfilled but for a byte,
 * and the full ones between, of 4 KiB at least but for one of 2 KiB, add a header of less than a 32nd.
 */
size_t buffer_cost(const struct evbuffer *queue)
{
	size_t len = evbuffer_get_length(queue);

	return len ? len + len / 32 + 2 * (BUFFER_CHAIN + BUFFER_MALLOC_HEADER) : 0;
}
