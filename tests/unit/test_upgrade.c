/*
 * The opening handshake: what is one, what is none, and what is refused; subprotocols, extensions; which
 * Origins may come in. Requests go through the real parser, at the end of a readable page.
 */
#include "guard.h"
#include "http/upgrade.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROOM = 65536 };

/* OpenSSL's memory, which can be short. */
static bool short_of_memory;

static void *ssl_malloc(size_t len, const char *file, int line)
{
	(void)file, (void)line;
	return short_of_memory ? NULL : malloc(len);
}

static void *ssl_realloc(void *old, size_t len, const char *file, int line)
{
	(void)file, (void)line;
	return short_of_memory ? NULL : realloc(old, len);
}

static void ssl_free(void *old, const char *file, int line)
{
	(void)file, (void)line;
	free(old);
}

/* clang-format off */
#define KEY       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION   "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE   "Upgrade: websocket\r\n"
#define CONNECT   "Connection: Upgrade\r\n"
#define GET(h)    "GET /chat HTTP/1.1\r\nHost: gw:8080\r\n" h "\r\n"
#define GOOD(h)   GET(UPGRADE CONNECT KEY VERSION h)           /* a good handshake with these header lines */
#define FIRST(h)  "GET / HTTP/1.1\r\n" h "Host: gw\r\n" UPGRADE CONNECT KEY VERSION "\r\n"
#define EXTENSIONS(v) "Sec-WebSocket-Extensions: " v "\r\n"
#define KEYED(k)  GET(UPGRADE CONNECT VERSION "Sec-WebSocket-Key: " k "\r\n")

