/*
 * lines: a file line by line, of bounded length, with one line of looking ahead.
 */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include "conf/draft.h"

enum {
	LINES_MAX = 2 * DRAFT_VALUE_MAX
}; /* bytes of a line, or of a value before it is trimmed and expanded */

/* A text under construction; what does not fit is dropped and noted. */
struct lines_text {
	size_t len;
	bool over;
	char bytes[LINES_MAX + 1];
};

void lines_text_clear(struct lines_text *text);
void lines_text_add(struct lines_text *text, const char *bytes, size_t len);

/* Zeroed but for the stream to begin. */
struct lines {
	FILE *stream;
	unsigned number; /* of this line, from 1 */
	bool held;
	struct lines_text
		text; /* this line, without its newline and a byte order mark in front of the first */
};

/* Reads the next line. Returns 1, 0 at the end of the file, or -errno. */
int lines_next(struct lines *lines);

/* Makes this line the next one again. */
void lines_hold(struct lines *lines);

bool lines_is_comment(const struct lines *lines);      /* begins with # or ; */
bool lines_is_blank(const struct lines *lines);	       /* nothing but white space */
bool lines_is_continuation(const struct lines *lines); /* begins with white space, and more follows */

/* What no line may have that says something: NULL, or the complaint. */
const char *lines_check(const struct lines *lines);

#endif
