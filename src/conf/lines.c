/*
 * lines: reads the lines of a file and says what sort they are. Owns the limits on what a file can make us
 * hold, line ends of both kinds, and the bytes that no line may have. One thread at a time.
 */
#include "conf/lines.h"

#include <errno.h>
#include <string.h>

/* Makes it empty again. */
void lines_text_clear(struct lines_text *text)
{
	text->len = 0;
	text->over = false;
	text->bytes[0] = '\0';
}

/* Appends bytes, as long as there is room. */
void lines_text_add(struct lines_text *text, const char *bytes, size_t len)
{
	if (len > LINES_MAX - text->len) {
		text->over = true;
		return;
	}
	if (len > 0)
		memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	text->bytes[text->len] = '\0';
}

/* Reads byte by byte: stdio has the buffer, and the length of a line is nothing to rely on. */
int lines_next(struct lines *lines)
{
	struct lines_text *text = &lines->text;
	int c;

	if (lines->held) {
		lines->held = false;
		return 1;
	}
	lines_text_clear(text);
	lines->number++;
	while ((c = getc(lines->stream)) != EOF && c != '\n') {
		char byte = (char)c;

		lines_text_add(text, &byte, 1);
		if (lines->number == 1 && text->len == 3 && strcmp(text->bytes, "\xef\xbb\xbf") == 0)
			lines_text_clear(text); /* the mark that some editors begin with */
	}
	if (ferror(lines->stream))
		return -errno;
	if (text->len > 0 && text->bytes[text->len - 1] == '\r')
		text->bytes[--text->len] = '\0';
	return c != EOF || text->len > 0;
}

/* Keeps the line for the next call. */
void lines_hold(struct lines *lines)
{
	lines->held = true;
}

/* Looks at the very first byte only: values may hold # and ;. */
bool lines_is_comment(const struct lines *lines)
{
	return lines->text.bytes[0] == '#' || lines->text.bytes[0] == ';';
}

/* Counts NULs as something. */
bool lines_is_blank(const struct lines *lines)
{
	return strspn(lines->text.bytes, " \t") == lines->text.len;
}

/* Whether the line belongs to the value above. */
bool lines_is_continuation(const struct lines *lines)
{
	char first = lines->text.bytes[0];

	return (first == ' ' || first == '\t') && !lines_is_blank(lines);
}

/* Looks for what would be cut or could not be shown. */
const char *lines_check(const struct lines *lines)
{
	if (lines->text.over)
		return "this line is longer than 128 KiB";
	for (size_t i = 0; i < lines->text.len; i++) {
		unsigned char c = (unsigned char)lines->text.bytes[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return "this line holds a control character";
	}
	return NULL;
}
