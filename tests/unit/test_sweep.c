/*
 * The processes of sessions: that all are found, whatever group they are in and whatever they ignore, and
 * nobody else; also when /proc shows nobody, or no descriptor is free.
 */
#include "spawn/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_S = 120, MEMBERS = 6 };

/* A session of a leader and its members: each ignores all that can be ignored. */
struct scene {
	struct strays strays;
	struct sweep sweep;
	struct sweep_session session;
	pid_t leader, members[MEMBERS];
	unsigned n_ended;
	int end; /* reads the end of file when nobody of the session is left */
};

static void on_end(struct sweep_session *session)
{
	struct scene *scene = (struct scene *)((char *)session - offsetof(struct scene, session));
	scene->n_ended++;
}

static bool is_leader(void *arg, pid_t pid)
{
	const struct scene *scene = arg;
	return pid == scene->leader;
}

static void ignore_all(void)
{
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, signo == SIGCHLD ? SIG_DFL : SIG_IGN);
}

/* What a member says of itself. */
struct member {
	int what;
	pid_t pid;
};

/* What a member is: the lowest bit has it lead a group of its own, the next one has it stop. */
static _Noreturn void be_member(int what, int ready)
{
	ignore_all();
	if (what & 1)
		setpgid(0, 0);
	struct member member = { .what = what, .pid = getpid() };
	if (write(ready, &member, sizeof member) != sizeof member)
		_exit(1);
	if (what & 2)
		raise(SIGSTOP);
	for (;;)
		pause();
}

/* The leader makes its members, one of whom makes one more, and says who they are. */
static _Noreturn void be_leader(int ready)
{
	setsid();
	ignore_all();
	for (int i = 0; i < MEMBERS; i++) {
		if (fork() == 0) {
			if (i == MEMBERS - 1 && fork() != 0)
				_exit(0); /* an orphan, then */
			be_member(i, ready);
		}
	}
	for (;;)
		pause();
}

static struct scene *scene_new(bool has_proc)
{
	struct scene *scene = calloc(1, sizeof *scene);
	int ready[2];
	alarm(DEADLINE_S);
	assert_int_equal(strays_init(&scene->strays, is_leader, scene), 0);
	sweep_init(&scene->sweep, &scene->strays);
	assert_non_null(scene->sweep.proc);
	if (!has_proc) {
		sweep_done(&scene->sweep);
		scene->sweep.strays = &scene->strays;
	}
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	scene->leader = fork();
	if (scene->leader == 0)
		be_leader(ready[1]);
	close(ready[1]);
	for (int i = 0; i < MEMBERS; i++) {
		struct member member;
		assert_int_equal(read(ready[0], &member, sizeof member), sizeof member);
		scene->members[member.what] = member.pid;
	}
	scene->end = ready[0];
	scene->session.node.id = (uint64_t)scene->leader;
	scene->session.on_end = on_end;
	return scene;
}

/* Kills the leader, as the spawner does, and does not reap it. */
static void kill_leader(struct scene *scene)
{
	siginfo_t info;
	kill(scene->leader, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)scene->leader, &info, WEXITED | WNOWAIT), 0);
}

/* Looks when it is due until nobody is sought. */
static void look_until_end(struct scene *scene)
{
	for (int due; (due = sweep_due(&scene->sweep)) >= 0;) {
		usleep((useconds_t)due * 1000);
		sweep_look(&scene->sweep);
		strays_reap(&scene->strays);
	}
}

static void check_ended(struct scene *scene)
{
	char byte;
	assert_int_equal(scene->n_ended, 1);
	assert_int_equal(read(scene->end, &byte, 1), 0);
}

static void scene_free(struct scene *scene)
{
	assert_int_equal(sweep_due(&scene->sweep), -1);
	assert_int_equal(waitpid(scene->leader, NULL, 0), scene->leader);
	assert_int_equal(strays_end(&scene->strays, 20000, -1), 0);
	sweep_done(&scene->sweep);
	strays_done(&scene->strays);
	close(scene->end);
	free(scene);
	alarm(0);
}

