/*
 * test_shortage: what we are short of, what passes by itself, and what does neither.
 */
#include "base/shortage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fails unless it is so for the errno and for the one with a minus. */
static void expect(int error, bool is, bool passes)
{
	for (int sign = -1; sign <= 1; sign += 2) {
		assert_int_equal(shortage_is(sign * error), is);
		assert_int_equal(shortage_is_passing(sign * error), passes);
	}
}

static void test_all(void **state)
{
	static const int shortages[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS, ETOOMANYREFS };
	static const int passing[] = { EIO, EAGAIN, EINTR, ESTALE, ETIMEDOUT };
	static const int others[] = { 0, ENOENT, EACCES, ENOTDIR, ELOOP, EXDEV, ECONNREFUSED, EINVAL };

	(void)state;
	for (size_t i = 0; i < sizeof(shortages) / sizeof(int); i++)
		expect(shortages[i], true, true);
	for (size_t i = 0; i < sizeof(passing) / sizeof(int); i++)
		expect(passing[i], false, true);
	for (size_t i = 0; i < sizeof(others) / sizeof(int); i++)
		expect(others[i], false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
