/*
 * Programs on pseudo-terminals, started through a forked spawner: what they find there, and that no process
 * of their session is left.
 */
#include "spawn_world.h"

#include <sys/ioctl.h>

/* Adds a route whose script runs on a terminal. */
static uint32_t add_terminal(struct world *world, const char *script)
{
	uint32_t route = add_shell(world, script);
	world->routes[route].terminal = true;
	return route;
}

/* Starts a program on a terminal of a size, and waits until it runs. */
static void run_sized(struct world *world, struct run *run, uint32_t route, uint16_t columns, uint16_t rows)
{
	struct spawn_request request = { .generation = 1, .route = route, .columns = columns, .rows = rows };
	run_request(world, run, &request);
	assert_true(wait_until(world, is_decided, run));
	assert_true(run->started);
	assert_true(run->out >= 0);
	assert_int_equal(run->in, run->out);
	assert_int_equal(run->err, -1);
}

/* All that a program says on a terminal until it exits. */
static char *terminal_says(struct world *world, uint32_t route, char out[OUTPUT])
{
	struct run run;
	run_sized(world, &run, route, 0, 0);
	read_text(run.out, 0, out);
	assert_true(wait_until(world, is_exited, &run));
	assert_int_equal(run.status, 0);
	run_done(&run);
	return out;
}

static void test_terminal(void **state)
{
	struct world *world = *state;
	struct run run;
	char out[OUTPUT], said[128];
	uint32_t script =
		add_terminal(world, "tty; read line </proc/$$/stat; echo $line; read word; echo $word");
	open_clients(world);
	size_t fds = count_fds(getpid()), spawner_fds = count_fds(world->spawner);
	run_sized(world, &run, script, 0, 0);
	assert_true(fcntl(run.in, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(run.in, F_GETFD) & FD_CLOEXEC);
	int pts = -1, tty = -1, group = -1, session = -1, foreground = -1, pid = -1;
	assert_int_equal(ioctl(run.in, TIOCGPTN, &pts), 0);
	snprintf(said, sizeof said, "/dev/pts/%d\r\n", pts);
	assert_string_equal(read_text(run.out, '\n', out), said);
	assert_int_equal(sscanf(read_text(run.out, '\n', out), "%d (sh) %*c %*d %d %d %d %d", &pid, &group,
				 &session, &tty, &foreground),
		5);
	assert_int_equal(pid, run.pid);
	assert_int_equal(group, pid); /* leads a group in the foreground, and a session with this terminal */
	assert_int_equal(session, pid);
	assert_int_equal(foreground, pid);
	assert_int_equal(tty, (136 << 8) + pts);
	assert_int_equal(write(run.in, "hello\n", 6), 6);
	assert_string_equal(read_text(run.out, 0, out), "hello\r\nhello\r\n"); /* what is typed comes back */
	assert_true(wait_until(world, is_exited, &run));
	assert_int_equal(run.status, 0);
	run_done(&run);
	assert_true(wait_until(world, has_no_children, &world->spawner));
	assert_int_equal(count_fds(getpid()), fds);
	assert_true(wait_for_fds(world->spawner, spawner_fds));
}

static void test_descriptors(void **state)
{
	struct world *world = *state;
	char out[OUTPUT];
	uint32_t script = add_terminal(world, "ls /proc/self/fd | tr '\\n' ' '; for i in 0 1 2; do "
					      "[ $(readlink /proc/$$/fd/$i) = $(tty) ] && printf $i; done");
	open_clients(world);
	assert_string_equal(terminal_says(world, script, out), "0 1 2 3 012"); /* 3 is the list */
}

static void test_sizes(void **state)
{
	struct world *world = *state;
	static const struct {
		uint16_t columns, rows;
		const char *said;
	} sizes[] = { { 0, 0, "24 80\r\n" }, { 1, 1, "1 1\r\n" }, { 132, 0, "24 132\r\n" },
		{ 0, 43, "43 80\r\n" }, { 65535, 65535, "65535 65535\r\n" }, { 258, 3, "3 258\r\n" } };
	struct run run;
	char out[OUTPUT];
	uint32_t script = add_terminal(world, "stty size");
	uint32_t unbuffered = add_shell(world, "stty size <&1");
	world->routes[unbuffered].unbuffer = true;
	open_clients(world);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		run_sized(world, &run, script, sizes[i].columns, sizes[i].rows);
		assert_string_equal(read_text(run.out, 0, out), sizes[i].said);
		run_done(&run);
	}
	assert_string_equal(run_output(world, unbuffered, (struct text){ 0 }, out), "24 80\n");
}