static const struct vector {
	int rule; /* of the parser's list; 0 for RFC 6455 4.2.1 in general */
	const char *head;
	int want; /* 1, 0, or an upgrade_error */
} vectors[] = {
	{ 0, GOOD(""), 1 },
	{ 0, GOOD("Origin: http://gw:8080\r\nCookie: a=b\r\n"), 1 },
	{ 0, GET(""), 0 },
	{ 0, GET(CONNECT), 0 },
	{ 0, GET(CONNECT KEY VERSION), 0 },
	{ 0, "HEAD / HTTP/1.1\r\nHost: gw\r\n\r\n", 0 },
	/* 15: Connection and Upgrade are lists of tokens; websocket stands alone */
	{ 15, GET("uPGRADE: WebSocket\r\nconnection: UPGRADE\r\n" KEY VERSION), 1 },
	{ 15, GET(UPGRADE "Connection: keep-alive, Upgrade\r\n" KEY VERSION), 1 },
	{ 15, GET(UPGRADE "Connection: keep-alive\r\nConnection: upgrade\r\n" KEY VERSION), 1 },
	{ 15, GET("Upgrade: , websocket ,\r\n" CONNECT KEY VERSION), 1 },
	{ 15, GET(UPGRADE KEY VERSION), UPGRADE_BAD_CONNECTION },
	{ 15, GET(UPGRADE "Connection:\r\n" KEY VERSION), UPGRADE_BAD_CONNECTION },
	{ 15, GET(UPGRADE "Connection: close\r\n" KEY VERSION), UPGRADE_BAD_CONNECTION },
	{ 15, GET(UPGRADE "Connection: notUpgradeX\r\n" KEY VERSION), UPGRADE_BAD_CONNECTION },
	{ 15, GET(UPGRADE "Connection: websocket\r\n" KEY VERSION), UPGRADE_BAD_CONNECTION },
	{ 15, GET("Upgrade: websocket, h2c\r\n" CONNECT KEY VERSION), UPGRADE_BAD_UPGRADE },
	{ 15, GET("Upgrade: h2c,websocket\r\n" CONNECT KEY VERSION), UPGRADE_BAD_UPGRADE },
	{ 15, GET("Upgrade: websocket, x\r\n" CONNECT KEY VERSION), UPGRADE_BAD_UPGRADE },
	{ 15, GET("Upgrade: h2c\r\n" CONNECT), 0 },
	{ 15, GET("Upgrade: websockets\r\n" CONNECT KEY VERSION), 0 },
	{ 15, GET("Upgrade: web socket\r\n" CONNECT KEY VERSION), 0 },
	{ 15, GET("Upgrade:\r\n" CONNECT KEY VERSION), 0 },
	/* 17: GET, HTTP/1.1, version, key */
	{ 17, "HEAD / HTTP/1.1\r\nHost: gw\r\n" UPGRADE CONNECT KEY VERSION "\r\n", UPGRADE_BAD_HTTP },
	{ 17, "GET / HTTP/1.0\r\nHost: gw\r\n" UPGRADE CONNECT KEY VERSION "\r\n", UPGRADE_BAD_HTTP },
	{ 17, GET(UPGRADE CONNECT KEY), UPGRADE_BAD_VERSION },
	{ 17, GET(UPGRADE CONNECT KEY "Sec-WebSocket-Version:\r\n"), UPGRADE_BAD_VERSION },
	{ 17, GET(UPGRADE CONNECT KEY "Sec-WebSocket-Version: 8\r\n"), UPGRADE_BAD_VERSION },
	{ 17, GET(UPGRADE CONNECT KEY "Sec-WebSocket-Version: 12\r\n"), UPGRADE_BAD_VERSION },
	{ 17, GET(UPGRADE CONNECT KEY "Sec-WebSocket-Version: 14\r\n"), UPGRADE_BAD_VERSION },
	{ 17, GET(UPGRADE CONNECT KEY "Sec-WebSocket-Version: 777\r\n"), UPGRADE_BAD_VERSION },
	{ 17, GET(UPGRADE CONNECT KEY "Sec-WebSocket-Version: 013\r\n"), UPGRADE_BAD_VERSION },
	{ 17, GET(UPGRADE CONNECT KEY "Sec-WebSocket-Version: 13, 8\r\n"), UPGRADE_BAD_VERSION },
	{ 17, GET(UPGRADE CONNECT "Sec-WebSocket-Version: 777\r\n"), UPGRADE_BAD_VERSION },
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAA=="), 1 },
	{ 17, KEYED("/+/+/+/+/+/+/+/+/+/+/w=="), 1 },
	{ 17, KEYED("  dGhlIHNhbXBsZSBub25jZQ== "), 1 },
	{ 17, GET(UPGRADE CONNECT VERSION), UPGRADE_BAD_KEY },
	{ 17, KEYED(""), UPGRADE_BAD_KEY },
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAA=="), UPGRADE_BAD_KEY },             /* 23 characters */
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAAA=="), UPGRADE_BAD_KEY },           /* 25 */
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAAAA"), UPGRADE_BAD_KEY },            /* 24: 18 bytes */
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAAA="), UPGRADE_BAD_KEY },            /* 24: 17 bytes */
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAA===="), UPGRADE_BAD_KEY },
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAA=A"), UPGRADE_BAD_KEY },
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAA--"), UPGRADE_BAD_KEY },
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAB=="), UPGRADE_BAD_KEY },            /* bits left over are not zero */
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAP=="), UPGRADE_BAD_KEY },
	{ 17, KEYED("AAAAAAAAAA=AAAAAAAAAAA=="), UPGRADE_BAD_KEY },
	{ 17, KEYED("AAAAAAAAAA-AAAAAAAAAAA=="), UPGRADE_BAD_KEY },            /* base64url */
	{ 17, KEYED("AAAAAAAAAA_AAAAAAAAAAA=="), UPGRADE_BAD_KEY },
	{ 17, KEYED("AAAAAAAAAA AAAAAAAAAAA=="), UPGRADE_BAD_KEY },
	{ 17, KEYED("AAAAAAAAAAAAAAAAAAAAAA==,"), UPGRADE_BAD_KEY },
	/* subprotocols: a list of distinct tokens */
	{ 0, GOOD("Sec-WebSocket-Protocol: chat\r\n"), 1 },
	{ 0, GOOD("Sec-WebSocket-Protocol: a,b , c\r\nSec-WebSocket-Protocol: d\r\n"), 1 },
	{ 0, GOOD("Sec-WebSocket-Protocol: chat, Chat\r\n"), 1 },
	{ 0, GOOD("Sec-WebSocket-Protocol:\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: ,\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: , ,,\r\nSec-WebSocket-Protocol:\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: a b\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: \"a\"\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: a/b\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: caf\xc3\xa9\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: chat%0d%0aX: y\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: a, b, a\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GOOD("Sec-WebSocket-Protocol: a,,a\r\n"), UPGRADE_BAD_PROTOCOL },
	/* extensions: a list that can be read (9.1); what is in it is nobody's fault */
	{ 0, GOOD(EXTENSIONS("foo")), 1 },
	{ 0, GOOD(EXTENSIONS("bar; baz=2")), 1 },
	{ 0, GOOD(EXTENSIONS("foo, bar; baz=2")), 1 },
	{ 0, GOOD(EXTENSIONS("foo") EXTENSIONS("bar; baz=2")), 1 },
	{ 0, GOOD(EXTENSIONS("deflate-stream")), 1 },
	{ 0, GOOD(EXTENSIONS("mux; max-channels=4; flow-control, deflate-stream")), 1 },
	{ 0, GOOD(EXTENSIONS("private-extension")), 1 },
	{ 0, GOOD(EXTENSIONS("permessage-deflate; client_max_window_bits")), 1 },
	{ 0, GOOD(EXTENSIONS("permessage-deflate; server_max_window_bits=99, bogus")), 1 },
	{ 0, GOOD(EXTENSIONS("permessage-deflate; server_max_window_bits=\"\"")), 1 },
	{ 0, GOOD(EXTENSIONS("a; b=\"c d\"; e=\"\\\"\"")), 1 },
	{ 0, GOOD(EXTENSIONS(", a,, b ,")), 1 },
	{ 0, GOOD(EXTENSIONS("") EXTENSIONS("a") EXTENSIONS(",")), 1 },
	{ 0, GOOD(EXTENSIONS("a") EXTENSIONS("a")), 1 },
	{ 0, GOOD(EXTENSIONS("")), UPGRADE_BAD_EXTENSIONS },                     /* 1#extension: none is too few */
	{ 0, GOOD(EXTENSIONS(" , ,,")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("") EXTENSIONS(",")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("a b")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("a;")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("a=1")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("a; b=")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("\"permessage-deflate\"")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("permessage-deflate; server_max_window_bits=\"")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("a; b=\"\\c\\c\\c")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("a") EXTENSIONS("b;") EXTENSIONS("c")), UPGRADE_BAD_EXTENSIONS },
	{ 0, GOOD(EXTENSIONS("a; b=\"c") EXTENSIONS("d\"")), UPGRADE_BAD_EXTENSIONS },  /* each is a list of its own */
	/* lists may come first of all */
	{ 0, FIRST(EXTENSIONS("a")), 1 },
	{ 0, FIRST(EXTENSIONS("a;")), UPGRADE_BAD_EXTENSIONS },
	{ 0, FIRST("Sec-WebSocket-Protocol: a b\r\n"), UPGRADE_BAD_PROTOCOL },
	/* ... and are judged last */
	{ 0, GOOD(EXTENSIONS("a;") "Sec-WebSocket-Protocol: a b\r\n"), UPGRADE_BAD_PROTOCOL },
	{ 0, GET(UPGRADE CONNECT VERSION EXTENSIONS("a;")), UPGRADE_BAD_KEY },
	{ 0, GET(EXTENSIONS("a;")), 0 },
};
/* clang-format on */

/* Parses and checks a head that the parser must take. */
static int check(
	const struct guard *guard, struct upgrade *out, struct http_request *request, const char *head)
{
	size_t len = strlen(head);
	int error = http_request_parse(request, (char *)guard_put(guard, head, len), len);

	if (error != 0)
		fail_msg("the parser says %d to:\n%s", error, head);
	return upgrade_check(out, request);
}

static void test_vectors(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct http_request request;
	struct upgrade up;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		int got = check(&guard, &up, &request, vectors[i].head);

		if (got != vectors[i].want)
			fail_msg("rule %d: %d, not %d, for:\n%s", vectors[i].rule, got, vectors[i].want,
				vectors[i].head);
	}
	guard_free(&guard);
}

/* What the handshake forbids and the parser already refuses. */
static void test_what_the_parser_refuses(void **state)
{
	static const struct {
		struct text head;
		int want;
	} rows[] = {
#define ROW(s, e) { { s, sizeof(s) - 1 }, e }
		ROW(GOOD(KEY), HTTP_BAD_REPEAT),
		ROW(GOOD(VERSION), HTTP_BAD_REPEAT),
		ROW(GOOD(UPGRADE), HTTP_BAD_REPEAT),
		ROW(GOOD("Origin: null\r\nOrigin: http://gw:8080\r\n"), HTTP_BAD_REPEAT),
		ROW(KEYED("AAAAAAAAAAAAAAAAAAAAA\n=="), HTTP_BAD_NEWLINE),
		ROW(KEYED("AAAAAAAAAAAAAAAAAAAAA\r=="), HTTP_BAD_NEWLINE),
		ROW(KEYED("AAAAAAAAAAAAAAAAAAAAA\0=="), HTTP_BAD_VALUE),
		ROW(GOOD("Content-Length: 5\r\n"), HTTP_BAD_BODY),
		ROW(GOOD("Transfer-Encoding: chunked\r\n"), HTTP_BAD_BODY),
		ROW("PUT / HTTP/1.1\r\nHost: gw\r\n" UPGRADE CONNECT KEY VERSION "\r\n", HTTP_BAD_METHOD),
#undef ROW
	};
	struct http_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			http_request_parse(&request, rows[i].head.ptr, rows[i].head.len), rows[i].want);
}

