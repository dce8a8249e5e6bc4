/*
 * Tests of a TCP service as an endpoint: each side ends first, in order or not, in time or not, and what the
 * visitor is told of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>

#include "backend/rotation.h"
#include "backend/tcp_internal.h"
#include "ear.h"
#include "names.h"
#include "net/keepalive.h"
#include "rig.h"
#include "wire.h"

enum { SEND_TIMEOUT = 60000, CONNECT_TIMEOUT = 5000, GOT_MAX = 4 << 20 };

static const struct name known_names[] = { { .host = "slow.test", .addrs = "127.0.0.1", .slow = true },
	{ .host = NULL } };

/* A service, the endpoint that leads to it, and what the bridge would hear. */
struct service {
	struct rig rig;
	struct resolver *resolver;
	struct upstream place;
	struct route_conf route;
	struct endpoint *tcp;
	int listener, fd; /* the service's ends; -1 while there is none */
	struct ear ear;
	char *got; /* by the service */
	size_t n_got;
	bool got_eof;
	int got_error;
};

/* A service that is not dialled yet. */
static struct service *service_new(enum framing framing)
{
	struct service *service = calloc(1, sizeof(*service));
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	assert_non_null(service);
	service->got = malloc(GOT_MAX);
	names_use(known_names);
	rig_init(&service->rig);
	service->resolver = resolver_new();
	rig_has_tcp = true;
	service->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(service->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(service->listener, 4), 0);
	assert_int_equal(getsockname(service->listener, (struct sockaddr *)&addr, &len), 0);
	service->fd = -1;
	service->place = (struct upstream){ .uri = (char *)(uintptr_t) "tcp://service",
		.name = { .kind = ADDR_TCP, .host = "127.0.0.1", .port = ntohs(addr.sin_port) } };
	service->route = (struct route_conf){ .is_service = true,
		.connect = { .items = &service->place, .n = 1 },
		.send_timeout_ms = SEND_TIMEOUT,
		.connect_timeout_ms = CONNECT_TIMEOUT };
	struct tcp_params params = { .route = &service->route,
		.upstreams = &service->route.connect,
		.resolver = service->resolver,
		.rules.framing = framing };
	service->tcp = tcp_new(&service->rig.loop, &params, &ear_hooks, &service->ear);
	assert_non_null(service->tcp);
	return service;
}

