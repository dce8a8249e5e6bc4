/*
 * extension: takes the Sec-WebSocket-Extensions header apart, a byte after the other and each at most twice:
 * once when its offer is found, once when the parameters are read. Goes by the grammar alone; what a
 * parameter means is for those who know the extension. Holds nothing. Pure; any thread.
 */
#include "http/extension.h"
#include "base/chars.h"

#include <string.h>

/* Passes over spaces and tabs. */
static void extension_skip_space(struct text *rest)
{
	size_t n = 0;

	while (n < rest->len && (rest->ptr[n] == ' ' || rest->ptr[n] == '\t'))
		n++;
	*rest = text_slice(*rest, n);
}

/* Takes a separator and the white space around it, if it is what comes next. */
static bool extension_take(struct text *rest, char separator)
{
	extension_skip_space(rest);
	if (rest->len == 0 || rest->ptr[0] != separator)
		return false;
	*rest = text_slice(*rest, 1);
	extension_skip_space(rest);
	return true;
}

/* Takes a token, if one comes next. */
static bool extension_take_token(struct text *rest, struct text *out)
{
	*out = (struct text){ rest->ptr, chars_span(*rest, CHARS_TOKEN) };
	*rest = text_slice(*rest, out->len);
	return out->len > 0;
}

/* Takes a value that is a token. It ends with a NUL, since `out` is zeroed and keeps its last byte. */
static bool extension_take_plain(struct text *rest, struct extension_param *out)
{
	struct text token;
	size_t len;

	if (!extension_take_token(rest, &token))
		return false;
	len = token.len < EXTENSION_VALUE ? token.len : EXTENSION_VALUE - 1;
	memcpy(out->value, token.ptr, len);
	return true;
}

/* Takes a quoted value, which `rest` begins with; behind a backslash every byte stands for itself. Its NUL is
 * there already, too. */
static bool extension_take_quoted(struct text *rest, struct extension_param *out)
{
	size_t at = 1, len = 0;

	for (; at < rest->len && rest->ptr[at] != '"'; at++) {
		if (rest->ptr[at] == '\\')
			at++;
		if (at == rest->len || !chars_is(rest->ptr[at], CHARS_VALUE))
			return false;
		if (len < EXTENSION_VALUE - 1)
			out->value[len++] = rest->ptr[at];
	}
	if (at == rest->len)
		return false;
	*rest = text_slice(*rest, at + 1);
	return true;
}

/* A comma ends the parameters as the end of the text does, so that extension_next() can look for theirs. */
int extension_next_param(struct text *params, struct extension_param *out)
{
	bool good;

	*out = (struct extension_param){ 0 };
	if (!extension_take(params, ';'))
		return params->len == 0 || params->ptr[0] == ',' ? 0 : -1;
	if (!extension_take_token(params, &out->name))
		return -1;
	out->has_value = extension_take(params, '=');
	if (!out->has_value)
		return 1;
	good = params->len > 0 && params->ptr[0] == '"' ? extension_take_quoted(params, out)
							: extension_take_plain(params, out);
	return good ? 1 : -1;
}

/* Reads the parameters to find their end, and leaves `rest` there. */
int extension_next(struct text *rest, struct extension *out)
{
	struct extension_param param;
	struct text params;
	int more;

	while (extension_take(rest, ','))
		;
	if (rest->len == 0)
		return 0;
	if (!extension_take_token(rest, &out->name))
		return -1;
	extension_skip_space(rest);
	params = *rest;
	do {
		more = extension_next_param(rest, &param);
	} while (more > 0);
	out->params = (struct text){ params.ptr, params.len - rest->len };
	return more < 0 ? -1 : 1;
}
