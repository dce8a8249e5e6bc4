/*
 * utf8_checks: every way to check UTF-8 finds what the portable one finds: the same first bad byte, the same
 * state before it. Each check takes one and says whether that holds; for tests/unit/test_utf8.c, which shows
 * beside that the portable one to be right, and for paths.c, which has no test library where it runs. With a
 * step above 1 each kind of input comes in some places only, for slow machines.
 */
#ifndef TESTS_SIMD_UTF8_CHECKS_H
#define TESTS_SIMD_UTF8_CHECKS_H

#include "../unit/guard.h"
#include "ws/utf8_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* No text is longer but that with all code points. Offsets are those within a block, and then some. */
enum { UTF8_TEXT_MAX = 300, UTF8_OFFSETS = 71, UTF8_BLOCK = 64, UTF8_MUTATIONS = 20000 };

/* Returns the last row, which any machine can use. */
static inline const struct utf8_path *utf8_portable(void)
{
	const struct utf8_path *path = utf8_paths;

	while (path[1].name != NULL)
		path++;
	return path;
}

/* Checks by a path, or as the product does if that is NULL. */
static inline size_t utf8_by(const struct utf8_path *path, struct utf8 *state, const uint8_t *buf, size_t len)
{
	return path == NULL ? utf8_check(state, buf, len) : utf8_check_by(path, state, buf, len);
}

/* Says what was found and what it was found in. */
static inline bool utf8_differs(const char *where, const uint8_t *buf, size_t len, size_t got, size_t want)
{
	fprintf(stderr, "utf8: %s: %zu good bytes, should be %zu:", where, got, want);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%s%02x", i % 32 == 0 ? "\n\t" : " ", buf[i]);
	fprintf(stderr, "\n");
	return false;
}

/* Compares one text, in two calls if the split is not at an end. */
static inline bool utf8_same(
	const struct utf8_path *path, const char *where, const uint8_t *buf, size_t len, size_t split)
{
	struct utf8 got = { 0 }, want = { 0 };
	size_t n_want = utf8_check_by(utf8_portable(), &want, buf, len);
	size_t n_got = utf8_by(path, &got, buf, split);

	if (n_got == split)
		n_got += utf8_by(path, &got, buf + split, len - split);
	return (n_got == n_want && got.now == want.now) || utf8_differs(where, buf, len, n_got, n_want);
}

/* A text of one character over and over, with a place in it for what is tested. */
struct utf8_frame {
	uint8_t text[UTF8_TEXT_MAX];
	size_t offset, len;
};

/* Lays out such a text, for n bytes at the offset; nothing follows them if they are to be the last. */
static inline struct utf8_frame utf8_frame_new(const char *filler, size_t offset, size_t n, bool last)
{
	struct utf8_frame frame = { .offset = offset, .len = offset + n + (last ? 0 : UTF8_OFFSETS) };
	size_t n_filler = strlen(filler), ascii = offset % n_filler;

	/* Whole characters before, after ASCII that is as long as it must be. */
	memset(frame.text, 'a', sizeof(frame.text));
	for (size_t i = ascii; i < offset; i++)
		frame.text[i] = (uint8_t)filler[(i - ascii) % n_filler];
	for (size_t i = offset + n; i < frame.len; i++)
		frame.text[i] = (uint8_t)filler[(i - offset - n) % n_filler];
	return frame;
}

/* Puts the n bytes there and compares. The portable path need not read what is good before them. */
static inline bool utf8_frame_same(
	struct utf8_frame *frame, const struct utf8_path *path, const uint8_t *bytes, size_t n)
{
	struct utf8 got = { 0 }, want = { 0 };

	memcpy(frame->text + frame->offset, bytes, n);
	size_t n_want = frame->offset + utf8_check_by(utf8_portable(), &want, frame->text + frame->offset,
						frame->len - frame->offset);
	size_t n_got = utf8_by(path, &got, frame->text, frame->len);
	return (n_got == n_want && got.now == want.now) ||
	       utf8_differs("bytes in a text", frame->text, frame->len, n_got, n_want);
}

/* All sequences of one byte and of two, at every offset. */
static inline bool utf8_check_two(const struct utf8_path *path, unsigned step)
{
	for (size_t i = 0; i < 2 * UTF8_OFFSETS; i++) {
		const char *filler = i % 3 == 0 ? "\xc3\xa4" : "a";
		struct utf8_frame frame = utf8_frame_new(filler, i / 2, 2, i % 2 != 0);
		for (size_t value = i % step; value < 0x10000; value += step) {
			uint8_t bytes[2] = { (uint8_t)value, (uint8_t)(value >> 8) };
			if (!utf8_frame_same(&frame, path, bytes, 2))
				return false;
		}
		frame = utf8_frame_new(filler, i / 2, 1, i % 2 != 0);
		for (unsigned value = 0; value < 0x100; value++) {
			uint8_t byte = (uint8_t)value;
			if (!utf8_frame_same(&frame, path, &byte, 1))
				return false;
		}
	}
	return true;
}

