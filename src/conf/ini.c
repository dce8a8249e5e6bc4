/*
 * ini: reads ini files through inih. The packaged inih cuts lines at 200 bytes, section names at 49 and
 * values at " ;", and is silent about empty sections. So our line reader keeps names, values and line numbers
 * in a table of its own, and inih gets short tokens: "[3]" for a section whose heading is in row 3, ".=3" for
 * its beginning, "exec=4" for a key whose value is in row 4. Comments and continued lines are the reader's;
 * includes are followed when the pair comes back. What keys mean is not in here.
 */
#include "conf/ini.h"

#include "base/must.h"
#include "conf/expand.h"
#include "conf/lines.h"
#include "conf/place.h"

#include <errno.h>
#include <glob.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INI_KEY_MAX = 40 }; /* inih keeps 49 bytes of a key; none of ours is longer than this */

/* What a token stands for. */
struct ini_row {
	const char *text; /* a heading or a value */
	const char *origin;
	struct draft_section *section; /* that the heading opened; NULL after a mistake in it */
	bool broken;		       /* a heading that has been complained about */
};

/* One file being read. */
struct ini {
	struct draft *draft;
	const struct ini *parent; /* the file that includes this one, or NULL */
	unsigned depth;
	const char *name;
	struct stat st;
	struct lines lines;
	bool heading;		 /* inih was just given a heading; its beginning is to follow */
	struct lines_text value; /* with the lines that continue it */

	struct ini_row *rows;
	size_t n_rows;
};

static void ini_open(struct draft *draft, const struct ini *parent, const char *name, const char *origin);

/* "FILE:LINE" of the current line. */
static const char *ini_origin(const struct ini *ini)
{
	return pool_printf(&ini->draft->pool, "%s:%u", ini->name, ini->lines.number);
}

/* Adds a mistake of the current line. */
static void ini_complain(const struct ini *ini, const char *what)
{
	errors_add(ini->draft->errors, ERRORS_USAGE, ini_origin(ini), "%s", what);
}

/* Reads the next line; false at the end of the file, and where it can't be read. */
static bool ini_fetch(struct ini *ini)
{
	int got = lines_next(&ini->lines);

	if (got < 0)
		errors_add(ini->draft->errors, ERRORS_FAILED, ini->name, "%s", strerror(-got));
	return got > 0;
}

/* Checks what holds for every line that says something. */
static bool ini_check_line(const struct ini *ini)
{
	const char *wrong = lines_check(&ini->lines);

	if (wrong != NULL)
		ini_complain(ini, wrong);
	return wrong == NULL;
}

/* Adds a row to the table. Returns its number, or -1 when memory is short. */
static long ini_add_row(struct ini *ini, struct text text, const char *origin)
{
	struct pool *pool = &ini->draft->pool;
	size_t n = ini->n_rows;

	if ((n & (n - 1)) == 0) {
		struct ini_row *rows = realloc(ini->rows, (2 * n + 1) * sizeof(*rows));

		pool->failed |= rows == NULL;
		if (rows == NULL)
			return -1;
		ini->rows = rows;
	}
	ini->rows[n] = (struct ini_row){ .text = pool_copy(pool, text), .origin = origin };
	if (ini->rows[n].text == NULL || origin == NULL)
		return -1;
	return (long)ini->n_rows++;
}

/* Turns a heading into its token; a broken one too, or its keys would go to the section above. */
static bool ini_take_heading(struct ini *ini, struct text line, bool broken, char *token, size_t size)
{
	long row;

	if (!broken && !text_ends_with(line, "]")) {
		ini_complain(ini, "a section is [NAME], with nothing after it");
		broken = true;
	}
	if (!broken)
		line = text_trim((struct text){ line.ptr + 1, line.len - 2 });
	row = ini_add_row(ini, line, ini_origin(ini));
	ini->heading = row >= 0;
	if (row < 0)
		return false;
	ini->rows[row].broken = broken;
	snprintf(token, size, "[%ld]\n", row);
	return true;
}

/* Appends the lines that continue a value; comments between them are left out, a blank line ends it. */
static void ini_take_continuations(struct ini *ini)
{
	while (ini_fetch(ini)) {
		struct text more = text_trim(text_of(ini->lines.text.bytes));

		if (lines_is_comment(&ini->lines))
			continue;
		if (!lines_is_continuation(&ini->lines)) {
			lines_hold(&ini->lines);
			break;
		}
		if (ini_check_line(ini)) {
			lines_text_add(&ini->value, " ", ini->value.len > 0);
			lines_text_add(&ini->value, more.ptr, more.len);
		}
	}
}

/* Turns a key and its value into their token. */
static bool ini_take_pair(struct ini *ini, struct text line, char *token, size_t size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	const char *equals = memchr(line.ptr, '=', line.len);
	size_t head = equals != NULL ? (size_t)(equals - line.ptr) : 0;
	struct text key = text_trim((struct text){ line.ptr, head });
	struct text value = text_trim(text_slice(line, head + 1));
	const char *origin = ini_origin(ini);
	char name[INI_KEY_MAX + 1];
	long row;

	snprintf(name, sizeof(name), "%.*s", TEXT_ARG(key));
	if (key.len == 0 || strlen(name) < key.len || strspn(name, letters) < key.len) {
		ini_complain(ini, "expected KEY = VALUE or [SECTION]");
		return false;
	}
	lines_text_clear(&ini->value);
	lines_text_add(&ini->value, value.ptr, value.len);
	ini_take_continuations(ini);
	if (ini->value.over) {
		errors_add(ini->draft->errors, ERRORS_USAGE, origin, "%s: longer than 64 KiB", name);
		return false;
	}
	row = ini_add_row(ini, (struct text){ ini->value.bytes, ini->value.len }, origin);
	return row >= 0 && snprintf(token, size, "%s=%ld\n", name, row) > 0;
}

