/*
 * spawn: a worker's side of the spawner (spawn/spawner.h): start a program, hear of its end, signal its
 * group.
 *
 * One client a worker, over a socket of its own, so nothing is locked. Requests are queued and never block.
 */
#ifndef SPAWN_SPAWN_H
#define SPAWN_SPAWN_H

#include "base/text.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spawn_client;
struct spawn_child;

/* Which programs of a route one is of. */
enum spawn_kind {
	SPAWN_SESSION, /* exec or dir: on a pseudo-terminal where the route has terminal or unbuffer */
	SPAWN_CGI,     /* cgi: always on pipes, in the directory of its file unless the route has another */
};

/* What a worker may say about a program to start: which one, in which snapshot, with what variables of the
 * session, and how large the terminal is that it is seen on; all else is the route's. */
struct spawn_request {
	uint32_t generation; /* of the configuration; the one that the spawner was forked with is 1 */
	uint32_t route;	     /* index in its routes */
	enum spawn_kind kind;
	/* Of a pseudo-terminal, which has this size before the program begins; a 0 is that of 80 x 24.
	 * Others don't look at it. */
	uint16_t columns, rows;
	/* The program's path relative to the route's dir or cgi, at most SPAWN_ENTRY_MAX bytes; "" for exec.
	 * The spawner looks for itself whether that is beneath the directory: what it runs is the path
	 * without symlinks. */
	struct text entry;
	struct text env; /* NAME=VALUE strings, each NUL-terminated, one after another; at most SPAWN_ENV_MAX
			    bytes. They win over the route's env, and that over what it passes on. */
};

enum { SPAWN_ENV_MAX = 65536, SPAWN_ENTRY_MAX = 4095 };

/*
 * Called on the worker's thread, from the loop, never from within a function below; not after
 * spawn_release(). In any of them every function below may be called. After `failed`, `exited` and `lost` no
 * other hook follows, but the child is there until it is released.
 */
struct spawn_hooks {
	/* The program runs (execve succeeded). The descriptors (non-blocking, close-on-exec) of its stdin,
	 * stdout and stderr are now the receiver's; the last is -1 when it has no stderr of its own (merge,
	 * discard). With unbuffer that of stdout is the master of a pseudo-terminal. On a terminal the first
	 * two are one and the same descriptor, to be closed once: the master; there is no stderr. */
	void (*started)(void *arg, pid_t pid, const int fds[3]);
	/* It could not be started: which step failed ("fork", "execve", ...; valid for the call) and the
	 * errno. */
	void (*failed)(void *arg, const char *step, int error);
	/* It exited: the wait status, and whether it died of a signal that spawn_signal() sent it: not when
	 * it was dead by then and nobody here knew. Its group stays signallable until spawn_release(). */
	void (*exited)(void *arg, int status, bool stopped);
	/* It ran, and the spawner is gone: it dies as well, and how will not be known. */
	void (*lost)(void *arg);
};

/*
 * Takes the worker's end of the socket; NULL when memory is short, and then it is still the caller's.
 * `on_lost` is called once when the spawner is gone: after `failed` ("spawner", ECONNRESET) for each child
 * that was not started and `lost` for each that was running.
 */
struct spawn_client *spawn_client_new(struct loop *loop, int fd, void (*on_lost)(void *arg), void *arg);

/* Closes the socket, at which the spawner kills this client's programs. No more hooks. Children that have not
 * been released must still be, before or after. NULL is allowed; the memory goes to the graveyard. */
void spawn_client_free(struct spawn_client *client);

/* The children that this client has not released, for SIGUSR2 and the tests. */
size_t spawn_client_children(const struct spawn_client *client);

/* Asks for a start; `hooks` must outlive the child. NULL when memory is short, entry or env too long or the
 * spawner gone; else `started` or `failed` follows. When there are no more pseudo-terminals the step is "open
 * a pseudo-terminal" and the error that of the kernel (ENOSPC, EMFILE, ...). */
struct spawn_child *spawn_start(struct spawn_client *client, const struct spawn_request *request,
	const struct spawn_hooks *hooks, void *arg);

/*
 * Sends a signal to the program's whole group; nothing when it has not been started (yet). On a terminal it
 * reaches every process of its session, whatever group (job) it is in, and HUP and TERM are followed by CONT,
 * since a job that is stopped hears nothing else but KILL.
 */
void spawn_signal(struct spawn_child *child, int signo);

/*
 * The session is done with it: what is left of the group is killed (on a terminal, of the session: all its
 * jobs), the leader reaped, no more hooks. Also
 * right before `started` (it is then killed as soon as it is there, its descriptors closed). Frees child.
 * Every child that spawn_start() returned is released exactly once, those that failed or exited too.
 */
void spawn_release(struct spawn_child *child);

#endif
