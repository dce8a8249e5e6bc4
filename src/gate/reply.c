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

/* Does a list of the configuration name this header? */
static bool reply_list_has(const struct header_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (text_is_nocase(text_of(list->items[i].name), name))
			return true;
	return false;
}

/* One header that the operator may set in its place. */
static int reply_add_default(
	struct evbuffer *out, const struct reply *reply, const char *name, const char *value)
{
	const struct route_conf *route = reply->route;

	if (route != NULL &&
		(reply_list_has(&route->header, name) || reply_list_has(&route->header_http, name)))
		return 0;
	return reply_add(out, name, value);
}

/* What keeps a page from harm that other pages, or its own links, could do: it is what it says that it is,
 * tells nobody its URL, and is neither embedded nor framed by another origin's. */
static int reply_add_protection(struct evbuffer *out, const struct reply *reply)
{
	int error = reply_add_default(out, reply, "Content-Security-Policy", reply->policy);

	error |= reply_add_default(out, reply, "X-Content-Type-Options", "nosniff");
	error |= reply_add_default(out, reply, "Referrer-Policy", "no-referrer");
	error |= reply_add_default(out, reply, "Cross-Origin-Resource-Policy", "same-origin");
	return error | reply_add_default(out, reply, "X-Frame-Options", "SAMEORIGIN");
}

/*
 * What caches have to know. A file without Cache-Control would be taken from a browser's cache for a tenth of
 * its age, so that pages stay old after an update; with no-cache they ask each time, and a 304 is cheap. Vary
 * is on every file, since its gzip form may be there tomorrow.
 */
static int reply_add_caching(struct evbuffer *out, const struct reply *reply)
{
	const char *file = reply->is_file ? "no-cache" : NULL;
	int error = reply_add_default(out, reply, "Cache-Control", reply->status >= 400 ? "no-store" : file);

	error |= reply_add(out, "ETag", reply->etag);
	error |= reply_add(out, "Last-Modified", reply->modified);
	return error | reply_add(out, "Vary", reply->is_file ? "Accept-Encoding" : NULL);
}

/* What the body is. */
static int reply_add_body(struct evbuffer *out, const struct reply *reply)
{
	int error = reply_add(out, "Content-Type", reply->type);

	if (reply->status != 304)
		error |= http_response_header_u64(out, "Content-Length", reply->len);
	error |= reply_add(out, "Content-Encoding", reply->encoding);
	error |= reply_add(out, "Content-Range", reply->range);
	return error | reply_add(out, "Accept-Ranges", reply->is_file ? "bytes" : NULL);
}

/* What a refusal has to say besides its words. */
static int reply_add_advice(struct evbuffer *out, const struct reply *reply)
{
	int error = 0;

	if (reply->retry_after > 0)
		error |= http_response_header_u64(out, "Retry-After", reply->retry_after);
	error |= reply_add(out, "Allow", reply->allow ? "GET, HEAD" : NULL);
	error |= reply_add(out, "Upgrade", reply->upgrade ? "websocket" : NULL);
	return error | reply_add(out, "Sec-WebSocket-Version", reply->upgrade ? "13" : NULL);
}

/* What becomes of the connection; who names a protocol in Upgrade names Upgrade here (RFC 9110 7.8). */
static const char *reply_connection(const struct reply *reply)
{
	if (reply->close)
		return reply->upgrade ? "close, Upgrade" : "close";
	return reply->upgrade ? "Upgrade" : NULL;
}

/* The head of a response: what it needs itself, then what the route adds. */
static int reply_head(struct evbuffer *out, const struct reply *reply)
{
	int error = http_response_begin(out, reply->status, time(NULL));

	error |= reply_add_body(out, reply);
	error |= reply_add(out, "Location", reply->location);
	error |= reply_add_protection(out, reply);
	error |= reply_add_caching(out, reply);
	error |= reply_add_advice(out, reply);
	error |= reply_add(out, "Connection", reply_connection(reply));
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
int reply_send_switch(struct stream *stream, const struct reply_switch *reply, const struct route_conf *route)
{
	struct evbuffer *out = evbuffer_new();
	if (out == NULL)
		return -ENOMEM;
	int error = http_response_begin(out, 101, time(NULL));
	error |= http_response_header(out, "Upgrade", "websocket");
	error |= http_response_header(out, "Connection", "Upgrade");
	error |= http_response_header(out, "Sec-WebSocket-Accept", reply->accept);
	error |= reply_add(out, "Sec-WebSocket-Protocol", reply->protocol);
	error |= reply_add(out, "Sec-WebSocket-Extensions", reply->extensions);
	error |= reply_add_list(out, &route->header);
	error |= reply_add_list(out, &route->header_ws);
	error |= http_response_end(out);
	if (error == 0)
		reply_pass(stream, out);
	evbuffer_free(out);
	return error == 0 ? 0 : -ENOMEM;
}
