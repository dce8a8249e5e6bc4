/*
 * service: takes the workers' requests, has programs started and ended, and looks after what they leave
 * behind.
 *
 * Owns one socket for each worker; whether and what to run is spawn/launch.c's, how a program lives and dies
 * spawn/program.c's. Single-threaded, in the spawner only.
 */
#include "spawn/service.h"

#include "base/clock.h"
#include "spawn/launch.h"
#include "spawn/spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client with more than this in answers that it hasn't read is not read from. */
enum { SERVICE_BACKLOG = 256 * 1024 };

/* Strays are looked for when a child of ours has ended, but not more often than this. */
enum { SERVICE_STRAYS_MS = 250 };

/* Once all workers are gone, programs and strays have so long to die. A process that hangs in the kernel is
 * left to who waits for us. */
enum { SERVICE_END_MS = 5000 };

struct service_client {
	struct service *service;
	struct watch watch;
	struct wire wire;
	struct programs programs;
	bool gone;
};

/* Waits for what the client's queues allow; the one place that decides. */
static void service_client_update(struct service_client *client)
{
	uint32_t events = 0;
	if (client->wire.queued <= SERVICE_BACKLOG)
		events |= EPOLLIN;
	if (client->wire.queued > 0)
		events |= EPOLLOUT;
	poller_set(&client->service->poller, &client->watch, events);
}

/* Forgets a worker that is gone, and ends its programs. */
static void service_client_lose(struct service_client *client)
{
	client->gone = true;
	poller_remove(&client->service->poller, &client->watch);
	wire_done(&client->wire);
	program_release_all(&client->programs);
}

/* Sends an answer. A client that can't be answered is shut down, and lost on the next turn. */
static void service_client_answer(
	void *arg, const struct wire_header *header, const char *step, const int *fds)
{
	struct service_client *client = arg;
	struct wire_message *message = wire_message_new(header, step, fds);
	if (message != NULL)
		wire_push(&client->wire, message);
	if (message == NULL || wire_flush(&client->wire) < 0)
		shutdown(client->wire.fd, SHUT_RDWR);
	service_client_update(client);
}

/* Is it a start that may be read? */
static bool service_is_start(const struct service_client *client, const struct wire_header *header)
{
	return !program_exists(&client->programs, header->id) && header->program <= SPAWN_CGI &&
	       header->value >= 0 && header->value <= SPAWN_ENTRY_MAX &&
	       (uint32_t)header->value <= header->len &&
	       header->len - (uint32_t)header->value <= SPAWN_ENV_MAX;
}

/* Does what one message asks. Returns 0 or -EPROTO. */
static int service_client_handle(struct service_client *client, const struct wire_received *received)
{
	const struct wire_header *header = &received->header;
	switch ((enum wire_kind)header->kind) {
	case WIRE_START:
		if (!service_is_start(client, header))
			return -EPROTO;
		launch_start(&client->programs, &client->service->plans, received);
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
	case WIRE_STOPPED:
		break;
	}
	return -EPROTO;
}

/* Has the worker gone? It may have while a start was waited for. */
static bool service_client_has_left(const struct service_client *client)
{
	struct pollfd look = { .fd = client->wire.fd };
	return poll(&look, 1, 0) > 0;
}

