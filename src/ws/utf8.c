/*
 * utf8: which bytes may follow which in UTF-8 (RFC 3629 section 4), and what to put in place of those that
 * may not. Owns no text and decodes no code points. Pure, on every thread.
 */
#include "ws/utf8.h"

#include "base/buffer.h"

#include <errno.h>
#include <string.h>

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

/* Skips ASCII by 32 and by 8 bytes; the few that are left before its end are for the caller. */
static inline size_t utf8_skip_ascii(const uint8_t *buf, size_t len)
{
	static const uint64_t high_bits = 0x8080808080808080;
	uint64_t word[4];
	size_t i = 0;

	for (; len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(word, buf + i, sizeof(word));
		if (((word[0] | word[1] | word[2] | word[3]) & high_bits) != 0)
			break;
	}
	for (; len - i >= sizeof(word[0]); i += sizeof(word[0])) {
		memcpy(word, buf + i, sizeof(word[0]));
		if ((word[0] & high_bits) != 0)
			break;
	}
	return i;
}

/* Reads as far as the bytes are good; the state stays that before the first bad one. */
size_t utf8_check(struct utf8 *state, const uint8_t *buf, size_t len)
{
	unsigned now = state->now;
	size_t i = 0;

	while (i < len) {
		if (now == UTF8_OK && buf[i] < 0x80)
			i += utf8_skip_ascii(buf + i, len - i);
		/* At least as far as that could not skip. */
		size_t stop = len - i < 16 ? len : i + 16;
		for (; i < stop; i++) {
			unsigned next = utf8_rows[buf[i]] >> now & 63;
			if (next == UTF8_BAD) {
				state->now = (uint8_t)now;
				return i;
			}
			now = next;
		}
	}
	state->now = (uint8_t)now;
	return len;
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

/* Copies the good runs and puts one U+FFFD for each maximal subpart between them. */
int utf8_replace(struct evbuffer *out, const uint8_t *buf, size_t len)
{
	static const uint8_t replacement[3] = { 0xef, 0xbf, 0xbd };

	while (len > 0) {
		struct utf8 state = { 0 };
		size_t good = utf8_check(&state, buf, len);
		size_t open = utf8_complete(&state) ? 0 : utf8_tail(buf, good);

		if (good > open && buffer_append(out, buf, good - open) != 0)
			return -ENOMEM;
		if (good == len && open == 0)
			return 0;
		if (buffer_append(out, replacement, sizeof(replacement)) != 0)
			return -ENOMEM;
		/* A code point cut short ends before the bad byte, which may begin another one. */
		good += open == 0;
		buf += good;
		len -= good;
	}
	return 0;
}
