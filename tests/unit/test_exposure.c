/*
 * Tests of the warning about programs in static directories: who is warned of, and that nobody else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/exposure.h"

static char base[32];

static const char *at(const char *path)
{
	static char text[128];
	snprintf(text, sizeof(text), "%s/%s", base, path);
	return text;
}

static int make_place(void **state)
{
	static const char *const dirs[] = { "site", "site/sub", "site/.hidden", "site-other", "bin" };
	static const char *const programs[] = { "site/a.sh", "site/sub/b.sh", "site/.hidden/c.sh",
		"site/.d.sh", "site-other/e.sh", "bin/f.sh" };
	char target[64];
	(void)state;

	strcpy(base, "/tmp/wsluice-XXXXXX");
	if (mkdtemp(base) == NULL)
		abort();
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdir(at(dirs[i]), 0755) != 0)
			abort();
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		int fd = open(at(programs[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
		if (fd < 0 || close(fd) != 0)
			abort();
	}
	snprintf(target, sizeof(target), "%s/site", base);
	if (symlink(target, at("alias")) != 0 || symlink("../bin/f.sh", at("site/out.sh")) != 0 ||
		symlink("../site/a.sh", at("bin/in.sh")) != 0)
		abort();
	return 0;
}

static int remove_place(void **state)
{
	char command[64];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

/* What is logged of a configuration. */
static char *warns_of(const struct config *config)
{
	static char text[4096];
	int fd = memfd_create("log", MFD_CLOEXEC);
	struct log *log = log_new(fd, LOG_INFO, LOG_FORMAT_LOGFMT, 4096);

	exposure_warn(log, config);
	log_free(log, 100);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

/* What is logged when these programs run beside a route with this static directory. */
static char *warns(const char *dir, const char *first, const char *second)
{
	static char one[] = "/one", two[] = "/two", files[] = "/s/*", con[] = "/con";
	struct route_conf routes[] = { { .pattern = one, .exec_path = strdup(at(first)) },
		{ .pattern = two, .exec_path = strdup(at(second)) },
		{ .pattern = files, .static_dir = strdup(at(dir)) }, { .pattern = con } };
	struct config config = { .routes = routes, .n_routes = 4 };
	char *text = warns_of(&config);

	free(routes[0].exec_path);
	free(routes[1].exec_path);
	free(routes[2].static_dir);
	return text;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;
	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

static void test_warned(void **state)
{
	char words[160];
	(void)state;

	const char *said = warns("site", "site/a.sh", "bin/f.sh");
	assert_int_equal(lines(said), 1);
	assert_non_null(strstr(said, "level=warning"));
	snprintf(words, sizeof(words), "program=%s/site/a.sh static=%s/site route=/s/*", base, base);
	assert_non_null(strstr(said, words));
	assert_int_equal(lines(warns("site", "site/a.sh", "site/sub/b.sh")), 2);
	assert_int_equal(lines(warns("site", "site/a.sh", "site/a.sh")), 1);
	/* However it is written. */
	assert_int_equal(lines(warns("alias", "bin/f.sh", "site/a.sh")), 1);
	assert_int_equal(lines(warns("site", "bin/f.sh", "alias/sub/b.sh")), 1);
	assert_int_equal(lines(warns("site/../site/", "bin/in.sh", "bin/f.sh")), 1);
	assert_int_equal(lines(warns("../..", "bin/f.sh", "bin/f.sh")), 1); /* the root directory */
}

/* What is not served: beside the directory, hidden, a link that leads out. */
static void test_not_warned(void **state)
{
	(void)state;
	assert_string_equal(warns("site", "bin/f.sh", "site-other/e.sh"), "");
	assert_string_equal(warns("site", "site/.d.sh", "site/.hidden/c.sh"), "");
	assert_string_equal(warns("site", "site/out.sh", "bin/f.sh"), "");
	assert_string_equal(warns("nothing", "site/a.sh", "site/a.sh"), "");
	assert_string_equal(warns("site", "nothing", "site/gone.sh"), "");
	assert_int_equal(lines(warns("site/.hidden", "site/.hidden/c.sh", "bin/f.sh")), 1);
}

/* The key that is found with these two, of a listener or the second one a route's. */
static bool finds_key_of(const char *dir, const char *first, const char *second, bool of_route)
{
	static char files[] = "/s/*";
	char *keys[] = { strdup(at(first)), strdup(at(second)), NULL };
	struct route_conf route = {
		.pattern = files, .static_dir = strdup(at(dir)), .tls_service_key = of_route ? keys[1] : NULL
	};
	struct listen_conf listens[] = { { .tls_key = { 0 } },
		{ .tls_key = { .items = keys, .n = of_route ? 1 : 2 } } };
	struct config config = { .routes = &route, .n_routes = 1, .listens = listens, .n_listens = 2 };
	struct exposure found = { 0 };
	bool is = exposure_find(&config, &found);

	if (is) {
		assert_ptr_equal(found.static_dir, route.static_dir);
		assert_true(found.what == keys[0] || found.what == keys[1]);
		assert_non_null(strstr(found.sentence, "TLS key"));
	}
	free(keys[0]);
	free(keys[1]);
	free(route.static_dir);
	return is;
}

/* Either way. */
static bool finds_key(const char *dir, const char *first, const char *second)
{
	bool is = finds_key_of(dir, first, second, false);
	assert_true(finds_key_of(dir, first, second, true) == is);
	return is;
}

/* A key is looked for as a program is. */
static void test_keys(void **state)
{
	(void)state;
	assert_true(finds_key("site", "site/a.sh", "bin/f.sh"));
	assert_true(finds_key("site", "bin/f.sh", "site/sub/b.sh"));
	assert_true(finds_key("alias", "bin/f.sh", "bin/in.sh"));
	assert_false(finds_key("site", "bin/f.sh", "site/.d.sh"));
	assert_false(finds_key("site", "nothing", "site/out.sh"));
}

/* Whether targets that are there would be served, with these manners; else whether that is only warned of. */
static bool finds_targets(const char *dir, const char *targets, const struct manners *manners)
{
	static char one[] = "/one", files[] = "/s/*";
	struct route_conf routes[] = { { .pattern = one, .targets = strdup(at(targets)) },
		{ .pattern = files, .static_dir = strdup(at(dir)) } };
	struct config config = { .routes = routes, .n_routes = 2, .manners = manners };
	struct exposure found = { 0 };
	bool is = exposure_find(&config, &found);

	if (is) {
		assert_ptr_equal(found.what, routes[0].targets);
		assert_ptr_equal(found.static_dir, routes[1].static_dir);
		assert_non_null(strstr(found.sentence, "tokens"));
	}
	bool warned = strstr(warns_of(&config), "tokens") != NULL;
	assert_true(warned == (manners == &manners_websockify && strstr(targets, "site") == targets));
	free(routes[0].targets);
	free(routes[1].static_dir);
	return is;
}

/* Tokens are secrets: a file of them, or a directory. */
static void test_targets(void **state)
{
	(void)state;
	assert_true(finds_targets("site", "site/a.sh", &manners_own));
	assert_true(finds_targets("alias", "bin/in.sh", &manners_own));
	assert_true(finds_targets("site", "site/sub", &manners_own));
	assert_true(finds_targets("site", "site/sub/..", &manners_own));
	assert_true(finds_targets("site/sub", "alias/sub", &manners_own));
	assert_false(finds_targets("site", "site/.d.sh", &manners_own));
	assert_false(finds_targets("site", "bin/f.sh", &manners_own));
	assert_false(finds_targets("site", "nothing", &manners_own));
	assert_false(finds_targets("nothing", "bin/f.sh", &manners_own));
	assert_false(finds_targets("site/sub", "site", &manners_own)); /* no file in it is served */
	assert_false(finds_targets("site", "site/a.sh", &manners_websockify));
}

/* Is the second file of a configuration found, in a static directory? */
static bool finds_file(const char *dir, const char *file)
{
	static char files[] = "/s/*";
	char *names[] = { strdup(at("bin/f.sh")), strdup(at(file)), NULL };
	struct route_conf route = { .pattern = files, .static_dir = strdup(at(dir)) };
	struct config config = { .routes = &route, .n_routes = 1, .files = { .items = names, .n = 2 } };
	struct exposure found = { 0 };
	bool is = exposure_find(&config, &found);

	if (is) {
		assert_ptr_equal(found.what, names[1]);
		assert_ptr_equal(found.static_dir, route.static_dir);
		assert_ptr_equal(found.name, files);
		assert_non_null(strstr(found.sentence, "configuration"));
	}
	free(names[0]);
	free(names[1]);
	free(route.static_dir);
	return is;
}

/* The configuration itself, which may hold secrets. */
static void test_files(void **state)
{
	(void)state;
	assert_true(finds_file("site", "site/a.sh"));
	assert_true(finds_file("site", "site/sub/b.sh"));
	assert_true(finds_file("alias", "bin/in.sh"));
	assert_false(finds_file("site", "site/.d.sh"));
	assert_false(finds_file("site", "site/out.sh"));
	assert_false(finds_file("site", "site-other/e.sh"));
	assert_false(finds_file("site", "nothing"));
}

/* Whether a directory of programs and a static one, of one route or of two, may not be together. */
static bool finds_programs_of(const char *dir, const char *pages, bool cgi)
{
	static char one[] = "/one/*", two[] = "/two/*";
	bool is = false;

	for (int together = 0; together < 2; together++) {
		struct route_conf routes[] = { { .pattern = one }, { .pattern = two } };
		struct config config = { .routes = routes, .n_routes = 2 };
		struct exposure found = { 0 };
		char *programs = strdup(at(dir));
		*(cgi ? &routes[0].cgi_dir : &routes[0].dir) = programs;
		routes[!together].static_dir = strdup(at(pages));
		bool now = exposure_find(&config, &found);
		assert_true(!together || now == is);
		is = now;
		if (is) {
			assert_ptr_equal(found.what, programs);
			assert_ptr_equal(found.static_dir, routes[!together].static_dir);
			assert_non_null(strstr(found.sentence, "programs"));
		}
		free(programs);
		free(routes[!together].static_dir);
	}
	return is;
}

/* Programs of WebSockets, and those of CGI. */
static bool finds_programs(const char *dir, const char *pages)
{
	bool is = finds_programs_of(dir, pages, false);
	assert_true(finds_programs_of(dir, pages, true) == is);
	return is;
}

/* Each of several directories is looked at. */
static void test_programs_of_each_route(void **state)
{
	static char one[] = "/one/*", two[] = "/two/*", three[] = "/three/*";
	struct route_conf routes[] = { { .pattern = one }, { .pattern = two }, { .pattern = three } };
	struct config config = { .routes = routes, .n_routes = 3 };
	struct exposure found = { 0 };
	char *bin = strdup(at("bin")), *site = strdup(at("site")), *other = strdup(at("site-other"));
	(void)state;

	routes[0] = (struct route_conf){ .pattern = one, .dir = bin, .cgi_dir = bin, .static_dir = other };
	routes[1].cgi_dir = bin;
	routes[2].static_dir = site;
	assert_false(exposure_find(&config, &found));
	routes[1].cgi_dir = site;
	assert_true(exposure_find(&config, &found));
	assert_ptr_equal(found.what, site);
	routes[1].cgi_dir = NULL;
	routes[0].cgi_dir = site;
	assert_true(exposure_find(&config, &found));
	routes[0].cgi_dir = NULL;
	assert_false(exposure_find(&config, &found));
	free(bin);
	free(site);
	free(other);
}

/* Neither may lie in the other, however it is written; hidden ones are served by neither. */
static void test_programs(void **state)
{
	static const char *const wrong[][2] = { { "site", "site" }, { "site/sub", "site" },
		{ "site", "site/sub" }, { "alias", "site" }, { "site", "alias" }, { "alias/sub", "site" },
		{ "site-other/../site/sub/", "site/" }, { "bin", "../.." }, { "..", "bin" },
		{ "site/.hidden", "site/.hidden" } };
	static const char *const right[][2] = { { "bin", "site" }, { "site", "site-other" },
		{ "site-other", "site" }, { "site/.hidden", "site" }, { "site", "site/.hidden" },
		{ "nothing", "nothing" }, { "site", "nothing" }, { "nothing", "site" } };
	(void)state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_true(finds_programs(wrong[i][0], wrong[i][1]));
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_false(finds_programs(right[i][0], right[i][1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_warned), cmocka_unit_test(test_not_warned),
		cmocka_unit_test(test_keys), cmocka_unit_test(test_targets), cmocka_unit_test(test_files),
		cmocka_unit_test(test_programs), cmocka_unit_test(test_programs_of_each_route) };

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
