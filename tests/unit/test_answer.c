/*
 * Tests of what a request gets: whose Host is answered, which page may connect, what a plain request finds,
 * and what a refusal says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs these. */
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/answer.h"
#include "gate/console.h"
#include "test_conf.h"

/* The directory that is served: hello.txt, dir/index.html. */
static char place[64];

/* Of programs: run, dir/run; text is none. And one that is taken away once it was configured. */
static char programs[80], gone[80];

/* Listener 0 has no names, 1 has. */
static const struct config *config_of_test(void)
{
	char ini[4096];
	snprintf(ini, sizeof(ini),
		"[listen plain]\naddress = 127.0.0.1:0\n"
		"[listen named]\naddress = 127.0.0.1:0\nserver_names = example.org *.example.net\n"
		"[route /ws]\nconnect = tcp://127.0.0.1:9\n"
		"[route /list]\nconnect = tcp://127.0.0.1:9\norigins = https://a.example null\n"
		"[route /any]\nconnect = tcp://127.0.0.1:9\norigins = any\n"
		"[route /both]\nconnect = tcp://127.0.0.1:9\nconsole = yes\n"
		"[route /con]\nconsole = yes\n"
		"[route /files/*]\nstatic = %s\n"
		"[route /mixed/*]\nstatic = %s\nconsole = yes\n"
		"[route /gone/*]\nstatic = %s\n"
		"[route /one]\nstatic = %s\n"
		"[route /shell/*]\nexec = cat\nterminal = yes\nauth = none\nstatic = %s\ncgi = %s\n"
		"[route /only/*]\nexec = cat\nterminal = yes\nauth = none\ncgi = %s\n"
		"[route /bare/*]\nexec = cat\nterminal = yes\nauth = none\n"
		"[route /bin/*]\ndir = %s\n"
		"[route /bin-mixed/*]\ndir = %s\nstatic = %s\n"
		"[route /bin-con/*]\ndir = %s\nconsole = yes\n"
		"[route /bin-gone/*]\ndir = %s\n"
		"[route /cgi/*]\ncgi = %s\n"
		"[route /cgi-mixed/*]\ncgi = %s\nstatic = %s\n"
		"[route /cgi-con/*]\ncgi = %s\nconsole = yes\nconnect = tcp://127.0.0.1:9\n"
		"[route /cgi-gone/*]\ncgi = %s\n"
		"[route /cgi-list/*]\ncgi = %s\norigins = https://a.example null\n"
		"[route /cgi-any/*]\ncgi = %s\norigins = any\n"
		"[route /named]\nlisten = named\nconsole = yes\n"
		"[route host.example/ws]\nconsole = yes\n",
		place, place, place, place, place, programs, programs, programs, programs, place, programs,
		gone, programs, programs, place, programs, gone, programs, programs);
	return conf_good(ini);
}

/* A request, and what was decided about it. */
struct ask {
	char head[20000];
	struct http_request request;
	struct answer answer;
};

static const struct config *config;

/* Decides; what is not set then must not be looked at, so it is filled with rubbish first. */
static void ask_at(struct ask *ask, size_t listen, bool loopback, const char *head, size_t len)
{
	struct entrance entrance = {
		.name = config->listens[listen].name, .listen = listen, .loopback = loopback
	};
	struct client client = { 0 };
	assert_true(len < sizeof(ask->head));
	memcpy(ask->head, head, len);
	int error = http_request_parse(&ask->request, ask->head, len);
	assert_true(error == 0 || error == HTTP_BAD_METHOD);
	memset(&ask->answer, 0x5a, sizeof(ask->answer));
	answer_decide(&ask->answer, config, &entrance, &client, &ask->request);
}

/* A plain GET without an upgrade, for a Host; NULL is one of HTTP/1.0 without Host. */
static void ask_host(struct ask *ask, size_t listen, bool loopback, const char *path, const char *host)
{
	char head[20000];
	int n = host == NULL
			? snprintf(head, sizeof(head), "GET %s HTTP/1.0\r\n\r\n", path)
			: snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);
	ask_at(ask, listen, loopback, head, (size_t)n);
}

static void ask_path(struct ask *ask, const char *method, const char *path)
{
	char head[20000];
	int n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, path);
	ask_at(ask, 0, true, head, (size_t)n);
}

/* An opening handshake; `more` are header lines. */
static void ask_upgrade(struct ask *ask, const char *path, const char *more)
{
	char head[20000];
	int n = snprintf(head, sizeof(head),
		"GET %s HTTP/1.1\r\nHost: localhost:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
		path, more);
	ask_at(ask, 0, true, head, (size_t)n);
}

