/*
 * reach: one service after another, until one is there.
 *
 * Owns the dial, the copy of the PROXY header, and the story of what failed. Which one is next is
 * rotation.c's. Runs on its loop's thread.
 */
#include "backend/reach.h"

#include "backend/rotation.h"
#include "backend/tcp.h"
#include "base/must.h"
#include "base/shortage.h"
#include "net/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REACH_STORY = 256 };

_Static_assert(sizeof(bool) == 1, "walk.tried lies in bytes, behind a header of any length");

struct reach {
	struct grave grave; /* first: a grave is its reach */
	struct loop *loop;
	const struct route_conf *route;
	const struct upstream_list *upstreams;
	struct resolver *resolver;
	struct rotation_walk walk; /* its route is NULL where there is no rotation */
	struct rotation_service *counted;
	size_t at, n_tried; /* in upstreams */
	bool trying;
	struct dial *dial;
	uint64_t deadline;
	reach_fn fn;
	void *arg;
	int error; /* of those that failed, as reach_fn says */
	char story[REACH_STORY];
	size_t n_untold; /* that found no room there */
	size_t proxy_len;
	unsigned char bytes[]; /* the PROXY header, and behind it walk.tried */
};

/* What walk is to choose by, where there is something to choose. */
static void reach_init_walk(struct reach *reach, const struct tcp_params *params)
{
	if (params->upstreams != &params->route->connect)
		return;
	reach->walk = (struct rotation_walk){
		.route = rotation_of(params->rotation, params->route_index),
		.balance = params->route->balance,
		.health = params->route->health,
		.client = addr_visitor(&params->client),
		.tried = (bool *)(reach->bytes + params->proxy_len),
	};
}

/* One that has not begun. */
struct reach *reach_new(struct loop *loop, const struct tcp_params *params, reach_fn fn, void *arg)
{
	struct reach *reach = calloc(1, sizeof(*reach) + params->proxy_len + params->upstreams->n);

	if (reach == NULL)
		return NULL;
	reach->loop = loop;
	reach->route = params->route;
	reach->upstreams = params->upstreams;
	reach->resolver = params->resolver;
	reach->fn = fn;
	reach->arg = arg;
	reach->error = ETIMEDOUT;
	reach->proxy_len = params->proxy_len;
	if (params->proxy_len > 0)
		memcpy(reach->bytes, params->proxy, params->proxy_len);
	reach_init_walk(reach, params);
	return reach;
}

/* The one of the moment. */
const struct upstream *reach_at(const struct reach *reach)
{
	return &reach->upstreams->items[reach->at];
}

/* Chooses the next one. Returns whether there is one. */
static bool reach_choose(struct reach *reach)
{
	if (reach->walk.route == NULL) {
		if (reach->n_tried == reach->upstreams->n)
			return false;
		reach->at = reach->n_tried;
	} else {
		reach->counted = rotation_next(&reach->walk, loop_now(reach->loop));
		if (reach->counted == NULL)
			return false;
		reach->at = reach->walk.at;
	}
	reach->n_tried++;
	return true;
}

/* Adds one more failure to the story, or counts it when there is no room. */
static void reach_tell(struct reach *reach, const char *reason)
{
	size_t len = strlen(reach->story),
	       room = sizeof(reach->story) - len - sizeof(" (and 18446744073709551615 more)");

	if (len == 0)
		snprintf(reach->story, room, "%s", reason);
	else if (reach->n_untold == 0 && strlen(reason) + 2 < room)
		snprintf(reach->story + len, room, "; %s", reason);
	else
		reach->n_untold++;
}

/* The service is at fault: the others should know. */
static void reach_note_failure(struct reach *reach, const char *reason)
{
	reach->trying = false;
	if (reach->walk.route == NULL || !rotation_failed(&reach->walk, loop_now(reach->loop)))
		return;
	if (reach->upstreams->n == 1)
		log_warning(reach->loop->log, "service can't be reached",
			LOG_STR("route", reach->route->pattern), LOG_STR("backend", reach_at(reach)->uri),
			LOG_STR("reason", reason));
	else
		log_warning(reach->loop->log, "service can't be reached, others are tried first",
			LOG_STR("route", reach->route->pattern), LOG_STR("backend", reach_at(reach)->uri),
			LOG_MS("rests", ROTATION_REST_MS), LOG_STR("reason", reason));
}

