/*
 * Tests of clients' names: which of them count, what is kept, and that they hold up nobody who connects to a
 * backend.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "names.h"
#include "net/resolver_internal.h"
#include "rig.h"

static const struct name known_names[] = {
	{ .host = "client.test", .addrs = "192.0.2.9 192.0.2.1 2001:db8::1", .belongs = "192.0.2.1" },
	{ .host = "six.test", .addrs = "192.0.2.1 2001:db8::1 2001:db8::2", .belongs = "2001:db8::2" },
	/* What whoever owns an address may say of it. */
	{ .host = "victim.test", .addrs = "198.51.100.1 2001:db8::5", .belongs = "192.0.2.66" },
	{ .host = "nowhere.test", .belongs = "192.0.2.67" },
	{ .host = "198.51.100.1", .addrs = "192.0.2.68", .belongs = "192.0.2.68" },
	{ .host = "a b", .addrs = "192.0.2.69", .belongs = "192.0.2.69" },
	{ .host = "slow.test", .addrs = "192.0.2.4", .slow = true, .belongs = "192.0.2.4" },
	{ .host = "slow-too.test", .addrs = "192.0.2.5", .slow = true, .belongs = "192.0.2.5" },
	{ .host = "quick.test", .addrs = "192.0.2.7" },
	{ .host = NULL },
};

struct asker {
	struct rig rig;
	struct resolver *resolver;
};

/* What came back for one question. */
struct heard {
	unsigned n_calls;
	char name[RESOLVER_NAME];
	pthread_t thread;
};

static void heard_on_name(void *arg, const char *name)
{
	struct heard *heard = arg;
	heard->n_calls++;
	heard->thread = pthread_self();
	snprintf(heard->name, sizeof(heard->name), "%s", name);
}

static void heard_on_addrs(void *arg, const struct addr *addrs, size_t n, const char *reason)
{
	(void)addrs;
	(void)reason;
	assert_true(n > 0);
	heard_on_name(arg, "");
}

static void asker_init(struct asker *asker)
{
	names_use(known_names);
	rig_init(&asker->rig);
	asker->resolver = resolver_new();
	assert_non_null(asker->resolver);
}

static void asker_done(struct asker *asker)
{
	names_open();
	resolver_free(asker->resolver);
	rig_done(&asker->rig);
}

/* An address with a port. */
static struct addr addr_of(const char *digits)
{
	static uint16_t port = 40000;
	struct addr addr = { .len = sizeof(addr.u.in) };

	if (inet_pton(AF_INET, digits, &addr.u.in.sin_addr) == 1) {
		addr.u.in.sin_family = AF_INET;
		addr.u.in.sin_port = htons(port++);
		return addr;
	}
	addr.len = sizeof(addr.u.in6);
	addr.u.in6.sin6_family = AF_INET6;
	addr.u.in6.sin6_port = htons(port++);
	assert_int_equal(inet_pton(AF_INET6, digits, &addr.u.in6.sin6_addr), 1);
	return addr;
}

static struct resolver_query *ask(struct asker *asker, const char *digits, struct heard *heard)
{
	struct addr addr = addr_of(digits);
	memset(heard, 0, sizeof(*heard));
	return resolver_ask_name(asker->resolver, &asker->rig.loop, &addr, heard_on_name, heard);
}

/* What is known without a lookup: a name, "" for none, "?" for unknown. */
static const char *known(struct asker *asker, const char *digits)
{
	static char name[RESOLVER_NAME];
	struct addr addr = addr_of(digits);
	return resolver_known_name(asker->resolver, &asker->rig.loop, &addr, name) ? name : "?";
}

/* Asks and waits. */
static const char *name_of(struct asker *asker, const char *digits)
{
	static struct heard heard;
	assert_non_null(ask(asker, digits, &heard));
	assert_int_equal(heard.n_calls, 0); /* never from within */
	rig_until(&asker->rig, heard.n_calls == 1);
	assert_true(pthread_equal(heard.thread, pthread_self()));
	return heard.name;
}

