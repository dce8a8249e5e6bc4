/*
 * spawn: asks the spawner for programs on behalf of one worker and tells their sessions what became of them.
 *
 * Owns the worker's end of the socket and the children that have not been released. Hooks are only called
 * from the read callback. Runs on the worker's thread.
 */
#include "spawn/spawn.h"

#include "spawn/idmap.h"
#include "spawn/wire.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages are small and each with descriptors takes a read of its own; then others have their turn. */
enum { SPAWN_READS = 16 };

enum spawn_state { SPAWN_STARTING, SPAWN_RUNNING, SPAWN_ENDED };

struct spawn_child {
	struct idmap_node node;
	struct spawn_client *client;   /* NULL when it was freed before */
	LIST_ENTRY(spawn_child) alive; /* while it is not ENDED */
	enum spawn_state state;
	struct wire_message
		*release; /* made beforehand, so that a release can't fail; NULL once it was sent */
	const struct spawn_hooks *hooks;
	void *arg;
};

struct spawn_client {
	struct grave grave;
	struct loop *loop;
	struct wire wire;
	struct event on_read, on_write;
	struct idmap children;
	LIST_HEAD(, spawn_child) alive;
	uint64_t last_id;
	void (*on_lost)(void *arg);
	void *arg;
	bool lost, freed;
};

/* Sends what waits, and waits for the socket when something still does. */
static void spawn_client_flush(struct spawn_client *client)
{
	if (wire_flush(&client->wire) < 0) {
		/* Said by the read callback, so that no hook is called from here. */
		shutdown(client->wire.fd, SHUT_RDWR);
		loop_event_stop(&client->on_write);
	} else if (client->wire.queued > 0) {
		event_add(&client->on_write, NULL);
	} else {
		loop_event_stop(&client->on_write);
	}
}

/* Looks a child up; NULL when it was released meanwhile. */
static struct spawn_child *spawn_client_find(const struct spawn_client *client, uint64_t id)
{
	return (struct spawn_child *)idmap_find(&client->children, id);
}

/* Notes that no more hooks will be called. */
static void spawn_child_end(struct spawn_child *child)
{
	LIST_REMOVE(child, alive);
	child->state = SPAWN_ENDED;
}

/* Asks the spawner to end a program, once. */
static void spawn_child_send_release(struct spawn_child *child)
{
	wire_push(&child->client->wire, child->release);
	child->release = NULL;
	spawn_client_flush(child->client);
}

/* The program can't be started, or not be used. */
static void spawn_child_fail(struct spawn_child *child, const char *step, int error)
{
	spawn_child_end(child);
	child->hooks->failed(child->arg, step, error);
}

/* The program runs: its descriptors go to the session, unless they got lost on the way. */
static int spawn_client_on_started(struct spawn_client *client, struct wire_received *received)
{
	struct spawn_child *child = spawn_client_find(client, received->header.id);
	if (child == NULL || child->state != SPAWN_STARTING) {
		wire_close_fds(received->fds);
		return child != NULL ? -EPROTO : 0;
	}
	if (received->fds[0] < 0) {
		bool sent = received->header.n_fds > 0;
		spawn_child_send_release(child);
		spawn_child_fail(child, sent ? "recvmsg" : "sendmsg", sent ? EMFILE : ETOOMANYREFS);
		return 0;
	}
	if (received->header.n_fds == 1)
		received->fds[STDOUT_FILENO] = received->fds[STDIN_FILENO];
	child->state = SPAWN_RUNNING;
	child->hooks->started(child->arg, received->header.value, received->fds);
	return 0;
}

/* The program could not be started; the spawner has forgotten it. */
static int spawn_client_on_failed(struct spawn_client *client, const struct wire_received *received)
{
	char step[WIRE_STEP_MAX + 1];
	struct spawn_child *child = spawn_client_find(client, received->header.id);
	if (received->header.len > WIRE_STEP_MAX)
		return -EPROTO;
	if (child == NULL)
		return 0;
	if (child->state != SPAWN_STARTING)
		return -EPROTO;
	memcpy(step, received->body.ptr, received->body.len);
	step[received->body.len] = '\0';
	wire_message_free(child->release);
	child->release = NULL;
	spawn_child_fail(child, step, received->header.value);
	return 0;
}

