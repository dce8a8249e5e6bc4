/*
 * visitor: what a client's frames mean, and the close handshake; its times are in visitor_clock.c.
 *
 * Owns the intake (what comes) and the framer (what is sent); the stream is lent by the session. Knows
 * nothing of the backend. Runs on its loop's thread.
 */
#include "gate/visitor.h"

#include "base/must.h"
#include "gate/visitor_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The one place where the state changes, and with it what the timer is for. */
static void visitor_enter(struct visitor *visitor, enum visitor_state state)
{
	must(state > visitor->state &&
		!(state == VISITOR_CLOSE_SENT && visitor->state == VISITOR_CLOSE_RECEIVED));
	visitor->state = state;
	switch (state) {
	case VISITOR_OPEN:
	case VISITOR_CLOSE_RECEIVED:
		visitor_arm(visitor);
		return;
	case VISITOR_CLOSE_SENT:
	case VISITOR_LINGER:
		visitor->deadline = 0;
		loop_timer_set(&visitor->timer, 0);
		return;
	case VISITOR_LOST:
		loop_timer_set(&visitor->timer, VISITOR_CLOSE_MS);
		return;
	case VISITOR_GONE:
		event_del(&visitor->timer);
		return;
	}
}

/* Tells the bridge that the client says no more, once. */
static void visitor_report_eof(struct visitor *visitor, const struct end *end)
{
	if (visitor->eof_reported)
		return;
	visitor->eof_reported = true;
	visitor->endpoint.hooks->on_eof(visitor->endpoint.arg, end);
}

/* Keeps the first reason for the log. */
void visitor_note(struct visitor *visitor, const char *how)
{
	if (visitor->how[0] == '\0')
		snprintf(visitor->how, sizeof(visitor->how), "%.63s", how);
}

/* The end of a client that did not say goodbye. */
static void visitor_report_abrupt(struct visitor *visitor)
{
	struct end end = {
		.code = CLOSE_ABNORMAL, .abrupt = true, .in_message = visitor->intake.reader.in_message
	};
	visitor_report_eof(visitor, &end);
}

/* Nothing is left of it. */
void visitor_gone(struct visitor *visitor)
{
	if (visitor->state == VISITOR_GONE)
		return;
	visitor_enter(visitor, VISITOR_GONE);
	intake_close(&visitor->intake);
	stream_close(visitor->stream);
	visitor_report_abrupt(visitor);
	visitor->endpoint.hooks->on_closed(visitor->endpoint.arg);
}

/* Sends our close frame; nothing is sent after it. */
static void visitor_send_close(struct visitor *visitor, uint16_t code, const char *reason)
{
	framer_send_close(&visitor->framer, code, reason);
	visitor->code_sent = code;
}

/* All is said: ends our side of TCP and waits for the client's, so that no reset overtakes the close frame.
 */
static void visitor_linger(struct visitor *visitor)
{
	stream_finish(visitor->stream);
	intake_close(&visitor->intake);
	framer_done(&visitor->framer);
	stream_allow(visitor->stream, LOOP_SCRATCH);
	visitor_enter(visitor, VISITOR_LINGER);
}

/* The client broke a rule: says which, and listens no more (RFC 6455 7.1.7). */
static void visitor_fail(struct visitor *visitor, uint16_t code, const char *reason)
{
	visitor_note(visitor, reason);
	if (visitor->state == VISITOR_OPEN)
		visitor_send_close(visitor, code, reason);
	visitor_linger(visitor);
	visitor_report_abrupt(visitor);
}

/* The client said what the backend must not be told, or can't: with CLOSE_POLICY the message is not
 * delivered, so that nobody has half of it. Returns whether to go on reading. */
static bool visitor_refuse(struct visitor *visitor, uint16_t code)
{
	if (code == CLOSE_POLICY)
		visitor->intake.reader.in_message = false;
	visitor_fail(visitor, code, code == CLOSE_POLICY ? "delimiter in a message" : "not base64");
	return false;
}

