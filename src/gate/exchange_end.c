/*
 * exchange_end: how HTTP on a connection ends: with the last response, in which a client may still be busy
 * with a body; at once; or since the gateway stops.
 *
 * Runs on its loop's thread.
 */
#include "gate/exchange_internal.h"

#include <stdlib.h>

/* Closes the connection and tells the owner, once no program is left of it. */
void exchange_gone(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_GONE)
		return;
	stream_close(exchange->stream);
	if (exchange_run_leave(exchange)) {
		exchange_enter(exchange, EXCHANGE_LEFT, 0);
		return;
	}
	exchange_enter(exchange, EXCHANGE_GONE, 0);
	exchange->hooks->on_gone(exchange->arg);
}

/* Forgets what was received and not answered. */
void exchange_drop_held(struct exchange *exchange)
{
	free(exchange->held);
	exchange->held = NULL;
	exchange->n_held = 0;
}

/* Has the last response left, and the client ended its side? */
bool exchange_is_over(const struct exchange *exchange)
{
	return exchange->state == EXCHANGE_LINGER && stream_is_over(exchange->stream);
}

/* No more responses: ends our side of TCP and waits for the client's end, so that no reset overtakes the last
 * response. One that is still busy with a body may only look for it then. */
void exchange_linger(struct exchange *exchange)
{
	size_t body = exchange->n_held < exchange->body_left ? exchange->n_held : (size_t)exchange->body_left;

	exchange->body_left -= body;
	exchange_drop_held(exchange);
	sender_drop(&exchange->sender);
	stream_finish(exchange->stream);
	stream_allow(exchange->stream, LOOP_SCRATCH);
	exchange_enter(
		exchange, EXCHANGE_LINGER, exchange->body_left > 0 ? EXCHANGE_BODY_MS : EXCHANGE_LINGER_MS);
	if (exchange_is_over(exchange))
		loop_timer_set(&exchange->timer, 0);
}

/* Throws away what comes behind the last response. */
void exchange_throw(struct exchange *exchange, size_t len)
{
	size_t n = len < exchange->body_left ? len : (size_t)exchange->body_left;

	if (n > 0 && n == exchange->body_left)
		loop_timer_set(&exchange->timer, EXCHANGE_LINGER_MS);
	exchange->body_left -= n;
	exchange->n_thrown += len - n;
	if (exchange->n_thrown > EXCHANGE_LINGER_MAX)
		exchange_gone(exchange);
}

/* A client that was let in is not sent away before it could ask; one that has been answered is. */
void exchange_drain(struct exchange *exchange)
{
	uint64_t ms = exchange->config->listens[exchange->entrance->listen].handshake_timeout_ms;

	exchange->keep_alive = false;
	if (exchange->state != EXCHANGE_HEAD)
		return;
	if (exchange->n_requests > 0 && exchange->n_held == 0)
		exchange_gone(exchange);
	else
		loop_timer_set(&exchange->timer, ms < EXCHANGE_DRAIN_MS ? ms : EXCHANGE_DRAIN_MS);
}