/* One that is connected. `small`: with little room in the kernel. */
static struct service *service_open(enum framing framing, bool small)
{
	struct service *service = service_new(framing);
	int room = 4096;
	if (small)
		setsockopt(service->listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(service->tcp->ops->start(service->tcp), 0);
	assert_string_equal(service->ear.heard, ""); /* never from within */
	rig_until(&service->rig, service->ear.heard[0] == 'R');
	service->fd = accept4(service->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(service->fd >= 0);
	service->ear.heard[0] = '\0';
	return service;
}

/* Once the endpoint is destroyed. */
static void service_bury(struct service *service)
{
	if (service->fd >= 0)
		close(service->fd);
	close(service->listener);
	names_open();
	resolver_free(service->resolver);
	rig_done(&service->rig);
	free(service->got);
	free(service);
}

static void service_free(struct service *service)
{
	service->tcp->ops->destroy(service->tcp);
	service_bury(service);
}

static void service_says(struct service *service, const char *words)
{
	wire_write(service->fd, words, strlen(words));
}

static void service_read(struct service *service, size_t max)
{
	if (service->got_eof || service->got_error != 0)
		return;
	assert_true(service->n_got + max <= GOT_MAX);
	ssize_t n = read(service->fd, service->got + service->n_got, max);
	if (n > 0)
		service->n_got += (size_t)n;
	else if (n == 0)
		service->got_eof = true;
	else if (errno != EAGAIN)
		service->got_error = errno;
}

/* Turns and reads until nothing comes any more. */
static void service_settle(struct service *service)
{
	for (int quiet = 0; quiet < 8; quiet++) {
		size_t before = service->n_got;
		rig_turn(&service->rig);
		if (service->fd >= 0)
			service_read(service, 65536);
		if (service->n_got != before)
			quiet = 0;
	}
}

/* Turns and reads until so many bytes are there; TCP has timers of its own. */
static void service_takes(struct service *service, size_t n)
{
	rig_until(&service->rig, (service_read(service, 65536), service->n_got >= n));
	assert_int_equal(service->n_got, n);
}

static void service_got(struct service *service, const char *bytes)
{
	service_settle(service);
	assert_int_equal(service->n_got, strlen(bytes));
	assert_memory_equal(service->got, bytes, strlen(bytes));
	service->n_got = 0;
}

static void visitor_says_part(struct service *service, const char *words, bool first, bool last)
{
	char copy[256];
	struct piece piece = { .data = (uint8_t *)copy, .len = strlen(words), .first = first, .last = last };
	memcpy(copy, words, strlen(words));
	service->tcp->ops->send(service->tcp, &piece);
	service->tcp->ops->flush(service->tcp);
}

static void visitor_says(struct service *service, const char *words)
{
	visitor_says_part(service, words, true, true);
}

/* The visitor sends until so many bytes wait here. Returns how many were sent. */
static size_t visitor_fills(struct service *service, size_t queued)
{
	static uint8_t bytes[5000];
	size_t n = 0;
	struct piece piece = { .data = bytes, .len = sizeof(bytes), .first = true, .last = true };
	while (service->tcp->ops->queued(service->tcp) < queued) {
		service->tcp->ops->send(service->tcp, &piece);
		service->tcp->ops->flush(service->tcp);
		rig_turn(&service->rig);
		n += sizeof(bytes);
	}
	return n;
}

static void visitor_closes(struct service *service)
{
	struct end end = { .code = 1000 };
	service->tcp->ops->finish(service->tcp, &end);
}

static void visitor_vanishes(struct service *service)
{
	struct end end = { .code = 1006, .abrupt = true };
	service->tcp->ops->abort(service->tcp, &end);
}

static const char *how(const struct service *service)
{
	static char text[64];
	char who[128];
	service->tcp->ops->describe(service->tcp, who, text);
	assert_string_equal(who, "tcp://service");
	return text;
}

/* The endpoint's socket. */
static int endpoint_fd(const struct service *service)
{
	return ((struct tcp *)service->tcp)->channel.stream.rfd;
}

/* To and fro. */
static void test_messages(void **state)
{
	struct service *service = service_open(FRAMING_LINES, false);
	(void)state;

	visitor_says(service, "hello");
	service_got(service, "hello\n");
	service_says(service, "one\ntwo\n");
	service_settle(service);
	heard(&service->ear, "PP");
	assert_memory_equal(service->ear.data, "onetwo", 6);
	assert_string_equal(how(service), "");
	service_free(service);
}

/* Nobody there: on_failed is the last word. */
static void test_refused(void **state)
{
	struct service *service = service_new(FRAMING_STREAM);
	(void)state;

	close(service->listener);
	service->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* something to be closed */
	assert_int_equal(service->tcp->ops->start(service->tcp), 0);
	rig_until(&service->rig, service->ear.heard[0] != '\0');
	heard(&service->ear, "F");
	assert_int_equal(service->ear.error, ECONNREFUSED);
	service_free(service);
}

/* It is dropped before it is connected, at every stage. */
static void test_destroy_early(void **state)
{
	(void)state;
	for (int stage = 0; stage < 3; stage++) {
		struct service *service = service_new(FRAMING_STREAM);
		if (stage == 1)
			strcpy(service->place.name.host, "slow.test");
		if (stage > 0)
			assert_int_equal(service->tcp->ops->start(service->tcp), 0);
		if (stage == 1)
			rig_until(&service->rig, names_get(&names.n_waiting) == 1);
		heard(&service->ear, "");
		service_free(service);
	}
}

/* The service ends its side: its last bytes come first; what the visitor says still reaches it until he
 * closes too. */
static void test_service_ends_first(void **state)
{
	struct service *service = service_open(FRAMING_LINES, false);
	(void)state;

	service_says(service, "last");
	shutdown(service->fd, SHUT_WR);
	service_settle(service);
	heard(&service->ear, "PE");
	assert_int_equal(service->ear.end.code, 1000);
	assert_false(service->ear.end.abrupt);
	assert_string_equal(service->ear.end.reason, "");
	assert_string_equal(how(service), "closed");
	visitor_says(service, "still");
	service_got(service, "still\n");
	assert_false(service->got_eof);
	visitor_says(service, "more");
	visitor_closes(service);
	service_got(service, "more\n");
	assert_true(service->got_eof);
	heard(&service->ear, "C");
	service_free(service);
}

/* The visitor closes: the service gets all of it, then the end; what it says then still counts, up to its own
 * end. */
static void test_visitor_ends_first(void **state)
{
	struct service *service = service_open(FRAMING_LINES, true);
	(void)state;

	size_t n = visitor_fills(service, 100000);
	visitor_closes(service);
	visitor_says(service, "too late");
	service_takes(service, n + n / 5000); /* newlines */
	service_settle(service);
	assert_true(service->got_eof);
	service_says(service, "answer\n");
	service_settle(service);
	heard(&service->ear, "P");
	close(service->fd);
	service->fd = -1;
	rig_until(&service->rig, service->ear.n_closed == 1);
	heard(&service->ear, "EC");
	assert_int_equal(service->ear.end.code, 1000);
	assert_string_equal(how(service), "closed");
	service_free(service);
}

/* Taken down from one turn to the next, as at the end of a shutdown: an end in good order is only seen by a
 * service that all of it, the end too, was on its way to. */
static void test_taken_down(void **state)
{
	(void)state;
	for (int stage = 0; stage < 3; stage++) {
		struct service *service = service_open(FRAMING_STREAM, true);
		if (stage < 2)
			visitor_says(service, "some");
		else
			visitor_fills(service, 100000);
		if (stage > 0)
			visitor_closes(service);
		service->tcp->ops->destroy(service->tcp);
		for (int i = 0; i < 1000 && !service->got_eof && service->got_error == 0; i++) {
			service_read(service, 65536);
			rig_turn(&service->rig);
		}
		assert_int_equal(service->got_eof, stage == 1);
		assert_int_equal(service->got_error, stage == 1 ? 0 : ECONNRESET);
		service_bury(service);
	}
}

/* Both have ended, but the service takes what is queued only slowly: it gets it all before the connection
 * goes. */
static void test_both_end_queue(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, true);
	(void)state;

	size_t n = visitor_fills(service, 100000);
	shutdown(service->fd, SHUT_WR);
	visitor_closes(service);
	rig_turns(&service->rig, 5);
	heard(&service->ear, "E");
	while (!service->got_eof && service->got_error == 0) {
		service_read(service, 3000);
		rig_turn(&service->rig);
	}
	assert_int_equal(service->n_got, n);
	assert_int_equal(service->got_error, 0);
	rig_until(&service->rig, service->ear.n_closed == 1);
	service_free(service);
}

/* A service that ignores the half-close and is silent is left after a second. */
static void test_silent(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, false);
	(void)state;

