/*
 * Tests of the way to a service: the next one when one can't be reached, what that costs, what is said of it,
 * and giving up at every stage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>

#include "backend/reach.h"
#include "backend/rotation.h"
#include "backend/tcp.h"
#include "names.h"
#include "rig.h"
/* The two above come first. */
#include "ports.h"

enum { TIMEOUT_MS = 5000, PATIENCE_MS = 60000, SERVICES = 40 };

static const struct name known_names[] = {
	{ .host = "slow.test", .addrs = "127.0.0.1", .slow = true },
	{ .host = "nobody.test" },
	{ .host = NULL },
};

struct caller {
	struct rig rig;
	struct resolver *resolver;
	struct upstream items[SERVICES];
	char uris[SERVICES][300];
	struct route_conf route;
	struct config config;
	struct rotation *rotation;
	struct tcp_params params;
	struct reach *reach;
	unsigned n_calls;
	int fd, error;
	char reason[512];
};

static void caller_on_reached(void *arg, int fd, int error, const char *reason)
{
	struct caller *caller = arg;
	caller->n_calls++;
	caller->fd = fd;
	caller->error = error;
	snprintf(caller->reason, sizeof(caller->reason), "%s", reason);
}

/* Services at ports of 127.0.0.1; 0 ends them. */
static void caller_init(struct caller *caller, const uint16_t *ports)
{
	size_t n = 0;

	memset(caller, 0, sizeof(*caller));
	names_use(known_names);
	rig_init(&caller->rig);
	caller->resolver = resolver_new();
	caller->fd = -1;
	for (; ports[n] != 0; n++) {
		struct upstream *item = &caller->items[n];
		item->name = (struct addr_name){ .kind = ADDR_TCP, .host = "127.0.0.1", .port = ports[n] };
		snprintf(caller->uris[n], sizeof(caller->uris[n]), "tcp://127.0.0.1:%u", ports[n]);
		item->uri = caller->uris[n];
	}
	caller->route = (struct route_conf){ .pattern = (char *)(uintptr_t) "/r",
		.is_service = true,
		.connect = { .items = caller->items, .n = n },
		.connect_timeout_ms = TIMEOUT_MS,
		.send_timeout_ms = PATIENCE_MS };
	caller->config = (struct config){ .routes = &caller->route, .n_routes = 1 };
	caller->rotation = rotation_new(&caller->config);
	caller->params = (struct tcp_params){ .route = &caller->route,
		.upstreams = &caller->route.connect,
		.rotation = caller->rotation,
		.resolver = caller->resolver };
}

static void caller_start(struct caller *caller)
{
	caller->n_calls = 0;
	caller->fd = -1;
	caller->reach = reach_new(&caller->rig.loop, &caller->params, caller_on_reached, caller);
	assert_non_null(caller->reach);
	assert_int_equal(reach_start(caller->reach), 0);
	assert_int_equal(caller->n_calls, 0); /* never from within */
}

/* Ends this session's way, and what it came to. */
static void caller_leave(struct caller *caller, struct rotation_service *counted)
{
	reach_free(caller->reach);
	caller->reach = NULL;
	rotation_leave(counted);
	if (caller->fd >= 0)
		close(caller->fd);
	caller->fd = -1;
	rig_turn(&caller->rig);
}

/* Nothing may be left. */
static void caller_done(struct caller *caller)
{
	names_open();
	rotation_free(caller->rotation); /* looks whether every session has left */
	resolver_free(caller->resolver);
	rig_done(&caller->rig);
}

/* Where the connection leads to. */
static uint16_t caller_reached(const struct caller *caller)
{
	struct addr peer = { .len = sizeof(peer.u) };
	assert_true(caller->fd >= 0);
	assert_int_equal(getpeername(caller->fd, &peer.u.sa, &peer.len), 0);
	assert_int_equal(reach_at(caller->reach)->name.port, addr_port(&peer));
	return addr_port(&peer);
}

/* A whole session. Returns the port that it came to. */
static uint16_t visit(struct caller *caller)
{
	caller_start(caller);
	rig_until(&caller->rig, caller->n_calls == 1);
	uint16_t port = caller_reached(caller);
	caller_leave(caller, reach_settle(caller->reach));
	return port;
}

static void assert_option(int fd, int level, int option, int value)
{
	int got = -1;
	socklen_t len = sizeof(got);
	assert_int_equal(getsockopt(fd, level, option, &got, &len), 0);
	assert_int_equal(got, value);
}

