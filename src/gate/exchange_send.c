/*
 * exchange_send: what leaves a connection of HTTP: the responses to its requests, refusals, the 101, and the
 * line in the log of each.
 *
 * What a request gets is decided in gate/answer.c and done here; the bytes of a response are made in
 * gate/reply.c, a file is sent by gate/sender.c. Runs on its loop's thread.
 */
#include "gate/exchange_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The one line of a plain request or refusal. */
void exchange_log(struct exchange *exchange, int status, uint64_t bytes, const char *reason)
{
	struct access_outcome outcome = { .status = status, .bytes = bytes, .reason = reason };

	if (exchange->run != NULL)
		exchange_run_note(exchange, status, bytes, reason);
	else
		access_log(&exchange->access, exchange->gate->loop->log, exchange->config, exchange->entrance,
			&exchange->client->addr, &outcome);
}

/* Sends a response; BODY is over when all of it is with the stream (exchange_turn). */
static void exchange_reply(struct exchange *exchange, const struct answer *answer)
{
	struct reply reply = answer->reply;
	bool body = reply.body != NULL || answer->file.fd >= 0;

	if (exchange->body_left > 0)
		exchange->keep_alive = false;
	reply.close = !exchange->keep_alive;
	exchange_log(exchange, reply.status, body ? reply.len : 0, answer->reason);
	sender_begin(&exchange->sender, exchange->stream, &answer->file, EXCHANGE_SEND_MS);
	exchange->send_ms = EXCHANGE_SEND_MS;
	exchange_enter(exchange, EXCHANGE_BODY, EXCHANGE_SEND_MS);
	if (reply_send(exchange->stream, &reply) != 0)
		exchange_gone(exchange);
	else
		stream_flush(exchange->stream);
}

/* Leaves the decision about a correct opening handshake to the owner. */
static void exchange_ask(
	struct exchange *exchange, const struct http_request *request, const struct answer *answer)
{
	struct exchange_upgrade upgrade = {
		.request = request,
		.upgrade = &answer->upgrade,
		.match = &answer->match,
		.url = exchange->access.url,
	};
	exchange_enter(exchange, EXCHANGE_ASKED, 0);
	exchange->hooks->on_upgrade(exchange->arg, &upgrade);
}

/* Sends as much of the file as goes now. One that can't be completed ends in a cut connection, never in wrong
 * bytes. */
void exchange_pump(struct exchange *exchange)
{
	char peer[ADDR_TEXT];

	if (exchange->state != EXCHANGE_BODY)
		return;
	enum sender_step step = sender_go(&exchange->sender);
	if (step == SENDER_LOOKS)
		loop_timer_set(&exchange->timer, exchange->sender.look_ms);
	if (step != SENDER_BROKEN)
		return;
	log_info(exchange->gate->loop->log, "response cut",
		LOG_STR("peer", addr_format(&exchange->client->addr, peer)),
		LOG_STR("path", exchange->access.path), LOG_STR("reason", exchange->sender.reason));
	stream_reset(exchange->stream);
	exchange_gone(exchange);
}

/* Is a response on its way that has nothing left to be given to the stream? */
bool exchange_answered(const struct exchange *exchange)
{
	return exchange->state == EXCHANGE_BODY && sender_is_idle(&exchange->sender) &&
	       !stream_has_queue(exchange->stream);
}

/* Sends a refusal. Every one is the last response of its connection. */
static void exchange_send_refusal(
	struct exchange *exchange, struct reply *reply, const char *reason, const char *advice)
{
	reply->type = "text/plain; charset=utf-8";
	reply->body = strcmp(exchange->access.method, "HEAD") == 0 ? NULL : advice;
	reply->len = strlen(advice);
	reply->upgrade = reply->status == 426;
	reply->close = true;
	exchange_log(exchange, reply->status, reply->body == NULL ? 0 : reply->len, reason);
	if (reply_send(exchange->stream, reply) != 0) {
		exchange_gone(exchange);
		return;
	}
	stream_flush(exchange->stream);
	exchange_linger(exchange);
}

/* Refuses in the words of somebody else. */
void exchange_refuse(
	struct exchange *exchange, int status, const char *reason, const char *advice, unsigned retry_after)
{
	struct reply reply = { .status = status, .retry_after = retry_after };
	exchange_send_refusal(exchange, &reply, reason, advice);
}

/* ... in those of an admission, as a line. */
void exchange_refuse_by(struct exchange *exchange, const struct refusal *refusal)
{
	char advice[sizeof(refusal->sentence) + 1];

	snprintf(advice, sizeof(advice), "%s\n", refusal->sentence);
	exchange_refuse(exchange, refusal->status, refusal->reason, advice, refusal->later);
}

/* Does what was decided about a request. */
void exchange_act(struct exchange *exchange, struct text head, const struct http_request *request,
	const struct answer *answer)
{
	struct reply refusal = {
		.status = answer->status, .allow = answer->allow, .retry_after = answer->status == 503 ? 1 : 0
	};

	switch (answer->kind) {
	case ANSWER_REFUSE:
		exchange_send_refusal(exchange, &refusal, answer->reason, answer->advice);
		return;
	case ANSWER_REPLY:
		exchange_reply(exchange, answer);
		return;
	case ANSWER_CGI:
		exchange_cgi_begin(exchange, head, request, answer);
		return;
	case ANSWER_UPGRADE:
		exchange_ask(exchange, request, answer);
		return;
	}
}

/* Sends the 101. What is wrong with the stream from now on is said to its next owner. */
void exchange_accept(
	struct exchange *exchange, const struct reply_switch *reply, const struct route_conf *route)
{
	if (reply_send_switch(exchange->stream, reply, route) != 0)
		stream_break(exchange->stream, ENOMEM);
	stream_flush(exchange->stream);
	exchange_enter(exchange, EXCHANGE_PASSED, 0);
}
