/*
 * visitor: frames out, messages in, pings, and the close handshake with its timers.
 *
 * Owns the message reader and the visitor's one timer; the stream is lent by the session. Knows nothing of
 * the backend. Runs on its loop's thread.
 */
#include "gate/visitor.h"

#include "base/must.h"
#include "gate/pongs.h"
#include "gate/pulse.h"
#include "ws/message.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <string.h>

enum { VISITOR_LOOK_MS = 100 }; /* between two looks at what a client that is to end has taken */

/* In the order in which they may follow each other. */
enum visitor_state {
	VISITOR_OPEN,
	VISITOR_CLOSE_RECEIVED, /* the client has closed; the backend may go on for a while, then we answer */
	VISITOR_CLOSE_SENT,	/* we have closed; what the client still sends counts until its close frame */
	VISITOR_LOST,		/* nothing reaches the client any more; what it sent before is still read */
	VISITOR_LINGER,		/* nothing more is said; TCP ends when the client has seen it all */
	VISITOR_GONE
};

struct visitor {
	struct endpoint endpoint; /* first: an endpoint is its visitor */
	struct stream *stream;
	const struct route_conf *route;
	struct message_reader reader;
	enum visitor_state state;
	bool eof_reported;
	char how[64]; /* why it ended otherwise than by a close handshake, for the log */
	uint16_t code_sent, code_received;
	struct event timer;
	uint64_t deadline; /* CLOSE_SENT, LINGER: when we stop waiting; 0: it has not yet taken all that we
			      sent */
	struct pulse pulse;
	bool watched; /* bytes wait, and the pulse knows */

	struct pongs pongs;
};

