/*
 * utf8: which bytes may follow which in UTF-8 (RFC 3629 section 4), step by step; whoever can look at many
 * bytes at once (utf8_simd.c) is asked how far they are good, and the steps find the rest. Owns no text and
 * decodes no code points. Pure, on every thread.
 */
#include "ws/utf8_internal.h"

#include <string.h>

/* Below the one, steps are as fast as anything; up to the other, so is skipping ASCII without a path. */
enum { UTF8_PATH_MIN = 24, UTF8_ASCII_MAX = 256 };

/*
 * What may come next. A state is how far to shift the row of a byte to the right to find the state after it,
 * in 6 bits: so a step costs a load that does not wait for the step before, and a shift.
 */
enum utf8_state {
	UTF8_OK = 0,   /* between code points */
	UTF8_BAD = 6,  /* not UTF-8 */
	UTF8_ONE = 12, /* one more continuation byte */
	UTF8_TWO = 18,
	UTF8_THREE = 24,
	UTF8_E0 = 30, /* two more, this one not so low that a shorter form would have done */
	UTF8_ED = 36, /* two more, this one not so high that it is a surrogate */
	UTF8_F0 = 42, /* three more, not a shorter form */
	UTF8_F4 = 48  /* three more, not above U+10FFFF */
};

/* The row of a byte that begins a code point: bad anywhere else. */
#define UTF8_BEGIN(next)                                                                                 \
	((uint64_t)(next) << UTF8_OK | (uint64_t)UTF8_BAD << UTF8_BAD | (uint64_t)UTF8_BAD << UTF8_ONE | \
		(uint64_t)UTF8_BAD << UTF8_TWO | (uint64_t)UTF8_BAD << UTF8_THREE |                      \
		(uint64_t)UTF8_BAD << UTF8_E0 | (uint64_t)UTF8_BAD << UTF8_ED |                          \
		(uint64_t)UTF8_BAD << UTF8_F0 | (uint64_t)UTF8_BAD << UTF8_F4)

/* The row of a continuation byte, by what it is after the four first bytes that restrict it. */
#define UTF8_GO_ON(after_e0, after_ed, after_f0, after_f4)                                                \
	((uint64_t)UTF8_BAD << UTF8_OK | (uint64_t)UTF8_BAD << UTF8_BAD | (uint64_t)UTF8_OK << UTF8_ONE | \
		(uint64_t)UTF8_ONE << UTF8_TWO | (uint64_t)UTF8_TWO << UTF8_THREE |                       \
		(uint64_t)(after_e0) << UTF8_E0 | (uint64_t)(after_ed) << UTF8_ED |                       \
		(uint64_t)(after_f0) << UTF8_F0 | (uint64_t)(after_f4) << UTF8_F4)

static const uint64_t utf8_rows[256] = {
	[0x00 ... 0x7f] = UTF8_BEGIN(UTF8_OK),
	[0x80 ... 0x8f] = UTF8_GO_ON(UTF8_BAD, UTF8_ONE, UTF8_BAD, UTF8_TWO),
	[0x90 ... 0x9f] = UTF8_GO_ON(UTF8_BAD, UTF8_ONE, UTF8_TWO, UTF8_BAD),
	[0xa0 ... 0xbf] = UTF8_GO_ON(UTF8_ONE, UTF8_BAD, UTF8_TWO, UTF8_BAD),
	[0xc0 ... 0xc1] = UTF8_BEGIN(UTF8_BAD),
	[0xc2 ... 0xdf] = UTF8_BEGIN(UTF8_ONE),
	[0xe0] = UTF8_BEGIN(UTF8_E0),
	[0xe1 ... 0xec] = UTF8_BEGIN(UTF8_TWO),
	[0xed] = UTF8_BEGIN(UTF8_ED),
	[0xee ... 0xef] = UTF8_BEGIN(UTF8_TWO),
	[0xf0] = UTF8_BEGIN(UTF8_F0),
	[0xf1 ... 0xf3] = UTF8_BEGIN(UTF8_THREE),
	[0xf4] = UTF8_BEGIN(UTF8_F4),
	[0xf5 ... 0xff] = UTF8_BEGIN(UTF8_BAD),
};

/* Returns the state after one more byte, with other bits above it: nothing waits for those to be cut off. */
static inline uint64_t utf8_next(uint64_t now, uint8_t byte)
{
	return utf8_rows[byte] >> (now & 63);
}

/* Cuts them off. */
static inline uint8_t utf8_state(uint64_t now)
{
	return now & 63;
}

/* Returns 8 bytes at any address with only those bits that ASCII doesn't have. */
static inline uint64_t utf8_high_bits(const uint8_t *buf)
{
	uint64_t word;

	memcpy(&word, buf, sizeof(word));
	return word & 0x8080808080808080;
}

/* The same of 4 bytes. */
static inline uint32_t utf8_high_bits_4(const uint8_t *buf)
{
	uint32_t word;

	memcpy(&word, buf, sizeof(word));
	return word & 0x80808080;
}

/*
 * Skips ASCII by 32 and by 8 bytes; up to 7 before its end are for the caller. But none is when all is ASCII
 * and at least 4 bytes: the last load then has bytes in common with the one before.
 */
