/*
 * Tests of what a program is told about its session: a golden environment, and which headers come through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "gate/environ.h"
#include "test_conf.h"

/* Where the request came in, and what it led to. */
struct scene {
	const struct config *config;
	struct entrance entrance;
	struct client client;
	struct stream stream; /* plain */
	struct exchange exchange;
	struct http_request request;
	struct upgrade upgrade;
	struct route_match match;
	char path[1024];
};

static struct addr addr_v4(const char *host, uint16_t port)
{
	struct addr addr = { .len = sizeof(struct sockaddr_in) };
	addr.u.in.sin_family = AF_INET;
	addr.u.in.sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, host, &addr.u.in.sin_addr), 1);
	return addr;
}

static struct addr addr_v6(const char *host, uint16_t port)
{
	struct addr addr = { .len = sizeof(struct sockaddr_in6) };
	addr.u.in6.sin6_family = AF_INET6;
	addr.u.in6.sin6_port = htons(port);
	assert_int_equal(inet_pton(AF_INET6, host, &addr.u.in6.sin6_addr), 1);
	return addr;
}

static struct addr addr_unix(void)
{
	struct addr addr = { .len = sizeof(sa_family_t) };
	addr.u.un.sun_family = AF_UNIX;
	return addr;
}

static void scene_init(struct scene *scene)
{
	*scene = (struct scene){ .config = conf_good("[route /app/*]\nexec = /bin/cat\n"
						     "[route /dir/*]\ndir = /usr/../usr\n"
						     "[route /root/*]\ndir = /\n"
						     "[route /cgi/*]\ncgi = /usr/../usr\n"
						     "[route /both/*]\ncgi = /usr\nstatic = /etc/../etc\n"
						     "[route far/*]\nexec = /bin/cat\n") };
	scene->entrance = (struct entrance){ .name = scene->config->listens[0].name,
		.local = addr_v4("127.0.0.1", 8080) };
	scene->client.addr = addr_v4("192.0.2.7", 40000);
	scene->exchange.config = scene->config;
	scene->exchange.entrance = &scene->entrance;
	scene->exchange.client = &scene->client;
	scene->exchange.stream = &scene->stream;
}

static void scene_done(struct scene *scene)
{
	config_unref(scene->config);
}

/* Parses a head and finds its route. */
static void scene_ask(struct scene *scene, const char *head)
{
	assert_int_equal(http_request_parse(&scene->request, head, strlen(head)), 0);
	long n = text_percent_decode(scene->request.path, scene->path);
	assert_true(n > 0);
	scene->match = route_find(scene->config, scene->entrance.name, scene->request.host,
		(struct text){ .ptr = scene->path, .len = (size_t)n });
	assert_non_null(scene->match.route);
}

static int scene_build(struct scene *scene, const char *protocol, char **env, size_t *len)
{
	struct exchange_upgrade upgrade = {
		.request = &scene->request, .upgrade = &scene->upgrade, .match = &scene->match
	};
	return environ_build(&scene->exchange, &upgrade, "0123456789abcdef", protocol, env, len);
}

/* The environment for what was asked, one variable a line; malloc'ed. */
static char *scene_say(struct scene *scene, const char *protocol)
{
	char *env;
	size_t len;

	assert_int_equal(scene_build(scene, protocol, &env, &len), 0);
	assert_true(len > 0);
	assert_int_equal(env[len - 1], '\0');
	for (size_t i = 0; i < len; i++) {
		assert_int_not_equal(env[i], '\n');
		if (env[i] == '\0')
			env[i] = '\n';
	}
	char *lines = strndup(env, len);
	free(env);
	return lines;
}

/* Both. */
static char *scene_tell(struct scene *scene, const char *head, const char *protocol)
{
	scene_ask(scene, head);
	return scene_say(scene, protocol);
}

#define HEAD(target) "GET " target " HTTP/1.1\r\n"

