/*
 * targets_token: finds the token in a request: in its query, its path or its Host. Pure; any thread.
 */
#include "gate/targets.h"

#include "base/must.h"

#include <string.h>

/* Decodes a name or a value of a query. Returns its length, or -1. */
static long targets_decode(char *out, struct text in)
{
	char spaced[TARGETS_TOKEN];

	if (in.len > sizeof(spaced))
		return -1;
	for (size_t i = 0; i < in.len; i++)
		spaced[i] = in.ptr[i] == '+' ? ' ' : in.ptr[i];
	return text_percent_decode((struct text){ spaced, in.len }, out);
}

/* Is this piece of a query the token's? If so *value is what it says, as it was sent. */
static bool targets_is_token(struct text piece, struct text *value)
{
	static const char name[] = "token";
	const char *equals = piece.len > 0 ? memchr(piece.ptr, '=', piece.len) : NULL;
	char decoded[3 * sizeof(name)];
	size_t len = equals != NULL ? (size_t)(equals - piece.ptr) : 0;

	if (len < sizeof(name) - 1 || len > sizeof(decoded))
		return false;
	long n = targets_decode(decoded, (struct text){ piece.ptr, len });
	*value = text_slice(piece, len + 1);
	return n >= 0 && text_is((struct text){ decoded, (size_t)n }, name);
}

/* Of the query. One without a value is none, and to say it twice is to say it once. */
static long targets_query_token(char out[TARGETS_TOKEN], struct text query)
{
	char other[TARGETS_TOKEN];
	struct text piece, value;
	long len = TARGETS_NO_TOKEN;

	while (text_next(&query, '&', &piece)) {
		if (!targets_is_token(piece, &value) || value.len == 0)
			continue;
		long n = targets_decode(len < 0 ? out : other, value);
		if (n < 0)
			return TARGETS_BAD;
		if (len >= 0 && (n != len || memcmp(out, other, (size_t)n) != 0))
			return TARGETS_TWO;
		len = n;
	}
	return len;
}

/* Copies a token that is decoded already. */
static long targets_copy_token(char out[TARGETS_TOKEN], struct text token)
{
	if (token.len == 0)
		return TARGETS_NO_TOKEN;
	if (token.len > TARGETS_TOKEN)
		return TARGETS_UNKNOWN;
	memcpy(out, token.ptr, token.len);
	return (long)token.len;
}

/* Of the path behind the route's. */
static long targets_path_token(char out[TARGETS_TOKEN], struct text path_info)
{
	struct text segment = text_slice(path_info, 1);

	if (segment.len > 0 && memchr(segment.ptr, '/', segment.len) != NULL)
		return TARGETS_UNKNOWN;
	return targets_copy_token(out, segment);
}

/* Looks where the route says. */
long targets_token(
	char out[TARGETS_TOKEN], const struct http_request *request, const struct route_match *match)
{
	switch (match->route->target_by) {
	case TARGET_BY_QUERY:
		return targets_query_token(out, request->query);
	case TARGET_BY_PATH:
		return targets_path_token(out, match->path_info);
	case TARGET_BY_HOST:
		return targets_copy_token(out, request->host);
	}
	must(false);
	return TARGETS_NO_TOKEN;
}
