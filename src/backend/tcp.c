/*
 * tcp: a session's connection to a TCP or unix socket service.
 *
 * Owns the dial, then the channel, and the timer that bounds its end. An orderly end is a half-close each
 * way; after a visitor that broke off the service gets all that came whole, then a reset. Runs on its loop's
 * thread.
 */
#include "backend/tcp.h"

#include "backend/channel.h"
#include "net/dial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TCP_ABORT_STEP_MS = 20 };

enum tcp_state {
	TCP_NEW,
	TCP_DIALLING,
	TCP_OPEN,
	TCP_FINISHING, /* our side ends after what is queued; its output still comes */
	TCP_ABORTING,  /* a reset follows what is queued */
	TCP_GONE
};

struct tcp {
	struct endpoint endpoint; /* first: an endpoint is its tcp */
	const struct route_conf *route;
	struct resolver *resolver;
	struct dial *dial;
	struct channel channel;
	enum tcp_state state;
	bool eof; /* on_eof was called */
	int write_error;
	uint64_t give_up_at; /* FINISHING, once our side is shut; ABORTING */
	uint64_t taken;	     /* ABORTING: what it had taken when we looked last */
	struct event timer;
	char how[64];
};

/* Reports the end of its output, once. */
static void tcp_report_eof(struct tcp *tcp, uint16_t code, const char *reason)
{
	if (tcp->eof)
		return;
	tcp->eof = true;
	struct end end = { .code = code, .abrupt = code != 1000 };
	snprintf(end.reason, sizeof(end.reason), "%s", code == 1000 ? "" : reason);
	snprintf(tcp->how, sizeof(tcp->how), "%s", reason);
	tcp->endpoint.hooks->on_eof(tcp->endpoint.arg, &end);
}

/* Nothing is left of it. */
static void tcp_gone(struct tcp *tcp)
{
	if (tcp->state == TCP_GONE)
		return;
	tcp->state = TCP_GONE;
	event_del(&tcp->timer);
	channel_done(&tcp->channel);
	tcp_report_eof(tcp, 1000, "left");
	tcp->endpoint.hooks->on_closed(tcp->endpoint.arg);
}

/* Is our side closed, or past closing? */
static bool tcp_is_shut(const struct tcp *tcp)
{
	return tcp->channel.stream.write >= STREAM_WRITE_SHUT;
}

/* How long to wait for the next sign of life while finishing. */
static void tcp_arm(struct tcp *tcp)
{
	uint64_t now = loop_now(tcp->endpoint.loop), step = tcp->route->send_timeout_ms;

	if (tcp_is_shut(tcp)) {
		if (tcp->give_up_at == 0)
			tcp->give_up_at = now + TCP_DRAIN_MAX_MS;
		uint64_t left = tcp->give_up_at > now ? tcp->give_up_at - now : 0;
		step = left < TCP_DRAIN_MS ? left : TCP_DRAIN_MS;
	}
	loop_timer_set(&tcp->timer, step);
}

/* Its side has ended; with ours also ended, the connection has. */
static void tcp_on_eof(struct endpoint *endpoint, int error)
{
	struct tcp *tcp = (struct tcp *)endpoint;

	/* A reset that a write met first looks like an orderly end to the read after it; EPIPE only says that
	 * we wrote too late. */
	if (error == 0 && tcp->write_error != EPIPE)
		error = tcp->write_error;
	tcp_report_eof(tcp, error == 0 ? 1000 : 1011, error == 0 ? "closed" : strerror(error));
	if (error != 0 || tcp_is_shut(tcp))
		tcp_gone(tcp);
}

/* Its output can't be understood. */
static void tcp_on_bad(struct endpoint *endpoint, const char *reason)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	log_warning(endpoint->loop->log, "backend broke its framing",
		LOG_STR("backend", tcp->route->connect_uri), LOG_STR("reason", reason));
	tcp_report_eof(tcp, 1011, reason);
	stream_reset(&tcp->channel.stream);
	tcp_gone(tcp);
}