/* What the pulse is taken from. */
static struct pulse_sight visitor_look(const struct visitor *visitor)
{
	const struct stream *stream = visitor->stream;
	return (struct pulse_sight){
		.now = loop_now(visitor->endpoint.loop),
		.taken = stream_taken(stream),
		.queued = stream_has_queue(stream),
		.unsent = stream_unsent(stream) > 0,
		.paused = stream_is_paused(stream),
	};
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

/* While the session is open: the next time to look at the pulse. */
static void visitor_arm(struct visitor *visitor)
{
	struct pulse_sight sight = visitor_look(visitor);
	struct pulse_limits limits = visitor_limits(visitor);
	uint64_t ms = pulse_next(&visitor->pulse, &limits, &sight);

	if (ms != UINT64_MAX)
		loop_timer_set(&visitor->timer, ms);
	else
		event_del(&visitor->timer);
}

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
static void visitor_note(struct visitor *visitor, const char *how)
{
	if (visitor->how[0] == '\0')
		snprintf(visitor->how, sizeof(visitor->how), "%.63s", how);
}

/* The end of a client that did not say goodbye. */
static void visitor_report_abrupt(struct visitor *visitor)
{
	struct end end = { .code = CLOSE_ABNORMAL, .abrupt = true, .in_message = visitor->reader.in_message };
	visitor_report_eof(visitor, &end);
}

/* Nothing is left of it. */
static void visitor_gone(struct visitor *visitor)
{
	if (visitor->state == VISITOR_GONE)
		return;
	visitor_enter(visitor, VISITOR_GONE);
	stream_close(visitor->stream);
	visitor_report_abrupt(visitor);
	visitor->endpoint.hooks->on_closed(visitor->endpoint.arg);
}

/* Sends a control frame (server frames are not masked). */
static void visitor_send_control(struct visitor *visitor, uint8_t opcode, const uint8_t *data, size_t len)
{
	uint8_t frame[FRAME_HEADER_MAX + FRAME_CONTROL_MAX];
	struct frame_header header = { .fin = true, .opcode = opcode, .len = len };

	size_t n = frame_encode(&header, frame);
	if (len > 0)
		memcpy(frame + n, data, len);
	stream_send(visitor->stream, frame, n + len);
}

/* Sends our close frame; nothing is sent after it. */
static void visitor_send_close(struct visitor *visitor, uint16_t code, const char *reason)
{
	uint8_t frame[2 + FRAME_CONTROL_MAX];
	size_t n = message_close_frame(frame, code, text_of(reason));
	visitor->code_sent = code;
	stream_send(visitor->stream, frame, n);
}

/* All is said: ends our side of TCP and waits for the client's, so that no reset overtakes the close frame.
 */
static void visitor_linger(struct visitor *visitor)
{
	stream_finish(visitor->stream);
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
	visitor_send_control(visitor, FRAME_PONG, data, len);
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

/* One event of the reader. Returns whether to go on reading. */
static bool visitor_on_message(struct visitor *visitor, const struct message_event *event)
{
	struct piece piece = { .data = event->data,
		.len = event->len,
		.text = event->text,
		.first = event->first,
		.last = event->last };
	switch (event->kind) {
	case MESSAGE_NEED_MORE:
		return false;
	case MESSAGE_DATA:
		visitor->endpoint.hooks->on_piece(visitor->endpoint.arg, &piece);
		return visitor_listens(visitor);
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
	}
	must(false);
	return false;
}

/* When the first byte has to wait, wherever that came to pass, the clock of send_timeout starts. */
static void visitor_watch(struct visitor *visitor)
{
	bool open = visitor->state == VISITOR_OPEN || visitor->state == VISITOR_CLOSE_RECEIVED;

	if (visitor->watched || !open || !stream_has_queue(visitor->stream))
		return;
	visitor->watched = true;
	struct pulse_sight sight = visitor_look(visitor);
	pulse_on_queue(&visitor->pulse, &sight);
	visitor_arm(visitor);
}

/* Bytes of the client. */
static void visitor_on_data(void *arg, uint8_t *data, size_t len)
{
	struct visitor *visitor = arg;
	struct message_event event;

	if (!visitor_listens(visitor))
		return;
	pulse_on_frame(&visitor->pulse, loop_now(visitor->endpoint.loop));
	bool more = true;
	while (more) {
		size_t used = message_read(&visitor->reader, data, len, &event);
		data += used;
		len -= used;
		more = visitor_on_message(visitor, &event);
	}
	visitor->endpoint.hooks->on_flush(visitor->endpoint.arg);
	stream_flush(visitor->stream);
	visitor_watch(visitor);
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

/* Nothing can be sent to it any more; what it sent before it went is still there to be read, up to the end of
 * file. */
static void visitor_on_broken(void *arg, int error)
{
	struct visitor *visitor = arg;

	if (visitor->state != VISITOR_LINGER)
		visitor_note(visitor, strerror(error));
	bool ours = error == ENOMEM || error == ENOBUFS ||
		    error == EPROTO; /* TCP would go on, and the client on it */
	if (ours || stream_has_ended(visitor->stream) || !visitor_listens(visitor)) {
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

/* Sends a ping. */
static void visitor_send_ping(struct visitor *visitor, const struct pulse_sight *sight)
{
	pulse_on_ping(&visitor->pulse, sight);
	visitor_send_control(visitor, FRAME_PING, NULL, 0);
	stream_flush(visitor->stream);
}

/* The client is dead, or as good as dead: its connection is reset. */
static void visitor_cut(struct visitor *visitor, const char *how)
{
	visitor_note(visitor, how);
	stream_reset(visitor->stream);
	visitor_gone(visitor);
}

/* An open session: is the client still there, does it still read? */
static void visitor_check_life(struct visitor *visitor)
{
	struct pulse_sight sight = visitor_look(visitor);
	struct pulse_limits limits = visitor_limits(visitor);

	switch (pulse_check(&visitor->pulse, &limits, &sight)) {
	case PULSE_PING_TIMEOUT:
		visitor_cut(visitor, "ping timeout");
		return;
	case PULSE_SEND_TIMEOUT:
		visitor_cut(visitor, "send timeout");
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
	if (visitor->state == VISITOR_LINGER)
		visitor_gone(visitor);
	else
		visitor_cut(visitor, "close timeout");
}

/*
 * A client that is to end. As long as it takes bytes, and for send_timeout after the last one, what waits for
 * it is not given up. When it has them all, our close frame too, its time begins, and what it sends does not
 * lengthen that.
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
	else
		visitor_gone(visitor);
}

/* The one timer. */
static void visitor_on_timer(evutil_socket_t fd, short what, void *arg)
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

/* A piece for the client: one frame each, so that nothing waits for the end of a message. */
static void visitor_send(struct endpoint *endpoint, const struct piece *piece)
{
	struct visitor *visitor = (struct visitor *)endpoint;
	uint8_t out[FRAME_HEADER_MAX];
	struct frame_header header = { .fin = piece->last, .len = piece->len };

	if (visitor->state != VISITOR_OPEN && visitor->state != VISITOR_CLOSE_RECEIVED)
		return;
	if (!piece->first)
		header.opcode = FRAME_CONTINUATION;
	else
		header.opcode = piece->text ? FRAME_TEXT : FRAME_BINARY;
	stream_send(visitor->stream, out, frame_encode(&header, out));
	stream_send(visitor->stream, piece->data, piece->len);
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
		stream_allow(visitor->stream, max);
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
		visitor_send_close(visitor, visitor->code_received, "");
		visitor_linger(visitor);
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
struct endpoint *visitor_new(struct loop *loop, struct stream *stream, const struct route_conf *route)
{
	struct visitor *visitor = arena_alloc(&loop->arena, sizeof(*visitor));
	if (visitor == NULL)
		return NULL;
	visitor->endpoint = (struct endpoint){ .ops = &visitor_ops, .loop = loop };
	visitor->stream = stream;
	visitor->route = route;
	visitor->code_received = CLOSE_ABNORMAL;
	message_reader_init(&visitor->reader, route->max_message, 0);
	pulse_init(&visitor->pulse, loop_now(loop));
	loop_event_init(loop, &visitor->timer, -1, 0, visitor_on_timer, visitor);
	stream_set_hooks(stream, &visitor_stream_hooks, visitor);
	visitor_arm(visitor);
	return &visitor->endpoint;
}

/* The first frames came with the request, and perhaps the end of file after them. */
void visitor_feed(struct endpoint *endpoint, uint8_t *data, size_t len)
{
	visitor_on_data(endpoint, data, len);
	if (stream_has_ended(((struct visitor *)endpoint)->stream))
		visitor_on_eof(endpoint, 0);
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
