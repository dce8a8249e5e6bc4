/*
 * test_lifespan: each limit a millisecond before, at and after its end, alone and both together.
 */
#include "gate/lifespan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Fails unless the session ends with `why`, or is to be looked at again in so many ms. */
static void expect(const struct lifespan *span, uint64_t now, const char *why, uint64_t again)
{
	uint64_t ms = 77;
	const char *got = lifespan_check(span, now, &ms);

	if (why != NULL) {
		assert_non_null(got);
		assert_string_equal(got, why);
	} else {
		assert_null(got);
		assert_int_equal(ms, again);
	}
}

static void test_lifetime(void **state)
{
	struct lifespan span = { .lifetime_ms = 1000, .began_at = 5000, .active_at = 5900 };

	(void)state;
	expect(&span, 5000, NULL, 1000);
	expect(&span, 5999, NULL, 1);
	expect(&span, 6000, "lifetime", 0);
	expect(&span, 6001, "lifetime", 0);
	span.active_at = 6000; /* what it says then does not help it */
	expect(&span, 6000, "lifetime", 0);
}

static void test_idle(void **state)
{
	struct lifespan span = { .idle_ms = 1000, .began_at = 1, .active_at = 5000 };

	(void)state;
	expect(&span, 5999, NULL, 1);
	expect(&span, 6000, "idle", 0);
	expect(&span, 6001, "idle", 0);
	span.active_at = 5999;
	expect(&span, 6001, NULL, 998);
}

static void test_both(void **state)
{
	struct lifespan span = { .idle_ms = 300, .lifetime_ms = 1000, .began_at = 0, .active_at = 0 };

	(void)state;
	expect(&span, 0, NULL, 300);
	expect(&span, 300, "idle", 0);
	span.active_at = 600;
	expect(&span, 700, NULL, 200);
	span.active_at = 800;
	expect(&span, 900, NULL, 100); /* its life ends before it would be idle */
	expect(&span, 1000, "lifetime", 0);
	span.active_at = 700;
	expect(&span, 1000, "lifetime", 0); /* both at once */
}

static void test_none(void **state)
{
	(void)state;
	assert_false(lifespan_is_limited(&(struct lifespan){ .began_at = 5 }));
	assert_true(lifespan_is_limited(&(struct lifespan){ .idle_ms = 1 }));
	assert_true(lifespan_is_limited(&(struct lifespan){ .lifetime_ms = 1 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
