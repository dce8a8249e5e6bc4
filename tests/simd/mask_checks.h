/*
 * mask_checks: what every way to mask must do, whichever way that is. Each check takes one and says whether
 * it holds; for tests/unit/test_mask.c, and for paths.c, which has no test library where it runs.
 */
#ifndef TESTS_SIMD_MASK_CHECKS_H
#define TESTS_SIMD_MASK_CHECKS_H

#include "../unit/guard.h"
#include "ws/frame_internal.h"

#include <stdio.h>

typedef void (*mask_fn)(uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase);

enum { MASK_LEN_MAX = 300, MASK_ALIGN_MAX = 64, MASK_ROOM = 512 };

/* Fills a buffer with bytes none of which is like its neighbours. */
static inline void mask_fill(uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(i * 37 + (i >> 8) + 11);
}

/* Exclusive-ors byte by byte, as section 5.3 says it. */
static inline void mask_by_definition(uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase)
{
	for (size_t i = 0; i < len; i++)
		buf[i] ^= key[(phase + i) % 4];
}

/* Says what differed. */
static inline bool mask_differs(const char *where, size_t len, size_t align, uint64_t phase)
{
	fprintf(stderr, "mask: %s, %zu bytes at %zu, phase %llu\n", where, len, align,
		(unsigned long long)phase);
	return false;
}

/* Every length, at every alignment, in every phase; no byte before or after is touched. */
static inline bool mask_check_shapes(mask_fn mask, unsigned step)
{
	static const uint8_t key[4] = { 0x12, 0xa5, 0x00, 0xff };
	_Alignas(64) uint8_t buf[MASK_ROOM];
	uint8_t plain[MASK_ROOM], want[MASK_ROOM];

	mask_fill(plain, sizeof(plain));
	for (size_t align = 0; align < MASK_ALIGN_MAX; align++) {
		for (size_t len = 0; len <= MASK_LEN_MAX; len++) {
			for (uint64_t phase = (len + align) % step % 4; phase < 4; phase += step) {
				/* The last phases before they wrap are as good as the first. */
				uint64_t far = len % 2 ? phase : UINT64_MAX - 3 + phase;
				memcpy(want, plain, sizeof(want));
				mask_by_definition(want + MASK_ALIGN_MAX + align, len, key, phase);
				memcpy(buf, plain, sizeof(buf));
				mask(buf + MASK_ALIGN_MAX + align, len, key, far);
				if (memcmp(buf, want, sizeof(buf)) != 0)
					return mask_differs("shapes", len, align, far);
			}
		}
	}
	return true;
}

/* Between guard pages: nothing is loaded or stored beyond either end. */
static inline bool mask_check_guard(mask_fn mask, unsigned step)
{
	static const uint8_t key[4] = { 0x80, 0x7f, 0x01, 0xc3 };
	struct guard guard = guard_new(MASK_ROOM);
	uint8_t plain[MASK_ROOM], want[MASK_ROOM];
	bool holds = true;

	mask_fill(plain, sizeof(plain));
	(void)step;
	for (size_t len = 0; len <= MASK_LEN_MAX; len++) {
		uint64_t phase = len / 3;
		memcpy(want, plain, len);
		mask_by_definition(want, len, key, phase);
		uint8_t *at = guard_put(&guard, plain, len);
		mask(at, len, key, phase);
		if (memcmp(at, want, len) != 0)
			holds = mask_differs("before the end of a page", len, 0, phase);
		at = guard_put_first(&guard, plain, len);
		mask(at, len, key, phase);
		if (memcmp(at, want, len) != 0)
			holds = mask_differs("after the beginning of a page", len, 0, phase);
	}
	guard_free(&guard);
	return holds;
}

/* Long payloads, whole and in two parts, as they come. */
static inline bool mask_check_long(mask_fn mask, unsigned step)
{
	static const uint8_t key[4] = { 0xde, 0xad, 0xbe, 0xef };
	static const size_t lens[] = { 1000, 4096, 16383, 65535, 65536, 65537, 70001 };
	struct guard guard = guard_new(70001);
	bool holds = true;

	(void)step;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t len = lens[i], split = len / 3 + i;
		uint8_t *at = guard_put(&guard, NULL, 0) - len;
		mask_fill(at, len);
		mask(at, split, key, i);
		mask(at + split, len - split, key, i + split);
		mask_by_definition(at, len, key, i);
		for (size_t k = 0; k < len && holds; k++) {
			if (at[k] != (uint8_t)(k * 37 + (k >> 8) + 11))
				holds = mask_differs("in two parts", len, k, i);
		}
	}
	guard_free(&guard);
	return holds;
}

static const struct {
	const char *name;
	bool (*holds)(mask_fn mask, unsigned step);
} mask_checks[] = { { "shapes", mask_check_shapes }, { "guard", mask_check_guard },
	{ "long", mask_check_long } };

#endif
