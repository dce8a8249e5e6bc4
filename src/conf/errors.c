/*
 * errors: the list of mistakes found in a configuration. Owns their text and how they are worded around the
 * edges ("FILE:LINE: ", "did you mean"); what is a mistake is decided by who reads. One thread at a time.
 */
#include "conf/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Whether the line is there already: a mistake in [defaults] is met again in each route. */
static bool errors_has(const struct conf_errors *errors, const char *line)
{
	for (size_t i = 0; i < errors->lines.n; i++) {
		if (strcmp(errors->lines.items[i], line) == 0)
			return true;
	}
	return false;
}

/* A mistake is one line, whatever was in the value that it repeats. */
static void errors_make_line(char *line)
{
	for (; *line != '\0'; line++) {
		if ((unsigned char)*line < ' ' || *line == 0x7f)
			*line = '?';
	}
}

/* Counts the mistake even when there is no memory for its words: a snapshot must not come of it. */
void errors_add(
	struct conf_errors *errors, enum errors_kind kind, const char *origin, const char *format, ...)
{
	char words[1024], *line;
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	errors->n++;
	errors->usage |= kind == ERRORS_USAGE;
	errors->listen |= kind == ERRORS_LISTEN;
	line = pool_printf(
		&errors->pool, "%s%s%s", origin != NULL ? origin : "", origin != NULL ? ": " : "", words);
	if (line != NULL)
		errors_make_line(line);
	if (line != NULL && !errors_has(errors, line))
		pool_append(&errors->pool, &errors->lines, line);
}

/* Puts the key in front of it. */
void errors_add_key(struct conf_errors *errors, enum errors_kind kind, const char *origin, const char *key,
	const char *format, ...)
{
	bool option = origin != NULL && strncmp(origin, "--", 2) == 0;
	char words[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	errors_add(errors, kind, origin, "%s%s%s", option ? "" : key, option ? "" : ": ", words);
}

/* Asks for the nearest name and puts it into words. */
char *errors_hint(char out[96], const char *name, const char *const *names, size_t n)
{
	const char *nearest = text_nearest(name, names, n);

	if (nearest != NULL)
		snprintf(out, 96, "; did you mean \"%.63s\"?", nearest);
	else
		out[0] = '\0';
	return out;
}

/* Gives the lines back. */
void errors_done(struct conf_errors *errors)
{
	pool_free(&errors->pool);
	*errors = (struct conf_errors){ 0 };
}
