/*
 * session_start: from an opening handshake to a session whose two sides are joined, or to a client that is
 * told why that can't be.
 *
 * Starts the backend and then answers the handshake, in this order. Runs on its worker's thread.
 */
#include "gate/session_internal.h"

#include "backend/process.h"
#include "backend/tcp.h"
#include "backend/terminal.h"
#include "gate/environ.h"
#include "gate/herald.h"
#include "gate/visitor.h"
#include "ws/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SESSION_WEIGHT = 2 * 1024, /* bytes, about, of one held */
	/* Of a terminal's output, in the kernel: what waits there still comes after a Ctrl-C. */
	SESSION_UNSENT_MAX = 64 * 1024
};

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
	session_watch(session);
	if (session->record.route->terminal)
		outlet_limit_unsent(&session->stream.out, SESSION_UNSENT_MAX);
	record_log_begin(&session->record, loop->log, loop_now(loop), session->backend);
	bridge_init(&session->bridge, session->record.route->buffer, session_on_over, session);
	bridge_join(&session->bridge, session->visitor, session->backend);
	session_pass(session);
	if (session->gate->draining)
		session_end(session, "going away", "the gateway stops");
}

/* Takes the upgrade back: the client gets an HTTP status. */
static void session_refuse_by_status(struct session *session, const struct refusal *refusal)
{
	if (session->state == SESSION_CONNECT)
		session_set_state(session, SESSION_REQUEST);
	exchange_refuse_by(session->exchange, refusal);
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

/* There is no backend: the whole reason is for the log, the client gets a sentence for the errno. */
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

/* The program has been released: its place is another one's. */
static void session_on_released(void *arg)
{
	admission_end_program(&((struct session *)arg)->admission);
}

/* Its client's TLS with us, NULL when there is none: a proxy in front has its own, and a certificate that is
 * not the client's. */
static const SSL *session_client_ssl(const struct session *session)
{
	return session->client.proxied ? NULL : stream_ssl(&session->stream);
}

/* What the service is told of the client before all else. Returns its length. */
static size_t session_make_herald(
	const struct session *session, struct text host, uint8_t out[static PROXYHDR_MAX])
{
	struct herald herald = {
		.client = &session->client.addr,
		.told = session->told,
		.fd = session->stream.rfd,
		.id = session->record.id,
		.host = host,
		.secure = session->client.secure,
		.ssl = session_client_ssl(session),
	};
	return herald_make(&herald, session->record.route->send_proxy, out);
}

/* The connection to the service of the route, not yet begun, for a client that asked for `host`. */
static struct endpoint *session_new_service(struct session *session, struct text host)
{
	const struct route_conf *route = session->record.route;
	const struct gate *gate = session->gate;
	uint8_t header[PROXYHDR_MAX];
	size_t index = (size_t)(route - session->config->routes);
	struct tcp_params params = {
		.route = route,
		.upstreams = session->target != NULL ? &session->target->list : &route->connect,
		.rotation = gate->rotation,
		.route_index = index,
		.resolver = gate->resolver,
		.tls = gate->service_tls == NULL ? NULL : gate->service_tls[index],
		.rules = session->record.rules,
		.proxy = header,
		.proxy_len = session_make_herald(session, host, header),
		.client = session->client.addr,
	};
	return tcp_new(gate->loop, &params, &session_backend_hooks, session);
}

/* The client's own first message has started the program, in vain: it is told as one whose handshake waits.
 */
static void session_on_unstarted(void *arg, int error, const char *reason, struct end *out)
{
	const struct session *session = arg;
	struct refusal refusal;

	admission_no_backend(&refusal, session->record.route, error, reason);
	out->code = refusal.code;
	snprintf(out->reason, sizeof(out->reason), "%s", refusal.sentence);
}

/* The program of the route, not yet begun. entry and env are only needed for the start. */
static struct endpoint *session_new_program(struct session *session, struct text entry, struct text env)
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
		.on_released = session_on_released,
		.arg = session,
	};
	if (!session->record.tty)
		return process_new(gate->loop, &params, &session_backend_hooks, session);
	struct terminal_params terminal = { .process = params, .on_unstarted = session_on_unstarted };
	return terminal_new(gate->loop, &terminal, &session_backend_hooks, session);
}

