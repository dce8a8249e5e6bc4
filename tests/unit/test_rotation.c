/*
 * Tests of the choice among services: each rule, who rests and who looks whether one is back, and that every
 * place is given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "backend/rotation.h"

enum { SERVICES = 4, CLIENTS = 1000, THREADS = 4 };

/* A configuration with one route of `n` services. */
struct farm {
	struct upstream items[SERVICES];
	struct route_conf route;
	struct config config;
	struct rotation *rotation;
	uint64_t now;
};

static void farm_open_with(struct farm *farm, const char *const uris[], size_t n, enum balance balance)
{
	memset(farm, 0, sizeof(*farm));
	for (size_t i = 0; i < n; i++)
		farm->items[i].uri = (char *)(uintptr_t)uris[i];
	farm->route = (struct route_conf){ .is_service = true,
		.connect = { .items = farm->items, .n = n },
		.balance = balance,
		.health = HEALTH_PASSIVE };
	farm->config = (struct config){ .routes = &farm->route, .n_routes = 1 };
	farm->rotation = rotation_new(&farm->config);
	assert_non_null(farm->rotation);
	farm->now = 1000000;
}

static void farm_open(struct farm *farm, size_t n, enum balance balance)
{
	static const char *const uris[SERVICES] = { "tcp://a:1", "tcp://b:1", "tcp://c:1", "unix:/d" };
	farm_open_with(farm, uris, n, balance);
}

/* Every place has come back: rotation_free() looks. */
static void farm_close(struct farm *farm)
{
	rotation_free(farm->rotation);
}

/* One session's way. */
struct guest {
	struct farm *farm;
	struct rotation_walk walk;
	bool tried[SERVICES];
	struct rotation_service *service;
};

static void guest_begin(struct guest *guest, struct farm *farm, uint64_t client)
{
	memset(guest, 0, sizeof(*guest));
	guest->farm = farm;
	guest->walk = (struct rotation_walk){ .route = rotation_of(farm->rotation, 0),
		.balance = farm->route.balance,
		.health = farm->route.health,
		.client = client,
		.tried = guest->tried };
	rotation_begin(&guest->walk);
}

/* The service that it is sent to next, as a letter; '-' when none is left. */
static char guest_next(struct guest *guest)
{
	guest->service = rotation_next(&guest->walk, guest->farm->now);
	if (guest->service == NULL)
		return '-';
	assert_ptr_equal(guest->service, &guest->walk.route->services[guest->walk.at]);
	return (char)('a' + guest->walk.at);
}

static bool guest_fails(struct guest *guest)
{
	return rotation_failed(&guest->walk, guest->farm->now);
}

/* Where one more client goes; it leaves at once. */
static char farm_visit(struct farm *farm, uint64_t client)
{
	struct guest guest;

	guest_begin(&guest, farm, client);
	char at = guest_next(&guest);
	rotation_reached(&guest.walk);
	rotation_leave(guest.service);
	return at;
}

/* Where the next ones go. */
static void assert_visits(struct farm *farm, const char *letters)
{
	for (size_t i = 0; letters[i] != '\0'; i++)
		assert_int_equal(farm_visit(farm, 1), letters[i]);
}

/* A service fails once. */
static void farm_break(struct farm *farm, char letter)
{
	struct guest guest;

	guest_begin(&guest, farm, 1);
	while (guest_next(&guest) != letter)
		rotation_abandon(&guest.walk, farm->now);
	guest_fails(&guest);
}

static unsigned sessions_of(const struct farm *farm, char letter)
{
	return atomic_load(&farm->rotation->routes[0].services[letter - 'a'].sessions);
}

