/*
 * Tests of responses: the bytes of each kind, whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "gate/reply.h"
#include "rig.h"
#include "test_conf.h"

/* A stream, and who reads it. */
struct reader {
	struct rig rig;
	struct stream stream;
	const struct config *config;
	int fd;
	char got[1 << 17];
	size_t n_got;
};

static void reader_on_sent(void *arg)
{
	(void)arg;
}

static const struct stream_hooks reader_hooks = { .on_sent = reader_on_sent };

static struct reader *reader_new(void)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int fds[2];

	assert_non_null(reader);
	rig_init(&reader->rig);
	reader->config = conf_good("[route /x]\nexec = cat\n"
				   "header = X-All: a\nheader = Strict-Transport-Security: max-age=1\n"
				   "header_http = X-Plain: p\nheader_ws = X-Socket: s\n"
				   "[route /own]\nexec = cat\n"
				   "header = x-frame-options: DENY\nheader = Cache-Control: max-age=9\n"
				   "header_http = Referrer-Policy: origin\n"
				   "header_ws = X-Content-Type-Options: ws\n");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	reader->fd = fds[1];
	stream_open(&reader->stream, &reader->rig.loop, fds[0], fds[0], &reader_hooks, NULL);
	return reader;
}

static void reader_free(struct reader *reader)
{
	stream_close(&reader->stream);
	close(reader->fd);
	config_unref(reader->config);
	rig_done(&reader->rig);
	free(reader);
}

/* Reads until nothing is left to be sent. */
static void reader_read(struct reader *reader)
{
	reader->n_got = 0;
	stream_flush(&reader->stream);
	for (;;) {
		ssize_t n = read(
			reader->fd, reader->got + reader->n_got, sizeof(reader->got) - reader->n_got - 1);
		if (n > 0)
			reader->n_got += (size_t)n;
		else if (!stream_has_queue(&reader->stream))
			break;
		rig_turn(&reader->rig);
	}
	reader->got[reader->n_got] = '\0';
}

/* What was sent must be `first`, a Date, and `rest`. */
static void reader_expect(struct reader *reader, const char *first, const char *rest)
{
	enum { DATE = sizeof("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n") - 1 };
	const char *date = reader->got + strlen(first);

	reader_read(reader);
	assert_true(reader->n_got >= strlen(first) + DATE);
	assert_memory_equal(reader->got, first, strlen(first));
	assert_memory_equal(date, "Date: ", 6);
	assert_memory_equal(date + DATE - 6, " GMT\r\n", 6);
	assert_string_equal(date + DATE, rest);
}

#define EMBED                                           \
	"Cross-Origin-Resource-Policy: same-origin\r\n" \
	"X-Frame-Options: SAMEORIGIN\r\n"
#define ALWAYS	    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n" EMBED
#define ALWAYS_FILE "X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n" EMBED

/* A response with a body, with all that a route adds to a plain one. */
static void test_body(void **state)
{
	struct reader *reader = reader_new();
	struct reply reply = { .status = 200,
		.type = "text/html",
		.policy = "default-src 'none'",
		.body = "b\0dy",
		.len = 4,
		.route = &reader->config->routes[0] };
	(void)state;

	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 200 OK\r\n",
		"Content-Type: text/html\r\nContent-Length: 4\r\nContent-Security-Policy: default-src "
		"'none'\r\n" ALWAYS
		"X-All: a\r\nStrict-Transport-Security: max-age=1\r\nX-Plain: p\r\n\r\nb");
	assert_memory_equal(reader->got + reader->n_got - 4, "b\0dy", 4);
	reader_free(reader);
}

/* A head whose body comes later, or not at all. */
static void test_head(void **state)
{
	struct reader *reader = reader_new();
	struct reply reply = { .status = 200, .type = "a/b", .len = UINT64_MAX };
	(void)state;

	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 200 OK\r\n",
		"Content-Type: a/b\r\nContent-Length: 18446744073709551615\r\n" ALWAYS "\r\n");
	reader_free(reader);
}

