/*
 * crew: makes the workers, starts and ends them together. Owns them and what they share; knows no signals and
 * no doors. Runs on the main thread.
 */
#include "run/crew.h"

#include "backend/rotation.h"
#include "gate/targets.h"
#include "run/bounds.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Prepares the workers with the spawner's sockets. */
static int crew_make_workers(
	struct crew *crew, struct log *log, const struct config *config, struct helper *spawner)
{
	for (unsigned i = 0; i < crew->n; i++) {
		int fd = helper_take(spawner, i);
		int error = worker_init(&crew->workers[i], log, config, crew->resolver, &crew->limits,
			crew->rotation, crew->targets, fd);
		if (error != 0 && fd >= 0)
			close(fd);
		if (error != 0)
			return error;
	}
	return 0;
}

/* Makes what they share, then them. */
int crew_init(
	struct crew *crew, struct log *log, const struct config *config, unsigned n, struct helper *spawner)
{
	int error = limits_init(&crew->limits, config->n_routes);

	if (error != 0)
		return error;
	bounds_prepare(config, &crew->limits);
	crew->rotation = rotation_new(config);
	crew->targets = targets_new(config);
	crew->resolver = resolver_new();
	crew->workers = calloc(n, sizeof(*crew->workers));
	if (crew->rotation == NULL || crew->targets == NULL || crew->resolver == NULL ||
		crew->workers == NULL)
		return -ENOMEM;
	crew->n = n;
	return crew_make_workers(crew, log, config, spawner);
}

/* Starts the threads. */
int crew_start(struct crew *crew, struct loop *main_loop, void (*on_ended)(struct loop *, struct mail *))
{
	int error = 0;

	for (unsigned i = 0; i < crew->n && error == 0; i++) {
		error = worker_start(&crew->workers[i], main_loop, on_ended);
		crew->n_running += error == 0;
	}
	return error;
}

/* Counts. */
bool crew_lose(struct crew *crew)
{
	return --crew->n_running == 0;
}

/* Says it to each, once. */
static void crew_tell(struct crew *crew, bool *told, void (*tell)(struct worker *worker))
{
	for (unsigned i = 0; i < crew->n && !*told; i++)
		tell(&crew->workers[i]);
	*told = true;
}

/* Nobody comes in. */
void crew_shut(struct crew *crew)
{
	crew_tell(crew, &crew->shut, worker_shut);
}

/* ... and who is here is told. */
void crew_drain(struct crew *crew)
{
	crew_tell(crew, &crew->draining, worker_drain);
}

/* ... and has no time left. */
void crew_cut(struct crew *crew)
{
	crew_tell(crew, &crew->cutting, worker_cut);
}

/* A start that failed half-way has some that run. */
void crew_stop(struct crew *crew)
{
	if (crew->n_running > 0)
		crew_cut(crew);
	for (unsigned i = 0; i < crew->n; i++)
		worker_join(&crew->workers[i]);
	resolver_free(crew->resolver); /* posts to the loops until now */
	for (unsigned i = 0; i < crew->n; i++)
		worker_done(&crew->workers[i]);
}

/* Frees the rest. */
void crew_done(struct crew *crew)
{
	free(crew->workers);
	limits_done(&crew->limits);
	rotation_free(crew->rotation);
	targets_free(crew->targets);
}
