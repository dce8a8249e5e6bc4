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
static bool reply_list_has(const struct header_list *list, struct text name)
{
	for (size_t i = 0; i < list->n; i++)
		if (text_equal_nocase(text_of(list->items[i].name), name))
			return true;
	return false;
}

/* Has the operator set it for plain responses of this route? */
static bool reply_is_set(const struct route_conf *route, struct text name)
{
	return route != NULL &&
	       (reply_list_has(&route->header, name) || reply_list_has(&route->header_http, name));
}

/* One header that the operator may set in its place. */
static int reply_add_default(
	struct evbuffer *out, const struct reply *reply, const char *name, const char *value)
{
	return reply_is_set(reply->route, text_of(name)) ? 0 : reply_add(out, name, value);
}

/* What the route adds to plain responses. */
static int reply_add_route(struct evbuffer *out, const struct route_conf *route)
{
	return route == NULL ? 0
			     : reply_add_list(out, &route->header) | reply_add_list(out, &route->header_http);
}

/* What keeps a page from harm that other pages, or its own links, could do: it is what it says that it is,
 * tells no other host its URL, and is neither embedded nor framed by another origin's. A file may have a form
 * for a CGI program: with no-referrer browsers would send it with the Origin null (Fetch, "append a request
 * Origin header"). */
static int reply_add_protection(struct evbuffer *out, const struct reply *reply)
{
	const char *referrer = reply->is_file ? "same-origin" : "no-referrer";
	int error = reply_add_default(out, reply, "Content-Security-Policy", reply->policy);

	error |= reply_add_default(out, reply, "X-Content-Type-Options", "nosniff");
	error |= reply_add_default(out, reply, "Referrer-Policy", referrer);
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
	bool varies = reply->is_file || reply->is_page;
	const char *ask = varies ? "no-cache" : NULL;
	int error = reply_add_default(out, reply, "Cache-Control", reply->status >= 400 ? "no-store" : ask);

	error |= reply_add(out, "ETag", reply->etag);
	error |= reply_add(out, "Last-Modified", reply->modified);
	return error | reply_add(out, "Vary", varies ? "Accept-Encoding" : NULL);
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
	error |= reply_add(out, "Allow", reply->allow);
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
	error |= reply_add_route(out, reply->route);
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

/* One header of a program, unless the operator has set it. */
static int reply_add_of(
	struct evbuffer *out, const struct reply_program *reply, struct text name, struct text value)
{
	bool cookie = text_is_nocase(name, "Set-Cookie");

	if (reply_is_set(reply->route, name) && !cookie)
		return 0;
	return http_response_header_text(out, name, value);
}

/* What a program says of its document, and all else that it says. Returns 0 or less; *sniffed: whether it
 * says itself how its type is to be taken. */
static int reply_add_program(struct evbuffer *out, const struct reply_program *reply, bool *sniffed)
{
	const struct cgihead *head = reply->head;
	int error = 0;

	if (head->type.len > 0)
		error |= reply_add_of(out, reply, text_of("Content-Type"), head->type);
	if (head->location.len > 0)
		error |= reply_add_of(out, reply, text_of("Location"), head->location);
	*sniffed = false;
	for (size_t i = 0; i < head->n_headers; i++) {
		*sniffed |= text_is_nocase(head->headers[i].name, "X-Content-Type-Options");
		error |= reply_add_of(out, reply, head->headers[i].name, head->headers[i].value);
	}
	return error;
}

/* Its head: the program's, how long the document is, and ours. */
static int reply_program_head(struct evbuffer *out, const struct reply_program *reply)
{
	bool sniffed;
	int error = http_response_begin_as(out, reply->head->status, reply->head->reason, time(NULL));

	error |= reply_add_program(out, reply, &sniffed);
	if (reply->has_length)
		error |= http_response_header_u64(out, "Content-Length", reply->len);
	error |= reply_add(out, "Transfer-Encoding", reply->chunked ? "chunked" : NULL);
	if (!sniffed && !reply_is_set(reply->route, text_of("X-Content-Type-Options")))
		error |= http_response_header(out, "X-Content-Type-Options", "nosniff");
	error |= reply_add(out, "Connection", reply->close ? "close" : NULL);
	return error | reply_add_route(out, reply->route) | http_response_end(out);
}

/* The same as reply_send(). */
int reply_send_program(struct stream *stream, const struct reply_program *reply)
{
	struct evbuffer *out = evbuffer_new();
	if (out == NULL)
		return -ENOMEM;
	int error = reply_program_head(out, reply);
	if (error == 0)
		reply_pass(stream, out);
	evbuffer_free(out);
	return error == 0 ? 0 : -ENOMEM;
}

/* The rest of the head of a 101: what the client asked for, and what the route adds. */
static int reply_switch_more(
	struct evbuffer *out, const struct reply_switch *reply, const struct route_conf *route)
{
	int error = reply_add(out, "Sec-WebSocket-Protocol", reply->protocol);

	error |= reply_add(out, "Sec-WebSocket-Extensions", reply->extensions);
	error |= reply_add_list(out, &route->header);
	return error | reply_add_list(out, &route->header_ws);
}

/* Is there any of that? */
static bool reply_switch_has_more(const struct reply_switch *reply, const struct route_conf *route)
{
	return reply->protocol != NULL || reply->extensions != NULL || route->header.n > 0 ||
	       route->header_ws.n > 0;
}

/* The same for an opening handshake. Mostly nothing is to be added, and then no buffer is needed. */
int reply_send_switch(struct stream *stream, const struct reply_switch *reply, const struct route_conf *route)
{
	char head[HTTP_SWITCH_SIZE];
	size_t len = http_response_switch(head, reply->accept, time(NULL));
	struct evbuffer *more = NULL;
	int error = 0;

	if (reply_switch_has_more(reply, route)) {
		more = evbuffer_new();
		error = more == NULL ? -ENOMEM : reply_switch_more(more, reply, route);
	}
	if (error == 0) {
		stream_send(stream, head, len);
		if (more != NULL)
			reply_pass(stream, more);
		stream_send(stream, "\r\n", 2);
	}
	if (more != NULL)
		evbuffer_free(more);
	return error == 0 ? 0 : -ENOMEM;
}
