/*
 * Tests of HTTP on a connection: heads in pieces and requests in a row, responses that a slow client takes
 * its time for, how a connection ends and when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "gate/exchange.h"
#include "interrupted.h"
#include "rig.h"
#include "test_conf.h"
#include "wire.h"

enum { HANDSHAKE_MS = 10000, MAX_HEADER = 1024, BIG = 3000000, GOT_MAX = 8 << 20 };

/* The directory that is served: hello.txt, empty.txt, big.bin, dir/index.html. */
static char place[64];
static uint8_t *big_bytes;

/* A connection, its client, and what its owner hears. */
struct guest {
	struct rig rig;
	struct limits limits;
	struct gate gate;
	const struct config *config;
	struct entrance entrance;
	struct client client;
	struct stream stream;
	struct exchange exchange;
	int fd; /* the client's end; -1 once closed */
	unsigned n_upgrades, n_gone;
	bool refuse_now;
	char *rest;
	size_t n_rest;
	char *got; /* by the client, NUL-terminated */
	size_t n_got;
	bool got_eof;
	int got_error;
};

static void guest_on_upgrade(void *arg, const struct exchange_upgrade *upgrade)
{
	struct guest *guest = arg;
	guest->n_upgrades++;
	assert_string_equal(upgrade->match->route->pattern, "/ws");
	if (guest->refuse_now)
		exchange_refuse(&guest->exchange, 503, "full", "Try again.\n", 7);
}

static void guest_on_gone(void *arg)
{
	struct guest *guest = arg;
	guest->n_gone++;
	assert_false(stream_is_open(&guest->stream));
}

static const struct exchange_hooks guest_hooks = { .on_upgrade = guest_on_upgrade, .on_gone = guest_on_gone };
static const struct stream_hooks no_hooks;

/* HTTP begins, so long after the accept. */
static void guest_open(struct guest *guest, uint64_t spent_ms)
{
	exchange_open(&guest->exchange, &guest->gate, guest->config, &guest->entrance, &guest->client,
		&guest->stream, spent_ms, &guest_hooks, guest);
}

static struct guest *guest_new_with(bool small)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	char ini[1024];
	int fds[2];

	assert_non_null(guest);
	guest->got = calloc(1, GOT_MAX + 1);
	rig_init(&guest->rig);
	snprintf(ini, sizeof(ini),
		"[listen main]\naddress = 127.0.0.1:0\nhandshake_timeout = %dms\nmax_header = %d\n"
		"[route /*]\nstatic = %s\n"
		"[route /con]\nconsole = yes\n"
		"[route /ws]\nconnect = tcp://127.0.0.1:9\n",
		HANDSHAKE_MS, MAX_HEADER, place);
	guest->config = conf_good(ini);
	assert_int_equal(limits_init(&guest->limits, guest->config->n_routes), 0);
	guest->gate =
		(struct gate){ .loop = &guest->rig.loop, .config = guest->config, .limits = &guest->limits };
	guest->entrance = (struct entrance){ .name = guest->config->listens[0].name };
	wire_new(fds, small);
	guest->fd = fds[1];
	guest->client.addr.len = sizeof(guest->client.addr.u);
	assert_int_equal(getpeername(fds[0], &guest->client.addr.u.sa, &guest->client.addr.len), 0);
	stream_open(&guest->stream, &guest->rig.loop, fds[0], fds[0], &no_hooks, NULL);
	guest_open(guest, 0);
	return guest;
}

static struct guest *guest_new(void)
{
	return guest_new_with(false);
}

static void guest_free(struct guest *guest)
{
	assert_in_range(guest->n_gone, 0, 1);
	exchange_done(&guest->exchange);
	exchange_done(&guest->exchange);
	stream_close(&guest->stream);
	if (guest->fd >= 0)
		close(guest->fd);
	free(guest->rest);
	free(guest->got);
	config_unref(guest->config);
	limits_done(&guest->limits);
	rig_done(&guest->rig);
	free(guest);
}

/* The client reads what is there, at most so much. */
static void guest_read(struct guest *guest, size_t max)
{
	if (guest->got_eof || guest->got_error != 0)
		return;
	assert_true(guest->n_got + max <= GOT_MAX);
	ssize_t n = read(guest->fd, guest->got + guest->n_got, max);
	if (n > 0)
		guest->n_got += (size_t)n;
	else if (n == 0)
		guest->got_eof = true;
	else if (errno != EAGAIN)
		guest->got_error = errno;
	guest->got[guest->n_got] = '\0';
}

/* Turns and reads; lets some time pass when nothing came: the last piece of a file looks now and then. */
static void guest_take(struct guest *guest)
{
	size_t before = guest->n_got;
	rig_turn(&guest->rig);
	guest_read(guest, 65536);
	if (guest->n_got == before)
		rig_wait(&guest->rig);
}

