/*
 * logline_internal: a line that is being written, for the sources that know a form of it.
 */
#ifndef BASE_LOGLINE_INTERNAL_H
#define BASE_LOGLINE_INTERNAL_H

#include "base/logline.h"

enum { LOGLINE_TAIL = 12 }; /* kept free for the mark of a cut line and a brace */

/* Once it is cut nothing more is added but its tail. */
struct logline {
	enum log_format format;
	char *out;
	size_t room, len;
	bool cut;
};

/* Each adds all of it, or nothing and the line is cut; returns which. addf is for short pieces. */
bool logline_add(struct logline *line, const char *bytes, size_t len);
bool logline_addf(struct logline *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds text escaped, as many characters of it as there is room for; then the line is cut. */
void logline_add_escaped(struct logline *line, struct text in);

/* The priority of a level in syslog(3). */
int logline_priority(enum log_level level);

#endif
