/*
 * Tests of programs that wait for their client's name: what is in their environment then, and that they wait
 * no longer than they may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "gate/namer.h"
#include "names.h"
#include "rig.h"
#include "spawn/spawn.h"

static const struct name known_names[] = {
	{ .host = "client.test", .addrs = "192.0.2.1", .belongs = "192.0.2.1" },
	{ .host = "slow.test", .addrs = "192.0.2.4", .slow = true, .belongs = "192.0.2.4" },
	{ .host = "slow-too.test", .addrs = "192.0.2.5", .slow = true, .belongs = "192.0.2.5" },
	{ .host = NULL },
};

static const char variables[] = "A=1\0REMOTE_HOST=192.0.2.1\0REMOTE_HOSTS=x\0B=REMOTE_HOST=y";

struct guest {
	struct rig rig;
	struct resolver *resolver;
	struct namer *namer;
	unsigned n_calls;
	char entry[32], name[32];
	char *env; /* a copy */
	size_t len;
};

static void guest_on_named(void *arg, struct text entry, struct text env, const char *name)
{
	struct guest *guest = arg;
	assert_int_equal(guest->n_calls++, 0);
	snprintf(guest->entry, sizeof(guest->entry), "%.*s", TEXT_ARG(entry));
	guest->env = malloc(env.len);
	memcpy(guest->env, env.ptr, env.len);
	guest->len = env.len;
	snprintf(guest->name, sizeof(guest->name), "%s", name != NULL ? name : "none");
	namer_free(guest->namer);
	guest->namer = NULL;
}

static struct addr addr_of(const char *digits)
{
	struct addr addr = { .len = sizeof(addr.u.in) };
	addr.u.in.sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, digits, &addr.u.in.sin_addr), 1);
	return addr;
}

static void guest_init(struct guest *guest)
{
	memset(guest, 0, sizeof(*guest));
	names_use(known_names);
	rig_init(&guest->rig);
	guest->resolver = resolver_new();
}

/* Begins to wait, with an environment of len bytes. */
static void guest_wait_with(struct guest *guest, const char *digits, const char *data, size_t len)
{
	struct addr peer = addr_of(digits);
	char entry[] = "sub/prog";
	struct text env = { .ptr = malloc(len), .len = len };

	memcpy((char *)env.ptr, data, len);
	free(guest->env);
	guest->env = NULL;
	guest->n_calls = 0;
	guest->namer = namer_new(
		&guest->rig.loop, guest->resolver, &peer, text_of(entry), env, guest_on_named, guest);
	assert_non_null(guest->namer);
	assert_int_equal(guest->n_calls, 0);
	memset(entry, 'x', sizeof(entry) - 1);
}

static void guest_wait(struct guest *guest, const char *digits)
{
	guest_wait_with(guest, digits, variables, sizeof(variables));
}

static void guest_done(struct guest *guest)
{
	names_open();
	namer_free(guest->namer);
	free(guest->env);
	resolver_free(guest->resolver);
	rig_done(&guest->rig);
}

static void guest_expect(const struct guest *guest, const char *name, const char *env, size_t len)
{
	assert_int_equal(guest->n_calls, 1);
	assert_string_equal(guest->entry, "sub/prog");
	assert_string_equal(guest->name, name);
	assert_int_equal(guest->len, len);
	assert_memory_equal(guest->env, env, len);
}

static const char with_name[] = "A=1\0REMOTE_HOSTS=x\0B=REMOTE_HOST=y\0REMOTE_HOST=client.test";

/* The name takes the place of the address; the second time it is known, and comes later all the same. */
static void test_name(void **state)
{
	struct guest guest;
	(void)state;
	guest_init(&guest);

	for (int i = 0; i < 2; i++) {
		guest_wait(&guest, "192.0.2.1");
		rig_until(&guest.rig, guest.n_calls == 1);
		guest_expect(&guest, "client.test", with_name, sizeof(with_name));
		assert_int_equal(names_get(&names.n_reverse), 1);
	}
	guest_done(&guest);
}

/* No name: what it was. */
static void test_no_name(void **state)
{
	struct guest guest;
	(void)state;
	guest_init(&guest);

	for (int i = 0; i < 2; i++) {
		guest_wait(&guest, "192.0.2.2");
		rig_until(&guest.rig, guest.n_calls == 1);
		guest_expect(&guest, "none", variables, sizeof(variables));
		assert_int_equal(names_get(&names.n_reverse), 1);
	}
	guest_done(&guest);
}

