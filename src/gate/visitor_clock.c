/*
 * visitor_clock: a visitor's one timer: is the client still there, does it take what it is sent, and does it
 * end when it should.
 *
 * What is seen is judged in gate/pulse.c. Runs on its loop's thread.
 */
#include "gate/visitor_internal.h"

#include <errno.h>

/* What of it the kernel need not be asked for, which is all that pulse_next() wants. */
static struct pulse_sight visitor_glance(const struct visitor *visitor)
{
	const struct stream *stream = visitor->stream;
	return (struct pulse_sight){
		.now = loop_now(visitor->endpoint.loop),
		.queued = stream_has_queue(stream),
		.paused = stream_is_paused(stream) || intake_waits(&visitor->intake),
	};
}

/* What the pulse is taken from. */
struct pulse_sight visitor_look(const struct visitor *visitor)
{
	struct pulse_sight sight = visitor_glance(visitor);
	sight.taken = stream_taken(visitor->stream);
	sight.unsent = stream_unsent(visitor->stream) > 0;
	return sight;
}

/* The route's limits; a client that has closed is not pinged. */
static struct pulse_limits visitor_limits(const struct visitor *visitor)
{
	const struct route_conf *route = visitor->route;
	return (struct pulse_limits){
		.ping_interval = visitor->state == VISITOR_OPEN ? route->ping_interval_ms : 0,
		.ping_timeout = route->ping_timeout_ms,
		.send_timeout = route->send_timeout_ms,
	};
}

/* While the session is open: the next time to look at the pulse, or whether a client that is not read is
 * there: of that one no event tells. */
void visitor_arm(struct visitor *visitor)
{
	struct pulse_sight sight = visitor_glance(visitor);
	struct pulse_limits limits = visitor_limits(visitor);
	uint64_t ms = pulse_next(&visitor->pulse, &limits, &sight);

	visitor->peeks = stream_is_paused(visitor->stream);
	if (visitor->peeks && ms > VISITOR_PEEK_MS)
		ms = VISITOR_PEEK_MS;
	if (ms != UINT64_MAX)
		loop_timer_set(&visitor->timer, ms);
	else
		loop_event_stop(&visitor->timer);
}

/* When the first byte has to wait, wherever that came to pass, the clock of send_timeout starts. */
void visitor_watch(struct visitor *visitor)
{
	bool open = visitor->state == VISITOR_OPEN || visitor->state == VISITOR_CLOSE_RECEIVED;

	if (visitor->watched || !open || !stream_has_queue(visitor->stream))
		return;
	visitor->watched = true;
	struct pulse_sight sight = visitor_look(visitor);
	pulse_on_queue(&visitor->pulse, &sight);
	visitor_arm(visitor);
}

/* A timer that is set once stays when it is read again: who pauses often costs one for each look. */
void visitor_watch_pause(struct visitor *visitor)
{
	bool open = visitor->state == VISITOR_OPEN || visitor->state == VISITOR_CLOSE_RECEIVED;

	if (open && !visitor->peeks && stream_is_paused(visitor->stream))
		visitor_arm(visitor);
}

/* Sends a ping. */
static void visitor_send_ping(struct visitor *visitor, const struct pulse_sight *sight)
{
	pulse_on_ping(&visitor->pulse, sight);
	framer_send_control(&visitor->framer, FRAME_PING, NULL, 0);
	stream_flush(visitor->stream);
}

/* Resets its connection. */
static void visitor_reset(struct visitor *visitor, const char *how)
{
	visitor_note(visitor, how);
	stream_reset(visitor->stream);
	visitor_gone(visitor);
}

/* Who has taken everything has a time of its own, that nothing puts off, and may have its close frame unread
 * yet: a reset would take that away. */
void visitor_cut(struct endpoint *endpoint, const char *how)
{
	struct visitor *visitor = (struct visitor *)endpoint;

	if (visitor->state != VISITOR_GONE && stream_unsent(visitor->stream) > 0)
		visitor_reset(visitor, how);
}

/* An open session: is the client still there, does it still read? */
static void visitor_check_life(struct visitor *visitor)
{
	struct pulse_sight sight = visitor_look(visitor);
	struct pulse_limits limits = visitor_limits(visitor);

	if (sight.paused && stream_has_failed(visitor->stream)) {
		stream_break(visitor->stream, ECONNRESET);
		return;
	}
	switch (pulse_check(&visitor->pulse, &limits, &sight)) {
	case PULSE_PING_TIMEOUT:
		if (!loop_timer_reprieve(&visitor->timer))
			visitor_reset(visitor, "ping timeout");
		return;
	case PULSE_SEND_TIMEOUT:
		if (!loop_timer_reprieve(&visitor->timer))
			visitor_reset(visitor, "send timeout");
		return;
	case PULSE_PING:
		visitor_send_ping(visitor, &sight);
		break;
	case PULSE_OK:
		break;
	}
	visitor_arm(visitor);
}

/* Its time is up. */
static void visitor_give_up(struct visitor *visitor)
{
	if (loop_timer_reprieve(&visitor->timer))
		return;
	if (visitor->state == VISITOR_LINGER)
		visitor_gone(visitor);
	else
		visitor_reset(visitor, "close timeout");
}

/*
 * A client that is to end. As long as it takes bytes, and for send_timeout after the last one, what waits for
 * it is not given up, unless the session's own clock has run out. When it has them all, our close frame too,
 * its time begins, and what it sends does not lengthen that.
 */
static void visitor_check_end(struct visitor *visitor)
{
	struct pulse_sight sight = visitor_look(visitor);

	pulse_moved(&visitor->pulse, &sight);
	if (visitor->state == VISITOR_LINGER && stream_is_over(visitor->stream)) {
		visitor_gone(visitor);
	} else if (sight.unsent) {
		visitor->deadline = 0;
		if (sight.now - visitor->pulse.moved_at >= visitor->route->send_timeout_ms)
			visitor_give_up(visitor);
		else
			loop_timer_set(&visitor->timer, VISITOR_LOOK_MS);
	} else if (visitor->deadline == 0) {
		visitor->deadline =
			sight.now + (visitor->state == VISITOR_LINGER ? VISITOR_LINGER_MS : VISITOR_CLOSE_MS);
		loop_timer_set(&visitor->timer, visitor->deadline - sight.now);
	} else if (sight.now < visitor->deadline) {
		loop_timer_set(&visitor->timer, visitor->deadline - sight.now);
	} else {
		visitor_give_up(visitor);
	}
}

/* A client that nothing reaches: as long as the backend takes what it had sent, that is delivered. */
static void visitor_check_lost(struct visitor *visitor)
{
	uint64_t quiet = loop_now(visitor->endpoint.loop) - visitor->pulse.heard_at;

	if (quiet < VISITOR_CLOSE_MS)
		loop_timer_set(&visitor->timer, VISITOR_CLOSE_MS - quiet);
	else if (!loop_timer_reprieve(&visitor->timer))
		visitor_gone(visitor);
}

/* The one timer. */
void visitor_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct visitor *visitor = arg;
	(void)fd;
	(void)what;

	if (visitor->state == VISITOR_OPEN || visitor->state == VISITOR_CLOSE_RECEIVED)
		visitor_check_life(visitor);
	else if (visitor->state == VISITOR_LOST)
		visitor_check_lost(visitor);
	else
		visitor_check_end(visitor);
}
