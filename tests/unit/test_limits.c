/*
 * Tests of the limits that all workers share: each at one less, at it and one more, and from many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <pthread.h>

#include "gate/limits.h"

enum { ROUTES = 3 };

/* All sessions together: the last place is taken, the next visitor is refused and takes none. */
static void test_sessions(void **state)
{
	enum { MAX = 3 };
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	for (unsigned i = 0; i < MAX; i++)
		assert_int_equal(limits_enter(&limits, MAX, 0, 0), LIMITS_OK);
	assert_int_equal(limits_enter(&limits, MAX, 0, 0), LIMITS_FULL);
	assert_int_equal(limits_enter(&limits, MAX, 0, 0), LIMITS_FULL);
	assert_int_equal(atomic_load(&limits.sessions), MAX);
	limits_leave(&limits, 0);
	assert_int_equal(limits_enter(&limits, MAX, 0, 0), LIMITS_OK);
	assert_int_equal(limits_enter(&limits, MAX, 0, 0), LIMITS_FULL);
	for (unsigned i = 0; i < MAX; i++)
		limits_leave(&limits, 0);
	assert_int_equal(atomic_load(&limits.sessions), 0);
	limits_done(&limits);
}

/* Connections that are not upgraded: places up to the last one, and again when one was given back. */
static void test_pending(void **state)
{
	enum { MAX = 3 };
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	for (unsigned i = 0; i < MAX; i++)
		assert_true(limits_take_pending(&limits, MAX));
	assert_false(limits_take_pending(&limits, MAX));
	assert_false(limits_take_pending(&limits, MAX));
	assert_int_equal(atomic_load(&limits.pending), MAX);
	limits_give_pending(&limits);
	assert_true(limits_take_pending(&limits, MAX));
	assert_false(limits_take_pending(&limits, MAX));
	for (unsigned i = 0; i < MAX; i++)
		limits_give_pending(&limits);
	assert_int_equal(atomic_load(&limits.pending), 0);
	limits_done(&limits);
}

/* A connection that had given its place back and goes on: it is counted whether or not there is a place for
 * it, is told which, and nobody else comes in before those that are too many have left. */
static void test_pending_again(void **state)
{
	enum { MAX = 3 };
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	for (unsigned i = 0; i < MAX; i++) {
		assert_false(limits_is_pending_full(&limits, MAX));
		assert_true(limits_retake_pending(&limits, MAX));
	}
	assert_true(limits_is_pending_full(&limits, MAX));
	assert_false(limits_retake_pending(&limits, MAX));
	assert_int_equal(atomic_load(&limits.pending), MAX + 1);
	assert_true(limits_is_pending_full(&limits, MAX));
	limits_give_pending(&limits);
	assert_true(limits_is_pending_full(&limits, MAX));
	assert_false(limits_take_pending(&limits, MAX));
	limits_give_pending(&limits);
	assert_false(limits_is_pending_full(&limits, MAX));
	assert_true(limits_take_pending(&limits, MAX));
	assert_int_equal(atomic_load(&limits.arrivals), 1); /* of those who go on none has come */
	for (unsigned i = 0; i < MAX; i++)
		limits_give_pending(&limits);
	limits_done(&limits);
}

/* Sessions of one visitor; others have their own count, and a refusal costs no place. */
static void test_visitor(void **state)
{
	enum { MAX = 100, MAX_VISITOR = 2 };
	const uint64_t one = 0xc0000201, other = 0x20010db800000000;
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	assert_int_equal(limits_enter(&limits, MAX, MAX_VISITOR, one), LIMITS_OK);
	assert_int_equal(limits_enter(&limits, MAX, MAX_VISITOR, one), LIMITS_OK);
	assert_int_equal(limits_enter(&limits, MAX, MAX_VISITOR, one), LIMITS_VISITOR_FULL);
	assert_int_equal(limits_enter(&limits, MAX, MAX_VISITOR, other), LIMITS_OK);
	assert_int_equal(atomic_load(&limits.sessions), 3);
	limits_leave(&limits, one);
	assert_int_equal(limits_enter(&limits, MAX, MAX_VISITOR, one), LIMITS_OK);
	assert_int_equal(limits_enter(&limits, MAX, MAX_VISITOR, one), LIMITS_VISITOR_FULL);
	limits_leave(&limits, one);
	limits_leave(&limits, one);
	limits_leave(&limits, other);
	/* Who has left is not known any more: limits_done() aborts otherwise. */
	limits_done(&limits);
}