/* The program exited. */
static int spawn_client_on_exited(struct spawn_client *client, const struct wire_received *received)
{
	struct spawn_child *child = spawn_client_find(client, received->header.id);
	if (child == NULL || child->state == SPAWN_ENDED)
		return 0;
	if (child->state != SPAWN_RUNNING)
		return -EPROTO;
	spawn_child_end(child);
	child->hooks->exited(child->arg, received->header.value, received->header.kind == WIRE_STOPPED);
	return 0;
}

/* Does what one message says. Returns 0 or -EPROTO. */
static int spawn_client_handle(struct spawn_client *client, struct wire_received *received)
{
	switch ((enum wire_kind)received->header.kind) {
	case WIRE_STARTED:
		return spawn_client_on_started(client, received);
	case WIRE_FAILED:
		return spawn_client_on_failed(client, received);
	case WIRE_EXITED:
	case WIRE_STOPPED:
		return spawn_client_on_exited(client, received);
	case WIRE_START:
	case WIRE_SIGNAL:
	case WIRE_RELEASE:
		break;
	}
	wire_close_fds(received->fds);
	return -EPROTO;
}

/* Reads once. Returns 1 when there may be more, since only descriptors end a read before all was read, 0 when
 * there is not, or -errno. */
static int spawn_client_read(struct spawn_client *client)
{
	struct wire_received received;
	unsigned n_sets = client->wire.n_sets;
	int rc = wire_read(&client->wire);
	if (rc <= 0)
		return rc;
	bool more = client->wire.n_sets > n_sets;
	while ((rc = wire_next(&client->wire, &received)) > 0) {
		rc = spawn_client_handle(client, &received);
		if (rc < 0 || client->freed)
			return rc;
	}
	return rc < 0 ? rc : more;
}

/* Lets go of the socket. */
static void spawn_client_disconnect(struct spawn_client *client)
{
	if (client->lost)
		return;
	client->lost = true;
	loop_event_done(client->loop, &client->on_read);
	loop_event_done(client->loop, &client->on_write);
	wire_done(&client->wire);
}

/* The spawner is gone and all programs with it: tells each session, then the worker. */
static void spawn_client_lose(struct spawn_client *client)
{
	struct spawn_child *child;
	spawn_client_disconnect(client);
	while (!client->freed && (child = LIST_FIRST(&client->alive)) != NULL) {
		bool started = child->state == SPAWN_RUNNING;
		if (!started) {
			spawn_child_fail(child, "spawner", ECONNRESET);
		} else {
			spawn_child_end(child);
			child->hooks->lost(child->arg);
		}
	}
	if (!client->freed)
		client->on_lost(client->arg);
}

/* The spawner has said something. */
static void spawn_client_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct spawn_client *client = arg;
	(void)fd;
	(void)what;
	int rc = 1;
	for (int i = 0; i < SPAWN_READS && rc > 0 && !client->freed; i++)
		rc = spawn_client_read(client);
	if (rc < 0 && !client->freed)
		spawn_client_lose(client);
}

/* The socket takes more. */
static void spawn_client_on_write(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	spawn_client_flush(arg);
}

/* Makes a client of a socket. */
struct spawn_client *spawn_client_new(struct loop *loop, int fd, void (*on_lost)(void *arg), void *arg)
{
	struct spawn_client *client = calloc(1, sizeof(*client));
	if (client == NULL || wire_init(&client->wire, fd, WIRE_STEP_MAX, true) < 0) {
		free(client);
		return NULL;
	}
	client->loop = loop;
	client->on_lost = on_lost;
	client->arg = arg;
	LIST_INIT(&client->alive);
	loop_event_init(loop, &client->on_read, fd, EV_READ | EV_PERSIST, spawn_client_on_read, client);
	loop_event_init(loop, &client->on_write, fd, EV_WRITE | EV_PERSIST, spawn_client_on_write, client);
	event_add(&client->on_read, NULL);
	return client;
}

