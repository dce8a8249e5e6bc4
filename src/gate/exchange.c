/*
 * exchange: the turns of HTTP on one connection.
 *
 * Owns what was received and not yet answered, and the timer. What leaves is gate/exchange_send.c's business.
 * Runs on its loop's thread.
 */
#include "base/must.h"
#include "gate/exchange_internal.h"

#include <stdlib.h>
#include <string.h>

/* Enters a state and sets the time that it may last; 0 is without limit. */
void exchange_enter(struct exchange *exchange, enum exchange_state state, uint64_t ms)
{
	exchange->state = state;
	if (ms > 0)
		loop_timer_set(&exchange->timer, ms);
	else
		loop_event_stop(&exchange->timer);
}

/* Answers the next request once its head is there. Returns the head's length, 0 when there was none. */
static size_t exchange_next(struct exchange *exchange, const char *data, size_t len)
{
	struct http_request request;
	struct answer answer;
	const struct listen_conf *listen = &exchange->config->listens[exchange->entrance->listen];

	long head = len == 0 ? 0 : http_request_scan(&exchange->scan, data, len, listen->max_header);
	if (head == 0)
		return 0;
	exchange->scan = (struct http_scan){ 0 };
	exchange->n_requests++;
	int error = head < 0 ? (int)head : http_request_parse_scanned(&request, data, (size_t)head);
	struct text text = { data, head > 0 ? (size_t)head : 0 };
	if (error < 0 && error != HTTP_BAD_METHOD) {
		if (head > 0) /* as far as it was understood */
			access_remember(&exchange->access, exchange->config, exchange->client, &request);
		answer_bad_head(&answer, error);
		exchange_act(exchange, text, NULL, &answer);
		return 0;
	}
	client_of_request(exchange->client, &exchange->direct, listen, &request, exchange->gate->loop->log);
	access_remember(&exchange->access, exchange->config, exchange->client, &request);
	exchange->body_left = request.content_length;
	/* What is behind a handshake that came to nothing are frames: never another request. */
	exchange->keep_alive = request.keep_alive && exchange->n_requests < EXCHANGE_REQUESTS_MAX &&
			       !exchange->gate->ending && !exchange->access.handshake && error == 0;
	answer_decide(&answer, exchange->config, exchange->entrance, exchange->client, &request);
	exchange_act(exchange, text, &request, &answer);
	return (size_t)head;
}

/* Keeps bytes for later. Returns whether there was memory for them; without it the connection is gone. */
bool exchange_hold(struct exchange *exchange, const void *data, size_t len)
{
	if (len == 0)
		return true;
	char *held = realloc(exchange->held, exchange->n_held + len);
	if (held == NULL) {
		exchange_gone(exchange);
		return false;
	}
	memcpy(held + exchange->n_held, data, len);
	exchange->held = held;
	exchange->n_held += len;
	return true;
}

/*
 * How much is read: a response must be out before the next request is looked at. While the owner decides,
 * first frames are read too, so that a client which leaves meanwhile is noticed.
 */
void exchange_allow(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_CGI) {
		stream_allow(exchange->stream, exchange_cgi_allowance(exchange));
		return;
	}
	bool waits = exchange->state == EXCHANGE_BODY ||
		     (exchange->state == EXCHANGE_ASKED && exchange->n_held >= EXCHANGE_EARLY_MAX);
	stream_allow(exchange->stream, waits ? 0 : LOOP_SCRATCH);
}

/* Answers one request of what was received and keeps what is behind it, for after the response. */
static void exchange_feed(struct exchange *exchange, const char *data, size_t len)
{
	size_t used = exchange_next(exchange, data, len);

	if (exchange->state <= EXCHANGE_ASKED && exchange_hold(exchange, data + used, len - used))
		exchange_allow(exchange);
	else if (exchange->state == EXCHANGE_LINGER)
		exchange_throw(exchange, len - used);
}

/* Looks at what is held, which is a head in parts or the requests behind one that is answered. */
static void exchange_feed_held(struct exchange *exchange)
{
	size_t len;
	char *held = exchange_take_rest(exchange, &len);

	exchange_feed(exchange, held != NULL ? held : "", len);
	free(held);
}

/* A response is out: waits for the next request, which may be there already, or ends. */
void exchange_turn(struct exchange *exchange)
{
	exchange_pump(exchange);
	while (exchange_answered(exchange)) {
		if (exchange->incomplete) {
			stream_reset(exchange->stream);
			exchange_gone(exchange);
			return;
		}
		if (!exchange->keep_alive || exchange->body_left > 0 || stream_has_ended(exchange->stream)) {
			exchange_linger(exchange);
			return;
		}
		must(exchange->run == NULL);
		access_forget(&exchange->access);
		*exchange->client = exchange->direct;
		exchange->n_redirects = 0;
		exchange_enter(exchange, EXCHANGE_HEAD, EXCHANGE_KEEPALIVE_MS);
		exchange_feed_held(exchange);
		exchange_pump(exchange);
	}
}

/* Bytes of the client. */
static void exchange_on_data(void *arg, uint8_t *data, size_t len)
{
	struct exchange *exchange = arg;

	if (exchange->state == EXCHANGE_LINGER) {
		exchange_throw(exchange, len);
		return;
	}
	size_t used = exchange->state == EXCHANGE_CGI ? exchange_cgi_feed(exchange, data, len) : 0;
	if ((exchange->state == EXCHANGE_ASKED || exchange->state == EXCHANGE_CGI) &&
		exchange_hold(exchange, data + used, len - used))
		exchange_allow(exchange);
	if (exchange->state != EXCHANGE_HEAD)
		return;
	if (exchange->n_held > 0) {
		if (exchange_hold(exchange, data, len))
			exchange_feed_held(exchange);
	} else {
		/* The time for a head runs from its first byte; the first one's runs from the accept. */
		if (exchange->n_requests > 0)
			loop_timer_set(&exchange->timer,
				exchange->config->listens[exchange->entrance->listen].handshake_timeout_ms);
		exchange_feed(exchange, (const char *)data, len);
	}
	exchange_turn(exchange);
}

