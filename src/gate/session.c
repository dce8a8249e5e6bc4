/*
 * session: the life of one connection.
 *
 * Owns the stream and what works on it in turn: the exchange, then visitor, backend and bridge. Its state
 * changes in one place. It is freed through the graveyard when all of that is gone. Runs on its worker's
 * thread.
 */
#include "gate/session.h"

#include "backend/process.h"
#include "backend/tcp.h"
#include "base/must.h"
#include "gate/admission.h"
#include "gate/bridge.h"
#include "gate/environ.h"
#include "gate/exchange.h"
#include "gate/record.h"
#include "gate/refused.h"
#include "gate/visitor.h"
#include "ws/message.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum session_state {
	SESSION_OPEN,	 /* accepted */
	SESSION_REQUEST, /* HTTP */
	SESSION_CONNECT, /* the backend is being started, or its want is about to be told */
	SESSION_REFUSED, /* the handshake was answered to say why there is no backend */
	SESSION_BRIDGED,
	SESSION_CLOSING, /* we have told the visitor that it ends */
	SESSION_DEAD,
	SESSION_STATES
};

enum {
	SESSION_TRIM_MIN = 1024,  /* held; after less there is not enough to be worth looking for */
	SESSION_WEIGHT = 2 * 1024 /* bytes, about, of one held */
};

struct session {
	struct grave grave; /* first: a grave is its session */
	struct gate *gate;
	struct session *next, **link; /* in gate->sessions */
	enum session_state state;
	const struct config *config;
	struct addr peer;
	struct stream stream;
	struct exchange *exchange; /* until it is bridged */
	size_t weight;		   /* its part of gate->n_held */

	/* From CONNECT on. */
	struct record record;
	char accept[UPGRADE_ACCEPT_SIZE];
	struct admission admission;
	struct refused *refused; /* when it is refused by a close frame */
	struct endpoint *backend, *visitor;
	struct bridge bridge;
	struct event idle; /* only with an idle_timeout */
};

/* Which state may follow which. */
static const unsigned session_may_follow[SESSION_STATES] = {
	[SESSION_OPEN] = 1u << SESSION_REQUEST,
	[SESSION_REQUEST] = 1u << SESSION_CONNECT | 1u << SESSION_DEAD,
	[SESSION_CONNECT] =
		1u << SESSION_REQUEST | 1u << SESSION_REFUSED | 1u << SESSION_BRIDGED | 1u << SESSION_DEAD,
	[SESSION_REFUSED] = 1u << SESSION_DEAD,
	[SESSION_BRIDGED] = 1u << SESSION_CLOSING | 1u << SESSION_DEAD,
	[SESSION_CLOSING] = 1u << SESSION_DEAD,
};

/* Is the connection one that has no backend (yet)? Its place was taken before it was accepted. */
static bool session_is_pending(enum session_state state)
{
	return state <= SESSION_REFUSED;
}

/* Is it one with both sides? */
static bool session_is_upgraded(enum session_state state)
{
	return state == SESSION_BRIDGED || state == SESSION_CLOSING;
}

/* The one place where the state changes, and the counts that follow from it. */
static void session_set_state(struct session *session, enum session_state state)
{
	must(session_may_follow[session->state] & 1u << state);
	if (session_is_pending(session->state) && !session_is_pending(state))
		limits_give_pending(session->gate->limits);
	session->gate->n_upgraded += session_is_upgraded(state);
	session->gate->n_upgraded -= session_is_upgraded(session->state);
	session->state = state;
}

/* When most of many sessions have left: malloc itself gives back the end of a heap, but no holes in it. */
static void session_trim(struct gate *gate)
{
	if (gate->n_held_max < SESSION_TRIM_MIN || gate->n_held >= gate->n_held_max / 2)
		return;
	malloc_trim(0);
	gate->n_held_max = gate->n_held;
}

/* Says how much it holds from now on. */
static void session_weigh(struct session *session, size_t weight)
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
	record_done(&session->record);
	config_unref(session->config);
	gate->n_held -= session->weight;
	arena_free(arena, session);
	session_trim(gate);
}

/* Drops the backend, and gives back the places that it and the session have. */
static void session_leave(struct session *session)
{
	if (session->backend != NULL)
		session->backend->ops->destroy(session->backend);
	session->backend = NULL;
	admission_leave(&session->admission);
}

