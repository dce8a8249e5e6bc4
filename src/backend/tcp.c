/*
 * tcp: a session's connection to a TCP or unix socket service.
 *
 * Owns the way to it (reach; TLS is tcp_shake.c), then the channel, and the timer that bounds its end. An
 * orderly end is a half-close each way; after a visitor that broke off the service gets all that came whole,
 * then a reset. Runs on its loop's thread.
 */
#include "backend/tcp_internal.h"

#include "backend/reach.h"
#include "backend/rotation.h"
#include "base/must.h"

#include <errno.h>
#include <string.h>

/* Reports the end of its output, once. */
void tcp_report_eof(struct tcp *tcp, uint16_t code, const char *reason)
{
	if (tcp->eof)
		return;
	tcp->eof = true;
	struct end end = { .code = code, .abrupt = code != 1000 };
	text_copy(end.reason, sizeof(end.reason), text_of(code == 1000 ? "" : reason));
	text_copy(tcp->how, sizeof(tcp->how), text_of(reason));
	tcp->endpoint.hooks->on_eof(tcp->endpoint.arg, &end);
}

/* Will the service's own end be told by an event? Mostly it is there before it is worth a look. */
static bool tcp_hears_of_end(const struct tcp *tcp)
{
	return tcp->state == TCP_FINISHING && !stream_has_ended(&tcp->channel.stream);
}

/* The one place where the state changes. An end that is under way is looked at by the timer; when that can't
 * be set, now. */
void tcp_enter(struct tcp *tcp, enum tcp_state state)
{
	must(state > tcp->state || (state == TCP_DIALLING && tcp->state == TCP_SHAKING));
	tcp->state = state;
	tcp->moved_at = loop_now(tcp->endpoint.loop);
	if (state != TCP_FINISHING && state != TCP_ABORTING)
		loop_event_stop(&tcp->timer);
	else if (loop_timer_set(&tcp->timer, tcp_hears_of_end(tcp) ? TCP_LOOK_MS : 0) != 0)
		event_active(&tcp->timer, EV_TIMEOUT, 1);
}

/* Looks for no service any more. */
static void tcp_leave_reach(struct tcp *tcp)
{
	if (tcp->reach != NULL)
		tcp->upstream = reach_at(tcp->reach);
	reach_free(tcp->reach);
	tcp->reach = NULL;
}

/* The service has one session less, though the visitor may take a while yet. */
static void tcp_uncount(struct tcp *tcp)
{
	rotation_leave(tcp->counted);
	tcp->counted = NULL;
}

/* Closes its connection. A service that was not told an end, or not all that came before it, must not see one
 * in good order. */
static void tcp_close(struct tcp *tcp)
{
	if (tcp->state >= TCP_OPEN && tcp->channel.stream.write != STREAM_WRITE_SHUT)
		stream_reset(&tcp->channel.stream);
	channel_done(&tcp->channel);
}

/* Nothing is left of it. */
void tcp_gone(struct tcp *tcp)
{
	if (tcp->state == TCP_GONE)
		return;
	tcp_enter(tcp, TCP_GONE);
	tcp_close(tcp);
	tcp_uncount(tcp);
	tcp_report_eof(tcp, 1000, "left");
	tcp->endpoint.hooks->on_closed(tcp->endpoint.arg);
}

/* The same, and the service sees a reset: what it has is not the whole. */
void tcp_reset(struct tcp *tcp)
{
	stream_reset(&tcp->channel.stream);
	tcp_gone(tcp);
}

/* Has the service all that it was sent, and our end of TLS? That of TCP behind it, which the kernel counts as
 * a byte, it may not have yet. */
static bool tcp_has_all(const struct stream *stream)
{
	return stream->write == STREAM_WRITE_SHUT && stream_unsent(stream) <= 1;
}

/* Its side has ended; with ours also ended, the connection has. One that is to be reset may go on taking what
 * comes before that. */
static void tcp_on_eof(struct endpoint *endpoint, int error)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	const char *failure = stream_tls_failure(&tcp->channel.stream);

	/* A reset that a write met first looks like an orderly end to the read after it, unless TLS says that
	 * it is one; EPIPE only says that we wrote too late. */
	bool late = tcp->write_error == EPIPE ||
		    (tcp->write_error == ECONNRESET && stream_ssl(&tcp->channel.stream) != NULL);
	if (error == 0 && !late)
		error = tcp->write_error;
	/* Services that are told the end of TLS often just close; whoever told them has closed, too. */
	bool curt = error == EPROTO && tcp->state == TCP_FINISHING && tcp_has_all(&tcp->channel.stream);
	tcp_report_eof(tcp, error == 0 || curt ? 1000 : 1011,
		error == 0	     ? "closed"
		: failure[0] != '\0' ? failure
				     : strerror(error));
	bool dead = error != 0 && error != EPROTO;
	if (tcp->state == TCP_ABORTING ? dead : error != 0 || stream_is_shut(&tcp->channel.stream))
		tcp_gone(tcp);
}

/* Its output can't be understood. */
static void tcp_on_bad(struct endpoint *endpoint, const char *reason)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	log_warning(endpoint->loop->log, "backend broke its framing", LOG_STR("backend", tcp->upstream->uri),
		LOG_STR("reason", reason));
	tcp_report_eof(tcp, 1011, reason);
	tcp_reset(tcp);
}