/* It takes no more input; whether that is an orderly end, reading tells. */
static void tcp_on_broken(struct endpoint *endpoint, int error)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	tcp->write_error = error;
	if (error == ENOMEM) {
		tcp_report_eof(tcp, 1011, "out of memory");
		stream_reset(&tcp->channel.stream);
		tcp_gone(tcp);
	} else if (tcp->eof)
		tcp_gone(tcp);
}

/* Its input went on while we wait for its end. */
static void tcp_on_input(struct endpoint *endpoint)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	if (tcp->state != TCP_FINISHING)
		return;
	if (tcp->eof && tcp_is_shut(tcp))
		tcp_gone(tcp);
	else
		tcp_arm(tcp);
}

/* So did its output; before it has taken all of its input that is no progress. */
static void tcp_on_output(struct endpoint *endpoint)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	if (tcp->state == TCP_FINISHING && tcp_is_shut(tcp))
		tcp_arm(tcp);
}

static const struct channel_hooks tcp_channel_hooks = {
	.on_eof = tcp_on_eof,
	.on_bad = tcp_on_bad,
	.on_broken = tcp_on_broken,
	.on_output = tcp_on_output,
	.on_input = tcp_on_input,
};

/* Finishing: it was silent for too long. What waits for a slow visitor is not silence. */
static void tcp_check_finish(struct tcp *tcp)
{
	bool held_up = tcp->channel.stream.read == STREAM_READ_PAUSED;
	bool over = tcp->give_up_at != 0 && loop_now(tcp->endpoint.loop) >= tcp->give_up_at;

	if (tcp->eof && tcp_is_shut(tcp))
		tcp_gone(tcp);
	else if (held_up && !over)
		tcp_arm(tcp);
	else {
		/* What it was sent and never took must not look complete. */
		if (!tcp_is_shut(tcp))
			stream_reset(&tcp->channel.stream);
		tcp_gone(tcp);
	}
}

/* Aborting: the reset must not overtake what was received before, as long as the service goes on taking it.
 */
static void tcp_check_abort(struct tcp *tcp)
{
	uint64_t now = loop_now(tcp->endpoint.loop), taken = stream_taken(&tcp->channel.stream);

	if (taken > tcp->taken)
		tcp->give_up_at = now + TCP_ABORT_MS;
	tcp->taken = taken;
	if (stream_unsent(&tcp->channel.stream) > 0 && now < tcp->give_up_at) {
		loop_timer_set(&tcp->timer, TCP_ABORT_STEP_MS);
		return;
	}
	stream_reset(&tcp->channel.stream);
	tcp_gone(tcp);
}

/* The timer of whatever end is under way. */
static void tcp_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tcp *tcp = arg;
	(void)fd;
	(void)what;
	if (tcp->state == TCP_FINISHING)
		tcp_check_finish(tcp);
	else if (tcp->state == TCP_ABORTING)
		tcp_check_abort(tcp);
}

/* Connected, or not. */
static void tcp_on_dialled(void *arg, int fd, int error, const char *reason)
{
	struct tcp *tcp = arg;
	tcp->dial = NULL;
	if (fd < 0) {
		tcp->state = TCP_GONE;
		tcp->endpoint.hooks->on_failed(tcp->endpoint.arg, error, reason);
		return;
	}
	tcp->state = TCP_OPEN;
	channel_open(&tcp->channel, fd, fd);
	tcp->endpoint.hooks->on_ready(tcp->endpoint.arg);
}

/* Begins to connect. */
static int tcp_start(struct endpoint *endpoint)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	tcp->dial = dial_start(endpoint->loop, tcp->resolver, &tcp->route->connect,
		tcp->route->connect_timeout_ms, tcp_on_dialled, tcp);
	if (tcp->dial == NULL)
		return -ENOMEM;
	tcp->state = TCP_DIALLING;
	return 0;
}