	visitor_closes(service);
	service_settle(service);
	assert_true(service->got_eof);
	rig_skip(TCP_DRAIN_MS - 300);
	service_says(service, "x");
	service_settle(service);
	rig_pass(&service->rig, TCP_DRAIN_MS - TCP_LOOK_MS, TCP_LOOK_MS);
	heard(&service->ear, "P");
	rig_pass(&service->rig, 2 * TCP_LOOK_MS, TCP_LOOK_MS);
	heard(&service->ear, "EC");
	assert_int_equal(service->ear.end.code, 1000);
	assert_string_equal(how(service), "left");
	service_free(service);
}

/* A service that goes on talking after the visitor's close is left when it was read for TCP_DRAIN_MAX_MS; the
 * reading is held up before each look, or not. */
static void check_talkative(bool held_up)
{
	struct service *service = service_open(FRAMING_STREAM, false);
	int ms = 0;

	visitor_closes(service);
	service_settle(service);
	for (; ms < 3 * TCP_DRAIN_MAX_MS && service->ear.n_closed == 0; ms += TCP_LOOK_MS) {
		if (held_up) {
			service->tcp->ops->allow(service->tcp, 0);
			rig_pass(&service->rig, 4 * TCP_LOOK_MS, TCP_LOOK_MS);
		}
		service_says(service, "tick");
		if (held_up)
			service->tcp->ops->allow(service->tcp, 65536);
		service_settle(service);
		rig_skip(TCP_LOOK_MS);
		rig_turns(&service->rig, 2);
	}
	size_t n_closed = service->ear.n_closed;
	service_free(service);
	assert_int_equal(n_closed, 1);
	assert_in_range(ms, TCP_DRAIN_MAX_MS, TCP_DRAIN_MAX_MS + 2 * TCP_LOOK_MS);
}

