/*
 * Tests of outgoing connections: one address, several, dead ones, silent ones, unix sockets, and giving up at
 * every stage.
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

#include "names.h"
#include "net/dial.h"
#include "ports.h"
#include "rig.h"
#include "untimed.h"

static unsigned n_connects;

/* Whoever connects does so from the very port that he connects to. */
static bool to_myself;

/* There is no port for whoever connects to this family. */
static int no_port_for = AF_UNSPEC;

/* The kernel has not got this family (IPv6 is off). */
static int no_family = AF_UNSPEC;

/* Take the place of libc's. */
int socket(int family, int type, int protocol)
{
	if (family == no_family) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return (int)syscall(SYS_socket, family, type, protocol);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	n_connects++;
	if (to_myself) {
		int on = 1;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		assert_int_equal(bind(fd, addr, len), 0);
	}
	if (addr->sa_family == no_port_for) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	int result = (int)syscall(SYS_connect, fd, addr, len), error = errno;
	rig_settle(); /* whoever looks finds what became of it */
	errno = error;
	return result;
}

enum { TIMEOUT_MS = 5000 };

static const struct name known_names[] = {
	{ .host = "two.test", .addrs = "127.0.0.1 127.0.0.2" },
	{ .host = "three.test", .addrs = "127.0.0.1 127.0.0.2 ::1" },
	{ .host = "both.test", .addrs = "127.0.0.1 ::1" },
	{ .host = "six.test", .addrs = "::1 127.0.0.1" },
	{ .host = "slow.test", .addrs = "127.0.0.1", .slow = true },
	{ .host = "bad.test" },
	{ .host = NULL },
};

struct caller {
	struct rig rig;
	struct resolver *resolver;
	struct dial *dial;
	unsigned n_calls;
	int fd, error;
	char reason[512];
};

static void caller_on_dialled(void *arg, int fd, int error, const char *reason)
{
	struct caller *caller = arg;
	caller->n_calls++;
	caller->fd = fd;
	caller->error = error;
	snprintf(caller->reason, sizeof(caller->reason), "%s", reason);
}

static void caller_init(struct caller *caller)
{
	memset(caller, 0, sizeof(*caller));
	names_use(known_names);
	rig_init(&caller->rig);
	caller->resolver = resolver_new();
	caller->fd = -1;
}

/* Nothing may be left; what was won is closed. */
static void caller_done(struct caller *caller)
{
	if (caller->fd >= 0)
		close(caller->fd);
	names_open();
	resolver_free(caller->resolver);
	rig_done(&caller->rig);
}

/* Dials HOST:PORT. */
static void dial_to(struct caller *caller, const char *host, uint16_t port)
{
	struct addr_name name = { .kind = ADDR_TCP, .port = port };
	snprintf(name.host, sizeof(name.host), "%s", host);
	caller->dial =
		dial_start(&caller->rig.loop, caller->resolver, &name, TIMEOUT_MS, caller_on_dialled, caller);
	assert_non_null(caller->dial);
	assert_int_equal(caller->n_calls, 0); /* never from within */
}

/* Where the won descriptor leads. */
static struct addr peer_of(int fd)
{
	struct addr addr = { .len = sizeof(addr.u) };
	assert_int_equal(getpeername(fd, &addr.u.sa, &addr.len), 0);
	return addr;
}

/* One address that answers: a descriptor as it is wanted. The service is on this machine, so that there is
 * nothing to wait for: one turn is enough. */
