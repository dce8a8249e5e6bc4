/*
 * crew: the workers, and what they share: limits, the turns of services, what tokens stand for,
 * the resolver.
 */
#ifndef RUN_CREW_H
#define RUN_CREW_H

#include "run/helper.h"
#include "run/worker.h"

struct rotation;
struct targets;

struct crew {
	struct limits limits;
	struct rotation *rotation;
	struct targets *targets;
	struct resolver *resolver;
	struct worker *workers;
	unsigned n, n_running;
	bool shut, draining, cutting;
};

/* Makes `n` workers with the spawner's sockets; they run after crew_start(). Returns 0 or -errno;
 * crew_stop() and then crew_done() are due in both cases. */
int crew_init(
	struct crew *crew, struct log *log, const struct config *config, unsigned n, struct helper *spawner);

/* Starts the threads; when one has ended on_ended comes to main_loop, for crew_lose(). Returns 0 or -errno.
 */
int crew_start(struct crew *crew, struct loop *main_loop, void (*on_ended)(struct loop *, struct mail *));

/* A worker has ended. Returns whether there is none any more. */
bool crew_lose(struct crew *crew);

/* From the main thread; each again is nothing. Nobody else comes in, and the workers end with their last
 * session; the sessions are told to end, too; whatever is left is cut. */
void crew_shut(struct crew *crew);
void crew_drain(struct crew *crew);
void crew_cut(struct crew *crew);

/* Waits for the threads and frees what they had open; then, when nothing of the server's knows the workers
 * any more, everything else. Both are right in any state. */
void crew_stop(struct crew *crew);
void crew_done(struct crew *crew);

#endif