/* A name counts when it leads back to the address, of whichever family, and v4-mapped ones are v4. */
static void test_names(void **state)
{
	struct asker asker;
	(void)state;
	asker_init(&asker);

	assert_string_equal(name_of(&asker, "192.0.2.1"), "client.test");
	assert_string_equal(name_of(&asker, "2001:db8::2"), "six.test");
	assert_int_equal(names_get(&names.n_reverse), 2);
	assert_string_equal(name_of(&asker, "::ffff:192.0.2.1"), "client.test");
	assert_int_equal(names_get(&names.n_reverse), 2);
	asker_done(&asker);
}

/* One that leads elsewhere, nowhere, looks like an address, or is no name, is none; so is no name at all. */
static void test_no_names(void **state)
{
	static const char *const digits[] = { "192.0.2.66", "192.0.2.67", "192.0.2.68", "192.0.2.69" };
	struct asker asker;
	(void)state;
	asker_init(&asker);

	for (size_t i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
		assert_string_equal(known(&asker, digits[i]), "?");
		assert_string_equal(name_of(&asker, digits[i]), "");
		assert_string_equal(known(&asker, digits[i]), "");
	}
	asker_done(&asker);
}

/* This machine's own, by the real functions. */
static void test_localhost(void **state)
{
	struct asker asker;
	char host[NI_MAXHOST];
	struct addr addr = addr_of("127.0.0.1");
	(void)state;
	asker_init(&asker);

	if (getnameinfo(&addr.u.sa, addr.len, host, sizeof(host), NULL, 0, NI_NAMEREQD) == 0)
		assert_string_equal(name_of(&asker, "127.0.0.1"), host);
	asker_done(&asker);
}

/* Kept for its time, whatever the port, also that there is none; then asked again. */
static void test_kept(void **state)
{
	struct asker asker;
	(void)state;
	asker_init(&asker);

	name_of(&asker, "192.0.2.1");
	name_of(&asker, "192.0.2.66");
	rig_skip(RESOLVER_KEEP_MS - 1000);
	assert_string_equal(known(&asker, "192.0.2.1"), "client.test");
	assert_string_equal(known(&asker, "192.0.2.66"), "");
	assert_string_equal(known(&asker, "192.0.2.2"), "?");
	assert_string_equal(name_of(&asker, "192.0.2.1"), "client.test");
	assert_int_equal(names_get(&names.n_reverse), 2);
	rig_skip(1000);
	assert_string_equal(known(&asker, "192.0.2.1"), "?");
	assert_string_equal(known(&asker, "192.0.2.66"), "?");
	assert_string_equal(name_of(&asker, "192.0.2.1"), "client.test");
	assert_int_equal(names_get(&names.n_reverse), 3);
	asker_done(&asker);
}

enum { MANY = 1500 };

/* How many of them are kept. */
static size_t count_slots(struct asker *asker)
{
	char digits[INET6_ADDRSTRLEN];
	size_t n = 0;

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(digits, sizeof(digits), "203.0.%u.%u", i / 256, i % 256);
		n += strcmp(known(asker, digits), "?") != 0;
	}
	return n;
}

/* Thousands of clients: the table does not grow, and the latest one is in it. */
static void test_many_clients(void **state)
{
	struct asker asker;
	char digits[INET6_ADDRSTRLEN];
	static struct heard heard[MANY];
	(void)state;
	asker_init(&asker);

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(digits, sizeof(digits), "203.0.%u.%u", i / 256, i % 256);
		assert_non_null(ask(&asker, digits, &heard[i]));
		if (i % 100 == 99)
			rig_until(&asker.rig, heard[i].n_calls == 1 && heard[i - 1].n_calls == 1);
	}
	assert_string_not_equal(known(&asker, digits), "?");
	size_t n = count_slots(&asker);
	assert_true(n > 100 && n <= 512);
	asker_done(&asker);
}

/* Name servers that do not answer: two threads wait for them, questions up to a number wait for those, and
 * addresses are still found. Who asks for the same once more is answered by the first answer. */