/* It takes no more input; whether that is an orderly end, reading tells. */
static void tcp_on_broken(struct endpoint *endpoint, int error)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	tcp->write_error = error;
	if (tcp->eof)
		tcp_gone(tcp);
}

/* Its output went on; before it has taken all of its input that is no progress towards its end. */
static void tcp_on_output(struct endpoint *endpoint)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	if (tcp->drained)
		tcp->moved_at = loop_now(endpoint->loop);
}

static const struct channel_hooks tcp_channel_hooks = {
	.on_eof = tcp_on_eof,
	.on_bad = tcp_on_bad,
	.on_broken = tcp_on_broken,
	.on_output = tcp_on_output,
	.on_input = NULL, /* an end that is under way looks by itself */
};

/* The service is there. */
void tcp_opened(struct tcp *tcp)
{
	tcp->counted = reach_settle(tcp->reach);
	tcp_leave_reach(tcp);
	tcp_enter(tcp, TCP_OPEN);
	tcp_guard_later(tcp);
	tcp->endpoint.hooks->on_ready(tcp->endpoint.arg);
}

/* Plain bytes, of which a read is a message, cost next to nothing here, so that a flood of them is read on
 * for a while; what is cut into messages or compressed would keep the others of this thread waiting. */
static void tcp_open_plain(struct tcp *tcp, int fd)
{
	channel_open(&tcp->channel, fd, fd);
	if (tcp->channel.decoder.rules.framing == FRAMING_STREAM && !tcp->route->deflate)
		stream_read_on(&tcp->channel.stream);
	tcp_opened(tcp);
}

/* Connected, or none of them could be. */
static void tcp_on_reached(void *arg, int fd, int error, const char *reason)
{
	struct tcp *tcp = arg;

	if (fd < 0) {
		tcp_enter(tcp, TCP_GONE);
		tcp->endpoint.hooks->on_failed(tcp->endpoint.arg, error, reason);
	} else if (reach_at(tcp->reach)->tls) {
		tcp_shake(tcp, fd);
	} else {
		tcp_open_plain(tcp, fd);
	}
}

/* Begins to connect. */
static int tcp_start(struct endpoint *endpoint)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	int error = reach_start(tcp->reach);

	if (error == 0)
		tcp_enter(tcp, TCP_DIALLING);
	return error;
}

/* The visitor's piece for it. */
static int tcp_send(struct endpoint *endpoint, const struct piece *piece)
{
	return channel_send(&((struct tcp *)endpoint)->channel, piece);
}

/* The turn's pieces leave, or begin to wait. */
static void tcp_flush(struct endpoint *endpoint)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	channel_flush(&tcp->channel);
	tcp_watch(tcp);
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
	channel_leave(&tcp->channel);
	stream_finish(&tcp->channel.stream);
	tcp_enter(tcp, TCP_FINISHING);
}

/* The visitor broke off: no orderly end for the service. */
static void tcp_abort(struct endpoint *endpoint, const struct end *end)
{
	struct tcp *tcp = (struct tcp *)endpoint;
	(void)end;
	if (tcp->state == TCP_ABORTING || tcp->state == TCP_GONE)
		return;
	tcp_leave_reach(tcp);
	if (tcp->state == TCP_SHAKING)
		stream_close(&tcp->channel.stream);
	channel_flush(&tcp->channel);
	channel_mute(&tcp->channel);
	stream_doom(&tcp->channel.stream);
	tcp_enter(tcp, TCP_ABORTING);
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
	tcp_leave_reach(tcp);
	tcp_uncount(tcp);
	tcp_close(tcp);
	tls_unref(tcp->tls);
	loop_event_done(endpoint->loop, &tcp->timer);
	loop_bury(endpoint->loop, &endpoint->grave, tcp_free);
}

/* For the log. */
static void tcp_describe(const struct endpoint *endpoint, char who[static 128], char how[static 64])
{
	const struct tcp *tcp = (const struct tcp *)endpoint;
	text_copy(who, 128, text_of((tcp->reach != NULL ? reach_at(tcp->reach) : tcp->upstream)->uri));
	text_copy(how, 64, text_of(tcp->how));
}

static const struct endpoint_ops tcp_ops = {
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
struct endpoint *tcp_new(
	struct loop *loop, const struct tcp_params *params, const struct endpoint_hooks *hooks, void *arg)
{
	struct tcp *tcp = arena_alloc(&loop->arena, sizeof(*tcp));
	if (tcp == NULL)
		return NULL;
	tcp->reach = reach_new(loop, params, tcp_on_reached, tcp);
	if (tcp->reach == NULL) {
		arena_free(&loop->arena, tcp);
		return NULL;
	}
	tcp->endpoint = (struct endpoint){ .ops = &tcp_ops, .hooks = hooks, .arg = arg, .loop = loop };
	tcp->route = params->route;
	tcp->tls = tls_ref(params->tls);
	loop_event_init(loop, &tcp->timer, -1, 0, tcp_on_timer, tcp);
	channel_init(&tcp->channel, &tcp->endpoint, &params->rules, &tcp_channel_hooks);
	tcp->channel.eof_message = params->route->eof_message;
	return &tcp->endpoint;
}
