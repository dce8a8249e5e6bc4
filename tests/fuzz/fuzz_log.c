/*
 * fuzz_log: any bytes as sentence and fields give a printable line within its room, in every format, and
 * valid JSON. Input: format and prefix, room, level, then the sentence and three values, separated by 0xff.
 */
#include "base/logline.h"

#include "../unit/jsonline.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run with a report when the property doesn't hold. */
static void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

/* Whether every quote that opens is closed again, escaped ones aside. */
static bool fuzz_quotes_match(const char *line, size_t len)
{
	bool open = false;

	for (size_t i = 0; i < len; i++) {
		if (open && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			open = !open;
	}
	return !open;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text rest, piece[4] = { { NULL, 0 } };
	enum log_format format;
	size_t room, len;
	char *out, *sentence;

	if (size < 4)
		return 0;
	format = (enum log_format)(data[0] % 3);
	room = LOGLINE_MIN + data[1] * (data[2] & 0x0f);
	rest = (struct text){ (const char *)data + 3, size - 3 };
	for (size_t i = 0; i < 4; i++) {
		const char *end = rest.len ? memchr(rest.ptr, 0xff, rest.len) : NULL;

		piece[i] = (struct text){ rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len };
		rest = text_slice(rest, end ? piece[i].len + 1 : piece[i].len);
	}
	sentence = text_dup(piece[0]);
	out = malloc(room);
	fuzz_check(sentence && out);
	len = logline_format(out, room, format, data[0] & 0x80, size * UINT64_C(1234567890123),
		(enum log_level)(data[2] >> 4) % 5, sentence,
		(const struct log_field[]){ LOG_TEXT("first", piece[1]), LOG_U64("n", size),
			LOG_TEXT("second", piece[2]), LOG_MS("ms", size), LOG_TEXT("third", piece[3]),
			LOG_I64("i", -(int64_t)size), { .key = NULL } });

	fuzz_check(len > 0 && len <= room);
	for (size_t i = 0; i < len; i++)
		fuzz_check(out[i] >= 0x20 && out[i] <= 0x7e);
	if (format == LOG_FORMAT_JSON) {
		size_t prefix = out[0] == '<' ? 3 : 0;

		fuzz_check(jsonline_check(out + prefix, len - prefix));
	} else if (format == LOG_FORMAT_LOGFMT) {
		fuzz_check(fuzz_quotes_match(out, len));
	}
	free(out);
	free(sentence);
	return 0;
}