/* A plain request with header lines. */
static void ask_plain(struct ask *ask, const char *method, const char *path, const char *more)
{
	char head[20000];
	int n = snprintf(
		head, sizeof(head), "%s %s HTTP/1.1\r\nHost: localhost:8080\r\n%s\r\n", method, path, more);
	ask_at(ask, 0, true, head, (size_t)n);
}

/* A refusal, with a body of whole lines that only printable characters are in. */
static void ask_refused(const struct ask *ask, int status)
{
	const struct answer *answer = &ask->answer;
	size_t len = strnlen(answer->advice, sizeof(answer->advice));

	assert_int_equal(answer->kind, ANSWER_REFUSE);
	assert_int_equal(answer->status, status);
	assert_true(strlen(answer->reason) > 0);
	assert_in_range(len, 2, sizeof(answer->advice) - 1);
	assert_int_equal(answer->advice[len - 1], '\n');
	for (size_t i = 0; i + 1 < len; i++)
		assert_in_range(answer->advice[i], 0x20, 0x7e);
	assert_null(strstr(answer->advice, ".."));
}

/* A response without a file. */
static void ask_replied(const struct ask *ask, int status)
{
	assert_int_equal(ask->answer.kind, ANSWER_REPLY);
	assert_int_equal(ask->answer.reply.status, status);
	assert_int_equal(ask->answer.file.fd, -1);
	assert_true(strlen(ask->answer.reason) > 0);
	assert_non_null(ask->answer.reply.route);
}

/* A file with these bytes; closes it. */
static void ask_got_file(struct ask *ask, const char *bytes, const char *type)
{
	char got[64];
	struct answer *answer = &ask->answer;

	assert_int_equal(answer->kind, ANSWER_REPLY);
	assert_int_equal(answer->reply.status, 200);
	assert_string_equal(answer->reply.type, type);
	assert_int_equal(answer->reply.len, strlen(bytes));
	assert_null(answer->reply.body);
	assert_true(answer->file.fd >= 0);
	assert_int_equal(answer->file.end - answer->file.at, strlen(bytes));
	assert_int_equal(pread(answer->file.fd, got, sizeof(got), (off_t)answer->file.at), strlen(bytes));
	assert_memory_equal(got, bytes, strlen(bytes));
	file_close(&answer->file);
}

/* Behind a loopback address only localhost and addresses are answered: any other name was made to lead there.
 */
static void test_rebinding(void **state)
{
	static const char *const fine[] = { "localhost", "LocalHost", "localhost:8080", "127.0.0.1",
		"127.0.0.1:80", "192.0.2.1", "[::1]", "[::1]:8080", "[2001:db8::1]" };
	static const char *const foreign[] = { "evil.example", "localhost.evil.example",
		"127.0.0.1.evil.example", "localhost.", "xlocalhost", "127.0.0.1.", "127.1", "2130706433",
		"0x7f000001",
		"a.very.long.name.that.is.longer.than.any.address.in.digits.could.ever.be.evil.example" };
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		ask_host(&ask, 0, true, "/con", fine[i]);
		ask_replied(&ask, 200);
	}
	ask_host(&ask, 0, true, "/con", NULL);
	ask_replied(&ask, 200);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		ask_host(&ask, 0, true, "/con", foreign[i]);
		ask_refused(&ask, 421);
		assert_non_null(strstr(ask.answer.advice, foreign[i]));
		assert_non_null(strstr(ask.answer.advice, "server_names = localhost 127.0.0.1 [::1] "));
		assert_non_null(strstr(ask.answer.advice, " to [listen plain]."));
		ask_host(&ask, 0, false, "/con", foreign[i]); /* no guard, no harm */
		ask_replied(&ask, 200);
	}
}

/* With server_names they alone decide, on a loopback address as elsewhere. */
static void test_server_names(void **state)
{
	static const struct {
		const char *host;
		bool ours;
	} hosts[] = {
		{ "example.org", true },
		{ "EXAMPLE.org:99", true },
		{ "a.example.net", true },
		{ "a.b.example.net", true },
		{ "example.net", false },
		{ "aexample.net", false },
		{ "a.example.org", false },
		{ "localhost", false },
		{ "127.0.0.1", false },
		{ NULL, false },
	};
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		for (int loopback = 0; loopback < 2; loopback++) {
			ask_host(&ask, 1, loopback, "/named", hosts[i].host);
			if (hosts[i].ours)
				ask_replied(&ask, 200);
			else
				ask_refused(&ask, 421);
		}
	/* The refusal comes before anything is said about paths. */
	ask_host(&ask, 1, true, "/nothing", "other.example");
	ask_refused(&ask, 421);
	assert_non_null(
		strstr(ask.answer.advice, "add a line server_names = other.example to [listen named].\n"));
}

