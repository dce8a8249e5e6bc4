/*
 * session_open: from an accepted connection to its first request, by way of what comes before TLS or HTTP.
 *
 * Runs on its worker's thread.
 */
#include "gate/session_internal.h"

#include "base/must.h"
#include "gate/herald.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct exchange_hooks session_exchange_hooks = {
	.on_upgrade = session_on_upgrade,
	.on_gone = session_on_gone,
	.on_run = session_on_run,
	.on_run_over = session_on_run_over,
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

/* Begins to read. Returns 0 or -ENOMEM. */
static int session_open_stream(struct session *session, const struct entrance *entrance, int fd, bool tls)
{
	struct gate *gate = session->gate;

	must(!tls || gate->tls != NULL);
	if (tls)
		return stream_open_tls(&session->stream, gate->loop, fd, gate->tls[entrance->listen], NULL,
			&session_stream_hooks, session);
	stream_open(&session->stream, gate->loop, fd, fd, &session_stream_hooks, session);
	return 0;
}

/* Begins with HTTP, after so much of its time. Returns 0, or -ENOMEM: then the session is dead. */
static int session_begin_http(
	struct session *session, const struct entrance *entrance, int fd, bool tls, uint64_t spent_ms)
{
	struct gate *gate = session->gate;

	session->exchange = arena_alloc(&gate->loop->arena, sizeof(*session->exchange));
	if (session->exchange == NULL || session_open_stream(session, entrance, fd, tls) != 0) {
		close(fd);
		session_die(session);
		return -ENOMEM;
	}
	session_set_state(session, SESSION_REQUEST);
	exchange_open(session->exchange, gate, session->config, entrance, &session->client, &session->stream,
		spent_ms, &session_exchange_hooks, session);
	if (gate->ending)
		session_drain(session);
	return 0;
}

/* It is known who the client is, and whether it speaks TLS; or there is none. */
static void session_on_preface(void *arg, const struct preface_end *end)
{
	struct session *session = arg;

	preface_free(session->preface);
	session->preface = NULL;
	session->client = end->client;
	if (end->verdict == PREFACE_FAILED) {
		session_die(session);
		return;
	}
	if (end->told != NULL) /* without memory for it, services are told less */
		session->told = herald_keep(&session->gate->loop->arena, end->told);
	if (session_begin_http(session, end->entrance, end->fd, end->tls, end->spent_ms) == 0 &&
		end->verdict == PREFACE_BARRED)
		exchange_refuse(session->exchange, 400, "its address is none of trusted_proxies",
			"This port is only for proxies that say who their clients are (proxy_protocol), and "
			"your address is none of theirs (trusted_proxies).\n",
			0);
}

/* Waits for what comes before TLS or HTTP. */
static void session_begin_preface(struct session *session, const struct listen_conf *listen,
	const struct entrance *entrance, int fd, const struct addr *peer)
{
	session->preface =
		preface_new(session->gate->loop, listen, entrance, fd, peer, session_on_preface, session);
	if (session->preface == NULL) {
		close(fd);
		session_die(session);
	} else if (session->gate->ending) {
		session_drain(session);
	}
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

/* Begins with whatever comes first here. */
void session_open(struct gate *gate, const struct entrance *entrance, int fd, const struct addr *peer)
{
	struct session *session = arena_alloc(&gate->loop->arena, sizeof(*session));
	const struct listen_conf *listen;
	char text[ADDR_TEXT];

	if (session == NULL) {
		close(fd);
		limits_give_pending(gate->limits);
		return;
	}
	session->gate = gate;
	session->config = config_ref(gate->config);
	session->client = (struct client){ .addr = *peer, .secure = entrance->tls };
	session->stream.rfd = session->stream.out.fd = -1;
	session_link(session);
	log_trace(gate->loop->log, "connection", LOG_STR("peer", addr_format(peer, text)),
		LOG_STR("listen", entrance->name));
	listen = &session->config->listens[entrance->listen];
	if (preface_is_due(listen, entrance))
		session_begin_preface(session, listen, entrance, fd, peer);
	else
		session_begin_http(session, entrance, fd, entrance->tls, 0);
}