/* A name server that does not answer: not a moment longer than NAMER_MS, and then the next one too. */
static void test_slow(void **state)
{
	struct guest guest;
	(void)state;
	guest_init(&guest);

	guest_wait(&guest, "192.0.2.4");
	rig_until(&guest.rig, names_get(&names.n_waiting) == 1);
	rig_pass(&guest.rig, NAMER_MS - 200, 100);
	assert_int_equal(guest.n_calls, 0);
	rig_pass(&guest.rig, 300, 100);
	guest_expect(&guest, "none", variables, sizeof(variables));
	names_open();
	for (int i = 0; i < 100; i++)
		rig_wait(&guest.rig);
	assert_int_equal(guest.n_calls, 1);
	guest_done(&guest);
}

/* Too many wait: nobody is asked, and nobody waits. */
static void test_full(void **state)
{
	struct guest guest;
	struct namer *others[RESOLVER_NAMES_MAX + 2];
	(void)state;
	guest_init(&guest);

	for (size_t i = 0; i < RESOLVER_NAMES_MAX + 2; i++) {
		guest_wait(&guest, i % 2 == 0 ? "192.0.2.4" : "192.0.2.5");
		others[i] = guest.namer;
		if (i < 2)
			rig_until(&guest.rig, names_get(&names.n_waiting) == (int)i + 1);
	}
	rig_turns(&guest.rig, 3);
	assert_int_equal(guest.n_calls, 0);
	guest_wait(&guest, "192.0.2.1");
	rig_turns(&guest.rig, 3);
	guest_expect(&guest, "none", variables, sizeof(variables));
	for (size_t i = 0; i < RESOLVER_NAMES_MAX + 2; i++)
		namer_free(others[i]);
	guest_done(&guest);
}

/* Its session ends first. */
static void test_freed(void **state)
{
	struct guest guest;
	(void)state;
	guest_init(&guest);

	for (int turns = 0; turns < 3; turns++) {
		guest_wait(&guest, turns == 0 ? "192.0.2.1" : "192.0.2.4");
		rig_turns(&guest.rig, turns);
		namer_free(guest.namer);
		guest.namer = NULL;
	}
	names_open();
	for (int i = 0; i < 50; i++)
		rig_wait(&guest.rig);
	assert_int_equal(guest.n_calls, 0);
	namer_free(NULL);
	guest_done(&guest);
}

/* The name must not make more of it than a program can be given: there is room for it, just, and not. */
static void test_longest(void **state)
{
	enum { GROWS = sizeof("client.test") - sizeof("192.0.2.1") };
	struct guest guest;
	char *env = malloc(SPAWN_ENV_MAX + 1);
	static const char last_variable[] = "\0REMOTE_HOST=192.0.2.1";
	(void)state;
	guest_init(&guest);

	for (size_t len = SPAWN_ENV_MAX - GROWS - 1; len <= SPAWN_ENV_MAX - GROWS + 1; len++) {
		memset(env, 'x', len);
		env[1] = '=';
		memcpy(env + len - sizeof(last_variable), last_variable, sizeof(last_variable));
		guest_wait_with(&guest, "192.0.2.1", env, len);
		rig_until(&guest.rig, guest.n_calls == 1);
		bool fits = len + GROWS <= SPAWN_ENV_MAX;
		assert_int_equal(guest.len, fits ? len + GROWS : len);
		assert_string_equal(guest.name, fits ? "client.test" : "none");
		/* The last string is REMOTE_HOST's either way. */
		const char *last = fits ? "REMOTE_HOST=client.test" : "REMOTE_HOST=192.0.2.1";
		assert_string_equal(guest.env + guest.len - strlen(last) - 1, last);
	}
	free(env);
	guest_done(&guest);
}

/* Whose address may have a name. */
static void test_may_name(void **state)
{
	struct addr addr = addr_of("192.0.2.1");
	(void)state;
	assert_true(namer_may_name(&addr));
	addr.u.sa.sa_family = AF_INET6;
	assert_true(namer_may_name(&addr));
	addr.u.sa.sa_family = AF_UNIX;
	assert_false(namer_may_name(&addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_may_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