/* A close frame from the client. */
static void visitor_on_close(struct visitor *visitor, const struct message_event *event)
{
	struct end end = { .code = event->code };

	visitor->code_received = event->code;
	snprintf(end.reason, sizeof(end.reason), "%.*s", TEXT_ARG(event->reason));
	if (visitor->state == VISITOR_OPEN)
		visitor_enter(visitor, VISITOR_CLOSE_RECEIVED);
	else
		visitor_linger(visitor);
	visitor_report_eof(visitor, &end);
}

/* Sends a pong, and remembers behind how much it is. */
static void visitor_send_pong(struct visitor *visitor, const uint8_t *data, size_t len)
{
	framer_send_control(&visitor->framer, FRAME_PONG, data, len);
	pongs_on_pong(&visitor->pongs, stream_written(visitor->stream) + stream_queued(visitor->stream));
}

/* A ping: answered unless too many answers wait already. */
static void visitor_on_ping(struct visitor *visitor, const uint8_t *data, size_t len)
{
	const struct stream *stream = visitor->stream;

	if (visitor->state == VISITOR_OPEN &&
		pongs_on_ping(&visitor->pongs, stream_written(stream), !stream_has_queue(stream), data, len))
		visitor_send_pong(visitor, data, len);
}

/* The last ping of a flood is answered when there is room. */
static void visitor_send_late_pong(struct visitor *visitor)
{
	const struct stream *stream = visitor->stream;

	if (visitor->state != VISITOR_OPEN ||
		!pongs_take(&visitor->pongs, stream_written(stream), !stream_has_queue(stream)))
		return;
	visitor_send_pong(visitor, visitor->pongs.data, visitor->pongs.len);
	stream_flush(visitor->stream);
}

/* May what the client sends still mean something? */
static bool visitor_listens(const struct visitor *visitor)
{
	return visitor->state == VISITOR_OPEN || visitor->state == VISITOR_CLOSE_SENT ||
	       visitor->state == VISITOR_LOST;
}

/* One event of the intake. Returns whether to go on reading. */
static bool visitor_on_event(void *arg, const struct message_event *event)
{
	struct visitor *visitor = arg;
	struct piece piece = { .data = event->data,
		.len = event->len,
		.text = event->text,
		.first = event->first,
		.last = event->last };
	int code;

	if (!visitor_listens(visitor)) /* it waited too long */
		return false;
	switch (event->kind) {
	case MESSAGE_DATA:
		code = visitor->endpoint.hooks->on_piece(visitor->endpoint.arg, &piece);
		return code != 0 ? visitor_refuse(visitor, (uint16_t)code) : visitor_listens(visitor);
	case MESSAGE_PING:
		visitor_on_ping(visitor, event->data, event->len);
		return true;
	case MESSAGE_PONG:
		return true;
	case MESSAGE_CLOSE:
		visitor_on_close(visitor, event);
		return false;
	case MESSAGE_ERROR: {
		char reason[124];
		snprintf(reason, sizeof(reason), "%.*s", TEXT_ARG(event->reason));
		visitor_fail(visitor, event->code, reason);
		return false;
	}
	case MESSAGE_NEED_MORE:
		break;
	}
	must(false);
	return false;
}

/* What came takes effect, our answers to it too. */
static void visitor_on_flush(void *arg)
{
	struct visitor *visitor = arg;
	bool pinged = visitor->pulse.ping_at != 0;

	pulse_on_frame(&visitor->pulse, loop_now(visitor->endpoint.loop));
	visitor->endpoint.hooks->on_flush(visitor->endpoint.arg);
	stream_flush(visitor->stream);
	visitor_watch(visitor);
	if (pinged && visitor->state == VISITOR_OPEN)
		visitor_arm(visitor); /* the timer is set to the ping's own time */
}

/* Bytes of the client. */
static void visitor_on_data(void *arg, uint8_t *data, size_t len)
{
	struct visitor *visitor = arg;

	if (!visitor_listens(visitor))
		return;
	intake_feed(&visitor->intake, data, len);
}

