/*
 * session: the life of one connection.
 *
 * Owns the stream and what works on it in turn: preface, exchange, then visitor, backend and bridge; how it
 * comes from the one to the others is in session_open.c and session_start.c. Its state changes in one place.
 * It is freed through the graveyard when all of that is gone. Runs on its worker's thread.
 */
#include "gate/session.h"

#include "base/must.h"
#include "gate/lifespan.h"
#include "gate/session_internal.h"
#include "gate/visitor.h"
#include "ws/message.h"

#include <malloc.h>
#include <stdio.h>

/* After less there is not enough to be worth looking for. */
enum {
	SESSION_TRIM_MIN = 1024,       /* held */
	SESSION_TRIM_DROPPED = 1 << 25 /* bytes that sessions had queued when they left */
};

/* Which state may follow which. */
static const unsigned session_may_follow[SESSION_STATES] = {
	[SESSION_OPEN] = 1u << SESSION_REQUEST | 1u << SESSION_DEAD,
	[SESSION_REQUEST] = 1u << SESSION_RUN | 1u << SESSION_CONNECT | 1u << SESSION_DEAD,
	[SESSION_RUN] = 1u << SESSION_REQUEST | 1u << SESSION_DEAD,
	[SESSION_CONNECT] =
		1u << SESSION_REQUEST | 1u << SESSION_REFUSED | 1u << SESSION_BRIDGED | 1u << SESSION_DEAD,
	[SESSION_REFUSED] = 1u << SESSION_DEAD,
	[SESSION_BRIDGED] = 1u << SESSION_CLOSING | 1u << SESSION_DEAD,
	[SESSION_CLOSING] = 1u << SESSION_DEAD,
};

/* Is the connection one that has no backend (yet), and no program? Its place was taken before it was
 * accepted. */
static bool session_is_pending(enum session_state state)
{
	return state <= SESSION_REFUSED && state != SESSION_RUN;
}

/* Gives its place back, or takes one again. Returns false when that is one too many. */
static bool session_count_pending(const struct session *session, enum session_state next)
{
	bool was = session_is_pending(session->state), is = session_is_pending(next);

	if (was && !is)
		limits_give_pending(session->gate->limits);
	return was || !is ||
	       limits_retake_pending(session->gate->limits, session->config->gateway.max_pending);
}

/* Is it one with both sides? */
static bool session_is_upgraded(enum session_state state)
{
	return state == SESSION_BRIDGED || state == SESSION_CLOSING;
}

/* The one place where the state changes, and the counts that follow from it. */
bool session_set_state(struct session *session, enum session_state state)
{
	must(session_may_follow[session->state] & 1u << state);
	bool room = session_count_pending(session, state);
	if (session_is_upgraded(session->state) && !session_is_upgraded(state))
		limits_serve(session->gate->limits);
	session->gate->n_upgraded += session_is_upgraded(state);
	session->gate->n_upgraded -= session_is_upgraded(session->state);
	session->state = state;
	return room;
}

/* When most of many sessions have left, or some with much that nobody took: malloc itself gives back the end
 * of a heap, but no holes in it. */
static void session_trim(struct gate *gate)
{
	bool left = gate->n_held_max >= SESSION_TRIM_MIN && gate->n_held < gate->n_held_max / 2;

	if (!left && gate->loop->n_dropped < SESSION_TRIM_DROPPED)
		return;
	malloc_trim(0);
	gate->n_held_max = gate->n_held;
	gate->loop->n_dropped = 0;
}

/* Says how much it holds from now on. */
void session_weigh(struct session *session, size_t weight)
{
	struct gate *gate = session->gate;

	gate->n_held += weight - session->weight;
	session->weight = weight;
	if (gate->n_held > gate->n_held_max)
		gate->n_held_max = gate->n_held;
}

/* Frees it after the turn. */
static void session_free(struct grave *grave)
{
	struct session *session = (struct session *)grave;
	struct gate *gate = session->gate;
	struct arena *arena = &gate->loop->arena;
	arena_free(arena, session->exchange);
	arena_free(arena, session->told);
	arena_free(arena, session->target);
	record_done(&session->record);
	config_unref(session->config);
	gate->n_held -= session->weight;
	arena_free(arena, session);
	session_trim(gate);
}

/* Drops the backend, and gives back the places that it and the session have. */
void session_leave(struct session *session)
{
	if (session->backend != NULL)
		session->backend->ops->destroy(session->backend);
	session->backend = NULL;
	admission_leave(&session->admission);
}

/* Its times, and the route's limits for them. */
static struct lifespan session_lifespan(const struct session *session)
{
	const struct route_conf *route = session->record.route;

	return (struct lifespan){
		.idle_ms = route->idle_timeout_ms,
		.lifetime_ms = route->max_lifetime_ms,
		.began_at = session->record.began_at,
		.active_at = session->bridge.active_at,
	};
}

/* Looks no more whether its time is up. */
static void session_unwatch(struct session *session)
{
	if (!session_is_upgraded(session->state))
		return;
	struct lifespan span = session_lifespan(session);
	if (lifespan_is_limited(&span))
		loop_event_done(session->gate->loop, &session->clock);
}