/* One that ignores it and goes on talking is left, too, some time: the visitor's close is not unanswered for
 * ever. */
static void test_talkative(void **state)
{
	(void)state;
	check_talkative(false);
}

/* While a slow visitor holds up the reading, the service is not silent, nor has it its time. */
static void test_held_up(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, false);
	(void)state;

	visitor_closes(service);
	service_says(service, "answer");
	service->tcp->ops->allow(service->tcp, 0);
	rig_pass(&service->rig, 3 * TCP_DRAIN_MAX_MS, TCP_LOOK_MS);
	heard(&service->ear, "");
	service->tcp->ops->allow(service->tcp, 65536);
	rig_skip(TCP_LOOK_MS); /* a look comes first */
	rig_until(&service->rig, service->ear.heard[0] != '\0');
	heard(&service->ear, "P");
	rig_pass(&service->rig, TCP_DRAIN_MS - 2 * TCP_LOOK_MS, TCP_LOOK_MS);
	heard(&service->ear, "");
	rig_pass(&service->rig, 4 * TCP_LOOK_MS, TCP_LOOK_MS);
	heard(&service->ear, "EC");
	service_free(service);
}

/* Of its time counts that in which it is read. */
static void test_held_up_again_and_again(void **state)
{
	(void)state;
	check_talkative(true);
}

/* One that takes nothing of what it was sent before the close: after send_timeout it is reset, since what it
 * has must not look like all. */
static void test_takes_nothing(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, true);
	(void)state;

	size_t n = visitor_fills(service, 200000);
	wire_deafen(service->fd, endpoint_fd(service));
	visitor_closes(service);
	rig_skip(SEND_TIMEOUT - 1000);
	rig_turns(&service->rig, 3);
	heard(&service->ear, "");
	/* The first look may find bytes taken since the close. */
	rig_pass(&service->rig, 1000 + SEND_TIMEOUT, TCP_LOOK_MS);
	heard(&service->ear, "EC");
	while (!service->got_eof && service->got_error == 0)
		service_read(service, 65536);
	assert_int_equal(service->got_error, ECONNRESET);
	assert_true(service->n_got < n);
	service_free(service);
}

/* As long as it takes some, it has time, even if that is too little for our queue to move. */
static void test_takes_slowly(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, true);
	(void)state;

	size_t n = visitor_fills(service, 200000);
	visitor_closes(service);
	for (int i = 0; i < 10; i++) {
		rig_skip(SEND_TIMEOUT / 2);
		rig_turns(&service->rig, 3);
		for (int k = 0; k < 20; k++) {
			service_read(service, 500);
			rig_turn(&service->rig);
		}
	}
	service_takes(service, n);
	service_settle(service);
	bool whole = service->got_eof;
	service_free(service);
	assert_true(whole);
}

/* An open service that takes nothing of what waits for it has send_timeout; then it is reset, and the visitor
 * is told why. */
static void test_stalls(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, true);
	(void)state;

	wire_deafen(service->fd, endpoint_fd(service));
	size_t n = visitor_fills(service, 200000);
	rig_pass(&service->rig, SEND_TIMEOUT - 1000, 1000);
	heard(&service->ear, "");
	rig_pass(&service->rig, 1000 + SEND_TIMEOUT / 8 + 1000, 1000);
	heard(&service->ear, "EC");
	assert_int_equal(service->ear.end.code, 1011);
	assert_true(service->ear.end.abrupt);
	assert_string_equal(service->ear.end.reason, "stalled");
	assert_string_equal(how(service), "stalled");
	while (!service->got_eof && service->got_error == 0)
		service_read(service, 65536);
	assert_int_equal(service->got_error, ECONNRESET);
	assert_true(service->n_got < n);
	assert_int_equal(rig_logged(&service->rig, "service takes nothing any more"), 1);
	assert_int_equal(rig_logged(&service->rig, "undelivered="), 1);
	service_free(service);
}

/* The same after its own end: it said all that it wanted to, so that is no failure. */
static void test_stalls_after_its_end(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, true);
	(void)state;

	shutdown(service->fd, SHUT_WR);
	service_settle(service);
	heard(&service->ear, "E");
	assert_int_equal(service->ear.end.code, 1000);
	visitor_fills(service, 200000);
	wire_deafen(service->fd, endpoint_fd(service));
	rig_pass(&service->rig, 2 * SEND_TIMEOUT, 1000);
	heard(&service->ear, "C");
	service_free(service);
}

