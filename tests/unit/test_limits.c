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

/* All sessions together: the last place is taken, the next visitor is refused and takes none. */
static void test_sessions(void **state)
{
	enum { MAX = 3 };
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits), 0);

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
	assert_int_equal(limits_init(&limits), 0);

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

/* Sessions of one visitor; others have their own count, and a refusal costs no place. */
static void test_visitor(void **state)
{
	enum { MAX = 100, MAX_VISITOR = 2 };
	const uint64_t one = 0xc0000201, other = 0x20010db800000000;
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits), 0);

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
	assert_int_equal(limits_init(&limits), 0);

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
	assert_int_equal(limits_init(&limits), 0);

	assert_int_equal(limits_enter(&limits, 1, 1, 7), LIMITS_OK);
	assert_int_equal(limits_enter(&limits, 1, 1, 7), LIMITS_FULL);
	assert_int_equal(limits_enter(&limits, 1, 1, 8), LIMITS_FULL);
	limits_leave(&limits, 7);
	limits_done(&limits);
}

/* Three visitors for each slot of the table: everyone keeps his own count when others of his slot go. */
static void test_many_visitors(void **state)
{
	enum { N = 3 * 4096 };
	struct limits limits;
	(void)state;
	assert_int_equal(limits_init(&limits), 0);

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

/* From several threads: never more than there is room for, and all counts return to zero. */
static void run_threads(void *(*body)(void *))
{
	pthread_t threads[THREADS];
	assert_int_equal(limits_init(&shared), 0);
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
	limits_done(&shared);
}

static void test_threads(void **state)
{
	(void)state;
	run_threads(visit);
	run_threads(wait_in_line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_visitor),
		cmocka_unit_test(test_not_counted),
		cmocka_unit_test(test_full_first),
		cmocka_unit_test(test_many_visitors),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
