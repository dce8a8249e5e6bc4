/*
 * logring: puts lines into the ring and takes them out. Knows nothing of what is in them but that they end
 * with a newline. Runs on whichever thread holds the log's lock.
 */
#include "base/logring.h"

#include <string.h>

/* Copies a line in, around the end of the ring if need be. */
bool logring_push(struct logring *ring, const char *line, size_t len)
{
	size_t end = (ring->start + ring->used) % ring->size;
	size_t head = len < ring->size - end ? len : ring->size - end;

	if (len > ring->size - ring->used)
		return false;
	memcpy(ring->bytes + end, line, head);
	memcpy(ring->bytes, line + head, len - head);
	ring->used += len;
	return true;
}

/* Copies out what there is room for, then leaves the line that was cut where it is. */
size_t logring_take(struct logring *ring, char *out, size_t room)
{
	size_t len = ring->used < room ? ring->used : room;
	size_t head = len < ring->size - ring->start ? len : ring->size - ring->start;

	memcpy(out, ring->bytes + ring->start, head);
	memcpy(out + head, ring->bytes, len - head);
	if (len < ring->used)
		len = (size_t)((char *)memrchr(out, '\n', len) + 1 - out);
	ring->start = (ring->start + len) % ring->size;
	ring->used -= len;
	return len;
}