/* Of none there is nothing to choose; one that is alone has a state too. */
static void test_nothing_to_choose(void **state)
{
	struct farm farm;
	(void)state;
	for (size_t n = 0; n < 3; n++) {
		farm_open(&farm, n, BALANCE_FIRST);
		assert_int_equal(rotation_of(farm.rotation, 0) != NULL, n > 0);
		assert_null(rotation_of(NULL, 0));
		farm_close(&farm);
	}
	rotation_free(NULL);
	rotation_leave(NULL);
}

/* In their order; the first one as long as it can be reached. */
static void test_first(void **state)
{
	struct farm farm;
	struct guest guest;
	(void)state;
	farm_open(&farm, 3, BALANCE_FIRST);

	assert_visits(&farm, "aaa");
	guest_begin(&guest, &farm, 1);
	assert_int_equal(guest_next(&guest), 'a');
	assert_true(guest_fails(&guest));
	assert_int_equal(guest_next(&guest), 'b');
	assert_true(guest_fails(&guest));
	assert_int_equal(guest_next(&guest), 'c');
	assert_true(guest_fails(&guest));
	assert_int_equal(guest_next(&guest), '-');
	farm_close(&farm);
}

/* Each in its turn; of those that are left, too. */
static void test_round_robin(void **state)
{
	struct farm farm;
	(void)state;
	farm_open(&farm, 3, BALANCE_ROUND_ROBIN);

	assert_visits(&farm, "abcabc");
	farm_break(&farm, 'b'); /* that was the seventh */
	int n[SERVICES] = { 0 };
	for (int i = 0; i < 10; i++)
		n[farm_visit(&farm, 1) - 'a']++;
	assert_int_equal(n[0], 5);
	assert_int_equal(n[1], 0);
	assert_int_equal(n[2], 5);
	farm_close(&farm);
}

/* What waits to be reached counts, and what has left does not. */
static void test_least_sessions(void **state)
{
	struct farm farm;
	struct guest guests[6];
	(void)state;
	farm_open(&farm, 3, BALANCE_LEAST_SESSIONS);

	assert_visits(&farm, "abcabc"); /* nobody is anywhere: in turn */
	for (int i = 0; i < 6; i++) {
		guest_begin(&guests[i], &farm, 1);
		assert_int_equal(guest_next(&guests[i]), 'a' + i % 3);
		if (i < 3)
			rotation_reached(&guests[i].walk);
	}
	rotation_leave(guests[1].service);
	assert_int_equal(sessions_of(&farm, 'b'), 1);
	assert_visits(&farm, "bb");
	rotation_abandon(&guests[5].walk, farm.now);
	rotation_leave(guests[2].service);
	assert_visits(&farm, "c");
	guest_fails(&guests[4]);
	assert_int_equal(sessions_of(&farm, 'b'), 0);
	assert_visits(&farm, "c"); /* b has fewest, but rests */
	rotation_leave(guests[0].service);
	rotation_reached(&guests[3].walk);
	rotation_leave(guests[3].service);
	farm_close(&farm);
}

