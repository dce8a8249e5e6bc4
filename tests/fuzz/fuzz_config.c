/*
 * fuzz_config: any bytes as a configuration file. It is refused with at least one line, or what --dump says
 * of it reads back, says the same again, and means what was written: sizes, times and numbers are read once
 * more here. Lines end with LF or CRLF, and a comment in front only moves the lines that mistakes are in.
 * Includes are left out: they would read whatever is on the disk.
 */
#include "base/must.h"
#include "conf/config.h"
#include "conf/dump.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char fuzz_name[] = "fuzz.ini", fuzz_comment[] = "; one line more\n";

/* What a file is: a snapshot, or the lines of its mistakes. Text is a string of its own. */
struct fuzz_verdict {
	const struct config *config;
	char *text; /* the dump, or the mistakes */
	size_t len;
};

/* Writes a mistake with the numbers of its lines lowered. */
static void fuzz_put_mistake(FILE *out, const char *line, unsigned long lower)
{
	const size_t len = sizeof(fuzz_name) - 1;

	must(*line != '\0' && strchr(line, '\n') == NULL);
	while (*line != '\0') {
		bool place = strncmp(line, fuzz_name, len) == 0 && line[len] == ':' &&
			     isdigit((unsigned char)line[len + 1]);
		if (!place) {
			fputc(*line++, out);
			continue;
		}
		char *end;
		unsigned long number = strtoul(line + len + 1, &end, 10);
		must(number > lower);
		fprintf(out, "%s:%lu", fuzz_name, number - lower);
		line = end;
	}
	fputc('\n', out);
}

/* Reads bytes as a file, whose first `lower` lines are not the input's. */
static struct fuzz_verdict fuzz_read(const void *data, size_t size, unsigned long lower)
{
	struct conf_errors errors = { 0 };
	struct fuzz_verdict verdict = { 0 };
	FILE *stream = fmemopen((void *)(uintptr_t)data, size, "r");
	FILE *out = open_memstream(&verdict.text, &verdict.len);

	must(stream != NULL && out != NULL);
	verdict.config = config_read_stream(stream, fuzz_name, NULL, &errors);
	fclose(stream);
	must((verdict.config == NULL) == (errors.lines.n > 0));
	for (size_t i = 0; i < errors.lines.n; i++)
		fuzz_put_mistake(out, errors.lines.items[i], lower);
	if (verdict.config != NULL)
		must(dump_config(verdict.config, out) == 0);
	must(fclose(out) == 0);
	errors_done(&errors);
	return verdict;
}

/* Drops what was read. */
static void fuzz_drop(struct fuzz_verdict *verdict)
{
	if (verdict->config != NULL)
		config_unref(verdict->config);
	free(verdict->text);
}

/* Reads the same file written otherwise: the same comes of it. */
static void fuzz_again(const struct fuzz_verdict *want, const void *data, size_t size, unsigned long lower)
{
	struct fuzz_verdict again = fuzz_read(data, size, lower);

	must((again.config != NULL) == (want->config != NULL));
	must(again.len == want->len && memcmp(again.text, want->text, want->len) == 0);
	fuzz_drop(&again);
}

/* The same with CRLF, and with a comment in front. A mark of UTF-8 is only one at the very beginning. */
static void fuzz_rewrite(const struct fuzz_verdict *want, const uint8_t *data, size_t size)
{
	const size_t n_comment = sizeof(fuzz_comment) - 1;
	char *file = malloc(2 * size + n_comment);
	size_t n = 0;

	must(file != NULL);
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n')
			file[n++] = '\r';
		file[n++] = (char)data[i];
	}
	if (memchr(data, '\r', size) == NULL)
		fuzz_again(want, file, n, 0);
	memcpy(mempcpy(file, fuzz_comment, n_comment), data, size);
	if (memmem(data, size, fuzz_name, sizeof(fuzz_name) - 1) == NULL &&
		(size < 3 || memcmp(data, "\xef\xbb\xbf", 3) != 0))
		fuzz_again(want, file, size + n_comment, 1);
	free(file);
}

/* Reads a number with a unit, if that is what the value is. */
static bool fuzz_number(const char *value, size_t len, double *number)
{
	static const struct {
		const char *unit;
		double factor;
	} units[] = { { "", 1 }, { "k", 1024 }, { "M", 1024 * 1024 }, { "G", 1024. * 1024 * 1024 },
		{ "ms", 0.001 }, { "s", 1 }, { "m", 60 }, { "h", 3600 } };
	size_t digits = 0;

	*number = 0;
	for (; digits < len && isdigit((unsigned char)value[digits]); digits++)
		*number = *number * 10 + (value[digits] - '0');
	for (size_t i = 0; digits > 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i].unit) == len - digits &&
			memcmp(units[i].unit, value + digits, len - digits) == 0) {
			*number *= units[i].factor;
			return true;
		}
	return false;
}

/* Finds the value of "key = ..." behind a heading in a text; NULL when it is not there. */
static const char *fuzz_find(
	const char *text, const char *heading, size_t n_heading, const char *key, size_t n)
{
	bool inside = false;

	for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (*line == '[')
			inside = strncmp(line, heading, n_heading) == 0 && line[n_heading] == '\n';
		else if (inside && strncmp(line, key, n) == 0 && strncmp(line + n, " = ", 3) == 0)
			return line + n + 3;
	}
	return NULL;
}

/* Each number that a file gives to a key of a route or of the gateway is what the dump has there. */
static void fuzz_check_numbers(const struct fuzz_verdict *verdict, const char *file)
{
	const char *heading = "", *end;
	size_t n_heading = 0;
	double said, meant;

	for (const char *line = file; *line != '\0'; line = end + (*end == '\n')) {
		end = line + strcspn(line, "\n");
		const char *key = line + strspn(line, " \t"),
			   *equals = memchr(line, '=', (size_t)(end - line));
		if (*line == '[') {
			heading = line;
			n_heading = (size_t)(end - line);
		}
		if (key != line || equals == NULL || end[0] == '\0' || end[1] == ' ' || end[1] == '\t' ||
			(strncmp(heading, "[route ", 7) != 0 && strncmp(heading, "[gateway]", 9) != 0))
			continue;
		size_t n = strcspn(line, " \t=");
		const char *value = equals + 1 + strspn(equals + 1, " \t");
		const char *dumped = fuzz_find(verdict->text, heading, n_heading, line, n);
		if (dumped == NULL || !fuzz_number(value, (size_t)(end - value), &said))
			continue;
		must(fuzz_number(dumped, strcspn(dumped, "\n"), &meant));
		must(said - meant < 1e-6 && meant - said < 1e-6);
	}
}

/* Reads, dumps, reads, dumps. Mistakes quote what was written, so a file that has its own name in it could
 * not be told from the places of mistakes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || memmem(data, size, "include", 7) ||
		memmem(data, size, fuzz_name, sizeof(fuzz_name) - 1))
		return 0;
	struct fuzz_verdict verdict = fuzz_read(data, size, 0);
	fuzz_rewrite(&verdict, data, size);
	if (verdict.config != NULL) {
		char *file = strndup((const char *)data, size);
		must(file != NULL);
		fuzz_check_numbers(&verdict, file);
		fuzz_again(&verdict, verdict.text, verdict.len, 0);
		free(file);
	}
	fuzz_drop(&verdict);
	return 0;
}