static void test_connects(void **state)
{
	struct caller caller;
	int on = 0;
	socklen_t len = sizeof(on);
	(void)state;
	caller_init(&caller);

	int service = serve("::1", 0, 8);
	dial_to(&caller, "::1", port_of(service));
	rig_turn(&caller.rig);
	assert_int_equal(caller.n_calls, 1);
	assert_true(caller.fd >= 0);
	assert_int_equal(caller.error, 0);
	assert_true(fcntl(caller.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(caller.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(caller.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_int_equal(on, 1);
	rig_skip(2 * TIMEOUT_MS);
	rig_turns(&caller.rig, 3);
	assert_int_equal(caller.n_calls, 1);
	close(service);
	caller_done(&caller);
}

/* Nobody there: at once, with the errno and the place in words. */
static void test_refused(void **state)
{
	struct caller caller;
	char words[64];
	(void)state;
	caller_init(&caller);

	int closed = closed_port("127.0.0.1", 0);
	dial_to(&caller, "127.0.0.1", port_of(closed));
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.fd, -1);
	assert_int_equal(caller.error, ECONNREFUSED);
	snprintf(words, sizeof(words), "connect to 127.0.0.1:%u: Connection refused", port_of(closed));
	assert_string_equal(caller.reason, words);
	close(closed);
	caller_done(&caller);
}

/* Where nobody listens a connection may come to itself: that is nobody. */
static void test_itself(void **state)
{
	struct caller caller;
	uint16_t port = free_port();
	(void)state;
	caller_init(&caller);

	to_myself = true;
	dial_to(&caller, "127.0.0.1", port);
	rig_until(&caller.rig, caller.n_calls == 1);
	to_myself = false;
	assert_int_equal(caller.fd, -1);
	assert_int_equal(caller.error, ECONNREFUSED);
	caller_done(&caller);
}

/* The first address refuses: the second one is tried at once, not after 250 ms. */
static void test_dead_then_live(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	int service = serve("127.0.0.2", 0, 8), closed = closed_port("127.0.0.1", port_of(service));
	dial_to(&caller, "two.test", port_of(service));
	uint64_t began = loop_now(&caller.rig.loop);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_true(caller.fd >= 0);
	assert_in_range(loop_now(&caller.rig.loop) - began, 0, DIAL_STAGGER_MS - 1);
	assert_int_equal(ntohl(peer_of(caller.fd).u.in.sin_addr.s_addr), INADDR_LOOPBACK + 1);
	close(service);
	close(closed);
	caller_done(&caller);
}

/* The first address is silent: the second one is begun after 250 ms and not before, and wins; the attempt
 * that lost is closed. */
static void test_silent_then_live(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	int service = serve("127.0.0.2", 0, 8);
	struct hole hole = hole_new("127.0.0.1", port_of(service));
	dial_to(&caller, "two.test", port_of(service));
	rig_until(&caller.rig, caller.rig.loop.n_events == 4); /* mailbox, two timers, the first attempt */
	rig_turns(&caller.rig, 5);
	assert_int_equal(caller.n_calls, 0);
	rig_skip(DIAL_STAGGER_MS);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_true(caller.fd >= 0);
	assert_int_equal(ntohl(peer_of(caller.fd).u.in.sin_addr.s_addr), INADDR_LOOPBACK + 1);
	close(service);
	hole_free(&hole);
	caller_done(&caller);
}

/* What that costs by a real clock: less than 300 ms, unless the machine is busy each time. */
static void test_cost_of_a_silent_one(void **state)
{
	struct caller caller;
	uint64_t cost = UINT64_MAX;
	(void)state;
	caller_init(&caller);

	int service = serve("127.0.0.2", 0, 8);
	struct hole hole = hole_new("127.0.0.1", port_of(service));
	for (int i = 0; i < 8 && cost >= 300; i++) {
		caller.n_calls = 0;
		dial_to(&caller, "two.test", port_of(service));
		rig_until(&caller.rig, caller.rig.loop.n_events == 4); /* the first attempt has begun */
		uint64_t begin = loop_now(&caller.rig.loop);
		rig_until(&caller.rig, caller.n_calls == 1);
		cost = loop_now(&caller.rig.loop) - begin;
		assert_true(caller.fd >= 0);
		close(caller.fd);
		caller.fd = -1;
	}
	assert_in_range(cost, DIAL_STAGGER_MS - 5, 299);
	close(service);
	hole_free(&hole);
	caller_done(&caller);
}

/* Families take turns: after the silent v4 address it is v6's, though another v4 one comes before it. */
static void test_interleave(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	int second = serve("127.0.0.2", 0, 8), third = serve("::1", port_of(second), 8);
	struct hole hole = hole_new("127.0.0.1", port_of(second));
	dial_to(&caller, "three.test", port_of(second));
	rig_until(&caller.rig, caller.rig.loop.n_events == 4);
	rig_skip(DIAL_STAGGER_MS);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_true(caller.fd >= 0);
	assert_int_equal(peer_of(caller.fd).u.sa.sa_family, AF_INET6);
	close(second);
	close(third);
	hole_free(&hole);
	caller_done(&caller);
}

/* The family that the resolver puts first is tried first. */
static void test_first_is_first(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	int v4 = serve("127.0.0.1", 0, 8), v6 = serve("::1", port_of(v4), 8);
	dial_to(&caller, "six.test", port_of(v4));
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(peer_of(caller.fd).u.sa.sa_family, AF_INET6);
	close(v4);
	close(v6);
	caller_done(&caller);
}

/* All of them refuse: it fails once, with the last error, when the last one has. */
static void test_all_dead(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	int second = closed_port("127.0.0.2", 0), first = closed_port("127.0.0.1", port_of(second));
	dial_to(&caller, "two.test", port_of(second));
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, ECONNREFUSED);
	close(first);
	close(second);
	caller_done(&caller);
}

/* An address that we have no port for, or no such family, is reported only where there is nothing else to
 * report. */
static void test_not_for_us(void **state)
{
	static const struct {
		int *lacks, family;
		const char *host;
		int error;
	} cases[] = {
		{ &no_port_for, AF_INET, "127.0.0.1", EADDRNOTAVAIL },
		{ &no_port_for, AF_INET, "both.test", ECONNREFUSED },
		{ &no_port_for, AF_INET6, "both.test", ECONNREFUSED },
		{ &no_family, AF_INET6, "::1", EAFNOSUPPORT },
		{ &no_family, AF_INET6, "both.test", ECONNREFUSED },
		{ &no_family, AF_INET6, "six.test", ECONNREFUSED },
		{ &no_family, AF_INET, "both.test", ECONNREFUSED },
	};
	int six = closed_port("::1", 0), four = closed_port("127.0.0.1", port_of(six));
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct caller caller;
		caller_init(&caller);
		*cases[i].lacks = cases[i].family;
		dial_to(&caller, cases[i].host, port_of(six));
		rig_until(&caller.rig, caller.n_calls == 1);
		*cases[i].lacks = AF_UNSPEC;
		assert_int_equal(caller.error, cases[i].error);
		caller_done(&caller);
	}
	close(four);
	close(six);
}

/* One refuses while another one is still silent: that one has until the deadline. */
static void test_dead_while_silent(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	int second = closed_port("127.0.0.2", 0);
	struct hole hole = hole_new("127.0.0.1", port_of(second));
	dial_to(&caller, "two.test", port_of(second));
	rig_until(&caller.rig, caller.rig.loop.n_events == 4);
	rig_skip(DIAL_STAGGER_MS);
	rig_turns(&caller.rig, 10);
	assert_int_equal(caller.n_calls, 0);
	rig_skip(TIMEOUT_MS - DIAL_STAGGER_MS);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, ETIMEDOUT);
	hole_free(&hole);
	close(second);
	caller_done(&caller);
}

