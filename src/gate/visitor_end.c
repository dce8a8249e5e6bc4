/*
 * visitor_end: how a visitor ends: the close handshake from either side, rules that the client broke, a
 * client that vanished or takes nothing; the times that each may last are in visitor_clock.c. Runs on its
 * loop's thread.
 */
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
		/* Mostly its end, which is told by an event, is there before it is worth a look. */
		loop_timer_set(&visitor->timer, stream_is_over(visitor->stream) ? 0 : VISITOR_LOOK_MS);
		return;
	case VISITOR_LOST:
		loop_timer_set(&visitor->timer, VISITOR_CLOSE_MS);
		return;
	case VISITOR_GONE:
		loop_event_stop(&visitor->timer);
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
 * The pulse may have been looked at long ago. */
static void visitor_linger(struct visitor *visitor)
{
	if (visitor->state <= VISITOR_CLOSE_RECEIVED && !visitor->watched)
		pulse_on_last(&visitor->pulse, loop_now(visitor->endpoint.loop));
	stream_finish(visitor->stream);
	intake_close(&visitor->intake);
	framer_done(&visitor->framer);
	stream_allow(visitor->stream, LOOP_SCRATCH);
	visitor_enter(visitor, VISITOR_LINGER);
}

/* The client broke a rule: says which, and listens no more (RFC 6455 7.1.7). */
void visitor_fail(struct visitor *visitor, uint16_t code, const char *reason)
{
	visitor_note(visitor, reason);
	if (visitor->state == VISITOR_OPEN)
		visitor_send_close(visitor, code, reason);
	visitor_linger(visitor);
	visitor_report_abrupt(visitor);
}

/* A close frame from the client. */
void visitor_on_close(struct visitor *visitor, const struct message_event *event)
{
	struct end end = { .code = event->code };

	visitor->code_received = event->code;
	text_copy(end.reason, sizeof(end.reason), event->reason);
	if (visitor->state == VISITOR_OPEN)
		visitor_enter(visitor, VISITOR_CLOSE_RECEIVED);
	else
		visitor_linger(visitor);
	visitor_report_eof(visitor, &end);
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
void visitor_on_eof(void *arg, int error)
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
void visitor_on_broken(void *arg, int error)
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

/* What a close frame is answered with: its own code (RFC 6455 5.5.1), unless what the client was to get
 * before that is not complete. */
static void visitor_answer_close(struct visitor *visitor, const struct end *end)
{
	visitor_send_close(
		visitor, end->abrupt ? end->code : visitor->code_received, end->abrupt ? end->reason : "");
	visitor_linger(visitor);
}

/* Nobody but the gateway is why. */
void visitor_blame(struct endpoint *endpoint, const char *why)
{
	struct visitor *visitor = (struct visitor *)endpoint;

	if (visitor->state == VISITOR_OPEN)
		visitor_note(visitor, why);
}

/* The other side has ended: our close frame, behind what is queued. */
void visitor_finish(struct endpoint *endpoint, const struct end *end)
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