/* Takes everything down, in any state. */
static void session_die(struct session *session)
{
	struct gate *gate = session->gate;

	if (session->visitor != NULL)
		session->visitor->ops->destroy(session->visitor);
	if (session_is_upgraded(session->state) && session->record.route->idle_timeout_ms > 0)
		loop_event_done(gate->loop, &session->idle);
	session_set_state(session, SESSION_DEAD);
	session_leave(session);
	refused_free(session->refused);
	if (session->exchange != NULL)
		exchange_done(session->exchange);
	stream_close(&session->stream);

	*session->link = session->next;
	if (session->next != NULL)
		session->next->link = session->link;
	loop_bury(gate->loop, &session->grave, session_free);
	if (--gate->n_sessions == 0 && gate->draining)
		gate->on_empty(gate->arg);
}

/* The one line of a session. */
static void session_log(const struct session *session, const char *reason)
{
	struct loop *loop = session->gate->loop;
	record_log_end(&session->record, loop->log, loop_now(loop), &session->bridge, session->backend,
		session->visitor, reason);
}

/* Both sides are gone, or the only one that there was. */
static void session_on_over(void *arg)
{
	struct session *session = arg;
	session_log(session, "");
	session_die(session);
}

/* Tells the visitor why it ends; the rest follows from its answer. */
static void session_end(struct session *session, uint16_t code, const char *reason)
{
	struct end end = { .code = code };
	if (session->state != SESSION_BRIDGED)
		return;
	snprintf(end.reason, sizeof(end.reason), "%s", reason);
	session_set_state(session, SESSION_CLOSING);
	bridge_end(&session->bridge, &end);
}

/* Was there anything in either direction lately? */
static void session_on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;
	uint64_t quiet = loop_now(session->gate->loop) - session->bridge.active_at;
	uint64_t limit = session->record.route->idle_timeout_ms;
	(void)fd;
	(void)what;

	if (quiet < limit)
		loop_timer_set(&session->idle, limit - quiet);
	else
		session_end(session, CLOSE_GOING_AWAY, "idle");
}

/* The backend is gone: a program has been released. */
static void session_on_backend_closed(void *arg)
{
	admission_end_program(&((struct session *)arg)->admission);
}

/* Answers the handshake. Returns 0 or -ENOMEM. */
static int session_accept(struct session *session)
{
	const struct route_conf *route = session->record.route;
	const struct permessage *agreed = &session->record.permessage;
	char extensions[PERMESSAGE_TEXT];
	struct reply_switch reply = { .accept = session->accept,
		.protocol = session->record.protocol,
		.extensions = agreed->on ? permessage_format(agreed, extensions) : NULL };

	session->visitor = visitor_new(
		session->gate->loop, &session->stream, route, record_max_message(&session->record), agreed);
	if (session->visitor == NULL)
		return -ENOMEM;
	session_weigh(session, 1 + visitor_may_hold(agreed) / SESSION_WEIGHT);
	exchange_accept(session->exchange, &reply, route);
	return 0;
}

/* HTTP is over. What the visitor sent behind its request are the first frames. */
static void session_pass(struct session *session)
{
	size_t len;
	char *rest = exchange_take_rest(session->exchange, &len);

	exchange_done(session->exchange);
	arena_free(&session->gate->loop->arena, session->exchange);
	session->exchange = NULL;
	if (len > 0)
		visitor_feed(session->visitor, (uint8_t *)rest, len);
	free(rest);
}

/* Joins the two sides. */
static void session_bridge(struct session *session)
{
	struct loop *loop = session->gate->loop;

	session_set_state(session, SESSION_BRIDGED);
	if (session->record.route->idle_timeout_ms > 0) {
		loop_event_init(loop, &session->idle, -1, 0, session_on_idle, session);
		loop_timer_set(&session->idle, session->record.route->idle_timeout_ms);
	}
	record_log_begin(&session->record, loop->log, loop_now(loop), session->backend);
	bridge_init(&session->bridge, session->record.route->buffer, session_on_over, session);
	session->bridge.on_backend_closed = session_on_backend_closed;
	bridge_join(&session->bridge, session->visitor, session->backend);
	session_pass(session);
	if (session->gate->draining)
		session_end(session, CLOSE_GOING_AWAY, "going away");
}

