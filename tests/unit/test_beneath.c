/*
 * Which path lies beneath which directory, as far as that can be told from their names. What is opened
 * beneath one is tested in test_file.c, end to end, and by way of spawn/entry.h.
 */
#include "base/beneath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_rest(void **state)
{
	static const struct {
		const char *path, *dir, *rest;
	} cases[] = {
		{ "/a/b", "/a", "b" },
		{ "/a/b/c", "/a", "b/c" },
		{ "/a/b/c", "/a/b", "c" },
		{ "/a", "/a", NULL }, /* the directory itself */
		{ "/ab", "/a", NULL },
		{ "/ab/c", "/a", NULL },
		{ "/b/a", "/a", NULL },
		{ "/a", "/a/b", NULL },
		{ "/a", "/", "a" },
		{ "/a/b", "/", "a/b" },
		{ "/", "/", NULL },
		{ "/", "/a", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *rest = beneath_rest(cases[i].path, cases[i].dir);
		if (cases[i].rest == NULL)
			assert_null(rest);
		else
			assert_string_equal(rest, cases[i].rest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rest) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
