/*
 * Runs real programs through a forked spawner, as a worker does: what they see, how they end, what is left of
 * them. The conditions waited for have a deadline each; nothing sleeps for a result.
 */
#include "spawn_world.h"

#include <sys/syscall.h>

/* Forks in a sanitized process are slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MANY = 300 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { MANY = 300 };
#else
enum { MANY = 2000 };
#endif
#else
enum { MANY = 2000 };
#endif

/* Takes the place of libc's, which every child calls: what the spawner's group was sent until then is nothing
 * to it. */
pid_t setsid(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2 };
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		kill(getpid(), signals[i]);
	return (pid_t)syscall(SYS_setsid);
}

static void test_echo(void **state)
{
	struct world *world = *state;
	struct run run;
	char out[OUTPUT];
	uint32_t cat = add_route(world, "/bin/cat", (char *)NULL);
	uint32_t both = add_shell(world, "echo out; echo err >&2");
	open_clients(world);
	run_started(world, &run, cat);
	assert_true(fcntl(run.in, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(run.out, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(run.err, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(run.in, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(run.out, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(run.err, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(run.in, "hello\n", 6), 6);
	assert_string_equal(read_text(run.out, '\n', out), "hello\n");
	assert_false(run.exited);
	close_fd(&run.in);
	assert_string_equal(read_text(run.out, 0, out), "");
	assert_true(wait_until(world, is_exited, &run));
	assert_int_equal(run.status, 0);
	run_done(&run);

	run_started(world, &run, both);
	assert_string_equal(read_text(run.out, 0, out), "out\n");
	assert_string_equal(read_text(run.err, 0, out), "err\n");
	run_done(&run);
	assert_int_equal(spawn_client_children(world->clients[0]), 0);
}

static void test_entry(void **state)
{
	struct world *world = *state;
	struct run run;
	char out[OUTPUT], said[OUTPUT], dir[PATH_MAX];
	static char large[SPAWN_ENTRY_MAX + 1];
	static const struct {
		const char *entry, *step;
		size_t len;
		int error;
	} bad[] = { { "", "entry", 0, EINVAL }, { "../x", "entry", 4, EINVAL },
		{ "/bin/sh", "entry", 7, EINVAL }, { "none", "entry", 4, ENOENT },
		{ "who\0", "entry", 4, EINVAL }, { "out", "entry", 3, EACCES },
		{ "plain", "execve", 5, EACCES }, { "plain/who", "entry", 9, ENOTDIR } };
	char *who = make_file(world, "who", "#!/bin/sh\necho $0 $# $A\n", 0755);
	char *plain = make_file(world, "plain", "", 0644);
	char *link = make_file(world, "out", "", 0644);
	unlink(link);
	assert_int_equal(symlink("/bin/sh", link), 0);
	uint32_t shell = add_shell(world, "echo $A");
	uint32_t programs = add_route(world, "unused", (char *)NULL);
	world->routes[programs].exec_path = NULL;
	world->routes[programs].dir = world->dir;
	open_clients(world);
	assert_non_null(realpath(world->dir, dir));
	run_entry(world, &run, programs, "who", 3);
	assert_true(run.started);
	snprintf(said, sizeof said, "%s/who 0 b\n", dir);
	assert_string_equal(read_text(run.out, 0, out), said);
	run_done(&run);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		run_entry(world, &run, programs, bad[i].entry, bad[i].len);
		assert_true(run.failed);
		assert_string_equal(run.step, bad[i].step);
		assert_int_equal(run.error, bad[i].error);
		run_done(&run);
	}
	run_entry(world, &run, shell, "who", 3); /* that route has but one program */
	assert_true(run.failed);
	assert_string_equal(run.step, "entry");
	run_done(&run);
	run_entry(world, &run, shell, "", 0);
	assert_string_equal(read_text(run.out, 0, out), "b\n");
	run_done(&run);

	memset(large, 'x', sizeof large);
	run_entry(world, &run, programs, large, SPAWN_ENTRY_MAX);
	assert_string_equal(run.step, "entry");
	assert_int_equal(run.error, ENAMETOOLONG);
	run_done(&run);
	struct spawn_request request = {
		.generation = 1, .route = programs, .entry = { large, sizeof large }
	};
	assert_null(spawn_start(world->clients[0], &request, &hooks, NULL));
	unlink(who), unlink(plain), unlink(link);
	free(who), free(plain), free(link);
}

static void test_stderr(void **state)
{
	struct world *world = *state;
	static const enum stderr_to plans[] = { STDERR_LOG, STDERR_MERGE, STDERR_TAGGED, STDERR_DISCARD };
	char out[OUTPUT];
	for (size_t i = 0; i < 4; i++)
		world->routes[add_shell(world,
				      "echo out; echo err >&2; readlink /proc/self/fd/2; ls /proc/self/fd")]
			.stderr_to = plans[i];
	open_clients(world);
	size_t fds = count_fds(world->spawner);
	for (size_t i = 0; i < 4; i++) {
		struct run run;
		bool own = plans[i] == STDERR_LOG || plans[i] == STDERR_TAGGED;
		run_started(world, &run, (uint32_t)i);
		assert_int_equal(run.err >= 0, own);
		assert_string_equal(read_text(run.out, '\n', out), "out\n");
		if (own) {
			char err[OUTPUT];
			assert_string_equal(read_text(run.err, 0, err), "err\n");
		} else if (plans[i] == STDERR_MERGE) {
			assert_string_equal(read_text(run.out, '\n', out), "err\n");
		}
		read_text(run.out, '\n', out);
		assert_int_equal(strcmp(out, "/dev/null\n") == 0, plans[i] == STDERR_DISCARD);
		assert_string_equal(read_text(run.out, 0, out), "0\n1\n2\n3\n");
		run_done(&run);
	}
	assert_true(wait_until(world, has_no_children, &world->spawner));
	assert_true(wait_for_fds(world->spawner, fds));
}

static void test_exit_statuses(void **state)
{
	struct world *world = *state;
	static const struct {
		const char *script;
		int status;
	} cases[] = {
		{ "exit 0", W_EXITCODE(0, 0) },
		{ "exit 1", W_EXITCODE(1, 0) },
		{ "exit 127", W_EXITCODE(127, 0) },
		{ "exit 255", W_EXITCODE(255, 0) },
		{ "kill -TERM $$", W_EXITCODE(0, SIGTERM) },
		{ "kill -KILL $$", W_EXITCODE(0, SIGKILL) },
		{ "kill -PIPE $$", W_EXITCODE(0, SIGPIPE) },
		{ "ulimit -c 0; kill -SEGV $$", W_EXITCODE(0, SIGSEGV) },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		add_shell(world, cases[i].script);
	open_clients(world);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct run run;
		run_started(world, &run, (uint32_t)i);
		assert_true(wait_until(world, is_exited, &run));
		assert_int_equal(run.status & ~WCOREFLAG, cases[i].status);
		run_done(&run);
	}
}

static void test_failures(void **state)
{
	struct world *world = *state;
	char *plain = make_file(world, "plain", "no program\n", 0755);
	char *locked = make_file(world, "locked", "#!/bin/sh\n", 0644);
	char *lost = make_file(world, "lost", "#!/nonexistent/interpreter\n", 0755);
	char *huge = malloc(200000);
	memset(huge, 'x', 199999);
	huge[199999] = '\0';
	add_route(world, "/nonexistent/program", (char *)NULL);
	add_route(world, locked, (char *)NULL);
	add_route(world, plain, (char *)NULL);
	add_route(world, lost, (char *)NULL);
	add_route(world, "/bin/echo", huge, (char *)NULL);
	add_route(world, world->dir, (char *)NULL);
	add_route(world, "true", (char *)NULL); /* never searched by PATH */
	open_clients(world);
	static const int errors[] = { ENOENT, EACCES, ENOEXEC, ENOENT, E2BIG, EACCES, ENOENT };
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		struct run run;
		run_start(world, &run, (uint32_t)i, (struct text){ 0 });
		assert_true(wait_until(world, is_decided, &run));
		assert_true(run.failed);
		assert_string_equal(run.step, "execve");
		assert_int_equal(run.error, errors[i]);
		spawn_signal(run.child, SIGTERM);
		assert_int_equal(spawn_client_children(world->clients[0]), 1);
		run_done(&run);
	}
	assert_true(wait_until(world, has_no_children, &world->spawner));
	unlink(plain), unlink(locked), unlink(lost);
	free(plain), free(locked), free(lost), free(huge);
}

static void test_refusals(void **state)
{
	struct world *world = *state;
	char out[OUTPUT];
	static char large[SPAWN_ENV_MAX + 1];
	uint32_t echo = add_shell(world, "echo ok");
	uint32_t length = add_shell(world, "echo ${#A}");
	uint32_t tcp = add_route(world, "/bin/true", (char *)NULL);
	world->routes[tcp].exec_path = NULL;
	world->routes[tcp].exec = (struct conf_list){ 0 };
	open_clients(world);
	struct text none = { 0 };
	refused(world, 0, echo, none, "generation", ESTALE);
	refused(world, 2, echo, none, "generation", ESTALE);
	refused(world, 1, tcp, none, "route", EINVAL);
	refused(world, 1, tcp + 1, none, "route", EINVAL);
	refused(world, 1, UINT32_MAX, none, "route", EINVAL);
	refused(world, 1, echo, text_of("A=B"), "request", EINVAL);
	refused(world, 1, echo, (struct text){ "A=B\0C", 5 }, "request", EINVAL);
	refused(world, 1, echo, (struct text){ "A=B\0C\0", 6 }, "request", EINVAL);
	refused(world, 1, echo, (struct text){ "=B\0", 3 }, "request", EINVAL);
	refused(world, 1, echo, (struct text){ "\0", 1 }, "request", EINVAL);
	refused(world, 1, echo, (struct text){ "A=B\0\0", 5 }, "request", EINVAL);
	assert_string_equal(run_output(world, echo, (struct text){ "A=\0B=\0", 6 }, out), "ok\n");

	memset(large, 'x', sizeof large);
	memcpy(large, "A=", 2);
	struct spawn_request request = { .generation = 1, .route = length, .env = { large, sizeof large } };
	assert_null(spawn_start(world->clients[0], &request, &hooks, NULL));
	large[SPAWN_ENV_MAX - 1] = '\0';
	assert_string_equal(run_output(world, length, (struct text){ large, SPAWN_ENV_MAX }, out), "65533\n");
}

static void test_descriptors(void **state)
{
	struct world *world = *state;
	char out[OUTPUT], inherited[64];
	uint32_t list = add_route(world, "/bin/ls", "/proc/self/fd", (char *)NULL);
	uint32_t limits = add_shell(world, "ulimit -n; ulimit -Hn");
	/* Descriptors of the gateway that are not close-on-exec, below and above the sockets. */
	int low = dup(1), high = fcntl(1, F_DUPFD, 900);
	assert_true(low >= 0 && high >= 900);
	open_clients(world);
	close(low), close(high);
	assert_string_equal(run_output(world, list, (struct text){ 0 }, out), "0\n1\n2\n3\n"); /* 3 is ls's */
	assert_string_equal(run_output(world, limits, (struct text){ 0 }, out), "123\n456\n");
	/* The spawner itself: 0, 1, 2, a socket for each client, the epoll set, the list of its children, the
	 * signal that one has ended, /proc and one to spare. */
	assert_true(wait_for_fds(world->spawner, 3 + CLIENTS + 5));
	snprintf(out, sizeof out, "/proc/%d/fd/0", world->spawner);
	ssize_t len = readlink(out, inherited, sizeof inherited - 1);
	assert_true(len > 0);
	inherited[len] = '\0';
	assert_string_equal(inherited, "/dev/null");
}

/* Opening what is on a file system that nobody vouches for may take long; otherwise it is as all others. */
static void test_may_wait(void **state)
{
	struct world *world = *state;
	struct run run;
	char out[OUTPUT];
	uint32_t list = add_route(world, "/bin/ls", "/proc/self/fd", (char *)NULL);
	uint32_t where = add_shell(world, "pwd");
	uint32_t none = add_route(world, "/proc/nonexistent", (char *)NULL);
	static char proc[] = "/proc";
	for (size_t i = 0; i < world->config.n_routes; i++)
		world->routes[i].directory = proc;
	open_clients(world);
	size_t fds = count_fds(world->spawner);
	assert_string_equal(run_output(world, list, (struct text){ 0 }, out), "0\n1\n2\n3\n"); /* 3 is ls's */
	assert_string_equal(run_output(world, where, (struct text){ 0 }, out), "/proc\n");
	run_start(world, &run, none, (struct text){ 0 });
	assert_true(wait_until(world, is_decided, &run));
	assert_true(run.failed);
	assert_string_equal(run.step, "execve");
	assert_int_equal(run.error, ENOENT);
	run_done(&run);
	assert_true(wait_until(world, has_no_children, &world->spawner));
	assert_true(wait_for_fds(world->spawner, fds));
}

/* A program, or its interpreter, that somebody holds a lease on can't be executed until he gives it up;
 * others are meanwhile. */
static void test_waits_alone(void **state)
{
	struct world *world = *state;
	char out[OUTPUT], line[PATH_MAX + 4];
	char *held = make_file(world, "held", "#!/bin/sh\necho held\n", 0755);
	snprintf(line, sizeof line, "#!%s\n", held);
	char *script = make_file(world, "script", line, 0755);
	uint32_t late[] = { add_route(world, held, (char *)NULL), add_route(world, script, (char *)NULL) };
	uint32_t other = add_shell(world, "echo other");
	open_clients(world);
	signal(SIGIO, SIG_IGN); /* somebody wants it */
	for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
		struct run run;
		int fd = open(held, O_RDONLY | O_CLOEXEC);
		assert_int_equal(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
		run_start(world, &run, late[i], (struct text){ 0 });
		assert_string_equal(run_output(world, other, (struct text){ 0 }, out), "other\n");
		assert_false(run.started || run.failed);
		close(fd);
		assert_true(wait_until(world, is_decided, &run));
		assert_true(run.started);
		assert_string_equal(read_text(run.out, 0, out), "held\n");
		assert_true(wait_until(world, is_exited, &run)); /* or its shell may have the file open yet */
		run_done(&run);
	}
	signal(SIGIO, SIG_DFL);
	unlink(held), unlink(script);
	free(held), free(script);
}

static void test_process_status(void **state)
{
	struct world *world = *state;
	char out[OUTPUT];
	sigset_t block, before;
	uint32_t status = add_route(world, "/bin/grep", "-E",
		"^(SigBlk|SigIgn|SigCgt|NoNewPrivs):", "/proc/self/status", (char *)NULL);
	uint32_t stat = add_route(world, "/bin/cat", "/proc/self/stat", (char *)NULL);
	uint32_t pipeline = add_shell(world, "yes | head -n 1");
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &before);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* zombies would vanish in a spawner that inherits this */
	open_clients(world);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	run_output(world, status, (struct text){ 0 }, out);
	assert_non_null(strstr(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
	assert_non_null(strstr(out, "NoNewPrivs:\t1\n"));
	assert_string_equal(run_output(world, pipeline, (struct text){ 0 }, out), "y\n");

	int pid, ppid, group, session, terminal;
	run_output(world, stat, (struct text){ 0 }, out);
	assert_int_equal(sscanf(strrchr(out, ')') + 4, "%d %d %d %d", &ppid, &group, &session, &terminal), 4);
	pid = atoi(out);
	assert_int_equal(ppid, world->spawner);
	assert_int_equal(group, pid);
	assert_int_equal(session, pid);
	assert_int_equal(terminal, 0);
}

static void test_environment(void **state)
{
	struct world *world = *state;
	char out[OUTPUT];
	extern char **environ;
	static const char *const gateway[] = { "NOTIFY_SOCKET=/run/systemd/notify", "PATH=/usr/bin:/bin",
		"LISTEN_FDS=3", "LANG=C.UTF-8", "LANGUAGE=de", "LC_TIME=C", "LC_=", "PATHS=x", "TZ=UTC",
		"SECRET=1", "LC_ALL", NULL };
	char **before = environ;
	uint32_t env = add_route(world, "/usr/bin/env", (char *)NULL);
	environ = (char **)gateway; /* nobody writes */
	open_clients(world);
	environ = before;
	static const char session[] = "GATEWAY_INTERFACE=CGI/1.1\0QUERY_STRING=a=b&c=\0EMPTY=\0";
	struct text text = { session, sizeof session - 1 };
	assert_string_equal(run_output(world, env, text, out),
		"EMPTY=\nGATEWAY_INTERFACE=CGI/1.1\nLANG=C.UTF-8\nLC_=\nLC_TIME=C\nPATH=/usr/bin:/bin\n"
		"QUERY_STRING=a=b&c=\nTZ=UTC\n");
}

static void test_release_kills_group(void **state)
{
	struct world *world = *state;
	struct run run;
	uint32_t tree = add_shell(world, "trap '' TERM HUP; sleep 60 & echo $!; wait");
	open_clients(world);
	run_started(world, &run, tree);
	pid_t leader = run.pid, grandchild = read_pid(run.out);
	assert_false(is_dead(&leader) || is_dead(&grandchild));
	spawn_signal(run.child, SIGTERM); /* ignored by all */
	run_done(&run);
	assert_true(wait_until(world, is_reaped, &leader));
	assert_true(wait_until(world, is_dead, &grandchild));
	assert_false(run.exited);
}

static void test_exit_is_not_reaped(void **state)
{
	struct world *world = *state;
	struct run run;
	char out[OUTPUT];
	uint32_t orphan = add_shell(world, "sleep 60 & echo $!; exit 3");
	open_clients(world);
	run_started(world, &run, orphan);
	pid_t leader = run.pid, grandchild = read_pid(run.out);
	assert_true(wait_until(world, is_exited, &run));
	assert_int_equal(run.status, W_EXITCODE(3, 0));
	assert_int_equal(process_state(leader), 'Z'); /* nobody else can get its pid */
	assert_false(is_dead(&grandchild));
	spawn_signal(run.child, SIGTERM);
	assert_true(wait_until(world, is_dead, &grandchild));
	assert_string_equal(read_text(run.out, 0, out), "");
	assert_int_equal(process_state(leader), 'Z');
	run_done(&run);
	assert_true(wait_until(world, is_reaped, &leader));
}

static void test_signals(void **state)
{
	struct world *world = *state;
	struct run run;
	char out[OUTPUT];
	uint32_t trap =
		add_shell(world, "trap 'echo got; exit 9' INT; echo ready; while :; do sleep 0.01; done");
	open_clients(world);
	run_started(world, &run, trap);
	assert_string_equal(read_text(run.out, '\n', out), "ready\n");
	spawn_signal(run.child, SIGINT);
	assert_string_equal(read_text(run.out, '\n', out), "got\n");
	assert_true(wait_until(world, is_exited, &run));
	assert_int_equal(run.status, W_EXITCODE(9, 0));
	assert_false(run.stopped);
	run_done(&run);

	run_start(world, &run, trap, (struct text){ 0 });
	spawn_signal(run.child, SIGKILL); /* not started yet: nothing */
	assert_true(wait_until(world, is_decided, &run));
	assert_string_equal(read_text(run.out, '\n', out), "ready\n");
	spawn_signal(run.child, SIGTERM);
	assert_true(wait_until(world, is_exited, &run));
	assert_int_equal(run.status, W_EXITCODE(0, SIGTERM));
	assert_true(run.stopped);
	run_done(&run);

	/* What a terminal or an operator sends to everybody doesn't end the spawner. */
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2 };
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		kill(world->spawner, ignored[i]);
	run_started(world, &run, trap);
	run_done(&run);
	assert_int_equal(world->n_lost, 0);
}

static bool all_dead(void *arg)
{
	for (pid_t *pid = arg; *pid; pid++) {
		if (!is_dead(pid))
			return false;
	}
	return true;
}

static void test_gateway_gone(void **state)
{
	struct world *world = *state;
	enum { TREES = 50 }; /* all of it dies well within the spawner's 5 s, on a busy machine too */
	static struct run runs[TREES];
	static pid_t pids[2 * TREES + 1];
	uint32_t meek = add_shell(world, "sleep 60 & echo $!; wait");
	uint32_t stubborn = add_shell(world, "trap '' TERM HUP INT; sleep 60 & echo $!; wait; wait");
	open_clients(world);
	for (int i = 0; i < TREES; i++)
		run_start(world, &runs[i], i % 2 ? meek : stubborn, (struct text){ 0 });
	for (int i = 0; i < TREES; i++) {
		assert_true(wait_until(world, is_decided, &runs[i]));
		assert_true(runs[i].started);
		pids[2 * i] = runs[i].pid;
		pids[2 * i + 1] = read_pid(runs[i].out);
		assert_false(is_dead(&pids[2 * i]) || is_dead(&pids[2 * i + 1]));
	}
	close_client(world, 0);
	close_client(world, 1);
	reap_spawner(world);
	for (int i = 0; i < TREES; i++)
		assert_true(is_reaped(&pids[2 * i]));
	assert_true(wait_until(world, all_dead, pids));
	for (int i = 0; i < TREES; i++)
		run_done(&runs[i]); /* after the client: allowed */
	assert_int_equal(world->n_lost, 0);
}

static void test_one_worker_gone(void **state)
{
	struct world *world = *state;
	struct run mine, other;
	char out[OUTPUT];
	uint32_t cat = add_route(world, "/bin/cat", (char *)NULL);
	open_clients(world);
	run_started(world, &mine, cat);
	struct spawn_request request = { .generation = 1, .route = cat };
	other = (struct run){ .in = -1, .out = -1, .err = -1 };
	other.child = spawn_start(world->clients[1], &request, &hooks, &other);
	assert_true(wait_until(world, is_decided, &other));
	pid_t pid = other.pid;
	close_client(world, 1);
	assert_true(wait_until(world, is_reaped, &pid));
	run_done(&other);
	assert_int_equal(write(mine.in, "on\n", 3), 3);
	assert_string_equal(read_text(mine.out, '\n', out), "on\n");
	run_done(&mine);
}

static void test_spawner_killed(void **state)
{
	struct world *world = *state;
	struct run running, starting, exited, failed;
	uint32_t cat = add_route(world, "/bin/cat", (char *)NULL);
	uint32_t none = add_route(world, "/proc/nonexistent", (char *)NULL);
	uint32_t end = add_route(world, "/bin/true", (char *)NULL);
	open_clients(world);
	run_started(world, &running, cat);
	run_started(world, &exited, end);
	assert_true(wait_until(world, is_exited, &exited));
	run_start(world, &failed, none, (struct text){ 0 });
	assert_true(wait_until(world, is_decided, &failed));
	kill(world->spawner, SIGSTOP);
	run_start(world, &starting, cat, (struct text){ 0 });
	kill(world->spawner, SIGKILL);
	assert_true(wait_until(world, is_lost, &running));
	assert_false(running.exited);
	assert_true(wait_until(world, is_exited, &starting));
	assert_true(starting.failed);
	assert_string_equal(starting.step, "spawner");
	assert_int_equal(starting.error, ECONNRESET);
	assert_int_equal(exited.status, 0);
	assert_false(exited.lost || starting.lost || failed.lost);
	assert_int_equal(failed.error, ENOENT);
	assert_true(wait_until(world, is_dead, &running.pid));
	struct spawn_request request = { .generation = 1, .route = cat };
	assert_null(spawn_start(world->clients[0], &request, &hooks, NULL));
	spawn_signal(running.child, SIGTERM);
	assert_int_equal(spawn_client_children(world->clients[0]), 4);
	run_done(&running), run_done(&starting), run_done(&exited), run_done(&failed);
	assert_int_equal(spawn_client_children(world->clients[0]), 0);
	assert_int_equal(waitpid(world->spawner, NULL, 0), world->spawner);
	world->spawner = 0;
	while (world->n_lost < CLIENTS)
		event_base_loop(world->loop.base, EVLOOP_ONCE);
}

static bool is_count(void *arg)
{
	size_t **pair = arg;
	return *pair[0] == *pair[1];
}

static void test_many_quick_starts(void **state)
{
	struct world *world = *state;
	enum { FLIGHT = 100 };
	static struct run runs[FLIGHT];
	uint32_t quick = add_route(world, "/bin/true", (char *)NULL);
	open_clients(world);
	size_t fds = count_fds(getpid()), spawner_fds = count_fds(world->spawner);
	for (int done = 0; done < MANY; done += FLIGHT) {
		size_t n_ended = 0, goal = FLIGHT, *pair[] = { &n_ended, &goal };
		for (int i = 0; i < FLIGHT; i++) {
			run_start(world, &runs[i], quick, (struct text){ 0 });
			runs[i].n_ended = &n_ended;
		}
		assert_true(wait_until(world, is_count, pair));
		for (int i = 0; i < FLIGHT; i++) {
			assert_true(runs[i].exited);
			assert_int_equal(runs[i].status, 0);
			run_done(&runs[i]);
		}
	}
	assert_int_equal(spawn_client_children(world->clients[0]), 0);
	assert_true(wait_until(world, has_no_children, &world->spawner));
	assert_int_equal(count_fds(getpid()), fds);
	assert_true(wait_for_fds(world->spawner, spawner_fds));
}

/* A release at every moment from the request on: after each turn of the spawner's messages. */
static void test_release_any_time(void **state)
{
	struct world *world = *state;
	struct run run;
	uint32_t routes[] = { add_route(world, "/bin/true", (char *)NULL),
		add_route(world, "/bin/cat", (char *)NULL), add_route(world, "/nonexistent", (char *)NULL),
		add_shell(world, "sleep 60 & wait") };
	open_clients(world);
	size_t fds = count_fds(getpid()), spawner_fds = count_fds(world->spawner);
	for (int i = 0; i < 200; i++) {
		run_start(world, &run, routes[i % 4], (struct text){ 0 });
		if (i % 3 == 1) {
			run.release_at_start = true;
			assert_true(wait_until(world, is_decided, &run));
		} else if (i % 3 == 2) {
			for (int turn = 0; turn < i / 8; turn++)
				event_base_loop(world->loop.base, EVLOOP_NONBLOCK);
		}
		run_done(&run);
	}
	assert_int_equal(spawn_client_children(world->clients[0]), 0);
	assert_true(wait_until(world, has_no_children, &world->spawner));
	/* A message may still be under way with descriptors for nobody: one more round trip behind it. */
	run_started(world, &run, routes[1]);
	run_done(&run);
	assert_true(wait_until(world, has_no_children, &world->spawner));
	assert_int_equal(count_fds(getpid()), fds);
	assert_true(wait_for_fds(world->spawner, spawner_fds));
}

static void test_stopped_spawner(void **state)
{
	struct world *world = *state;
	enum { FLIGHT = 40 };
	static struct run runs[FLIGHT];
	static char env[SPAWN_ENV_MAX];
	char out[OUTPUT];
	uint32_t length = add_shell(world, "echo ${#A}");
	open_clients(world);
	memset(env, 'x', sizeof env);
	memcpy(env, "A=", 2);
	kill(world->spawner, SIGSTOP);
	for (int i = 0; i < FLIGHT; i++) { /* far more than the socket takes */
		env[2 + 1000 * i] = '\0';
		run_start(world, &runs[i], length, (struct text){ env, (size_t)(2 + 1000 * i + 1) });
		env[2 + 1000 * i] = 'x';
	}
	event_base_loop(world->loop.base, EVLOOP_NONBLOCK);
	kill(world->spawner, SIGCONT);
	for (int i = 0; i < FLIGHT; i++) {
		assert_true(wait_until(world, is_decided, &runs[i]));
		assert_true(runs[i].started);
		assert_int_equal(atoi(read_text(runs[i].out, '\n', out)), 1000 * i);
		run_done(&runs[i]);
	}
}

static void test_spawner_out_of_descriptors(void **state)
{
	struct world *world = *state;
	struct run run;
	struct rlimit before;
	uint32_t cat = add_route(world, "/bin/cat", (char *)NULL);
	open_clients(world);
	size_t fds = count_fds(world->spawner);
	for (size_t more = 0; more < 6; more++) {
		limit_files(world->spawner, more, &before);
		run_start(world, &run, cat, (struct text){ 0 });
		assert_true(wait_until(world, is_decided, &run));
		assert_true(run.failed);
		assert_string_equal(run.step, "pipe");
		assert_int_equal(run.error, EMFILE);
		run_done(&run);
		prlimit(world->spawner, RLIMIT_NOFILE, &before, NULL);
		assert_true(wait_for_fds(world->spawner, fds));
	}
	limit_files(world->spawner, 8, &before);
	run_started(world, &run, cat);
	run_done(&run);
	prlimit(world->spawner, RLIMIT_NOFILE, &before, NULL);
}

static void test_worker_out_of_descriptors(void **state)
{
	struct world *world = *state;
	struct run run, next;
	struct rlimit before;
	char out[OUTPUT];
	uint32_t cat = add_route(world, "/bin/cat", (char *)NULL);
	open_clients(world);
	size_t fds = count_fds(getpid());
	for (size_t more = 0; more < WIRE_FDS; more++) {
		run_start(world, &run, cat, (struct text){ 0 });
		limit_files(getpid(), more, &before);
		bool decided = wait_until(world, is_decided, &run);
		setrlimit(RLIMIT_NOFILE, &before);
		assert_true(decided);
		assert_true(run.failed);
		assert_string_equal(run.step, "recvmsg");
		assert_int_equal(run.error, EMFILE);
		assert_true(wait_until(world, has_no_children, &world->spawner));
		run_started(world, &next, cat);
		assert_int_equal(write(next.in, "x\n", 2), 2);
		assert_string_equal(read_text(next.out, '\n', out), "x\n");
		run_done(&next);
		run_done(&run);
		assert_int_equal(count_fds(getpid()), fds);
	}
}

/* Sends one raw message, or a part of one. */
static void raw_send(int fd, const struct wire_header *header, const void *body, size_t len)
{
	char bytes[256];
	memcpy(bytes, header, sizeof *header);
	if (len > 0)
		memcpy(bytes + sizeof *header, body, len);
	assert_int_equal(
		send(fd, bytes, sizeof *header + len, MSG_NOSIGNAL), (ssize_t)(sizeof *header + len));
}

/* Makes a raw client of the first socket. */
static struct wire *open_wire(struct world *world)
{
	assert_int_equal(wire_init(&world->wire, world->fds[0], WIRE_STEP_MAX, true), 0);
	world->fds[0] = -1;
	return &world->wire;
}

static bool is_closed(void *arg)
{
	char byte;
	return recv(*(int *)arg, &byte, 1, MSG_DONTWAIT) == 0 || (errno != EAGAIN && errno != EINTR);
}

static void test_bad_messages(void **state)
{
	struct world *world = *state;
	static const struct wire_header bad[] = {
		{ .kind = WIRE_STARTED, .id = 1 },
		{ .kind = WIRE_FAILED, .id = 1 },
		{ .kind = WIRE_EXITED, .id = 1 },
		{ .kind = WIRE_STOPPED, .id = 1 },
		{ .kind = WIRE_STOPPED + 1, .id = 1 },
		{ .kind = UINT32_MAX, .id = 1 },
		{ .kind = WIRE_START, .len = SPAWN_ENTRY_MAX + SPAWN_ENV_MAX + 1 },
		{ .kind = WIRE_START, .len = UINT32_MAX },
		{ .kind = WIRE_START, .generation = 1, .n_fds = WIRE_FDS },
		{ .kind = WIRE_START, .generation = 1, .n_fds = 1 },
		{ .kind = WIRE_START,
			.generation = 1,
			.value = 1 }, /* its entry would be behind the message */
		{ .kind = WIRE_START, .generation = 1, .value = -1 },
		{ .kind = WIRE_START, .generation = 1, .id = 7 }, /* 7 runs */
		{ .kind = WIRE_SIGNAL, .value = 0 },
		{ .kind = WIRE_SIGNAL, .value = -1 },
		{ .kind = WIRE_SIGNAL, .value = NSIG },
		{ .kind = WIRE_SIGNAL, .value = SIGTERM, .len = 4 },
		{ .kind = WIRE_RELEASE, .len = 1 },
	};
	add_shell(world, "exec sleep 60");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		open_spawner(world);
		struct wire_header start = { .kind = WIRE_START, .generation = 1, .id = 7 };
		raw_send(world->fds[0], &start, NULL, 0);
		struct wire_header unknown = { .kind = WIRE_SIGNAL, .id = 99, .value = SIGTERM };
		raw_send(world->fds[0], &unknown, NULL, 0); /* of a child that was forgotten: no mistake */
		unknown.kind = WIRE_RELEASE;
		raw_send(world->fds[0], &unknown, NULL, 0);
		raw_send(world->fds[0], &bad[i], "body", bad[i].len <= 4 ? bad[i].len : 0);
		uint64_t end = now_ms() + DEADLINE_MS;
		while (!is_closed(&world->fds[0]) && now_ms() < end)
			poll(&(struct pollfd){ .fd = world->fds[0], .events = POLLIN }, 1, 100);
		assert_true(now_ms() < end);
		close_fd(&world->fds[0]);
		/* The other client is served as before. */
		world->clients[1] = spawn_client_new(&world->loop, world->fds[1], on_lost, world);
		world->fds[1] = -1;
		struct run run = { .in = -1, .out = -1, .err = -1 };
		struct spawn_request request = { .generation = 1 };
		run.child = spawn_start(world->clients[1], &request, &hooks, &run);
		assert_true(wait_until(world, is_decided, &run));
		assert_true(run.started);
		run_done(&run);
		close_client(world, 1);
		reap_spawner(world);
	}
}

/* Programs are started while nobody reads; later each one's descriptors come with its own message. */
static void test_slow_reader(void **state)
{
	struct world *world = *state;
	enum { FLIGHT = 60 };
	char out[OUTPUT];
	bool seen[FLIGHT + 1] = { false };
	add_shell(world, "echo $$; read x; echo $x");
	open_spawner(world);
	for (uint64_t id = 1; id <= FLIGHT; id++) {
		/* Among others that fail at once, so that messages with and without descriptors mix. */
		struct wire_header start = { .kind = WIRE_START, .generation = 1, .id = id };
		raw_send(world->fds[0], &start, NULL, 0);
		for (uint64_t other = 0; other < id % 4; other++) {
			struct wire_header fails = {
				.kind = WIRE_START, .generation = 2, .id = 1000 * id + other
			};
			raw_send(world->fds[0], &fails, NULL, 0);
		}
	}
	struct wire *wire = open_wire(world);
	for (size_t n = 0; n < FLIGHT;) {
		poll(&(struct pollfd){ .fd = wire->fd, .events = POLLIN }, 1, DEADLINE_MS);
		assert_true(wire_read(wire) >= 0);
		struct wire_received received;
		while (wire_next(wire, &received) > 0) {
			if (received.header.kind == WIRE_FAILED) {
				assert_true(received.header.id >= 1000);
				assert_int_equal(received.header.value, ESTALE);
				continue;
			}
			if (received.header.kind == WIRE_EXITED)
				continue; /* one that has had its line */
			assert_int_equal(received.header.kind, WIRE_STARTED);
			assert_true(received.header.id <= FLIGHT && !seen[received.header.id]);
			seen[received.header.id] = true;
			n++;
			assert_int_equal(read_pid(received.fds[1]), received.header.value);
			assert_int_equal(write(received.fds[0], "mine\n", 5), 5);
			assert_string_equal(read_text(received.fds[1], '\n', out), "mine\n");
			assert_string_equal(read_text(received.fds[2], 0, out), "");
			wire_close_fds(received.fds);
		}
	}
}

/* A client that asks and never reads is not listened to any more; nothing is lost when it reads again. */
static void test_backlog_is_bounded(void **state)
{
	struct world *world = *state;
	add_route(world, "/bin/true", (char *)NULL);
	open_spawner(world);
	uint64_t sent = 0, received_n = 0;
	struct wire_header header = { .kind = WIRE_START, .generation = 2 };
	/* Sends stop for good when its answers fill the queue; a live spawner takes more at once. */
	while (sent < 1000000) {
		header.id = sent;
		if (send(world->fds[0], &header, sizeof header, MSG_NOSIGNAL) == sizeof header)
			sent++;
		else if (poll(&(struct pollfd){ .fd = world->fds[0], .events = POLLOUT }, 1, 200) == 0)
			break;
	}
	assert_true(sent < 100000);
	struct wire *wire = open_wire(world);
	while (received_n < sent) {
		assert_int_equal(
			poll(&(struct pollfd){ .fd = wire->fd, .events = POLLIN }, 1, DEADLINE_MS), 1);
		assert_true(wire_read(wire) >= 0);
		struct wire_received received;
		while (wire_next(wire, &received) > 0) {
			assert_int_equal(received.header.kind, WIRE_FAILED);
			assert_int_equal(received.header.id, received_n++);
			assert_true(text_is(received.body, "generation"));
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_echo),
		TEST(test_stderr),
		TEST(test_entry),
		TEST(test_exit_statuses),
		TEST(test_failures),
		TEST(test_refusals),
		TEST(test_descriptors),
		TEST(test_may_wait),
		TEST(test_waits_alone),
		TEST(test_process_status),
		TEST(test_environment),
		TEST(test_release_kills_group),
		TEST(test_exit_is_not_reaped),
		TEST(test_signals),
		TEST(test_gateway_gone),
		TEST(test_one_worker_gone),
		TEST(test_spawner_killed),
		TEST(test_many_quick_starts),
		TEST(test_release_any_time),
		TEST(test_stopped_spawner),
		TEST(test_spawner_out_of_descriptors),
		TEST(test_worker_out_of_descriptors),
		TEST(test_bad_messages),
		TEST(test_slow_reader),
		TEST(test_backlog_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
