/*
 * Children that nobody waits for: that they are found, reaped and killed, and that nobody else's are touched.
 */
#include "spawn/strays.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Whom the test waits for itself. */
struct known {
	pid_t pid;
};

static bool is_known(void *arg, pid_t pid)
{
	const struct known *known = arg;
	return known->pid == pid;
}

/* A child that ends when it is killed, or with this test. */
static pid_t make_child(void)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

/* Waits until a child has ended, and does not reap it. */
static void wait_end(pid_t pid)
{
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void kill_and_wait(pid_t pid)
{
	kill(pid, SIGKILL);
	wait_end(pid);
}

static bool is_child(pid_t pid)
{
	siginfo_t info;
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0;
}

static void test_reap(void **state)
{
	struct strays strays;
	struct known known = { 0 };
	pid_t before = make_child();
	(void)state;
	assert_int_equal(strays_init(&strays, is_known, &known), 0);
	known.pid = make_child();
	pid_t lives = make_child(), ended = make_child();
	kill_and_wait(before), kill_and_wait(known.pid), kill_and_wait(ended);
	assert_true(strays_reap(&strays));
	assert_false(strays_reap(&strays));
	assert_true(is_child(before)); /* was there before, and is whoever's who made it */
	assert_true(is_child(known.pid));
	assert_true(is_child(lives));
	assert_false(is_child(ended));
	assert_int_equal(strays_end(&strays, 20000, -1), 0);
	assert_false(is_child(lives));
	assert_true(is_child(before));
	assert_true(is_child(known.pid));
	assert_int_equal(strays_end(&strays, 20000, -1), 0); /* nobody is left */
	strays_done(&strays);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* A tree of processes that ignore what can be ignored, in groups and sessions of their own. */
static _Noreturn void grow_tree(unsigned depth)
{
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_IGN);
	for (int i = 0; depth > 0 && i < 2; i++) {
		if (fork() != 0)
			continue;
		depth--; /* and this one begins anew */
		i = -1;
		if (depth % 2)
			setsid();
	}
	if (depth % 3 == 2)
		_exit(0); /* whose children come to us at once */
	for (;;)
		pause();
}

static void test_tree(void **state)
{
	struct strays strays;
	struct known none = { 0 };
	int pipe_fds[2];
	(void)state;
	assert_int_equal(strays_init(&strays, is_known, &none), 0);
	assert_int_equal(pipe(pipe_fds), 0); /* ends when the last process of the tree has */
	pid_t pid = fork();
	if (pid == 0) {
		close(pipe_fds[0]);
		grow_tree(5);
	}
	close(pipe_fds[1]);
	assert_int_equal(strays_end(&strays, 20000, -1), 0);
	struct pollfd end = { .fd = pipe_fds[0], .events = POLLIN };
	assert_int_equal(poll(&end, 1, 0), 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	close(pipe_fds[0]);
	strays_done(&strays);
}

/* More than one read of the kernel's list brings. */
static void test_many(void **state)
{
	enum { MANY = 800 };
	struct strays strays;
	static pid_t pids[MANY];
	(void)state;
	assert_int_equal(strays_init(&strays, NULL, NULL), 0);
	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(0);
	}
	for (int i = 0; i < MANY; i++)
		wait_end(pids[i]);
	while (strays_reap(&strays)) /* what is missed because the list changes is found the next time */
		;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	strays_done(&strays);
}

/* A descriptor that becomes readable ends it, after a look at least. */
static void test_hurry(void **state)
{
	struct strays strays;
	int hurry[2];
	(void)state;
	assert_int_equal(pipe(hurry), 0);
	assert_int_equal(strays_init(&strays, NULL, NULL), 0);
	pid_t pid = make_child();
	assert_int_equal(write(hurry[1], "x", 1), 1);
	strays_end(&strays, INT64_MAX, hurry[0]); /* whether it is reaped by then is the kernel's to say */
	if (is_child(pid))
		waitpid(pid, NULL, 0);
	assert_int_equal(strays_end(&strays, 20000, hurry[0]), 0);
	close(hurry[0]), close(hurry[1]);
	strays_done(&strays);
}

/* Who does not die is given up in time, and counted. */
static void test_time(void **state)
{
	struct strays strays;
	(void)state;
	if (getuid() != 0)
		skip();
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t us = fork();
	if (us == 0) {
		/* Another user's child, who may not be killed by the user that we become. */
		if (strays_init(&strays, NULL, NULL) != 0)
			_exit(2);
		pid_t other = fork();
		if (other == 0) {
			if (setresuid(4243, 4243, 4243) != 0 || write(ready[1], "x", 1) != 1)
				_exit(3);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		char byte;
		if (read(ready[0], &byte, 1) != 1 || setresuid(4242, 4242, 4242) != 0)
			_exit(4);
		_exit(strays_end(&strays, 20000, -1) == 1 ? 0 : 5);
	}
	int status;
	assert_int_equal(waitpid(us, &status, 0), us);
	assert_int_equal(status, 0);
	close(ready[0]), close(ready[1]);
	assert_int_equal(strays_init(&strays, NULL, NULL), 0);
	strays_end(&strays, 20000, -1); /* it became ours */
	strays_done(&strays);
}

/* Who could not find its strays does not adopt any: init reaps them then. */
static void test_no_list_no_subreaper(void **state)
{
	(void)state;
	for (int may_open = 0; may_open < 2; may_open++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			struct strays strays;
			struct rlimit none = { 0, 0 };
			int is_subreaper = -1;
			if ((!may_open && setrlimit(RLIMIT_NOFILE, &none) < 0) ||
				prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) < 0)
				_exit(2);
			int rc = strays_init(&strays, NULL, NULL);
			prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper, 0, 0, 0);
			_exit(rc == 0 && strays_are_found(&strays) == may_open && is_subreaper == may_open
					? 0
					: 3);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* Without the list (no /proc) nothing is found, and nothing breaks. */
static void test_no_list(void **state)
{
	struct strays strays = { .fd = -1 };
	pid_t child = make_child();
	(void)state;
	assert_false(strays_reap(&strays));
	assert_int_equal(strays_end(&strays, 20000, -1), 0);
	assert_true(is_child(child));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	strays_done(&strays);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reap),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_no_list_no_subreaper),
		cmocka_unit_test(test_no_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