/* Reads once and does what was asked. Returns 0 or -errno: the client is lost. */
static int service_client_read(struct service_client *client)
{
	struct wire_received received;
	bool has_started = false;
	int rc = wire_read(&client->wire);
	if (rc < 0)
		return rc;
	while ((rc = wire_next(&client->wire, &received)) > 0) {
		bool starts = received.header.kind == WIRE_START;
		if (has_started && starts && service_client_has_left(client))
			return -ECONNRESET;
		has_started |= starts;
		rc = service_client_handle(client, &received);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* Serves a client's socket. What a client that is gone had asked for nobody wants any more. */
static void service_client_on_ready(void *owner, uint32_t events)
{
	struct service_client *client = owner;
	int rc = 0;
	if (events & (EPOLLHUP | EPOLLERR))
		rc = -ECONNRESET;
	else if (events & EPOLLIN)
		rc = service_client_read(client);
	if (rc == 0 && (events & EPOLLOUT))
		rc = wire_flush(&client->wire);
	if (rc < 0)
		service_client_lose(client);
	else
		service_client_update(client);
}

/* Begins to serve a worker. Returns 0 or -errno. */
static int service_client_init(struct service_client *client, struct service *service, int fd)
{
	client->service = service;
	client->programs.poller = &service->poller;
	client->programs.leaders = &service->leaders;
	client->programs.sweep = &service->sweep;
	client->programs.answer = service_client_answer;
	client->programs.arg = client;
	client->watch.on_ready = service_client_on_ready;
	client->watch.owner = client;
	int rc = wire_init(&client->wire, fd, SPAWN_ENTRY_MAX + SPAWN_ENV_MAX, false);
	return rc < 0 ? rc : poller_add(&service->poller, &client->watch, fd, EPOLLIN);
}

/* Does a program's owner wait for this child? */
static bool service_is_leader(void *arg, pid_t pid)
{
	struct service *service = arg;
	return idmap_find(&service->leaders, (uint64_t)pid) != NULL;
}

/* A child has ended, and maybe a stray. Nothing more is heard of that until we have looked. */
static void service_on_child(void *owner, uint32_t events)
{
	struct service *service = owner;
	(void)events;
	service->has_ended = true;
	poller_set(&service->poller, &service->on_child, 0);
}

/* Begins to hear of children that end. Returns 0 or -errno. */
static int service_watch_children(struct service *service)
{
	sigset_t child;
	int error = strays_init(&service->strays, service_is_leader, service);
	if (error != 0)
		return error;
	sweep_init(&service->sweep, &service->strays);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	int fd = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	service->on_child.on_ready = service_on_child;
	service->on_child.owner = service;
	return poller_add(&service->poller, &service->on_child, fd, EPOLLIN);
}

/* Makes what it needs. */
int service_init(struct service *service, const struct plan_sources *from, const int *fds, unsigned n,
	const char **step)
{
	int error = plan_init_all(&service->plans, from, step);
	if (error != 0)
		return error;
	*step = "prepare";
	service->n_clients = n;
	service->clients = calloc(n, sizeof(*service->clients));
	if (service->clients == NULL)
		return -ENOMEM;
	error = poller_init(&service->poller);
	if (error == 0)
		error = service_watch_children(service);
	for (unsigned i = 0; error == 0 && i < n; i++)
		error = service_client_init(&service->clients[i], service, fds[i]);
	return error;
}

/* Is there a worker left? */
static bool service_has_workers(const struct service *service)
{
	for (unsigned i = 0; i < service->n_clients; i++) {
		if (!service->clients[i].gone)
			return true;
	}
	return false;
}

/* Milliseconds until strays are looked for; -1: no need. */
static int service_strays_due(const struct service *service)
{
	if (!service->has_ended)
		return -1;
	int64_t passed = clock_now_ms() - service->looked_ms;
	return passed >= SERVICE_STRAYS_MS ? 0 : (int)(SERVICE_STRAYS_MS - passed);
}

/* Reaps strays, and who was given up. Who ends from here on is heard of again. */
static void service_look(struct service *service)
{
	struct signalfd_siginfo info;
	service->looked_ms = clock_now_ms();
	service->has_ended = false;
	ssize_t n = read(service->on_child.fd, &info, sizeof(info));
	(void)n; /* they are all one to us */
	poller_set(&service->poller, &service->on_child, EPOLLIN);
	for (unsigned i = 0; i < service->n_clients; i++)
		program_reap_unwatched(&service->clients[i].programs);
	service->has_ended |= strays_reap(&service->strays);
}

/* The shorter one of two waits; -1 is without limit. */
static int service_earlier(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/* Waits for what comes first, at most so long, and does it. */
static void service_turn(struct service *service, int timeout_ms)
{
	int due = service_earlier(service_strays_due(service), sweep_due(&service->sweep));
	poller_turn(&service->poller, service_earlier(due, timeout_ms));
	if (service_strays_due(service) == 0)
		service_look(service);
	if (sweep_due(&service->sweep) == 0)
		sweep_look(&service->sweep);
}

/* Serves, then ends what is left, as far as it can be ended. */
void service_serve(struct service *service)
{
	int left_ms = SERVICE_END_MS;

	while (service_has_workers(service))
		service_turn(service, -1);
	int64_t begin_ms = clock_now_ms();
	while (service->leaders.n > 0 && left_ms > 0) {
		service_turn(service, left_ms);
		left_ms = SERVICE_END_MS - (int)(clock_now_ms() - begin_ms);
	}
	strays_end(&service->strays, left_ms, -1);
}
