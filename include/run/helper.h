/*
 * helper: the spawner (spawn/spawner.h) as the server keeps it: started before all else, watched, waited for
 * at the end.
 */
#ifndef RUN_HELPER_H
#define RUN_HELPER_H

#include "base/log.h"
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
	struct log *log;
	struct strays strays;
	struct loop *loop;
	struct event *on_end;
};

/* Forks it, when any route has a program. `files` are what programs get as limit. Single-threaded, before
 * there is anything that it must not have. Returns 0, also when the log says that strays won't be found, or
 * -errno with `step`. */
int helper_start(struct helper *helper, struct log *log, const struct config *config,
	const struct rlimit *files, unsigned n_workers);

/* Has fn(arg) called once when it dies. Returns 0 or -errno. */
int helper_watch(struct helper *helper, struct loop *loop, event_callback_fn fn, void *arg);
void helper_unwatch(struct helper *helper); /* in any state, more than once */

/* Takes a worker's socket to it; -1 without it. */
int helper_take(struct helper *helper, unsigned worker);

/* Reaps it when it is dead, and kills what it has left behind, whose parent the kernel has made us. Waits for
 * nobody: those that have children yet are helper_stop()'s. */
void helper_reap(struct helper *helper);

/* How long it may take to end everything, and how long it takes where that is in vain and somebody waits. */
enum { HELPER_END_MS = 10000, HELPER_HURRY_MS = 1000 };

/*
 * Waits for its end, which comes when it has lost all its sockets: the workers must be done; and for the end
 * of what it has left, all of which is killed. What does not die in timeout_ms is left, after a last try of
 * HELPER_HURRY_MS, and the log says so; the same once the descriptor hurry_fd (-1: none) is readable. In any
 * state.
 */
void helper_stop(struct helper *helper, int timeout_ms, int hurry_fd);

#endif