/* Queued bytes went out. */
static void visitor_on_sent(void *arg)
{
	struct visitor *visitor = arg;

	visitor->watched = visitor->watched && stream_has_queue(visitor->stream);
	visitor_send_late_pong(visitor);
	if (visitor->state == VISITOR_LINGER && stream_is_over(visitor->stream))
		visitor_gone(visitor);
	else
		visitor->endpoint.hooks->on_sent(visitor->endpoint.arg);
}

/* How a client ended that did not say goodbye. */
static void visitor_note_eof(struct visitor *visitor, int error)
{
	const char *failure = stream_tls_failure(visitor->stream);
	char how[sizeof(visitor->how)];

	snprintf(how, sizeof(how), "TLS: %.58s", failure);
	visitor_note(visitor, failure[0] != '\0' ? how : error != 0 ? strerror(error) : "vanished");
}

/* TCP ended. After the close handshake that is the last step, before it the client has vanished; what waits
 * may still be read. */
static void visitor_on_eof(void *arg, int error)
{
	struct visitor *visitor = arg;

	if (visitor_listens(visitor))
		visitor_note_eof(visitor, error);
	if (error != 0 || stream_is_shut(visitor->stream)) {
		visitor_gone(visitor);
		return;
	}
	/* A client that has closed may end its half of TCP and still read ours. */
	if (visitor_listens(visitor))
		visitor_linger(visitor);
	visitor_report_abrupt(visitor);
}

/* What had to wait is with the backend, and the end of file that may have come behind it counts. */
static void visitor_on_caught_up(void *arg)
{
	struct visitor *visitor = arg;

	if (stream_has_ended(visitor->stream))
		visitor_on_eof(visitor, 0);
}

static const struct intake_hooks visitor_intake_hooks = {
	.on_event = visitor_on_event,
	.on_flush = visitor_on_flush,
	.on_caught_up = visitor_on_caught_up,
};

/* Nothing can be sent to it any more; what it sent before it went is still there to be read, up to the end of
 * file. */
static void visitor_on_broken(void *arg, int error)
{
	struct visitor *visitor = arg;

	if (visitor->state != VISITOR_LINGER)
		visitor_note(visitor, strerror(error));
	bool ours = error == ENOMEM || error == ENOBUFS ||
		    error == EPROTO; /* TCP would go on, and the client on it */
	bool heard_out = stream_has_ended(visitor->stream) && !intake_waits(&visitor->intake);
	if (ours || heard_out || !visitor_listens(visitor)) {
		visitor_gone(visitor);
		return;
	}
	visitor_enter(visitor, VISITOR_LOST);
	visitor->endpoint.hooks->on_sent(visitor->endpoint.arg); /* the queue is gone */
}

static const struct stream_hooks visitor_stream_hooks = {
	.on_data = visitor_on_data,
	.on_sent = visitor_on_sent,
	.on_eof = visitor_on_eof,
	.on_broken = visitor_on_broken,
};

/* A piece for the client. */
static int visitor_send(struct endpoint *endpoint, const struct piece *piece)
{
	struct visitor *visitor = (struct visitor *)endpoint;

	if (visitor->state == VISITOR_OPEN || visitor->state == VISITOR_CLOSE_RECEIVED)
		framer_send(&visitor->framer, piece);
	return 0;
}

/* The turn's frames leave. */
static void visitor_flush(struct endpoint *endpoint)
{
	struct visitor *visitor = (struct visitor *)endpoint;
	stream_flush(visitor->stream);
	visitor_watch(visitor);
}

/* What the client has not taken. */
static size_t visitor_queued(const struct endpoint *endpoint)
{
	return stream_queued(((const struct visitor *)endpoint)->stream);
}

/* How much is read from it at once; a client that is past saying anything is read to its end all the same. */
static void visitor_allow(struct endpoint *endpoint, size_t max)
{
	struct visitor *visitor = (struct visitor *)endpoint;
	if (visitor->state < VISITOR_LINGER)
		intake_allow(&visitor->intake, max);
}

/* What a close frame is answered with: its own code (RFC 6455 5.5.1), unless what the client was to get
 * before that is not complete. */
static void visitor_answer_close(struct visitor *visitor, const struct end *end)
{
	visitor_send_close(
		visitor, end->abrupt ? end->code : visitor->code_received, end->abrupt ? end->reason : "");
	visitor_linger(visitor);
}

