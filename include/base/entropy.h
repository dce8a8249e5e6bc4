/*
 * entropy: random bytes of the kernel's, fetched for many at once. Each is given to one who asks, and to
 * nobody else.
 *
 * After a fork both processes would give the same bytes: fill it in the process that uses it.
 */
#ifndef BASE_ENTROPY_H
#define BASE_ENTROPY_H

#include <stddef.h>

enum { ENTROPY_POOL = 256 }; /* bytes; so many come in one call, which no signal cuts short (getrandom(2)) */

/* Zeroed to begin. */
struct entropy {
	size_t left; /* the last ones of bytes */
	unsigned char bytes[ENTROPY_POOL];
};

/* Gives `len` bytes, at most ENTROPY_POOL. Returns 0 or -errno. */
int entropy_take(struct entropy *entropy, void *out, size_t len);

#endif