/* A parser that lets bodies through for others' sake does not let one into a handshake. */
static void test_a_body_is_refused_here_too(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct http_request request;
	struct upgrade up;

	(void)state;
	assert_int_equal(check(&guard, &up, &request, GOOD("X-Coding: chunked\r\n")), 1);
	request.content_length = 1;
	assert_int_equal(upgrade_check(&up, &request), UPGRADE_BAD_BODY);
	request.content_length = 0;
	request.headers[request.n_headers - 1].name = text_of("Transfer-Encoding");
	request.lens |= http_request_bit(strlen("Transfer-Encoding"));
	assert_int_equal(upgrade_check(&up, &request), UPGRADE_BAD_BODY);
	request.headers[request.n_headers - 1].name = text_of("X");
	request.method = text_of("POST");
	assert_int_equal(upgrade_check(&up, &request), UPGRADE_BAD_HTTP);
	guard_free(&guard);
}

/* The RFC's own example (1.3), and one computed with other software. */
static void test_accept(void **state)
{
	struct guard guard = guard_new(ROOM);
	char out[UPGRADE_ACCEPT_SIZE];
	const char *key = "dGhlIHNhbXBsZSBub25jZQ==";

	(void)state;
	upgrade_accept((struct text){ (char *)guard_put(&guard, key, 24), 24 }, out);
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	upgrade_accept(text_of("AAAAAAAAAAAAAAAAAAAAAA=="), out);
	assert_string_equal(out, "ICX+Yqv66kxgM0FcWaLWlFLwTAI=");
	guard_free(&guard);
}

