/*
 * Tests of the resolver: what needs no lookup, what is kept, several questions at once, and questions that
 * nobody waits for any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "names.h"
#include "net/resolver.h"
#include "rig.h"

static char huge[32768]; /* addresses of huge.test */

/* Names that take their time, as many as there are threads, and one more. */
static const char *const slow_names[] = { "slow.test", "slow-2.test", "slow-3.test", "slow-4.test",
	"slow-5.test" };

static const struct name known_names[] = {
	{ .host = "quick.test", .addrs = "192.0.2.1 2001:db8::1 192.0.2.2" },
	{ .host = "other.test", .addrs = "192.0.2.3" },
	{ .host = "slow.test", .addrs = "192.0.2.4", .slow = true },
	{ .host = "slow-2.test", .addrs = "192.0.2.5", .slow = true },
	{ .host = "slow-3.test", .addrs = "192.0.2.6", .slow = true },
	{ .host = "slow-4.test", .addrs = "192.0.2.7", .slow = true },
	{ .host = "slow-5.test", .addrs = "192.0.2.8", .slow = true },
	{ .host = "bad.test" },
	{ .host = "slow-bad.test", .slow = true },
	{ .host = "huge.test", .addrs = huge },
	{ .host = "many.test",
		.addrs = "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 "
			 "192.0.2.9 "
			 "192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.14 192.0.2.15 192.0.2.16 "
			 "192.0.2.17" },
	{ .host = NULL },
};

struct asker {
	struct rig rig;
	struct resolver *resolver;
	int n_threads; /* before */
};

/* What came back for one question. */
struct heard {
	unsigned n_calls;
	size_t n;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	char reason[128];
	pthread_t thread;
};

static void heard_on_answer(void *arg, const struct addr *addrs, size_t n, const char *reason)
{
	struct heard *heard = arg;
	heard->n_calls++;
	heard->n = n;
	heard->thread = pthread_self();
	if (n > 0)
		memcpy(heard->addrs, addrs, n * sizeof(*addrs));
	snprintf(heard->reason, sizeof(heard->reason), "%s", reason == NULL ? "" : reason);
}

