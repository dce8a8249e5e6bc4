/*
 * counters: the one line of SIGUSR2: what all workers have open.
 */
#ifndef RUN_COUNTERS_H
#define RUN_COUNTERS_H

#include "run/worker.h"

/* One question at a time; `mail` travels over the workers' threads. The first four are the owner's to fill.
 */
struct counters {
	struct loop *loop; /* the main one */
	const struct limits *limits;
	struct worker *workers;
	unsigned n_workers;
	bool asking;
	struct mail mail;
	unsigned n_told; /* workers that have added theirs */
	struct worker_counters sums;
};

/* Asks the workers, which must be running; the line is logged when the last one has told. One question at a
 * time: while one is open this does nothing. */
void counters_ask(struct counters *counters);

#endif