/* Turns and reads until nothing comes any more. */
static void guest_settle(struct guest *guest)
{
	for (int quiet = 0; quiet < 8; quiet++) {
		size_t before = guest->n_got;
		rig_turn(&guest->rig);
		guest_read(guest, 65536);
		if (guest->n_got != before)
			quiet = 0;
	}
}

static void guest_say(struct guest *guest, const char *words)
{
	wire_write(guest->fd, words, strlen(words));
}

/* How often a word is in what the client got. */
static unsigned guest_count(const struct guest *guest, const char *word)
{
	unsigned n = 0;
	for (const char *at = guest->got; (at = strstr(at, word)) != NULL; at += strlen(word))
		n++;
	return n;
}

/* The body of the only response, whose Content-Length must be what came. */
static const char *guest_body(const struct guest *guest)
{
	const char *body = strstr(guest->got, "\r\n\r\n"), *len = strstr(guest->got, "Content-Length: ");
	assert_non_null(body);
	assert_non_null(len);
	assert_int_equal(strtoul(len + 16, NULL, 10), guest->n_got - (size_t)(body + 4 - guest->got));
	return body + 4;
}

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define HEAD(path) "HEAD " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define UPGRADE                                                                                \
	"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/* The head cut in two at every place, and byte by byte: the same response. */
static void test_split(void **state)
{
	static const char request[] = GET("/hello.txt");
	(void)state;

	for (size_t cut = 1; cut < sizeof(request); cut++) {
		struct guest *guest = guest_new();
		wire_write(guest->fd, request, cut);
		rig_turns(&guest->rig, 2);
		assert_int_equal(guest->stream.out.n_written == 0, cut < sizeof(request) - 1);
		if (cut < sizeof(request) - 1)
			wire_write(guest->fd, request + cut, sizeof(request) - 1 - cut);
		guest_settle(guest);
		assert_memory_equal(guest->got, "HTTP/1.1 200 OK\r\n", 17);
		assert_string_equal(guest_body(guest), "hello\n");
		guest_free(guest);
	}
	struct guest *guest = guest_new();
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		wire_write(guest->fd, request + i, 1);
		rig_turn(&guest->rig);
	}
	guest_settle(guest);
	assert_string_equal(guest_body(guest), "hello\n");
	assert_false(guest->got_eof);
	guest_free(guest);
}

/* Several requests in one segment, also with a part of one behind: all of them answered, in order. */
static void test_pipelined(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	guest_say(guest, GET("/hello.txt") GET("/empty.txt") GET("/con") GET("/hello.txt") "GET /dir/ HT");
	guest_settle(guest);
	assert_int_equal(guest_count(guest, "HTTP/1.1 200 OK\r\n"), 4);
	assert_int_equal(guest_count(guest, "hello\n"), 2);
	guest->n_got = 0;
	guest_say(guest, "TP/1.1\r\nHost: localhost\r\n\r\n");
	guest_settle(guest);
	assert_string_equal(guest_body(guest), "dir");
	assert_false(guest->got_eof);
	assert_int_equal(rig_logged(&guest->rig, "msg=request"), 5);
	guest_free(guest);
}

/* A response of which the client takes its time is not overtaken by the next one, and comes whole. */
static void test_pipelined_behind_big(void **state)
{
	struct guest *guest = guest_new_with(true);
	(void)state;

	guest_say(guest, GET("/big.bin") GET("/hello.txt") GET("/big.bin") GET("/hello.txt"));
	for (int i = 0; i < 200000 && guest->n_got < 2 * BIG + 1000; i++) {
		guest_take(guest);
		assert_in_range(stream_queued(&guest->stream), 0, 3 * 65536);
	}
	guest_settle(guest);
	const char *at = guest->got;
	for (int i = 0; i < 2; i++) {
		at = strstr(at, "\r\n\r\n");
		assert_non_null(at);
		at += 4;
		assert_memory_equal(at, big_bytes, BIG);
		at += BIG;
		assert_memory_equal(at, "HTTP/1.1 200 OK\r\n", 17);
		at = strstr(at, "\r\n\r\nhello\n");
		assert_non_null(at);
		at += 10;
	}
	assert_int_equal(at - guest->got, guest->n_got);
	guest_free(guest);
}

/* The requests of one connection are counted: one less goes on, the last one says that it is, one more is not
 * answered. */
static void test_requests_max(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	for (int i = 1; i < EXCHANGE_REQUESTS_MAX; i++)
		guest_say(guest, GET("/empty.txt"));
	guest_settle(guest);
	assert_int_equal(guest_count(guest, "HTTP/1.1 200 OK\r\n"), EXCHANGE_REQUESTS_MAX - 1);
	assert_int_equal(guest_count(guest, "Connection: close"), 0);
	assert_false(guest->got_eof);
	guest->n_got = 0;
	guest_say(guest, GET("/empty.txt") GET("/empty.txt"));
	guest_settle(guest);
	assert_int_equal(guest_count(guest, "HTTP/1.1 200 OK\r\n"), 1);
	assert_int_equal(guest_count(guest, "Connection: close"), 1);
	assert_true(guest->got_eof);
	guest_free(guest);
}