#define FACTS .type = "a/b", .etag = "\"e\"", .modified = "now", .is_file = true

/* A file: what caches and those who resume must know. */
static void test_file(void **state)
{
	struct reader *reader = reader_new();
	struct reply reply = { .status = 200, FACTS, .len = 7 };
	(void)state;

	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 200 OK\r\n",
		"Content-Type: a/b\r\nContent-Length: 7\r\nAccept-Ranges: bytes\r\n" ALWAYS_FILE
		"Cache-Control: no-cache\r\nETag: \"e\"\r\nLast-Modified: now\r\n"
		"Vary: Accept-Encoding\r\n\r\n");
	reply = (struct reply){ .status = 206, FACTS, .len = 2, .encoding = "gzip", .range = "bytes 1-2/7" };
	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 206 Partial Content\r\n",
		"Content-Type: a/b\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n"
		"Content-Range: bytes 1-2/7\r\nAccept-Ranges: bytes\r\n" ALWAYS_FILE
		"Cache-Control: no-cache\r\nETag: \"e\"\r\nLast-Modified: now\r\n"
		"Vary: Accept-Encoding\r\n\r\n");
	reply = (struct reply){ .status = 304, FACTS };
	reply.type = NULL;
	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 304 Not Modified\r\n",
		"Accept-Ranges: bytes\r\n" ALWAYS_FILE
		"Cache-Control: no-cache\r\nETag: \"e\"\r\nLast-Modified: now\r\n"
		"Vary: Accept-Encoding\r\n\r\n");
	reply = (struct reply){ .status = 416, .range = "bytes */7", .is_file = true };
	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 416 Range Not Satisfiable\r\n",
		"Content-Length: 0\r\nContent-Range: bytes */7\r\nAccept-Ranges: bytes\r\n" ALWAYS_FILE
		"Cache-Control: no-store\r\nVary: Accept-Encoding\r\n\r\n");
	reader_free(reader);
}

/* A header that the operator sets takes the place of ours, whatever its case; one for upgrades does not. */
static void test_replaced(void **state)
{
	struct reader *reader = reader_new();
	struct reply reply = { .status = 200, FACTS, .route = &reader->config->routes[1] };
	(void)state;

	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 200 OK\r\n",
		"Content-Type: a/b\r\nContent-Length: 0\r\nAccept-Ranges: bytes\r\n"
		"X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n"
		"ETag: \"e\"\r\nLast-Modified: now\r\nVary: Accept-Encoding\r\n"
		"x-frame-options: DENY\r\nCache-Control: max-age=9\r\nReferrer-Policy: origin\r\n\r\n");
	reader_free(reader);
}

/* A redirect has no body, but says so. */
static void test_location(void **state)
{
	struct reader *reader = reader_new();
	struct reply reply = { .status = 301, .location = "/x/" };
	(void)state;

	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 301 Moved Permanently\r\n",
		"Content-Length: 0\r\nLocation: /x/\r\n" ALWAYS "\r\n");
	reader_free(reader);
}