/* The same client comes to the same service; each has its part of the clients. */
static void test_hash(void **state)
{
	struct farm farm;
	int n[SERVICES] = { 0 };
	(void)state;
	farm_open(&farm, 4, BALANCE_HASH_IP);

	for (uint64_t client = 0; client < CLIENTS; client++) {
		char at = farm_visit(&farm, client);
		n[at - 'a']++;
		assert_int_equal(farm_visit(&farm, client), at);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(n[i], CLIENTS / 4 - 70, CLIENTS / 4 + 70);
	farm_close(&farm);
}

/* One that rests, or comes back, or a new one in the list, moves nobody but its own clients. */
static void test_hash_moves_few(void **state)
{
	struct farm farm, larger;
	int n_moved = 0;
	(void)state;
	farm_open(&farm, 3, BALANCE_HASH_IP);
	farm_open(&larger, 4, BALANCE_HASH_IP);
	char before[CLIENTS];
	for (uint64_t client = 0; client < CLIENTS; client++)
		before[client] = farm_visit(&farm, client);

	farm_break(&farm, 'b');
	for (uint64_t client = 0; client < CLIENTS; client++) {
		char at = farm_visit(&farm, client);
		assert_int_not_equal(at, 'b');
		if (before[client] != 'b')
			assert_int_equal(at, before[client]);
		else
			n_moved += at == 'c'; /* they spread */
	}
	assert_in_range(n_moved, CLIENTS / 8, CLIENTS / 4);
	farm.now += ROTATION_REST_MS;
	for (uint64_t client = 0; client < CLIENTS; client++)
		assert_int_equal(farm_visit(&farm, client), before[client]);
	for (uint64_t client = 0; client < CLIENTS; client++) {
		char at = farm_visit(&larger, client);
		assert_true(at == 'd' || at == before[client]);
	}
	farm_close(&farm);
	farm_close(&larger);
}

/* Which service it is counts, not where it stands in the list. */
static void test_hash_knows_names(void **state)
{
	static const char *const turned[] = { "tcp://c:1", "tcp://b:1", "tcp://a:1" };
	struct farm farm, other;
	(void)state;
	farm_open(&farm, 3, BALANCE_HASH_IP);
	farm_open_with(&other, turned, 3, BALANCE_HASH_IP);

	for (uint64_t client = 0; client < CLIENTS; client++)
		assert_int_equal(farm_visit(&other, client), 'a' + 'c' - farm_visit(&farm, client));
	farm_close(&farm);
	farm_close(&other);
}

/* Ten seconds, and not one millisecond less. */
static void test_rest(void **state)
{
	struct farm farm;
	(void)state;
	farm_open(&farm, 2, BALANCE_FIRST);

	farm_break(&farm, 'a');
	farm.now += ROTATION_REST_MS - 1;
	assert_visits(&farm, "b");
	farm.now++;
	assert_visits(&farm, "a");
	farm_close(&farm);
}

/* When its rest is over one session looks; the others go on without it, until that has come to it. */
static void test_trial(void **state)
{
	struct farm farm;
	struct guest guest;
	(void)state;
	farm_open(&farm, 2, BALANCE_FIRST);

	farm_break(&farm, 'a');
	farm.now += ROTATION_REST_MS;
	guest_begin(&guest, &farm, 1);
	assert_int_equal(guest_next(&guest), 'a');
	assert_visits(&farm, "b");
	farm.now += 10 * ROTATION_REST_MS; /* however long that takes */
	assert_visits(&farm, "b");
	assert_false(guest_fails(&guest)); /* no news */
	assert_int_equal(guest_next(&guest), 'b');
	rotation_abandon(&guest.walk, farm.now);

	farm.now += ROTATION_REST_MS - 1;
	assert_visits(&farm, "b");
	farm.now++;
	guest_begin(&guest, &farm, 1);
	assert_int_equal(guest_next(&guest), 'a');
	assert_true(rotation_reached(&guest.walk)); /* that is news */
	assert_visits(&farm, "aa");
	rotation_leave(guest.service);
	farm_close(&farm);
}

/* Who was to look and left: the next one looks. */
static void test_trial_abandoned(void **state)
{
	struct farm farm;
	struct guest guest;
	(void)state;
	farm_open(&farm, 2, BALANCE_FIRST);

	farm_break(&farm, 'a');
	farm.now += ROTATION_REST_MS;
	guest_begin(&guest, &farm, 1);
	assert_int_equal(guest_next(&guest), 'a');
	rotation_abandon(&guest.walk, farm.now);
	assert_visits(&farm, "a");
	farm_close(&farm);
}

/* Who left without having looked changes nothing. */
static void test_abandoned(void **state)
{
	struct farm farm;
	struct guest guest;
	(void)state;
	farm_open(&farm, 2, BALANCE_FIRST);

	guest_begin(&guest, &farm, 1);
	assert_int_equal(guest_next(&guest), 'a');
	farm_break(&farm, 'a');
	rotation_abandon(&guest.walk, farm.now);
	assert_visits(&farm, "b");
	farm_close(&farm);
}

/* When all rest they are tried all the same, in their order, and one that answers is back. */
static void test_all_rest(void **state)
{
	struct farm farm;
	struct guest guest;
	(void)state;
	for (enum balance balance = BALANCE_FIRST; balance <= BALANCE_HASH_IP; balance++) {
		farm_open(&farm, 3, balance);
		guest_begin(&guest, &farm, 7);
		while (guest_next(&guest) != '-')
			assert_true(guest_fails(&guest));
		guest_begin(&guest, &farm, 7);
		assert_int_equal(guest_next(&guest), 'a');
		assert_false(guest_fails(&guest));
		assert_int_equal(guest_next(&guest), 'b');
		assert_true(rotation_reached(&guest.walk));
		rotation_leave(guest.service);
		assert_visits(&farm, "bbb");
		farm_close(&farm);
	}
}

/* One that fails now comes before those that rest already, and they are not left out. */
static void test_rest_of_them(void **state)
{
	struct farm farm;
	struct guest guest;
	(void)state;
	farm_open(&farm, 3, BALANCE_FIRST);

	farm_break(&farm, 'a');
	guest_begin(&guest, &farm, 1);
	assert_int_equal(guest_next(&guest), 'b');
	assert_true(guest_fails(&guest));
	assert_int_equal(guest_next(&guest), 'c');
	assert_true(guest_fails(&guest));
	assert_int_equal(guest_next(&guest), 'a');
	assert_false(guest_fails(&guest));
	assert_int_equal(guest_next(&guest), '-');
	farm_close(&farm);
}

/* Without health nobody rests. */
static void test_no_health(void **state)
{
	struct farm farm;
	struct guest guest;
	(void)state;
	farm_open(&farm, 2, BALANCE_FIRST);
	farm.route.health = HEALTH_NONE;

	guest_begin(&guest, &farm, 1);
	assert_int_equal(guest_next(&guest), 'a');
	assert_false(guest_fails(&guest));
	assert_int_equal(guest_next(&guest), 'b');
	assert_false(rotation_reached(&guest.walk));
	rotation_leave(guest.service);
	assert_visits(&farm, "aa");
	farm_close(&farm);
}

/* Of many threads that find a rest over at the same time one looks. */
static void *race(void *arg)
{
	struct farm *farm = arg;
	struct guest guest;
	uintptr_t n = 0;

	for (int i = 0; i < 1000; i++) {
		guest_begin(&guest, farm, 1);
		n += guest_next(&guest) == 'a';
		if (guest.walk.at == 0)
			continue; /* and never comes back */
		rotation_reached(&guest.walk);
		rotation_leave(guest.service);
	}
	return (void *)n;
}

static void test_race(void **state)
{
	struct farm farm;
	pthread_t threads[THREADS];
	uintptr_t n = 0;
	(void)state;
	farm_open(&farm, 2, BALANCE_FIRST);

	farm_break(&farm, 'a');
	farm.now += ROTATION_REST_MS;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &farm), 0);
	for (int i = 0; i < THREADS; i++) {
		void *got;
		pthread_join(threads[i], &got);
		n += (uintptr_t)got;
	}
	assert_int_equal(n, 1);
	assert_int_equal(sessions_of(&farm, 'a'), 1);
	assert_int_equal(sessions_of(&farm, 'b'), 0);
	rotation_leave(&farm.rotation->routes[0].services[0]);
	farm_close(&farm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_choose),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_least_sessions),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hash_moves_few),
		cmocka_unit_test(test_hash_knows_names),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_trial),
		cmocka_unit_test(test_trial_abandoned),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_all_rest),
		cmocka_unit_test(test_rest_of_them),
		cmocka_unit_test(test_no_health),
		cmocka_unit_test(test_race),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