/* What inih calls for its next line: finds one that says something and hands over its token. */
static char *ini_on_line(char *token, int size, void *arg)
{
	struct ini *ini = arg;

	must(size > INI_KEY_MAX + 32);
	if (ini->heading) {
		ini->heading = false;
		snprintf(token, (size_t)size, ".=%zu\n", ini->n_rows - 1);
		return token;
	}
	while (ini_fetch(ini)) {
		struct text line = text_trim(text_of(ini->lines.text.bytes));
		bool good;

		if (lines_is_comment(&ini->lines) || lines_is_blank(&ini->lines))
			continue;
		good = ini_check_line(ini);
		if (good && lines_is_continuation(&ini->lines))
			ini_complain(ini, "this line begins with a space, and there is no value above that "
					  "it could continue");
		else if (ini->lines.text.bytes[0] == '['
				 ? ini_take_heading(ini, line, !good, token, (size_t)size)
				 : good && ini_take_pair(ini, line, token, (size_t)size))
			return token;
	}
	return NULL;
}

/* Reads the files of a pattern: one without wildcards has to match, one with them may find nothing. */
static void ini_include(struct ini *ini, const char *pattern, const char *origin)
{
	struct draft *draft = ini->draft;
	const char *slash = strrchr(ini->name, '/');
	char *full = pool_printf(&draft->pool, "%.*s%s",
		pattern[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - ini->name), ini->name, pattern);
	glob_t found = { 0 };

	if (full == NULL || !pattern[0])
		return;
	if (ini->depth == INI_DEPTH_MAX) {
		errors_add(draft->errors, ERRORS_USAGE, origin, "include: more than %d files deep",
			INI_DEPTH_MAX);
		return;
	}
	if (glob(full, 0, NULL, &found) != 0 && strpbrk(full, "*?[") == NULL)
		errors_add(draft->errors, ERRORS_FAILED, origin, "include: %s: %s", full, strerror(ENOENT));
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *name = pool_copy(&draft->pool, text_of(found.gl_pathv[i]));

		if (name != NULL)
			ini_open(draft, ini, name, origin);
	}
	globfree(&found);
}

/* What inih calls for each pair: looks the tokens up and hands the real ones to the draft. */
static int ini_on_pair(void *arg, const char *section, const char *key, const char *token)
{
	struct ini *ini = arg;
	struct ini_row *row = &ini->rows[strtoul(token, NULL, 10)];
	const char *origin = row->origin;
	const struct option *option;
	struct draft_section *target;
	char *value;

	if (strcmp(key, ".") == 0) {
		row->section = row->broken ? NULL : draft_open(ini->draft, row->text, origin);
		return 1;
	}
	if (!section[0]) {
		errors_add(ini->draft->errors, ERRORS_USAGE, origin, "%s: stands before any [section]", key);
		return 1;
	}
	target = ini->rows[strtoul(section, NULL, 10)].section;
	if (target == NULL)
		return 1;
	option = options_find(target->kind, text_of(key));
	value = expand_text(ini->draft, row->text, option != NULL && option->flags & OPTION_PATH, origin);
	if (value != NULL && option != NULL && option->type == &place_include)
		ini_include(ini, value, origin);
	else if (value != NULL)
		draft_add(ini->draft, target, key, value, origin);
	return 1;
}

/* Lets inih read a stream. */
static void ini_read_file(struct draft *draft, const struct ini *parent, FILE *stream, const char *name)
{
	struct ini *ini = calloc(1, sizeof(*ini));

	draft->pool.failed |= ini == NULL;
	if (ini == NULL)
		return;
	ini->draft = draft;
	ini->parent = parent;
	ini->depth = parent != NULL ? parent->depth + 1 : 1;
	ini->name = name;
	ini->lines.stream = stream;
	if (fileno(stream) >= 0 && fstat(fileno(stream), &ini->st) < 0)
		ini->st.st_ino = 0;
	if (ini_parse_stream(ini_on_line, ini, ini_on_pair, ini) != 0)
		ini_complain(ini, "the ini library could not read this");
	free(ini->rows);
	free(ini);
}

/* Whether a file is this one or one that includes it. */
static bool ini_is_open(const struct ini *ini, FILE *stream)
{
	struct stat st;

	if (fstat(fileno(stream), &st) < 0)
		return false;
	while (ini != NULL && (ini->st.st_dev != st.st_dev || ini->st.st_ino != st.st_ino))
		ini = ini->parent;
	return ini != NULL;
}

/* Opens a file and reads it; `origin` is the line that includes it. */
static void ini_open(struct draft *draft, const struct ini *parent, const char *name, const char *origin)
{
	FILE *stream = fopen(name, "re");
	const char *why = NULL;

	if (stream == NULL)
		why = strerror(errno);
	else if (ini_is_open(parent, stream))
		why = "includes itself";
	else if (++draft->files > INI_FILES_MAX)
		why = "is one file too many";
	else {
		pool_append(&draft->pool, &draft->file_names, pool_copy(&draft->pool, text_of(name)));
		ini_read_file(draft, parent, stream, name);
	}
	if (why != NULL)
		errors_add(draft->errors, ERRORS_FAILED, origin, "%s: %s", name, why);
	if (stream != NULL)
		fclose(stream);
}

/* Reads a file by its name. */
void ini_read(struct draft *draft, const char *file)
{
	ini_open(draft, NULL, file, NULL);
}

/* Reads what is open already. */
void ini_read_stream(struct draft *draft, FILE *stream, const char *name)
{
	ini_read_file(draft, NULL, stream, name);
}