/* Without a [listen] in the file there is no place for a line. */
static void test_no_listen(void **state)
{
	const struct config *before = config;
	struct ask ask;
	(void)state;

	config = conf_good(ROUTE_X);
	ask_host(&ask, 0, true, "/x", "a.example");
	ask_refused(&ask, 421);
	assert_non_null(strstr(ask.answer.advice,
		"--set \"listen default.server_names=localhost 127.0.0.1 [::1] a.example\" on"));
	config_unref(config);
	config = before;
}

/* The origins that are there stay in the advice, as long as there are few. */
static void test_origin_lists(void **state)
{
	static const char some[] =
		"[route /ws]\nconsole = yes\nconnect = tcp://h:1\norigins = a.example:1 b.example\n";
	const struct config *before = config;
	char text[1024];
	struct ask ask;
	(void)state;

	config = conf_good(some);
	ask_upgrade(&ask, "/ws", "Origin: http://c.example\r\n");
	ask_refused(&ask, 403);
	assert_non_null(strstr(ask.answer.advice,
		"To allow it: origins = a.example:1 b.example http://c.example in [route /ws].\n"));
	config_unref(config);
	for (int len = ANSWER_WORD - 3; len <= ANSWER_WORD; len++) {
		snprintf(text, sizeof(text), "[route /ws]\nconnect = tcp://h:1\norigins = %0*d\n", len, 0);
		config = conf_good(text);
		ask_upgrade(&ask, "/ws", "Origin: http://c.example\r\n");
		ask_refused(&ask, 403);
		bool fits =
			strstr(ask.answer.advice, "(those that are there now) http://c.example in") == NULL;
		assert_int_equal(fits, len + 1 < ANSWER_WORD);
		assert_int_equal(strstr(ask.answer.advice, "0000 http://c.example in") != NULL, fits);
		config_unref(config);
	}
	config = before;
}

/* A route may be on one listener, or for one host. */
static void test_route(void **state)
{
	struct ask ask;
	(void)state;

	ask_host(&ask, 0, false, "/named", "localhost");
	ask_refused(&ask, 404);
	ask_host(&ask, 0, false, "/ws", "host.example");
	ask_replied(&ask, 200);
	ask_host(&ask, 0, false, "/ws", "other.example");
	ask_refused(&ask, 426);
}

/* Paths are decoded once before a route is looked for; what can't be decoded finds none. */
static void test_path(void **state)
{
	struct ask ask;
	(void)state;

	ask_path(&ask, "GET", "/%63on");
	ask_replied(&ask, 200);
	ask_path(&ask, "GET", "/%2563on");
	ask_refused(&ask, 404);
	ask_path(&ask, "GET", "/con%0a");
	ask_refused(&ask, 400);
	ask_path(&ask, "GET", "/files/%7f");
	ask_refused(&ask, 400);
}

/* A correct handshake passes with what it asked for; `match` and `upgrade` are all there. */
static void test_upgrade(void **state)
{
	struct ask ask;
	(void)state;

	ask_upgrade(&ask, "/ws?q", "Sec-WebSocket-Protocol: chat, super\r\n");
	assert_int_equal(ask.answer.kind, ANSWER_UPGRADE);
	assert_string_equal(ask.answer.match.route->pattern, "/ws");
	assert_true(text_is(ask.answer.match.script_name, "/ws"));
	assert_true(text_is(ask.answer.upgrade.key, "dGhlIHNhbXBsZSBub25jZQ=="));
	assert_int_equal(ask.answer.upgrade.n_protocols, 2);
	ask_upgrade(&ask, "/both", "");
	assert_int_equal(ask.answer.kind, ANSWER_UPGRADE);
}

/* Nothing to upgrade to, or not correctly asked for. */
static void test_upgrade_refused(void **state)
{
	static const char wrong_version[] =
		"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	static const char no_key[] = "GET /nothing HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n";
	static const char *const paths[] = { "/nothing", "/con", "/files/hello.txt" };
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ask_upgrade(&ask, paths[i], "");
		ask_refused(&ask, 404);
	}
	ask_at(&ask, 0, true, wrong_version, sizeof(wrong_version) - 1);
	ask_refused(&ask, 426);
	ask_at(&ask, 0, true, no_key, sizeof(no_key) - 1);
	ask_refused(&ask, 400);
	assert_non_null(strstr(ask.answer.advice, upgrade_reason(UPGRADE_BAD_KEY)));
}

