/*
 * What programs get of the gateway's environment, and what a session may add.
 */
#include "spawn/environment.h"

#include "guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct environment make_environment(const char *const *all)
{
	struct environment environment;
	assert_int_equal(environment_init(&environment, (char *const *)all), 0);
	return environment;
}

static void test_choice(void **state)
{
	static const char *const all[] = { "PATH=/bin", "PATHEXT=x", "XPATH=x", "LANG=", "LANGUAGE=x",
		"LC_ALL=C", "LC_=", "LC_BROKEN", "TZ", "TZ=UTC", "LISTEN_FDS=1", "NOTIFY_SOCKET=x", "HOME=/",
		"", "=x", NULL };
	static const char *const chosen[] = { "PATH=/bin", "LANG=", "LC_ALL=C", "LC_=", "TZ=UTC" };
	(void)state;
	struct environment environment = make_environment(all);
	assert_int_equal(environment.n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(environment.strings[i], chosen[i]);
	free(environment.strings);
}

/* The result for a session whose last byte is the last readable one. */
static int session_count(struct guard *guard, const char *session, size_t len)
{
	static const char *const all[] = { "PATH=/bin", NULL };
	struct environment environment = make_environment(all);
	char **out;
	int rc = environment_new(
		&environment, (struct text){ (const char *)guard_put(guard, session, len), len }, &out);
	if (rc == 0) {
		assert_string_equal(out[0], "PATH=/bin");
		while (out[rc])
			rc++;
		free(out);
	}
	free(environment.strings);
	return rc;
}

static void test_session(void **state)
{
	static const char good[] = "A=\0BB=x=y\0C=\xff\n";
	struct guard guard = guard_new(256);
	(void)state;
	assert_int_equal(session_count(&guard, "", 0), 1);
	assert_int_equal(session_count(&guard, good, sizeof good), 4);
	for (size_t len = 1; len < sizeof good; len++) {
		int expected = len == 3 ? 2 : len == 10 ? 3 : -EINVAL; /* only whole strings */
		assert_int_equal(session_count(&guard, good, len), expected);
	}
	assert_int_equal(session_count(&guard, "\0", 1), -EINVAL);
	assert_int_equal(session_count(&guard, "=\0", 2), -EINVAL);
	assert_int_equal(session_count(&guard, "=x\0", 3), -EINVAL);
	assert_int_equal(session_count(&guard, "A\0", 2), -EINVAL);
	assert_int_equal(session_count(&guard, "A=x\0\0", 5), -EINVAL);
	assert_int_equal(session_count(&guard, "A=x\0B\0", 6), -EINVAL);
	assert_int_equal(session_count(&guard, "A\0=x\0", 5), -EINVAL);
	guard_free(&guard);
}

static void test_nothing_of_ours(void **state)
{
	static const char *const all[] = { NULL };
	struct environment environment = make_environment(all);
	char **out;
	(void)state;
	assert_int_equal(environment_new(&environment, text_of(NULL), &out), 0);
	assert_null(out[0]);
	free(out);
	free(environment.strings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_nothing_of_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