/* As a login finds it, but that it knows characters of several bytes. */
static void test_modes(void **state)
{
	struct world *world = *state;
	static const char *const on[] = { "iutf8", "icanon", "isig", "echo", "echoe", "onlcr", "opost",
		"icrnl", "ixon", "intr = ^C", "susp = ^Z", "eof = ^D", "erase = ^?" };
	char out[OUTPUT], word[32];
	uint32_t script = add_terminal(world, "stty -a | tr ';\\n' '  '");
	open_clients(world);
	terminal_says(world, script, out);
	for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
		snprintf(word, sizeof word, " %s ", on[i]);
		if (strstr(out, word) == NULL)
			fail_msg("no %s in %s", on[i], out);
	}
}

/* Adds a route whose script has a pseudo-terminal as its stdout. */
static uint32_t add_unbuffered(struct world *world, const char *script, enum stderr_to stderr_to)
{
	uint32_t route = add_shell(world, script);
	world->routes[route].unbuffer = true;
	world->routes[route].stderr_to = stderr_to;
	return route;
}

static void test_unbuffered(void **state)
{
	struct world *world = *state;
	static const char every[] = "for i in 0 1 2; do [ -t $i ] && printf $i; done; read l </proc/$$/stat;"
				    "set -- $l; echo; echo $7";
	static const char *const ttys[] = { "1\n0\n", "12\n0\n", "1\n0\n", "1\n0\n" };
	char out[OUTPUT];
	uint32_t routes[4],
		raw = add_unbuffered(
			world, "printf 'a\\r\\nb\\n\\001\\003\\004\\021\\023\\032\\t\\177\\377'", STDERR_LOG);
	uint32_t takes = add_unbuffered(
		world, "echo x >/dev/stdout; read l </proc/$$/stat; set -- $l; echo $7", STDERR_LOG);
	uint32_t reads = add_unbuffered(world, "read x <&1 || echo not to be read", STDERR_DISCARD);
	uint32_t cat = add_unbuffered(world, "cat", STDERR_MERGE);
	for (int i = 0; i < 4; i++)
		routes[i] = add_unbuffered(world, every, (enum stderr_to)i);
	open_clients(world);
	for (int i = 0; i < 4; i++)
		assert_string_equal(run_output(world, routes[i], (struct text){ 0 }, out), ttys[i]);
	assert_string_equal(run_output(world, raw, (struct text){ 0 }, out),
		"a\r\nb\n\001\003\004\021\023\032\t\177\377");
	assert_string_equal(
		run_output(world, takes, (struct text){ 0 }, out), "x\n0\n"); /* not its controlling one */
	assert_string_equal(run_output(world, reads, (struct text){ 0 }, out), "not to be read\n");
	struct run run;
	run_started(world, &run, cat);
	assert_int_not_equal(run.in, run.out);
	assert_true(fcntl(run.out, F_GETFL) & O_NONBLOCK);
	assert_true(isatty(run.out));
	assert_int_equal(run.err, -1);
	assert_int_equal(write(run.in, "x\n", 2), 2);
	assert_string_equal(read_text(run.out, '\n', out), "x\n");
	run_done(&run);
}

/* The programs of a route's cgi: on pipes whatever the others have, where their file is. */
static void test_cgi(void **state)
{
	struct world *world = *state;
	char *here =
		make_file(world, "here", "#!/bin/sh\npwd; echo ${TERM-none}; test -t 1 || echo pipe\n", 0755);
	char dir[PATH_MAX], out[OUTPUT], said[PATH_MAX + 32];
	struct run run;
	uint32_t routes[] = { add_terminal(world, "tty"), add_unbuffered(world, "tty", STDERR_LOG),
		add_shell(world, "tty") };
	uint32_t none = add_shell(world, "tty"), alone = add_shell(world, "tty");
	struct spawn_request request = { .generation = 1, .kind = SPAWN_CGI, .entry = { "here", 4 } };
	for (int i = 0; i < 3; i++)
		world->routes[routes[i]].cgi_dir = world->dir;
	world->routes[routes[2]].directory = (char *)"/";
	world->routes[alone].cgi_dir = world->dir;
	world->routes[alone].exec_path = NULL;
	open_clients(world);
	assert_non_null(realpath(world->dir, dir));
	for (int i = 0; i < 3; i++) {
		request.route = routes[i];
		run_request(world, &run, &request);
		assert_true(wait_until(world, is_decided, &run));
		assert_true(run.started);
		snprintf(said, sizeof said, "%s\nnone\npipe\n", i == 2 ? "/" : dir);
		assert_string_equal(read_text(run.out, 0, out), said);
		assert_int_not_equal(run.in, run.out);
		run_done(&run);
	}
	request.route = routes[0];
	static const char *const bad[] = { "", "../here", "/bin/sh", "there", "here/x" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		request.entry = (struct text){ bad[i], strlen(bad[i]) };
		run_request(world, &run, &request);
		assert_true(wait_until(world, is_decided, &run));
		assert_string_equal(run.step, "entry");
		run_done(&run);
	}
	/* Each kind has its own. */
	request.route = none;
	run_request(world, &run, &request);
	assert_true(wait_until(world, is_decided, &run));
	assert_string_equal(run.step, "route");
	run_done(&run);
	refused(world, 1, alone, (struct text){ 0 }, "route", EINVAL);
	unlink(here);
	free(here);
}

