/*
 * worker: accepts, serves, drains.
 *
 * Owns the loop, the doors and the gate with its sessions. Other threads only send it mail. worker_init(),
 * _start() and _done() run on the main thread, the rest on the worker's.
 */
#include "run/worker.h"

#include "gate/session.h"
#include "net/tls.h"
#include "run/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A listening socket of a worker. */
struct worker_door {
	struct door door; /* first: a door is its worker_door */
	struct worker *worker;
	int fd; /* until the door has it */
	struct worker_door *next;
};

/* A connection on its way from the acceptor to a worker, with its place among the pending. */
struct worker_parcel {
	struct mail mail; /* first: the mail is the parcel */
	const struct entrance *entrance;
	int fd;
	struct addr peer;
};

/* A newer TLS context on its way to a worker. */
struct worker_tls {
	struct mail mail; /* first: the mail is this */
	size_t i;
	struct tls *tls;
};

/* The worker of a piece of mail's loop. */
static struct worker *worker_of(struct loop *loop)
{
	return (struct worker *)loop;
}

/* A visitor. */
static void worker_on_visitor(struct door *door, int fd, const struct addr *peer)
{
	session_open(&((struct worker_door *)door)->worker->gate, door->entrance, fd, peer);
}

/* No one comes in any more; with `finish` but those who are connected already. */
static void worker_close_doors(struct worker *worker, bool finish)
{
	while (worker->doors != NULL) {
		struct worker_door *door = worker->doors;
		worker->doors = door->next;
		door_close(&door->door, finish);
		if (door->fd >= 0)
			close(door->fd);
		free(door);
	}
}

/* Nobody is left, and nobody else is let in. */
static void worker_end(struct worker *worker)
{
	worker->over = true;
	loop_stop(&worker->loop);
}

/* While ending: the last session is gone. */
static void worker_on_empty(void *arg)
{
	worker_end(arg);
}

/* The spawner is gone; the main thread hears of it by itself and ends the gateway. */
static void worker_on_spawner_lost(void *arg)
{
	(void)arg;
}

/* Prepares it. */
int worker_init(struct worker *worker, struct log *log, const struct config *config,
	struct resolver *resolver, struct limits *limits, struct rotation *rotation, struct targets *targets,
	int spawn_fd)
{
	memset(worker, 0, sizeof(*worker));
	int error = loop_init(&worker->loop, log);
	if (error != 0)
		return error;
	worker->gate = (struct gate){
		.loop = &worker->loop,
		.config = config,
		.generation = 1,
		.resolver = resolver,
		.limits = limits,
		.rotation = rotation,
		.targets = targets,
		.on_empty = worker_on_empty,
		.arg = worker,
	};
	if (spawn_fd < 0)
		return 0;
	worker->gate.spawner = spawn_client_new(&worker->loop, spawn_fd, worker_on_spawner_lost, worker);
	return worker->gate.spawner == NULL ? -ENOMEM : 0;
}

/* Adds a door; it opens when the thread starts. */
int worker_add_door(struct worker *worker, const struct entrance *entrance, int fd)
{
	struct worker_door *door = calloc(1, sizeof(*door));
	if (door == NULL) {
		close(fd);
		return -ENOMEM;
	}
	*door = (struct worker_door){
		.door = {
			.entrance = entrance,
			.limits = worker->gate.limits,
			.max_pending = worker->gate.config->gateway.max_pending,
			.on_visitor = worker_on_visitor,
		},
		.worker = worker,
		.fd = fd,
		.next = worker->doors,
	};
	worker->doors = door;
	return 0;
}

/* Takes them all. */
int worker_give_tls(struct worker *worker, struct tls *const *tls, size_t n)
{
	worker->gate.tls = calloc(n, sizeof(struct tls *));
	if (worker->gate.tls == NULL)
		return -ENOMEM;
	for (worker->n_tls = 0; worker->n_tls < n; worker->n_tls++)
		worker->gate.tls[worker->n_tls] = tls_ref(tls[worker->n_tls]);
	worker->gate.service_tls = worker->gate.tls + worker->gate.config->n_listens;
	return 0;
}

/* The thread. */
static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	loop_run(&worker->loop);
	loop_post(worker->main_loop, &worker->ended, worker->on_ended);
	return NULL;
}

/* Opens the doors and starts the thread. */
int worker_start(
	struct worker *worker, struct loop *main_loop, void (*on_ended)(struct loop *, struct mail *))
{
	worker->main_loop = main_loop;
	worker->on_ended = on_ended;
	for (struct worker_door *door = worker->doors; door != NULL; door = door->next) {
		int error = door_open(&door->door, &worker->loop, door->fd);
		door->fd = -1;
		if (error != 0)
			return error;
	}
	int error = pthread_create(&worker->thread, NULL, worker_run, worker);
	worker->started = error == 0;
	return -error;
}

