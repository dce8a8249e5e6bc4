/*
 * Tests of routes: the patterns, which of several answers, what is left of the path, and names of hosts.
 */
#include "test_conf.h"

#include "conf/route.h"

#include "guard.h"

/* Everything that can compete for a request. */
static const char routes[] =
	"[listen a]\naddress = *:1\n[listen b]\naddress = *:2\n[defaults]\nconsole = yes\n"
	"[route /x]\n[route /x/*]\n[route /x/y/*]\n[route /x/y/z]\n[route h.org/x/*]\n[route "
	"h.org/*]\n[route [::1]/x]\n"
	"[route /only-b]\nlisten = b\n[route /a%20b%2Fc]\n[route /%2A]\n[route /e/]\n";

struct find_case {
	const char *listener, *host, *path;
	const char *pattern; /* of the route found, or NULL */
	const char *script, *info;
};

static const struct find_case cases[] = {
	{ "a", "i.org", "/x", "/x", "/x", "" },
	{ "a", "i.org", "/x/", "/x/*", "/x", "/" },
	{ "a", "i.org", "/x/a/b", "/x/*", "/x", "/a/b" },
	{ "a", "i.org", "/x/y", "/x/*", "/x", "/y" },
	{ "a", "i.org", "/x/y/", "/x/y/*", "/x/y", "/" },
	{ "a", "i.org", "/x/y/q", "/x/y/*", "/x/y", "/q" },
	{ "a", "i.org", "/x/y/z", "/x/y/z", "/x/y/z", "" },
	{ "a", "i.org", "/xx", NULL, "/xx", "" },
	{ "a", "i.org", "/X", NULL, "/X", "" },
	{ "a", "i.org", "/", NULL, "/", "" },
	{ "a", "i.org", "", NULL, "", "" },
	{ "a", "", "/x", "/x", "/x", "" },
	{ "a", "::1", "/x", "[::1]/x", "/x", "" },
	{ "a", "::2", "/x", "/x", "/x", "" },
	{ "a", "h.org", "/x", "h.org/*", "", "/x" },
	{ "a", "H.ORG", "/x/y/z", "h.org/x/*", "/x", "/y/z" },
	{ "a", "h.org", "/", "h.org/*", "", "/" },
	{ "a", "sub.h.org", "/q", NULL, "/q", "" },
	{ "a", "h.org.evil", "/q", NULL, "/q", "" },
	{ "a", "i.org", "/only-b", NULL, "/only-b", "" },
	{ "b", "i.org", "/only-b", "/only-b", "/only-b", "" },
	{ "a", "i.org", "/a b/c", "/a%20b%2Fc", "/a b/c", "" },
	{ "a", "i.org", "/*", "/%2A", "/*", "" },
	{ "a", "i.org", "/e/", "/e/", "/e/", "" },
	{ "a", "i.org", "/e", NULL, "/e", "" },
};

static void check_text(struct text text, const char *expected)
{
	assert_int_equal(text.len, strlen(expected));
	assert_memory_equal(text.len ? text.ptr : "", expected, text.len);
}

static void test_find(void **state)
{
	const struct config *config = conf_good(routes);
	struct guard guard = guard_new(256);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct find_case *c = &cases[i];
		size_t len = strlen(c->path);
		struct text path = { (const char *)guard_put(&guard, c->path, len), len };
		struct route_match match = route_find(config, c->listener, text_of(c->host), path);

		if (!c->pattern) {
			assert_null(match.route);
			continue;
		}
		assert_non_null(match.route);
		assert_string_equal(match.route->pattern, c->pattern);
		check_text(match.script_name, c->script);
		check_text(match.path_info, c->info);
		if (match.path_info.len > 0)
			assert_ptr_equal(match.path_info.ptr, path.ptr + strlen(c->script));
	}
	guard_free(&guard);
	config_unref(config);
}

/* The winner does not depend on the order in the file. */
static void test_order(void **state)
{
	const struct config *config = conf_good(routes);
	struct route_conf *mirror = calloc(config->n_routes, sizeof(*mirror));
	struct config mirrored = *config;

	(void)state;
	for (size_t i = 0; i < config->n_routes; i++)
		mirror[i] = config->routes[config->n_routes - 1 - i];
	mirrored.routes = mirror;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct find_case *c = &cases[i];
		struct route_match match =
			route_find(&mirrored, c->listener, text_of(c->host), text_of(c->path));

		assert_true((match.route == NULL) == (c->pattern == NULL));
		if (match.route)
			assert_string_equal(match.route->pattern, c->pattern);
	}
	free(mirror);
	config_unref(config);
}

