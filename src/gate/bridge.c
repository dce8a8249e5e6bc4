/*
 * bridge: what one side says, the other one gets; who is faster waits.
 *
 * Owns the back-pressure and the counters; the endpoints belong to the session. Runs on its loop's thread.
 */
#include "gate/bridge.h"

/*
 * What becomes of a byte that is read. From a visitor, framing adds no more than the frame's header took.
 * From a backend, a bad byte becomes three (U+FFFD), an empty line a header of two; compressed, where even
 * the smallest messages are, a bad byte and its newline are seven.
 */
static const size_t bridge_growth[] = { [BRIDGE_VISITOR] = 1, [BRIDGE_BACKEND] = 4 };

/* The marks. */
size_t bridge_allowance(int reader, size_t buffer, size_t used, bool *stopped)
{
	size_t room = used < buffer ? (buffer - used) / bridge_growth[reader] : 0;
	*stopped = room < buffer / ENDPOINT_LEAST || (*stopped && used >= buffer / ENDPOINT_LOW);
	return *stopped ? 0 : room;
}

/* Derives how fast a side may be read from what waits for the other one. */
static void bridge_update(struct bridge *bridge, int reader)
{
	struct bridge_side *from = &bridge->side[reader], *to = &bridge->side[!reader];

	if (from->closed)
		return;
	size_t used = to->closed ? 0 : to->endpoint->ops->queued(to->endpoint);
	from->endpoint->ops->allow(
		from->endpoint, bridge_allowance(reader, bridge->buffer, used, &from->stopped));
}

/* Which of the two a side is. */
static int bridge_index(const struct bridge_side *side)
{
	return (int)(side - side->bridge->side);
}

/* A piece from one side is one for the other. */
static int bridge_on_piece(void *arg, const struct piece *piece)
{
	struct bridge_side *from = arg, *to = &from->bridge->side[!bridge_index(from)];

	from->spoke = true;
	from->bytes += piece->len;
	from->messages += piece->last;
	return to->closed ? 0 : to->endpoint->ops->send(to->endpoint, piece);
}

/* All pieces of this turn are across. */
static void bridge_on_flush(void *arg)
{
	struct bridge_side *from = arg;
	int reader = bridge_index(from);
	struct bridge_side *to = &from->bridge->side[!reader];

	if (from->spoke) /* pings and pongs are no activity */
		from->bridge->active_at = loop_now(from->endpoint->loop);
	from->spoke = false;
	if (!to->closed)
		to->endpoint->ops->flush(to->endpoint);
	bridge_update(from->bridge, reader);
}

/* A side holds less than before: the other one may be read again. */
static void bridge_on_sent(void *arg)
{
	struct bridge_side *side = arg;
	bridge_update(side->bridge, !bridge_index(side));
}

/* A side will say no more: the other one is told, in the way that fits the end. */
static void bridge_on_eof(void *arg, const struct end *end)
{
	struct bridge_side *from = arg;
	int index = bridge_index(from);
	struct bridge_side *to = &from->bridge->side[!index];

	if (to->closed)
		return;
	if (index == BRIDGE_VISITOR && end->abrupt)
		to->endpoint->ops->abort(to->endpoint, end);
	else
		to->endpoint->ops->finish(to->endpoint, end);
}

/* A side is gone. */
static void bridge_on_closed(void *arg)
{
	struct bridge_side *side = arg;
	struct bridge *bridge = side->bridge;
	int index = bridge_index(side);

	side->closed = true;
	if (bridge->side[!index].closed)
		bridge->on_over(bridge->arg);
	else
		bridge_update(bridge, !index); /* what it says now goes nowhere, but must not be held up */
}

const struct endpoint_hooks bridge_hooks = {
	.on_piece = bridge_on_piece,
	.on_flush = bridge_on_flush,
	.on_sent = bridge_on_sent,
	.on_eof = bridge_on_eof,
	.on_closed = bridge_on_closed,
};

/* Nothing is joined yet. */
void bridge_init(struct bridge *bridge, size_t buffer, void (*on_over)(void *arg), void *arg)
{
	*bridge = (struct bridge){ .buffer = buffer, .on_over = on_over, .arg = arg };
	bridge->side[BRIDGE_VISITOR].bridge = bridge->side[BRIDGE_BACKEND].bridge = bridge;
}

/* Joins the two. */
void bridge_join(struct bridge *bridge, struct endpoint *visitor, struct endpoint *backend)
{
	struct endpoint *endpoints[2] = { [BRIDGE_VISITOR] = visitor, [BRIDGE_BACKEND] = backend };

	bridge->active_at = loop_now(visitor->loop);
	for (int i = 0; i < 2; i++) {
		bridge->side[i].endpoint = endpoints[i];
		endpoints[i]->hooks = &bridge_hooks;
		endpoints[i]->arg = &bridge->side[i];
	}
	bridge_update(bridge, BRIDGE_VISITOR);
	bridge_update(bridge, BRIDGE_BACKEND);
}

/* Tells the visitor; its answer, or its silence, does the rest. */
void bridge_end(struct bridge *bridge, const struct end *end)
{
	struct bridge_side *visitor = &bridge->side[BRIDGE_VISITOR];
	if (!visitor->closed)
		visitor->endpoint->ops->finish(visitor->endpoint, end);
}