/* All of it, in order. */
static void test_golden(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell(&scene,
		HEAD("/app/a%20b/c?x=1&y=%41") "Host: example.org:8080\r\nUpgrade: websocket\r\n"
					       "X-Odd-1: a \t b\r\nCookie: s=1\r\n\r\n",
		"chat");
	assert_string_equal(env, "GATEWAY_INTERFACE=CGI/1.1\n"
				 "SERVER_SOFTWARE=wsluice/" WSLUICE_VERSION "\n"
				 "SERVER_NAME=example.org\n"
				 "SERVER_PORT=8080\n"
				 "SERVER_PROTOCOL=HTTP/1.1\n"
				 "REQUEST_METHOD=GET\n"
				 "REQUEST_URI=/app/a%20b/c?x=1&y=%41\n"
				 "SCRIPT_NAME=/app\n"
				 "PATH_INFO=/a b/c\n"
				 "QUERY_STRING=x=1&y=%41\n"
				 "REMOTE_ADDR=192.0.2.7\n"
				 "REMOTE_HOST=192.0.2.7\n"
				 "REMOTE_PORT=40000\n"
				 "UNIQUE_ID=0123456789abcdef\n"
				 "HTTP_HOST=example.org:8080\n"
				 "HTTP_UPGRADE=websocket\n"
				 "HTTP_X_ODD_1=a \t b\n"
				 "HTTP_COOKIE=s=1\n"
				 "WEBSOCKET_PROTOCOL=chat\n"
				 "WSLUICE_ROUTE=/app/*\n"
				 "WSLUICE_SESSION=0123456789abcdef\n");
	free(env);
	scene_done(&scene);
}

/* What there is none of is empty, never absent: a program can't take it from the gateway's own environment.
 */
static void test_empty(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell(&scene, HEAD("/app/") "Host: a\r\nX-Empty:\r\n\r\n", NULL);
	assert_non_null(strstr(env, "\nQUERY_STRING=\n"));
	assert_non_null(strstr(env, "\nWEBSOCKET_PROTOCOL=\n"));
	assert_non_null(strstr(env, "\nHTTP_X_EMPTY=\n"));
	assert_non_null(strstr(env, "\nPATH_INFO=/\n"));
	free(env);
	scene_done(&scene);
}

/* Headers that would pass for something else: HTTP_PROXY, which programs believe, and X_Y for X-Y. */
static void test_left_out(void **state)
{
	static const char *const names[] = { "Proxy", "PROXY", "pRoXy", "X_Forwarded_For", "_", "A_", "_A",
		"Content_Length", "X.Y", "X!", "X'Y", "X%", "BASH_FUNC_X%%", "X*", "X|Y", "`X`", "~" };
	struct scene scene;
	(void)state;

	scene_init(&scene);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char head[256];
		snprintf(head, sizeof(head), HEAD("/app/") "Host: a\r\n%s: secret\r\nX-Kept: b\r\n\r\n",
			names[i]);
		char *env = scene_tell(&scene, head, NULL);
		assert_null(strstr(env, "secret"));
		assert_null(strstr(env, "HTTP_PROXY"));
		assert_non_null(strstr(env, "\nHTTP_HOST=a\nHTTP_X_KEPT=b\n"));
		free(env);
	}
	/* Names that only look like it. */
	char *env = scene_tell(&scene,
		HEAD("/app/") "Host: a\r\nProxy-Authorization: b\r\nX-Proxy: c\r\nProx: d\r\n\r\n", NULL);
	assert_non_null(strstr(env, "\nHTTP_PROXY_AUTHORIZATION=b\nHTTP_X_PROXY=c\nHTTP_PROX=d\n"));
	free(env);
	scene_done(&scene);
}

/* What a bash of before 2014 would run. The whole variable goes, since joined values have one beginning. */
static void test_functions(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell(&scene,
		HEAD("/app/") "Host: a\r\nUser-Agent: () { :;}; evil\r\nReferer:\t () {evil\r\n"
			      "X-One: 1\r\nX-One: () { evil\r\nX-Two: () { evil\r\nX-Two: 2\r\n"
			      "X-Kept: x () { :;}\r\nX-Like: () {\r\nX-Near: (){ :;}\r\nX-Far: ( ) { "
			      ":;}\r\n\r\n",
		"() { evil");
	assert_null(strstr(env, "evil"));
	assert_null(strstr(env, "HTTP_USER_AGENT"));
	assert_null(strstr(env, "WEBSOCKET_PROTOCOL"));
	assert_non_null(strstr(env, "\nHTTP_HOST=a\nHTTP_X_KEPT=x () { :;}\nHTTP_X_NEAR=(){ :;}\n"
				    "HTTP_X_FAR=( ) { :;}\nWSLUICE_ROUTE"));
	free(env);
	scene_done(&scene);
}