/* There is a hash even without memory. */
static void test_accept_without_memory(void **state)
{
	char out[UPGRADE_ACCEPT_SIZE];

	(void)state;
	short_of_memory = true;
	upgrade_accept(text_of("dGhlIHNhbXBsZSBub25jZQ=="), out);
	short_of_memory = false;
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* Every character that may and may not be the last one before the padding. */
static void test_key_is_canonical(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char head[] = KEYED("AAAAAAAAAAAAAAAAAAAAAA==");
	char *last = strstr(head, "==") - 1;
	struct guard guard = guard_new(ROOM);
	struct http_request request;
	struct upgrade up;

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		*last = alphabet[i];
		assert_int_equal(check(&guard, &up, &request, head), i % 16 == 0 ? 1 : UPGRADE_BAD_KEY);
	}
	guard_free(&guard);
}

/* A good handshake that offers n subprotocols, p0 to pn, over two headers. */
static int check_offer(const struct guard *guard, struct upgrade *up, struct http_request *request, size_t n)
{
	char head[2048], *at = head;

	at += sprintf(at,
		"GET / HTTP/1.1\r\nHost: gw\r\n" UPGRADE CONNECT KEY VERSION "Sec-WebSocket-Protocol: p0");
	for (size_t i = 1; i < n; i++)
		at += sprintf(at, i == 20 ? "\r\nsec-websocket-protocol: p%zu" : ", p%zu", i);
	sprintf(at, "\r\n\r\n");
	return check(guard, up, request, head);
}