/* How many threads this process has. */
static int count_threads(void)
{
	int n = -2; /* . and .. */
	DIR *dir = opendir("/proc/self/task");
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void asker_init(struct asker *asker)
{
	names_use(known_names);
	asker->n_threads = count_threads();
	rig_init(&asker->rig);
	asker->resolver = resolver_new();
	assert_non_null(asker->resolver);
}

/* Frees it; its threads end. */
static void asker_done(struct asker *asker)
{
	names_open();
	resolver_free(asker->resolver);
	rig_until(&asker->rig, count_threads() == asker->n_threads);
	rig_done(&asker->rig);
}

static struct addr_name name_of(const char *word)
{
	struct addr_name name;
	assert_int_equal(addr_parse(&name, word), 0);
	return name;
}

static struct resolver_query *ask(struct asker *asker, const char *word, struct heard *heard)
{
	struct addr_name name = name_of(word);
	memset(heard, 0, sizeof(*heard));
	struct resolver_query *query =
		resolver_ask(asker->resolver, &asker->rig.loop, &name, heard_on_answer, heard);
	assert_non_null(query);
	return query;
}

static size_t known(struct asker *asker, const char *word, struct addr addrs[RESOLVER_ADDRS_MAX])
{
	struct addr_name name = name_of(word);
	return resolver_known(asker->resolver, &asker->rig.loop, &name, addrs);
}

/* Addresses in digits are there at once, with their port, and start no thread. */
static void test_digits(void **state)
{
	struct asker asker;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	char text[ADDR_TEXT];
	(void)state;
	asker_init(&asker);

	assert_int_equal(known(&asker, "192.0.2.7:80", addrs), 1);
	assert_string_equal(addr_format(&addrs[0], text), "192.0.2.7:80");
	assert_int_equal(known(&asker, "[2001:db8::7]:65535", addrs), 1);
	assert_string_equal(addr_format(&addrs[0], text), "[2001:db8::7]:65535");
	assert_int_equal(known(&asker, "quick.test:80", addrs), 0);
	assert_int_equal(count_threads(), asker.n_threads);
	asker_done(&asker);
}

/* A name of this machine, by the real getaddrinfo: the answer comes later, on the loop's thread. */
static void test_localhost(void **state)
{
	struct asker asker;
	struct heard heard;
	(void)state;
	asker_init(&asker);

	ask(&asker, "localhost:5900", &heard);
	assert_int_equal(heard.n_calls, 0);
	rig_until(&asker.rig, heard.n_calls == 1);
	assert_true(heard.n >= 1);
	assert_true(pthread_equal(heard.thread, pthread_self()));
	for (size_t i = 0; i < heard.n; i++) {
		assert_true(addr_is_loopback(&heard.addrs[i]));
		assert_int_equal(addr_port(&heard.addrs[i]), 5900);
	}
	asker_done(&asker);
}

/* All addresses, in the order of getaddrinfo; no more than there is room for. */
static void test_addresses(void **state)
{
	struct asker asker;
	struct heard heard;
	char text[ADDR_TEXT];
	(void)state;
	asker_init(&asker);

	ask(&asker, "quick.test:81", &heard);
	rig_until(&asker.rig, heard.n_calls == 1);
	assert_int_equal(heard.n, 3);
	assert_string_equal(addr_format(&heard.addrs[0], text), "192.0.2.1:81");
	assert_string_equal(addr_format(&heard.addrs[1], text), "[2001:db8::1]:81");
	assert_string_equal(addr_format(&heard.addrs[2], text), "192.0.2.2:81");
	ask(&asker, "many.test:81", &heard);
	rig_until(&asker.rig, heard.n_calls == 1);
	assert_int_equal(heard.n, RESOLVER_ADDRS_MAX);
	asker_done(&asker);
}

/* An answer is kept for its time, for that name with any port, and then replaced. */
static void test_kept(void **state)
{
	struct asker asker;
	struct heard heard;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	char text[ADDR_TEXT];
	(void)state;
	asker_init(&asker);

	ask(&asker, "other.test:80", &heard);
	rig_until(&asker.rig, heard.n_calls == 1);
	assert_int_equal(known(&asker, "other.test:80", addrs), 1);
	assert_string_equal(addr_format(&addrs[0], text), "192.0.2.3:80");
	assert_int_equal(known(&asker, "other.test:81", addrs), 1);
	assert_string_equal(addr_format(&addrs[0], text), "192.0.2.3:81");
	assert_int_equal(known(&asker, "quick.test:80", addrs), 0);
	rig_skip(RESOLVER_KEEP_MS - 1000);
	assert_int_equal(known(&asker, "other.test:80", addrs), 1);
	ask(&asker, "other.test:82", &heard); /* nobody is asked, and it gets no older */
	rig_until(&asker.rig, heard.n_calls == 1);
	assert_string_equal(addr_format(&heard.addrs[0], text), "192.0.2.3:82");
	rig_skip(1000);
	assert_int_equal(known(&asker, "other.test:80", addrs), 0);
	assert_int_equal(names_get(&names.n_lookups), 1);

	ask(&asker, "other.test:80", &heard);
	rig_until(&asker.rig, heard.n_calls == 1);
	assert_int_equal(names_get(&names.n_lookups), 2);
	assert_int_equal(known(&asker, "other.test:80", addrs), 1);
	asker_done(&asker);
}

/* A failure says why and is not kept. */
static void test_failure(void **state)
{
	struct asker asker;
	struct heard heard;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	(void)state;
	asker_init(&asker);

	ask(&asker, "bad.test:80", &heard);
	rig_until(&asker.rig, heard.n_calls == 1);
	assert_int_equal(heard.n, 0);
	assert_string_equal(heard.reason, gai_strerror(EAI_FAIL));
	assert_int_equal(known(&asker, "bad.test:80", addrs), 0);
	asker_done(&asker);
}

/* How many questions were answered. */
static unsigned heard_calls(const struct heard *heard, size_t n)
{
	unsigned n_calls = 0;
	for (size_t i = 0; i < n; i++)
		n_calls += heard[i].n_calls;
	return n_calls;
}

/* Many at once: no more threads than four, and every question is answered once, with its own port; each name
 * is looked up once. */
static void test_many(void **state)
{
	enum { N = 20, HOSTS = 5 };
	struct asker asker;
	struct heard heard[N];
	char word[32];
	(void)state;
	asker_init(&asker);

	for (unsigned i = 0; i < N; i++) {
		snprintf(word, sizeof(word), "%s:%u", slow_names[i % HOSTS], i + 1);
		ask(&asker, word, &heard[i]);
	}
	rig_until(&asker.rig, names_get(&names.n_waiting) == 4);
	assert_int_equal(count_threads() - asker.n_threads, 4);
	names_open();
	rig_until(&asker.rig, heard_calls(heard, N) == N);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(heard[i].n_calls, 1);
		assert_int_equal(heard[i].n, 1);
		assert_int_equal(addr_port(&heard[i].addrs[0]), i + 1);
		assert_int_equal(ntohl(heard[i].addrs[0].u.in.sin_addr.s_addr) & 0xff, 4 + i % HOSTS);
	}
	assert_int_equal(names_get(&names.n_waiting_max), 4);
	assert_int_equal(names_get(&names.n_lookups), HOSTS);
	asker_done(&asker);
}