/* Nobody is at fault, or we are. */
static void reach_abandon(struct reach *reach)
{
	if (reach->trying && reach->walk.route != NULL)
		rotation_abandon(&reach->walk, loop_now(reach->loop));
	reach->trying = false;
}

/* It is over, in vain. */
static void reach_fail(struct reach *reach)
{
	size_t len = strlen(reach->story);

	if (reach->n_untold > 0)
		snprintf(reach->story + len, sizeof(reach->story) - len, " (and %zu more)", reach->n_untold);
	reach->fn(reach->arg, -1, reach->error, reach->story);
}

/* Gives the client's name first. Returns 0 or an errno. */
static int reach_send_proxy(const struct reach *reach, int fd)
{
	ssize_t n = reach->proxy_len > 0 ? send(fd, reach->bytes, reach->proxy_len, MSG_NOSIGNAL) : 0;

	if (n < 0)
		return errno;
	return (size_t)n == reach->proxy_len ? 0 : EMSGSIZE;
}

/* Connected, or not. */
static void reach_on_dialled(void *arg, int fd, int error, const char *reason)
{
	struct reach *reach = arg;

	reach->dial = NULL;
	if (fd < 0) {
		reach_go_on(reach, error, reason);
		return;
	}
	error = reach_send_proxy(reach, fd);
	if (error == 0) {
		reach->fn(reach->arg, fd, 0, reason);
		return;
	}
	close(fd);
	reach_go_on(reach, error, "the PROXY header was not taken");
}

/* Tries the one that was chosen. Returns 0 or -ENOMEM. */
static int reach_try(struct reach *reach)
{
	unsigned timeout_ms = reach->route->connect_timeout_ms;

	reach->trying = true;
	reach->deadline = loop_now(reach->loop) + timeout_ms;
	reach->dial = dial_start(
		reach->loop, reach->resolver, &reach_at(reach)->name, timeout_ms, reach_on_dialled, reach);
	if (reach->dial != NULL)
		return 0;
	reach_abandon(reach);
	return -ENOMEM;
}

/* Begins. */
int reach_start(struct reach *reach)
{
	if (reach->walk.route != NULL)
		rotation_begin(&reach->walk);
	must(reach_choose(reach));
	return reach_try(reach);
}

/* Time that the one of the moment has got. */
unsigned reach_left_ms(const struct reach *reach)
{
	uint64_t now = loop_now(reach->loop);
	return reach->deadline > now ? (unsigned)(reach->deadline - now) : LOOP_REPRIEVE_MS;
}

/* The next one, or the end: of what we are short of, no other service has more; but ports of ours for it. */
void reach_go_on(struct reach *reach, int error, const char *reason)
{
	bool short_of_it = shortage_is(error), ours = short_of_it || error == EADDRNOTAVAIL;

	if (error != ETIMEDOUT)
		reach->error = error;
	log_debug(reach->loop->log, "service not reached", LOG_STR("route", reach->route->pattern),
		LOG_STR("backend", reach_at(reach)->uri), LOG_STR("reason", reason));
	reach_tell(reach, reason);
	if (ours)
		reach_abandon(reach);
	else
		reach_note_failure(reach, reason);
	if (short_of_it || !reach_choose(reach))
		reach_fail(reach);
	else if (reach_try(reach) != 0)
		reach_go_on(reach, ENOMEM, strerror(ENOMEM));
}

/* There it is. */
struct rotation_service *reach_settle(struct reach *reach)
{
	reach->trying = false;
	if (reach->walk.route != NULL && rotation_reached(&reach->walk))
		log_info(reach->loop->log, "service is back", LOG_STR("route", reach->route->pattern),
			LOG_STR("backend", reach_at(reach)->uri));
	return reach->counted;
}

/* Frees it after the turn. */
static void reach_bury(struct grave *grave)
{
	free(grave);
}

/* Ends it in any state. */
void reach_free(struct reach *reach)
{
	if (reach == NULL)
		return;
	if (reach->dial != NULL)
		dial_cancel(reach->dial);
	reach_abandon(reach);
	loop_bury(reach->loop, &reach->grave, reach_bury);
}
