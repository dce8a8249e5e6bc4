/*
 * What a program on a terminal finds of its user, and that nothing of it stands before what the route says.
 */
#include "spawn/login.h"
#include "spawn/plan.h"

#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The value of a name among strings, or NULL; none is there twice. */
static const char *value_of(char *const *strings, size_t n, const char *name)
{
	const char *found = NULL;
	size_t len = strlen(name);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(strings[i], name, len) != 0 || strings[i][len] != '=')
			continue;
		assert_null(found);
		found = strings[i] + len + 1;
	}
	return found;
}

static void check(const struct login *login, const char *name, const char *value)
{
	const char *found = value_of(login->strings, login->n, name);
	if (value == NULL)
		assert_null(found);
	else
		assert_string_equal(found, value);
}

static void test_user(void **state)
{
	struct login login;
	const struct passwd *root = getpwuid(0);
	(void)state;
	char *home = strdup(root->pw_dir), *shell = strdup(root->pw_shell);
	assert_int_equal(login_init(&login, 0, true), 0);
	assert_int_equal(login.n, LOGIN_STRINGS);
	assert_null(login.strings[login.n]);
	check(&login, "TERM", "xterm-256color");
	check(&login, "COLORTERM", "truecolor");
	check(&login, "HOME", home);
	check(&login, "SHELL", shell);
	check(&login, "USER", "root");
	check(&login, "LOGNAME", "root");
	check(&login, "LANG", "C.UTF-8");
	login_done(&login);
	free(home), free(shell);
}

/* Many services' users can't log in, and yet what runs as them may start a shell. */
static void test_user_without_shell(void **state)
{
	struct login login;
	const struct passwd *nobody = getpwnam("nobody");
	(void)state;
	assert_non_null(strstr(nobody->pw_shell, "nologin"));
	assert_int_equal(login_init(&login, nobody->pw_uid, false), 0);
	check(&login, "SHELL", "/bin/sh");
	check(&login, "USER", "nobody");
	check(&login, "LANG", NULL);
	login_done(&login);
}

static void test_unknown_user(void **state)
{
	struct login login;
	(void)state;
	assert_null(getpwuid(4242));
	assert_int_equal(login_init(&login, 4242, false), 0);
	assert_int_equal(login.n, 4);
	check(&login, "HOME", "/");
	check(&login, "SHELL", "/bin/sh");
	check(&login, "USER", NULL);
	login_done(&login);
}

static void prepare(struct plans *plans, struct route_conf *route, char *const *environment)
{
	static const struct rlimit files = { .rlim_cur = 12, .rlim_max = 34 };
	static struct config config;
	struct plan_sources from = { .config = &config, .environment = environment, .files = &files };
	const char *step;
	config = (struct config){ .routes = route, .n_routes = 1 };
	assert_int_equal(plan_init_all(plans, &from, &step), 0);
}

/* What the route says of a variable counts, and so does what it passes on. */
static void test_route_wins(void **state)
{
	static char *env[] = { (char *)"TERM=vt220", (char *)"HOME=/srv" };
	static char *pass[] = { (char *)"LANG", (char *)"LC_*", (char *)"LOGNAME" };
	static char *const none[] = { NULL };
	static char *const given[] = { (char *)"LC_CTYPE=C", (char *)"LOGNAME=me", (char *)"SHELL=/x", NULL };
	struct route_conf route = { .exec_path = (char *)"/bin/true", .terminal = true };
	struct plans plans;
	(void)state;
	route.env = (struct conf_list){ .items = env, .n = 2 };
	route.pass_env = (struct conf_list){ .items = pass, .n = 3 };
	prepare(&plans, &route, none);
	struct environment *terminal = &plans.items[0].terminal;
	assert_string_equal(value_of(terminal->strings, terminal->n, "TERM"), "vt220");
	assert_string_equal(value_of(terminal->strings, terminal->n, "HOME"), "/srv");
	assert_string_equal(value_of(terminal->strings, terminal->n, "LANG"), "C.UTF-8");
	assert_int_equal(plans.items[0].environment.n, 2); /* of its cgi */
	plan_done_all(&plans);

	prepare(&plans, &route, given);
	terminal = &plans.items[0].terminal;
	assert_null(value_of(terminal->strings, terminal->n, "LANG"));
	assert_string_equal(value_of(terminal->strings, terminal->n, "LC_CTYPE"), "C");
	assert_string_equal(value_of(terminal->strings, terminal->n, "LOGNAME"), "me");
	const char *shell = value_of(terminal->strings, terminal->n, "SHELL");
	assert_non_null(shell);
	assert_string_not_equal(shell, "/x");
	plan_done_all(&plans);

	/* Without a terminal nothing is made up. */
	route.terminal = false;
	prepare(&plans, &route, none);
	assert_int_equal(plans.items[0].environment.n, 2);
	assert_int_equal(plans.items[0].terminal.n, 0);
	plan_done_all(&plans);
}

/* Any of the three says which characters there are. */
static void test_lang(void **state)
{
	static char *given[][2] = { { (char *)"LANG=C", NULL }, { (char *)"LC_ALL=C", NULL },
		{ (char *)"LC_CTYPE=C", NULL }, { (char *)"LC_TIME=C", NULL },
		{ (char *)"LANGUAGE=C", NULL } };
	static char *pass[] = { (char *)"L*" };
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct route_conf route = { .exec_path = (char *)"/bin/true", .terminal = true };
		struct plans plans;
		route.pass_env = (struct conf_list){ .items = pass, .n = 1 };
		prepare(&plans, &route, given[i]);
		const struct environment *terminal = &plans.items[0].terminal;
		const char *lang = value_of(terminal->strings, terminal->n, "LANG");
		if (i == 0)
			assert_string_equal(lang, "C");
		else if (i < 3)
			assert_null(lang);
		else
			assert_string_equal(lang, "C.UTF-8");
		plan_done_all(&plans);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_user_without_shell),
		cmocka_unit_test(test_unknown_user),
		cmocka_unit_test(test_route_wins),
		cmocka_unit_test(test_lang),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
