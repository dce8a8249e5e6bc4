/*
 * visitor: what a client's frames mean; how it ends is in visitor_end.c, its times are in visitor_clock.c.
 *
 * Owns the intake (what comes) and the framer (what is sent); the stream is lent by the session. Knows
 * nothing of the backend. Runs on its loop's thread.
 */
#include "gate/visitor.h"

#include "base/must.h"
#include "gate/visitor_internal.h"

#include <stdio.h>

/* The client said what the backend must not be told, or can't: with CLOSE_POLICY the message is not
 * delivered, so that nobody has half of it. Returns whether to go on reading. */
static bool visitor_refuse(struct visitor *visitor, uint16_t code)
{
	const char *why = code == CLOSE_POLICY	  ? "delimiter in a message"
			  : code == CLOSE_TOO_BIG ? "message too big"
						  : "not base64";

	if (code == CLOSE_POLICY)
		visitor->intake.reader.in_message = false;
	visitor_fail(visitor, code, why);
	return false;
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
	visitor_watch_pause(visitor);
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
	text_copy(how, 64, text_of(((const struct visitor *)endpoint)->how));
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