/* A client that asks for the end gets it after the response. */
static void test_client_closes(void **state)
{
	static const char *const requests[] = {
		"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"GET /hello.txt HTTP/1.0\r\n\r\n",
	};
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		struct guest *guest = guest_new();
		guest_say(guest, requests[i]);
		guest_settle(guest);
		assert_string_equal(guest_body(guest), "hello\n");
		assert_int_equal(guest_count(guest, "Connection: close"), 1);
		assert_true(guest->got_eof);
		assert_int_equal(guest->n_gone, 0);
		close(guest->fd);
		guest->fd = -1;
		rig_until(&guest->rig, guest->n_gone == 1);
		guest_free(guest);
	}
}

/* A client that never says a word is closed without one; not before its time. */
static void test_silent(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	rig_skip(HANDSHAKE_MS - 500);
	guest_settle(guest);
	assert_int_equal(guest->n_gone, 0);
	rig_skip(500);
	guest_settle(guest);
	assert_int_equal(guest->n_gone, 1);
	assert_int_equal(guest->n_got, 0);
	assert_true(guest->got_eof);
	guest_free(guest);
}

/* The time for the first head runs from the accept, whatever came before HTTP. */
static void test_time_spent_before(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	exchange_done(&guest->exchange);
	guest_open(guest, HANDSHAKE_MS - 1000);
	rig_skip(900);
	guest_settle(guest);
	assert_int_equal(guest->n_gone, 0);
	rig_skip(100);
	guest_settle(guest);
	assert_int_equal(guest->n_gone, 1);
	guest_free(guest);
	guest = guest_new();
	exchange_done(&guest->exchange);
	guest_open(guest, HANDSHAKE_MS); /* none is left */
	rig_skip(10);
	guest_settle(guest);
	assert_int_equal(guest->n_gone, 1);
	guest_free(guest);
}

/* One that has begun a head is told; more bytes of it do not win time. */
static void test_slow_head(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	static const char head[] = "GET /slow";
	for (int i = 0; i < 9; i++) {
		wire_write(guest->fd, head + i, 1);
		rig_turn(&guest->rig);
		rig_skip(HANDSHAKE_MS / 10);
		guest_settle(guest);
		assert_int_equal(guest->n_got, 0);
	}
	guest_say(guest, "x");
	rig_skip(HANDSHAKE_MS / 10);
	guest_settle(guest);
	assert_memory_equal(guest->got, "HTTP/1.1 408 ", 13);
	assert_true(strlen(guest_body(guest)) > 0);
	assert_int_equal(guest_count(guest, "Connection: close"), 1);
	assert_true(guest->got_eof);
	assert_int_equal(rig_logged(&guest->rig, "status=408"), 1);
	guest_free(guest);
}

/* Between two requests a connection has its own time, which ends without a word. */
static void test_keepalive_time(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	guest_say(guest, GET("/empty.txt"));
	guest_settle(guest);
	guest->n_got = 0;
	rig_skip(EXCHANGE_KEEPALIVE_MS - 500);
	guest_settle(guest);
	assert_int_equal(guest->n_gone, 0);
	guest_say(guest, GET("/empty.txt"));
	guest_settle(guest);
	assert_int_equal(guest_count(guest, "HTTP/1.1 200 OK\r\n"), 1);
	guest->n_got = 0;
	rig_skip(EXCHANGE_KEEPALIVE_MS);
	guest_settle(guest);
	assert_int_equal(guest->n_gone, 1);
	assert_int_equal(guest->n_got, 0);
	guest_free(guest);
}

/* A later head has handshake_timeout from its first byte. The 408 is a response of its own: not that to the
 * HEAD before, and not logged as it. */
static void test_slow_later_head(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	guest_say(guest, HEAD("/hello.txt"));
	guest_settle(guest);
	guest->n_got = 0;
	rig_skip(EXCHANGE_KEEPALIVE_MS - 1000);
	guest_say(guest, "G");
	guest_settle(guest);
	rig_skip(HANDSHAKE_MS - 500);
	guest_settle(guest);
	assert_int_equal(guest->n_got, 0);
	rig_skip(500);
	guest_settle(guest);
	assert_memory_equal(guest->got, "HTTP/1.1 408 ", 13);
	assert_true(strlen(guest_body(guest)) > 0);
	assert_int_equal(rig_logged(&guest->rig, "path=/hello.txt"), 1);
	guest_free(guest);
}

/* What came in time is answered, though the time is over when the process gets the CPU again: once of each
 * head, so that bytes that trickle win a turn and no more. */
