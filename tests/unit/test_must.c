/*
 * test_must: a broken invariant says where and aborts; one that holds costs nothing and says nothing.
 */
#include "base/must.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_holds(void **state)
{
	(void)state;
	must(1 + 1 == 2);
}

/* Runs must_fail() in a child and returns what it wrote to stderr. */
static size_t fail_in_child(const char *expr, char *out, size_t size)
{
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		must_fail(expr, "gate/bridge.c", 42);
	}
	close(fds[1]);
	while (len < size && (n = read(fds[0], out + len, size - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	return len;
}

static void test_fails(void **state)
{
	static const char expected[] = "wsluice: bug: gate/bridge.c:42: must(side < 2) is false\n";
	char out[1024], expr[2000];
	size_t len = fail_in_child("side < 2", out, sizeof(out));

	(void)state;
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(out, expected, len);
	memset(expr, 'x', sizeof(expr));
	expr[sizeof(expr) - 1] = '\0';
	len = fail_in_child(expr, out, sizeof(out));
	assert_int_equal(len, 512);
	assert_int_equal(out[len - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