/* Starts the backend, NULL when there was no memory for it. Returns 0 or -errno. */
static int session_launch(struct session *session, struct endpoint *backend)
{
	session->backend = backend;
	return backend == NULL ? -ENOMEM : backend->ops->start(backend);
}

/* The client's name is there, or will not be. */
static void session_on_named(void *arg, struct text entry, struct text env, const char *name)
{
	struct session *session = arg;
	access_session_name(session->record.access, name);
	int error = session_launch(session, session_new_program(session, entry, env));

	namer_free(session->namer);
	session->namer = NULL;
	if (error != 0)
		session_refuse_for_want(session, -error);
}

/* Starts the program, once its client has a name where that is asked for. Returns 0 or -errno. */
static int session_start_program(struct session *session, const struct exchange_upgrade *upgrade)
{
	const struct record *record = &session->record;
	struct text entry = upgrade->match->entry;
	size_t len;
	char *env;

	int error = environ_build(session->exchange, upgrade, record->id, record->protocol, &env, &len);
	if (error != 0)
		return error;
	struct text variables = { .ptr = env, .len = len };
	if (session->config->reverse_lookup && namer_may_name(&session->client.addr)) {
		session->namer = namer_new(session->gate->loop, session->gate->resolver,
			&session->client.addr, entry, variables, session_on_named, session);
		return session->namer == NULL ? -ENOMEM : 0;
	}
	error = session_launch(session, session_new_program(session, entry, variables));
	free(env);
	return error;
}

/* Starts what the route leads to. Returns 0 or -errno. */
static int session_start_backend(struct session *session, const struct exchange_upgrade *upgrade)
{
	if (session->record.route->is_service)
		return session_launch(session, session_new_service(session, upgrade->request->host));
	return session_start_program(session, upgrade);
}

/* Makes what the handshake is answered with. Returns 0 or -errno. */
static int session_begin(struct session *session, const struct exchange_upgrade *upgrade)
{
	session->record.route = upgrade->match->route;
	session->record.peer = &session->client.addr;
	int error = record_begin(&session->record, &session->gate->entropy, loop_now(session->gate->loop),
		upgrade, session_client_ssl(session));
	if (error == 0)
		upgrade_accept(upgrade->upgrade->key, session->accept);
	return error;
}

/* On a route with targets: picks the service. Returns whether there is one; else the client has been told. */
static bool session_choose_target(struct session *session, const struct exchange_upgrade *upgrade)
{
	struct gate *gate = session->gate;
	struct refusal refusal;
	int error = ENOMEM, verdict = TARGETS_UNREAD;

	session->target = arena_alloc(&gate->loop->arena, sizeof(*session->target));
	if (session->target != NULL)
		verdict = targets_choose(gate->targets, gate->loop->log, loop_now(gate->loop),
			session->target, upgrade->request, upgrade->match, &error);
	if (verdict == 0)
		return true;
	if (verdict != TARGETS_UNREAD) {
		exchange_refuse(session->exchange, targets_status(verdict), targets_reason(verdict),
			targets_advice(verdict), 0);
		return false;
	}
	admission_no_targets(&refusal, session->record.route, error);
	session_refuse(session, &refusal);
	return false;
}

/* A correct opening handshake: starts what it is for, if there is room. */
void session_on_upgrade(void *arg, const struct exchange_upgrade *upgrade)
{
	struct session *session = arg;
	struct gate *gate = session->gate;
	struct refusal refusal;

	int error = session_begin(session, upgrade);
	if (error == 0 && session->record.route->targets != NULL && !session_choose_target(session, upgrade))
		return;
	if (error == 0 &&
		!admission_enter(&session->admission, gate->limits, session->config, session->record.route,
			&session->client.addr, loop_now(gate->loop), &refusal)) {
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