/* One service. */
static void test_one(void **state)
{
	struct caller caller;
	int service = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(service), 0 };
	(void)state;
	caller_init(&caller, ports);

	caller_start(&caller);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller_reached(&caller), ports[0]);
	assert_option(caller.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	caller_leave(&caller, NULL); /* not settled */
	caller_done(&caller);
	close(service);
}

/* The first one refuses: the second one is there without a wait, and later sessions go there at once. One
 * line says so, and one that the first is back. */
static void test_refused_then_live(void **state)
{
	struct caller caller;
	int closed = closed_port("127.0.0.1", 0), service = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(closed), port_of(service), 0 };
	(void)state;
	caller_init(&caller, ports);

	for (int i = 0; i < 3; i++)
		assert_int_equal(visit(&caller), ports[1]);
	assert_int_equal(rig_logged(&caller.rig, "service can't be reached"), 1);
	assert_int_equal(rig_logged(&caller.rig, caller.uris[0]), 2);
	assert_int_equal(rig_logged(&caller.rig, "service not reached"), 1);
	rig_skip(ROTATION_REST_MS);
	assert_int_equal(visit(&caller), ports[1]); /* after another look */
	assert_int_equal(listen(closed, 8), 0);
	assert_int_equal(visit(&caller), ports[1]);
	assert_int_equal(rig_logged(&caller.rig, "service not reached"), 2);
	rig_skip(ROTATION_REST_MS);
	for (int i = 0; i < 3; i++)
		assert_int_equal(visit(&caller), ports[0]);
	assert_int_equal(rig_logged(&caller.rig, "service can't be reached"), 1);
	assert_int_equal(rig_logged(&caller.rig, "service is back"), 1);
	caller_done(&caller);
	close(closed);
	close(service);
}

/* Silence costs connect_timeout, each time anew, and no more; also that of a name server. */
static void test_silent_then_live(void **state)
{
	struct caller caller;
	struct hole hole = hole_new("127.0.0.1", 0);
	int service = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(hole.listener), 1, port_of(service), 0 };
	(void)state;
	caller_init(&caller, ports);
	strcpy(caller.items[1].name.host, "slow.test");

	caller_start(&caller);
	rig_turns(&caller.rig, 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(reach_at(caller.reach)->name.port, ports[i]);
		rig_skip(TIMEOUT_MS - 1000);
		rig_turns(&caller.rig, 3);
		assert_in_range(reach_left_ms(caller.reach), 500, 1000);
		assert_int_equal(reach_at(caller.reach)->name.port, ports[i]);
		rig_skip(1000);
		rig_turns(&caller.rig, 3);
	}
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller_reached(&caller), ports[2]);
	assert_in_range(reach_left_ms(caller.reach), TIMEOUT_MS - 1000, TIMEOUT_MS);
	rig_skip(2 * TIMEOUT_MS);
	assert_int_equal(reach_left_ms(caller.reach), LOOP_REPRIEVE_MS); /* it was reached by one */
	caller_leave(&caller, reach_settle(caller.reach));
	caller_done(&caller);
	hole_free(&hole);
	close(service);
}

/* None is left: the story tells of all of them, and only silence of all is a time-out. */
static void test_none_left(void **state)
{
	struct hole hole = hole_new("127.0.0.1", 0), other = hole_new("127.0.0.1", 0);
	int closed = closed_port("127.0.0.1", 0);
	uint16_t silent = port_of(hole.listener), refuses = port_of(closed);
	const struct {
		uint16_t ports[3];
		int error;
	} cases[] = {
		{ { silent, refuses, 0 }, ECONNREFUSED },
		{ { refuses, silent, 0 }, ECONNREFUSED },
		{ { silent, port_of(other.listener), 0 }, ETIMEDOUT },
		{ { silent, 0, 0 }, ETIMEDOUT },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct caller caller;
		char word[64];
		caller_init(&caller, cases[i].ports);
		caller_start(&caller);
		for (int n = 0; n < 3; n++) {
			rig_turns(&caller.rig, 5);
			rig_skip(TIMEOUT_MS);
		}
		rig_until(&caller.rig, caller.n_calls == 1);
		assert_int_equal(caller.fd, -1);
		assert_int_equal(caller.error, cases[i].error);
		for (size_t k = 0; cases[i].ports[k] != 0; k++) {
			snprintf(word, sizeof(word), "connect to 127.0.0.1:%u: ", cases[i].ports[k]);
			assert_non_null(strstr(caller.reason, word));
		}
		assert_int_equal(strstr(caller.reason, "Connection timed out") != NULL,
			cases[i].ports[0] == silent || cases[i].ports[1] == silent);
		caller_leave(&caller, NULL);
		caller_done(&caller);
	}
	close(closed);
	hole_free(&hole);
	hole_free(&other);
}