static void test_stood_still(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	guest_say(guest, GET("/hello.txt"));
	rig_skip(HANDSHAKE_MS + 10);
	interrupted = true;
	guest_settle(guest);
	assert_false(interrupted);
	assert_string_equal(guest_body(guest), "hello\n");
	guest->n_got = 0;
	guest_say(guest, GET("/dir/"));
	rig_skip(EXCHANGE_KEEPALIVE_MS + 10);
	interrupted = true;
	guest_settle(guest);
	assert_string_equal(guest_body(guest), "dir");
	guest->n_got = 0;
	guest_say(guest, "G");
	guest_settle(guest);
	guest_say(guest, "E");
	rig_skip(HANDSHAKE_MS + 10);
	interrupted = true;
	rig_turn(&guest->rig);
	guest_read(guest, 65536);
	assert_int_equal(guest->n_got, 0);
	interrupted = true;
	rig_turn(&guest->rig);
	assert_false(interrupted);
	guest_settle(guest);
	assert_memory_equal(guest->got, "HTTP/1.1 408 ", 13);
	guest_free(guest);
}

/* A refusal is the last response: what was sent behind the request is never looked at, and thrown away for a
 * while, so that the client can read why. */
static void test_refusal_lingers(void **state)
{
	static const char *const refused[] = { "GET /\r\n\r\n", "PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", GET("/nothing"),
		"GET /hello.txt HTTP/1.1\nHost: localhost\n\n" };
	static char more[30000];
	(void)state;

	memset(more, 'm', sizeof(more));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct guest *guest = guest_new();
		guest_say(guest, refused[i]);
		guest_say(guest, GET("/hello.txt"));
		wire_write(guest->fd, more, sizeof(more));
		guest_settle(guest);
		wire_write(guest->fd, more, sizeof(more));
		guest_settle(guest);
		assert_int_equal(guest_count(guest, "HTTP/1.1 "), 1);
		assert_int_equal(guest->got[9], i == 3 ? '5' : '4');
		assert_true(strlen(guest_body(guest)) > 0);
		assert_int_equal(guest_count(guest, "hello\n"), 0);
		assert_int_equal(guest_count(guest, "Connection: close"), 1);
		assert_true(guest->got_eof);
		assert_int_equal(guest->got_error, 0);
		assert_int_equal(guest->n_gone, 0);
		assert_int_equal(rig_logged(&guest->rig, "msg=request"), 1);
		close(guest->fd);
		guest->fd = -1;
		rig_until(&guest->rig, guest->n_gone == 1);
		guest_free(guest);
	}
}

/* ... for 2 s, and for 64 KiB. */
static void test_linger_limits(void **state)
{
	static char more[EXCHANGE_LINGER_MAX];
	struct guest *guest = guest_new();
	(void)state;

	guest_say(guest, GET("/nothing"));
	guest_settle(guest);
	rig_skip(EXCHANGE_LINGER_MS - 500);
	guest_say(guest, "x");
	rig_turns(&guest->rig, 2);
	assert_int_equal(guest->n_gone, 0);
	rig_skip(500);
	rig_turns(&guest->rig, 2);
	assert_int_equal(guest->n_gone, 1);
	guest_free(guest);

	guest = guest_new();
	guest_say(guest, GET("/nothing"));
	guest_settle(guest);
	wire_write(guest->fd, more, sizeof(more));
	rig_turns(&guest->rig, 5);
	assert_int_equal(guest->n_gone, 0);
	guest_say(guest, "x");
	rig_turns(&guest->rig, 5);
	assert_int_equal(guest->n_gone, 1);
	guest_free(guest);
}

/* A big file for a slow reader: every byte, little memory, and no turn of the loop in which there is only
 * this client. */
