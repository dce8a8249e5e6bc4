/*
 * Programs whose exit the spawner can't wait for, since descriptors or memory are short: they are given up,
 * and the spawner goes on at once, whenever they may end. All else of them is in test_spawn.c.
 */
#include "spawn/program.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 20000 };

/* The spawner's side of one worker, and what it was answered last. */
struct world {
	struct poller poller;
	struct idmap leaders;
	struct programs programs;
	unsigned n_answers;
	struct wire_header answer;
	char step[WIRE_STEP_MAX + 1];
};

static void on_answer(void *arg, const struct wire_header *header, const char *step, const int *fds)
{
	struct world *world = arg;
	world->n_answers++;
	world->answer = *header;
	for (int i = 0; fds != NULL && i < WIRE_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (header->len > 0)
		memcpy(world->step, step, header->len);
}

static struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	assert_int_equal(poller_init(&world->poller), 0);
	world->programs.poller = &world->poller;
	world->programs.leaders = &world->leaders;
	world->programs.answer = on_answer;
	world->programs.arg = world;
	return world;
}

static void world_free(struct world *world)
{
	assert_int_equal(world->programs.map.n, 0);
	assert_int_equal(world->leaders.n, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left, not even a zombie */
	assert_int_equal(errno, ECHILD);
	close(world->poller.epoll);
	free(world);
}

static void start_in(struct world *world, uint64_t id, bool may_wait, const struct child_world *around)
{
	static char name[] = "sleep", seconds[] = "1000";
	char *const argv[] = { name, seconds, NULL }, *const envp[] = { NULL };
	const struct child_plan plan = {
		.file = "/bin/sleep", .argv = argv, .envp = envp, .world = around, .may_wait = may_wait
	};
	program_start(&world->programs, id, &plan);
}

static void start(struct world *world, uint64_t id, bool may_wait)
{
	static const struct child_world nothing = { .umask = (mode_t)-1 };
	start_in(world, id, may_wait, &nothing);
}

/* It is refused, and ours until somebody has looked for it; then nothing is left of it. */
static void check_given_up(struct world *world, uint64_t id, const char *step, int error)
{
	siginfo_t info;
	assert_int_equal(world->n_answers, 1);
	assert_int_equal(world->answer.kind, WIRE_FAILED);
	assert_int_equal(world->answer.id, id);
	assert_int_equal(world->answer.value, error);
	assert_string_equal(world->step, step);
	assert_int_equal(
		waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0); /* it was not waited for, but killed */
	assert_int_equal(info.si_status, SIGKILL);
	assert_true(program_exists(&world->programs, id));
	assert_non_null(idmap_find(&world->leaders, (uint64_t)info.si_pid));
	program_release(&world->programs, id); /* what a worker may say yet changes nothing */
	program_signal(&world->programs, id, SIGTERM);
	program_reap_unwatched(&world->programs);
	assert_false(program_exists(&world->programs, id));
	assert_int_equal(world->n_answers, 1);
	program_reap_unwatched(&world->programs);
	world_free(world);
}

/* The pipe that says how execve went. */
static void test_no_watch_for_start(void **state)
{
	struct world *world = world_new();
	int epoll = world->poller.epoll;
	(void)state;
	world->poller.epoll = STDIN_FILENO;
	start(world, 7, true);
	world->poller.epoll = epoll;
	check_given_up(world, 7, "epoll_ctl", EINVAL);
}

/* The descriptor that says when it exits. */
static void test_no_watch_for_exit(void **state)
{
	struct world *world = world_new();
	struct rlimit before, none;
	(void)state;
	start(world, 8, true);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	poller_turn(&world->poller, DEADLINE_MS);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	check_given_up(world, 8, "pidfd_open", EMFILE);
}

/* The same, of one that has begun before anything was waited for. */
static void test_no_watch_at_once(void **state)
{
	struct world *world = world_new();
	int epoll = world->poller.epoll;
	(void)state;
	world->poller.epoll = STDIN_FILENO;
	start(world, 10, false);
	world->poller.epoll = epoll;
	check_given_up(world, 10, world->step, EINVAL);
}

/* Who lives is not touched by the look for those who were given up. */
static void test_others_live(void **state)
{
	struct world *world = world_new();
	(void)state;
	start(world, 9, false);
	program_reap_unwatched(&world->programs);
	if (world->n_answers == 0)
		poller_turn(&world->poller, DEADLINE_MS);
	assert_int_equal(world->answer.kind, WIRE_STARTED);
	program_reap_unwatched(&world->programs);
	assert_true(program_exists(&world->programs, 9));
	kill(world->answer.value, SIGKILL);
	poller_turn(&world->poller, DEADLINE_MS);
	assert_int_equal(world->answer.kind, WIRE_EXITED);
	program_reap_unwatched(&world->programs);
	assert_true(program_exists(&world->programs, 9)); /* until its worker has released it */
	program_release(&world->programs, 9);
	world_free(world);
}

/* Of what it died: of what it was sent while it lived, or of what somebody else sent it, though we did so too
 * before we had heard of its end. */
static void test_whose_signal(void **state)
{
	const struct {
		int before, others, after; /* ours, then somebody else's, then ours */
		unsigned kind;
	} cases[] = {
		{ SIGTERM, 0, 0, WIRE_STOPPED },
		{ SIGKILL, 0, 0, WIRE_STOPPED },
		{ SIGTERM, 0, SIGKILL, WIRE_STOPPED },
		{ SIGRTMAX, 0, 0, WIRE_STOPPED },
		{ 0, SIGTERM, 0, WIRE_EXITED },
		{ 0, SIGTERM, SIGTERM, WIRE_EXITED },
		{ 0, SIGKILL, SIGKILL, WIRE_EXITED },
		{ SIGCONT, SIGTERM, SIGTERM, WIRE_EXITED },
		{ SIGCONT, SIGRTMAX, SIGRTMAX, WIRE_EXITED },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world = world_new();
		siginfo_t info;
		start(world, 12, false);
		if (world->n_answers == 0)
			poller_turn(&world->poller, DEADLINE_MS);
		assert_int_equal(world->answer.kind, WIRE_STARTED);
		if (cases[i].before != 0)
			program_signal(&world->programs, 12, cases[i].before);
		if (cases[i].others != 0)
			kill(world->answer.value, cases[i].others);
		assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
		if (cases[i].after != 0)
			program_signal(&world->programs, 12, cases[i].after);
		poller_turn(&world->poller, DEADLINE_MS);
		assert_int_equal(world->answer.kind, cases[i].kind);
		assert_int_equal(
			world->answer.value, cases[i].others != 0 ? cases[i].others : cases[i].before);
		program_release(&world->programs, 12);
		world_free(world);
	}
}

/* Who becomes somebody else can be stopped by him before execve: the spawner does not wait for that, nor
 * share its memory with it. */
static void test_other_identity(void **state)
{
	static const struct identity other = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	static const struct child_world around = { .umask = (mode_t)-1, .identity = &other };
	struct world *world = world_new();
	(void)state;
	start_in(world, 11, false, &around);
	assert_int_equal(world->n_answers, 0);
	poller_turn(&world->poller, DEADLINE_MS);
	assert_int_equal(world->answer.kind, WIRE_STARTED);
	kill(world->answer.value, SIGKILL);
	poller_turn(&world->poller, DEADLINE_MS);
	assert_int_equal(world->answer.kind, WIRE_EXITED);
	program_release(&world->programs, 11);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_watch_for_start),
		cmocka_unit_test(test_no_watch_for_exit),
		cmocka_unit_test(test_no_watch_at_once),
		cmocka_unit_test(test_others_live),
		cmocka_unit_test(test_whose_signal),
		cmocka_unit_test(test_other_identity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
