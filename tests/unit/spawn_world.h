/*
 * spawn_world: a forked spawner with two workers, its configuration, and what a test asks of programs and of
 * /proc. Conditions that are waited for have a deadline.
 */
#ifndef TESTS_UNIT_SPAWN_WORLD_H
#define TESTS_UNIT_SPAWN_WORLD_H

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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 60000, CLIENTS = 2, ROUTES = 32, OUTPUT = 65536 };

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
	bool stopped;
	bool release_at_start;
	size_t *n_ended;
};

static inline uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* Turns the loop until the condition holds. */
static inline bool wait_until(struct world *world, bool (*cond)(void *arg), void *arg)
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

static inline void on_started(void *arg, pid_t pid, const int fds[3])
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

static inline void on_failed(void *arg, const char *step, int error)
{
	struct run *run = arg;
	assert_false(run->started || run->failed || run->exited);
	run->failed = true;
	snprintf(run->step, sizeof run->step, "%s", step);
	run->error = error;
	if (run->n_ended)
		++*run->n_ended;
}

static inline void on_exited(void *arg, int status, bool stopped)
{
	struct run *run = arg;
	assert_true(run->started && !run->failed && !run->exited);
	run->exited = true;
	run->status = status;
	run->stopped = stopped;
	if (run->n_ended)
		++*run->n_ended;
}

static inline void on_program_lost(void *arg)
{
	struct run *run = arg;
	assert_true(run->started && !run->exited && !run->lost);
	run->lost = true;
}

static const struct spawn_hooks hooks = { on_started, on_failed, on_exited, on_program_lost };

static inline void on_lost(void *arg)
{
	struct world *world = arg;
	world->n_lost++;
}

static const char *const test_passed[] = { "PATH", "LANG", "LC_*", "TZ" };

/* Adds a route that runs these words; the first is the file. Returns its index. */
static inline uint32_t add_route(struct world *world, const char *file, ...)
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

static inline uint32_t add_shell(struct world *world, const char *script)
{
	return add_route(world, "/bin/sh", "-c", script, (char *)NULL);
}

static const struct rlimit test_files = { .rlim_cur = 123, .rlim_max = 456 };

/* Forks the spawner; routes must have been added. */
static inline void open_spawner(struct world *world)
{
	world->config.routes = world->routes;
	char step[SPAWNER_STEP];
	world->spawner = spawner_fork(&world->config, &test_files, world->fds, CLIENTS, step);
	assert_true(world->spawner > 0);
}

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void close_client(struct world *world, int i)
{
	spawn_client_free(world->clients[i]);
	world->clients[i] = NULL;
}

