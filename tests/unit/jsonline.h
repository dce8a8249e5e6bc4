/*
 * jsonline: whether bytes are one flat JSON object (RFC 8259) of strings, numbers and true, in printable
 * ASCII. As strict as a parser, without being one.
 */
#ifndef TESTS_UNIT_JSONLINE_H
#define TESTS_UNIT_JSONLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A place in the bytes that are read. */
struct jsonline {
	const char *at, *end;
};

/* Moves past one byte if it is the next one. */
static inline bool jsonline_skip(struct jsonline *in, char c)
{
	if (in->at == in->end || *in->at != c)
		return false;
	in->at++;
	return true;
}

/* Moves past n hexadecimal digits. */
static inline bool jsonline_skip_hex(struct jsonline *in, int n)
{
	for (; n > 0; n--, in->at++) {
		if (in->at == in->end || !*in->at || !strchr("0123456789abcdefABCDEF", *in->at))
			return false;
	}
	return true;
}

/* Moves past a string with its quotes. */
static inline bool jsonline_skip_string(struct jsonline *in)
{
	if (!jsonline_skip(in, '"'))
		return false;
	while (in->at < in->end && *in->at != '"') {
		if (*in->at < 0x20 || *in->at > 0x7e)
			return false;
		if (!jsonline_skip(in, '\\')) {
			in->at++;
		} else if (jsonline_skip(in, 'u')) {
			if (!jsonline_skip_hex(in, 4))
				return false;
		} else if (in->at == in->end || !strchr("\"\\/bfnrt", *in->at++)) {
			return false;
		}
	}
	return jsonline_skip(in, '"');
}

/* Moves past digits; at least one. */
static inline bool jsonline_skip_digits(struct jsonline *in)
{
	const char *start = in->at;

	while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
		in->at++;
	return in->at > start;
}

/* Moves past a string, a number or true. */
static inline bool jsonline_skip_value(struct jsonline *in)
{
	const char *start;

	if (in->at < in->end && *in->at == '"')
		return jsonline_skip_string(in);
	if (in->end - in->at >= 4 && memcmp(in->at, "true", 4) == 0) {
		in->at += 4;
		return true;
	}
	jsonline_skip(in, '-');
	start = in->at;
	if (!jsonline_skip_digits(in) || (*start == '0' && in->at - start > 1))
		return false;
	return !jsonline_skip(in, '.') || jsonline_skip_digits(in);
}

/* Whether the bytes are one object and nothing else. */
static inline bool jsonline_check(const char *bytes, size_t len)
{
	struct jsonline in = { bytes, bytes + len };

	if (!jsonline_skip(&in, '{'))
		return false;
	do {
		if (!jsonline_skip_string(&in) || !jsonline_skip(&in, ':') || !jsonline_skip_value(&in))
			return false;
	} while (jsonline_skip(&in, ','));
	return jsonline_skip(&in, '}') && in.at == in.end;
}

#endif