/* Visitor 0 (a unix socket) is nobody: not counted. Without a limit of its own a visitor is only counted. */
static void test_not_counted(void **state)
{
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	for (int i = 0; i < 5; i++)
		assert_int_equal(limits_enter(&limits, 100, 1, 0), LIMITS_OK);
	for (int i = 0; i < 5; i++)
		assert_int_equal(limits_enter(&limits, 100, 0, 7), LIMITS_OK);
	for (int i = 0; i < 5; i++) {
		limits_leave(&limits, 0);
		limits_leave(&limits, 7);
	}
	limits_done(&limits);
}

/* The gateway's limit comes first: who is refused by it is not remembered as a visitor. */
static void test_full_first(void **state)
{
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	assert_int_equal(limits_enter(&limits, 1, 1, 7), LIMITS_OK);
	assert_int_equal(limits_enter(&limits, 1, 1, 7), LIMITS_FULL);
	assert_int_equal(limits_enter(&limits, 1, 1, 8), LIMITS_FULL);
	limits_leave(&limits, 7);
	limits_done(&limits);
}

/* Programs: up to the last place, and again when one was given back. */
static void test_processes(void **state)
{
	enum { MAX = 3 };
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	for (unsigned i = 0; i < MAX; i++)
		assert_true(limits_take_process(&limits, MAX));
	assert_false(limits_take_process(&limits, MAX));
	assert_false(limits_take_process(&limits, MAX));
	assert_int_equal(atomic_load(&limits.processes), MAX);
	limits_give_process(&limits);
	assert_true(limits_take_process(&limits, MAX));
	assert_false(limits_take_process(&limits, MAX));
	for (unsigned i = 0; i < MAX; i++)
		limits_give_process(&limits);
	assert_int_equal(atomic_load(&limits.processes), 0);
	limits_done(&limits);
}

/* Sessions of a route: each route has its own count, the last one too; without a limit they are counted. */
static void test_route(void **state)
{
	enum { MAX = 2 };
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	for (size_t route = 0; route < ROUTES; route++) {
		for (unsigned i = 0; i < MAX; i++)
			assert_true(limits_take_route(&limits, route, MAX));
		assert_false(limits_take_route(&limits, route, MAX));
		assert_false(limits_take_route(&limits, route, MAX));
	}
	limits_give_route(&limits, 1);
	assert_false(limits_take_route(&limits, 0, MAX));
	assert_true(limits_take_route(&limits, 1, MAX));
	assert_false(limits_take_route(&limits, 1, MAX));
	assert_false(limits_take_route(&limits, 2, MAX));
	for (unsigned i = 0; i < 10; i++)
		assert_true(limits_take_route(&limits, 0, 0));
	assert_int_equal(atomic_load(&limits.routes[0].sessions), MAX + 10);
	limits_done(&limits);
}

/* How many of `n` starts are let through at one moment. */
static unsigned starts(struct limits *limits, size_t route, unsigned rate, uint64_t now, unsigned n)
{
	unsigned n_let = 0;
	while (n-- > 0)
		n_let += limits_start(limits, route, rate, now);
	return n_let;
}

/* Starts a second: so many at once, then one for each 1/rate of a second, to the millisecond; never more than
 * a second's worth is saved up; refusals cost nothing. */