/* Which pages may connect. Without an Origin it is no page. */
static void test_origin(void **state)
{
	static const struct {
		const char *path, *origin;
		bool fine;
	} origins[] = {
		{ "/ws", "http://localhost:8080", true },
		{ "/ws", "https://localhost:8080", true }, /* a proxy may have taken TLS off */
		{ "/ws", "http://localhost", false },
		{ "/ws", "http://localhost:80800", false },
		{ "/ws", "http://evil.example", false },
		{ "/ws", "http://localhost:8080.evil.example", false },
		{ "/ws", "null", false },
		{ "/ws", "", false },
		{ "/list", "https://a.example", true },
		{ "/list", "https://a.example:443", true },
		{ "/list", "null", true },
		{ "/list", "http://a.example", false },
		{ "/list", "https://b.a.example", false },
		{ "/list", "http://localhost:8080", false },
		{ "/any", "http://evil.example", true },
		{ "/any", "null", true },
	};
	struct ask ask;
	char line[128];
	(void)state;

	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		snprintf(line, sizeof(line), "Origin: %s\r\n", origins[i].origin);
		ask_upgrade(&ask, origins[i].path, line);
		if (origins[i].fine) {
			assert_int_equal(ask.answer.kind, ANSWER_UPGRADE);
			continue;
		}
		ask_refused(&ask, 403);
		assert_non_null(strstr(ask.answer.advice, origins[i].origin));
		snprintf(line, sizeof(line), "in [route %s]", origins[i].path);
		assert_non_null(strstr(ask.answer.advice, line));
	}
	ask_upgrade(&ask, "/ws", "");
	assert_int_equal(ask.answer.kind, ANSWER_UPGRADE);
	/* A page is told about the route first, and a plain request is nobody's business. */
	ask_upgrade(&ask, "/con", "Origin: http://evil.example\r\n");
	ask_refused(&ask, 404);
}

/* Which pages may send something to a CGI program: those that may connect, and who is none. To look is
 * nobody's business, and where no program is that is said first. */
static void test_origin_of_post(void **state)
{
	static const struct {
		const char *route, *origin;
		bool fine;
	} origins[] = {
		{ "/cgi", "http://localhost:8080", true },
		{ "/cgi", "http://localhost", false },
		{ "/cgi", "http://evil.example", false },
		{ "/cgi", "null", false },
		{ "/cgi", "", false },
		{ "/cgi-list", "https://a.example", true },
		{ "/cgi-list", "null", true },
		{ "/cgi-list", "http://localhost:8080", false },
		{ "/cgi-any", "http://evil.example", true },
		{ "/cgi-any", "null", true },
	};
	struct ask ask;
	char line[128], path[64], advice[ANSWER_ADVICE];
	(void)state;

	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		snprintf(line, sizeof(line), "Origin: %s\r\n", origins[i].origin);
		snprintf(path, sizeof(path), "%s/run", origins[i].route);
		ask_plain(&ask, "GET", path, line);
		assert_int_equal(ask.answer.kind, ANSWER_CGI);
		ask_plain(&ask, "HEAD", path, line);
		assert_int_equal(ask.answer.kind, ANSWER_CGI);
		ask_plain(&ask, "POST", path, "");
		assert_int_equal(ask.answer.kind, ANSWER_CGI);
		ask_plain(&ask, "PUT", path, line);
		ask_refused(&ask, 405);
		ask_plain(&ask, "POST", path, line);
		if (origins[i].fine) {
			assert_int_equal(ask.answer.kind, ANSWER_CGI);
			continue;
		}
		ask_refused(&ask, 403);
		snprintf(line, sizeof(line), "in [route %s/*]", origins[i].route);
		assert_non_null(strstr(ask.answer.advice, line));
	}
	ask_plain(&ask, "POST", "/cgi/none", "Origin: http://evil.example\r\n");
	ask_refused(&ask, 404);
	ask_plain(&ask, "POST", "/con", "Origin: http://evil.example\r\n");
	ask_refused(&ask, 405);
	/* In the words that a handshake's refusal has. */
	ask_plain(&ask, "POST", "/cgi-con/run", "Origin: http://evil.example\r\n");
	ask_refused(&ask, 403);
	memcpy(advice, ask.answer.advice, sizeof(advice));
	ask_upgrade(&ask, "/cgi-con/run", "Origin: http://evil.example\r\n");
	assert_string_equal(ask.answer.advice, advice);
}

/* What a refusal repeats of the client's words is harmless in a page, a terminal and a log, and not long. */
static void test_echo(void **state)
{
	static char long_origin[2000] = "Origin: http://";
	struct ask ask;
	(void)state;

	ask_upgrade(&ask, "/ws", "Origin: a<b>\"&'\tc d\xc3\xbc\x9b[31m~!\r\n");
	ask_refused(&ask, 403);
	assert_non_null(strstr(ask.answer.advice, "origins = same a?b?????c?d???[31m~! in [route /ws]"));
	memset(long_origin + 15, 'a', sizeof(long_origin) - 18);
	memcpy(long_origin + sizeof(long_origin) - 3, "\r\n", 3);
	ask_upgrade(&ask, "/ws", long_origin);
	ask_refused(&ask, 403);
	assert_non_null(strstr(ask.answer.advice, "aaa in [route /ws]."));
}

