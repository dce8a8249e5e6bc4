/*
 * frame_mask: the mask of a payload (RFC 6455 section 5.3), a part of frame. One way for any machine, eight
 * bytes at a time, and some with wider registers; which is the best one here is asked at each call where it
 * pays, so there is nothing to set up. Pure, on every thread.
 *
 * All ways treat the ends alike: the first and the last block of a payload are loaded before anything is
 * stored, and stored after all between them. They may overlap what is between, and each other, since both
 * hold what must be there in the end: so no odd bytes are left, and the stores between them can be aligned.
 */
#include "ws/frame_internal.h"

#include <endian.h>
#include <string.h>

/* Below this the portable way is as fast as any. */
enum { FRAME_MASK_WIDE_MIN = 64 };

/* Returns the key twice, turned so that it begins with the byte for the phase. */
static inline uint64_t frame_mask_word(const uint8_t key[4], uint64_t phase)
{
	unsigned turn = (phase & 3) * 8;
	uint32_t word;

	memcpy(&word, key, sizeof(word));
	word = le32toh(word);
	word = word >> turn | word << (-turn & 31);
	return htole64((uint64_t)word << 32 | word);
}

/* Masks less than a word: two halves that overlap, or the few bytes that are no half. */
static inline void frame_mask_short(uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase)
{
	uint64_t mask = frame_mask_word(key, phase), mask_end = frame_mask_word(key, phase + len);
	uint32_t first, last;

	if (len >= sizeof(first)) {
		memcpy(&first, buf, sizeof(first));
		memcpy(&last, buf + len - sizeof(last), sizeof(last));
		first ^= (uint32_t)mask;
		last ^= (uint32_t)mask_end;
		memcpy(buf, &first, sizeof(first));
		memcpy(buf + len - sizeof(last), &last, sizeof(last));
		return;
	}
	for (size_t i = 0; i < len; i++)
		buf[i] ^= key[(phase + i) & 3];
}

/* Exclusive-ors n words at any address with the same word; n is a constant, so this is a few instructions. */
static inline void frame_mask_words(uint8_t *buf, uint64_t mask, size_t n)
{
	uint64_t word[8];

	memcpy(word, buf, n * sizeof(mask));
	for (size_t i = 0; i < n; i++)
		word[i] ^= mask;
	memcpy(buf, word, n * sizeof(mask));
}

/* By words, and by eight of them as long as there are so many. */
static void frame_mask_portable(uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase)
{
	uint64_t mask = frame_mask_word(key, phase), last;

	if (len < sizeof(last)) {
		frame_mask_short(buf, len, key, phase);
		return;
	}
	uint8_t *end = buf + len;
	memcpy(&last, end - sizeof(last), sizeof(last));
	last ^= frame_mask_word(key, phase + len);
	for (; end - buf >= 64; buf += 64)
		frame_mask_words(buf, mask, 8);
	for (; end - buf > 8; buf += 8)
		frame_mask_words(buf, mask, 1);
	memcpy(end - sizeof(last), &last, sizeof(last));
}

#if defined(__x86_64__) || defined(__aarch64__)
typedef uint64_t frame_mask_16 __attribute__((vector_size(16), aligned(1), may_alias));

/* By 16 bytes; all machines of these two kinds can. */
static void frame_mask_by_16(uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase)
{
	const ptrdiff_t width = sizeof(frame_mask_16);

	if (len < (size_t)width) {
		frame_mask_portable(buf, len, key, phase);
		return;
	}
	uint8_t *end = buf + len, *at = buf + (-(uintptr_t)buf & (size_t)(width - 1));
	frame_mask_16 mask = (frame_mask_16){ 0 } + frame_mask_word(key, phase + (size_t)(at - buf));
	frame_mask_16 first = *(frame_mask_16 *)buf ^ ((frame_mask_16){ 0 } + frame_mask_word(key, phase));
	frame_mask_16 last =
		*(frame_mask_16 *)(end - width) ^ ((frame_mask_16){ 0 } + frame_mask_word(key, phase + len));
	for (; end - at > 2 * width; at += 2 * width) {
		*(frame_mask_16 *)at ^= mask;
		*(frame_mask_16 *)(at + width) ^= mask;
	}
	for (; end - at > width; at += width)
		*(frame_mask_16 *)at ^= mask;
	*(frame_mask_16 *)buf = first;
	*(frame_mask_16 *)(end - width) = last;
}
#endif

#if defined(__x86_64__)
typedef uint64_t frame_mask_32 __attribute__((vector_size(32), aligned(1), may_alias));

/* By 32 bytes. The same steps, but no function can be shared by code for different instructions. */
__attribute__((target("avx2"))) static void frame_mask_by_32(
	uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase)
{
	const ptrdiff_t width = sizeof(frame_mask_32);

	if (len < (size_t)width) {
		frame_mask_portable(buf, len, key, phase);
		return;
	}
	uint8_t *end = buf + len, *at = buf + (-(uintptr_t)buf & (size_t)(width - 1));
	frame_mask_32 mask = (frame_mask_32){ 0 } + frame_mask_word(key, phase + (size_t)(at - buf));
	frame_mask_32 first = *(frame_mask_32 *)buf ^ ((frame_mask_32){ 0 } + frame_mask_word(key, phase));
	frame_mask_32 last =
		*(frame_mask_32 *)(end - width) ^ ((frame_mask_32){ 0 } + frame_mask_word(key, phase + len));
	for (; end - at > 2 * width; at += 2 * width) {
		*(frame_mask_32 *)at ^= mask;
		*(frame_mask_32 *)(at + width) ^= mask;
	}
	for (; end - at > width; at += width)
		*(frame_mask_32 *)at ^= mask;
	*(frame_mask_32 *)buf = first;
	*(frame_mask_32 *)(end - width) = last;
}

/* Says whether the processor has AVX2, and the system keeps its registers. */
static bool frame_mask_avx2_usable(void)
{
	return __builtin_cpu_supports("avx2");
}
#endif

/* For what is always there. */
static bool frame_mask_usable(void)
{
	return true;
}

const struct frame_mask_path frame_mask_paths[] = {
#if defined(__x86_64__)
	{ "avx2", frame_mask_avx2_usable, frame_mask_by_32 },
	{ "sse2", frame_mask_usable, frame_mask_by_16 },
#elif defined(__aarch64__)
	{ "neon", frame_mask_usable, frame_mask_by_16 },
#endif
	{ "portable", frame_mask_usable, frame_mask_portable },
	{ NULL, NULL, NULL },
};

/* Takes the best way there is, if that pays. */
void frame_mask(uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase)
{
	const struct frame_mask_path *path = frame_mask_paths;

	if (len < FRAME_MASK_WIDE_MIN) {
		frame_mask_portable(buf, len, key, phase);
		return;
	}
	while (!path->usable())
		path++;
	path->mask(buf, len, key, phase);
}