static void test_spawn_rate(void **state)
{
	enum { RATE = 4 };
	const uint64_t origins[] = { 0, 1, 123456789, (uint64_t)1 << 43 };
	struct limits limits;
	(void)state;

	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		uint64_t now = origins[i];
		assert_int_equal(limits_init(&limits, ROUTES), 0);
		assert_int_equal(starts(&limits, 0, RATE, now, RATE - 1), RATE - 1);
		assert_int_equal(starts(&limits, 0, RATE, now, 1), 1);
		assert_int_equal(starts(&limits, 0, RATE, now, 100), 0);
		assert_int_equal(starts(&limits, 0, RATE, now + 249, 100), 0);
		assert_int_equal(starts(&limits, 0, RATE, now + 250, 100), 1);
		assert_int_equal(starts(&limits, 0, RATE, now + 999, 100), 2);
		assert_int_equal(starts(&limits, 0, RATE, now + 1000, 100), 1);
		assert_int_equal(starts(&limits, 0, RATE, now + 2000, 100), RATE);
		assert_int_equal(starts(&limits, 0, RATE, now + 3600000, 100), RATE);
		/* Another thread's clock may be a little behind. */
		assert_int_equal(starts(&limits, 0, RATE, now + 3599999, 100), 0);
		assert_int_equal(starts(&limits, 1, RATE, now, 100), RATE);
		limits_done(&limits);
	}
}

/* The largest rate, one that does not divide a second, one a second, and none. */
static void test_spawn_rates(void **state)
{
	const uint64_t now = 86400000;
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	assert_int_equal(starts(&limits, 0, 1000000, now, 1000001), 1000000);
	assert_int_equal(starts(&limits, 0, 1000000, now + 1, 1001), 1000);

	assert_int_equal(starts(&limits, 1, 7, now, 100), 7);
	unsigned n = 0;
	for (uint64_t ms = 1; ms <= 10000; ms++)
		n += starts(&limits, 1, 7, now + ms, 100);
	assert_int_equal(n, 70); /* nothing is lost by rounding */

	assert_int_equal(starts(&limits, 2, 1, now, 2), 1);
	assert_int_equal(starts(&limits, 2, 1, now + 999, 1), 0);
	assert_int_equal(starts(&limits, 2, 1, now + 1000, 2), 1);
	assert_int_equal(starts(&limits, 2, 0, now + 1000, 100), 100);
	limits_done(&limits);
}

/* Three visitors for each slot of the table: everyone keeps his own count when others of his slot go. */
static void test_many_visitors(void **state)
{
	enum { N = 3 * 4096 };
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits, ROUTES), 0);

	for (uint64_t i = 1; i <= N; i++)
		assert_int_equal(limits_enter(&limits, 4 * N, 2, i << 40 | i), LIMITS_OK);
	for (uint64_t i = 1; i <= N; i += 2)
		limits_leave(&limits, i << 40 | i);
	for (uint64_t i = 1; i <= N; i++) {
		assert_int_equal(limits_enter(&limits, 4 * N, 2, i << 40 | i), LIMITS_OK);
		assert_int_equal(limits_enter(&limits, 4 * N, 2, i << 40 | i),
			i % 2 == 0 ? LIMITS_VISITOR_FULL : LIMITS_OK);
	}
	for (uint64_t i = 1; i <= N; i++) {
		limits_leave(&limits, i << 40 | i);
		limits_leave(&limits, i << 40 | i);
	}
	limits_done(&limits);
}

enum { THREADS = 3, ROUNDS = 3000, ROOM = 2, ROOM_VISITOR = 1 };

static struct limits shared;
static atomic_uint shared_in, shared_entered;

