/*
 * pattern: the bytes that every test sends, so that every byte received can be checked where it stands.
 *
 * Printable characters without a newline, repeating after a prime number of bytes: a byte that is lost,
 * doubled or swapped shows at once, in any framing. A stream may begin anywhere in it.
 */
#ifndef TESTS_BENCH_PATTERN_H
#define TESTS_BENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* PATTERN_SPAN contiguous bytes can be had from any place. */
enum { PATTERN_PERIOD = 65521, PATTERN_SPAN = 65536 };

/* A sink answers one PATTERN_ACK for each PATTERN_ACK_UNIT bytes that it got and found right. */
enum { PATTERN_ACK_UNIT = 65536, PATTERN_ACK = 'k' };

struct pattern {
	char bytes[PATTERN_PERIOD + PATTERN_SPAN];
};

/* One step of xorshift64*; the state must not be 0. */
static inline uint64_t pattern_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* Fills the table, the same in every program. */
static inline void pattern_init(struct pattern *pattern)
{
	static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint64_t state = 1;
	for (size_t i = 0; i < PATTERN_PERIOD; i++)
		pattern->bytes[i] = alphabet[pattern_random(&state) >> 58];
	for (size_t i = PATTERN_PERIOD; i < sizeof(pattern->bytes); i++)
		pattern->bytes[i] = pattern->bytes[i - PATTERN_PERIOD];
}

/* Where the byte at `offset` of the endless stream stands; PATTERN_SPAN bytes from there are valid. */
static inline const char *pattern_at(const struct pattern *pattern, uint64_t offset)
{
	return pattern->bytes + offset % PATTERN_PERIOD;
}

/* Whether `data` is what the stream holds at `offset`; any length. */
static inline bool pattern_check(const struct pattern *pattern, uint64_t offset, const void *data, size_t len)
{
	const char *at = data;
	while (len > 0) {
		size_t part = len < PATTERN_SPAN ? len : PATTERN_SPAN;
		if (memcmp(at, pattern_at(pattern, offset), part) != 0)
			return false;
		at += part, offset += part, len -= part;
	}
	return true;
}

#endif