/* Goes on with a response, which has all its time again. */
static void exchange_go_on(struct exchange *exchange)
{
	loop_timer_set(&exchange->timer, exchange->send_ms);
	exchange_turn(exchange);
}

/* Queued bytes of a response left, or the next turn of a file has come. */
static void exchange_on_sent(void *arg)
{
	struct exchange *exchange = arg;

	if (exchange_is_over(exchange))
		exchange_gone(exchange);
	else if (exchange->state == EXCHANGE_BODY)
		exchange_go_on(exchange);
	else if (exchange->state == EXCHANGE_CGI)
		exchange_cgi_on_sent(exchange);
}

/* The one line of a connection that came to no request since TLS did not come about, or broke. */
static void exchange_log_tls(const struct exchange *exchange, const char *reason)
{
	char peer[ADDR_TEXT];
	log_info(exchange->gate->loop->log, "TLS failed",
		LOG_STR("peer", addr_format(&exchange->client->addr, peer)),
		LOG_STR("listen", exchange->entrance->name), LOG_STR("reason", reason));
}

/*
 * The client ended its side; a response on its way is still read by it. But while a program still makes the
 * response it is taken to have left: a browser's closed tab looks the same, and the program would go on for
 * nobody. The log has 499, as nginx calls that.
 */
static void exchange_on_eof(void *arg, int error)
{
	struct exchange *exchange = arg;
	const char *failure = stream_tls_failure(exchange->stream);

	if (stream_met_http(exchange->stream) && exchange->state == EXCHANGE_HEAD) {
		exchange_refuse(exchange, 400, "HTTP without TLS on a TLS port",
			"This port speaks TLS. Open it with https:// or wss://.\n", 0);
		return;
	}
	if (failure[0] != '\0')
		exchange_log_tls(exchange, failure);
	/* First frames that are here already are for the backend, whether or not the client waits for an
	 * answer. */
	bool left = (exchange->state == EXCHANGE_ASKED && exchange->n_held == 0) ||
		    exchange->state == EXCHANGE_CGI;
	if (error != 0 || exchange->state == EXCHANGE_HEAD || left || exchange_is_over(exchange))
		exchange_gone(exchange);
	else
		exchange->keep_alive = false;
}

/* Nothing can be sent to it any more. */
static void exchange_on_broken(void *arg, int error)
{
	(void)error;
	exchange_gone(arg);
}

static const struct stream_hooks exchange_stream_hooks = {
	.on_data = exchange_on_data,
	.on_sent = exchange_on_sent,
	.on_eof = exchange_on_eof,
	.on_broken = exchange_on_broken,
};

/* Time is up, or it is time to look again. A client that has begun a request is told; one that never said a
 * word is not. */
static void exchange_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct exchange *exchange = arg;
	(void)fd;
	(void)what;

	if (exchange->state == EXCHANGE_CGI) {
		exchange_cgi_on_timer(exchange);
		return;
	}
	if (exchange->state == EXCHANGE_BODY && sender_is_looking(&exchange->sender)) {
		exchange_go_on(exchange);
		return;
	}
	if (!exchange_is_over(exchange) && loop_timer_reprieve(&exchange->timer))
		return;
	if (exchange->state == EXCHANGE_HEAD && stream_in_handshake(exchange->stream))
		exchange_log_tls(exchange, exchange->gate->ending ? "the gateway stopped within the handshake"
								  : "handshake not complete in time");
	if (exchange->state == EXCHANGE_HEAD && exchange->n_held > 0)
		exchange_refuse(exchange, 408, "request head not complete in time",
			"The request did not come in time.\n", 0);
	else
		exchange_gone(exchange);
}

/* Waits for the first request. */
void exchange_open(struct exchange *exchange, struct gate *gate, const struct config *config,
	const struct entrance *entrance, struct client *client, struct stream *stream, uint64_t spent_ms,
	const struct exchange_hooks *hooks, void *arg)
{
	uint64_t ms = config->listens[entrance->listen].handshake_timeout_ms;

	*exchange = (struct exchange){
		.gate = gate,
		.config = config,
		.entrance = entrance,
		.client = client,
		.direct = *client,
		.stream = stream,
		.hooks = hooks,
		.arg = arg,
	};
	sender_init(&exchange->sender);
	loop_event_init(gate->loop, &exchange->timer, -1, 0, exchange_on_timer, exchange);
	stream_set_hooks(stream, &exchange_stream_hooks, exchange);
	exchange_enter(exchange, EXCHANGE_HEAD, spent_ms < ms ? ms - spent_ms : 1);
}

/* Frees what it holds, once. */
void exchange_done(struct exchange *exchange)
{
	if (exchange->gate == NULL)
		return;
	exchange_run_drop(exchange, "cut");
	exchange_drop_held(exchange);
	access_forget(&exchange->access);
	sender_drop(&exchange->sender);
	loop_event_done(exchange->gate->loop, &exchange->timer);
	exchange->gate = NULL;
}

/* Gives away what came behind the head. */
char *exchange_take_rest(struct exchange *exchange, size_t *len)
{
	char *rest = exchange->held;
	*len = exchange->n_held;
	exchange->held = NULL;
	exchange->n_held = 0;
	return rest;
}
