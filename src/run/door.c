/*
 * door: what a listener asks before it accepts, and whom it turns away.
 *
 * Owns the listener, and a visitor's place until there is a visitor. Runs on its loop's thread; the places
 * are shared with all others.
 */
#include "run/door.h"

#include "gate/session.h"

/* Is there a place for one more connection that is not upgraded? */
static bool door_take_place(void *arg)
{
	const struct door *door = arg;
	return limits_take_pending(door->limits, door->max_pending);
}

/* Nobody was waiting. */
static void door_give_place(void *arg)
{
	const struct door *door = arg;
	limits_give_pending(door->limits);
}

/* A visitor. */
static void door_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct door *door = arg;
	door->on_visitor(door, fd, peer);
}

/* A visitor too many. */
static void door_on_shed(void *arg, int fd)
{
	const struct door *door = arg;
	session_turn_away(door->loop->log, door->entrance, fd);
}

static const struct listener_hooks door_listener_hooks = {
	.take_place = door_take_place,
	.give_place = door_give_place,
	.on_accept = door_on_accept,
	.on_shed = door_on_shed,
};

/* Begins to accept. */
int door_open(struct door *door, struct loop *loop, int fd)
{
	door->loop = loop;
	return listener_new(&door->listener, loop, fd, &door_listener_hooks, door);
}

/* Ends in one of two ways. */
void door_close(struct door *door, bool finish)
{
	if (finish)
		listener_finish(door->listener);
	else
		listener_free(door->listener);
	door->listener = NULL;
}