static void test_slow_reader(void **state)
{
	struct guest *guest = guest_new();
	uint64_t before = 0, most = 0;
	int room = 4 << 20;
	(void)state;

	setsockopt(guest->stream.out.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	guest_say(guest, GET("/big.bin"));
	for (int i = 0; i < 100000 && guest->n_got < BIG; i++) {
		rig_turn(&guest->rig);
		if (guest->stream.out.n_written - before > most)
			most = guest->stream.out.n_written - before;
		before = guest->stream.out.n_written;
		guest_read(guest, 10000);
		assert_in_range(stream_queued(&guest->stream), 0, 3 * 65536);
	}
	guest_settle(guest);
	assert_memory_equal(guest_body(guest), big_bytes, BIG);
	assert_false(guest->got_eof);
	guest_free(guest);
	assert_in_range(most, 1, 1 << 20);
}

/* While a response waits, its time runs from the last byte that left. */
static void test_send_time(void **state)
{
	struct guest *guest = guest_new_with(true);
	uint64_t before;
	(void)state;

	guest_say(guest, GET("/big.bin"));
	rig_turns(&guest->rig, 5);
	for (int i = 0; i < 5; i++) {
		before = guest->stream.out.n_written;
		rig_skip(50000);
		rig_until(&guest->rig,
			(guest_read(guest, 1000), guest->n_gone > 0 || guest->stream.out.n_written > before));
		assert_int_equal(guest->n_gone, 0);
	}
	do {
		do { /* on a busy machine the kernel may take some more even now */
			before = guest->stream.out.n_written;
			rig_skip(59000);
			rig_turns(&guest->rig, 2);
			assert_int_equal(guest->n_gone, 0);
		} while (guest->stream.out.n_written != before);
		rig_skip(2000);
		rig_turns(&guest->rig, 2);
		rig_skip(LOOP_REPRIEVE_MS);
		rig_turns(&guest->rig, 2);
	} while (guest->stream.out.n_written != before);
	assert_int_equal(guest->n_gone, 1);
	guest_free(guest);
}

/* Who has taken all that there was while the process stood still gets the rest. */
static void test_send_stood_still(void **state)
{
	struct guest *guest = guest_new_with(true);
	(void)state;

	guest_say(guest, GET("/big.bin"));
	rig_turns(&guest->rig, 5);
	guest_read(guest, BIG);
	assert_in_range(guest->n_got, 1, BIG - 1);
	rig_skip(60010);
	interrupted = true;
	guest_settle(guest);
	assert_false(interrupted);
	assert_int_equal(guest->n_gone, 0);
	rig_until(&guest->rig, (guest_read(guest, 65536), guest->exchange.state == EXCHANGE_HEAD));
	guest_settle(guest);
	assert_memory_equal(guest_body(guest), big_bytes, BIG);
	guest_free(guest);
}

/* A file that becomes shorter while it is sent: the connection is reset, so that nobody takes it for whole.
 */
static void test_truncated(void **state)
{
	struct guest *guest = guest_new_with(true);
	char path[128];
	(void)state;

	snprintf(path, sizeof(path), "%s/shrinks", place);
	FILE *file = fopen(path, "we");
	fwrite(big_bytes, 1, BIG, file);
	fclose(file);
	guest_say(guest, GET("/shrinks"));
	rig_turns(&guest->rig, 5);
	assert_int_equal(truncate(path, BIG / 2), 0);
	for (int i = 0; i < 100000 && guest->n_gone == 0; i++) {
		rig_turn(&guest->rig);
		guest_read(guest, 65536);
	}
	for (int i = 0; i < 1000 && guest->got_error == 0 && !guest->got_eof; i++)
		guest_read(guest, 65536);
	assert_int_equal(guest->got_error, ECONNRESET);
	assert_true(guest->n_got < BIG);
	assert_int_equal(rig_logged(&guest->rig, "msg=\"response cut\""), 1);
	guest_free(guest);
}

/* HEAD: the same head, no body, and the connection goes on. */
static void test_head(void **state)
{
	static const char *const paths[] = { "/hello.txt", "/con", "/nothing", "/dir" };
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char get_head[2048], request[128];
		struct guest *guest = guest_new();
		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
		guest_say(guest, request);
		guest_settle(guest);
		size_t head = (size_t)(strstr(guest->got, "\r\n\r\n") + 4 - guest->got);
		snprintf(get_head, sizeof(get_head), "%.*s", (int)head, guest->got);
		guest_free(guest);

		guest = guest_new();
		snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
		guest_say(guest, request);
		guest_settle(guest);
		/* But for the second that it is. */
		char *dates[] = { strstr(get_head, "Date: "), strstr(guest->got, "Date: ") };
		memcpy(dates[0], dates[1], 35);
		assert_string_equal(guest->got, get_head);
		bool closes = strstr(get_head, "Connection: close") != NULL;
		assert_int_equal(guest->got_eof, closes);
		guest_free(guest);
	}
}

/* A client that ends its side right behind its request still gets the response, then the end. */
static void test_half_close(void **state)
{
	(void)state;
	for (int small = 0; small < 2; small++) {
		struct guest *guest = guest_new_with(small);
		guest_say(guest, GET("/big.bin") GET("/hello.txt"));
		shutdown(guest->fd, SHUT_WR);
		for (int i = 0; i < 200000 && !guest->got_eof; i++)
			guest_take(guest);
		assert_int_equal(guest->got_error, 0);
		assert_int_equal(guest_count(guest, "HTTP/1.1 200 OK\r\n"), 2);
		const char *body = strstr(guest->got, "\r\n\r\n") + 4;
		assert_memory_equal(body, big_bytes, BIG);
		const char *second = body + BIG;
		assert_memory_equal(second, "HTTP/1.1 200 OK\r\n", 17);
		assert_non_null(strstr(second, "\r\n\r\nhello\n"));
		rig_until(&guest->rig, guest->n_gone == 1);
		guest_free(guest);
	}
}