static void test_all_end(void **state)
{
	struct scene *scene = scene_new(true);
	(void)state;
	assert_int_equal(sweep_due(&scene->sweep), -1);
	kill_leader(scene);
	sweep_end(&scene->sweep, &scene->session);
	assert_int_equal(sweep_due(&scene->sweep), 0);
	sweep_end(&scene->sweep, &scene->session); /* once more changes nothing */
	look_until_end(scene);
	check_ended(scene);
	scene_free(scene);
}

/* They come to us one after another, as their parents die. */
static void test_all_end_without_proc(void **state)
{
	struct scene *scene = scene_new(false);
	(void)state;
	kill_leader(scene);
	sweep_end(&scene->sweep, &scene->session);
	look_until_end(scene);
	check_ended(scene);
	scene_free(scene);
}

static void test_all_end_without_descriptors(void **state)
{
	struct scene *scene = scene_new(true);
	struct rlimit before, none;
	(void)state;
	kill_leader(scene);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)scene->sweep.spare + 1; /* all lower ones are open */
	int fill[64], n = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (n < 64 && (fill[n] = dup(0)) >= 0)
		n++;
	assert_int_equal(errno, EMFILE);
	sweep_end(&scene->sweep, &scene->session);
	look_until_end(scene);
	while (n > 0)
		close(fill[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(scene->sweep.spare >= 0);
	check_ended(scene);
	scene_free(scene);
}

/* The letter of a process's state. */
static char state_of(pid_t pid)
{
	char path[64], line[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
	if (fd >= 0)
		close(fd);
	line[n > 0 ? n : 0] = '\0';
	char *paren = strrchr(line, ')');
	return paren != NULL ? paren[2] : 0;
}

static bool is_alive(pid_t pid)
{
	char state = state_of(pid);
	return state != 0 && state != 'Z' && state != 'X';
}

/* A signal is for those that the leader's group does not have. By KILL one sees who had it. */
static void test_signal(void **state)
{
	struct scene *scene = scene_new(true), other = { .n_ended = 0 };
	pid_t outside = fork();
	(void)state;
	if (outside == 0)
		for (;;)
			pause();
	/* Somebody else's is not touched, though it is looked for too. */
	other.session = (struct sweep_session){ .node.id = (uint64_t)getpid(), .on_end = on_end };
	sweep_signal(&scene->sweep, &other.session, SIGUSR2);
	sweep_signal(&scene->sweep, &scene->session, SIGKILL);
	sweep_look(&scene->sweep);
	assert_int_equal(sweep_due(&scene->sweep), -1);
	for (int i = 0; i < MEMBERS; i++) {
		while ((i & 1) && is_alive(scene->members[i]))
			usleep(1000); /* the alarm ends it */
		assert_true((i & 1) || is_alive(scene->members[i]));
	}
	assert_true(is_alive(scene->leader));
	assert_true(is_alive(outside));
	assert_int_equal(scene->n_ended, 0);
	kill(outside, SIGKILL);
	kill_leader(scene);
	sweep_end(&scene->sweep, &scene->session);
	look_until_end(scene);
	check_ended(scene);
	scene_free(scene);
}

/* One that is born while others are killed is found as well. */
static void test_end_of_a_fork_bomb(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	int ready[2];
	char byte;
	(void)state;
	alarm(DEADLINE_S);
	assert_int_equal(strays_init(&scene->strays, is_leader, scene), 0);
	sweep_init(&scene->sweep, &scene->strays);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	scene->leader = fork();
	if (scene->leader == 0) {
		setsid();
		ignore_all();
		for (int i = 0; i < 4; i++) {
			if (fork() != 0)
				continue;
			setpgid(0, 0);
			if (write(ready[1], "x", 1) != 1)
				_exit(1);
			for (;;) { /* moves on to a new process all the time */
				if (fork() != 0)
					_exit(0);
			}
		}
		for (;;)
			pause();
	}
	close(ready[1]);
	for (int i = 0; i < 4; i++)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	scene->end = ready[0];
	scene->session.node.id = (uint64_t)scene->leader;
	scene->session.on_end = on_end;
	kill_leader(scene);
	sweep_end(&scene->sweep, &scene->session);
	look_until_end(scene);
	check_ended(scene);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_end),
		cmocka_unit_test(test_all_end_without_proc),
		cmocka_unit_test(test_all_end_without_descriptors),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_end_of_a_fork_bomb),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
