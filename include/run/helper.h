/*
 * helper: the spawner (spawn/spawner.h) as the server keeps it: started before all else, watched, waited for
 * at the end.
 */
#ifndef RUN_HELPER_H
#define RUN_HELPER_H

#include "conf/config.h"
#include "net/loop.h"
#include "spawn/strays.h"

#include <sys/resource.h>

/* Zeroed is one that was not started. */
struct helper {
	pid_t pid;     /* 0: there is none, since no route has a program */
	int *fds;      /* the workers' sockets to it, each -1 once its worker has it; NULL without it */
	unsigned n;    /* workers */
	int pidfd;     /* readable when it has ended; only with a pid */
	char step[96]; /* what failed in helper_start(), in words */
	struct strays strays;
	struct loop *loop;
	struct event *on_end;
};

/* Forks it, when any route has a program. `files` are what programs get as limit. Single-threaded, before
 * there is anything that it must not have. Returns 0, or -errno with `step`. */
int helper_start(
	struct helper *helper, const struct config *config, const struct rlimit *files, unsigned n_workers);

/* Has fn(arg) called once when it dies. Returns 0 or -errno. */
int helper_watch(struct helper *helper, struct loop *loop, event_callback_fn fn, void *arg);
void helper_unwatch(struct helper *helper); /* in any state, more than once */

/* Takes a worker's socket to it; -1 without it. */
int helper_take(struct helper *helper, unsigned worker);

/* Waits until it is dead, then kills what it has left behind, whose parent the kernel has made us. Returns
 * how many did not die in HELPER_END_MS, or may not be killed, being another user's. */
size_t helper_end_programs(struct helper *helper);

enum { HELPER_END_MS = 10000 };

/* Waits for its end, which comes when it has lost all its sockets: the workers must be done. In any state. */
void helper_stop(struct helper *helper);

#endif
