/*
 * test_mask: every way to mask that this machine has, and frame_mask() itself, against the definition.
 */
#include "../simd/mask_checks.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MASK_CHECKS = sizeof(mask_checks) / sizeof(mask_checks[0]) };

/* Each check once. */
static void check_all(mask_fn mask)
{
	for (size_t i = 0; i < MASK_CHECKS; i++)
		assert_true(mask_checks[i].holds(mask, 1));
}

static void test_each_path(void **unused)
{
	(void)unused;
	for (const struct frame_mask_path *path = frame_mask_paths; path->name != NULL; path++) {
		if (path->usable())
			check_all(path->mask);
	}
}

static void test_the_chosen(void **unused)
{
	(void)unused;
	check_all(frame_mask);
	/* Nowhere is nothing to do. */
	frame_mask(NULL, 0, (const uint8_t *)"\1\2\3\4", 3);
}

/* The choice ends, wherever it is made. */
static void test_table(void **unused)
{
	const struct frame_mask_path *path = frame_mask_paths;

	(void)unused;
	while (strcmp(path->name, "portable") != 0)
		path++;
	assert_true(path->usable());
	assert_null(path[1].name);
#if defined(__x86_64__) || defined(__aarch64__)
	assert_true(path[-1].usable());
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_path),
		cmocka_unit_test(test_the_chosen),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