/* What an upgrade starts: route, entry, SCRIPT_NAME and PATH_INFO are parts of the path. */
static void test_programs(void **state)
{
	static const struct {
		const char *path, *entry, *script, *info;
	} found[] = { { "/bin/run", "run", "/bin/run", "" }, { "/bin/run/", "run", "/bin/run", "/" },
		{ "/bin/dir/run/a%20b?c", "dir/run", "/bin/dir/run", "/a b" },
		{ "/bin-mixed/run/run", "run", "/bin-mixed/run", "/run" },
		{ "/bin-con/dir/run", "dir/run", "/bin-con/dir/run", "" } };
	static const char *const none[] = { "/bin/", "/bin/dir", "/bin/text", "/bin/nothing", "/bin/run/..",
		"/bin/dir%2frun", "/bin/run/a%2Fb", "/bin/../run", "/bin-mixed/hello.txt",
		"/bin-con/nothing" };
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		const struct route_match *match = &ask.answer.match;
		ask_upgrade(&ask, found[i].path, "");
		assert_int_equal(ask.answer.kind, ANSWER_UPGRADE);
		assert_true(text_is(match->entry, found[i].entry));
		assert_true(text_is(match->script_name, found[i].script));
		assert_true(text_is(match->path_info, found[i].info));
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		ask_upgrade(&ask, none[i], "");
		ask_refused(&ask, 404);
	}
	ask_upgrade(&ask, "/ws", "");
	assert_int_equal(ask.answer.match.entry.len, 0);
	/* Who may not connect does not hear either what there is. */
	ask_upgrade(&ask, "/bin/nothing", "Origin: http://evil.example\r\n");
	ask_refused(&ask, 403);
	ask_upgrade(&ask, "/bin-gone/run", "");
	ask_refused(&ask, 503);
}

/* A plain request there: files, then the console; 426 is only for a program. */
static void test_programs_plain(void **state)
{
	static const struct {
		const char *path;
		int status;
	} paths[] = { { "/bin/run", 426 }, { "/bin/dir/run/x", 426 }, { "/bin/text", 404 }, { "/bin/", 404 },
		{ "/bin/run/..", 404 }, { "/bin/%2e%2e/run", 404 }, { "/bin-mixed/run", 426 },
		{ "/bin-mixed/nothing", 404 }, { "/bin-gone/run", 503 } };
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ask_path(&ask, "GET", paths[i].path);
		ask_refused(&ask, paths[i].status);
	}
	ask_path(&ask, "GET", "/bin-mixed/hello.txt");
	ask_got_file(&ask, "hello\n", "text/plain; charset=utf-8");
	ask_path(&ask, "GET", "/bin-con/run");
	ask_replied(&ask, 200);
}

/* A plain request where only WebSocket is spoken, or nothing. */
static void test_plain(void **state)
{
	struct ask ask;
	(void)state;

	ask_path(&ask, "GET", "/ws");
	ask_refused(&ask, 426);
	assert_non_null(strstr(ask.answer.advice, "console = yes"));
	ask_path(&ask, "HEAD", "/ws");
	ask_refused(&ask, 426);
	ask_path(&ask, "GET", "/nothing");
	ask_refused(&ask, 404);
}

/* What there would be to see, and by what, as it is written here. */
static void test_plain_advice(void **state)
{
	static const struct {
		const char *ini, *advice;
	} rows[] = { { "exec = cat\n", "To have a test page here: console = yes in its route.\n" },
		{ "exec = cat\nterminal = yes\n",
			"To have a page with a terminal here: console = yes in its route.\n" } };
	const struct config *before = config;
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		char text[128];
		snprintf(text, sizeof(text), "[route /x]\n%s", rows[i].ini);
		config = conf_good(text);
		ask_path(&ask, "GET", "/x");
		ask_refused(&ask, 426);
		assert_non_null(strstr(ask.answer.advice, rows[i].advice));
		config_unref(config);
	}
	config = before;
}