/* The visitor's piece for it. */
static void tcp_send(struct endpoint *endpoint, const struct piece *piece)
{
	channel_send(&((struct tcp *)endpoint)->channel, piece);
}

/* The turn's pieces leave. */
static void tcp_flush(struct endpoint *endpoint)
{
	channel_flush(&((struct tcp *)endpoint)->channel);
}

/* What it has not taken. */
static size_t tcp_queued(const struct endpoint *endpoint)
{
	return channel_queued(&((const struct tcp *)endpoint)->channel);
}

/* How much is read from it at once. */
static void tcp_allow(struct endpoint *endpoint, size_t max)
{
	channel_allow(&((struct tcp *)endpoint)->channel, max);
}

/* Half-closes after what is queued, then waits for its own end. */
static void tcp_finish(struct endpoint *endpoint, const struct end *end)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	(void)end;
	if (tcp->state != TCP_OPEN)
		return;
	tcp->state = TCP_FINISHING;
	stream_finish(&tcp->channel.stream);
	if (tcp->eof && tcp_is_shut(tcp))
		event_active(&tcp->timer, EV_TIMEOUT, 1);
	else
		tcp_arm(tcp);
}

/* The visitor broke off: no orderly end for the service. */
static void tcp_abort(struct endpoint *endpoint, const struct end *end)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	(void)end;
	if (tcp->state == TCP_ABORTING || tcp->state == TCP_GONE)
		return;
	if (tcp->dial != NULL)
		dial_cancel(tcp->dial);
	tcp->dial = NULL;
	tcp->state = TCP_ABORTING;
	tcp->give_up_at = loop_now(endpoint->loop) + TCP_ABORT_MS;
	channel_flush(&tcp->channel);
	channel_mute(&tcp->channel);
	event_active(&tcp->timer, EV_TIMEOUT, 1);
}

/* Frees it after the turn. */
static void tcp_free(struct grave *grave)
{
	struct tcp *tcp = (struct tcp *)grave;
	arena_free(&tcp->endpoint.loop->arena, tcp);
}

/* Takes it down in any state. */
static void tcp_destroy(struct endpoint *endpoint)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	if (tcp->dial != NULL)
		dial_cancel(tcp->dial);
	channel_done(&tcp->channel);
	loop_event_done(endpoint->loop, &tcp->timer);
	loop_bury(endpoint->loop, &endpoint->grave, tcp_free);
}

/* For the log. */
static void tcp_describe(const struct endpoint *endpoint, char who[static 128], char how[static 64])
{
	const struct tcp *tcp = (const struct tcp *)endpoint;
	snprintf(who, 128, "%s", tcp->route->connect_uri);
	snprintf(how, 64, "%s", tcp->how);
}

static const struct endpoint_ops tcp_ops = {
	.name = "tcp",
	.start = tcp_start,
	.send = tcp_send,
	.flush = tcp_flush,
	.queued = tcp_queued,
	.allow = tcp_allow,
	.finish = tcp_finish,
	.abort = tcp_abort,
	.destroy = tcp_destroy,
	.describe = tcp_describe,
};

/* A connection that has not begun. */
struct endpoint *tcp_new(struct loop *loop, struct resolver *resolver, const struct route_conf *route,
	enum framing framing, const struct endpoint_hooks *hooks, void *arg)
{
	struct tcp *tcp = arena_alloc(&loop->arena, sizeof(*tcp));
	if (tcp == NULL)
		return NULL;
	tcp->endpoint = (struct endpoint){ .ops = &tcp_ops, .hooks = hooks, .arg = arg, .loop = loop };
	tcp->route = route;
	tcp->resolver = resolver;
	loop_event_init(loop, &tcp->timer, -1, 0, tcp_on_timer, tcp);
	channel_init(&tcp->channel, &tcp->endpoint, framing, &tcp_channel_hooks);
	return &tcp->endpoint;
}