static void test_protocol_limit(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct http_request request;
	struct upgrade up;

	(void)state;
	assert_int_equal(check_offer(&guard, &up, &request, UPGRADE_PROTOCOLS_MAX - 1), 1);
	assert_int_equal(up.n_protocols, UPGRADE_PROTOCOLS_MAX - 1);
	assert_int_equal(check_offer(&guard, &up, &request, UPGRADE_PROTOCOLS_MAX), 1);
	assert_int_equal(up.n_protocols, UPGRADE_PROTOCOLS_MAX);
	assert_true(text_is(up.protocols[0], "p0"));
	assert_true(text_is(up.protocols[19], "p19"));
	assert_true(text_is(up.protocols[31], "p31"));
	assert_int_equal(check_offer(&guard, &up, &request, UPGRADE_PROTOCOLS_MAX + 1), UPGRADE_BAD_PROTOCOL);
	guard_free(&guard);
}

/* Empty elements and empty headers count for none, wherever they are. */
static void test_empty_elements(void **state)
{
	static const char *const heads[] = {
		GOOD("Sec-WebSocket-Protocol: a,,b\r\n"),
		GOOD("Sec-WebSocket-Protocol: ,a, , b,\r\n"),
		GOOD("Sec-WebSocket-Protocol: a,b, \r\n"),
		GOOD("Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: a,\r\nSec-WebSocket-Protocol: "
		     ",b\r\n"),
	};
	struct guard guard = guard_new(ROOM);
	struct http_request request;
	struct upgrade up;

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		assert_int_equal(check(&guard, &up, &request, heads[i]), 1);
		assert_int_equal(up.n_protocols, 2);
		assert_true(text_is(up.protocols[0], "a"));
		assert_true(text_is(up.protocols[1], "b"));
	}
	guard_free(&guard);
}

/* A handshake with as many headers as there may be, of which the last one is this. */
static int check_full(const struct guard *guard, struct upgrade *up, const char *last)
{
	struct http_request request;
	char head[4096];
	int n = sprintf(head, "GET / HTTP/1.1\r\nHost: gw\r\n" UPGRADE CONNECT KEY VERSION), verdict;

	for (int i = 5; i < HTTP_HEADERS_MAX - 1; i++)
		n += sprintf(head + n, "X: y\r\n");
	sprintf(head + n, "%s\r\n", last);
	verdict = check(guard, up, &request, head);
	assert_int_equal(request.n_headers, HTTP_HEADERS_MAX);
	return verdict;
}

static void test_full_request(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct upgrade up;

	(void)state;
	assert_int_equal(check_full(&guard, &up, "X: y\r\n"), 1);
	assert_int_equal(check_full(&guard, &up, EXTENSIONS("a")), 1);
	assert_int_equal(check_full(&guard, &up, EXTENSIONS("a;")), UPGRADE_BAD_EXTENSIONS);
	assert_int_equal(check_full(&guard, &up, "Sec-WebSocket-Protocol: a\r\n"), 1);
	assert_int_equal(up.n_protocols, 1);
	assert_int_equal(check_full(&guard, &up, "Sec-WebSocket-Protocol: a b\r\n"), UPGRADE_BAD_PROTOCOL);
	guard_free(&guard);
}

/* 8,000 spaces inside an offer are wrong; 8,000 commas are nothing. */
static void test_hostile_offers(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct http_request request;
	struct upgrade up;
	static const char fills[] = { ' ', '\t', ',' };

	(void)state;
	for (size_t i = 0; i < sizeof(fills); i++) {
		char head[9000];
		int len = sprintf(head, "GET / HTTP/1.1\r\nHost: gw\r\n" UPGRADE CONNECT KEY VERSION
					"Sec-WebSocket-Protocol: b");

		memset(head + len, fills[i], 8000);
		sprintf(head + len + 8000, "x\r\n\r\n");
		assert_int_equal(
			check(&guard, &up, &request, head), fills[i] == ',' ? 1 : UPGRADE_BAD_PROTOCOL);
	}
	assert_int_equal(up.n_protocols, 2);
	guard_free(&guard);
}