enum { JOBS = 4 };

/* A terminal whose program has jobs, in groups of their own, and says who they are. */
struct jobs {
	struct run run;
	pid_t pids[JOBS]; /* as they come */
};

/* The first one takes what comes; others stop, ignore what they can, and are in the leader's group. */
static const char jobs_script[] = "trap 'echo leader $?' HUP; set -m\n"
				  "sh -c 'echo $$; exec sleep 1000' &\n"
				  "sh -c 'echo $$; kill -STOP $$; exec sleep 1000' &\n"
				  "sh -c 'trap \"\" HUP TERM INT; echo $$; sleep 1000' &\n"
				  "set +m; sh -c 'trap \"\" HUP; echo $$; exec sleep 1000' &\n"
				  "while :; do wait; done";

static bool is_one_stopped(void *arg)
{
	const struct jobs *jobs = arg;
	int n = 0;
	for (int i = 0; i < JOBS; i++)
		n += process_state(jobs->pids[i]) == 'T';
	return n == 1;
}

/* Starts one, and waits until its jobs are there. */
static void start_jobs(struct world *world, struct jobs *jobs, uint32_t route)
{
	run_sized(world, &jobs->run, route, 0, 0);
	for (int i = 0; i < JOBS;) {
		jobs->pids[i] = read_pid(jobs->run.out);
		i += jobs->pids[i] > 0; /* or else bash says that one has stopped */
	}
	assert_true(wait_until(world, is_one_stopped, jobs));
}

static bool is_alive(pid_t pid)
{
	return !is_dead(&pid);
}

static int count_alive(const struct jobs *jobs)
{
	int n = 0;
	for (int i = 0; i < JOBS; i++)
		n += is_alive(jobs->pids[i]);
	return n;
}

static bool two_are_left(void *arg)
{
	return count_alive(arg) == 2;
}

static void test_signal_reaches_session(void **state)
{
	struct world *world = *state;
	struct jobs jobs;
	char out[OUTPUT];
	uint32_t route = add_route(world, "/bin/bash", "-c", jobs_script, (char *)NULL);
	world->routes[route].terminal = true;
	open_clients(world);
	start_jobs(world, &jobs, route);
	spawn_signal(jobs.run.child, SIGHUP);
	while (strstr(read_text(jobs.run.out, '\n', out), "leader") ==
		NULL) /* among what bash says of jobs */
		assert_true(strlen(out) > 0);
	assert_true(wait_until(world, two_are_left, &jobs)); /* who ignores it */
	assert_true(is_alive(jobs.run.pid));
	run_done(&jobs.run);
	for (int i = 0; i < JOBS; i++)
		assert_true(wait_until(world, is_dead, &jobs.pids[i]));
	assert_true(wait_until(world, has_no_children, &world->spawner));
}

/* Of two terminals only the one that is released ends, and of its processes all. */
static void end_jobs(struct world *world, uint32_t route, bool exits, size_t files)
{
	struct jobs jobs, others;
	struct rlimit before;
	start_jobs(world, &jobs, route);
	start_jobs(world, &others, route);
	if (exits) { /* on its own; then its jobs go on */
		kill(jobs.run.pid, SIGKILL);
		assert_true(wait_until(world, is_exited, &jobs.run));
		assert_true(count_alive(&jobs) >= 2); /* the kernel may have had the others, by HUP */
	}
	limit_files(world->spawner, files, &before);
	run_done(&jobs.run);
	for (int i = 0; i < JOBS; i++)
		assert_true(wait_until(world, is_dead, &jobs.pids[i]));
	assert_true(wait_until(world, is_reaped, &jobs.run.pid));
	prlimit(world->spawner, RLIMIT_NOFILE, &before, NULL);
	assert_true(is_alive(others.run.pid));
	assert_int_equal(count_alive(&others), JOBS);
	run_done(&others.run);
	for (int i = 0; i < JOBS; i++)
		assert_true(wait_until(world, is_dead, &others.pids[i]));
	assert_true(wait_until(world, has_no_children, &world->spawner));
}