/* It ends its side in the middle of a head, or without one: gone, with nothing said. */
static void test_half_head(void **state)
{
	(void)state;
	for (int n = 0; n < 3; n++) {
		struct guest *guest = guest_new();
		wire_write(guest->fd, "GET", n);
		shutdown(guest->fd, SHUT_WR);
		guest_settle(guest);
		assert_int_equal(guest->n_gone, 1);
		assert_int_equal(guest->n_got, 0);
		guest_free(guest);
	}
}

/* It vanishes in the middle of a response, or after it. */
static void test_vanish(void **state)
{
	(void)state;
	for (int done = 0; done < 2; done++) {
		struct guest *guest = guest_new_with(true);
		guest_say(guest, done ? GET("/hello.txt") : GET("/big.bin"));
		rig_turns(&guest->rig, 5);
		wire_reset(guest->fd);
		guest->fd = -1;
		rig_until(&guest->rig, guest->n_gone == 1);
		guest_free(guest);
	}
}

/* A head of exactly max_header bytes is too large, and so is one more byte; one less is not. */
static void test_max_header(void **state)
{
	static const char begin[] = "GET /empty.txt HTTP/1.1\r\nHost: localhost\r\nX: ";
	(void)state;

	for (int more = -1; more <= 1; more++) {
		struct guest *guest = guest_new();
		char head[MAX_HEADER + 2];
		size_t len = (size_t)(MAX_HEADER + more);
		memset(head, 'x', len);
		memcpy(head, begin, sizeof(begin) - 1);
		memcpy(head + len - 4, "\r\n\r\n", 4);
		wire_write(guest->fd, head, len);
		guest_settle(guest);
		/* http_request_scan(): "the refusal comes when max bytes are there without its end". */
		assert_memory_equal(guest->got, more > 0 ? "HTTP/1.1 431 " : "HTTP/1.1 200 ", 13);
		guest_free(guest);
	}
}

/* An opening handshake goes to the owner; meanwhile nothing is answered, and what comes behind it is kept: in
 * the same segment and later ones. */
static void test_upgrade(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	guest_say(guest, UPGRADE "first");
	guest_settle(guest);
	guest_say(guest, " second");
	guest_settle(guest);
	assert_int_equal(guest->n_upgrades, 1);
	assert_int_equal(guest->exchange.state, EXCHANGE_ASKED);
	rig_skip(3600000); /* the owner has timers of its own */
	guest_settle(guest);
	assert_int_equal(guest->n_gone, 0);
	assert_int_equal(guest->n_got, 0);

	exchange_accept(&guest->exchange,
		&(struct reply_switch){ .accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", .protocol = "chat" },
		&guest->config->routes[2]);
	guest->rest = exchange_take_rest(&guest->exchange, &guest->n_rest);
	guest_settle(guest);
	assert_memory_equal(guest->got, "HTTP/1.1 101 Switching Protocols\r\n", 34);
	assert_int_equal(guest_count(guest, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), 1);
	assert_int_equal(guest_count(guest, "Sec-WebSocket-Protocol: chat\r\n"), 1);
	assert_int_equal(guest->n_rest, 12);
	assert_memory_equal(guest->rest, "first second", 12);
	assert_int_equal(guest->n_gone, 0);
	guest_free(guest);
}

/* A client that sends and sends before it is let in is held up, and none of it is lost. */
static void test_upgrade_early_flood(void **state)
{
	enum { TOTAL = 400000 };
	struct guest *guest = guest_new();
	uint8_t *bytes = malloc(TOTAL);
	size_t n_sent = 0, n_got = 0;
	(void)state;

	memcpy(bytes, big_bytes, TOTAL);
	guest_say(guest, UPGRADE);
	for (int i = 0; i < 200; i++) {
		ssize_t n = write(guest->fd, bytes + n_sent, TOTAL - n_sent);
		n_sent += n > 0 ? (size_t)n : 0;
		rig_turn(&guest->rig);
		assert_in_range(guest->exchange.n_held, 0, 2 * 65536);
	}
	assert_int_equal(guest->n_upgrades, 1);
	exchange_accept(&guest->exchange, &(struct reply_switch){ .accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
		&guest->config->routes[2]);
	guest->rest = exchange_take_rest(&guest->exchange, &guest->n_rest);
	assert_true(guest->n_rest > 0);
	assert_memory_equal(guest->rest, bytes, guest->n_rest);
	n_got = guest->n_rest;
	/* The rest is in the kernel still: the owner of the stream goes on. */
	while (n_got < n_sent) {
		char part[65536];
		ssize_t n;
		rig_until(&guest->rig, (n = read(guest->stream.rfd, part, sizeof(part))) > 0);
		assert_memory_equal(part, bytes + n_got, n);
		n_got += (size_t)n;
	}
	free(bytes);
	guest_free(guest);
}

/* The owner refuses, at once or later: one response, what was kept is thrown away. */
static void test_upgrade_refused(void **state)
{
	(void)state;
	for (int now = 0; now < 2; now++) {
		struct guest *guest = guest_new();
		guest->refuse_now = now;
		guest_say(guest, UPGRADE GET("/hello.txt"));
		guest_settle(guest);
		if (!now)
			exchange_refuse(&guest->exchange, 503, "full", "Try again.\n", 7);
		guest_settle(guest);
		assert_memory_equal(guest->got, "HTTP/1.1 503 Service Unavailable\r\n", 34);
		assert_int_equal(guest_count(guest, "Retry-After: 7\r\n"), 1);
		assert_string_equal(guest_body(guest), "Try again.\n");
		assert_true(guest->got_eof);
		assert_int_equal(rig_logged(&guest->rig, "status=503"), 1);
		guest_free(guest);
	}
}

/* A client that leaves while the owner decides is noticed. */
static void test_upgrade_left(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		struct guest *guest = guest_new();
		guest_say(guest, UPGRADE);
		guest_settle(guest);
		if (reset)
			wire_reset(guest->fd);
		else
			close(guest->fd);
		guest->fd = -1;
		rig_until(&guest->rig, guest->n_gone == 1);
		guest_free(guest);
	}
}

/* The gateway stops, for this connection too. */
static void guest_drain(struct guest *guest)
{
	guest->gate.ending = guest->gate.draining = true;
	exchange_drain(&guest->exchange);
}

/* One that was let in and has not asked yet has a second for it; its answer is the last one. */
static void test_drain_before_the_first_request(void **state)
{
	static const char *const before[] = { "", GET("/hello.txt"), "GET /hel" };
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		struct guest *guest = guest_new();
		const char *said = before[i];
		guest_say(guest, said);
		if (i == 2) {
			guest_settle(guest);
			said = &GET("/hello.txt")[strlen(said)];
		} else
			said = i == 0 ? GET("/hello.txt") : "";
		guest_drain(guest);
		assert_int_equal(guest->n_gone, 0);
		rig_skip(EXCHANGE_DRAIN_MS - 500);
		guest_settle(guest);
		guest_say(guest, said);
		guest_settle(guest);
		assert_int_equal(guest_count(guest, "HTTP/1.1 200 OK\r\n"), 1);
		assert_int_equal(guest_count(guest, "Connection: close\r\n"), 1);
		assert_true(guest->got_eof);
		guest_free(guest);
	}
}

