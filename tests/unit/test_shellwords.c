/*
 * Tests of words that only a shell would understand: which are, whose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run/shellwords.h"
#include "test_conf.h"

/* What is said of a configuration. */
static const char *said_of(const struct config *config)
{
	static char said[4096];
	int fd = memfd_create("log", MFD_CLOEXEC);
	struct log *log = log_new(fd, LOG_INFO, LOG_FORMAT_LOGFMT, 4096);

	shellwords_warn(log, config);
	log_free(log, 100);
	ssize_t len = pread(fd, said, sizeof(said) - 1, 0);
	assert_true(len >= 0);
	said[len] = '\0';
	close(fd);
	return said;
}

/* What is said of one command. */
static const char *said(const char *command)
{
	char text[256];

	snprintf(text, sizeof(text), "[route /]\nexec = %s\n", command);
	const struct config *config = conf_good(text);
	const char *of = said_of(config);
	config_unref(config);
	return of;
}

/* What a shell would do with these is not done. */
static void test_of_a_shell(void **state)
{
	static const char *const commands[] = { "sort -u | uniq", "cat |", "cat || true", "cat && true",
		"cat &", "cat > x", "cat >x", "cat >> x", "cat < x", "cat << x", "cat 2>/dev/null",
		"cat 2> x", "cat 1>&2", "cat &>x", "cat |& x", "cat # x", "cat #x" };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		assert_non_null(strstr(said(commands[i]), "no shell reads exec"));
	assert_non_null(strstr(said("cat 2>/dev/null | sort"), "route=/ word=2>/dev/null\n"));
	assert_non_null(strstr(said("cat | sort > x"), "route=/ word=|\n"));
}

/* These are words like others. */
static void test_of_programs(void **state)
{
	static const char *const commands[] = { "cat", "find . -exec echo {} ;", "cat a|b", "cat a>b",
		"cat 12", "cat -", "cat '' \"\"", "sh -c 'cat | sort 2>&1'", "cat <x>", "cat a&b", "cat 2",
		"cat a#b" };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		assert_string_equal(said(commands[i]), "");
}

/* Each route has a line of its own, and one that has no command has none. */
static void test_of_routes(void **state)
{
	const struct config *config =
		conf_good("[route /a]\nexec = cat | sort | uniq\n[route /b]\nconnect = tcp://127.0.0.1:1\n"
			  "[route /c]\nexec = cat > x\n");
	const char *lines = said_of(config), *first = strstr(lines, "route=/a");

	(void)state;
	assert_non_null(first);
	assert_null(strstr(first + 1, "route=/a"));
	assert_null(strstr(lines, "route=/b"));
	assert_non_null(strstr(lines, "route=/c"));
	config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_a_shell),
		cmocka_unit_test(test_of_programs),
		cmocka_unit_test(test_of_routes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
