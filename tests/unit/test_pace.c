/*
 * Tests of how much is read in a turn: floods of tiny messages slow down, bulk is not held up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#include "backend/pace.h"

static void test_begin(void **state)
{
	struct pace pace;
	(void)state;
	pace_init(&pace, false);
	assert_int_equal(pace.most, PACE_FIRST);
	pace_init(&pace, true);
	assert_int_equal(pace.most, PACE_MOST);
}

/* A steady flood settles where a turn gives no more than PACE_MESSAGES, and stays there. */
static void test_floods(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 8, 64, 100 }; /* of a message */
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct pace pace;
		pace_init(&pace, false);
		for (int turn = 0; turn < 20; turn++) {
			size_t n = pace.most / sizes[i];
			pace_after(&pace, pace.most, n);
		}
		for (int turn = 0; turn < 20; turn++) {
			size_t n = pace.most / sizes[i];
			assert_true(n <= PACE_MESSAGES);
			assert_true(n > PACE_MESSAGES / 2 - 2);
			pace_after(&pace, pace.most, n);
		}
	}
}

/* The marks at n-1, n and n+1. */
static void test_marks(void **state)
{
	static const struct {
		size_t len, n, most;
	} cases[] = {
		{ 4096, PACE_MESSAGES / 2 - 1, 8192 },
		{ 4096, PACE_MESSAGES / 2, 8192 },
		{ 4096, PACE_MESSAGES / 2 + 1, 4096 },
		{ 4096, PACE_MESSAGES - 1, 4096 },
		{ 4096, PACE_MESSAGES, 4096 },
		{ 4096, PACE_MESSAGES + 1, 4088 },
		{ 4096, 4096, 512 },
		{ 4095, 1, 4096 }, /* there was no more: nothing is known of what more would be */
		{ 700, 700, 512 },
		{ 0, 0, 4096 },
		{ 513, 513, PACE_LEAST },
		{ 600, 4000, PACE_LEAST },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pace pace;
		pace_init(&pace, false);
		pace_after(&pace, cases[i].len, cases[i].n);
		assert_int_equal(pace.most, cases[i].most);
	}
}

/* Four turns from the first to the most, which is never passed. */
static void test_bulk(void **state)
{
	struct pace pace;
	(void)state;
	pace_init(&pace, false);
	for (int turn = 0; turn < 4; turn++)
		pace_after(&pace, pace.most, 1);
	assert_int_equal(pace.most, PACE_MOST);
	pace_after(&pace, pace.most, 1);
	assert_int_equal(pace.most, PACE_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_floods),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_bulk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