/* The second is over: silence ends without a word, half a head with the usual one. */
static void test_drain_time(void **state)
{
	static const char *const heads[] = { "", "GET /hel" };
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		struct guest *guest = guest_new();
		guest_say(guest, heads[i]);
		guest_settle(guest);
		guest_drain(guest);
		rig_skip(EXCHANGE_DRAIN_MS - 500);
		guest_settle(guest);
		assert_false(guest->got_eof);
		rig_skip(500);
		guest_settle(guest);
		assert_true(guest->got_eof);
		assert_int_equal(guest_count(guest, "HTTP/1.1 408 "), i);
		guest_free(guest);
	}
}

/* One that has had its answers is idle, unless it has begun to ask again. */
static void test_drain_between_requests(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	guest_say(guest, GET("/empty.txt"));
	guest_settle(guest);
	guest_drain(guest);
	assert_int_equal(guest->n_gone, 1);
	guest_free(guest);

	guest = guest_new();
	guest_say(guest, GET("/empty.txt") "GET /hel");
	guest_settle(guest);
	guest_drain(guest);
	assert_int_equal(guest->n_gone, 0);
	guest_say(guest, &GET("/hello.txt")[strlen("GET /hel")]);
	guest_settle(guest);
	assert_int_equal(guest_count(guest, "HTTP/1.1 200 OK\r\n"), 2);
	assert_int_equal(guest_count(guest, "Connection: close\r\n"), 1);
	assert_true(guest->got_eof);
	guest_free(guest);
}

/* The gateway stops: one that waits for its response gets it, as the last one. */
static void test_drain(void **state)
{
	struct guest *guest;
	(void)state;

	guest = guest_new_with(true);
	guest_say(guest, GET("/big.bin") GET("/hello.txt"));
	rig_turns(&guest->rig, 3);
	exchange_drain(&guest->exchange);
	assert_int_equal(guest->n_gone, 0);
	for (int i = 0; i < 200000 && !guest->got_eof; i++)
		guest_take(guest);
	assert_memory_equal(guest_body(guest), big_bytes, BIG);
	guest_free(guest);
}