/* The console's three files; a HEAD gets the length alone. */
static void test_console(void **state)
{
	static const struct {
		const char *path, *type, *begins;
	} files[] = {
		{ "/con", "text/html; charset=utf-8", "<!doctype html>" },
		{ "/con?anything", "text/html; charset=utf-8", "<!doctype html>" },
		{ "/con?console.js", "text/javascript; charset=utf-8", "" },
		{ "/con?console.css", "text/css; charset=utf-8", "" },
		{ "/both", "text/html; charset=utf-8", "<!doctype html>" },
		{ "/mixed/nothing.txt", "text/html; charset=utf-8", "<!doctype html>" },
	};
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		ask_path(&ask, "GET", files[i].path);
		ask_replied(&ask, 200);
		struct reply reply = ask.answer.reply;
		assert_string_equal(reply.type, files[i].type);
		assert_string_equal(reply.policy, CONSOLE_POLICY);
		assert_true(reply.len > 100);
		assert_int_equal(strncasecmp(reply.body, files[i].begins, strlen(files[i].begins)), 0);
		ask_path(&ask, "HEAD", files[i].path);
		ask_replied(&ask, 200);
		assert_null(ask.answer.reply.body);
		assert_int_equal(ask.answer.reply.len, reply.len);
	}
}

/* What ttyd's page asks for is answered where there is no file of that name. */
static void test_token(void **state)
{
	struct ask ask;
	(void)state;

	ask_path(&ask, "GET", "/shell/dir/token");
	ask_got_file(&ask, "a file", "application/octet-stream");
	ask_path(&ask, "GET", "/shell/run/token");
	assert_int_equal(ask.answer.kind, ANSWER_CGI);
	ask_path(&ask, "GET", "/only/run/token");
	assert_int_equal(ask.answer.kind, ANSWER_CGI);
	ask_path(&ask, "GET", "/only/token");
	ask_replied(&ask, 200);
	ask_path(&ask, "POST", "/only/token");
	ask_refused(&ask, 404);
	ask_path(&ask, "GET", "/shell/token");
	ask_replied(&ask, 200);
	assert_string_equal(ask.answer.reply.type, "application/json");
	ask_path(&ask, "GET", "/bare/token");
	ask_replied(&ask, 200);
	assert_string_equal(ask.answer.reply.type, "application/json");
	ask_path(&ask, "GET", "/shell/dir/nothing/token");
	ask_replied(&ask, 200);
	ask_path(&ask, "POST", "/bare/token");
	ask_refused(&ask, 405);
}

/* Files are open when they are answered with; a HEAD leaves none open. */
static void test_static(void **state)
{
	struct ask ask;
	(void)state;

	ask_path(&ask, "GET", "/files/hello.txt?query");
	ask_got_file(&ask, "hello\n", "text/plain; charset=utf-8");
	ask_path(&ask, "GET", "/files/dir/");
	ask_got_file(&ask, "dir", "text/html; charset=utf-8");
	ask_path(&ask, "GET", "/mixed/%68ello.txt");
	ask_got_file(&ask, "hello\n", "text/plain; charset=utf-8");

	int next = dup(0);
	close(next);
	ask_path(&ask, "HEAD", "/files/hello.txt");
	ask_replied(&ask, 200);
	assert_int_equal(ask.answer.reply.len, 6);
	int now = dup(0);
	close(now);
	assert_int_equal(now, next);

	ask_path(&ask, "GET", "/files/nothing");
	ask_refused(&ask, 404);
	ask_path(&ask, "GET", "/one"); /* the index, which is not there */
	ask_refused(&ask, 404);
}

/* An escaped slash or backslash names no file, though what it decodes to is there. */
static void test_hidden_slash(void **state)
{
	static const char *const paths[] = { "/files/dir%2findex.html", "/files/dir%2Findex.html",
		"/files/%2e%2e%2fsecret", "/files/dir%5cindex.html", "/files/dir%5Cindex.html", "/files/%2f",
		"/files%2fhello.txt" };
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ask_path(&ask, "GET", paths[i]);
		ask_refused(&ask, 404);
	}
	ask_path(&ask, "GET", "/mixed/dir%2findex.html");
	ask_replied(&ask, 200); /* the console */
}

/* A directory without its slash; the new place never begins like another host's. */
static void test_redirect(void **state)
{
	static const struct {
		const char *path, *location;
	} paths[] = {
		{ "/files/dir", "/files/dir/" },
		{ "/files/dir?a=b", "/files/dir/?a=b" },
		{ "/files/dir?", "/files/dir/?" },
		{ "/files/d%69r", "/files/d%69r/" },
	};
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ask_path(&ask, "GET", paths[i].path);
		ask_replied(&ask, 301);
		assert_string_equal(ask.answer.reply.location, paths[i].location);
		assert_ptr_equal(ask.answer.reply.location, ask.answer.location);
		assert_int_equal(ask.answer.reply.len, 0);
	}
}