/* Comes and goes, as one of two visitors. */
static void *visit(void *arg)
{
	uint64_t visitor = (uint64_t)(uintptr_t)arg % 2 + 1;
	for (int i = 0; i < ROUNDS; i++) {
		if (limits_enter(&shared, ROOM, ROOM_VISITOR, visitor) != LIMITS_OK)
			continue;
		if (atomic_fetch_add(&shared_in, 1) >= ROOM)
			return (void *)1;
		atomic_fetch_add(&shared_entered, 1);
		atomic_fetch_sub(&shared_in, 1);
		limits_leave(&shared, visitor);
	}
	return NULL;
}

/* Takes and gives back places of pending connections. */
static void *wait_in_line(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (!limits_take_pending(&shared, ROOM))
			continue;
		if (atomic_fetch_add(&shared_in, 1) >= ROOM)
			return (void *)1;
		atomic_fetch_add(&shared_entered, 1);
		atomic_fetch_sub(&shared_in, 1);
		limits_give_pending(&shared);
	}
	return NULL;
}

/* Takes and gives back places of programs. */
static void *run_programs(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (!limits_take_process(&shared, ROOM))
			continue;
		if (atomic_fetch_add(&shared_in, 1) >= ROOM)
			return (void *)1;
		atomic_fetch_add(&shared_entered, 1);
		atomic_fetch_sub(&shared_in, 1);
		limits_give_process(&shared);
	}
	return NULL;
}

/* Starts programs at one moment. */
static void *start_programs(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++)
		if (limits_start(&shared, 1, ROUNDS, 1000))
			atomic_fetch_add(&shared_entered, 1);
	return NULL;
}

/* From several threads: never more than there is room for, and all counts return to zero. */
static void run_threads(void *(*body)(void *))
{
	pthread_t threads[THREADS];
	assert_int_equal(limits_init(&shared, ROUTES), 0);
	atomic_store(&shared_entered, 0);

	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *result;
		pthread_join(threads[i], &result);
		assert_null(result);
	}
	assert_true(atomic_load(&shared_entered) > 0);
	assert_int_equal(atomic_load(&shared.sessions), 0);
	assert_int_equal(atomic_load(&shared.pending), 0);
	assert_int_equal(atomic_load(&shared.processes), 0);
	limits_done(&shared);
}

static void test_threads(void **state)
{
	(void)state;
	run_threads(visit);
	run_threads(wait_in_line);
	run_threads(run_programs);
	run_threads(start_programs);
	assert_int_equal(atomic_load(&shared_entered), ROUNDS);
}

/* Nobody is let in once so many sessions were served, however many places are free; 0 is no limit. */
static void test_served(void **state)
{
	struct limits limits;

	(void)state;
	for (unsigned max = 0; max <= 2; max++) {
		assert_int_equal(limits_init(&limits, 0), 0);
		limits.max_served = max;
		for (unsigned served = 0; served < 4; served++) {
			bool in = max == 0 || served < max;

			assert_int_equal(limits_enter(&limits, 100, 1, 7), in ? LIMITS_OK : LIMITS_FULL);
			assert_int_equal(atomic_load(&limits.sessions), in);
			if (in)
				limits_leave(&limits, 7);
			limits_serve(&limits);
		}
		limits_done(&limits);
	}
}

/* Every connection that got a place is counted, and stays so. */
static void test_arrivals(void **state)
{
	struct limits limits;

	(void)state;
	assert_int_equal(limits_init(&limits, 0), 0);
	assert_true(limits_take_pending(&limits, 1));
	assert_false(limits_take_pending(&limits, 1));
	limits_give_pending(&limits);
	assert_true(limits_take_pending(&limits, 1));
	limits_give_pending(&limits);
	assert_int_equal(atomic_load(&limits.arrivals), 2);
	limits_done(&limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_pending_again),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_visitor),
		cmocka_unit_test(test_not_counted),
		cmocka_unit_test(test_full_first),
		cmocka_unit_test(test_served),
		cmocka_unit_test(test_arrivals),
		cmocka_unit_test(test_many_visitors),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_spawn_rate),
		cmocka_unit_test(test_spawn_rates),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
