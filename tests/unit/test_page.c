/*
 * Tests of the built-in pages as HTTP has them: the form that the client wants, what it has already, what is
 * not there; and which paths are those that ttyd's page asks for a token.
 */
#include "test_conf.h"

#include "gate/page.h"

static const char routes[] = "[listen a]\naddress = 127.0.0.1:0\n[listen b]\naddress = 127.0.0.1:0\n"
			     "[route /plain]\nexec = cat\nconsole = yes\n"
			     "[route /shell]\nexec = cat\nterminal = yes\nconsole = yes\n"
			     "[route /deep/*]\nexec = cat\nterminal = yes\n"
			     "[route /deep/not/*]\nexec = cat\n"
			     "[route /deep/own/token]\nconsole = yes\n"
			     "[route /b]\nlisten = b\nexec = cat\nterminal = yes\n"
			     "[route h.org/h]\nexec = cat\nterminal = yes\n";

/* A request, and the reply to it. */
struct ask {
	char head[1024];
	struct http_request request;
	struct reply reply;
	const char *reason;
};

static const struct config *config;

/* Asks the route of a path on listener a for a page. */
static void ask_page(
	struct ask *ask, const char *method, const char *path, const char *query, const char *more)
{
	int n = snprintf(ask->head, sizeof(ask->head), "%s %s%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
		method, path, query, more);

	assert_int_equal(http_request_parse(&ask->request, ask->head, (size_t)n), 0);
	struct route_match match = route_find(config, "a", text_of("localhost"), text_of(path));
	assert_non_null(match.route);
	memset(&ask->reply, 0x5a, sizeof(ask->reply));
	ask->reason = page_find(&ask->reply, &ask->request, match.route);
}

/* What only a terminal's route has, and what others have all the same. */
static void test_routes(void **state)
{
	struct ask ask;
	const char *console;
	(void)state;

	ask_page(&ask, "GET", "/plain", "", "");
	assert_string_equal(ask.reason, "console");
	assert_int_equal(ask.reply.status, 200);
	assert_string_equal(ask.reply.type, "text/html; charset=utf-8");
	assert_true(ask.reply.is_page);
	assert_false(ask.reply.is_file);
	console = ask.reply.body;
	ask_page(&ask, "GET", "/shell", "", "");
	assert_ptr_not_equal(ask.reply.body, console);
	ask_page(&ask, "GET", "/shell", "?console", "");
	assert_ptr_equal(ask.reply.body, console);
	ask_page(&ask, "GET", "/shell", "?terminal.css", "");
	assert_non_null(ask.reason);
	ask_page(&ask, "GET", "/plain", "?terminal.css", "");
	assert_null(ask.reason);
	ask_page(&ask, "GET", "/plain", "?terminal", "");
	assert_null(ask.reason);
	ask_page(&ask, "HEAD", "/shell", "?console.js", "");
	assert_null(ask.reply.body);
	assert_true(ask.reply.len > 1000);
}

/* One request with a condition: sent again, or not modified. */
static void check_condition(const char *query, const char *header, const char *etag, int status)
{
	char more[256];
	struct ask ask;

	snprintf(more, sizeof(more), "%s: %s\r\n", header, etag);
	ask_page(&ask, "GET", "/shell", query, more);
	assert_int_equal(ask.reply.status, status);
	if (status == 200)
		return;
	assert_string_equal(ask.reason, "not modified");
	assert_null(ask.reply.body);
	assert_null(ask.reply.type);
	assert_null(ask.reply.encoding);
	assert_int_equal(ask.reply.len, 0);
	assert_string_equal(ask.reply.etag, etag);
	assert_true(ask.reply.is_page);
}

/* There is a tag and no date. */
static void test_conditions(void **state)
{
	struct ask ask;
	(void)state;

	ask_page(&ask, "GET", "/shell", "", "");
	check_condition("", "If-None-Match", ask.reply.etag, 304);
	check_condition("?console", "If-None-Match", ask.reply.etag, 304);
	check_condition("", "If-None-Match", "\"other\"", 200);
	check_condition("", "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 200);
	check_condition("", "If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 200);
}

/* What gzip made of a file is another state of it; the same is said with a 304. */
static void test_gzip(void **state)
{
	struct ask plain, small;
	char more[256];
	(void)state;

	ask_page(&plain, "GET", "/shell", "?terminal.css", "");
	ask_page(&small, "GET", "/shell", "?terminal.css", "Accept-Encoding: gzip\r\n");
	assert_null(plain.reply.encoding);
	if (small.reply.encoding == NULL)
		return; /* built without npm */
	assert_string_equal(small.reply.encoding, "gzip");
	assert_true(small.reply.len < plain.reply.len);
	assert_string_not_equal(small.reply.etag, plain.reply.etag);
	check_condition("?terminal.css", "If-None-Match", plain.reply.etag, 304);
	check_condition("?terminal.css", "If-None-Match", small.reply.etag, 200);
	snprintf(more, sizeof(more), "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", small.reply.etag);
	ask_page(&small, "GET", "/shell", "?terminal.css", more);
	assert_int_equal(small.reply.status, 304);
}

/* The path of a terminal, exact or beneath a prefix, and no other. */
static void test_token(void **state)
{
	static const struct {
		const char *listener, *host, *path;
		bool token;
	} cases[] = {
		{ "a", "x", "/shell/token", true },
		{ "a", "x", "/shelltoken", false },
		{ "a", "x", "/shell/tokens", false },
		{ "a", "x", "/shell/a/token", false },
		{ "a", "x", "/shell//token", false },
		{ "a", "x", "/plain/token", false },
		{ "a", "x", "/token", false },
		{ "a", "x", "token", false },
		{ "a", "x", "", false },
		{ "a", "x", "/deep/token", true },
		{ "a", "x", "/deep/a/token", true },
		{ "a", "x", "/deep/a//token", true },
		{ "a", "x", "/deeptoken", false },
		{ "a", "x", "/deep/not/a/token", false },
		{ "a", "x", "/deep/own/token", false },
		{ "a", "x", "/b/token", false },
		{ "b", "x", "/b/token", true },
		{ "a", "x", "/h/token", false },
		{ "a", "h.org", "/h/token", true },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[] = { cases[i].listener[0], '\0' };
		struct entrance entrance = { .name = name };
		struct text host = text_of(cases[i].host), path = text_of(cases[i].path);
		struct route_match match = route_find(config, name, host, path);

		if (page_is_token(config, &entrance, host, path, match.route) != cases[i].token)
			fail_msg("%s on %s", cases[i].path, name);
	}
}

/* The words of it, and a HEAD. */
static void test_token_reply(void **state)
{
	struct ask ask;
	(void)state;

	ask_page(&ask, "GET", "/shell", "", "");
	assert_string_equal(page_token(&ask.reply, &ask.request, NULL), "token");
	assert_int_equal(ask.reply.status, 200);
	assert_string_equal(ask.reply.type, "application/json");
	assert_true(ask.reply.is_page);
	assert_int_equal(ask.reply.len, strlen("{\"token\":\"\"}"));
	assert_memory_equal(ask.reply.body, "{\"token\":\"\"}", ask.reply.len);
	assert_null(ask.reply.route);
	ask_page(&ask, "HEAD", "/shell", "", "");
	page_token(&ask.reply, &ask.request, ask.reply.route);
	assert_null(ask.reply.body);
	assert_int_equal(ask.reply.len, strlen("{\"token\":\"\"}"));
}

static int setup(void **state)
{
	(void)state;
	config = conf_good(routes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	config_unref(config);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_token_reply),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