/* What else a request may get. */
static void test_answers(void **state)
{
	static const struct {
		const char *request, *begins, *holds;
	} answers[] = {
		{ GET("/ws"), "HTTP/1.1 426 Upgrade Required\r\n", "Sec-WebSocket-Version: 13\r\n" },
		{ GET("/dir"), "HTTP/1.1 301 Moved Permanently\r\n", "Location: /dir/\r\n" },
		{ GET("//dir"), "HTTP/1.1 301 Moved Permanently\r\n", "Location: /dir/\r\n" },
		{ GET("/..%2fdir"), "HTTP/1.1 404 Not Found\r\n", "" },
		{ GET("/%2e%2e/canary"), "HTTP/1.1 404 Not Found\r\n", "" },
		{ GET("/con"), "HTTP/1.1 200 OK\r\n", "Content-Security-Policy: default-src 'none'" },
		{ "POST /ws HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n",
			"Allow: GET, HEAD\r\n" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct guest *guest = guest_new();
		guest_say(guest, answers[i].request);
		guest_settle(guest);
		assert_memory_equal(guest->got, answers[i].begins, strlen(answers[i].begins));
		assert_non_null(strstr(guest->got, answers[i].holds));
		guest_free(guest);
	}
}

/* A body is never a request, wherever it is cut: what comes with it closes the connection, and is the last
 * that is answered. */
static void test_body_is_no_request(void **state)
{
	static const char post[] = "POST /hello.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 45\r\n\r\n"
				   "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/hello.txt");
	char part[sizeof(post)];
	(void)state;

	for (size_t cut = 1; cut < sizeof(post) - 1; cut++) {
		struct guest *guest = guest_new();
		memcpy(part, post, cut);
		part[cut] = '\0';
		guest_say(guest, part);
		guest_settle(guest);
		guest_say(guest, post + cut);
		guest_settle(guest);
		assert_int_equal(guest_count(guest, "HTTP/1.1 "), 1);
		assert_int_equal(guest_count(guest, "HTTP/1.1 405 "), 1);
		assert_int_equal(guest_count(guest, "Connection: close\r\n"), 1);
		assert_int_equal(rig_logged(&guest->rig, "msg=request"), 1);
		guest_free(guest);
	}
}

/* One line a request; of a query only that there was one. */
static void test_log(void **state)
{
	struct guest *guest = guest_new();
	(void)state;

	guest_say(guest, GET("/hello.txt?token=secret"));
	guest_settle(guest);
	assert_int_equal(rig_logged(&guest->rig, "msg=request"), 1);
	assert_int_equal(rig_logged(&guest->rig, "/hello.txt?***"), 1);
	assert_int_equal(rig_logged(&guest->rig, "secret"), 0);
	assert_int_equal(rig_logged(&guest->rig, "status=200 bytes=6"), 1);
	guest_free(guest);
}

static int make_place(void **state)
{
	char path[128];
	(void)state;

	strcpy(place, "/tmp/wsluice-XXXXXX");
	if (mkdtemp(place) == NULL)
		abort();
	big_bytes = malloc(BIG);
	for (size_t i = 0; i < BIG; i++)
		big_bytes[i] = (uint8_t)('a' + (i * 31 + i / 251) % 26); /* no NUL, no newline */
	const struct {
		const char *name, *bytes;
		size_t len;
	} files[] = { { "hello.txt", "hello\n", 6 }, { "empty.txt", "", 0 },
		{ "big.bin", (char *)big_bytes, BIG }, { "dir/index.html", "dir", 3 } };
	snprintf(path, sizeof(path), "%s/dir", place);
	mkdir(path, 0755);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", place, files[i].name);
		FILE *file = fopen(path, "we");
		if (file == NULL || fwrite(files[i].bytes, 1, files[i].len, file) != files[i].len ||
			fclose(file) != 0)
			abort();
	}
	return 0;
}

static int remove_place(void **state)
{
	char command[128];
	(void)state;
	free(big_bytes);
	snprintf(command, sizeof(command), "rm -rf %s", place);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_pipelined_behind_big),
		cmocka_unit_test(test_requests_max),
		cmocka_unit_test(test_client_closes),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_time_spent_before),
		cmocka_unit_test(test_slow_head),
		cmocka_unit_test(test_keepalive_time),
		cmocka_unit_test(test_slow_later_head),
		cmocka_unit_test(test_stood_still),
		cmocka_unit_test(test_refusal_lingers),
		cmocka_unit_test(test_linger_limits),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_send_time),
		cmocka_unit_test(test_send_stood_still),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_half_head),
		cmocka_unit_test(test_vanish),
		cmocka_unit_test(test_max_header),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_upgrade_early_flood),
		cmocka_unit_test(test_upgrade_refused),
		cmocka_unit_test(test_upgrade_left),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_before_the_first_request),
		cmocka_unit_test(test_drain_time),
		cmocka_unit_test(test_drain_between_requests),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_body_is_no_request),
		cmocka_unit_test(test_log),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