/* Takes the upgrade back: the client gets an HTTP status. */
static void session_refuse_by_status(struct session *session, const struct refusal *refusal)
{
	char advice[sizeof(refusal->sentence) + 1];

	snprintf(advice, sizeof(advice), "%s\n", refusal->sentence);
	if (session->state == SESSION_CONNECT)
		session_set_state(session, SESSION_REQUEST);
	exchange_refuse(session->exchange, refusal->status, refusal->reason, advice, refusal->later);
}

/* The handshake is answered to say why nothing follows. */
static void session_on_refused_due(void *arg)
{
	struct session *session = arg;
	struct refusal refusal = *refused_why(session->refused);

	if (session_accept(session) != 0) {
		refused_free(session->refused);
		session->refused = NULL;
		session->record.refusal = NULL;
		session_refuse_by_status(session, &refusal);
		return;
	}
	session_set_state(session, SESSION_REFUSED);
	refused_tell(session->refused, session->visitor);
	session_pass(session);
}

static const struct refused_hooks session_refused_hooks = {
	.on_due = session_on_refused_due,
	.on_over = session_on_over,
};

/* It can't start, or not go on: the client is told in the way of the route, if its handshake can be answered
 * at all. */
static void session_refuse(struct session *session, const struct refusal *refusal)
{
	struct loop *loop = session->gate->loop;

	session_leave(session);
	if (session->record.route->refuse_as == REFUSE_AS_CLOSE && session->accept[0] != '\0')
		session->refused = refused_new(loop, refusal, &session_refused_hooks, session);
	if (session->refused == NULL) {
		session_refuse_by_status(session, refusal);
		return;
	}
	session->record.refusal = refused_why(session->refused)->reason;
	if (session->state != SESSION_CONNECT)
		session_set_state(session, SESSION_CONNECT);
}

/* There are not enough resources. */
static void session_refuse_for_want(struct session *session, int error)
{
	struct refusal refusal;
	admission_no_resources(&refusal, error);
	session_refuse(session, &refusal);
}

/* The backend is there: now the handshake is answered. */
static void session_on_ready(void *arg)
{
	struct session *session = arg;

	if (session_accept(session) == 0)
		session_bridge(session);
	else
		session_refuse_for_want(session, ENOMEM);
}

/* There is no backend: the whole reason is for the log, the client gets the errno's text. */
static void session_on_failed(void *arg, int error, const char *reason)
{
	struct session *session = arg;
	struct refusal refusal;

	admission_no_backend(&refusal, session->record.route, error, reason);
	session_refuse(session, &refusal);
}

/* Before the bridge there is nothing to hear from a backend but this. */
static const struct endpoint_hooks session_backend_hooks = {
	.on_ready = session_on_ready,
	.on_failed = session_on_failed,
};

/* The backend of the route, not yet begun. entry and env are only needed for the start. */
static struct endpoint *session_new_backend(struct session *session, struct text entry, struct text env)
{
	const struct route_conf *route = session->record.route;
	struct gate *gate = session->gate;
	struct process_params params = {
		.spawner = gate->spawner,
		.route = route,
		.generation = gate->generation,
		.route_index = (uint32_t)(route - session->config->routes),
		.program = session->record.program != NULL ? session->record.program : route->exec_path,
		.entry = entry,
		.rules = session->record.rules,
		.env = env,
		.session = session->record.id,
	};
	if (route->has_connect)
		return tcp_new(
			gate->loop, gate->resolver, route, &params.rules, &session_backend_hooks, session);
	return process_new(gate->loop, &params, &session_backend_hooks, session);
}

/* Starts the backend. Returns 0 or -errno. */
static int session_start_backend(struct session *session, const struct exchange_upgrade *upgrade)
{
	const struct record *record = &session->record;
	char *env = NULL;
	size_t len = 0;
	int error = record->route->has_connect ? 0
					       : environ_build(session->exchange, upgrade, record->id,
							 record->protocol, &env, &len);
	if (error != 0)
		return error;
	session->backend =
		session_new_backend(session, upgrade->match->entry, (struct text){ .ptr = env, .len = len });
	error = session->backend == NULL ? -ENOMEM : session->backend->ops->start(session->backend);
	free(env);
	return error;
}

/* Makes what the handshake is answered with. Returns 0 or -errno. */
static int session_begin(struct session *session, const struct exchange_upgrade *upgrade)
{
	session->record.route = upgrade->match->route;
	session->record.peer = &session->peer;
	int error = record_begin(
		&session->record, loop_now(session->gate->loop), upgrade, stream_ssl(&session->stream));
	return error != 0 ? error : upgrade_accept(upgrade->upgrade->key, session->accept);
}