/* Silence until the deadline: ETIMEDOUT then, and not before. */
static void test_silent(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	struct hole hole = hole_new("127.0.0.1", 0);
	dial_to(&caller, "127.0.0.1", port_of(hole.listener));
	rig_turns(&caller.rig, 3);
	rig_skip(TIMEOUT_MS - 1000);
	rig_turns(&caller.rig, 10);
	assert_int_equal(caller.n_calls, 0);
	rig_skip(1000);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.fd, -1);
	assert_int_equal(caller.error, ETIMEDOUT);
	assert_non_null(strstr(caller.reason, "Connection timed out"));
	hole_free(&hole);
	caller_done(&caller);
}

/* A name that has no address: the name server's words. */
static void test_no_address(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	dial_to(&caller, "bad.test", 80);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.fd, -1);
	assert_int_equal(caller.error, DIAL_UNKNOWN_NAME);
	assert_non_null(strstr(caller.reason, "connect to bad.test:80: "));
	assert_non_null(strstr(caller.reason, gai_strerror(EAI_FAIL)));
	caller_done(&caller);
}

/* A name server that does not answer is within the time-out, too; its late answer changes nothing. */
static void test_slow_name(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	dial_to(&caller, "slow.test", 80);
	rig_until(&caller.rig, names_get(&names.n_waiting) == 1);
	rig_skip(TIMEOUT_MS);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, ETIMEDOUT);
	names_open();
	rig_until(&caller.rig, names_get(&names.n_waiting) == 0);
	rig_turns(&caller.rig, 5);
	assert_int_equal(caller.n_calls, 1);
	caller_done(&caller);
}