/* A program of a directory: what named it, what follows, and where that would be as a file. */
static void test_entry(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	scene_ask(&scene, HEAD("/dir/share/x.sh/a%20b/c") "Host: a\r\n\r\n");
	scene.match.entry = (struct text){ scene.match.path_info.ptr + 1, strlen("share/x.sh") };
	scene.match.script_name.len += strlen("/share/x.sh");
	scene.match.path_info = text_slice(scene.match.path_info, strlen("/share/x.sh"));
	char *env = scene_say(&scene, NULL);
	assert_non_null(strstr(env, "\nREQUEST_URI=/dir/share/x.sh/a%20b/c\nSCRIPT_NAME=/dir/share/x.sh\n"
				    "PATH_INFO=/a b/c\nPATH_TRANSLATED=/usr/a b/c\nQUERY_STRING=\n"));
	assert_non_null(strstr(env, "\nWSLUICE_ROUTE=/dir/*\n"));
	free(env);

	scene.match.path_info.len = 0;
	env = scene_say(&scene, NULL);
	assert_non_null(strstr(env, "\nPATH_INFO=\nQUERY_STRING=\n"));
	free(env);

	scene_ask(&scene, HEAD("/root/x/y") "Host: a\r\n\r\n");
	scene.match.entry = (struct text){ scene.match.path_info.ptr + 1, 1 };
	scene.match.path_info = text_slice(scene.match.path_info, 2);
	env = scene_say(&scene, NULL);
	assert_non_null(strstr(env, "\nPATH_INFO=/y\nPATH_TRANSLATED=/y\n"));
	free(env);
	scene_done(&scene);
}

/* The type of a body has a variable of its own, in the order of CGI. */
static void test_content(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell(&scene,
		HEAD("/app/") "Host: a\r\nContent-Type: text/x; a=b\r\nContent-Length: 0\r\n\r\n", NULL);
	assert_non_null(strstr(env, "\nCONTENT_TYPE=text/x; a=b\n"));
	assert_null(strstr(env, "CONTENT_LENGTH="));
	assert_null(strstr(env, "HTTP_CONTENT_TYPE="));
	free(env);
	scene_done(&scene);
}

/* Under the name websocketd, as that has it. */
static void test_websocketd(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	struct config there = *scene.config;
	there.manners = &manners_websocketd;
	scene.exchange.config = &there;
	char *env = scene_tell(&scene,
		HEAD("/a%20b?q") "Host: far:81\r\nUpgrade: websocket\r\nContent-Type: text/x\r\n\r\n", NULL);
	assert_string_equal(env, "GATEWAY_INTERFACE=websocketd-CGI/0.1\n"
				 "SERVER_SOFTWARE=websocketd/" WSLUICE_VERSION "\n"
				 "SERVER_NAME=far\n"
				 "SERVER_PORT=81\n"
				 "SERVER_PROTOCOL=HTTP/1.1\n"
				 "REQUEST_METHOD=GET\n"
				 "REQUEST_URI=/a%20b?q\n"
				 "SCRIPT_NAME=/\n"
				 "PATH_INFO=/a b\n"
				 "PATH_TRANSLATED=/a b\n"
				 "QUERY_STRING=q\n"
				 "REMOTE_ADDR=192.0.2.7\n"
				 "REMOTE_HOST=192.0.2.7\n"
				 "REMOTE_PORT=40000\n"
				 "AUTH_TYPE=\n"
				 "CONTENT_LENGTH=\n"
				 "CONTENT_TYPE=\n"
				 "REMOTE_IDENT=\n"
				 "REMOTE_USER=\n"
				 "UNIQUE_ID=0123456789abcdef\n"
				 "HTTP_HOST=far:81\n"
				 "HTTP_UPGRADE=websocket\n"
				 "HTTP_CONTENT_TYPE=text/x\n"
				 "WEBSOCKET_PROTOCOL=\n"
				 "WSLUICE_ROUTE=far/*\n"
				 "WSLUICE_SESSION=0123456789abcdef\n");
	free(env);

	env = scene_tell(&scene, HEAD("/app/x") "Host: a\r\n\r\n", NULL);
	assert_non_null(strstr(env, "\nSERVER_NAME=a\nSERVER_PORT=80\n"));
	assert_non_null(strstr(env, "\nSCRIPT_NAME=/app\nPATH_INFO=/x\nPATH_TRANSLATED=/app/x\n"));
	free(env);
	scene.client.secure = true;
	env = scene_tell(&scene, HEAD("/app/x") "Host: a\r\n\r\n", NULL);
	assert_non_null(strstr(env, "\nSERVER_NAME=a\nSERVER_PORT=443\n"));
	free(env);
	scene_done(&scene);
}