/* Refusals are not kept in caches, and say what each status wants said. */
static void test_refusals(void **state)
{
	static const struct {
		struct reply reply;
		const char *first, *more;
	} refusals[] = {
		{ { .status = 404 }, "HTTP/1.1 404 Not Found\r\n", "" },
		{ { .status = 400, .close = true }, "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n" },
		{ { .status = 405, .allow = "GET, HEAD", .close = true },
			"HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\nConnection: close\r\n" },
		{ { .status = 426, .upgrade = true }, "HTTP/1.1 426 Upgrade Required\r\n",
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n" },
		{ { .status = 426, .upgrade = true, .close = true }, "HTTP/1.1 426 Upgrade Required\r\n",
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: close, Upgrade\r\n" },
		{ { .status = 503, .retry_after = 1, .close = true }, "HTTP/1.1 503 Service Unavailable\r\n",
			"Retry-After: 1\r\nConnection: close\r\n" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct reader *reader = reader_new();
		struct reply reply = refusals[i].reply;
		char rest[512];
		reply.type = "text/plain";
		reply.body = "No.\n";
		reply.len = 4;
		snprintf(rest, sizeof(rest),
			"Content-Type: text/plain\r\nContent-Length: 4\r\n" ALWAYS
			"Cache-Control: no-store\r\n%s\r\nNo.\n",
			refusals[i].more);
		assert_int_equal(reply_send(&reader->stream, &reply), 0);
		reader_expect(reader, refusals[i].first, rest);
		reader_free(reader);
	}
}

/* The answer to an opening handshake: nothing of a response, what the route adds to one of these. */
static void test_switch(void **state)
{
	static const struct {
		struct reply_switch reply;
		const char *more;
	} rows[] = {
		{ { .accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }, "" },
		{ { .accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", .protocol = "chat", .extensions = "a; b" },
			"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: a; b\r\n" },
	};
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		struct reader *reader = reader_new();
		char rest[512];
		snprintf(rest, sizeof(rest),
			"Upgrade: websocket\r\nConnection: Upgrade\r\n"
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n%s"
			"X-All: a\r\nStrict-Transport-Security: max-age=1\r\nX-Socket: s\r\n\r\n",
			rows[i].more);
		assert_int_equal(
			reply_send_switch(&reader->stream, &rows[i].reply, &reader->config->routes[0]), 0);
		reader_expect(reader, "HTTP/1.1 101 Switching Protocols\r\n", rest);
		reader_free(reader);
	}
}

/* A body that is larger than what one write takes comes whole, and needs to live only for the call. */
static void test_large(void **state)
{
	struct reader *reader = reader_new();
	size_t len = 100000;
	char *body = malloc(len);
	struct reply reply = { .status = 200, .type = "a/b", .body = body, .len = len };
	int small = 4096;
	(void)state;

	for (size_t i = 0; i < len; i++)
		body[i] = (char)('a' + i % 23);
	assert_int_equal(setsockopt(reader->stream.out.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(reply_send(&reader->stream, &reply), 0);
	stream_flush(&reader->stream);
	assert_true(stream_has_queue(&reader->stream));
	memset(body, '!', len);
	reader_read(reader);
	assert_true(reader->n_got > len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(reader->got[reader->n_got - len + i], 'a' + i % 23);
	free(body);
	reader_free(reader);
}

/* A program's head, which is parsed in place. */
static struct cgihead head_of(const char *text)
{
	struct cgihead head;
	assert_int_equal(cgihead_parse(&head, text, strlen(text)), 0);
	return head;
}

/* What a program says, once; what is ours, once; what the route says wins, but cookies are everybody's. */
static void test_program(void **state)
{
	struct reader *reader = reader_new();
	struct cgihead head = head_of("Content-Type: text/plain\nX-All: own\nSet-Cookie: a=1\nX-Own: x\n\n");
	struct reply_program reply = { .head = &head, .chunked = true, .route = &reader->config->routes[0] };
	(void)state;

	assert_int_equal(reply_send_program(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 200 OK\r\n",
		"Content-Type: text/plain\r\nSet-Cookie: a=1\r\nX-Own: x\r\nTransfer-Encoding: chunked\r\n"
		"X-Content-Type-Options: nosniff\r\nX-All: a\r\nStrict-Transport-Security: max-age=1\r\n"
		"X-Plain: p\r\n\r\n");
	head = head_of("Status: 299 Made so\nLocation: http://a/\nx-content-type-options: own\n"
		       "x-frame-options: own\n\n");
	reply = (struct reply_program){ .head = &head,
		.has_length = true,
		.len = 7,
		.close = true,
		.route = &reader->config->routes[1] };
	assert_int_equal(reply_send_program(&reader->stream, &reply), 0);
	reader_expect(reader, "HTTP/1.1 299 Made so\r\n",
		"Location: http://a/\r\nx-content-type-options: own\r\nContent-Length: 7\r\n"
		"Connection: close\r\nx-frame-options: DENY\r\nCache-Control: max-age=9\r\n"
		"Referrer-Policy: origin\r\n\r\n");
	reader_free(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_location),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