/* Cuts a child off from its client. */
static void spawn_child_orphan(struct idmap_node *node)
{
	((struct spawn_child *)node)->client = NULL;
}

/* Frees a client's memory. */
static void spawn_client_on_buried(struct grave *grave)
{
	free(grave);
}

/* Closes the socket, at which the spawner ends the programs. */
void spawn_client_free(struct spawn_client *client)
{
	if (client == NULL)
		return;
	spawn_client_disconnect(client);
	idmap_each(&client->children, spawn_child_orphan);
	client->freed = true;
	loop_bury(client->loop, &client->grave, spawn_client_on_buried);
}

/* Counts the children that have not been released. */
size_t spawn_client_children(const struct spawn_client *client)
{
	return client->children.n;
}

/* Makes the request for a start. */
static struct wire_message *spawn_start_message(const struct spawn_request *request, uint64_t id)
{
	size_t len = request->entry.len + request->env.len;
	struct wire_header header = { .kind = WIRE_START, .id = id, .len = (uint32_t)len };
	char *body = malloc(len + 1);
	if (body == NULL)
		return NULL;
	header.generation = request->generation;
	header.route = request->route;
	header.program = request->kind;
	header.columns = request->columns;
	header.rows = request->rows;
	header.value = (int32_t)request->entry.len;
	if (request->entry.len > 0)
		memcpy(body, request->entry.ptr, request->entry.len);
	if (request->env.len > 0)
		memcpy(body + request->entry.len, request->env.ptr, request->env.len);
	struct wire_message *message = wire_message_new(&header, body, NULL);
	free(body);
	return message;
}

/* Asks for a start. */
struct spawn_child *spawn_start(struct spawn_client *client, const struct spawn_request *request,
	const struct spawn_hooks *hooks, void *arg)
{
	if (client->lost || request->entry.len > SPAWN_ENTRY_MAX || request->env.len > SPAWN_ENV_MAX)
		return NULL;
	struct wire_header header = { .kind = WIRE_RELEASE, .id = ++client->last_id };
	struct wire_message *release = wire_message_new(&header, NULL, NULL);
	struct wire_message *start = spawn_start_message(request, header.id);
	struct spawn_child *child = malloc(sizeof(*child));
	if (release == NULL || start == NULL || child == NULL) {
		wire_message_free(release);
		wire_message_free(start);
		free(child);
		return NULL;
	}
	*child = (struct spawn_child){ .node.id = header.id, .client = client, .release = release };
	child->hooks = hooks;
	child->arg = arg;
	idmap_insert(&client->children, &child->node);
	LIST_INSERT_HEAD(&client->alive, child, alive);
	wire_push(&client->wire, start);
	spawn_client_flush(client);
	return child;
}

/* Asks for a signal to a program that was started. */
void spawn_signal(struct spawn_child *child, int signo)
{
	struct spawn_client *client = child->client;
	if (client == NULL || client->lost || child->release == NULL || child->state == SPAWN_STARTING)
		return;
	struct wire_header header = { .kind = WIRE_SIGNAL, .id = child->node.id, .value = signo };
	struct wire_message *message = wire_message_new(&header, NULL, NULL);
	if (message == NULL)
		return; /* the release will end it */
	wire_push(&client->wire, message);
	spawn_client_flush(client);
}

/* Ends a program for good and forgets it. */
void spawn_release(struct spawn_child *child)
{
	struct spawn_client *client = child->client;
	if (client != NULL) {
		if (child->state != SPAWN_ENDED)
			LIST_REMOVE(child, alive);
		idmap_remove(&client->children, &child->node);
		if (child->release != NULL && !client->lost)
			spawn_child_send_release(child);
	}
	wire_message_free(child->release);
	free(child);
}