static void test_release_ends_session(void **state)
{
	struct world *world = *state;
	uint32_t route = add_route(world, "/bin/bash", "-c", jobs_script, (char *)NULL);
	world->routes[route].terminal = true;
	open_clients(world);
	size_t fds = count_fds(getpid()), spawner_fds = count_fds(world->spawner);
	end_jobs(world, route, false, 8);
	end_jobs(world, route, true, 8);
	end_jobs(world, route, false, 0);
	end_jobs(world, route, true, 0);
	assert_int_equal(count_fds(getpid()), fds);
	assert_true(wait_for_fds(world->spawner, spawner_fds));
}

/* Who has left the session stays until the spawner ends. */
static void test_session_of_its_own(void **state)
{
	struct world *world = *state;
	struct run run;
	uint32_t route = add_terminal(world, "setsid sh -c 'echo $$; trap \"\" HUP; sleep 1000' & wait");
	open_clients(world);
	run_sized(world, &run, route, 0, 0);
	pid_t pid = read_pid(run.out);
	run_done(&run);
	assert_true(wait_until(world, is_reaped, &run.pid));
	assert_true(is_alive(pid));
	for (int i = 0; i < CLIENTS; i++)
		close_client(world, i);
	reap_spawner(world);
	assert_true(wait_until(world, is_dead, &pid));
}

/* The same when a worker is gone. */
static void test_workers_gone(void **state)
{
	struct world *world = *state;
	struct jobs jobs;
	uint32_t route = add_route(world, "/bin/bash", "-c", jobs_script, (char *)NULL);
	world->routes[route].terminal = true;
	open_clients(world);
	start_jobs(world, &jobs, route);
	close_client(world, 0);
	for (int i = 0; i < JOBS; i++)
		assert_true(wait_until(world, is_dead, &jobs.pids[i]));
	assert_true(wait_until(world, has_no_children, &world->spawner));
	run_done(&jobs.run);
}

/* A start that fails leaves nothing either, nor does one that nobody waits for. */
static void test_terminal_release_any_time(void **state)
{
	struct world *world = *state;
	struct run run;
	uint32_t routes[] = { add_terminal(world, "exit 0"), add_terminal(world, "sleep 1000"),
		add_route(world, "/nonexistent", (char *)NULL) };
	world->routes[routes[2]].terminal = true;
	open_clients(world);
	size_t fds = count_fds(getpid()), spawner_fds = count_fds(world->spawner);
	for (int i = 0; i < 60; i++) {
		run_start(world, &run, routes[i % 3], (struct text){ 0 });
		run.release_at_start = i % 4 == 1;
		if (i % 4 == 1)
			assert_true(wait_until(world, is_decided, &run));
		for (int turn = 0; i % 4 > 1 && turn < i / 4; turn++)
			event_base_loop(world->loop.base, EVLOOP_NONBLOCK);
		run_done(&run);
	}
	run_started(world, &run, routes[1]);
	run_done(&run);
	assert_true(wait_until(world, has_no_children, &world->spawner));
	assert_int_equal(count_fds(getpid()), fds);
	assert_true(wait_for_fds(world->spawner, spawner_fds));
}

/* As long as descriptors are short, nothing is started, and it is said what was. */
static void test_terminal_without_descriptors(void **state)
{
	struct world *world = *state;
	struct run run;
	struct rlimit before;
	uint32_t route = add_terminal(world, "sleep 1000");
	open_clients(world);
	size_t fds = count_fds(world->spawner);
	for (size_t more = 0; more < 3; more++) {
		limit_files(world->spawner, more, &before);
		run_start(world, &run, route, (struct text){ 0 });
		assert_true(wait_until(world, is_decided, &run));
		prlimit(world->spawner, RLIMIT_NOFILE, &before, NULL);
		assert_int_equal(run.failed, more < 2);
		if (run.failed) {
			assert_string_equal(run.step, "open a pseudo-terminal");
			assert_int_equal(run.error, EMFILE);
		}
		run_done(&run);
		assert_true(wait_until(world, has_no_children, &world->spawner));
		assert_true(wait_for_fds(world->spawner, fds));
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_terminal),
		TEST(test_descriptors),
		TEST(test_sizes),
		TEST(test_modes),
		TEST(test_unbuffered),
		TEST(test_cgi),
		TEST(test_signal_reaches_session),
		TEST(test_release_ends_session),
		TEST(test_session_of_its_own),
		TEST(test_workers_gone),
		TEST(test_terminal_release_any_time),
		TEST(test_terminal_without_descriptors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
