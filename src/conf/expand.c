/*
 * expand: replaces ${NAME} and %d in values of files, and writes values so that nothing in them is replaced.
 * Owns that notation; looks only at the environment. What was replaced is not looked at again.
 */
#include "conf/expand.h"

#include <stdlib.h>
#include <string.h>

/* Writes the variable whose name is at `from`, after "${". Returns what follows it, or NULL. */
static const char *expand_variable(struct draft *draft, const char *from, const char *origin, FILE *out)
{
	size_t len = strcspn(from, "}");
	char *name = pool_copy(&draft->pool, (struct text){ from, len });
	const char *set = name != NULL ? getenv(name) : NULL;

	if (name == NULL)
		return NULL;
	if (!from[len] || len == 0) {
		errors_add(draft->errors, ERRORS_USAGE, origin,
			"${ begins the name of a variable, and } ends it; $${ is a plain ${");
		return NULL;
	}
	if (set == NULL) {
		errors_add(draft->errors, ERRORS_USAGE, origin,
			"the environment has no variable %.80s; $${ is a plain ${", name);
		return NULL;
	}
	fputs(set, out);
	return from + len + 1;
}

/* Writes the directory of credentials. Returns what follows the %d, or NULL. */
static const char *expand_credentials(struct draft *draft, const char *at, const char *origin, FILE *out)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (dir == NULL) {
		errors_add(draft->errors, ERRORS_USAGE, origin,
			"%%d is systemd's directory of credentials, and there is none; %%%% is a plain %%");
		return NULL;
	}
	fputs(dir, out);
	return at + 2;
}

/* Walks from one $ or % to the next, and stops when nobody would take a value so long. */
static bool expand_into(struct draft *draft, const char *text, bool path, const char *origin, FILE *out)
{
	while (text != NULL && *text && ftell(out) <= DRAFT_VALUE_MAX) {
		size_t plain = strcspn(text, "$%");

		fwrite(text, 1, plain, out);
		text += plain;
		if (strncmp(text, "$${", 3) == 0) {
			fputs("${", out);
			text += 3;
		} else if (strncmp(text, "${", 2) == 0) {
			text = expand_variable(draft, text + 2, origin, out);
		} else if (path && strncmp(text, "%d", 2) == 0) {
			text = expand_credentials(draft, text, origin, out);
		} else if (path && strncmp(text, "%%", 2) == 0) {
			fputc('%', out);
			text += 2;
		} else if (*text) {
			fputc(*text++, out);
		}
	}
	return text != NULL;
}

/* Expands in memory and keeps a copy. */
char *expand_text(struct draft *draft, const char *text, bool path, const char *origin)
{
	char *bytes = NULL, *copy = NULL;
	size_t len;
	FILE *out = open_memstream(&bytes, &len);
	bool good;

	if (out == NULL) {
		draft->pool.failed = true;
		return NULL;
	}
	good = expand_into(draft, text, path, origin, out);
	draft->pool.failed |= fclose(out) != 0 || bytes == NULL;
	if (good && !draft->pool.failed)
		copy = pool_copy(&draft->pool, text_of(bytes));
	free(bytes);
	return copy;
}

/* Doubles what begins a replacement. */
void expand_quote(const char *text, bool path, FILE *out)
{
	for (; *text; text++) {
		if (strncmp(text, "${", 2) == 0)
			fputc('$', out);
		else if (path && *text == '%')
			fputc('%', out);
		fputc(*text, out);
	}
}
