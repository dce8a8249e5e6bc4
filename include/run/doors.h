/*
 * doors: binds every address of the configuration and hands the sockets out: TCP to each worker, unix to the
 * one acceptor.
 */
#ifndef RUN_DOORS_H
#define RUN_DOORS_H

#include "run/worker.h"

struct acceptor;

struct doors {
	const struct config *config;
	const struct limits *limits;
	struct entrance *entrances;
	size_t n_entrances, room;
	struct acceptor *acceptors; /* of unix sockets, on the main thread */
	char *addresses;	    /* all of them in words, with spaces between, as they are bound */
	struct worker *workers;
	unsigned n_workers;
};

/*
 * Binds all; what fails is logged in one line. Returns 0 or -errno; doors_done() is due in both cases. The
 * workers have not been started; the acceptors run on `loop` from now on.
 */
int doors_open(struct doors *doors, struct loop *loop, const struct config *config,
	const struct limits *limits, struct worker *workers, unsigned n_workers);

/* Closes the acceptors and removes their socket files; the workers close their own doors. */
void doors_close(struct doors *doors);
void doors_done(struct doors *doors);

#endif