static void test_choose_protocol(void **state)
{
	struct upgrade up = { .protocols = { text_of("mqtt"), text_of("binary"), text_of("v1.x") },
		.n_protocols = 3 };
	struct upgrade one = { .protocols = { text_of("mqtt") }, .n_protocols = 1 }, none = { 0 };
	static const char *const first[] = { "v1.x", "mqtt" }, *const second[] = { "absent", "binary" },
				 *const folded[] = { "MQTT", "mqt", "mqttx", "" };

	(void)state;
	assert_int_equal(upgrade_choose_protocol(&up, NULL, 0), 0);
	assert_int_equal(upgrade_choose_protocol(&up, first, 2), 2);
	assert_int_equal(upgrade_choose_protocol(&up, first + 1, 1), 0);
	assert_int_equal(upgrade_choose_protocol(&up, second, 2), 1);
	assert_int_equal(upgrade_choose_protocol(&up, folded, 4), -1);
	assert_int_equal(upgrade_choose_protocol(&one, NULL, 0), 0);
	assert_int_equal(upgrade_choose_protocol(&none, NULL, 0), -1);
	assert_int_equal(upgrade_choose_protocol(&none, first, 2), -1);
}

static void test_statuses(void **state)
{
	(void)state;
	for (int error = UPGRADE_BAD_VERSION; error >= UPGRADE_BAD_EXTENSIONS; error--) {
		assert_int_equal(upgrade_status(error), error == UPGRADE_BAD_VERSION ? 426 : 400);
		for (int other = error - 1; other >= UPGRADE_BAD_EXTENSIONS - 1; other--)
			assert_string_not_equal(upgrade_reason(error), upgrade_reason(other));
	}
	assert_int_equal(upgrade_status(UPGRADE_BAD_EXTENSIONS - 1), 400);
	assert_string_equal(upgrade_reason(1), upgrade_reason(0)); /* what is no error */
}