/* However many ask for a name whose server keeps silent, there is a thread for others. That the name has no
 * address in the end is what all of them hear, and nobody later. */
static void test_many_for_one(void **state)
{
	enum { N = 20 };
	struct asker asker;
	struct heard heard[N], quick, later;
	(void)state;
	asker_init(&asker);

	for (int i = 0; i < N; i++)
		ask(&asker, "slow-bad.test:80", &heard[i]);
	rig_until(&asker.rig, names_get(&names.n_waiting) == 1);
	ask(&asker, "quick.test:80", &quick);
	rig_until(&asker.rig, quick.n_calls == 1);
	assert_int_equal(heard_calls(heard, N), 0);
	assert_int_equal(names_get(&names.n_lookups), 2);
	names_open();
	rig_until(&asker.rig, heard_calls(heard, N) == N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(heard[i].n, 0);
		assert_string_equal(heard[i].reason, gai_strerror(EAI_FAIL));
	}
	assert_int_equal(names_get(&names.n_lookups), 2);
	ask(&asker, "slow-bad.test:80", &later);
	rig_until(&asker.rig, later.n_calls == 1);
	assert_int_equal(names_get(&names.n_lookups), 3);
	asker_done(&asker);
}

/* Of thousands of addresses some are taken, of both families. */
static void test_huge(void **state)
{
	enum { N = 4096 };
	struct asker asker;
	struct heard heard;
	char *at = huge, text[ADDR_TEXT];
	(void)state;
	asker_init(&asker);

	for (int i = 1; i < N; i++)
		at += sprintf(at, "::%x ", (unsigned)i);
	strcpy(at, "192.0.2.1");
	ask(&asker, "huge.test:80", &heard);
	rig_until(&asker.rig, heard.n_calls == 1);
	assert_int_equal(heard.n, RESOLVER_ADDRS_MAX);
	for (unsigned i = 0; i < RESOLVER_ADDRS_MAX - 1; i++)
		assert_int_equal(heard.addrs[i].u.in6.sin6_addr.s6_addr[15], i + 1);
	addr_format(&heard.addrs[RESOLVER_ADDRS_MAX - 1], text);
	assert_string_equal(text, "192.0.2.1:80");
	asker_done(&asker);
}

/* A name whose server does not answer holds up nobody else: there are threads for both. */
static void test_slow_beside_quick(void **state)
{
	struct asker asker;
	struct heard first, slow, quick;
	(void)state;
	asker_init(&asker);

	ask(&asker, "other.test:80", &first);
	rig_until(&asker.rig, first.n_calls == 1);
	/* The one thread there is has nothing to do; now it gets two questions at once. */
	ask(&asker, "slow.test:80", &slow);
	ask(&asker, "quick.test:80", &quick);
	rig_until(&asker.rig, names_get(&names.n_waiting) == 1 || quick.n_calls == 1);
	for (int i = 0; i < 20000 && quick.n_calls == 0; i++)
		rig_wait(&asker.rig);
	unsigned n_quick = quick.n_calls;
	assert_int_equal(slow.n_calls, 0);
	names_open();
	rig_until(&asker.rig, slow.n_calls == 1 && quick.n_calls == 1);
	asker_done(&asker);
	assert_int_equal(n_quick, 1);
}