/* Of many, as many as there is room for, and how many more. */
static void test_long_story(void **state)
{
	struct caller caller;
	int closed = closed_port("127.0.0.1", 0);
	uint16_t ports[SERVICES] = { 0 };
	(void)state;
	for (int i = 0; i < SERVICES - 1; i++)
		ports[i] = port_of(closed);
	caller_init(&caller, ports);

	caller_start(&caller);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, ECONNREFUSED);
	assert_in_range(strlen(caller.reason), 150, 255);
	int told = 1, more = 0;
	for (const char *at = caller.reason; (at = strchr(at, ';')) != NULL; at++)
		told++;
	assert_int_equal(sscanf(strrchr(caller.reason, '('), "(and %d more)", &more), 1);
	assert_int_equal(told + more, SERVICES - 1);
	caller_leave(&caller, NULL);
	caller_done(&caller);

	/* one that fills it all */
	caller_init(&caller, (uint16_t[]){ 1, 1, 0 });
	memset(caller.items[0].name.host, 'x', 255);
	caller_start(&caller);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_true(strlen(caller.reason) < 256);
	assert_non_null(strstr(caller.reason, " (and 1 more)"));
	caller_leave(&caller, NULL);
	caller_done(&caller);
	close(closed);
}

/* A name that does not exist is a service that can't be reached. */
static void test_no_such_name(void **state)
{
	struct caller caller;
	int service = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { 1, port_of(service), 0 };
	(void)state;
	caller_init(&caller, ports);
	strcpy(caller.items[0].name.host, "nobody.test");

	assert_int_equal(visit(&caller), ports[1]);
	assert_int_equal(rig_logged(&caller.rig, "nobody.test"), 2);
	caller_done(&caller);
	close(service);
}

/* Who the client is goes first, before anybody else can write. What does not go at once goes to nobody. */
static void test_proxy(void **state)
{
	enum { TOO_MUCH = 16 << 20 };
	struct caller caller;
	int first = serve("127.0.0.1", 0, 8), second = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(first), port_of(second), 0 };
	char *proxy = calloc(1, TOO_MUCH), got[TCP_PROXY_MAX + 1];
	(void)state;
	caller_init(&caller, ports);
	memset(proxy, 'p', TCP_PROXY_MAX);

	caller.params.proxy = proxy;
	caller.params.proxy_len = TCP_PROXY_MAX;
	caller_start(&caller);
	memset(proxy, 'q', TCP_PROXY_MAX); /* it has a copy */
	rig_until(&caller.rig, caller.n_calls == 1);
	int fd = accept(first, NULL, NULL);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL | MSG_DONTWAIT), TCP_PROXY_MAX);
	assert_int_equal(strspn(got, "p"), TCP_PROXY_MAX);
	close(fd);
	caller_leave(&caller, reach_settle(caller.reach));

	caller.params.proxy_len = TOO_MUCH;
	caller_start(&caller);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.fd, -1);
	assert_int_equal(caller.error, EMSGSIZE);
	assert_non_null(strstr(caller.reason, "PROXY header"));
	assert_int_equal(rig_logged(&caller.rig, "service can't be reached"), 2);
	caller_leave(&caller, NULL);
	caller_done(&caller);
	free(proxy);
	close(first);
	close(second);
}

/* The owner finds that a connection is of no use: the next one, until none is left. */
static void test_go_on(void **state)
{
	struct caller caller;
	int first = serve("127.0.0.1", 0, 8), second = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(first), port_of(second), 0 };
	(void)state;
	caller_init(&caller, ports);

	caller_start(&caller);
	for (unsigned i = 0; i < 2; i++) {
		rig_until(&caller.rig, caller.n_calls == i + 1);
		assert_int_equal(caller_reached(&caller), ports[i]);
		close(caller.fd);
		reach_go_on(caller.reach, EPROTO, i == 0 ? "one" : "two");
	}
	assert_int_equal(caller.n_calls, 3);
	assert_int_equal(caller.fd, -1);
	assert_int_equal(caller.error, EPROTO);
	assert_string_equal(caller.reason, "one; two");
	assert_int_equal(rig_logged(&caller.rig, "service can't be reached"), 2);
	caller_leave(&caller, NULL);
	caller_done(&caller);
	close(first);
	close(second);
}