/* The other side has ended: our close frame, behind what is queued. */
static void visitor_finish(struct endpoint *endpoint, const struct end *end)
{
	struct visitor *visitor = (struct visitor *)endpoint;

	if (visitor->state == VISITOR_OPEN) {
		visitor_send_close(visitor, end->code, end->reason);
		stream_flush(visitor->stream);
		struct pulse_sight sight = visitor_look(visitor);
		pulse_on_queue(&visitor->pulse, &sight);
		visitor_enter(visitor, VISITOR_CLOSE_SENT);
	} else if (visitor->state == VISITOR_CLOSE_RECEIVED) {
		visitor_answer_close(visitor, end);
	}
}

/* Frees it after the turn. */
static void visitor_free(struct grave *grave)
{
	struct visitor *visitor = (struct visitor *)grave;
	arena_free(&visitor->endpoint.loop->arena, visitor);
}

/* Takes it down in any state. */
static void visitor_destroy(struct endpoint *endpoint)
{
	struct visitor *visitor = (struct visitor *)endpoint;
	intake_close(&visitor->intake);
	framer_done(&visitor->framer);
	stream_close(visitor->stream);
	loop_event_done(endpoint->loop, &visitor->timer);
	loop_bury(endpoint->loop, &endpoint->grave, visitor_free);
}

/* The log knows the visitor by its address and close codes; how it ended is "" after a close handshake. */
static void visitor_describe(const struct endpoint *endpoint, char who[static 128], char how[static 64])
{
	who[0] = '\0';
	snprintf(how, 64, "%s", ((const struct visitor *)endpoint)->how);
}

static const struct endpoint_ops visitor_ops = {
	.send = visitor_send,
	.flush = visitor_flush,
	.queued = visitor_queued,
	.allow = visitor_allow,
	.finish = visitor_finish,
	.abort = visitor_finish, /* nothing says it better than an end with its code */
	.destroy = visitor_destroy,
	.describe = visitor_describe,
};

/* Takes over the stream. */
struct endpoint *visitor_new(struct loop *loop, struct stream *stream, const struct route_conf *route,
	uint64_t max_message, const struct permessage *agreed)
{
	struct visitor *visitor = arena_alloc(&loop->arena, sizeof(*visitor));
	if (visitor == NULL)
		return NULL;
	visitor->endpoint = (struct endpoint){ .ops = &visitor_ops, .loop = loop };
	visitor->stream = stream;
	visitor->route = route;
	visitor->code_received = CLOSE_ABNORMAL;
	intake_init(&visitor->intake, loop, stream, max_message, agreed, &visitor_intake_hooks, visitor);
	framer_init(&visitor->framer, stream, route, agreed);
	pulse_init(&visitor->pulse, loop_now(loop));
	loop_event_init(loop, &visitor->timer, -1, 0, visitor_on_timer, visitor);
	stream_set_hooks(stream, &visitor_stream_hooks, visitor);
	visitor_arm(visitor);
	return &visitor->endpoint;
}

/* zlib's states, within a message if not between them (ws/deflater.h, ws/inflater.h), and a read that waits.
 */
size_t visitor_may_hold(const struct permessage *agreed)
{
	size_t out = (size_t)8 << agreed->server_max_window_bits, in = 40 * 1024;

	return agreed->on ? out + in + INTAKE_READ : 0;
}

/* The first frames came with the request, and perhaps the end of file after them. */
void visitor_feed(struct endpoint *endpoint, uint8_t *data, size_t len)
{
	struct visitor *visitor = (struct visitor *)endpoint;

	visitor_on_data(visitor, data, len);
	if (!intake_waits(&visitor->intake))
		visitor_on_caught_up(visitor);
}

/* What we closed with. */
uint16_t visitor_code_sent(const struct endpoint *endpoint)
{
	return ((const struct visitor *)endpoint)->code_sent;
}

/* What the client closed with. */
uint16_t visitor_code_received(const struct endpoint *endpoint)
{
	return ((const struct visitor *)endpoint)->code_received;
}
