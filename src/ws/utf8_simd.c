/*
 * utf8_simd: how far text is surely UTF-8, 64 bytes at a time, by the instructions that some machines have; a
 * part of utf8. Finds blocks with something bad in them, not which byte that is. Pure, on every thread.
 *
 * The method is that of Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte" (2021).
 * All that can be wrong with two bytes in a row shows in three of their four halves: both of the first, the
 * upper one of the second. A table for each half has a bit for each fault that it allows; a bit that is set
 * in all three is a fault. One bit means two continuation bytes in a row, which is right if, and only if, a
 * byte two or three places before begins a code point of that length.
 */
#include "ws/utf8_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__x86_64__) || defined(__aarch64__)
/* What can be wrong with a byte and the one after it. */
enum utf8_fault {
	UTF8_CUT_SHORT = 0x01,	     /* a first byte, and no continuation */
	UTF8_STRAY = 0x02,	     /* ASCII and a continuation */
	UTF8_LONG_3 = 0x04,	     /* e0 80-9f: two bytes would have done */
	UTF8_ABOVE = 0x08,	     /* f4 90-bf, f5-ff: above U+10FFFF */
	UTF8_SURROGATE = 0x10,	     /* ed a0-bf */
	UTF8_LONG_2 = 0x20,	     /* c0, c1: one byte would have done */
	UTF8_LONG_4_OR_ABOVE = 0x40, /* f0 80-8f: three bytes would have done; f5-ff 80-8f */
	UTF8_CONTINUED = 0x80,	     /* two continuations: depends on what is before them */
	UTF8_ANY_LOW = UTF8_CUT_SHORT | UTF8_STRAY |
		       UTF8_CONTINUED /* those that its lower half does not matter for */
};

/* By the upper half of the first byte. */
static const uint8_t utf8_first_high[16] = {
	[0x0 ... 0x7] = UTF8_STRAY,
	[0x8 ... 0xb] = UTF8_CONTINUED,
	[0xc] = UTF8_CUT_SHORT | UTF8_LONG_2,
	[0xd] = UTF8_CUT_SHORT,
	[0xe] = UTF8_CUT_SHORT | UTF8_LONG_3 | UTF8_SURROGATE,
	[0xf] = UTF8_CUT_SHORT | UTF8_ABOVE | UTF8_LONG_4_OR_ABOVE,
};

/* By its lower half. */
static const uint8_t utf8_first_low[16] = {
	[0x0] = UTF8_ANY_LOW | UTF8_LONG_2 | UTF8_LONG_3 | UTF8_LONG_4_OR_ABOVE,
	[0x1] = UTF8_ANY_LOW | UTF8_LONG_2,
	[0x2 ... 0x3] = UTF8_ANY_LOW,
	[0x4] = UTF8_ANY_LOW | UTF8_ABOVE,
	[0x5 ... 0xc] = UTF8_ANY_LOW | UTF8_ABOVE | UTF8_LONG_4_OR_ABOVE,
	[0xd] = UTF8_ANY_LOW | UTF8_ABOVE | UTF8_LONG_4_OR_ABOVE | UTF8_SURROGATE,
	[0xe ... 0xf] = UTF8_ANY_LOW | UTF8_ABOVE | UTF8_LONG_4_OR_ABOVE,
};

/* By the upper half of the second byte. */
static const uint8_t utf8_second_high[16] = {
	[0x0 ... 0x7] = UTF8_CUT_SHORT,
	[0x8] = UTF8_STRAY | UTF8_CONTINUED | UTF8_LONG_2 | UTF8_LONG_3 | UTF8_LONG_4_OR_ABOVE,
	[0x9] = UTF8_STRAY | UTF8_CONTINUED | UTF8_LONG_2 | UTF8_LONG_3 | UTF8_ABOVE,
	[0xa ... 0xb] = UTF8_STRAY | UTF8_CONTINUED | UTF8_LONG_2 | UTF8_SURROGATE | UTF8_ABOVE,
	[0xc ... 0xf] = UTF8_CUT_SHORT,
};

/* Subtracted with saturation from a byte two or three before: bit 7 stays if that begins three bytes, or
 * four. */
enum { UTF8_LESS_THREE = 0xe0 - 0x80, UTF8_LESS_FOUR = 0xf0 - 0x80 };

/* Bytes are looked at in runs of 64; at the end of 32, and of 16. */
enum { UTF8_RUN = 64, UTF8_RUN_HALF = 32, UTF8_RUN_LAST = 16 };

