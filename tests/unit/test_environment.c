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

static const char *const names[] = { "PATH", "LANG", "LC_*", "TZ" };

static struct environment make_environment(const char *const *all)
{
	struct environment environment;
	struct route_conf route = { .pass_env = { .items = (char **)names, .n = 4 } };
	assert_int_equal(environment_init(&environment, &route, (char *const *)all, NULL), 0);
	return environment;
}

static void test_choice(void **state)
{
	static const char *const all[] = { "PATH=/bin", "PATHEXT=x", "XPATH=x", "LANG=", "LANGUAGE=x",
		"LC_ALL=C", "LC_=", "LC_BROKEN", "TZ", "TZ=UTC", "LISTEN_FDS=1", "NOTIFY_SOCKET=x", "HOME=/",
		"", "=x", NULL };
	static const char *const chosen[] = { "LANG=", "LC_=", "LC_ALL=C", "PATH=/bin", "TZ=UTC" };
	(void)state;
	struct environment environment = make_environment(all);
	assert_int_equal(environment.n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(environment.strings[i], chosen[i]);
	environment_done(&environment);
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
		while (out[rc])
			rc++;
		assert_string_equal(out[rc - 1], "PATH=/bin");
		free(out);
	}
	environment_done(&environment);
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

/* The names that are passed on are the route's, none by default, and a star may stand alone. */
static void test_pass_env(void **state)
{
	static const char *const all[] = { "B=1", "A=1", "AB=1", "A=2", "=x", "C", "", NULL };
	static const struct {
		const char *names[3];
		size_t n;
		const char *chosen[4];
	} cases[] = {
		{ { NULL }, 0, { NULL } }, { { "A" }, 1, { "A=1" } }, { { "A*" }, 1, { "A=1", "AB=1" } },
		{ { "AB", "B", "A" }, 3, { "A=1", "AB=1", "B=1" } }, { { "*" }, 1, { "A=1", "AB=1", "B=1" } },
		{ { "AB*", "NONE" }, 2, { "AB=1" } }, { { "" }, 1, { NULL } }, /* none */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct route_conf route = { .pass_env = {
						    .items = (char **)cases[i].names, .n = cases[i].n } };
		struct environment environment;
		size_t n = 0;
		assert_int_equal(environment_init(&environment, &route, (char *const *)all, NULL), 0);
		for (; n < environment.n; n++)
			assert_string_equal(environment.strings[n], cases[i].chosen[n]);
		assert_null(cases[i].chosen[n]);
		environment_done(&environment);
	}
}

/* What has an owner is not even passed on by a star. */
static void test_owned(void **state)
{
	static const char *const all[] = { "LISTEN_FDS=1", "LISTEN_PID=1", "LISTENER=1", "NOTIFY_SOCKET=x",
		"NOTIFY_SOCKETS=1", "WATCHDOG_USEC=1", "CREDENTIALS_DIRECTORY=/", "HTTP_PROXY=x", "HTTPX=1",
		"REMOTE_USER=root", "SSL_CLIENT_S_DN=x", "SSL_CERT_FILE=x", NULL };
	static const char *const star[] = { "*" };
	static const char *const chosen[] = { "HTTPX=1", "LISTENER=1", "NOTIFY_SOCKETS=1",
		"SSL_CERT_FILE=x" };
	struct route_conf route = { .pass_env = { .items = (char **)star, .n = 1 } };
	struct environment environment;
	(void)state;

	assert_int_equal(environment_init(&environment, &route, (char *const *)all, NULL), 0);
	assert_int_equal(environment.n, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(environment.strings[i], chosen[i]);
	environment_done(&environment);
}

/* A name has one value: the session's, else the last of env, else ours. */
static void test_who_wins(void **state)
{
	static const char *const all[] = { "PATH=ours", "TZ=ours", "LANG=ours", NULL };
	static const char *const env[] = { "B=env", "TZ=first", "LANG=env", "PATHS=env", "A=env", "TZ=env" };
	static const char session[] = "LANG=session\0Z=session\0A=session\0PA=session\0LANG=again\0";
	static const char *const expected[] = { "A=session", "B=env", "LANG=session", "PA=session",
		"PATH=ours", "PATHS=env", "TZ=env", "Z=session" };
	struct route_conf route = { .pass_env = { .items = (char **)names, .n = 4 },
		.env = { .items = (char **)env, .n = 6 } };
	struct environment environment;
	char **out;
	size_t n = 0;
	(void)state;
	assert_int_equal(environment_init(&environment, &route, (char *const *)all, NULL), 0);
	struct text text = { session, sizeof session - 1 };
	assert_int_equal(environment_new(&environment, text, &out), 0);
	for (; out[n] != NULL; n++)
		assert_string_equal(out[n], expected[n]);
	assert_int_equal(n, 8);
	free(out);
	environment_done(&environment);
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
	environment_done(&environment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_pass_env),
		cmocka_unit_test(test_owned),
		cmocka_unit_test(test_who_wins),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_nothing_of_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