/* An option of the endpoint's socket. */
static int option_of(const struct service *service, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(endpoint_fd(service), level, option, &value, &len), 0);
	return value;
}

/* Has the kernel been told to look whether the other end is there? */
static void assert_guarded(const struct service *service, int user_timeout)
{
	assert_int_equal(option_of(service, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(service, IPPROTO_TCP, TCP_KEEPIDLE), KEEPALIVE_IDLE_S);
	assert_int_equal(option_of(service, IPPROTO_TCP, TCP_KEEPINTVL), KEEPALIVE_INTERVAL_S);
	assert_int_equal(option_of(service, IPPROTO_TCP, TCP_KEEPCNT), KEEPALIVE_PROBES);
	assert_int_equal(option_of(service, IPPROTO_TCP, TCP_USER_TIMEOUT), user_timeout);
}

/* The socket finds out by itself when the other end is gone, be the session idle or busy; not before that can
 * matter, but always before. */
static void test_guarded(void **state)
{
	for (int busy = 0; busy < 2; busy++) {
		struct service *service = service_open(FRAMING_STREAM, false);
		(void)state;

		assert_int_equal(option_of(service, SOL_SOCKET, SO_KEEPALIVE), 0);
		for (int ms = 0; ms < KEEPALIVE_MARGIN_MS; ms += 100) {
			if (busy)
				visitor_says(service, "word");
			rig_skip(100);
			rig_turns(&service->rig, 2);
			service_read(service, 65536);
		}
		assert_guarded(service, SEND_TIMEOUT + KEEPALIVE_MARGIN_MS);
		heard(&service->ear, "");
		service_free(service);
	}
}

/* As soon as bytes wait it is so: what looks at them from then on may come later. The longest time is more
 * than an int. */
static void test_guarded_when_it_stalls(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, true);
	(void)state;

	service->route.send_timeout_ms = 3600000000u;
	visitor_fills(service, 200000);
	rig_turns(&service->rig, 2);
	assert_guarded(service, INT32_MAX);
	service_free(service);
}

/* As long as it takes some it is not given up, and when it has all nobody looks any more; nor does anybody
 * before there is something to take. */
static void test_no_stall(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, true);
	(void)state;

	visitor_says(service, "a message that the kernel takes");
	assert_int_equal(service->rig.loop.n_timers, 1);
	rig_pass(&service->rig, 10 * SEND_TIMEOUT, SEND_TIMEOUT);
	size_t n = 31 + visitor_fills(service, 200000);
	for (int i = 0; i < 10; i++) {
		rig_pass(&service->rig, SEND_TIMEOUT / 2, 1000);
		for (int k = 0; k < 20; k++) {
			service_read(service, 500);
			rig_turn(&service->rig);
		}
	}
	heard(&service->ear, "");
	service_takes(service, n);
	rig_pass(&service->rig, 10 * SEND_TIMEOUT, SEND_TIMEOUT / 4);
	heard(&service->ear, "");
	visitor_fills(service, 200000); /* a second time, from its own beginning */
	wire_deafen(service->fd, endpoint_fd(service));
	rig_pass(&service->rig, SEND_TIMEOUT - 1000, 1000);
	heard(&service->ear, "");
	rig_pass(&service->rig, SEND_TIMEOUT, 1000);
	heard(&service->ear, "EC");
	service_free(service);
}

/* The visitor vanishes: what had come whole is delivered, then a reset; half a message is not. */
static void test_abort(void **state)
{
	struct service *service = service_open(FRAMING_LINES, true);
	(void)state;

	size_t n = visitor_fills(service, 100000);
	visitor_says(service, "last");
	visitor_says_part(service, "half", true, false);
	service_says(service, "to nobody\n");
	visitor_vanishes(service);
	heard(&service->ear, ""); /* never from within */
	for (int i = 0; i < 100000 && service->ear.n_closed == 0; i++) {
		service_read(service, 3000);
		rig_wait(&service->rig);
	}
	service_settle(service);
	heard(&service->ear, "EC");
	assert_int_equal(service->n_got, n + n / 5000 + 5);
	assert_memory_equal(service->got + service->n_got - 5, "last\n", 5);
	assert_int_equal(service->got_error, ECONNRESET);
	service_free(service);
}