/* One Origin against rules, on a plain listener (or a TLS one), asked for as a host and port. */
static const struct origin_vector {
	const char *origin;
	const char *rules; /* separated by spaces */
	const char *host, *port;
	bool tls, want;
} origins[] = {
	/* same: plain */
	{ "http://gw:8080", "same", "gw", "8080", false, true },
	{ "HTTP://GW:8080", "same", "gw", "8080", false, true },
	{ "http://gw:8080", "SAME", "GW", "8080", false, true },
	{ "http://gw", "same", "gw", "", false, true },
	{ "http://gw:80", "same", "gw", "", false, true },
	{ "http://gw", "same", "gw", "80", false, true },
	{ "http://gw:00080", "same", "gw", "80", false, true },
	{ "http://127.0.0.1:8080", "same", "127.0.0.1", "8080", false, true },
	{ "http://[::1]:8080", "same", "::1", "8080", false, true },
	{ "http://[2001:DB8::1]", "same", "2001:db8::1", "", false, true },
	{ "https://gw", "same", "gw", "", false, true }, /* behind a proxy that took TLS off */
	{ "https://gw", "same", "gw", "443", false, true },
	{ "https://gw:8443", "same", "gw", "8443", false, true },
	{ "https://gw", "same", "gw", "80", false, false },
	{ "http://gw", "same", "gw", "443", false, false },
	{ "http://gw", "same", "gw", "8080", false, false },
	{ "http://gw:8080", "same", "gw", "", false, false },
	{ "http://gw:8081", "same", "gw", "8080", false, false },
	{ "http://gw:90000", "same", "gw", "9000", false, false },
	{ "http://gw:90000", "same", "gw", "90000", false, false },
	{ "http://gw:9000", "same", "gw", "900", false, false },
	{ "https://evil.example", "same", "gw", "", false, false },
	{ "http://gw.evil.com", "same", "gw", "", false, false },
	{ "http://evilgw", "same", "gw", "", false, false },
	{ "http://gwevil", "same", "gw", "", false, false },
	{ "http://gw.", "same", "gw", "", false, false },
	{ "http://gw@evil", "same", "gw", "", false, false },
	{ "http://evil@gw", "same", "gw", "", false, false },
	{ "http://gw:8080@evil", "same", "gw", "8080", false, false },
	{ "http://gw/", "same", "gw", "", false, false },
	{ "http://gw/path", "same", "gw", "", false, false },
	{ "http://gw/80", "same", "gw", "", false, false },
	{ "http://gw.80", "same", "gw", "", false, false },
	{ "http://gw?q", "same", "gw", "", false, false },
	{ "http://gw#f", "same", "gw", "", false, false },
	{ "http://gw\\.evil", "same", "gw", "", false, false },
	{ "http://gw http://evil", "same", "gw", "", false, false },
	{ "http://gw,http://evil", "same", "gw", "", false, false },
	{ "http://gw:", "same", "gw", "", false, false },
	{ "http://gw:+80", "same", "gw", "", false, false },
	{ "http://:80", "same", "gw", "", false, false },
	{ "http://", "same", "gw", "", false, false },
	{ "http:gw", "same", "gw", "", false, false },
	{ "http:/gw", "same", "gw", "", false, false },
	{ "http:///gw", "same", "gw", "", false, false },
	{ "://gw", "same", "gw", "", false, false },
	{ "//gw", "same", "gw", "", false, false },
	{ "gw", "same", "gw", "", false, false },
	{ "gw:80", "same", "gw", "", false, false },
	{ "ftp://gw", "same", "gw", "", false, false },
	{ "ws://gw:8080", "same", "gw", "8080", false, false },
	{ "http+unix://gw", "same", "gw", "", false, false },
	{ "null", "same", "gw", "", false, false },
	{ "null", "same", "null", "", false, false },
	{ "", "same", "gw", "", false, false },
	{ "http://[::1]", "same", "[::1]", "", false, false },
	{ "http://::1", "same", "::1", "", false, false },
	{ "http://[::1", "same", "::1", "", false, false },
	{ "http://[::1%25lo]", "same", "::1", "", false, false },
	{ "http://", "same", "", "", false, false },
	/* same: TLS */
	{ "https://gw", "same", "gw", "", true, true },
	{ "https://gw:443", "same", "gw", "", true, true },
	{ "https://gw", "same", "gw", "443", true, true },
	{ "https://gw:8443", "same", "gw", "8443", true, true },
	{ "http://gw", "same", "gw", "", true, false },
	{ "http://gw:443", "same", "gw", "443", true, false },
	{ "https://gw", "same", "gw", "8443", true, false },
	/* any */
	{ "https://evil.example", "any", "gw", "", false, true },
	{ "https://evil.example", "*", "gw", "", true, true },
	{ "null", "any", "gw", "", false, true },
	{ "null", "*", "gw", "", false, true },
	{ "", "any", "gw", "", false, true },
	{ "no origin at all", "Any", "gw", "", false, true },
	/* null */
	{ "null", "null", "gw", "", false, true },
	{ "null", "https://a.example null", "gw", "", false, true },
	{ "http://null", "null", "gw", "", false, false },
	{ "nullx", "null", "gw", "", false, false },
	{ "", "null", "gw", "", false, false },
	{ "http://gw", "null", "gw", "", false, false },
	/* a value replaces the default */
	{ "http://gw", "https://a.example", "gw", "", false, false },
	{ "http://gw", "https://a.example same", "gw", "", false, true },
	{ "http://gw", "", "gw", "", false, false },
	/* full origins */
	{ "https://app.example.org", "https://app.example.org", "gw", "", false, true },
	{ "HTTPS://App.Example.Org", "https://app.example.org", "gw", "", false, true },
	{ "https://app.example.org", "HTTPS://App.Example.Org:443", "gw", "", true, true },
	{ "https://app.example.org:443", "https://app.example.org", "gw", "", false, true },
	{ "https://app.example.org:8443", "https://app.example.org:8443", "gw", "", false, true },
	{ "http://app.example.org", "http://app.example.org", "gw", "", true, true },
	{ "http://[::1]:3000", "http://[::1]:3000", "gw", "", false, true },
	{ "chrome-extension://abcdef", "chrome-extension://abcdef", "gw", "", false, true },
	{ "http://app.example.org", "https://app.example.org", "gw", "", false, false },
	{ "http://app.example.org:443", "https://app.example.org", "gw", "", false, false },
	{ "https://app.example.org:8443", "https://app.example.org", "gw", "", false, false },
	{ "https://app.example.org", "https://app.example.org:8443", "gw", "", false, false },
	{ "https://app.example.org.evil.com", "https://app.example.org", "gw", "", false, false },
	{ "https://xapp.example.org", "https://app.example.org", "gw", "", false, false },
	{ "https://app-example.org", "https://app.example.org", "gw", "", false, false },
	{ "https://app.example.org@evil.com", "https://app.example.org", "gw", "", false, false },
	{ "https://app.example.org/", "https://app.example.org/", "gw", "", false, false },
	{ "null", "https://app.example.org", "gw", "", false, false },
	{ "app://a.example", "app://a.example:1", "gw", "", false,
		false }, /* no default port, so none is it */
	{ "a://localhost", "a://localhost", "gw", "", false, true },
	{ "a://localhost", "b://localhost", "gw", "", false, false },
	/* names below one */
	{ "https://a.o", "*.o", "gw", "", false, true },
	{ "https://a.example.org", "*.example.org", "gw", "", false, true },
	{ "http://a.b.Example.ORG:8080", "*.example.org", "gw", "", true, true },
	{ "app://a.example.org", "*.example.org", "gw", "", false, true },
	{ "https://example.org", "*.example.org", "gw", "", false, false },
	{ "https://evilexample.org", "*.example.org", "gw", "", false, false },
	{ "https://.example.org", "*.example.org", "gw", "", false, false },
	{ "https://a.example.org.evil.com", "*.example.org", "gw", "", false, false },
	{ "https://evil.com/.example.org", "*.example.org", "gw", "", false, false },
	{ "https://evil.com#.example.org", "*.example.org", "gw", "", false, false },
	{ "https://a.example.org", "*.", "gw", "", false, false },
	{ "https://a.example.org.", "*.", "gw", "", false, false },
	{ "https://a.example.org", "*.*", "gw", "", false, false },
	{ "a.example.org", "*.example.org", "gw", "", false, false },
	/* host and port, any scheme */
	{ "http://localhost:9000", "localhost:9000", "gw", "", false, true },
	{ "https://LOCALHOST:9000", "localhost:9000", "gw", "", true, true },
	{ "http://[::1]:9000", "[::1]:9000", "gw", "", false, true },
	{ "http://localhost", "localhost:80", "gw", "", false, true },
	{ "https://localhost", "localhost:443", "gw", "", false, true },
	{ "http://localhost", "localhost", "gw", "", false, true },
	{ "https://localhost", "localhost", "gw", "", false, true },
	{ "http://localhost:9000", "localhost", "gw", "", false, false },
	{ "http://localhost:90000", "localhost:9000", "gw", "", false, false },
	{ "http://localhost:900", "localhost:9000", "gw", "", false, false },
	{ "http://localhost.evil:9000", "localhost:9000", "gw", "", false, false },
	{ "https://localhost", "localhost:80", "gw", "", false, false },
	{ "localhost:9000", "localhost:9000", "gw", "", false, false },
	{ "http://localhost:9000", "://localhost:9000", "gw", "", false, false },
	{ "app://localhost", "localhost:9000", "gw", "", false, false },
};

