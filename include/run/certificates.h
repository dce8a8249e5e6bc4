/*
 * certificates: the TLS contexts of all listeners, and of all routes with tls:// services, and that they
 * follow their files.
 */
#ifndef RUN_CERTIFICATES_H
#define RUN_CERTIFICATES_H

#include "run/worker.h"

#include <stdio.h>

/* How often files are looked at, and when reading them is tried again after the machine was short of
 * something. */
enum { CERTIFICATES_LOOK_MS = 1000, CERTIFICATES_AGAIN_MS = 60000 };

struct certificates;

/*
 * Reads the files of every listener and route with TLS, and gives the contexts to the workers, which have not
 * been started. *out is NULL when none has TLS. Returns 0, or -errno after one line for each mistake. To be
 * called while every file can still be read.
 */
int certificates_new(struct certificates **out, struct loop *loop, const struct config *config,
	struct worker *workers, unsigned n_workers);

/* From now on looks at the files each second, as the user that this process has become; warns of those that
 * this user may not read. Returns 0 or -ENOMEM. NULL is allowed. */
int certificates_watch(struct certificates *certificates);

/*
 * Looks at the files now. Those of a listener or route that are others than those that were read are read at
 * the next look, when whoever writes them has had time for all; what fits goes to the workers, what does not
 * is logged once for each state of the files, and the old context stays. Once a day warns of certificates
 * that have expired.
 */
void certificates_look(struct certificates *certificates);

/* The workers have their own references. NULL is allowed. */
void certificates_free(struct certificates *certificates);

/* For --check: reads the files of every listener and route and writes a line for each mistake and warning.
 * Returns 0 or -errno. */
int certificates_check(const struct config *config, FILE *err);

#endif
