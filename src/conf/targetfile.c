/*
 * targetfile: cuts a file of targets into lines, and lines into token and service. Pure; any thread.
 */
#include "conf/targetfile.h"

#include <stdio.h>
#include <string.h>

/* What may stand around a token and its target. */
static bool targetfile_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts at newlines. */
bool targetfile_next(struct text *rest, struct text *line)
{
	if (rest->len == 0)
		return false;
	const char *end = memchr(rest->ptr, '\n', rest->len);
	size_t len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;

	*line = (struct text){ rest->ptr, len };
	*rest = text_slice(*rest, len + (end != NULL));
	line->len -= len > 0 && line->ptr[len - 1] == '\r';
	return true;
}

/* Is there a byte that no text has? */
static bool targetfile_has_control(struct text line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (((unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t') || line.ptr[i] == 0x7f)
			return true;
	}
	return false;
}

/* Where the token ends: at the first colon with a blank behind it; one without may be a part of it. Its
 * length, or that of the line. */
static size_t targetfile_token_len(struct text line)
{
	for (size_t i = 0; i + 1 < line.len; i++) {
		if (line.ptr[i] == ':' && targetfile_is_blank(line.ptr[i + 1]))
			return i;
	}
	return line.len;
}

/* HOST:PORT as websockify cuts it: at the last colon, so that the host may be an IPv6 address as it is. */
static int targetfile_write_place(char *uri, struct text place)
{
	const char *colon = memrchr(place.ptr, ':', place.len);
	struct text host = { place.ptr, colon != NULL ? (size_t)(colon - place.ptr) : 0 };

	if (colon != NULL && host.len == 0)
		return snprintf(uri, TARGETFILE_URI, "tcp://localhost%.*s", TEXT_ARG(place));
	if (addr_is_v6(host))
		return snprintf(uri, TARGETFILE_URI, "tcp://[%.*s]%.*s", TEXT_ARG(host),
			(int)(place.len - host.len), colon);
	return snprintf(uri, TARGETFILE_URI, "tcp://%.*s", TEXT_ARG(place));
}

/* Writes a target as `connect` has it. Returns its length, which may be more than there is room for. */
static int targetfile_write_uri(char *uri, struct text target)
{
	static const char word[] = "unix_socket:";
	struct text path = text_slice(target, sizeof(word) - 1);

	if (text_starts_with(target, word))
		return snprintf(uri, TARGETFILE_URI, "unix:%.*s", TEXT_ARG(path));
	if (text_starts_with(target, "unix:") || memmem(target.ptr, target.len, "://", 3) != NULL)
		return snprintf(uri, TARGETFILE_URI, "%.*s", TEXT_ARG(target));
	return targetfile_write_place(uri, target);
}

/* Takes it apart. */
const char *targetfile_read(struct targetfile_line *out, struct text line)
{
	line = text_trim(line);
	*out = (struct targetfile_line){ .token = { line.ptr, 0 } };
	if (line.len == 0 || line.ptr[0] == '#')
		return NULL;
	if (targetfile_has_control(line))
		return "holds a control character";
	size_t len = targetfile_token_len(line);
	struct text token = text_trim((struct text){ line.ptr, len });
	struct text target = text_trim(text_slice(line, len + 1));
	if (target.len == 0)
		return "has no target: a line is TOKEN, a colon, a space, and tcp://HOST:PORT";
	if (token.len == 0)
		return "has no token";
	if (targetfile_write_uri(out->uri, target) >= TARGETFILE_URI)
		return "has a target that is too long";
	const char *wrong = upstream_parse(&out->upstream, out->uri);
	out->upstream.uri = out->uri;
	out->token = wrong == NULL ? token : out->token;
	return wrong;
}
