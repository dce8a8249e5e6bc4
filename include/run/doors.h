/*
 * doors: opens every address of the configuration and hands the sockets out: TCP to each worker, unix and
 * those of systemd to acceptors.
 */
#ifndef RUN_DOORS_H
#define RUN_DOORS_H

#include "run/acceptor.h"
#include "run/inherited.h"

struct doors {
	const struct config *config;
	struct log *log;
	struct inherited *inherited; /* only during doors_open() */
	struct entrance *entrances;
	size_t n_entrances, room;
	struct acceptors acceptors;
	char *addresses; /* all of them in words, with spaces between, as they are bound */
};

/*
 * Opens all; what fails is logged in one line. `acceptors` says whom to deal to. Sockets of systemd's that no
 * address names are said and closed. Returns 0 or -errno; doors_done() is due in both cases. The workers have
 * not been started; the acceptors run from now on.
 */
int doors_open(struct doors *doors, const struct config *config, const struct acceptors *acceptors,
	struct inherited *inherited);

/* Closes the acceptors and removes their socket files (acceptor_add()); the workers close their own doors.
 * `finish`: who is connected already still comes in. */
void doors_close(struct doors *doors, bool finish);
void doors_done(struct doors *doors);

#endif