/* Without a port of ours for one service there may be one for the next, and nobody is told that it is gone.
 */
static void test_no_port_of_ours(void **state)
{
	struct caller caller;
	int first = serve("127.0.0.1", 0, 8), second = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(first), port_of(second), 0 };
	(void)state;
	caller_init(&caller, ports);

	for (int turn = 0; turn < 2; turn++) {
		caller_start(&caller);
		for (unsigned i = 0; i < 2; i++) {
			rig_until(&caller.rig, caller.n_calls == i + 1);
			assert_int_equal(caller_reached(&caller), ports[i]); /* the first does not rest */
			close(caller.fd);
			reach_go_on(caller.reach, EADDRNOTAVAIL, "no port");
		}
		assert_int_equal(caller.n_calls, 3);
		assert_int_equal(caller.error, EADDRNOTAVAIL);
		assert_int_equal(rig_logged(&caller.rig, "service can't be reached"), 0);
		caller_leave(&caller, NULL);
	}
	caller_done(&caller);
	close(first);
	close(second);
}

/* Given up at every stage, also by who was to look whether the first one is back: the next one looks then. */
static void test_left_early(void **state)
{
	struct caller caller;
	int closed = closed_port("127.0.0.1", 0), service = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(closed), port_of(service), 0 };
	(void)state;
	caller_init(&caller, ports);

	caller.reach = reach_new(&caller.rig.loop, &caller.params, caller_on_reached, &caller);
	caller_leave(&caller, NULL); /* not begun */
	assert_int_equal(visit(&caller), ports[1]);
	assert_int_equal(listen(closed, 8), 0);
	rig_skip(ROTATION_REST_MS);
	for (int turns = 0; turns < 2; turns++) {
		caller_start(&caller); /* dialling, and then connected */
		assert_int_equal(reach_at(caller.reach)->name.port, ports[0]);
		if (turns > 0)
			rig_until(&caller.rig, caller.n_calls == 1);
		caller_leave(&caller, NULL);
	}
	rig_turns(&caller.rig, 3);
	assert_int_equal(caller.n_calls, 1);
	assert_int_equal(visit(&caller), ports[0]);
	reach_free(NULL);
	caller_done(&caller);
	close(closed);
	close(service);
}

/* That we have no descriptors is no fault of a service. */
static void test_no_descriptors(void **state)
{
	struct caller caller;
	struct rlimit old, now;
	int service = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(service), port_of(service), 0 };
	(void)state;
	caller_init(&caller, ports);

	int highest = dup(0);
	close(highest);
	getrlimit(RLIMIT_NOFILE, &old);
	now = old;
	now.rlim_cur = (rlim_t)highest;
	setrlimit(RLIMIT_NOFILE, &now);
	caller_start(&caller);
	rig_until(&caller.rig, caller.n_calls == 1);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(caller.error, EMFILE);
	assert_null(strchr(caller.reason, ';')); /* one was enough to know */
	assert_int_equal(rig_logged(&caller.rig, "service can't be reached"), 0);
	caller_leave(&caller, NULL);
	caller_done(&caller);
	close(service);
}

/* A list that was chosen for this session: in its order, and nobody else is concerned. */
static void test_list_of_its_own(void **state)
{
	struct caller caller;
	int closed = closed_port("127.0.0.1", 0), service = serve("127.0.0.1", 0, 8);
	uint16_t ports[] = { port_of(closed), port_of(service), 0 };
	(void)state;
	caller_init(&caller, ports);
	struct upstream_list own = { .items = caller.items, .n = 2 };
	caller.params.upstreams = &own;

	for (int i = 0; i < 2; i++) {
		caller_start(&caller);
		rig_until(&caller.rig, caller.n_calls == 1);
		assert_int_equal(caller_reached(&caller), ports[1]);
		assert_null(reach_settle(caller.reach));
		caller_leave(&caller, NULL);
	}
	assert_int_equal(rig_logged(&caller.rig, "service can't be reached"), 0);
	assert_int_equal(rig_logged(&caller.rig, "service not reached"), 2);
	own.n = 1;
	caller_start(&caller);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, ECONNREFUSED);
	caller_leave(&caller, NULL);
	caller_done(&caller);
	close(closed);
	close(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_refused_then_live),
		cmocka_unit_test(test_silent_then_live),
		cmocka_unit_test(test_none_left),
		cmocka_unit_test(test_long_story),
		cmocka_unit_test(test_no_such_name),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_go_on),
		cmocka_unit_test(test_no_port_of_ours),
		cmocka_unit_test(test_left_early),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_list_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
