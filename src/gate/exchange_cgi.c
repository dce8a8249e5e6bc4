/*
 * exchange_cgi: a request that a CGI program answers: its body to the program, the program's head and
 * document to the client, and how that may end.
 *
 * Holds nothing: what is known of the run is in gate/exchange_run.h. Who may read is decided here, by the
 * marks of gate/bridge.h, and what is waited for by gate/cgiclock.h; the program itself is gate/cgi.h's
 * business. Runs on its loop's thread.
 */
#include "gate/exchange_internal.h"
#include "gate/exchange_run.h"

#include <errno.h>
#include <stdlib.h>

enum { EXCHANGE_CGI_LOOK_MS = 1000 }; /* from a look whether a client is there that is not read to the next */

/* How much of the body the program may be behind; what follows it is read as in front of a handshake. */
size_t exchange_cgi_allowance(struct exchange *exchange)
{
	struct exchange_run *run = exchange->run;

	if (!run->ready || run->aborted || exchange->body_left == 0)
		return exchange->n_held < EXCHANGE_EARLY_MAX ? LOOP_SCRATCH : 0;
	size_t room = bridge_allowance(
		BRIDGE_VISITOR, run->route->buffer, cgi_queued(run->cgi), &run->client_stopped);
	return room < exchange->body_left ? room : (size_t)exchange->body_left;
}

/* Who is to do something next? */
static enum cgiclock_turn exchange_cgi_turn(const struct exchange *exchange)
{
	const struct exchange_run *run = exchange->run;

	if (stream_has_queue(exchange->stream))
		return CGICLOCK_RESPONSE;
	bool reads = run->ready && !run->aborted && run->has_body;
	bool waits = reads && exchange->body_left > 0 && !run->client_stopped;
	return waits ? CGICLOCK_BODY : CGICLOCK_PROGRAM;
}

/* Looks again after so long; sooner while nothing is read that would say that the client has left. */
static void exchange_cgi_wait(struct exchange *exchange, uint64_t ms)
{
	if (stream_is_paused(exchange->stream) && ms > EXCHANGE_CGI_LOOK_MS)
		ms = EXCHANGE_CGI_LOOK_MS;
	if (ms == UINT64_MAX)
		loop_event_stop(&exchange->timer);
	else
		loop_timer_set(&exchange->timer, ms);
}

/* Somebody moved, or may have: the one place where is derived who reads, and what is waited for. Only who is
 * waited for can put the end of that off: a program that says a word now and then does not for a client that
 * takes nothing. */
static void exchange_cgi_update(struct exchange *exchange, enum cgiclock_turn by)
{
	struct exchange_run *run = exchange->run;
	uint64_t again, now = loop_now(exchange->gate->loop);

	if (exchange->state != EXCHANGE_CGI)
		return;
	exchange_allow(exchange);
	cgi_allow(run->cgi, bridge_allowance(BRIDGE_BACKEND, run->route->buffer,
				    stream_queued(exchange->stream), &run->program_stopped));
	enum cgiclock_turn turn = exchange_cgi_turn(exchange);
	if (by == turn || turn != run->clock.turn)
		run->clock.moved_at = now;
	run->clock.turn = turn;
	run->clock.over = cgi_reply_is_whole(&run->reply);
	cgiclock_check(&run->clock, now, &again);
	exchange_cgi_wait(exchange, again);
}

/* Bytes of the response left. */
void exchange_cgi_on_sent(struct exchange *exchange)
{
	exchange_cgi_update(exchange, CGICLOCK_RESPONSE);
}

/* Bytes of the client: the body's are the program's, as long as it runs; of one that was redirected it has
 * none. */
size_t exchange_cgi_feed(struct exchange *exchange, uint8_t *data, size_t len)
{
	struct exchange_run *run = exchange->run;
	size_t n = len < exchange->body_left ? len : (size_t)exchange->body_left;

	if (!run->ready || run->aborted || n == 0)
		return 0;
	exchange->body_left -= n;
	run->n_body += n;
	if (run->has_body)
		cgi_send(run->cgi, data, n, exchange->body_left == 0);
	exchange_cgi_update(exchange, CGICLOCK_BODY);
	return n;
}

/* The program runs: it gets what is there of the body, and the client is asked for the rest if it waits for
 * that (RFC 9110 10.1.1). */