/* The route of the forms without a file: a star alone. */
static void test_all_paths(void **state)
{
	const struct config *config = conf_good("[route /*]\nconsole = yes\n");
	struct route_match match = route_find(config, "default", text_of("h"), text_of("/a/b"));

	(void)state;
	assert_non_null(match.route);
	check_text(match.script_name, "");
	check_text(match.path_info, "/a/b");
	match = route_find(config, "default", text_of("h"), text_of("/"));
	assert_non_null(match.route);
	check_text(match.path_info, "/");
	config_unref(config);
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern;
		int error;
	} wrong[] = {
		{ "", ROUTE_NO_PATH },
		{ "x", ROUTE_NO_PATH },
		{ "*", ROUTE_NO_PATH },
		{ "h h/x", ROUTE_BAD_HOST },
		{ "*.h/x", ROUTE_BAD_HOST },
		{ "h:80/x", ROUTE_BAD_HOST },
		{ "::1/x", ROUTE_BAD_HOST },
		{ "[::1/x", ROUTE_BAD_HOST },
		{ "[::g]/x", ROUTE_BAD_HOST },
		{ "http://h/x*", ROUTE_BAD_HOST },
		{ "/x*", ROUTE_BAD_STAR },
		{ "/*/x", ROUTE_BAD_STAR },
		{ "/**", ROUTE_BAD_STAR },
		{ "/x?y", ROUTE_BAD_PATH },
		{ "/x#y", ROUTE_BAD_PATH },
		{ "/%", ROUTE_BAD_PATH },
		{ "/%4", ROUTE_BAD_PATH },
		{ "/%zz", ROUTE_BAD_PATH },
		{ "/%00", ROUTE_BAD_PATH },
		{ "/%0a", ROUTE_BAD_PATH },
	};
	struct route_conf route = { 0 };
	struct pool pool = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(route_parse(&pool, &route, wrong[i].pattern), wrong[i].error);
		assert_true(strlen(route_error(wrong[i].error)) > 10);
	}
	assert_int_equal(route_parse(&pool, &route, "Ex.Org/a%2fb/%2A/*"), 0);
	assert_string_equal(route.pattern, "Ex.Org/a%2fb/%2A/*");
	assert_string_equal(route.host, "ex.org");
	assert_string_equal(route.path, "/a/b/*/");
	assert_true(route.prefix);
	assert_int_equal(route_parse(&pool, &route, "/%2541"), 0); /* decoded once */
	assert_string_equal(route.path, "/%41");
	assert_null(route.host);
	assert_false(route.prefix);
	pool_free(&pool);
}

static void test_names(void **state)
{
	static const char *const names[] = { "example.org", "*.example.net", "192.0.2.1", "[::1]", NULL };
	static const struct {
		const char *host;
		bool covered;
	} hosts[] = {
		{ "example.org", true },
		{ "EXAMPLE.org", true },
		{ "a.example.org", false },
		{ "example.or", false },
		{ "example.orgg", false },
		{ "a.example.net", true },
		{ "a.b.EXAMPLE.net", true },
		{ "example.net", false },
		{ ".example.net", false },
		{ "evilexample.net", false },
		{ "a.example.net.evil", false },
		{ "192.0.2.1", true },
		{ "::1", true },
		{ "::2", false },
		{ "*.example.net", true }, /* no Host header can say so: http/request.c refuses the star */
		{ "", false },
	};
	struct conf_list list = { (char **)(uintptr_t)names, 4 }, none = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		assert_int_equal(route_names_match(&list, text_of(hosts[i].host)), hosts[i].covered);
		assert_false(route_names_match(&none, text_of(hosts[i].host)));
	}
}

/* One tls:// service among several is enough, and targets are. */
static void test_may_encrypt(void **state)
{
	struct upstream upstreams[] = { { .tls = false }, { .tls = true } };
	struct route_conf route = { .is_service = true };
	char targets[] = "/tokens";
	(void)state;

	assert_false(route_may_encrypt(&route));
	route.connect = (struct upstream_list){ upstreams, 1 };
	assert_false(route_may_encrypt(&route));
	route.connect.n = 2;
	assert_true(route_may_encrypt(&route));
	route.connect.n = 0;
	route.targets = targets;
	assert_true(route_may_encrypt(&route));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_all_paths),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_may_encrypt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
