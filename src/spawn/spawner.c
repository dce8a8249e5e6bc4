/*
 * spawner: the helper process: its birth, its clients, what they may ask for.
 *
 * Owns one socket for each worker and decides whether and what to run; how a program lives and dies is
 * spawn/program.c's. Single-threaded, a process of its own; nothing here runs in the gateway but
 * spawner_fork().
 */
#include "spawn/spawner.h"

#include "base/must.h"
#include "spawn/environment.h"
#include "spawn/poller.h"
#include "spawn/program.h"
#include "spawn/spawn.h"
#include "spawn/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client with more than this in answers that it hasn't read is not read from. */
enum { SPAWNER_BACKLOG = 256 * 1024 };

/* The snapshot that was there at the fork. */
enum { SPAWNER_GENERATION = 1 };

/* What must not end the spawner: only the end of the gateway does. */
static const int spawner_ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2 };

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
	if (header->route >= config->n_routes || config->routes[header->route].exec_path == NULL) {
		program_refuse(&client->programs, header->id, "route", EINVAL);
		return;
	}
	const struct route_conf *route = &config->routes[header->route];
	char **envp;
	int rc = environment_new(&spawner->environment, received->body, &envp);
	if (rc < 0) {
		program_refuse(&client->programs, header->id, "request", -rc);
		return;
	}
	struct child_plan plan = { .file = route->exec_path, .files = &spawner->files };
	plan.argv = route->exec.items;
	plan.envp = envp;
	program_start(&client->programs, header->id, &plan);
	free(envp);
}

/* Does what one message asks. Returns 0 or -EPROTO. */
static int spawner_client_handle(struct spawner_client *client, const struct wire_received *received)
{
	const struct wire_header *header = &received->header;
	switch ((enum wire_kind)header->kind) {
	case WIRE_START:
		if (program_exists(&client->programs, header->id))
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
	int rc = wire_init(&client->wire, fd, SPAWN_ENV_MAX, false);
	return rc < 0 ? rc : poller_add(&spawner->poller, &client->watch, fd, EPOLLIN);
}

/* Keeps 0, 1, 2 and the sockets, which are in ascending order; programs get no input from ours. */
static void spawner_close_others(const int *ends, unsigned n_clients)
{
	unsigned next = STDERR_FILENO + 1;
	for (unsigned i = 0; i < n_clients; i++) {
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
static void spawner_settle(const int *ends, unsigned n_clients)
{
	child_reset_signals();
	for (size_t i = 0; i < sizeof(spawner_ignored) / sizeof(spawner_ignored[0]); i++)
		signal(spawner_ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "wsluice-spawner");
	spawner_close_others(ends, n_clients);
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

/* Makes what the spawner needs. Returns 0 or -errno. */
static int spawner_init(struct spawner *spawner, const int *ends)
{
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

/* The spawner's life. */
static _Noreturn void spawner_run(
	const struct config *config, const struct rlimit *files, const int *ends, unsigned n_clients)
{
	struct spawner spawner = { .config = config, .files = *files, .n_clients = n_clients };
	spawner_settle(ends, n_clients);
	if (spawner_init(&spawner, ends) < 0)
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

/* Makes the socket pairs: the workers' ends and ours. Returns 0 or -errno. */
static int spawner_connect(int *fds, int *ends, unsigned n_clients)
{
	for (unsigned i = 0; i < n_clients; i++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
			int error = errno;
			spawner_close_all(fds, i);
			spawner_close_all(ends, i);
			return -error;
		}
		ends[i] = pair[0];
		fds[i] = pair[1];
	}
	return 0;
}

/* Forks the spawner. */
pid_t spawner_fork(const struct config *config, const struct rlimit *files, int *fds, unsigned n_clients)
{
	int *ends = calloc(n_clients, sizeof(*ends));
	if (ends == NULL)
		return -ENOMEM;
	int rc = spawner_connect(fds, ends, n_clients);
	if (rc < 0) {
		free(ends);
		return rc;
	}
	pid_t pid = fork();
	if (pid == 0)
		spawner_run(config, files, ends, n_clients);
	if (pid < 0) {
		pid = -errno;
		spawner_close_all(fds, n_clients);
	}
	spawner_close_all(ends, n_clients);
	free(ends);
	return pid;
}