/* Who has forgotten his question hears nothing. The answer is kept all the same: with a name server that is
 * slower than anybody's patience the next one to ask still gets through. */
static void test_forget(void **state)
{
	struct asker asker;
	struct heard forgotten, heard;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	(void)state;
	asker_init(&asker);

	struct resolver_query *query = ask(&asker, "slow.test:80", &forgotten);
	rig_until(&asker.rig, names_get(&names.n_waiting) == 1);
	resolver_forget(query);
	resolver_forget(NULL);
	names_open();
	ask(&asker, "other.test:80", &heard);
	rig_until(&asker.rig, heard.n_calls == 1);
	for (int i = 0; i < 20000 && known(&asker, "slow.test:80", addrs) == 0; i++)
		rig_wait(&asker.rig);
	size_t n = known(&asker, "slow.test:80", addrs);
	assert_int_equal(forgotten.n_calls, 0);
	asker_done(&asker);
	assert_int_equal(n, 1);
}

/* A name server that is dead: questions that were given up while they waited for a thread are gone, or their
 * number would grow with every visitor. */
static void test_forgotten_are_not_asked(void **state)
{
	enum { BUSY = 4, N = 100 };
	struct asker asker;
	struct heard busy[BUSY], heard, last;
	char word[32];
	(void)state;
	asker_init(&asker);

	for (int i = 0; i < BUSY; i++) {
		snprintf(word, sizeof(word), "%s:80", slow_names[i]);
		ask(&asker, word, &busy[i]);
	}
	rig_until(&asker.rig, names_get(&names.n_waiting) == BUSY);
	for (int i = 0; i < N; i++)
		resolver_forget(ask(&asker, i % 2 == 0 ? "slow-5.test:80" : "slow.test:80", &heard));
	ask(&asker, "other.test:80", &last);
	names_open();
	rig_until(&asker.rig, last.n_calls == 1 && heard_calls(busy, BUSY) == BUSY);
	assert_int_equal(heard.n_calls, 0);
	assert_int_equal(names_get(&names.n_lookups), BUSY + 1);
	asker_done(&asker);
}

/* The end of the gateway: a lookup that is under way, or whose answer is mail already, touches nothing that
 * is gone. */
static void test_free_in_flight(void **state)
{
	struct asker asker;
	struct heard slow, quick;
	(void)state;
	asker_init(&asker);

	struct resolver_query *slow_query = ask(&asker, "slow.test:80", &slow);
	struct resolver_query *quick_query = ask(&asker, "quick.test:80", &quick);
	while (names_get(&names.n_lookups) < 2 || names_get(&names.n_waiting) > 1)
		poll(NULL, 0, 1);
	resolver_forget(slow_query);
	resolver_forget(quick_query);
	resolver_free(asker.resolver);
	rig_done(&asker.rig);
	memset(&asker.rig.loop, 0xa5, sizeof(asker.rig.loop));
	names_open();
	while (count_threads() > asker.n_threads)
		poll(NULL, 0, 1);
	assert_int_equal(slow.n_calls, 0);
	assert_int_equal(quick.n_calls, 0);
}

/* Nothing was ever asked. */
static void test_free_unused(void **state)
{
	(void)state;
	resolver_free(resolver_new());
	resolver_free(NULL);
}

static void *say_who(void *arg)
{
	*(pid_t *)arg = gettid();
	return NULL;
}

int main(void)
{
	pthread_t thread;
	char path[64];
	pid_t tid = 0;

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digits),
		cmocka_unit_test(test_localhost),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_for_one),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_slow_beside_quick),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_forgotten_are_not_asked),
		cmocka_unit_test(test_free_in_flight),
		cmocka_unit_test(test_free_unused),
	};
	/* The thread sanitizer starts one of its own beside the first: it must not count. Nor must that one:
	 * who has joined it may still find it in /proc. */
	if (pthread_create(&thread, NULL, say_who, &tid) != 0 || pthread_join(thread, NULL) != 0)
		return 1;
	snprintf(path, sizeof(path), "/proc/self/task/%d", tid);
	while (access(path, F_OK) == 0)
		poll(NULL, 0, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