/* A name that comes late is still dialled, within the time that is left. */
static void test_late_name(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	int service = serve("127.0.0.1", 0, 8);
	dial_to(&caller, "slow.test", port_of(service));
	rig_until(&caller.rig, names_get(&names.n_waiting) == 1);
	rig_skip(TIMEOUT_MS - 1000);
	names_open();
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_true(caller.fd >= 0);
	close(service);
	caller_done(&caller);
}

/* A directory for a unix socket, and its name. */
struct place {
	char dir[32];
	struct addr_name name;
	struct addr addr;
};

static struct place place_new(void)
{
	struct place place = { .dir = "/tmp/wsluice-XXXXXX" };
	assert_non_null(mkdtemp(place.dir));
	place.name.kind = ADDR_UNIX;
	snprintf(place.name.path, sizeof(place.name.path), "%s/s", place.dir);
	place.addr.len = sizeof(place.addr.u.un);
	place.addr.u.un.sun_family = AF_UNIX;
	memcpy(place.addr.u.un.sun_path, place.name.path, sizeof(place.name.path));
	return place;
}

static void place_free(const struct place *place)
{
	unlink(place->name.path);
	assert_int_equal(rmdir(place->dir), 0);
}

static void dial_unix(struct caller *caller, const struct place *place)
{
	caller->n_calls = 0;
	caller->dial = dial_start(
		&caller->rig.loop, caller->resolver, &place->name, TIMEOUT_MS, caller_on_dialled, caller);
	assert_non_null(caller->dial);
	assert_int_equal(caller->n_calls, 0);
}

/* A unix socket that is not there, one that nobody listens on, one that answers. */
static void test_unix(void **state)
{
	struct place place = place_new();
	struct caller caller;
	(void)state;
	caller_init(&caller);

	dial_unix(&caller, &place);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, ENOENT);
	assert_non_null(strstr(caller.reason, place.name.path));

	int service = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(service, &place.addr.u.sa, place.addr.len), 0);
	dial_unix(&caller, &place);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, ECONNREFUSED);

	assert_int_equal(listen(service, 1), 0);
	dial_unix(&caller, &place);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, 0);
	assert_true(fcntl(caller.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(caller.fd, F_GETFD) & FD_CLOEXEC);
	close(service);
	caller_done(&caller);
	place_free(&place);
}

/* A unix socket with a full backlog says EAGAIN: it is tried again in a while, soon and then less often,
 * until the deadline. */
static void test_unix_full(void **state)
{
	struct place place = place_new();
	struct caller caller;
	int fillers[4];
	(void)state;
	caller_init(&caller);

	int service = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(service, &place.addr.u.sa, place.addr.len), 0);
	assert_int_equal(listen(service, 0), 0);
	for (int i = 0; i < 4; i++) {
		fillers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fillers[i], &place.addr.u.sa, place.addr.len);
	}
	n_connects = 0;
	dial_unix(&caller, &place);
	rig_pass(&caller.rig, DIAL_STAGGER_MS, 1);
	assert_in_range(n_connects, 4, 7);
	rig_pass(&caller.rig, TIMEOUT_MS - 2 * DIAL_STAGGER_MS, DIAL_STAGGER_MS / 5);
	assert_in_range(n_connects, 12, 7 + TIMEOUT_MS / DIAL_STAGGER_MS);
	assert_int_equal(caller.n_calls, 0);
	rig_skip(TIMEOUT_MS);
	rig_until(&caller.rig, caller.n_calls == 1);
	assert_int_equal(caller.error, ETIMEDOUT);

	dial_unix(&caller, &place);
	rig_turns(&caller.rig, 3);
	for (int i = 0, fd; i < 4; i++)
		if ((fd = accept(service, NULL, NULL)) >= 0)
			close(fd);
	rig_skip(DIAL_RETRY_MS);
	rig_turns(&caller.rig, 3);
	assert_int_equal(caller.n_calls, 1);
	assert_int_equal(caller.error, 0);
	assert_true(caller.fd >= 0);
	for (int i = 0; i < 4; i++)
		close(fillers[i]);
	close(service);
	caller_done(&caller);
	place_free(&place);
}

/* Given up before the first turn, while the name is looked up, while one or two attempts are open: nothing is
 * reported and nothing is left. */
