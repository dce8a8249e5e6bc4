/*
 * Tests of which pings are answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <string.h>

#include "gate/pongs.h"

/* So many pings at once, with answers that wait from the first on; returns how many were answered. */
static unsigned flood(struct pongs *pongs, unsigned n)
{
	unsigned answered = 0;
	for (unsigned i = 0; i < n; i++) {
		uint8_t data[2] = { (uint8_t)i, (uint8_t)(i >> 8) };
		if (!pongs_on_ping(pongs, 0, false, data, sizeof(data)))
			continue;
		pongs_on_pong(pongs, 100 + i);
		answered++;
	}
	return answered;
}

/* One less than may wait, as many, one more: the last of those beyond is answered, once there is room. */
static void test_limit(void **state)
{
	(void)state;
	for (unsigned n = PONGS_MAX - 1; n <= PONGS_MAX + 5; n++) {
		struct pongs pongs = { 0 };
		unsigned answered = flood(&pongs, n);
		assert_int_equal(answered, n < PONGS_MAX ? n : PONGS_MAX);
		assert_false(pongs_take(&pongs, pongs.until - 1, false));
		assert_int_equal(pongs_take(&pongs, pongs.until, false), n > PONGS_MAX);
		if (n > PONGS_MAX)
			assert_int_equal(pongs.data[0], n - 1);
		assert_false(pongs_take(&pongs, pongs.until, false));
	}
}

/* Those that have left make room, by the count of bytes or since nothing waits. */
static void test_room(void **state)
{
	struct pongs pongs = { 0 };
	(void)state;

	assert_int_equal(flood(&pongs, PONGS_MAX), PONGS_MAX);
	assert_false(pongs_on_ping(&pongs, pongs.until - 1, false, NULL, 0));
	assert_true(pongs_on_ping(&pongs, pongs.until, false, NULL, 0));
	assert_int_equal(flood(&pongs, PONGS_MAX), PONGS_MAX);
	assert_true(pongs_on_ping(&pongs, 0, true, NULL, 0));
}

/* The longest payload that a control frame has. */
static void test_longest(void **state)
{
	struct pongs pongs = { 0 };
	uint8_t data[FRAME_CONTROL_MAX];
	(void)state;

	memset(data, 'x', sizeof(data));
	flood(&pongs, PONGS_MAX);
	assert_false(pongs_on_ping(&pongs, 0, false, data, sizeof(data)));
	assert_true(pongs_take(&pongs, 0, true));
	assert_int_equal(pongs.len, sizeof(data));
	assert_memory_equal(pongs.data, data, sizeof(data));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_longest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
