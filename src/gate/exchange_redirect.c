/*
 * exchange_redirect: a local redirect of a CGI program: the request becomes another one, which is answered
 * here, without the client's knowledge (RFC 3875 6.2.2).
 *
 * What is asked for then is a page, whatever the client has asked for: neither a body nor a handshake goes
 * that way, since the program that was to judge them has not passed them on. Runs on its loop's thread.
 */
#include "gate/exchange_internal.h"

/* Is it a header that is left out: of the body, or of a handshake? */
static bool exchange_redirect_drops(struct text name)
{
	static const char *const dropped[] = { "Content-Length", "Content-Type", "Expect", "Connection",
		"Upgrade" };
	static const char websocket[] = "Sec-WebSocket-";
	struct text start = { name.ptr, name.len < sizeof(websocket) ? name.len : sizeof(websocket) - 1 };

	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
		if (text_is_nocase(name, dropped[i]))
			return true;
	}
	return text_is_nocase(start, websocket);
}

/* Makes a request a plain GET, or the HEAD that it is. */
static void exchange_redirect_strip(struct http_request *request)
{
	size_t n = 0;

	if (!text_is(request->method, "HEAD"))
		request->method = text_of("GET");
	for (size_t i = 0; i < request->n_headers; i++) {
		if (!exchange_redirect_drops(request->headers[i].name))
			request->headers[n++] = request->headers[i];
	}
	request->n_headers = n;
	request->content_length = 0;
	request->has_length = request->expects_continue = false;
}

/* A GET of the location, else as the client asked (RFC 3875 6.2.2). */
void exchange_redirect(struct exchange *exchange, const char *head, size_t n_head, const char *location)
{
	struct http_request request;
	struct answer answer;

	if (++exchange->n_redirects > EXCHANGE_REDIRECTS_MAX) {
		exchange_refuse(exchange, 502, "too many local redirects",
			"The program's redirects have no end.\n", 0);
		return;
	}
	if (http_request_parse(&request, head, n_head) != 0 ||
		http_request_retarget(&request, text_of(location)) != 0) {
		exchange_refuse(exchange, 502, "a local redirect to what is no target",
			"The program's redirect leads nowhere.\n", 0);
		return;
	}
	exchange_redirect_strip(&request);
	answer_decide(&answer, exchange->config, exchange->entrance, exchange->client, &request);
	exchange_act(exchange, (struct text){ head, n_head }, &request, &answer);
	if (exchange->state <= EXCHANGE_ASKED)
		exchange_allow(exchange);
}