/* From each row of the table of well-formed sequences (RFC 3629 section 4), and from just outside. */
static const uint8_t utf8_leads[] = { 0x41, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
	0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff };
static const uint8_t utf8_follows[] = { 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe1, 0xf1 };

/* All of three and of four bytes that such bytes make, in one place. */
static inline bool utf8_check_edges_at(
	const struct utf8_path *path, const char *filler, size_t offset, bool last, unsigned step)
{
	const size_t n = sizeof(utf8_follows);
	struct utf8_frame three = utf8_frame_new(filler, offset, 3, last);
	struct utf8_frame four = utf8_frame_new(filler, offset, 4, last);

	for (size_t i = offset % step; i < sizeof(utf8_leads) * n * n * n; i += step) {
		uint8_t bytes[4] = { utf8_leads[i / n / n / n], utf8_follows[i / n / n % n],
			utf8_follows[i / n % n], utf8_follows[i % n] };
		if (!utf8_frame_same(&four, path, bytes, 4) ||
			(i / step % n == 0 && !utf8_frame_same(&three, path, bytes, 3)))
			return false;
	}
	return true;
}

/* Those at every offset, among characters of each length. */
static inline bool utf8_check_edges(const struct utf8_path *path, unsigned step)
{
	static const char *const fillers[] = { "a", "\xf0\x9f\x98\x80", "\xe4\xb8\xad", "\xd0\x96" };

	for (size_t offset = 0; offset < UTF8_OFFSETS; offset++) {
		if (!utf8_check_edges_at(path, fillers[offset % 4], offset, false, step) ||
			!utf8_check_edges_at(path, fillers[offset / 4 % 4], offset, true, step))
			return false;
	}
	return true;
}

/* Appends a code point; returns its length. */
static inline size_t utf8_encode(uint8_t *out, uint32_t value)
{
	size_t n = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;

	out[0] = (uint8_t)(n == 1 ? value : (0xf00 >> n & 0xff) | value >> 6 * (n - 1));
	for (size_t i = 1; i < n; i++)
		out[i] = (uint8_t)(0x80 | (value >> 6 * (n - 1 - i) & 0x3f));
	return n;
}

/* All code points in one text, which is good; and in pieces that cut them. */
static inline bool utf8_check_code_points(const struct utf8_path *path, unsigned step)
{
	uint8_t *text = malloc(4 * 0x110000);
	struct utf8 whole = { 0 }, parts = { 0 };
	size_t len = 0, good = 0;
	bool holds;

	(void)step;
	if (text == NULL)
		return false;
	for (uint32_t value = 0; value <= 0x10ffff; value++)
		len += value >= 0xd800 && value <= 0xdfff ? 0 : utf8_encode(text + len, value);
	holds = utf8_by(path, &whole, text, len) == len && utf8_complete(&whole);
	while (holds && good < len) {
		size_t n = len - good < 997 ? len - good : 997;
		holds = utf8_by(path, &parts, text + good, n) == n;
		good += n;
	}
	free(text);
	return holds && utf8_complete(&parts);
}

/* Text in all kinds of scripts. */
static const char *const utf8_texts[] = { "The quick brown fox jumps over the lazy dog, 0123456789 times. ",
	"Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ",
	"Съешь же ещё этих мягких французских булок, да выпей чаю. ", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ",
	"דג סקרן שט בים מאוכזב ולפתע מצא לו חברה. ", "صِف خَلقَ خَودِ كَمِثلِ الشَمسِ. ",
	"ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश। ", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า ",
	"天地玄黃宇宙洪荒日月盈昃辰宿列張", "いろはにほへと ちりぬるを ワカヨタレソ ",
	"키스의 고유조건은 입술끼리 만나야 하고 ",
	"😀😁😂🤣😃 👩‍👩‍👧‍👦 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 " };

enum { UTF8_TEXTS = sizeof(utf8_texts) / sizeof(utf8_texts[0]) };

/* The next of numbers that are the same in every run (xorshift). */
static inline uint32_t utf8_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Writes good text in one script or in several, at most UTF8_TEXT_MAX bytes; returns how many. */
static inline size_t utf8_compose(uint8_t *out, uint32_t *seed)
{
	size_t want = utf8_random(seed) % (UTF8_TEXT_MAX - 3), n_scripts = 1 + utf8_random(seed) % 3, len = 0;

	while (len < want) {
		const char *text = utf8_texts[(utf8_random(seed) % n_scripts + *seed / 7) % UTF8_TEXTS];
		size_t n = strlen(text);
		n = n < want - len ? n : want - len;
		memcpy(out + len, text, n);
		len += n;
	}
	/* Whole characters only. */
	while (len > 0 && (out[len - 1] & 0xc0) == 0x80)
		len--;
	return len > 0 && out[len - 1] >= 0xc0 ? len - 1 : len;
}