/* No more visitors. */
static void worker_on_shut(struct loop *loop, struct mail *mail)
{
	struct worker *worker = worker_of(loop);
	(void)mail;
	worker_close_doors(worker, true);
	worker->gate.ending = true;
	session_drain_plain(&worker->gate);
	if (worker->gate.n_sessions == 0)
		worker_end(worker);
}

/* No more visitors; those who are here are told. */
static void worker_on_drain(struct loop *loop, struct mail *mail)
{
	struct worker *worker = worker_of(loop);
	(void)mail;
	worker_close_doors(worker, true);
	worker->gate.ending = worker->gate.draining = true;
	session_drain_all(&worker->gate);
	if (worker->gate.n_sessions == 0)
		worker_end(worker);
}

/* Time is up for those who are still here. */
static void worker_on_cut(struct loop *loop, struct mail *mail)
{
	struct worker *worker = worker_of(loop);
	(void)mail;
	worker_close_doors(worker, false);
	worker->gate.ending = worker->gate.draining = true;
	session_cut_all(&worker->gate);
	worker_end(worker);
}

/* Has it end with its last session. */
void worker_shut(struct worker *worker)
{
	loop_post(&worker->loop, &worker->shut, worker_on_shut);
}

/* Asks it to end. */
void worker_drain(struct worker *worker)
{
	loop_post(&worker->loop, &worker->drain, worker_on_drain);
}

/* Makes it end. */
void worker_cut(struct worker *worker)
{
	loop_post(&worker->loop, &worker->cut, worker_on_cut);
}

/* Closes a connection that nobody opens, and gives its place back. */
static void worker_refuse(const struct worker *worker, int fd)
{
	close(fd);
	limits_give_pending(worker->gate.limits);
}

/* A connection that an acceptor dealt to this worker. */
static void worker_on_parcel(struct loop *loop, struct mail *mail)
{
	struct worker *worker = worker_of(loop);
	struct worker_parcel *parcel = (struct worker_parcel *)mail;

	if (worker->over)
		worker_refuse(worker, parcel->fd);
	else
		session_open(&worker->gate, parcel->entrance, parcel->fd, &parcel->peer);
	free(parcel);
}

/* Sends it a connection. */
void worker_pass(struct worker *worker, const struct entrance *entrance, int fd, const struct addr *peer)
{
	struct worker_parcel *parcel = calloc(1, sizeof(*parcel));
	if (parcel == NULL) {
		worker_refuse(worker, fd);
		return;
	}
	parcel->entrance = entrance;
	parcel->fd = fd;
	parcel->peer = *peer;
	loop_post(&worker->loop, &parcel->mail, worker_on_parcel);
}

/* A newer context: who comes from now on gets it. */
static void worker_on_tls(struct loop *loop, struct mail *mail)
{
	struct worker *worker = worker_of(loop);
	struct worker_tls *newer = (struct worker_tls *)mail;

	tls_unref(worker->gate.tls[newer->i]);
	worker->gate.tls[newer->i] = newer->tls;
	free(newer);
}

/* Sends it a context. */
int worker_pass_tls(struct worker *worker, size_t i, struct tls *tls)
{
	struct worker_tls *newer = calloc(1, sizeof(*newer));
	if (newer == NULL)
		return -ENOMEM;
	newer->i = i;
	newer->tls = tls_ref(tls);
	loop_post(&worker->loop, &newer->mail, worker_on_tls);
	return 0;
}

/* Adds its own counts. */
void worker_count(const struct worker *worker, struct worker_counters *counters)
{
	counters->connections += worker->gate.n_sessions;
	counters->sessions += worker->gate.n_upgraded;
	counters->events += worker->loop.n_events;
	counters->timers += worker->loop.n_timers;
	if (worker->gate.spawner != NULL)
		counters->children += spawn_client_children(worker->gate.spawner);
}

/* Waits for the thread. */
void worker_join(struct worker *worker)
{
	if (worker->started)
		pthread_join(worker->thread, NULL);
	worker->started = false;
}

/* Frees what it had. */
void worker_done(struct worker *worker)
{
	if (worker->loop.base == NULL)
		return;
	worker_close_doors(worker, false);
	worker->over = true; /* a connection may still be in the mailbox: it is closed there */
	spawn_client_free(worker->gate.spawner);
	loop_done(&worker->loop);
	for (size_t i = 0; i < worker->n_tls; i++)
		tls_unref(worker->gate.tls[i]);
	free(worker->gate.tls);
}