/* ... where the whole tree is served, so that a path can begin with more than one slash. */
static void test_redirect_root(void **state)
{
	char ini[256];
	const struct config *before = config;
	struct ask ask;
	(void)state;

	snprintf(ini, sizeof(ini), "[route /*]\nstatic = %s\n", place);
	config = conf_good(ini);
	ask_path(&ask, "GET", "//dir");
	ask_replied(&ask, 301);
	assert_string_equal(ask.answer.reply.location, "/dir/");
	ask_path(&ask, "GET", "////dir");
	ask_replied(&ask, 301);
	assert_string_equal(ask.answer.reply.location, "/dir/");
	ask_path(&ask, "GET", "/\\dir");
	ask_refused(&ask, 404); /* to a browser it would be a slash */
	config_unref(config);
	config = before;
}

/* A listener that sends everybody elsewhere, whatever they ask for; the Host is judged first. */
static void test_elsewhere(void **state)
{
	static const char longest[] = "https://elsewhere.example:8443/base";
	static const struct {
		const char *base, *host, *path, *location;
	} cases[] = {
		{ "https://a.example", "b.example", "/", "https://a.example/" },
		{ "https://a.example/", "b.example", "/x?y=z", "https://a.example/x?y=z" },
		{ longest, "b.example:80", "//c.example/%2f",
			"https://elsewhere.example:8443/base//c.example/%2f" },
		{ "https://*", "b.example:80", "/x", "https://b.example/x" },
		{ "https://*:8443", "b.example", "/x", "https://b.example:8443/x" },
		{ "https://*:8443/p", "[::1]:80", "/x", "https://[::1]:8443/p/x" },
		{ "http://*//*", "b.example", "/x", "http://b.example//*/x" },
		{ "https://a.example//*", "b.example", "/x", "https://a.example//*/x" },
	};
	const struct config *before = config;
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char ini[256];
		snprintf(ini, sizeof(ini),
			"[listen main]\naddress = *:0\nredirect_to = %s\n[route /x]\nconsole = yes\n",
			cases[i].base);
		config = conf_good(ini);
		ask_host(&ask, 0, false, cases[i].path, cases[i].host);
		assert_int_equal(ask.answer.kind, ANSWER_REPLY);
		assert_int_equal(ask.answer.reply.status, 308);
		assert_null(ask.answer.reply.route);
		assert_string_equal(ask.answer.reply.location, cases[i].location);
		ask_host(&ask, 0, false, "/", NULL);
		if (strstr(cases[i].base, ".example") == NULL) /* a star for the host */
			ask_refused(&ask, 400);
		else
			assert_int_equal(ask.answer.kind, ANSWER_REPLY);
		if (strcmp(cases[i].host, "[::1]:80") != 0) {
			ask_host(&ask, 0, true, "/", "evil.example");
			ask_refused(&ask, 421);
		}
		config_unref(config);
	}
	config = before;
}

/* A directory that can't be opened is ours to mend, so it is no 404. */
static void test_static_failed(void **state)
{
	struct ask ask;
	char away[80];
	(void)state;

	snprintf(away, sizeof(away), "%s-away", place);
	assert_int_equal(rename(place, away), 0);
	ask_path(&ask, "GET", "/gone/hello.txt");
	assert_int_equal(rename(away, place), 0);
	ask_refused(&ask, 500);
	assert_null(strstr(ask.answer.advice, place));
}

/* The longest path that a head can have. */
static void test_longest(void **state)
{
	static char path[HTTP_LINE_MAX];
	struct ask ask;
	(void)state;

	memset(path, 'x', sizeof(path));
	memcpy(path, "/files/", 7);
	path[HTTP_LINE_MAX - strlen("GET  HTTP/1.1")] = '\0';
	ask_path(&ask, "GET", path);
	ask_refused(&ask, 404);
}

/* Heads that could not be parsed, each with the status and the words of its error. */
static void test_bad_head(void **state)
{
	struct ask ask;
	(void)state;

	for (int error = HTTP_BAD_PROXY; error <= HTTP_BAD_LINE; error++) {
		memset(&ask.answer, 0x5a, sizeof(ask.answer));
		answer_bad_head(&ask.answer, error);
		ask_refused(&ask, http_request_status(error));
		assert_non_null(strstr(ask.answer.advice, http_request_reason(error)));
	}
}

/* Makes the directories of programs. */
static void make_programs(void)
{
	static const char *const files[] = { "run", "dir/run", "text" };
	char path[128];

	snprintf(programs, sizeof(programs), "%s.bin", place);
	snprintf(gone, sizeof(gone), "%s.gone", place);
	snprintf(path, sizeof(path), "%s/dir", programs);
	if (mkdir(programs, 0755) != 0 || mkdir(path, 0755) != 0 || mkdir(gone, 0755) != 0)
		abort();
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", programs, files[i]);
		FILE *file = fopen(path, "we");
		if (file == NULL || fclose(file) != 0 || chmod(path, i < 2 ? 0755 : 0644) != 0)
			abort();
	}
}