static void exchange_cgi_on_ready(void *arg)
{
	struct exchange *exchange = arg;
	struct exchange_run *run = exchange->run;
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t len;
	char *held = exchange_take_rest(exchange, &len);

	run->ready = true;
	exchange->hooks->on_run(exchange->arg);
	if (!run->has_body)
		cgi_send_nothing(run->cgi);
	size_t used = exchange_cgi_feed(exchange, (uint8_t *)held, len);
	if (run->expects && used == 0)
		stream_send(exchange->stream, go_on, sizeof(go_on) - 1);
	stream_flush(exchange->stream);
	if (exchange_hold(exchange, held == NULL ? "" : held + used, len - used))
		exchange_cgi_update(exchange, CGICLOCK_PROGRAM);
	free(held);
}

/* It does not run. */
static void exchange_cgi_on_failed(void *arg, const struct refusal *refusal)
{
	struct exchange *exchange = arg;
	struct refusal said = *refusal;

	if (said.status == 502)
		said.status = exchange->config->manners->status_program;
	exchange_run_free(exchange);
	exchange_refuse_by(exchange, &said);
}

/* It has taken input. */
static void exchange_cgi_on_taken(void *arg)
{
	exchange_cgi_update(arg, CGICLOCK_PROGRAM);
}

/* Is this to be the connection's last response? Where there is no place for the connection to go on, the
 * client should know before it counts on that. */
static bool exchange_cgi_is_last(const struct exchange *exchange, const struct cgihead *head)
{
	return !exchange->keep_alive || cgi_reply_needs_close(&exchange->run->reply, head) ||
	       limits_is_pending_full(exchange->gate->limits, exchange->config->gateway.max_pending);
}

/* Its head. Of a local redirect nothing goes out. */
static void exchange_cgi_on_head(void *arg, const struct cgihead *head)
{
	struct exchange *exchange = arg;
	struct exchange_run *run = exchange->run;
	int error = 0;

	if (head->local && !exchange->config->manners->loose_cgi) {
		run->location = text_dup(head->location);
		error = run->location == NULL ? -ENOMEM : 0;
	} else {
		run->status = head->status;
		run->clock.answered = true;
		exchange->keep_alive = !exchange_cgi_is_last(exchange, head);
		error = cgi_reply_begin(
			&run->reply, exchange->stream, head, run->route, !exchange->keep_alive);
	}
	if (error != 0)
		stream_break(exchange->stream, -error);
}

/* A part of its document. */
static void exchange_cgi_on_document(void *arg, uint8_t *data, size_t len)
{
	struct exchange *exchange = arg;
	struct exchange_run *run = exchange->run;

	if (!cgi_reply_add(&run->reply, exchange->stream, data, len))
		run->beyond = true;
}

/* What is there now leaves. Who has given all of its response, or is no more than a redirect, may be silent
 * and end in its own time; who goes on might do so for ever, and is made to end. */
static void exchange_cgi_on_flush(void *arg)
{
	struct exchange *exchange = arg;

	if (exchange->state != EXCHANGE_CGI)
		return;
	stream_flush(exchange->stream);
	if (exchange->run->beyond)
		exchange_run_abort(exchange);
	exchange_cgi_update(exchange, CGICLOCK_PROGRAM);
}

/* There will be no response of the program's. */
static void exchange_cgi_refuse(struct exchange *exchange, int status, const char *reason, const char *advice)
{
	exchange_refuse(exchange, status, reason, advice, 0);
	if (exchange->run != NULL && !exchange->run->ready)
		exchange_run_drop(exchange, reason);
	else
		exchange_run_abort(exchange);
}

/* Its output is no answer. */
static void exchange_cgi_on_bad(void *arg, const char *reason)
{
	struct exchange *exchange = arg;

	exchange_cgi_refuse(exchange, exchange->config->manners->status_program, reason,
		"The program's output is not what CGI asks for; the log says why.\n");
}

/* Nothing more of the document comes; cut: it is not whole, for this reason. */
static void exchange_cgi_finish(struct exchange *exchange, bool cut, const char *reason)
{
	struct exchange_run *run = exchange->run;
	bool whole = cgi_reply_end(&run->reply, exchange->stream, cut);

	stream_flush(exchange->stream);
	exchange->keep_alive = exchange->keep_alive && whole;
	exchange->incomplete = !whole && run->reply.framing == CGI_REPLY_CLOSE;
	if (!whole)
		run->reason = reason;
	else if (run->reply.overlong)
		run->reason = "the document is longer than its Content-Length";
	exchange->send_ms = run->route->send_timeout_ms;
	exchange_enter(exchange, EXCHANGE_BODY, exchange->send_ms);
	exchange_allow(exchange);
}

