/*
 * reply: writes responses: status line, the headers that every one has, what the route adds, body.
 *
 * Holds nothing between two calls. Runs on its loop's thread.
 */
#include "gate/reply.h"

#include "http/response.h"

#include <errno.h>
#include <time.h>

/* Headers that the configuration adds. */
static int reply_add_list(struct evbuffer *out, const struct header_list *list)
{
	int error = 0;
	for (size_t i = 0; i < list->n; i++)
		error |= http_response_header(out, list->items[i].name, list->items[i].value);
	return error;
}

/* One header if there is a value for it. */
static int reply_add(struct evbuffer *out, const char *name, const char *value)
{
	return value == NULL ? 0 : http_response_header(out, name, value);
}

/* The head of a response: what it needs itself, then what the route adds. */
static int reply_head(struct evbuffer *out, const struct reply *reply)
{
	int error = http_response_begin(out, reply->status, time(NULL));

	error |= reply_add(out, "Content-Type", reply->type);
	error |= http_response_header_u64(out, "Content-Length", reply->len);
	error |= reply_add(out, "Location", reply->location);
	error |= reply_add(out, "Content-Security-Policy", reply->policy);
	error |= http_response_header(out, "X-Content-Type-Options", "nosniff");
	error |= http_response_header(out, "Referrer-Policy", "no-referrer");
	if (reply->status >= 400)
		error |= http_response_header(out, "Cache-Control", "no-store");
	if (reply->retry_after > 0)
		error |= http_response_header_u64(out, "Retry-After", reply->retry_after);
	if (reply->allow)
		error |= http_response_header(out, "Allow", "GET, HEAD");
	if (reply->upgrade) {
		error |= http_response_header(out, "Upgrade", "websocket");
		error |= http_response_header(out, "Sec-WebSocket-Version", "13");
	}
	if (reply->close)
		error |= http_response_header(out, "Connection", "close");
	else if (reply->upgrade)
		error |= http_response_header(out, "Connection", "Upgrade");
	if (reply->route != NULL) {
		error |= reply_add_list(out, &reply->route->header);
		error |= reply_add_list(out, &reply->route->header_http);
	}
	return error | http_response_end(out);
}

/* Gives what was built to the stream. */
static void reply_pass(struct stream *stream, struct evbuffer *out)
{
	struct evbuffer_iovec part;
	while (evbuffer_peek(out, -1, NULL, &part, 1) > 0 && part.iov_len > 0) {
		stream_send(stream, part.iov_base, part.iov_len);
		evbuffer_drain(out, part.iov_len);
	}
}

/* Builds the head apart: when memory is short in the middle of it, none of it is sent. */
int reply_send(struct stream *stream, const struct reply *reply)
{
	struct evbuffer *out = evbuffer_new();
	if (out == NULL)
		return -ENOMEM;
	int error = reply_head(out, reply);
	if (error == 0) {
		reply_pass(stream, out);
		if (reply->body != NULL)
			stream_send(stream, reply->body, reply->len);
	}
	evbuffer_free(out);
	return error == 0 ? 0 : -ENOMEM;
}

/* The same for an opening handshake; what the headers must be is in RFC 6455 4.2.2. */
int reply_send_switch(
	struct stream *stream, const char *accept, const char *protocol, const struct route_conf *route)
{
	struct evbuffer *out = evbuffer_new();
	if (out == NULL)
		return -ENOMEM;
	int error = http_response_begin(out, 101, time(NULL));
	error |= http_response_header(out, "Upgrade", "websocket");
	error |= http_response_header(out, "Connection", "Upgrade");
	error |= http_response_header(out, "Sec-WebSocket-Accept", accept);
	error |= reply_add(out, "Sec-WebSocket-Protocol", protocol);
	error |= reply_add_list(out, &route->header);
	error |= reply_add_list(out, &route->header_ws);
	error |= http_response_end(out);
	if (error == 0)
		reply_pass(stream, out);
	evbuffer_free(out);
	return error == 0 ? 0 : -ENOMEM;
}