/* A service that takes nothing more delays that reset only for a while. */
static void test_abort_takes_nothing(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, true);
	(void)state;

	visitor_fills(service, 100000);
	wire_deafen(service->fd, endpoint_fd(service));
	visitor_vanishes(service);
	rig_turns(&service->rig, 3);
	rig_skip(TCP_ABORT_MS - 300);
	rig_turns(&service->rig, 3);
	heard(&service->ear, "");
	rig_pass(&service->rig, 300 + TCP_LOOK_MS, TCP_LOOK_MS);
	heard(&service->ear, "EC");
	service_free(service);
}

/* Nothing waits: the reset comes at once. */
static void test_abort_idle(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, false);
	(void)state;

	visitor_says(service, "x");
	service_settle(service);
	visitor_vanishes(service);
	visitor_vanishes(service); /* once is enough */
	rig_until(&service->rig, service->ear.n_closed == 1);
	service_settle(service);
	assert_int_equal(service->got_error, ECONNRESET);
	heard(&service->ear, "EC");
	service_free(service);
}

/* Of several services each counts its sessions for as long as there is a connection. */
static void test_counted(void **state)
{
	struct service *service = service_new(FRAMING_STREAM);
	struct upstream places[2] = { service->place, service->place };
	(void)state;

	service->tcp->ops->destroy(service->tcp);
	service->route.connect = (struct upstream_list){ .items = places, .n = 2 };
	struct config config = { .routes = &service->route, .n_routes = 1 };
	struct rotation *rotation = rotation_new(&config);
	struct tcp_params params = { .route = &service->route,
		.upstreams = &service->route.connect,
		.rotation = rotation,
		.resolver = service->resolver };
	for (int i = 0; i < 2; i++) {
		service->ear.n_closed = 0;
		service->ear.heard[0] = '\0';
		service->tcp = tcp_new(&service->rig.loop, &params, &ear_hooks, &service->ear);
		assert_int_equal(service->tcp->ops->start(service->tcp), 0);
		assert_int_equal(atomic_load(&rotation->routes[0].services[0].sessions), 1);
		rig_until(&service->rig, service->ear.heard[0] == 'R');
		assert_int_equal(atomic_load(&rotation->routes[0].services[0].sessions), 1);
		if (i == 0) { /* the second one is taken down while it is open */
			visitor_vanishes(service);
			rig_until(&service->rig, service->ear.n_closed == 1);
			assert_int_equal(atomic_load(&rotation->routes[0].services[0].sessions), 0);
			service->tcp->ops->destroy(service->tcp);
		}
	}
	service_free(service);
	rotation_free(rotation); /* looks */
}

/* The service resets: not an orderly end, with the errno's words. What came before the reset was passed on.
 */
static void test_service_resets(void **state)
{
	struct service *service = service_open(FRAMING_LINES, false);
	(void)state;

	service_says(service, "whole\nhalf");
	service_settle(service);
	wire_reset(service->fd);
	service->fd = -1;
	rig_until(&service->rig, service->ear.n_closed == 1);
	heard(&service->ear, "PEC");
	assert_int_equal(service->ear.end.code, 1011);
	assert_true(service->ear.end.abrupt);
	assert_string_equal(service->ear.end.reason, strerror(ECONNRESET));
	assert_string_equal(how(service), strerror(ECONNRESET));
	service_free(service);
}

/* It resets when a write of ours is the first to notice: the same. */
static void test_reset_met_by_write(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, false);
	(void)state;

	service->tcp->ops->allow(service->tcp, 0); /* reading would see it first */
	wire_reset(service->fd);
	service->fd = -1;
	visitor_says(service, "x");
	rig_turns(&service->rig, 3);
	service->tcp->ops->allow(service->tcp, 65536);
	rig_until(&service->rig, service->ear.n_closed == 1);
	heard(&service->ear, "EC");
	assert_int_equal(service->ear.end.code, 1011);
	service_free(service);
}

/* It says its last word, closes altogether, and is then sent something: that the write fails is no breach,
 * all that it said came whole. */