static inline size_t utf8_skip_ascii(const uint8_t *buf, size_t len)
{
	size_t i = 0;

	if (len < 8)
		return len >= 4 && (utf8_high_bits_4(buf) | utf8_high_bits_4(buf + len - 4)) == 0 ? len : 0;
	for (; len - i >= 32; i += 32) {
		if ((utf8_high_bits(buf + i) | utf8_high_bits(buf + i + 8) | utf8_high_bits(buf + i + 16) |
			    utf8_high_bits(buf + i + 24)) != 0)
			break;
	}
	for (; len - i >= 8; i += 8) {
		if (utf8_high_bits(buf + i) != 0)
			return i;
	}
	return i == len || utf8_high_bits(buf + len - 8) == 0 ? len : i;
}

/* Returns the state after n more bytes, with other bits above it. What is bad stays so: no look in between.
 */
static inline uint64_t utf8_run(uint64_t now, const uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		now = utf8_next(now, buf[i]);
	return now;
}

/* Returns how many of the bytes are good, one of which is not; the state stays that before it. */
static size_t utf8_find_bad(struct utf8 *state, const uint8_t *buf)
{
	size_t good = 0;
	uint8_t next;

	while ((next = utf8_state(utf8_next(state->now, buf[good]))) != UTF8_BAD) {
		state->now = next;
		good++;
	}
	return good;
}

/*
 * Reads step by step as far as the bytes are good, 16 of them before it tries to skip again: whoever begins
 * here did. The state stays that before the first bad one.
 */
static inline size_t utf8_step(struct utf8 *state, const uint8_t *buf, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t n = len - i < 16 ? len - i : 16;
		/* What compilers know to be 16 they unroll. */
		uint8_t now = utf8_state(
			n == 16 ? utf8_run(state->now, buf + i, 16) : utf8_run(state->now, buf + i, n));
		if (now == UTF8_BAD)
			return i + utf8_find_bad(state, buf + i);
		state->now = now;
		i += n;
		if (now == UTF8_OK)
			i += utf8_skip_ascii(buf + i, len - i);
	}
	return len;
}

/* The same for a few bytes, with no skipping. */
static inline size_t utf8_step_short(struct utf8 *state, const uint8_t *buf, size_t from, size_t len)
{
	uint8_t now = utf8_state(utf8_run(state->now, buf + from, len - from));

	if (now == UTF8_BAD)
		return from + utf8_find_bad(state, buf + from);
	state->now = now;
	return len;
}

/* Returns how much of text that is surely good is whole code points: all, or all before the last of them. */
static inline size_t utf8_whole(const uint8_t *buf, size_t len)
{
	if (buf[len - 1] < 0x80)
		return len;
	do
		len--;
	while (buf[len] < 0xc0);
	return len;
}

/*
 * What utf8_check_by() does when the first bytes were read. Goes on to the end of the code point, skips what
 * is surely good, and takes the steps again from the last whole code point in there, to the first bad byte if
 * there is one.
 */
static inline size_t utf8_check_from(
	const struct utf8_path *path, struct utf8 *state, const uint8_t *buf, size_t from, size_t len)
{
	uint64_t now = state->now, next;

	for (; from < len && (from < UTF8_SKIP_BACK || utf8_state(now) != UTF8_OK); from++) {
		next = utf8_next(now, buf[from]);
		if (utf8_state(next) == UTF8_BAD)
			break;
		now = next;
	}
	state->now = utf8_state(now);
	if (from >= UTF8_SKIP_BACK && utf8_state(now) == UTF8_OK) {
		size_t good = path->skip(buf, from, len);
		if (good > from)
			from = utf8_whole(buf, good);
	}
	return from + utf8_step(state, buf + from, len - from);
}

/* Takes even short text to the path. */
size_t utf8_check_by(const struct utf8_path *path, struct utf8 *state, const uint8_t *buf, size_t len)
{
	size_t from = 0;

	if (path->skip != NULL)
		return utf8_check_from(path, state, buf, 0, len);
	if (state->now == UTF8_OK)
		from = utf8_skip_ascii(buf, len);
	return from + utf8_step(state, buf + from, len - from);
}

/* Leaves text that goes on after ASCII at its beginning to the best path. */
__attribute__((noinline)) static size_t utf8_check_long(
	struct utf8 *state, const uint8_t *buf, size_t from, size_t len)
{
	const struct utf8_path *path = utf8_paths;

	while (!path->usable())
		path++;
	if (path->skip != NULL)
		return utf8_check_from(path, state, buf, from, len);
	return from + utf8_step(state, buf + from, len - from);
}

/* Short text, and ASCII above all, is what comes most: it is looked at first and has no time for a choice. */
size_t utf8_check(struct utf8 *state, const uint8_t *buf, size_t len)
{
	size_t from = 0;

	if (state->now == UTF8_OK)
		from = utf8_skip_ascii(buf, len < UTF8_ASCII_MAX ? len : UTF8_ASCII_MAX);
	if (from == len)
		return len;
	if (len - from >= UTF8_PATH_MIN)
		return utf8_check_long(state, buf, from, len);
	return utf8_step_short(state, buf, from, len);
}

/* Says whether a text may end here. */
bool utf8_complete(const struct utf8 *state)
{
	return state->now == UTF8_OK;
}

/* Looks for a first byte among the last three whose code point goes on past the end. */
size_t utf8_tail(const uint8_t *buf, size_t len)
{
	for (size_t n = 1; n <= 3 && n <= len; n++) {
		struct utf8 state = { 0 };

		if (buf[len - n] < 0x80)
			return 0;
		if (buf[len - n] >= 0xc0)
			return utf8_check(&state, buf + len - n, n) == n && !utf8_complete(&state) ? n : 0;
	}
	return 0;
}