/* A correct opening handshake: starts what it is for, if there is room. */
static void session_on_upgrade(void *arg, const struct exchange_upgrade *upgrade)
{
	struct session *session = arg;
	struct gate *gate = session->gate;
	struct refusal refusal;

	int error = session_begin(session, upgrade);
	if (error == 0 && !admission_enter(&session->admission, gate->limits, session->config,
				  session->record.route, &session->peer, loop_now(gate->loop), &refusal)) {
		session_refuse(session, &refusal);
		return;
	}
	if (error == 0)
		error = session_start_backend(session, upgrade);
	if (error == 0)
		session_set_state(session, SESSION_CONNECT);
	else
		session_refuse_for_want(session, -error);
}

/* HTTP has ended without an upgrade; a backend that was being reached has had its visitor. */
static void session_on_gone(void *arg)
{
	struct session *session = arg;
	if (session->state == SESSION_CONNECT)
		session_log(session, "left before the backend was there");
	session_die(session);
}

static const struct exchange_hooks session_exchange_hooks = {
	.on_upgrade = session_on_upgrade,
	.on_gone = session_on_gone,
};

/* The stream has no owner but the exchange from the start; these are never called. */
static const struct stream_hooks session_stream_hooks = { 0 };

/* Writes a 503, or TLS's alert that something is wrong here (RFC 8446 6.2, internal_error). */
void session_turn_away(struct log *log, const struct entrance *entrance, int fd)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: "
				   "0\r\nConnection: close\r\n\r\n";
	static const char alert[] = "\x15\x03\x03\x00\x02\x02\x50";
	ssize_t n = entrance->tls ? write(fd, alert, sizeof(alert) - 1) : write(fd, busy, sizeof(busy) - 1);

	if (n < 0)
		log_debug(log, "visitor turned away without a word", LOG_STR("error", strerror(errno)));
}

/* Asks one session to end. */
static void session_drain(struct session *session)
{
	if (session->state == SESSION_REQUEST)
		exchange_drain(session->exchange);
	else if (session->state != SESSION_CONNECT) /* who is about to be let in is told then */
		session_end(session, CLOSE_GOING_AWAY, "going away");
}

/* Begins to read, with TLS where the listener has it. Returns 0 or -ENOMEM. */
static int session_open_stream(struct session *session, const struct entrance *entrance, int fd)
{
	struct gate *gate = session->gate;

	must(!entrance->tls || gate->tls != NULL);
	if (entrance->tls)
		return stream_open_tls(&session->stream, gate->loop, fd, gate->tls[entrance->listen],
			&session_stream_hooks, session);
	stream_open(&session->stream, gate->loop, fd, fd, &session_stream_hooks, session);
	return 0;
}

/* Puts it among the gate's. */
static void session_link(struct session *session)
{
	struct gate *gate = session->gate;

	session->next = gate->sessions;
	session->link = &gate->sessions;
	if (session->next != NULL)
		session->next->link = &session->next;
	gate->sessions = session;
	gate->n_sessions++;
	session_weigh(session, 1);
}

/* Begins with HTTP. */
void session_open(struct gate *gate, const struct entrance *entrance, int fd, const struct addr *peer)
{
	struct arena *arena = &gate->loop->arena;
	struct session *session = arena_alloc(arena, sizeof(*session));
	struct exchange *exchange = arena_alloc(arena, sizeof(*exchange));
	char text[ADDR_TEXT];

	if (session != NULL)
		session->gate = gate;
	if (session == NULL || exchange == NULL || session_open_stream(session, entrance, fd) != 0) {
		arena_free(arena, session);
		arena_free(arena, exchange);
		close(fd);
		limits_give_pending(gate->limits);
		return;
	}
	session->config = config_ref(gate->config);
	session->peer = *peer;
	session->exchange = exchange;
	session_link(session);
	log_trace(gate->loop->log, "connection", LOG_STR("peer", addr_format(peer, text)),
		LOG_STR("listen", entrance->name));
	session_set_state(session, SESSION_REQUEST);
	exchange_open(exchange, gate, session->config, entrance, &session->peer, &session->stream,
		&session_exchange_hooks, session);
	if (gate->draining)
		session_drain(session);
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