static void test_closed_before_write(void **state)
{
	struct service *service = service_open(FRAMING_LINES, false);
	(void)state;

	service->tcp->ops->allow(service->tcp, 0);
	service_says(service, "bye\n");
	close(service->fd);
	service->fd = -1;
	for (int i = 0; i < 3; i++) {
		visitor_says(service, "x");
		rig_turns(&service->rig, 2);
	}
	heard(&service->ear, "");
	service->tcp->ops->allow(service->tcp, 65536);
	rig_turns(&service->rig, 3);
	assert_int_equal(service->ear.heard[0], 'P');
	assert_memory_equal(service->ear.data, "bye", 3);
	assert_int_equal(service->ear.heard[1], 'E');
	assert_int_equal(service->ear.end.code, 1000);
	visitor_closes(service);
	rig_until(&service->rig, service->ear.n_closed == 1);
	service_free(service);
}

/* The service has ended, then can't be written to: gone, once. */
static void test_broken_after_eof(void **state)
{
	struct service *service = service_open(FRAMING_STREAM, false);
	(void)state;

	close(service->fd);
	service->fd = -1;
	rig_until(&service->rig, service->ear.heard[0] == 'E');
	for (int i = 0; i < 5 && service->ear.n_closed == 0; i++) {
		visitor_says(service, "x");
		rig_turns(&service->rig, 2);
	}
	heard(&service->ear, "EC");
	assert_int_equal(service->ear.end.code, 1000);
	visitor_closes(service);
	rig_turns(&service->rig, 3);
	service_free(service);
}

/* Output that breaks its framing: what was whole is passed on, 1011, a line in the log, and the service is
 * reset. */
static void test_bad_output(void **state)
{
	struct service *service = service_open(FRAMING_RECORDS, false);
	(void)state;

	wire_write(service->fd, "t\0\0\0\2hi?????", 12);
	service_settle(service);
	heard(&service->ear, "PEC");
	assert_int_equal(service->ear.end.code, 1011);
	assert_true(service->ear.end.abrupt);
	assert_true(strlen(service->ear.end.reason) > 0);
	assert_int_equal(service->got_error, ECONNRESET);
	assert_int_equal(rig_logged(&service->rig, "broke its framing"), 1);
	service_free(service);
}

/* It ends in the middle of a record. */
static void test_half_record(void **state)
{
	struct service *service = service_open(FRAMING_RECORDS, false);
	(void)state;

	wire_write(service->fd, "t\0\0\0\5hi", 7);
	shutdown(service->fd, SHUT_WR);
	service_settle(service);
	heard(&service->ear, "EC");
	assert_int_equal(service->ear.end.code, 1011);
	service_free(service);
}

/* It is taken down in every state: nothing is heard, nothing is left. */
static void test_destroy(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct service *service = service_open(FRAMING_STREAM, true);
		visitor_fills(service, 50000);
		if (i == 1)
			visitor_closes(service);
		if (i == 2)
			visitor_vanishes(service);
		if (i == 3) {
			close(service->fd);
			service->fd = -1;
			rig_until(&service->rig, service->ear.heard[0] == 'E');
			service->ear.heard[0] = '\0';
		}
		size_t n_closed = service->ear.n_closed;
		service_free(service);
		assert_in_range(n_closed, 0, i == 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_destroy_early),
		cmocka_unit_test(test_service_ends_first),
		cmocka_unit_test(test_visitor_ends_first),
		cmocka_unit_test(test_taken_down),
		cmocka_unit_test(test_both_end_queue),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_talkative),
		cmocka_unit_test(test_held_up),
		cmocka_unit_test(test_held_up_again_and_again),
		cmocka_unit_test(test_takes_nothing),
		cmocka_unit_test(test_takes_slowly),
		cmocka_unit_test(test_stalls),
		cmocka_unit_test(test_stalls_after_its_end),
		cmocka_unit_test(test_guarded),
		cmocka_unit_test(test_guarded_when_it_stalls),
		cmocka_unit_test(test_no_stall),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_abort_takes_nothing),
		cmocka_unit_test(test_abort_idle),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_service_resets),
		cmocka_unit_test(test_reset_met_by_write),
		cmocka_unit_test(test_closed_before_write),
		cmocka_unit_test(test_broken_after_eof),
		cmocka_unit_test(test_bad_output),
		cmocka_unit_test(test_half_record),
		cmocka_unit_test(test_destroy),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
