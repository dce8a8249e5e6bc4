/*
 * utf8: incremental check of UTF-8 (RFC 3629), failing at the first byte that cannot be part of it. Pure.
 */
#ifndef WS_UTF8_H
#define WS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;

/* Between two calls: what may come next. Zeroed to begin. */
struct utf8 {
	uint8_t now; /* private */
};

/* Returns how many of the len bytes were read before the first bad one: len when all are good so far. After
 * less than len the state tells whether the bad byte cut a code point short. */
size_t utf8_check(struct utf8 *state, const uint8_t *buf, size_t len);

/* No code point is open. */
bool utf8_complete(const struct utf8 *state);

/* How many bytes at the end of buf begin a code point that is not complete: 0 to 3. Only those could become
 * valid by what follows. */
size_t utf8_tail(const uint8_t *buf, size_t len);

/*
 * Appends buf to out with each maximal invalid part replaced by U+FFFD (the W3C/Unicode practice: one for
 * each maximal subpart). At most 3 bytes come out for each byte that goes in. Returns 0 or -ENOMEM.
 */
int utf8_replace(struct evbuffer *out, const uint8_t *buf, size_t len);

#endif
