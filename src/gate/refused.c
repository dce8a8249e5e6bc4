/*
 * refused: the end of a session that never began.
 *
 * Owns the words of it and its timer; takes the place of bridge and backend, which there are not. Runs on its
 * loop's thread.
 */
#include "gate/refused.h"

#include <event2/event_struct.h>
#include <stdio.h>

struct refused {
	struct grave grave; /* first: a grave is its refused */
	struct loop *loop;
	struct refusal why;
	const struct refused_hooks *hooks;
	void *arg;
	struct event timer;
	bool told;
};

/* It is due, or its time is up. */
static void refused_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct refused *refused = arg;
	(void)fd;
	(void)what;

	if (!refused->told)
		refused->hooks->on_due(refused->arg);
	else if (!loop_timer_reprieve(&refused->timer))
		refused->hooks->on_over(refused->arg);
}

/* Waits for the next turn: who is refused from within a request is answered when that has been dealt with. */
struct refused *refused_new(
	struct loop *loop, const struct refusal *refusal, const struct refused_hooks *hooks, void *arg)
{
	struct refused *refused = arena_alloc(&loop->arena, sizeof(*refused));
	if (refused == NULL)
		return NULL;
	refused->loop = loop;
	refused->why = *refusal;
	refused->hooks = hooks;
	refused->arg = arg;
	loop_event_init(loop, &refused->timer, -1, 0, refused_on_timer, refused);
	loop_timer_set(&refused->timer, 0);
	return refused;
}

/* Nobody is there to get it. */
static int refused_on_piece(void *arg, const struct piece *piece)
{
	(void)arg;
	(void)piece;
	return 0;
}

/* Nothing follows from it. */
static void refused_on_nothing(void *arg)
{
	(void)arg;
}

/* The close handshake is the visitor's own business. */
static void refused_on_eof(void *arg, const struct end *end)
{
	(void)arg;
	(void)end;
}

/* The client is gone. */
static void refused_on_closed(void *arg)
{
	struct refused *refused = arg;
	refused->hooks->on_over(refused->arg);
}

static const struct endpoint_hooks refused_visitor_hooks = {
	.on_piece = refused_on_piece,
	.on_flush = refused_on_nothing,
	.on_sent = refused_on_nothing,
	.on_eof = refused_on_eof,
	.on_closed = refused_on_closed,
};

/* Takes over the visitor's hooks. */
void refused_tell(struct refused *refused, struct endpoint *visitor)
{
	struct end end = { .code = refused->why.code };

	snprintf(end.reason, sizeof(end.reason), "%s", refused->why.sentence);
	visitor->hooks = &refused_visitor_hooks;
	visitor->arg = refused;
	refused->told = true;
	loop_timer_set(&refused->timer, REFUSED_MS);
	visitor->ops->allow(visitor, LOOP_SCRATCH);
	visitor->ops->finish(visitor, &end);
}

/* For the log. */
const struct refusal *refused_why(const struct refused *refused)
{
	return &refused->why;
}

/* Frees it after the turn. */
static void refused_on_buried(struct grave *grave)
{
	struct refused *refused = (struct refused *)grave;
	arena_free(&refused->loop->arena, refused);
}

/* Lets go of it. */
void refused_free(struct refused *refused)
{
	if (refused == NULL)
		return;
	loop_event_done(refused->loop, &refused->timer);
	loop_bury(refused->loop, &refused->grave, refused_on_buried);
}
