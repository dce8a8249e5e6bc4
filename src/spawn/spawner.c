/*
 * spawner: the helper process: its birth, its clients, what they may ask for.
 *
 * Owns one socket for each worker and decides whether and what to run; how a program lives and dies is
 * spawn/program.c's. Single-threaded, a process of its own; nothing here runs in the gateway but
 * spawner_fork().
 */
#include "spawn/spawner.h"

#include "base/must.h"
#include "spawn/entry.h"
#include "spawn/environment.h"
#include "spawn/poller.h"
#include "spawn/privileges.h"
#include "spawn/program.h"
#include "spawn/spawn.h"
#include "spawn/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A client with more than this in answers that it hasn't read is not read from. */
enum { SPAWNER_BACKLOG = 256 * 1024 };

/* The snapshot that was there at the fork. */
enum { SPAWNER_GENERATION = 1 };

/* What must not end the spawner: only the end of the gateway does. */
static const int spawner_ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2 };

/* What the gateway hears before it goes on: how the start went. Small enough to be written at once. */
struct spawner_report {
	int error; /* 0 or -errno */
	char step[SPAWNER_STEP];
};

struct spawner_client {
	struct spawner *spawner;
	struct watch watch;
	struct wire wire;
	struct programs programs;
	bool gone;
};

struct spawner {
	struct poller poller;
	const struct config *config;
	struct rlimit files;
	struct environment environment; /* what every program gets of ours */
	struct spawner_client *clients;
	unsigned n_clients;
};

/* Waits for what the client's queues allow; the one place that decides. */
static void spawner_client_update(struct spawner_client *client)
{
	uint32_t events = 0;
	if (client->wire.queued <= SPAWNER_BACKLOG)
		events |= EPOLLIN;
	if (client->wire.queued > 0)
		events |= EPOLLOUT;
	poller_set(&client->spawner->poller, &client->watch, events);
}

/* Forgets a worker that is gone, and ends its programs. */
static void spawner_client_lose(struct spawner_client *client)
{
	client->gone = true;
	poller_remove(&client->spawner->poller, &client->watch);
	wire_done(&client->wire);
	program_release_all(&client->programs);
}

/* Sends an answer. A client that can't be answered is shut down, and lost on the next turn. */
static void spawner_client_answer(
	void *arg, const struct wire_header *header, const char *step, const int *fds)
{
	struct spawner_client *client = arg;
	struct wire_message *message = wire_message_new(header, step, fds);
	if (message != NULL)
		wire_push(&client->wire, message);
	if (message == NULL || wire_flush(&client->wire) < 0)
		shutdown(client->wire.fd, SHUT_RDWR);
	spawner_client_update(client);
}

/* Does it run one command, or any of a directory? */
bool spawner_has_program(const struct route_conf *route)
{
	return route->exec_path != NULL || route->dir != NULL;
}

/* Finds the file to run, which the caller frees if it is *found. Returns 0 or -errno. */
static int spawner_find_file(const struct route_conf *route, struct text entry, char **found)
{
	*found = NULL;
	if (route->dir != NULL)
		return entry_resolve(route->dir, entry, found);
	return entry.len == 0 ? 0 : -EINVAL;
}

/* Starts a file with this environment. */
static void spawner_run_file(
	struct spawner_client *client, uint64_t id, const struct route_conf *route, char *file, char **envp)
{
	char *const argv[] = { file, NULL };
	struct child_plan plan = { .files = &client->spawner->files, .stderr_to = route->stderr_to };
	plan.file = file != NULL ? file : route->exec_path;
	plan.argv = file != NULL ? argv : route->exec.items;
	plan.envp = envp;
	program_start(&client->programs, id, &plan);
}

/* Starts the program of a route. */
static void spawner_start(struct spawner_client *client, const struct wire_received *received)
{
	struct spawner *spawner = client->spawner;
	const struct wire_header *header = &received->header;
	if (header->generation != SPAWNER_GENERATION) {
		program_refuse(&client->programs, header->id, "generation", ESTALE);
		return;
	}
	const struct config *config = spawner->config;
	if (header->route >= config->n_routes || !spawner_has_program(&config->routes[header->route])) {
		program_refuse(&client->programs, header->id, "route", EINVAL);
		return;
	}
	const struct route_conf *route = &config->routes[header->route];
	struct text entry = { received->body.ptr, (size_t)header->value };
	struct text env = { received->body.ptr + entry.len, received->body.len - entry.len };
	char *file, **envp;
	int rc = spawner_find_file(route, entry, &file);
	if (rc < 0) {
		program_refuse(&client->programs, header->id, "entry", -rc);
		return;
	}
	rc = environment_new(&spawner->environment, env, &envp);
	if (rc < 0) {
		program_refuse(&client->programs, header->id, "request", -rc);
	} else {
		spawner_run_file(client, header->id, route, file, envp);
		free(envp);
	}
	free(file);
}