/* Says whether n bytes are good, n being one of those; looks at the three before as well. */
typedef bool (*utf8_good_fn)(const uint8_t *at, size_t n);

/* Goes from run to run as long as they are good. The last one may have bytes in common with the one before.
 */
static inline __attribute__((always_inline)) size_t utf8_skip_runs(
	const uint8_t *buf, size_t from, size_t len, utf8_good_fn good)
{
	size_t at = from;

	if (len - from < UTF8_RUN_LAST)
		return from;
	for (; len - at >= UTF8_RUN; at += UTF8_RUN) {
		if (!good(buf + at, UTF8_RUN))
			return at;
	}
	if (len - at >= UTF8_RUN_HALF) {
		if (!good(buf + at, UTF8_RUN_HALF))
			return at;
		at += UTF8_RUN_HALF;
	}
	if (len - at >= UTF8_RUN_LAST) {
		if (!good(buf + at, UTF8_RUN_LAST))
			return at;
		at += UTF8_RUN_LAST;
	}
	return at == len || good(buf + len - UTF8_RUN_LAST, UTF8_RUN_LAST) ? len : at;
}
#endif

#if defined(__x86_64__)
/* Loads 16 bytes from any address. */
static inline __m128i utf8_ssse3_load(const uint8_t *at)
{
	return _mm_loadu_si128((const __m128i *)at);
}

/* Returns bits for what is wrong with 16 bytes, given those before. */
__attribute__((target("ssse3"))) static inline __m128i utf8_ssse3_faults(const uint8_t *at)
{
	const __m128i low = _mm_set1_epi8(0x0f);
	__m128i second = utf8_ssse3_load(at), first = utf8_ssse3_load(at - 1);
	__m128i pair = _mm_and_si128(
		_mm_and_si128(_mm_shuffle_epi8(utf8_ssse3_load(utf8_first_high),
				      _mm_and_si128(_mm_srli_epi16(first, 4), low)),
			_mm_shuffle_epi8(utf8_ssse3_load(utf8_first_low), _mm_and_si128(first, low))),
		_mm_shuffle_epi8(
			utf8_ssse3_load(utf8_second_high), _mm_and_si128(_mm_srli_epi16(second, 4), low)));
	__m128i three = _mm_subs_epu8(utf8_ssse3_load(at - 2), _mm_set1_epi8(UTF8_LESS_THREE));
	__m128i four = _mm_subs_epu8(utf8_ssse3_load(at - 3), _mm_set1_epi8(UTF8_LESS_FOUR));
	__m128i due = _mm_and_si128(_mm_or_si128(three, four), _mm_set1_epi8((char)UTF8_CONTINUED));
	return _mm_xor_si128(pair, due);
}

/* ASCII is good unless a code point is open before it. */
__attribute__((target("ssse3"))) static inline bool utf8_ssse3_good(const uint8_t *at, size_t n)
{
	__m128i all = utf8_ssse3_load(at);

	for (size_t i = 16; i < n; i += 16)
		all = _mm_or_si128(all, utf8_ssse3_load(at + i));
	if (_mm_movemask_epi8(all) == 0 && at[-1] < 0x80)
		return true;
	all = utf8_ssse3_faults(at);
	for (size_t i = 16; i < n; i += 16)
		all = _mm_or_si128(all, utf8_ssse3_faults(at + i));
	return _mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_setzero_si128())) == 0xffff;
}

__attribute__((target("ssse3"))) static size_t utf8_ssse3_skip(const uint8_t *buf, size_t from, size_t len)
{
	return utf8_skip_runs(buf, from, len, utf8_ssse3_good);
}

static bool utf8_ssse3_usable(void)
{
	return __builtin_cpu_supports("ssse3");
}

/* The same table for both halves of a register: instructions look up within 16 bytes. */
__attribute__((target("avx2"))) static inline __m256i utf8_avx2_table(const uint8_t table[16])
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
}

/* Loads 32 bytes from any address. */
__attribute__((target("avx2"))) static inline __m256i utf8_avx2_load(const uint8_t *at)
{
	return _mm256_loadu_si256((const __m256i *)at);
}

