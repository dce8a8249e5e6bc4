/*
 * fuzz_utf8: the check agrees with a decoder written from the definition, wherever the text is split; what
 * was replaced is valid, and valid text is not touched. Input: where to split, then the text.
 */
#include "ws/utf8.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run with a report when the property doesn't hold. */
static void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

/* Returns the length of a well-formed code point at buf, by decoding it; 0 when there is none. */
static size_t fuzz_code_point(const uint8_t *buf, size_t len)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = buf[0] < 0x80       ? 1
		   : buf[0] >> 5 == 6  ? 2
		   : buf[0] >> 4 == 14 ? 3
		   : buf[0] >> 3 == 30 ? 4
				       : 0;
	uint32_t value = n == 1 ? buf[0] : buf[0] & (0x7f >> n);

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (buf[i] >> 6 != 2)
			return 0;
		value = value << 6 | (buf[i] & 0x3f);
	}
	return value < least[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff) ? 0 : n;
}

/* Returns how long a beginning of a code point stands at buf that is cut short there: the maximal subpart. */
static size_t fuzz_open(const uint8_t *buf, size_t len)
{
	static const uint8_t rest[] = { 0x80, 0x90, 0xa0, 0xbf };
	size_t found = 0;

	for (size_t n = 1; n <= 3 && n <= len; n++) {
		for (size_t i = 0; i < sizeof(rest); i++) {
			uint8_t whole[5] = { 0 };
			memcpy(whole, buf, n);
			memset(whole + n, 0x80, 4 - n);
			whole[n] = rest[i];
			for (size_t k = n + 1; k <= 4; k++)
				found = fuzz_code_point(whole, k) == k ? n : found;
		}
	}
	return found;
}

/* Writes to out what utf8_replace() should; returns its length, and where the first bad byte is. */
static size_t fuzz_replace(uint8_t *out, const uint8_t *buf, size_t len, size_t *good, size_t *open)
{
	size_t n_out = 0, n;

	*good = len;
	*open = 0;
	for (size_t i = 0; i < len; i += n) {
		n = fuzz_code_point(buf + i, len - i);
		if (n > 0) {
			memcpy(out + n_out, buf + i, n);
			n_out += n;
			continue;
		}
		n = fuzz_open(buf + i, len - i);
		if (*good == len && i + n < len)
			*good = i + n;
		if (i + n == len)
			*open = n;
		memcpy(out + n_out, "\xef\xbf\xbd", 3);
		n_out += 3;
		n += n == 0;
	}
	return n_out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	size_t split = data[0], len = size - 1, good, open;
	uint8_t *text = malloc(len + 1), *want = malloc(3 * len + 1);
	struct utf8 whole = { 0 }, parts = { 0 };
	struct evbuffer *out = evbuffer_new();

	memcpy(text, data + 1, len);
	size_t want_len = fuzz_replace(want, text, len, &good, &open);
	split = split < len ? split : len;
	fuzz_check(utf8_check(&whole, text, len) == good);
	size_t n = utf8_check(&parts, text, split);
	if (n == split)
		n += utf8_check(&parts, text + split, len - split);
	fuzz_check(n == good && memcmp(&whole, &parts, sizeof(whole)) == 0);
	fuzz_check(utf8_tail(text, len) == open);
	if (good == len)
		fuzz_check(utf8_complete(&whole) == (open == 0));

	fuzz_check(utf8_replace(out, text, len) == 0 && evbuffer_get_length(out) == want_len);
	if (want_len > 0)
		fuzz_check(memcmp(evbuffer_pullup(out, -1), want, want_len) == 0);
	whole = (struct utf8){ 0 };
	fuzz_check(utf8_check(&whole, want, want_len) == want_len && utf8_complete(&whole));
	evbuffer_free(out);
	free(want);
	free(text);
	return 0;
}
