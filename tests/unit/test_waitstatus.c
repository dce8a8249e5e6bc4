/*
 * Tests of a program's status as words and as a close code.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "backend/waitstatus.h"

static void check(int status, unsigned code, const char *words)
{
	char text[64];
	waitstatus_text(status, text);
	assert_string_equal(text, words);
	assert_int_equal(waitstatus_code(status), code);
}

static void test_exits(void **state)
{
	(void)state;
	check(W_EXITCODE(0, 0), 1000, "exit 0");
	check(W_EXITCODE(1, 0), 4001, "exit 1");
	check(W_EXITCODE(128 + SIGTERM, 0), 4143, "exit 143"); /* of a shell; the code is the signal's */
	check(W_EXITCODE(255, 0), 4255, "exit 255");
}

static void test_signals(void **state)
{
	(void)state;
	check(W_EXITCODE(0, SIGHUP), 4129, "signal HUP");
	check(W_EXITCODE(0, SIGKILL), 4137, "signal KILL");
	check(W_EXITCODE(0, SIGSEGV) | WCOREFLAG, 4139, "signal SEGV");
	check(W_EXITCODE(0, 40), 4168, "signal 40"); /* has no name */
	check(W_EXITCODE(0, 64), 4192, "signal 64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exits),
		cmocka_unit_test(test_signals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