static int make_place(void **state)
{
	char path[128];
	(void)state;

	strcpy(place, "/tmp/wsluice-XXXXXX");
	if (mkdtemp(place) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/dir", place);
	mkdir(path, 0755);
	static const char *const files[][2] = { { "hello.txt", "hello\n" }, { "dir/index.html", "dir" },
		{ "dir/token", "a file" } };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", place, files[i][0]);
		FILE *file = fopen(path, "we");
		if (file == NULL || fputs(files[i][1], file) == EOF || fclose(file) != 0)
			abort();
	}
	make_programs();
	config = config_of_test();
	return rmdir(gone);
}

static int remove_place(void **state)
{
	char command[256];
	(void)state;
	config_unref(config);
	snprintf(command, sizeof(command), "rm -rf %s %s", place, programs);
	return system(command);
}

/* A CGI program, with what of the path names it. */
static void ask_program(struct ask *ask, const char *entry, const char *script_name, const char *path_info)
{
	const struct route_match *match = &ask->answer.match;

	assert_int_equal(ask->answer.kind, ANSWER_CGI);
	assert_true(text_is(match->entry, entry));
	assert_true(text_is(match->script_name, script_name));
	assert_true(text_is(match->path_info, path_info));
}

/* A refusal that names the methods. */
static void ask_allowed(const struct ask *ask, const char *methods)
{
	ask_refused(ask, 405);
	assert_string_equal(ask->answer.allow, methods);
}

/* CGI programs come first, for three methods; what is none falls to what else the route has. */
static void test_cgi(void **state)
{
	static const char *const methods[] = { "GET", "HEAD", "POST" };
	struct ask ask;
	(void)state;

	for (int i = 0; i < 3; i++) {
		ask_path(&ask, methods[i], "/cgi/run");
		ask_program(&ask, "run", "/cgi/run", "");
		ask_path(&ask, methods[i], "/cgi-mixed/dir/run/a%20b?c");
		ask_program(&ask, "dir/run", "/cgi-mixed/dir/run", "/a b");
		ask_path(&ask, methods[i], "/cgi/text");
		ask_refused(&ask, 404);
		ask_path(&ask, methods[i], "/cgi/run%2fx");
		ask_refused(&ask, 404);
		ask_path(&ask, methods[i], "/cgi-gone/run");
		ask_refused(&ask, 503);
	}
	ask_path(&ask, "PUT", "/cgi/run");
	ask_allowed(&ask, "GET, HEAD, POST");
	assert_non_null(strstr(ask.answer.advice, "GET, HEAD and POST"));
	ask_path(&ask, "PUT", "/cgi-con/run/x");
	ask_allowed(&ask, "GET, HEAD, POST");
	ask_path(&ask, "PUT", "/cgi/none");
	ask_refused(&ask, 404);
	ask_path(&ask, "GET", "/cgi-mixed/hello.txt");
	ask_got_file(&ask, "hello\n", "text/plain; charset=utf-8");
	ask_path(&ask, "GET", "/cgi-mixed/none");
	ask_refused(&ask, 404);
	ask_path(&ask, "GET", "/cgi-con/none");
	ask_replied(&ask, 200);
	ask_upgrade(&ask, "/cgi-con/run", "");
	assert_int_equal(ask.answer.kind, ANSWER_UPGRADE);
	assert_int_equal(ask.answer.match.entry.len, 0);
}

/* Nothing else takes another method than GET and HEAD. */
static void test_methods(void **state)
{
	static const char *const paths[] = { "/con", "/files/hello.txt", "/files/dir", "/ws", "/bin/run",
		"/none", "/cgi-mixed/hello.txt", "/cgi-con/none" };
	struct ask ask;
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ask_path(&ask, "POST", paths[i]);
		ask_allowed(&ask, "GET, HEAD");
		ask_path(&ask, "OPTIONS", paths[i]);
		ask_allowed(&ask, "GET, HEAD");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rebinding),
		cmocka_unit_test(test_server_names),
		cmocka_unit_test(test_no_listen),
		cmocka_unit_test(test_origin_lists),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_upgrade_refused),
		cmocka_unit_test(test_origin),
		cmocka_unit_test(test_origin_of_post),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_programs_plain),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_plain_advice),
		cmocka_unit_test(test_cgi),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_console),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_static),
		cmocka_unit_test(test_hidden_slash),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_redirect_root),
		cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_static_failed),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_bad_head),
	};
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