/* All of its output was passed on. */
static void exchange_cgi_on_end(void *arg, bool killed)
{
	struct exchange *exchange = arg;

	if (exchange->run->clock.answered)
		exchange_cgi_finish(exchange, killed,
			killed ? "the program was killed"
			       : "the document is shorter than its Content-Length");
}

/* The program is gone, and its line is written; the connection goes on, if it is there. */
static void exchange_cgi_on_gone(void *arg)
{
	struct exchange *exchange = arg;
	struct exchange_run *run = exchange->run;
	char *head = run->head, *location = run->location;
	size_t n_head = run->n_head;

	run->head = run->location = NULL;
	if (exchange->state == EXCHANGE_CGI && run->clock.answered) /* it was made to end behind it */
		exchange_cgi_finish(exchange, false, NULL);
	if (location != NULL && run->status == 0)
		run->status = 302, run->reason = "local redirect";
	exchange_run_log(exchange);
	exchange_run_free(exchange);
	if (exchange->state != EXCHANGE_LEFT && !exchange->hooks->on_run_over(exchange->arg))
		exchange->keep_alive = false;
	if (exchange->state == EXCHANGE_CGI && location != NULL)
		exchange_redirect(exchange, head, n_head, location);
	else if (exchange->state == EXCHANGE_CGI) /* there was no memory for it */
		exchange_gone(exchange);
	free(head);
	free(location);
	if (exchange->state == EXCHANGE_LEFT)
		exchange_gone(exchange);
	else
		exchange_turn(exchange);
}

static const struct cgi_hooks exchange_cgi_hooks = {
	.on_failed = exchange_cgi_on_failed,
	.on_gone = exchange_cgi_on_gone,
	.on_ready = exchange_cgi_on_ready,
	.on_taken = exchange_cgi_on_taken,
	.on_head = exchange_cgi_on_head,
	.on_document = exchange_cgi_on_document,
	.on_flush = exchange_cgi_on_flush,
	.on_bad = exchange_cgi_on_bad,
	.on_end = exchange_cgi_on_end,
};

/* A time is up: what can still be said to the client is. */
static void exchange_cgi_expire(struct exchange *exchange, enum cgiclock_verdict verdict)
{
	struct exchange_run *run = exchange->run;
	const char *reason = cgiclock_reason(verdict);

	if (verdict == CGICLOCK_STUCK) {
		run->reason = reason;
		stream_reset(exchange->stream);
		exchange_gone(exchange);
	} else if (run->clock.answered) {
		run->reason = reason;
		exchange->keep_alive = false; /* the program is in the way of the next request */
		exchange_cgi_finish(exchange, true, reason);
		exchange_run_abort(exchange);
		exchange_turn(exchange);
	} else if (verdict == CGICLOCK_NO_BODY) {
		exchange_cgi_refuse(exchange, 408, reason, "The request's body did not come in time.\n");
	} else {
		exchange_cgi_refuse(exchange, 504, reason, "The program did not answer in time.\n");
	}
}

/* Is a time up, or has the client left? */
void exchange_cgi_on_timer(struct exchange *exchange)
{
	uint64_t again;
	enum cgiclock_verdict verdict =
		cgiclock_check(&exchange->run->clock, loop_now(exchange->gate->loop), &again);

	if (verdict != CGICLOCK_ON && loop_timer_reprieve(&exchange->timer))
		return;
	if (verdict != CGICLOCK_ON)
		exchange_cgi_expire(exchange, verdict);
	else if (stream_is_paused(exchange->stream) && stream_peer_has_left(exchange->stream))
		exchange_gone(exchange);
	else
		exchange_cgi_wait(exchange, again);
}

/* Starts the program, if there is room for it and for the body. */
void exchange_cgi_begin(struct exchange *exchange, struct text head, const struct http_request *request,
	const struct answer *answer)
{
	const struct route_conf *route = answer->match.route;
	struct refusal refusal;

	if (route->max_message > 0 && request->content_length > route->max_message) {
		exchange_refuse(
			exchange, 413, "max_message", "The body is larger than this route takes.\n", 0);
	} else if (exchange_run_begin(
			   exchange, head, request, &answer->match, &exchange_cgi_hooks, &refusal)) {
		exchange_enter(exchange, EXCHANGE_CGI, 0);
		exchange_cgi_update(exchange, CGICLOCK_PROGRAM);
	} else {
		exchange_refuse_by(exchange, &refusal);
	}
}