/* Returns bits for what is wrong with 32 bytes, given those before. */
__attribute__((target("avx2"))) static inline __m256i utf8_avx2_faults(const uint8_t *at)
{
	const __m256i low = _mm256_set1_epi8(0x0f);
	__m256i second = utf8_avx2_load(at), first = utf8_avx2_load(at - 1);
	__m256i pair = _mm256_and_si256(
		_mm256_and_si256(_mm256_shuffle_epi8(utf8_avx2_table(utf8_first_high),
					 _mm256_and_si256(_mm256_srli_epi16(first, 4), low)),
			_mm256_shuffle_epi8(utf8_avx2_table(utf8_first_low), _mm256_and_si256(first, low))),
		_mm256_shuffle_epi8(utf8_avx2_table(utf8_second_high),
			_mm256_and_si256(_mm256_srli_epi16(second, 4), low)));
	__m256i three = _mm256_subs_epu8(utf8_avx2_load(at - 2), _mm256_set1_epi8(UTF8_LESS_THREE));
	__m256i four = _mm256_subs_epu8(utf8_avx2_load(at - 3), _mm256_set1_epi8(UTF8_LESS_FOUR));
	__m256i due = _mm256_and_si256(_mm256_or_si256(three, four), _mm256_set1_epi8((char)UTF8_CONTINUED));
	return _mm256_xor_si256(pair, due);
}

/* ASCII is good unless a code point is open before it. */
__attribute__((target("avx2"))) static inline bool utf8_avx2_good(const uint8_t *at, size_t n)
{
	if (n == UTF8_RUN_LAST)
		return utf8_ssse3_good(at, n);
	__m256i all = utf8_avx2_load(at);
	if (n == UTF8_RUN)
		all = _mm256_or_si256(all, utf8_avx2_load(at + 32));
	if (_mm256_movemask_epi8(all) == 0 && at[-1] < 0x80)
		return true;
	all = utf8_avx2_faults(at);
	if (n == UTF8_RUN)
		all = _mm256_or_si256(all, utf8_avx2_faults(at + 32));
	return _mm256_testz_si256(all, all) != 0;
}

__attribute__((target("avx2"))) static size_t utf8_avx2_skip(const uint8_t *buf, size_t from, size_t len)
{
	return utf8_skip_runs(buf, from, len, utf8_avx2_good);
}

/* Says whether the processor has AVX2, and the system keeps its registers. */
static bool utf8_avx2_usable(void)
{
	return __builtin_cpu_supports("avx2");
}
#endif

#if defined(__aarch64__)
/* Returns bits for what is wrong with 16 bytes, given those before. */
static inline uint8x16_t utf8_neon_faults(const uint8_t *at)
{
	uint8x16_t second = vld1q_u8(at), first = vld1q_u8(at - 1);
	uint8x16_t pair = vqtbl1q_u8(vld1q_u8(utf8_first_high), vshrq_n_u8(first, 4)) &
			  vqtbl1q_u8(vld1q_u8(utf8_first_low), first & vdupq_n_u8(0x0f)) &
			  vqtbl1q_u8(vld1q_u8(utf8_second_high), vshrq_n_u8(second, 4));
	uint8x16_t three = vqsubq_u8(vld1q_u8(at - 2), vdupq_n_u8(UTF8_LESS_THREE));
	uint8x16_t four = vqsubq_u8(vld1q_u8(at - 3), vdupq_n_u8(UTF8_LESS_FOUR));

	return pair ^ ((three | four) & vdupq_n_u8(UTF8_CONTINUED));
}

/* ASCII is good unless a code point is open before it. */
static inline bool utf8_neon_good(const uint8_t *at, size_t n)
{
	uint8x16_t all = vld1q_u8(at);

	for (size_t i = 16; i < n; i += 16)
		all |= vld1q_u8(at + i);
	if (vmaxvq_u8(all) < 0x80 && at[-1] < 0x80)
		return true;
	all = utf8_neon_faults(at);
	for (size_t i = 16; i < n; i += 16)
		all |= utf8_neon_faults(at + i);
	return vmaxvq_u8(all) == 0;
}

static size_t utf8_neon_skip(const uint8_t *buf, size_t from, size_t len)
{
	return utf8_skip_runs(buf, from, len, utf8_neon_good);
}
#endif

/* For what is always there. */
static bool utf8_usable(void)
{
	return true;
}

const struct utf8_path utf8_paths[] = {
#if defined(__x86_64__)
	{ "avx2", utf8_avx2_usable, utf8_avx2_skip },
	{ "ssse3", utf8_ssse3_usable, utf8_ssse3_skip },
#elif defined(__aarch64__)
	{ "neon", utf8_usable, utf8_neon_skip },
#endif
	{ "portable", utf8_usable, NULL },
	{ NULL, NULL, NULL },
};