/* Says whether a path skips as far as it can, and no further than the first bad byte. */
static inline bool utf8_skips(const struct utf8_path *path, const uint8_t *buf, size_t len)
{
	struct utf8 state = { 0 };
	size_t good = utf8_check_by(utf8_portable(), &state, buf, len), from = UTF8_SKIP_BACK;

	while (from < len && (buf[from] & 0xc0) == 0x80)
		from++;
	if (path == NULL || path->skip == NULL || good < from)
		return true;
	size_t at = path->skip(buf, from, len);
	if (at < from || at > len || at > good + 1)
		return utf8_differs("skips too much", buf, len, at, good);
	if (good == len && len - from >= 16 && at < len)
		return utf8_differs("gives up on good text", buf, len, at, good);
	return at + UTF8_BLOCK > good || len - from < UTF8_BLOCK ||
	       utf8_differs("gives up", buf, len, at, good);
}

/* Text as it is, and with a byte changed, left out or put in; at any alignment. */
static inline bool utf8_check_mutations(const struct utf8_path *path, unsigned step)
{
	uint8_t buf[UTF8_TEXT_MAX + UTF8_BLOCK + 1], *text;
	uint32_t seed = 2463534242;

	for (size_t i = 0; i < UTF8_MUTATIONS / step; i++) {
		text = buf + i % UTF8_BLOCK;
		size_t len = utf8_compose(text, &seed);
		if (!utf8_same(path, "good text", text, len, len) || !utf8_skips(path, text, len))
			return false;
		if (len == 0)
			continue;
		size_t where = utf8_random(&seed) % len;
		switch (utf8_random(&seed) % 4) {
		case 0:
			memmove(text + where, text + where + 1, len - where - 1);
			len--;
			break;
		case 1:
			memmove(text + where + 1, text + where, len - where);
			len++;
			/* fall through */
		case 2:
			text[where] = (uint8_t)utf8_random(&seed);
			break;
		default:
			text[where] ^= (uint8_t)(1 << (i & 7));
		}
		if (!utf8_same(path, "mutated text", text, len, utf8_random(&seed) % (len + 1)) ||
			!utf8_skips(path, text, len))
			return false;
	}
	return true;
}

/* Every split of texts in each script, good and with something bad in the second half. */
static inline bool utf8_check_splits(const struct utf8_path *path, unsigned step)
{
	static const char *const bad[] = { "", "\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xed\xa0\x80",
		"\xff" };

	for (size_t i = 0; i < UTF8_TEXTS; i++) {
		for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
			char text[2 * UTF8_TEXT_MAX];
			size_t len = (size_t)snprintf(text, sizeof(text), "%s%s%s%s", utf8_texts[i],
				utf8_texts[(i + 5) % UTF8_TEXTS], bad[k], utf8_texts[i]);
			for (size_t split = k % step; split <= len; split += step) {
				if (!utf8_same(path, "in two calls", (uint8_t *)text, len, split))
					return false;
			}
		}
	}
	return true;
}

/* Between guard pages, each length of each text, cut wherever that falls. */
static inline bool utf8_check_guard(const struct utf8_path *path, unsigned step)
{
	struct guard guard = guard_new(UTF8_TEXT_MAX);
	bool holds = true;

	for (size_t i = 0; i < UTF8_TEXTS; i++) {
		for (size_t len = i % step; len <= UTF8_TEXT_MAX && holds; len += step) {
			uint8_t text[UTF8_TEXT_MAX];
			for (size_t k = 0; k < len; k++)
				text[k] = (uint8_t)utf8_texts[i][k % strlen(utf8_texts[i])];
			const uint8_t *at = guard_put(&guard, text, len);
			holds = utf8_same(path, "before the end of a page", at, len, len);
			at = guard_put_first(&guard, text, len);
			holds = utf8_same(path, "after the beginning of a page", at, len, len) && holds;
		}
	}
	guard_free(&guard);
	return holds;
}

static const struct {
	const char *name;
	bool (*holds)(const struct utf8_path *path, unsigned step);
} utf8_checks[] = { { "two bytes", utf8_check_two }, { "edges", utf8_check_edges },
	{ "code points", utf8_check_code_points }, { "mutations", utf8_check_mutations },
	{ "splits", utf8_check_splits }, { "guard", utf8_check_guard } };

#endif