/* Does what one message asks. Returns 0 or -EPROTO. */
static int spawner_client_handle(struct spawner_client *client, const struct wire_received *received)
{
	const struct wire_header *header = &received->header;
	switch ((enum wire_kind)header->kind) {
	case WIRE_START:
		if (program_exists(&client->programs, header->id) || header->value < 0 ||
			header->value > SPAWN_ENTRY_MAX || (uint32_t)header->value > header->len ||
			header->len - (uint32_t)header->value > SPAWN_ENV_MAX)
			return -EPROTO;
		spawner_start(client, received);
		return 0;
	case WIRE_SIGNAL:
		if (header->len != 0 || header->value < 1 || header->value >= NSIG)
			return -EPROTO;
		program_signal(&client->programs, header->id, header->value);
		return 0;
	case WIRE_RELEASE:
		if (header->len != 0)
			return -EPROTO;
		program_release(&client->programs, header->id);
		return 0;
	case WIRE_STARTED:
	case WIRE_FAILED:
	case WIRE_EXITED:
		break;
	}
	return -EPROTO;
}

/* Reads once and does what was asked. Returns 0 or -errno: the client is lost. */
static int spawner_client_read(struct spawner_client *client)
{
	struct wire_received received;
	int rc = wire_read(&client->wire);
	if (rc < 0)
		return rc;
	while ((rc = wire_next(&client->wire, &received)) > 0) {
		rc = spawner_client_handle(client, &received);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* Serves a client's socket. */
static void spawner_client_on_ready(void *owner, uint32_t events)
{
	struct spawner_client *client = owner;
	int rc = 0;
	if (events & EPOLLIN)
		rc = spawner_client_read(client);
	else if (events & (EPOLLHUP | EPOLLERR))
		rc = -ECONNRESET;
	if (rc == 0 && (events & EPOLLOUT))
		rc = wire_flush(&client->wire);
	if (rc < 0)
		spawner_client_lose(client);
	else
		spawner_client_update(client);
}

/* Begins to serve a worker. Returns 0 or -errno. */
static int spawner_client_init(struct spawner_client *client, struct spawner *spawner, int fd)
{
	client->spawner = spawner;
	client->programs.poller = &spawner->poller;
	client->programs.answer = spawner_client_answer;
	client->programs.arg = client;
	client->watch.on_ready = spawner_client_on_ready;
	client->watch.owner = client;
	int rc = wire_init(&client->wire, fd, SPAWN_ENTRY_MAX + SPAWN_ENV_MAX, false);
	return rc < 0 ? rc : poller_add(&spawner->poller, &client->watch, fd, EPOLLIN);
}

/* Keeps 0, 1, 2 and our ends, which are in ascending order; programs get no input from ours. */
static void spawner_close_others(const int *ends, unsigned n)
{
	unsigned next = STDERR_FILENO + 1;
	for (unsigned i = 0; i < n; i++) {
		must(ends[i] >= (int)next);
		if ((unsigned)ends[i] > next)
			close_range(next, (unsigned)ends[i] - 1, 0);
		next = (unsigned)ends[i] + 1;
	}
	close_range(next, ~0U, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
}

/* Becomes the spawner as far as signals, name and descriptors go. */
static void spawner_settle(const int *ends, unsigned n)
{
	child_reset_signals();
	for (size_t i = 0; i < sizeof(spawner_ignored) / sizeof(spawner_ignored[0]); i++)
		signal(spawner_ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "wsluice-spawner");
	spawner_close_others(ends, n);
}

/* Is there neither a worker nor a program left? */
static bool spawner_is_done(const struct spawner *spawner)
{
	for (unsigned i = 0; i < spawner->n_clients; i++) {
		if (!spawner->clients[i].gone || spawner->clients[i].programs.map.n > 0)
			return false;
	}
	return true;
}

/* Drops the rights that no program is to have, and makes what the spawner needs. Returns 0 or -errno with the
 * step that failed. */
static int spawner_init(struct spawner *spawner, const int *ends, const char **step)
{
	int error = privileges_drop(&spawner->config->gateway, step);
	if (error != 0)
		return error;
	*step = "prepare";
	spawner->clients = calloc(spawner->n_clients, sizeof(*spawner->clients));
	if (spawner->clients == NULL)
		return -ENOMEM;
	int rc = poller_init(&spawner->poller);
	if (rc == 0)
		rc = environment_init(&spawner->environment, environ);
	for (unsigned i = 0; rc == 0 && i < spawner->n_clients; i++)
		rc = spawner_client_init(&spawner->clients[i], spawner, ends[i]);
	return rc;
}

/* Says how the start went. */
static void spawner_report(int fd, int error, const char *step)
{
	struct spawner_report report = { .error = error };
	snprintf(report.step, sizeof(report.step), "%s", step);
	ssize_t n = write(fd, &report, sizeof(report));
	(void)n; /* a gateway that is gone needs no report */
	close(fd);
}

/* The spawner's life. ends[0] is for the report, the clients' follow. */
static _Noreturn void spawner_run(
	const struct config *config, const struct rlimit *files, const int *ends, unsigned n_clients)
{
	struct spawner spawner = { .config = config, .files = *files, .n_clients = n_clients };
	const char *step;
	spawner_settle(ends, n_clients + 1);
	int error = spawner_init(&spawner, ends + 1, &step);
	spawner_report(ends[0], error, step);
	if (error != 0)
		_exit(1);
	while (!spawner_is_done(&spawner))
		poller_turn(&spawner.poller);
	_exit(0);
}

/* Closes n descriptors. */
static void spawner_close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* Makes the pipe of the report, fds[0] and ends[0], and the socket pairs, the workers' ends and ours. Returns
 * 0 or -errno. */
static int spawner_connect(int *fds, int *ends, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int pair[2];
		int rc = i == 0 ? pipe2(pair, O_CLOEXEC)
				: socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
		if (rc < 0) {
			int error = errno;
			spawner_close_all(fds, i);
			spawner_close_all(ends, i);
			return -error;
		}
		fds[i] = pair[0];
		ends[i] = pair[1];
	}
	return 0;
}

/* Waits for the report. A spawner that ends without one is as bad as one that reports a mistake. */
static int spawner_wait_report(pid_t pid, int fd, char step[SPAWNER_STEP])
{
	struct spawner_report report;
	ssize_t n;
	do
		n = read(fd, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(report))
		report.error = -ECHILD;
	else
		memcpy(step, report.step, SPAWNER_STEP);
	if (report.error != 0)
		waitpid(pid, NULL, 0);
	return report.error;
}

/* Forks, and closes those ends that are only the spawner's. */
static pid_t spawner_begin(const struct config *config, const struct rlimit *files, const int *ours,
	const int *ends, unsigned n_clients, char step[SPAWNER_STEP])
{
	pid_t pid = fork();
	if (pid == 0)
		spawner_run(config, files, ends, n_clients);
	int error = pid < 0 ? -errno : 0;
	spawner_close_all(ends, n_clients + 1);
	if (error == 0)
		error = spawner_wait_report(pid, ours[0], step);
	close(ours[0]);
	if (error != 0)
		spawner_close_all(ours + 1, n_clients);
	return error != 0 ? error : pid;
}

/* Forks the spawner and waits until it has begun. */
pid_t spawner_fork(const struct config *config, const struct rlimit *files, int *fds, unsigned n_clients,
	char step[SPAWNER_STEP])
{
	unsigned n = n_clients + 1;
	int *ours = calloc((size_t)n * 2, sizeof(*ours));
	snprintf(step, SPAWNER_STEP, "fork");
	if (ours == NULL)
		return -ENOMEM;
	int *ends = ours + n;
	pid_t pid = spawner_connect(ours, ends, n);
	if (pid == 0)
		pid = spawner_begin(config, files, ours, ends, n_clients, step);
	if (pid > 0)
		memcpy(fds, ours + 1, n_clients * sizeof(*fds));
	free(ours);
	return pid;
}