/* Asks for a CGI program whose path beneath the directory is `name`, and builds its environment. */
static char *scene_tell_cgi(struct scene *scene, const char *head, const char *name)
{
	char *env;
	size_t len, slash = 1 + strlen(name);

	scene_ask(scene, head);
	struct route_match *match = &scene->match;
	match->entry = (struct text){ match->path_info.ptr + 1, strlen(name) };
	assert_true(text_is(match->entry, name));
	match->script_name.len += slash;
	match->path_info = text_slice(match->path_info, slash);
	assert_int_equal(
		environ_build_cgi(&scene->exchange, &scene->request, match, "fedcba9876543210", &env, &len),
		0);
	for (size_t i = 0; i < len; i++)
		env[i] = env[i] == '\0' ? '\n' : env[i];
	char *lines = strndup(env, len);
	free(env);
	return lines;
}

/* All that a CGI program is told of a form that it is sent, in order. */
static void test_cgi(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell_cgi(&scene,
		"POST /cgi/bin/a.cgi/x%20y?q=1 HTTP/1.0\r\nHost: a:81\r\nContent-Type: text/x; a=b\r\n"
		"Content-Length: 007\r\nCookie: a=1\r\nCookie: b=2\r\nProxy: evil\r\n"
		"Authorization: Basic eA==\r\n\r\n",
		"bin/a.cgi");
	assert_string_equal(env, "GATEWAY_INTERFACE=CGI/1.1\n"
				 "SERVER_SOFTWARE=wsluice/" WSLUICE_VERSION "\n"
				 "SERVER_NAME=a\n"
				 "SERVER_PORT=8080\n"
				 "SERVER_PROTOCOL=HTTP/1.0\n"
				 "REQUEST_METHOD=POST\n"
				 "REQUEST_URI=/cgi/bin/a.cgi/x%20y?q=1\n"
				 "SCRIPT_NAME=/cgi/bin/a.cgi\n"
				 "PATH_INFO=/x y\n"
				 "PATH_TRANSLATED=/usr/x y\n"
				 "SCRIPT_FILENAME=/usr/bin/a.cgi\n"
				 "QUERY_STRING=q=1\n"
				 "REMOTE_ADDR=192.0.2.7\n"
				 "REMOTE_HOST=192.0.2.7\n"
				 "REMOTE_PORT=40000\n"
				 "CONTENT_LENGTH=7\n"
				 "CONTENT_TYPE=text/x; a=b\n"
				 "UNIQUE_ID=fedcba9876543210\n"
				 "HTTP_HOST=a:81\n"
				 "HTTP_COOKIE=a=1; b=2\n"
				 "HTTP_AUTHORIZATION=Basic eA==\n"
				 "WSLUICE_ROUTE=/cgi/*\n"
				 "WSLUICE_SESSION=fedcba9876543210\n");
	free(env);
	scene_done(&scene);
}