/* Takes everything down, in any state. */
void session_die(struct session *session)
{
	struct gate *gate = session->gate;

	if (session->visitor != NULL)
		session->visitor->ops->destroy(session->visitor);
	session_unwatch(session);
	session_set_state(session, SESSION_DEAD);
	session_leave(session);
	preface_free(session->preface);
	namer_free(session->namer);
	refused_free(session->refused);
	if (session->exchange != NULL)
		exchange_done(session->exchange);
	stream_close(&session->stream);

	*session->link = session->next;
	if (session->next != NULL)
		session->next->link = session->link;
	loop_bury(gate->loop, &session->grave, session_free);
	if (--gate->n_sessions == 0 && gate->ending)
		gate->on_empty(gate->arg);
}

/* The one line of a session. Who reads it finds its place free. */
static void session_log(struct session *session, const char *reason)
{
	struct loop *loop = session->gate->loop;

	admission_leave(&session->admission);
	record_log_end(&session->record, loop->log, loop_now(loop), &session->bridge, session->backend,
		session->visitor, reason);
}

/* Both sides are gone, or the only one that there was. */
void session_on_over(void *arg)
{
	struct session *session = arg;
	session_log(session, "");
	session_die(session);
}

/* Tells the visitor why it ends; the rest follows from its answer. */
void session_end(struct session *session, const char *reason, const char *why)
{
	struct end end = { .code = CLOSE_GOING_AWAY };
	if (session->state != SESSION_BRIDGED)
		return;
	snprintf(end.reason, sizeof(end.reason), "%s", reason);
	session_set_state(session, SESSION_CLOSING);
	visitor_blame(session->visitor, why);
	bridge_end(&session->bridge, &end);
}

/* Its time is up: the visitor is told, and has send_timeout to take that and all that waits before it. */
static void session_expire(struct session *session, const char *why)
{
	session->overdue = why;
	loop_timer_set(&session->clock, session->record.route->send_timeout_ms);
	session_end(session, why, why); /* it may be over within */
}

/* Was there anything in either direction lately, and may it go on? Once its time is up no byte that the
 * visitor takes puts its end off: one that reads slowly enough would stay for ever. */
static void session_on_clock(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;
	struct lifespan span = session_lifespan(session);
	uint64_t again;
	(void)fd;
	(void)what;

	if (session->overdue != NULL) {
		if (loop_timer_reprieve(&session->clock))
			return;
		visitor_cut(session->visitor, session->overdue);
		return;
	}
	if (visitor_code_sent(session->visitor) != 0)
		span.idle_ms = 0; /* whoever reads the rest of a session that has ended is not idle */
	if (!lifespan_is_limited(&span))
		return;
	const char *why = lifespan_check(&span, loop_now(session->gate->loop), &again);
	if (why != NULL && loop_timer_reprieve(&session->clock))
		return;
	if (why != NULL)
		session_expire(session, why);
	else
		loop_timer_set(&session->clock, again);
}

/* Begins to look, where there are limits. */
void session_watch(struct session *session)
{
	struct lifespan span = session_lifespan(session);

	if (!lifespan_is_limited(&span))
		return;
	loop_event_init(session->gate->loop, &session->clock, -1, 0, session_on_clock, session);
	loop_timer_set(&session->clock, 0);
}

/* HTTP has ended without an upgrade; a backend that was being reached has had its visitor. */
void session_on_gone(void *arg)
{
	struct session *session = arg;
	if (session->state == SESSION_CONNECT)
		session_log(session, "left before the backend was there");
	session_die(session);
}

/* The program counts (max_processes): many that stream keep no handshake out. */
void session_on_run(void *arg)
{
	session_set_state(arg, SESSION_RUN);
}

/* The connection counts again. */
bool session_on_run_over(void *arg)
{
	return session_set_state(arg, SESSION_REQUEST);
}

/* Asks one session to end. */
void session_drain(struct session *session)
{
	if (session->state == SESSION_OPEN)
		preface_drain(session->preface);
	else if (session->state == SESSION_REQUEST || session->state == SESSION_RUN)
		exchange_drain(session->exchange);
	else if (session->state != SESSION_CONNECT) /* who is about to be let in is told then */
		session_end(session, "going away", "the gateway stops");
}

/* Asks those that have no session yet, and may never have: a connection that is kept alive, for one. */
void session_drain_plain(struct gate *gate)
{
	for (struct session *session = gate->sessions, *next; session != NULL; session = next) {
		next = session->next;
		if (session->state <= SESSION_RUN)
			session_drain(session);
	}
}

/* Asks all of them. One that dies of it is freed after the turn, so its `next` is still there. */
void session_drain_all(struct gate *gate)
{
	for (struct session *session = gate->sessions, *next; session != NULL; session = next) {
		next = session->next;
		session_drain(session);
	}
}

/* Ends all of them at once. */
void session_cut_all(struct gate *gate)
{
	while (gate->sessions != NULL) {
		struct session *session = gate->sessions;
		if (session->state >= SESSION_CONNECT)
			session_log(session, "cut");
		session_die(session);
	}
}
