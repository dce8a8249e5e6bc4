/*
 * test_conf: what the tests of the configuration share: reading it from a string, with the mistakes expected.
 */
#ifndef TESTS_UNIT_TEST_CONF_H
#define TESTS_UNIT_TEST_CONF_H

#include "conf/config.h"
#include "conf/dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A route that needs nothing else. */
#define ROUTE_X "[route /x]\nconsole = yes\n"

/* Reads len bytes as the file "t.ini". */
static inline const struct config *conf_parse(
	const char *bytes, size_t len, const struct conf_list *sets, struct conf_errors *errors)
{
	FILE *stream = len > 0 ? fmemopen((void *)(uintptr_t)bytes, len, "r") : fopen("/dev/null", "r");
	const struct config *config;

	assert_non_null(stream);
	config = config_read_stream(stream, "t.ini", sets, errors);
	fclose(stream);
	return config;
}

/* Reads a text that is right; it gets a route if it has none, since there must be one. */
static inline const struct config *conf_good(const char *text)
{
	struct conf_errors errors = { 0 };
	size_t size = strlen(text) + 64;
	char *whole = malloc(size);
	const struct config *config;

	assert_non_null(whole);
	snprintf(whole, size, "%s%s", text, strchr(text, '[') && strstr(text, "route") ? "" : "\n" ROUTE_X);
	config = conf_parse(whole, strlen(whole), NULL, &errors);
	free(whole);
	for (size_t i = 0; i < errors.lines.n; i++)
		print_error("%s\n", errors.lines.items[i]);
	assert_non_null(config);
	assert_int_equal(errors.n, 0);
	errors_done(&errors);
	return config;
}

/* Reads a text that is wrong in exactly the way of these lines, each ended by a newline. */
static inline void conf_bad_with(const char *text, const struct conf_list *sets, const char *expected)
{
	struct conf_errors errors = { 0 };
	const struct config *config = conf_parse(text, strlen(text), sets, &errors);
	char all[8192] = "";

	for (size_t i = 0; i < errors.lines.n; i++) {
		assert_true(strlen(all) + strlen(errors.lines.items[i]) + 2 < sizeof(all));
		strcat(strcat(all, errors.lines.items[i]), "\n");
	}
	assert_null(config);
	assert_string_equal(all, expected);
	errors_done(&errors);
}

static inline void conf_bad(const char *text, const char *expected)
{
	conf_bad_with(text, NULL, expected);
}

/* What --dump says, malloc'ed. Not inlined: gcc 12 would take the result for a pointer to `bytes`. */
__attribute__((noinline, unused)) static char *conf_dump(const struct config *config)
{
	char *bytes = NULL;
	size_t len;
	FILE *out = open_memstream(&bytes, &len);

	assert_non_null(out);
	assert_int_equal(dump_config(config, out), 0);
	assert_int_equal(fclose(out), 0);
	return bytes;
}

/* Reads one key of a route and gives the line that --dump writes for it, malloc'ed; "" when it is unset. */
static inline char *conf_shown(const char *heading, const char *more, const char *key, const char *value)
{
	size_t size = strlen(value) + 1024;
	char *text = malloc(size), *dump, *line, *end;
	const struct config *config;
	char start[64];

	assert_non_null(text);
	snprintf(text, size, "[%s]\n%s%s = %s\n", heading, more, key, value);
	config = conf_good(text);
	dump = conf_dump(config);
	snprintf(start, sizeof(start), "\n%s =", key);
	line = strstr(strstr(dump, heading), start);
	assert_non_null(line);
	end = strchr(++line, '\n');
	line += strlen(start) - 1;
	line = strndup(line + (*line == ' '), (size_t)(end - line - (*line == ' ')));
	config_unref(config);
	free(dump);
	free(text);
	return line;
}

#endif