/* Splits the rules, puts the Origin at the guard page, and asks. */
static bool ask(const struct guard *guard, const struct origin_vector *v)
{
	char words[256];
	const char *rules[8];
	size_t n = 0, len = strlen(v->origin);
	char *saved, *word;

	snprintf(words, sizeof(words), "%s", v->rules);
	for (word = strtok_r(words, " ", &saved); word != NULL; word = strtok_r(NULL, " ", &saved))
		rules[n++] = word;
	return upgrade_origin_allowed((struct text){ (char *)guard_put(guard, v->origin, len), len }, rules,
		n, text_of(v->host), text_of(v->port), v->tls);
}

static void test_origins(void **state)
{
	struct guard guard = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		const struct origin_vector *v = &origins[i];

		if (ask(&guard, v) != v->want)
			fail_msg("origin \"%s\", rules \"%s\", host %s, port \"%s\", %s: must %sbe allowed",
				v->origin, v->rules, v->host, v->port, v->tls ? "TLS" : "plain",
				v->want ? "" : "not ");
	}
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_what_the_parser_refuses),
		cmocka_unit_test(test_a_body_is_refused_here_too),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_accept_without_memory),
		cmocka_unit_test(test_key_is_canonical),
		cmocka_unit_test(test_protocol_limit),
		cmocka_unit_test(test_empty_elements),
		cmocka_unit_test(test_full_request),
		cmocka_unit_test(test_hostile_offers),
		cmocka_unit_test(test_choose_protocol),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_origins),
	};

	if (CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
