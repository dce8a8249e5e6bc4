/*
 * logring: whole lines, each with its newline, in a ring of fixed size. No lock and no allocation: both are
 * the log's.
 */
#ifndef BASE_LOGRING_H
#define BASE_LOGRING_H

#include <stdbool.h>
#include <stddef.h>

struct logring {
	char *bytes;
	size_t size, start, used;
};

/* Adds a line; false: there is no room for it. */
bool logring_push(struct logring *ring, const char *line, size_t len);

/*
 * Moves the first lines out, as many as fit into `room`, which is enough for the first; returns how many
 * bytes that are.
 */
size_t logring_take(struct logring *ring, char *out, size_t room);

#endif