/* Reaps the spawner; it ended well. */
static inline void reap_spawner(struct world *world)
{
	int status = -1;
	alarm(DEADLINE_MS / 1000); /* a hanging spawner ends the test */
	assert_int_equal(waitpid(world->spawner, &status, 0), world->spawner);
	alarm(0);
	assert_int_equal(status, 0);
	world->spawner = 0;
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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
static inline void run_request(struct world *world, struct run *run, const struct spawn_request *request)
{
	*run = (struct run){ .world = world, .in = -1, .out = -1, .err = -1 };
	run->child = spawn_start(world->clients[0], request, &hooks, run);
	assert_non_null(run->child);
	assert_false(run->started || run->failed);
}

/* Asks for a start of a route's program, with an environment. */
static inline void run_start(struct world *world, struct run *run, uint32_t route, struct text env)
{
	struct spawn_request request = { .generation = 1, .route = route, .env = env };
	run_request(world, run, &request);
}

static inline bool is_decided(void *arg)
{
	struct run *run = arg;
	return run->started || run->failed;
}

static inline bool is_exited(void *arg)
{
	struct run *run = arg;
	return run->exited || run->failed;
}

static inline bool is_lost(void *arg)
{
	struct run *run = arg;
	return run->lost;
}

/* Starts a program and waits until it runs. */
static inline void run_started(struct world *world, struct run *run, uint32_t route)
{
	run_start(world, run, route, (struct text){ 0 });
	assert_true(wait_until(world, is_decided, run));
	if (run->failed)
		print_error("failed at %s: %s\n", run->step, strerror(run->error));
	assert_true(run->started);
	assert_true(run->pid > 1);
}

/* The session is done. */
static inline void run_done(struct run *run)
{
	if (run->out != run->in)
		close_fd(&run->out);
	run->out = -1;
	close_fd(&run->in);
	close_fd(&run->err);
	if (run->child)
		spawn_release(run->child);
	run->child = NULL;
}

/* A start that is refused for this reason. */
static inline void refused(struct world *world, uint32_t generation, uint32_t route, struct text env,
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

static inline void open_clients(struct world *world)
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

/* Reads up to `stop` (or to the end of file when it is 0) from a non-blocking descriptor. EIO is the end of a
 * terminal. */
static inline char *read_text(int fd, char stop, char out[OUTPUT])
{
	uint64_t end = now_ms() + DEADLINE_MS;
	size_t len = 0;
	while (len < OUTPUT - 1 && now_ms() < end) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		poll(&poll_fd, 1, 100);
		ssize_t n = read(fd, out + len, stop ? 1 : OUTPUT - 1 - len);
		if (n == 0 || (n < 0 && errno == EIO))
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

static inline pid_t read_pid(int fd)
{
	char out[OUTPUT];
	return (pid_t)strtol(read_text(fd, '\n', out), NULL, 10);
}

/* The letter of a process's state, 0 when there is none. */
static inline char process_state(pid_t pid)
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
static inline bool is_dead(void *arg)
{
	char state = process_state(*(pid_t *)arg);
	return state == 0 || state == 'Z' || state == 'X';
}

static inline bool is_reaped(void *arg)
{
	return process_state(*(pid_t *)arg) == 0;
}

/* Has a process this descriptor? Needs none itself. */
static inline bool has_fd(pid_t pid, unsigned fd)
{
	char path[64], target[8];
	snprintf(path, sizeof path, "/proc/%d/fd/%u", pid, fd);
	return readlink(path, target, sizeof target) >= 0;
}

/* Lets a process open exactly so many more descriptors. */
static inline void limit_files(pid_t pid, size_t more, struct rlimit *before)
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

/* Counts the descriptors of a process. */
static inline size_t count_fds(pid_t pid)
{
	size_t n = 0;
	for (unsigned fd = 0; fd < 1024; fd++)
		n += has_fd(pid, fd);
	return n;
}

/* Has it so many? The spawner may have told us what became of a program, or reaped it, before it has closed
 * the last one. */
static inline bool wait_for_fds(pid_t pid, size_t n)
{
	for (uint64_t end = now_ms() + DEADLINE_MS; count_fds(pid) != n && now_ms() < end;)
		poll(NULL, 0, 1);
	return count_fds(pid) == n;
}

/* Counts the children of a process, zombies included. */
static inline size_t count_children(pid_t parent)
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

static inline bool has_no_children(void *arg)
{
	return count_children(*(pid_t *)arg) == 0;
}

/* Runs a route to its end and returns its standard output. */
static inline char *run_output(struct world *world, uint32_t route, struct text env, char out[OUTPUT])
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

/* Writes a file into the test's directory. Returns its path. */
static inline char *make_file(struct world *world, const char *name, const char *content, mode_t mode)
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
static inline void run_entry(
	struct world *world, struct run *run, uint32_t route, const char *entry, size_t len)
{
	struct spawn_request request = { .generation = 1, .route = route, .entry = { entry, len } };
	request.env = (struct text){ "A=b\0", 4 };
	*run = (struct run){ .world = world, .in = -1, .out = -1, .err = -1 };
	run->child = spawn_start(world->clients[0], &request, &hooks, run);
	assert_non_null(run->child);
	assert_true(wait_until(world, is_decided, run));
}

#endif
