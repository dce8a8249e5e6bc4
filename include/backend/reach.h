/*
 * reach: from a list of services to a connection with one of them.
 *
 * Picks one (backend/rotation.h), dials it, and tells it who the client is (PROXY header), all of it within
 * connect_timeout; when that fails, or what the owner does next (TLS), the next one is tried, until none is
 * left. On its loop's thread.
 */
#ifndef BACKEND_REACH_H
#define BACKEND_REACH_H

#include "net/loop.h"

#include <stdbool.h>

struct reach;
struct rotation_service;
struct tcp_params;
struct upstream;

/*
 * Called later, never from within reach_start(): a connected descriptor, which is the receiver's, and then
 * reach_settle() or reach_go_on() is due; or fd -1 with an errno and the whole story in words (at most 255
 * bytes): none of them could be reached. The errno is ETIMEDOUT when all of them kept silent, else that of
 * the last one that did not.
 */
typedef void (*reach_fn)(void *arg, int fd, int error, const char *reason);

/* The lists of params, and the rotation, must outlive it; what else it needs is copied. NULL when memory is
 * short. */
struct reach *reach_new(struct loop *loop, const struct tcp_params *params, reach_fn fn, void *arg);

/* Begins with the first one. Returns 0 or -ENOMEM. */
int reach_start(struct reach *reach);

/* The service that is being tried, or was the last; the list's first one before the start. */
const struct upstream *reach_at(const struct reach *reach);

/* Of the connection that fn was given: what is left of connect_timeout, milliseconds. What was reached by
 * a reprieve has LOOP_REPRIEVE_MS. */
unsigned reach_left_ms(const struct reach *reach);

/* That connection is of no use, and closed by now: an errno, and why. fn is called again, maybe from within.
 */
void reach_go_on(struct reach *reach, int error, const char *reason);

/* That connection is what was wanted. Returns where the session is counted until it is over
 * (rotation_leave()), or NULL. Then only reach_free() is left. */
struct rotation_service *reach_settle(struct reach *reach);

/* Gives up, if it is not settled; fn is not called any more. NULL is allowed. */
void reach_free(struct reach *reach);

#endif
