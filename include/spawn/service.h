/*
 * service: what the spawner does for its workers as long as there is one: starts, signals and ends programs.
 * Spawner only.
 */
#ifndef SPAWN_SERVICE_H
#define SPAWN_SERVICE_H

#include "spawn/plan.h"
#include "spawn/poller.h"
#include "spawn/program.h"
#include "spawn/strays.h"

struct service_client;

struct service {
	struct poller poller;
	struct plans plans;
	struct idmap leaders; /* all programs, by their pid */
	struct strays strays;
	struct sweep sweep;
	struct watch on_child; /* SIGCHLD as bytes; not waited for once has_ended */
	bool has_ended;	       /* a child, since strays were looked for */
	int64_t looked_ms;     /* when that was, on the monotonic clock */
	struct service_client *clients;
	unsigned n_clients;
};

/* Prepares to serve the n sockets in fds; zeroed by the caller, and never given up, since its process ends
 * with it. Returns 0, or -errno with the step that failed. */
int service_init(struct service *service, const struct plan_sources *from, const int *fds, unsigned n,
	const char **step);

/* Serves until all workers are gone; returns when no program and nothing that one has started is left, or
 * after some seconds, when some don't die. */
void service_serve(struct service *service);

#endif
