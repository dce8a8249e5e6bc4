/*
 * worker: a thread with an event loop, its listeners and its sessions.
 */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include "gate/gate.h"

#include <pthread.h>

struct worker_door;
struct tls;

struct worker {
	struct loop loop; /* first: a loop of a worker is its worker */
	struct gate gate;
	pthread_t thread;
	bool started;
	bool over; /* whoever comes now finds nobody */
	struct worker_door *doors;
	size_t n_tls;						     /* in gate.tls */
	struct mail shut, drain, cut, ended;			     /* one each is all that is ever sent */
	void (*on_ended)(struct loop *main_loop, struct mail *mail); /* on the main thread */
	struct loop *main_loop;
};

/* What the counters of SIGUSR2 add up. */
struct worker_counters {
	size_t connections, sessions, events, timers, children;
};

/* Prepares a worker on the main thread; it runs after worker_start(). Takes spawn_fd (-1: no programs),
 * unless it returns -errno instead of 0. */
int worker_init(struct worker *worker, struct log *log, const struct config *config,
	struct resolver *resolver, struct limits *limits, struct rotation *rotation, struct targets *targets,
	int spawn_fd);

/* Adds a listening socket, which it takes. Before worker_start(). Returns 0 or -errno. */
int worker_add_door(struct worker *worker, const struct entrance *entrance, int fd);

/* Gives it the TLS contexts of all listeners and, behind them, of all routes, NULL for a plain one; it takes
 * references. Before worker_start(). Returns 0 or -ENOMEM. */
int worker_give_tls(struct worker *worker, struct tls *const *tls, size_t n);

/* From the main thread: a newer context for the i-th of those, if it has one; takes a reference. Returns 0,
 * or -ENOMEM: the old one stays. */
int worker_pass_tls(struct worker *worker, size_t i, struct tls *tls);

/* Starts the thread; when it has ended, on_ended comes to main_loop. Returns 0 or -errno. */
int worker_start(
	struct worker *worker, struct loop *main_loop, void (*on_ended)(struct loop *, struct mail *));

/* From the main thread, once each: no more connections, and it ends with its last session; every session is
 * told, too; whatever is left is cut. */
void worker_shut(struct worker *worker);
void worker_drain(struct worker *worker);
void worker_cut(struct worker *worker);

/* From any thread: a connection for this worker, with its place (limits_take_pending()). When memory is short
 * the descriptor is closed and the place given back. */
void worker_pass(struct worker *worker, const struct entrance *entrance, int fd, const struct addr *peer);

/* On the worker's own thread. */
void worker_count(const struct worker *worker, struct worker_counters *counters);

/* Waits for the thread, if there is one; then frees everything. */
void worker_join(struct worker *worker);
void worker_done(struct worker *worker);

#endif