static void test_slow(void **state)
{
	struct asker asker;
	static struct heard slow[RESOLVER_NAMES_MAX + 2], one_more, quick;
	struct addr_name name;
	(void)state;
	asker_init(&asker);

	assert_non_null(ask(&asker, "192.0.2.4", &slow[0]));
	assert_non_null(ask(&asker, "192.0.2.5", &slow[1]));
	rig_until(&asker.rig, names_get(&names.n_waiting) == 2);
	for (unsigned i = 0; i < RESOLVER_NAMES_MAX; i++)
		assert_non_null(ask(&asker, i % 2 == 0 ? "192.0.2.4" : "192.0.2.5", &slow[2 + i]));
	assert_null(ask(&asker, "192.0.2.1", &one_more));
	assert_int_equal(addr_parse(&name, "quick.test:80"), 0);
	assert_non_null(resolver_ask(
		asker.resolver, &asker.rig.loop, &name, heard_on_addrs, memset(&quick, 0, sizeof(quick))));
	rig_until(&asker.rig, quick.n_calls == 1);
	assert_int_equal(names_get(&names.n_waiting), 2);
	assert_int_equal(names_get(&names.n_reverse), 2);
	names_open();
	for (unsigned i = 0; i < RESOLVER_NAMES_MAX + 2; i++) {
		rig_until(&asker.rig, slow[i].n_calls == 1);
		assert_string_equal(slow[i].name, i % 2 == 0 ? "slow.test" : "slow-too.test");
	}
	/* One thread may have begun with the other one's address before that was through. */
	assert_in_range(names_get(&names.n_reverse), 2, 4);
	assert_non_null(ask(&asker, "192.0.2.1", &one_more));
	rig_until(&asker.rig, one_more.n_calls == 1);
	asker_done(&asker);
}

/* Given up while it waits: it makes room, and nobody hears of it. Given up while it is looked up: the answer
 * is kept. */
static void test_forget(void **state)
{
	struct asker asker;
	static struct heard slow[2], waiting[RESOLVER_NAMES_MAX];
	struct resolver_query *queries[RESOLVER_NAMES_MAX];
	(void)state;
	asker_init(&asker);

	struct resolver_query *first = ask(&asker, "192.0.2.4", &slow[0]);
	struct resolver_query *second = ask(&asker, "192.0.2.5", &slow[1]);
	rig_until(&asker.rig, names_get(&names.n_waiting) == 2);
	for (unsigned i = 0; i < RESOLVER_NAMES_MAX; i++)
		queries[i] = ask(&asker, "192.0.2.1", &waiting[i]);
	resolver_forget(queries[0]);
	queries[0] = ask(&asker, "192.0.2.1", &waiting[0]);
	assert_non_null(queries[0]);
	for (unsigned i = 0; i < RESOLVER_NAMES_MAX; i++)
		resolver_forget(queries[i]);
	resolver_forget(first);
	resolver_forget(second);
	names_open();
	rig_until(&asker.rig, strcmp(known(&asker, "192.0.2.4"), "slow.test") == 0);
	rig_until(&asker.rig, strcmp(known(&asker, "192.0.2.5"), "slow-too.test") == 0);
	rig_turns(&asker.rig, 5);
	assert_int_equal(slow[0].n_calls + slow[1].n_calls + waiting[0].n_calls + waiting[1].n_calls, 0);
	asker_done(&asker);
}

/* What a host may be called. */
static void test_check(void **state)
{
	static const char *const good[] = { "a", "localhost", "a.b", "a-b.example", "x1.2y",
		"1.2.3.4.example", "_srv.example", "xn--bcher-kva.example", "1e", "0.0xy.a" };
	static const char *const bad[] = { "", ".", "a.", ".a", "-a", "a..b", "1", "1.2.3.4", "a.1", "0x7f",
		"1.0x7f", "a b", "a\nb", "a\tb", "a;b", "a$b", "a`b", "a/b", "a:b", "::1", "a%eth0",
		"b\303\274cher", "a\\032b", "a=b", "\"a\"" };
	char name[RESOLVER_NAME + 2];
	(void)state;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(resolver_names_check(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (resolver_names_check(bad[i]))
			fail_msg("\"%s\" is no name", bad[i]);
	for (size_t len = RESOLVER_NAME - 2; len <= RESOLVER_NAME; len++) {
		memset(name, 'a', len);
		name[len] = '\0';
		assert_int_equal(resolver_names_check(name), len <= 253);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_localhost),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
