/*
 * The end of the spawner as the gateway waits for it: always within the time that there is, whether the
 * spawner ends by itself or not, and whether what it leaves can be killed or not.
 */
#include "base/clock.h"
#include "run/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* FOREVER is longer than a test may take; DEADLINE_MS is what it takes where nobody waits in vain, and much.
 */
enum { FOREVER_MS = 1000000, DEADLINE_MS = 60000 };

static _Noreturn void wait_for_death(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_range(STDERR_FILENO + 1, ~0U, 0); /* its end of the spawner's socket, too */
	for (;;)
		pause();
}

/* A helper whose spawner waits for the end of its socket, if it is no stubborn one, which waits for nothing.
 */
static void make_helper(struct helper *helper, struct log *log, bool stubborn)
{
	int pair[2];
	char byte;
	*helper = (struct helper){ .log = log, .n = 1, .fds = calloc(1, sizeof(int)) };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(strays_init(&helper->strays, NULL, NULL), 0);
	helper->pid = fork();
	assert_true(helper->pid >= 0);
	if (helper->pid == 0) {
		close(pair[0]);
		if (stubborn)
			wait_for_death();
		_exit(read(pair[1], &byte, 1) == 0 ? 0 : 1);
	}
	close(pair[1]);
	helper->fds[0] = pair[0];
	helper->pidfd = pidfd_open(helper->pid, 0);
	assert_true(helper->pidfd >= 0);
}

/* One that neither we nor our parents have made, but that can't be reaped: its tracer does not wait for it.
 */
struct tracer {
	pid_t pid;
	int ask[2], answer[2];
};

static void make_tracer(struct tracer *tracer)
{
	assert_int_equal(pipe(tracer->ask), 0);
	assert_int_equal(pipe(tracer->answer), 0);
	tracer->pid = fork(); /* before the helper's strays, so that it is none */
	if (tracer->pid == 0) {
		pid_t pid;
		char done = 'y';
		if (read(tracer->ask[0], &pid, sizeof(pid)) != sizeof(pid) ||
			ptrace(PTRACE_SEIZE, pid, NULL, NULL) != 0)
			done = 'n';
		if (write(tracer->answer[1], &done, 1) != 1)
			_exit(1);
		wait_for_death();
	}
}

static bool trace(const struct tracer *tracer, pid_t pid)
{
	char done;
	assert_int_equal(write(tracer->ask[1], &pid, sizeof(pid)), sizeof(pid));
	assert_int_equal(read(tracer->answer[0], &done, 1), 1);
	return done == 'y';
}

static void end_tracer(struct tracer *tracer)
{
	kill(tracer->pid, SIGKILL);
	assert_int_equal(waitpid(tracer->pid, NULL, 0), tracer->pid);
	for (int i = 0; i < 2; i++)
		close(tracer->ask[i]), close(tracer->answer[i]);
}

/* The log, and what it has said. */
static struct log *make_log(FILE **file)
{
	*file = tmpfile();
	assert_non_null(*file);
	struct log *log = log_new(fileno(*file), LOG_DEBUG, LOG_FORMAT_TEXT, 1 << 16);
	assert_non_null(log);
	return log;
}

static void check_log(struct log *log, FILE *file, const char *expected)
{
	char text[4096] = "";
	log_free(log, 1000);
	rewind(file);
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	if (expected == NULL)
		assert_string_equal(text, "");
	else
		assert_non_null(strstr(text, expected));
	fclose(file);
}

/* Stops it, and returns whether that was in time. */
static void stop(struct helper *helper, int timeout_ms, int hurry_fd)
{
	int64_t begin = clock_now_ms();
	alarm(2 * DEADLINE_MS / 1000); /* ends a test that hangs */
	helper_stop(helper, timeout_ms, hurry_fd);
	alarm(0);
	assert_true(clock_now_ms() - begin < DEADLINE_MS);
	assert_null(helper->fds);
}

static void check_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* It ends by itself, and so do those that it leaves. */
static void test_ends(void **state)
{
	struct helper helper;
	FILE *file;
	struct log *log = make_log(&file);
	(void)state;
	make_helper(&helper, log, false);
	if (fork() == 0)
		wait_for_death();
	stop(&helper, FOREVER_MS, -1);
	check_log(log, file, NULL);
	check_no_child();
}

/* It does not end, and is killed when the time is over. */
static void test_stubborn(void **state)
{
	struct helper helper;
	FILE *file;
	struct log *log = make_log(&file);
	(void)state;
	make_helper(&helper, log, true);
	if (fork() == 0)
		wait_for_death();
	stop(&helper, 100, -1);
	check_log(log, file, NULL);
	check_no_child();
}

/* The same when somebody is in a hurry. */
static void test_stubborn_hurry(void **state)
{
	struct helper helper;
	int hurry[2];
	FILE *file;
	struct log *log = make_log(&file);
	(void)state;
	assert_int_equal(pipe(hurry), 0);
	make_helper(&helper, log, true);
	assert_int_equal(write(hurry[1], "x", 1), 1);
	stop(&helper, FOREVER_MS, hurry[0]);
	check_log(log, file, NULL);
	check_no_child();
	close(hurry[0]), close(hurry[1]);
}

/* Who can't be reaped is left, and named in the log; the time is over, or somebody is in a hurry. */
static void test_undying(void **state)
{
	(void)state;
	for (int in_hurry = 0; in_hurry < 2; in_hurry++) {
		struct tracer tracer;
		struct helper helper;
		int hurry[2];
		FILE *file;
		struct log *log = make_log(&file);
		assert_int_equal(pipe(hurry), 0);
		make_tracer(&tracer);
		make_helper(&helper, log, false);
		pid_t pid = fork();
		if (pid == 0)
			wait_for_death();
		bool traced = trace(&tracer, pid);
		if (in_hurry)
			assert_int_equal(write(hurry[1], "x", 1), 1);
		stop(&helper, in_hurry ? FOREVER_MS : 100, hurry[0]);
		end_tracer(&tracer);
		check_log(log, file, traced ? "processes=1" : NULL);
		if (traced)
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		check_no_child();
		close(hurry[0]), close(hurry[1]);
		if (!traced) /* some systems allow it to parents only */
			skip();
	}
}

/* One that was killed is reaped at once, and what it left is killed. */
static void test_reap(void **state)
{
	struct helper helper;
	siginfo_t info;
	FILE *file;
	struct log *log = make_log(&file);
	(void)state;
	make_helper(&helper, log, true);
	pid_t left = fork();
	if (left == 0)
		wait_for_death();
	kill(helper.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)helper.pid, &info, WEXITED | WNOWAIT), 0);
	helper_reap(&helper);
	assert_int_equal(helper.pid, 0);
	stop(&helper, FOREVER_MS, -1);
	check_log(log, file, NULL);
	check_no_child();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_stubborn),
		cmocka_unit_test(test_stubborn_hurry),
		cmocka_unit_test(test_undying),
		cmocka_unit_test(test_reap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