static void test_cancel(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	struct hole hole = hole_new("127.0.0.1", 0);
	uint16_t port = port_of(hole.listener);
	struct hole other = hole_new("127.0.0.2", port);
	dial_to(&caller, "127.0.0.1", port); /* before anything */
	dial_cancel(caller.dial);
	rig_turns(&caller.rig, 2);

	dial_to(&caller, "slow.test", port); /* the name */
	rig_until(&caller.rig, names_get(&names.n_waiting) == 1);
	dial_cancel(caller.dial);
	rig_turns(&caller.rig, 2);

	dial_to(&caller, "two.test", port); /* one attempt */
	rig_until(&caller.rig, caller.rig.loop.n_events == 4);
	dial_cancel(caller.dial);
	rig_turns(&caller.rig, 2);

	dial_to(&caller, "two.test", port); /* both */
	rig_until(&caller.rig, caller.rig.loop.n_events == 4);
	rig_skip(DIAL_STAGGER_MS);
	rig_until(&caller.rig, caller.rig.loop.n_events == 5);
	dial_cancel(caller.dial);

	rig_skip(2 * TIMEOUT_MS);
	rig_turns(&caller.rig, 3);
	assert_int_equal(caller.n_calls, 0);
	hole_free(&hole);
	hole_free(&other);
	caller_done(&caller);
}

/* No descriptors: that is what it says. */
static void test_no_descriptors(void **state)
{
	struct caller caller;
	struct rlimit old, now;
	(void)state;
	caller_init(&caller);

	int service = serve("127.0.0.1", 0, 8), highest = dup(0);
	close(highest);
	getrlimit(RLIMIT_NOFILE, &old);
	now = old;
	now.rlim_cur = (rlim_t)highest;
	setrlimit(RLIMIT_NOFILE, &now);
	dial_to(&caller, "127.0.0.1", port_of(service));
	rig_until(&caller.rig, caller.n_calls == 1);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(caller.error, EMFILE);
	close(service);
	caller_done(&caller);
}

/* What can't be bounded is not waited for, be it a connection or a name. */
static void test_no_timer(void **state)
{
	struct addr_name name = { .kind = ADDR_TCP, .host = "bad.test", .port = 80 };
	struct caller caller;
	(void)state;
	caller_init(&caller);

	untimed_at = 1;
	assert_null(
		dial_start(&caller.rig.loop, caller.resolver, &name, TIMEOUT_MS, caller_on_dialled, &caller));
	assert_int_equal(untimed_at, 0);
	rig_turns(&caller.rig, 3);
	assert_int_equal(caller.n_calls, 0);

	struct hole hole = hole_new("127.0.0.1", 0);
	untimed_at = 1;
	dial_to(&caller, "127.0.0.1", port_of(hole.listener));
	rig_turns(&caller.rig, 1);
	assert_int_equal(untimed_at, 0);
	assert_int_equal(caller.n_calls, 1);
	assert_int_equal(caller.fd, -1);
	assert_int_equal(caller.error, ENOMEM);
	hole_free(&hole);
	caller_done(&caller);
}

/* A service that is there at once is not waited for. */
static void test_needs_no_timer(void **state)
{
	struct caller caller;
	(void)state;
	caller_init(&caller);

	int service = serve("127.0.0.1", 0, 8);
	untimed_at = 1;
	dial_to(&caller, "127.0.0.1", port_of(service));
	rig_turns(&caller.rig, 1);
	assert_int_equal(untimed_at, 1);
	untimed_at = 0;
	assert_int_equal(caller.n_calls, 1);
	assert_true(caller.fd >= 0);
	close(service);
	caller_done(&caller);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connects),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_itself),
		cmocka_unit_test(test_dead_then_live),
		cmocka_unit_test(test_silent_then_live),
		cmocka_unit_test(test_cost_of_a_silent_one),
		cmocka_unit_test(test_interleave),
		cmocka_unit_test(test_first_is_first),
		cmocka_unit_test(test_all_dead),
		cmocka_unit_test(test_not_for_us),
		cmocka_unit_test(test_dead_while_silent),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_slow_name),
		cmocka_unit_test(test_late_name),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_unix_full),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_no_timer),
		cmocka_unit_test(test_needs_no_timer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