/* A length is told of a body that may be there, also an empty one, and of nothing else. */
static void test_cgi_length(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env =
		scene_tell_cgi(&scene, "POST /cgi/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "a");
	assert_non_null(strstr(env, "\nCONTENT_LENGTH=0\n"));
	assert_null(strstr(env, "CONTENT_TYPE"));
	free(env);
	env = scene_tell_cgi(&scene, "POST /cgi/a HTTP/1.1\r\nHost: a\r\n\r\n", "a");
	assert_null(strstr(env, "CONTENT_"));
	free(env);
	env = scene_tell_cgi(&scene, "GET /cgi/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "a");
	assert_null(strstr(env, "CONTENT_"));
	assert_non_null(strstr(env, "\nQUERY_STRING=\n"));
	free(env);
	scene_done(&scene);
}

/* What follows the program as a file: of the documents that the route has too; nothing without it. */
static void test_cgi_translated(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell_cgi(&scene, HEAD("/both/a/b") "Host: a\r\n\r\n", "a");
	assert_non_null(strstr(env, "\nPATH_INFO=/b\nPATH_TRANSLATED=/etc/b\nSCRIPT_FILENAME=/usr/a\n"));
	free(env);
	env = scene_tell_cgi(&scene, HEAD("/both/a") "Host: a\r\n\r\n", "a");
	assert_non_null(strstr(env, "\nSCRIPT_NAME=/both/a\nPATH_INFO=\nSCRIPT_FILENAME=/usr/a\n"));
	free(env);
	scene_done(&scene);
}

/* Under the name websocketd. */
static void test_cgi_websocketd(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	struct config there = *scene.config;
	there.manners = &manners_websocketd;
	scene.exchange.config = &there;
	char *env = scene_tell_cgi(&scene, HEAD("/cgi/a/b?c") "Host: a:81\r\nContent-Type: x/y\r\n\r\n", "a");
	assert_string_equal(env, "GATEWAY_INTERFACE=CGI/1.1\n"
				 "SERVER_SOFTWARE=websocketd/" WSLUICE_VERSION "\n"
				 "SERVER_NAME=a\n"
				 "SERVER_PORT=81\n"
				 "SERVER_PROTOCOL=HTTP/1.1\n"
				 "REQUEST_METHOD=GET\n"
				 "REQUEST_URI=/cgi/a/b?c\n"
				 "SCRIPT_NAME=\n"
				 "PATH_INFO=/cgi/a/b\n"
				 "SCRIPT_FILENAME=/usr/a\n"
				 "QUERY_STRING=c\n"
				 "REMOTE_ADDR=192.0.2.7\n"
				 "REMOTE_HOST=192.0.2.7\n"
				 "REMOTE_PORT=40000\n"
				 "CONTENT_TYPE=x/y\n"
				 "UNIQUE_ID=fedcba9876543210\n"
				 "HTTP_HOST=a:81\n"
				 "WSLUICE_ROUTE=/cgi/*\n"
				 "WSLUICE_SESSION=fedcba9876543210\n");
	free(env);
	scene_done(&scene);
}

/* As many bytes as a program can be given, and one less; one more is refused. */
static void test_size(void **state)
{
	static char head[2 * SPAWN_ENV_MAX];
	struct scene scene;
	char *env;
	size_t len, at, fill = 0;
	(void)state;

	scene_init(&scene);
	for (size_t want = SPAWN_ENV_MAX - 1; want <= SPAWN_ENV_MAX + 1; want++) {
		for (int round = 0; round < 2; round++) {
			at = (size_t)snprintf(head, sizeof(head), HEAD("/app/") "Host: a\r\n");
			for (int i = 0; i < 9; i++) {
				size_t part = i < 8 ? 8000 : fill;
				at += (size_t)snprintf(head + at, sizeof(head) - at, "X-%d: ", i);
				memset(head + at, 'v', part);
				at += part;
				at += (size_t)snprintf(head + at, sizeof(head) - at, "\r\n");
			}
			snprintf(head + at, sizeof(head) - at, "\r\n");
			scene_ask(&scene, head);
			int error = scene_build(&scene, NULL, &env, &len);
			if (round == 0 && error == 0) { /* how much is missing? */
				assert_true(len < want);
				fill += want - len;
				free(env);
				continue;
			}
			assert_int_equal(error, want > SPAWN_ENV_MAX ? -E2BIG : 0);
			if (error != 0)
				break;
			assert_int_equal(len, want);
			free(env);
		}
	}
	scene_done(&scene);
}

/* A name that comes again is one variable, where it came first, with the values in order. */
static void test_repeated(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell(&scene,
		HEAD("/app/") "Host: a\r\nX-One: 1\r\nX-Two: 2\r\nx-one: 3, 4\r\nX-ONE:\r\nX-One-More: "
			      "5\r\n\r\n",
		NULL);
	assert_non_null(
		strstr(env, "\nHTTP_HOST=a\nHTTP_X_ONE=1, 3, 4, \nHTTP_X_TWO=2\nHTTP_X_ONE_MORE=5\nWEB"));
	free(env);
	scene_done(&scene);
}

/* No two variables ever have one name, whatever a client calls its headers. */
static void test_distinct(void **state)
{
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell(&scene,
		HEAD("/app/") "Host: a\r\nX-A: 1\r\nX_A: 2\r\nx-a: 3\r\nHost-: 4\r\nA.B: 5\r\nA!B: 6\r\n\r\n",
		NULL);
	for (char *line = env; *line != '\0'; line = strchr(line, '\n') + 1) {
		size_t len = (size_t)(strchr(line, '=') + 1 - line);
		for (char *other = strchr(line, '\n') + 1; *other != '\0'; other = strchr(other, '\n') + 1)
			assert_int_not_equal(strncmp(line, other, len), 0);
	}
	free(env);
	scene_done(&scene);
}

/* Nothing that ends a line, or a string, gets as far as a value. */
static void test_controls(void **state)
{
	struct http_request request;
	char decoded[64];
	(void)state;

	for (int c = 0; c <= 0x7f; c++) {
		char head[] = HEAD("/app/") "Host: a\r\nX: b?c\r\n\r\n", escape[4];
		bool control = (c < 0x20 && c != '\t') || c == 0x7f;
		*strchr(head, '?') = (char)c;
		assert_int_equal(http_request_parse(&request, head, sizeof(head) - 1) < 0, control);
		snprintf(escape, sizeof(escape), "%%%02x", (unsigned)c);
		assert_int_equal(text_percent_decode(text_of(escape), decoded) < 0, control || c == '\t');
	}
}

/* Where the client and the server are, in digits; without a Host the server is called as it is bound. */
static void test_addresses(void **state)
{
	static const char head[] = "GET /app/ HTTP/1.0\r\n\r\n";
	struct scene scene;
	(void)state;

	scene_init(&scene);
	char *env = scene_tell(&scene, head, NULL);
	assert_non_null(strstr(env, "\nSERVER_NAME=127.0.0.1\nSERVER_PORT=8080\n"));
	free(env);

	scene.entrance.local = addr_v6("::1", 443);
	scene.client.addr = addr_v6("2001:db8::7", 65535);
	env = scene_tell(&scene, head, NULL);
	assert_non_null(strstr(env, "\nSERVER_NAME=::1\nSERVER_PORT=443\n"));
	assert_non_null(
		strstr(env, "\nREMOTE_ADDR=2001:db8::7\nREMOTE_HOST=2001:db8::7\nREMOTE_PORT=65535\n"));
	free(env);

	scene.client.addr = addr_v6("::ffff:192.0.2.9", 1);
	env = scene_tell(&scene, HEAD("/app/") "Host: [::1]:443\r\n\r\n", NULL);
	assert_non_null(strstr(env, "\nSERVER_NAME=::1\n"));
	assert_non_null(strstr(env, "\nREMOTE_ADDR=192.0.2.9\nREMOTE_HOST=192.0.2.9\nREMOTE_PORT=1\n"));
	free(env);

	scene.entrance.local = scene.client.addr = addr_unix();
	env = scene_tell(&scene, head, NULL);
	assert_non_null(strstr(env, "\nSERVER_NAME=unix\nSERVER_PORT=80\n"));
	assert_non_null(strstr(env, "\nREMOTE_ADDR=unix\nREMOTE_HOST=unix\n"));
	assert_null(strstr(env, "REMOTE_PORT"));
	free(env);

	scene.client.addr = addr_v4("192.0.2.9", 0);
	env = scene_tell(&scene, head, NULL);
	assert_non_null(strstr(env, "\nREMOTE_ADDR=192.0.2.9\nREMOTE_HOST=192.0.2.9\n"));
	assert_null(strstr(env, "REMOTE_PORT"));
	assert_null(strstr(env, "HTTPS"));
	free(env);
	scene.client.secure = true; /* with a proxy: of our own TLS there is nothing to say */
	env = scene_tell(&scene, head, NULL);
	assert_non_null(strstr(env, "\nSERVER_NAME=unix\nSERVER_PORT=443\n"));
	assert_non_null(strstr(env, "\nHTTPS=on\n"));
	assert_null(strstr(env, "SSL_"));
	free(env);
	scene_done(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_websocketd),
		cmocka_unit_test(test_cgi),
		cmocka_unit_test(test_cgi_length),
		cmocka_unit_test(test_cgi_translated),
		cmocka_unit_test(test_cgi_websocketd),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_distinct),
		cmocka_unit_test(test_controls),
		cmocka_unit_test(test_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
