/*
 * entropy: every byte is given once, and the pool keeps none of them.
 */
#include "base/entropy.h"

#include "aborts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Is there nothing but zeros? */
static bool is_zero(const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* One call of the kernel is enough for many. */
static void test_pool(void **state)
{
	struct entropy entropy = { 0 };
	uint64_t first, again;
	(void)state;

	assert_int_equal(entropy_take(&entropy, &first, sizeof(first)), 0);
	assert_int_equal(entropy.left, ENTROPY_POOL - sizeof(first));
	memcpy(&again, entropy.bytes + sizeof(first), sizeof(again));
	uint64_t expected = again;
	assert_int_equal(entropy_take(&entropy, &again, sizeof(again)), 0);
	assert_int_equal(again, expected); /* no new ones were fetched */
	assert_int_not_equal(first, again);
	assert_true(is_zero(entropy.bytes, sizeof(first) + sizeof(again)));
}

/* More than the pool has room for. */
static void take_too_many(const void *arg)
{
	struct entropy entropy = *(const struct entropy *)arg;
	unsigned char out[ENTROPY_POOL + 1];

	entropy_take(&entropy, out, sizeof(out));
}

/* At the end of the pool nobody gets what another one had, nor what is left of it in part. */
static void test_refill(void **state)
{
	struct entropy entropy = { 0 };
	unsigned char out[ENTROPY_POOL], next[16];
	(void)state;

	assert_int_equal(entropy_take(&entropy, out, ENTROPY_POOL - 8), 0);
	assert_int_equal(entropy.left, 8);
	assert_int_equal(entropy_take(&entropy, next, sizeof(next)), 0);
	assert_int_equal(entropy.left, ENTROPY_POOL - sizeof(next));
	assert_false(is_zero(next, sizeof(next)));
	assert_int_equal(entropy_take(&entropy, out, ENTROPY_POOL - sizeof(next)), 0);
	assert_int_equal(entropy.left, 0);
	assert_true(is_zero(entropy.bytes, ENTROPY_POOL));
	assert_int_equal(entropy_take(&entropy, out, ENTROPY_POOL), 0);
	assert_false(is_zero(out, ENTROPY_POOL));
	assert_true(aborts(take_too_many, &entropy));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_refill),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
