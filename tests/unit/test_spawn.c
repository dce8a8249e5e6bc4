/*
 * Runs real programs through a forked spawner, as a worker does: what they see, how they end, what is left of
 * them. The conditions waited for have a deadline each; nothing sleeps for a result.
 */
#include "base/must.h"
#include "conf/config.h"
#include "net/loop.h"
#include "spawn/spawn.h"
#include "spawn/spawner.h"
#include "spawn/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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

enum { DEADLINE_MS = 20000, CLIENTS = 2, ROUTES = 32, OUTPUT = 65536 };

/* One spawner with its clients, and a configuration that grows a route for each command. */
struct world {
	struct route_conf routes[ROUTES];
	char **argvs[ROUTES];
	struct config config;
	struct loop loop;
	int fds[CLIENTS];
	struct spawn_client *clients[CLIENTS];
	struct wire wire; /* of a test that talks to the spawner itself */
	unsigned n_lost;
	pid_t spawner;
	char dir[64];
};

/* One program as its session sees it. */
struct run {
	struct world *world;
	struct spawn_child *child;
	pid_t pid;
	int in, out, err;
	bool started, failed, exited, lost;
	char step[WIRE_STEP_MAX + 1];
	int error, status;
	bool release_at_start;
	size_t *n_ended;
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* Turns the loop until the condition holds. */
static bool wait_until(struct world *world, bool (*cond)(void *arg), void *arg)
{
	uint64_t end = now_ms() + DEADLINE_MS;
	struct event *tick = loop_event_new(&world->loop, -1, EV_PERSIST, on_tick, NULL);
	loop_timer_set(tick, 2);
	bool holds;
	while (!(holds = cond(arg)) && now_ms() < end)
		event_base_loop(world->loop.base, EVLOOP_ONCE);
	loop_event_free(&world->loop, tick);
	return holds;
}

static void on_started(void *arg, pid_t pid, const int fds[3])
{
	struct run *run = arg;
	assert_false(run->started || run->failed || run->exited);
	run->started = true;
	run->pid = pid;
	run->in = fds[0];
	run->out = fds[1];
	run->err = fds[2];
	if (run->release_at_start) {
		spawn_release(run->child);
		run->child = NULL;
	}
}

static void on_failed(void *arg, const char *step, int error)
{
	struct run *run = arg;
	assert_false(run->started || run->failed || run->exited);
	run->failed = true;
	snprintf(run->step, sizeof run->step, "%s", step);
	run->error = error;
	if (run->n_ended)
		++*run->n_ended;
}

static void on_exited(void *arg, int status)
{
	struct run *run = arg;
	assert_true(run->started && !run->failed && !run->exited);
	run->exited = true;
	run->status = status;
	if (run->n_ended)
		++*run->n_ended;
}

static void on_program_lost(void *arg)
{
	struct run *run = arg;
	assert_true(run->started && !run->exited && !run->lost);
	run->lost = true;
}

static const struct spawn_hooks hooks = { on_started, on_failed, on_exited, on_program_lost };

static void on_lost(void *arg)
{
	struct world *world = arg;
	world->n_lost++;
}

static const char *const test_passed[] = { "PATH", "LANG", "LC_*", "TZ" };

/* Adds a route that runs these words; the first is the file. Returns its index. */
static uint32_t add_route(struct world *world, const char *file, ...)
{
	size_t n = 1, i = world->config.n_routes;
	va_list words;
	assert_true(i < ROUTES);
	world->argvs[i] = calloc(16, sizeof(char *));
	world->argvs[i][0] = strdup(file);
	va_start(words, file);
	for (const char *word; (word = va_arg(words, const char *)) && n < 15; n++)
		world->argvs[i][n] = strdup(word);
	va_end(words);
	world->routes[i].exec = (struct conf_list){ .items = world->argvs[i], .n = n };
	world->routes[i].exec_path = world->argvs[i][0];
	world->routes[i].pass_env = (struct conf_list){ .items = (char **)test_passed, .n = 4 };
	world->routes[i].umask = (mode_t)-1;
	world->routes[i].run_as_uid = (uid_t)-1;
	world->routes[i].run_as_gid = (gid_t)-1;
	world->config.n_routes++;
	return (uint32_t)i;
}

static uint32_t add_shell(struct world *world, const char *script)
{
	return add_route(world, "/bin/sh", "-c", script, (char *)NULL);
}

static const struct rlimit test_files = { .rlim_cur = 123, .rlim_max = 456 };

/* Forks the spawner; routes must have been added. */
static void open_spawner(struct world *world)
{
	world->config.routes = world->routes;
	char step[SPAWNER_STEP];
	world->spawner = spawner_fork(&world->config, &test_files, world->fds, CLIENTS, step);
	assert_true(world->spawner > 0);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_client(struct world *world, int i)
{
	spawn_client_free(world->clients[i]);
	world->clients[i] = NULL;
}

/* Reaps the spawner; it ended well. */
static void reap_spawner(struct world *world)
{
	int status = -1;
	alarm(DEADLINE_MS / 1000); /* a hanging spawner ends the test */
	assert_int_equal(waitpid(world->spawner, &status, 0), world->spawner);
	alarm(0);
	assert_int_equal(status, 0);
	world->spawner = 0;
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	for (int i = 0; i < CLIENTS; i++)
		world->fds[i] = -1;
	world->wire.fd = -1;
	snprintf(world->dir, sizeof world->dir, "/tmp/test_spawn.XXXXXX");
	if (!mkdtemp(world->dir) || loop_init(&world->loop, NULL) != 0)
		return -1;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	for (int i = 0; i < CLIENTS; i++) {
		if (world->clients[i])
			close_client(world, i);
		close_fd(&world->fds[i]);
	}
	if (world->wire.fd >= 0)
		wire_done(&world->wire);
	if (world->spawner > 0)
		reap_spawner(world);
	loop_done(&world->loop);
	for (size_t i = 0; i < world->config.n_routes; i++) {
		for (char **word = world->argvs[i]; *word; word++)
			free(*word);
		free(world->argvs[i]);
	}
	rmdir(world->dir);
	free(world);
	return 0;
}

/* Asks for a start. */
static void run_start(struct world *world, struct run *run, uint32_t route, struct text env)
{
	struct spawn_request request = { .generation = 1, .route = route, .env = env };
	*run = (struct run){ .world = world, .in = -1, .out = -1, .err = -1 };
	run->child = spawn_start(world->clients[0], &request, &hooks, run);
	assert_non_null(run->child);
	assert_false(run->started || run->failed);
}

static bool is_decided(void *arg)
{
	struct run *run = arg;
	return run->started || run->failed;
}

static bool is_exited(void *arg)
{
	struct run *run = arg;
	return run->exited || run->failed;
}

static bool is_lost(void *arg)
{
	struct run *run = arg;
	return run->lost;
}

/* Starts a program and waits until it runs. */
static void run_started(struct world *world, struct run *run, uint32_t route)
{
	run_start(world, run, route, (struct text){ 0 });
	assert_true(wait_until(world, is_decided, run));
	if (run->failed)
		print_error("failed at %s: %s\n", run->step, strerror(run->error));
	assert_true(run->started);
	assert_true(run->pid > 1);
}

/* The session is done. */
static void run_done(struct run *run)
{
	close_fd(&run->in);
	close_fd(&run->out);
	close_fd(&run->err);
	if (run->child)
		spawn_release(run->child);
	run->child = NULL;
}

/* A start that is refused for this reason. */
static void refused(struct world *world, uint32_t generation, uint32_t route, struct text env,
	const char *step, int error)
{
	struct run run = { .in = -1, .out = -1, .err = -1 };
	struct spawn_request request = { .generation = generation, .route = route, .env = env };
	run.child = spawn_start(world->clients[0], &request, &hooks, &run);
	assert_non_null(run.child);
	assert_true(wait_until(world, is_decided, &run));
	assert_true(run.failed);
	assert_string_equal(run.step, step);
	assert_int_equal(run.error, error);
	run_done(&run);
}

static void open_clients(struct world *world)
{
	open_spawner(world);
	for (int i = 0; i < CLIENTS; i++) {
		world->clients[i] = spawn_client_new(&world->loop, world->fds[i], on_lost, world);
		assert_non_null(world->clients[i]);
		world->fds[i] = -1;
	}
	/* It has settled when it answers. */
	refused(world, 2, 0, (struct text){ 0 }, "generation", ESTALE);
}

/* Reads up to `stop` (or to the end of file when it is 0) from a non-blocking descriptor. */
static char *read_text(int fd, char stop, char out[OUTPUT])
{
	uint64_t end = now_ms() + DEADLINE_MS;
	size_t len = 0;
	while (len < OUTPUT - 1 && now_ms() < end) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		poll(&poll_fd, 1, 100);
		ssize_t n = read(fd, out + len, stop ? 1 : OUTPUT - 1 - len);
		if (n == 0)
			break;
		if (n < 0)
			continue;
		len += (size_t)n;
		if (stop && out[len - 1] == stop)
			break;
	}
	assert_true(now_ms() < end);
	out[len] = '\0';
	return out;
}

static pid_t read_pid(int fd)
{
	char out[OUTPUT];
	return (pid_t)strtol(read_text(fd, '\n', out), NULL, 10);
}

/* The letter of a process's state, 0 when there is none. */
static char process_state(pid_t pid)
{
	char path[64], line[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, line, sizeof line - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	char *paren = strrchr(line, ')');
	return paren ? paren[2] : 0;
}

/* Orphans may stay zombies where nobody reaps them. */
static bool is_dead(void *arg)
{
	char state = process_state(*(pid_t *)arg);
	return state == 0 || state == 'Z' || state == 'X';
}

static bool is_reaped(void *arg)
{
	return process_state(*(pid_t *)arg) == 0;
}

/* Has a process this descriptor? Needs none itself. */
static bool has_fd(pid_t pid, unsigned fd)
{
	char path[64], target[8];
	snprintf(path, sizeof path, "/proc/%d/fd/%u", pid, fd);
	return readlink(path, target, sizeof target) >= 0;
}

/* Counts the descriptors of a process. */
static size_t count_fds(pid_t pid)
{
	size_t n = 0;
	for (unsigned fd = 0; fd < 1024; fd++)
		n += has_fd(pid, fd);
	return n;
}

/* Counts the children of a process, zombies included. */
static size_t count_children(pid_t parent)
{
	size_t n = 0;
	DIR *dir = opendir("/proc");
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[300], line[512];
		snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		ssize_t len = read(fd, line, sizeof line - 1);
		close(fd);
		line[len > 0 ? len : 0] = '\0';
		char *paren = strrchr(line, ')');
		n += paren && strtol(paren + 4, NULL, 10) == parent;
	}
	closedir(dir);
	return n;
}

static bool has_no_children(void *arg)
{
	return count_children(*(pid_t *)arg) == 0;
}

/* Runs a route to its end and returns its standard output. */
static char *run_output(struct world *world, uint32_t route, struct text env, char out[OUTPUT])
{
	struct run run;
	run_start(world, &run, route, env);
	assert_true(wait_until(world, is_decided, &run));
	assert_true(run.started);
	close_fd(&run.in);
	read_text(run.out, 0, out);
	assert_true(wait_until(world, is_exited, &run));
	assert_int_equal(run.status, 0);
	run_done(&run);
	return out;
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

/* Writes a file into the test's directory. Returns its path. */
static char *make_file(struct world *world, const char *name, const char *content, mode_t mode)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", world->dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	assert_int_equal(chmod(path, mode), 0);
	return strdup(path);
}

/* Starts an entry of a route with an environment; waits for what becomes of it. */
static void run_entry(struct world *world, struct run *run, uint32_t route, const char *entry, size_t len)
{
	struct spawn_request request = { .generation = 1, .route = route, .entry = { entry, len } };
	request.env = (struct text){ "A=b\0", 4 };
	*run = (struct run){ .world = world, .in = -1, .out = -1, .err = -1 };
	run->child = spawn_start(world->clients[0], &request, &hooks, run);
	assert_non_null(run->child);
	assert_true(wait_until(world, is_decided, run));
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
	assert_int_equal(count_fds(world->spawner), fds);
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
	/* The spawner itself: 0, 1, 2, a socket for each client, the epoll set, the list of its children and
	 * the signal that one has ended. */
	assert_int_equal(count_fds(world->spawner), 3 + CLIENTS + 3);
	snprintf(out, sizeof out, "/proc/%d/fd/0", world->spawner);
	ssize_t len = readlink(out, inherited, sizeof inherited - 1);
	assert_true(len > 0);
	inherited[len] = '\0';
	assert_string_equal(inherited, "/dev/null");
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
	run_done(&run);

	run_start(world, &run, trap, (struct text){ 0 });
	spawn_signal(run.child, SIGKILL); /* not started yet: nothing */
	assert_true(wait_until(world, is_decided, &run));
	assert_string_equal(read_text(run.out, '\n', out), "ready\n");
	spawn_signal(run.child, SIGTERM);
	assert_true(wait_until(world, is_exited, &run));
	assert_int_equal(run.status, W_EXITCODE(0, SIGTERM));
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
	enum { TREES = 200 };
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
	uint32_t none = add_route(world, "/nonexistent", (char *)NULL);
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
	assert_int_equal(count_fds(world->spawner), spawner_fds);
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
	assert_int_equal(count_fds(world->spawner), spawner_fds);
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

/* Lets a process open exactly so many more descriptors. */
static void limit_files(pid_t pid, size_t more, struct rlimit *before)
{
	struct rlimit limit;
	unsigned end = 0;
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, before), 0);
	for (size_t n_free = 0; n_free < more || has_fd(pid, end); end++)
		n_free += !has_fd(pid, end);
	limit = *before;
	limit.rlim_cur = end;
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

static void test_spawner_out_of_descriptors(void **state)
{
	struct world *world = *state;
	struct run run;
	struct rlimit before;
	uint32_t cat = add_route(world, "/bin/cat", (char *)NULL);
	open_clients(world);
	size_t fds = count_fds(world->spawner);
	for (size_t more = 0; more < 8; more++) {
		limit_files(world->spawner, more, &before);
		run_start(world, &run, cat, (struct text){ 0 });
		assert_true(wait_until(world, is_decided, &run));
		assert_true(run.failed);
		assert_string_equal(run.step, "pipe");
		assert_int_equal(run.error, EMFILE);
		run_done(&run);
		prlimit(world->spawner, RLIMIT_NOFILE, &before, NULL);
		assert_int_equal(count_fds(world->spawner), fds);
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
		{ .kind = WIRE_EXITED + 1, .id = 1 },
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
