/*
 * entropy: the pool. What was given is not kept. Any thread, but one at a time.
 */
#include "base/entropy.h"

#include "base/must.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Takes from the pool, when that has enough. */
int entropy_take(struct entropy *entropy, void *out, size_t len)
{
	must(len <= ENTROPY_POOL);
	if (entropy->left < len) {
		ssize_t n = getrandom(entropy->bytes, ENTROPY_POOL, 0);
		entropy->left = n == ENTROPY_POOL ? ENTROPY_POOL : 0;
		if (n != ENTROPY_POOL)
			return n < 0 ? -errno : -EIO;
	}
	unsigned char *at = entropy->bytes + ENTROPY_POOL - entropy->left;
	memcpy(out, at, len);
	explicit_bzero(at, len);
	entropy->left -= len;
	return 0;
}
