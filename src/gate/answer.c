/*
 * answer: the decisions of HTTP, in the order in which they are made: Host, route, handshake, Origin; or
 * file, console, 426.
 *
 * Holds nothing; the exchange sends what is decided. What a refusal repeats of the client's words is cut and
 * reduced to printable ASCII. Runs on its loop's thread.
 */
#include "gate/answer.h"

#include "gate/console.h"
#include "ws/message.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_WORD = 120 };

/* A client's word that is safe to show: printable ASCII without quotes, cut. Returns out. */
static const char *answer_show(struct text word, char out[ANSWER_WORD])
{
	size_t len = word.len < ANSWER_WORD - 1 ? word.len : ANSWER_WORD - 1;
	for (size_t i = 0; i < len; i++) {
		char c = word.ptr[i];
		out[i] = c > 0x20 && c < 0x7f && strchr("\"<>&'", c) == NULL ? c : '?';
	}
	out[len] = '\0';
	return out;
}

/* Is this Host an address in digits? */
static bool answer_is_literal(struct text host)
{
	char copy[64];
	struct in6_addr any;

	if (host.len == 0 || host.len >= sizeof(copy))
		return false;
	memcpy(copy, host.ptr, host.len);
	copy[host.len] = '\0';
	return inet_pton(AF_INET, copy, &any) == 1 || inet_pton(AF_INET6, copy, &any) == 1;
}

/*
 * Is the Host one of ours? On a loopback address a name that is not localhost can only come from a page whose
 * name was made to resolve to it (DNS rebinding). A request without Host (HTTP/1.0) is none of a browser.
 */
static bool answer_host_allowed(const struct exchange *exchange, struct text host)
{
	const struct conf_list *names = &exchange->config->listens[exchange->entrance->listen].server_names;

	if (names->n > 0)
		return route_names_match(names, host);
	if (!exchange->entrance->loopback || host.len == 0)
		return true;
	return text_is_nocase(host, "localhost") || answer_is_literal(host);
}

/* 421, with the names that would be answered. */
static void answer_refuse_host(struct exchange *exchange, struct text host)
{
	char word[ANSWER_WORD], advice[512];
	answer_show(host, word);
	snprintf(advice, sizeof(advice),
		"The name \"%s\" is not answered here. To allow it: server_names = %s in [listen %s].\n",
		word, word, exchange->entrance->name);
	exchange_refuse(exchange, 421, "host not answered", advice, 0);
}

/* 403, with the origin and what would allow it. */
static void answer_refuse_origin(
	struct exchange *exchange, const struct route_conf *route, struct text origin)
{
	char word[ANSWER_WORD], advice[512];
	answer_show(origin, word);
	snprintf(advice, sizeof(advice),
		"Pages of the origin \"%s\" may not connect to this route. To allow it: origins = %s in "
		"[route %s], "
		"or --origin=%s on the command line.\n",
		word, word, route->pattern, word);
	exchange_refuse(exchange, 403, "origin not allowed", advice, 0);
}

/* An opening handshake that is correct as HTTP: is there something behind it, and may this page have it? */
static void answer_upgrade(struct exchange *exchange, const struct exchange_upgrade *upgrade)
{
	const struct http_request *request = upgrade->request;
	const struct route_conf *route = upgrade->match->route;
	const struct http_header *origin = http_request_header(request, "Origin");

	if (route == NULL || (route->exec.n == 0 && !route->has_connect)) {
		exchange_refuse(
			exchange, 404, "no such route", "Nothing answers a WebSocket on this path.\n", 0);
		return;
	}
	/* TLS is none yet, so the last argument is false. */
	if (origin != NULL &&
		!upgrade_origin_allowed(origin->value, (const char *const *)route->origins.items,
			route->origins.n, request->host, request->host_port, false)) {
		answer_refuse_origin(exchange, route, origin->value);
		return;
	}
	exchange_ask(exchange, upgrade);
}

/* The console's page, script or style. */
static void answer_console(
	struct exchange *exchange, const struct http_request *request, const struct route_conf *route)
{
	struct console_file file = console_find(request->query);
	struct reply reply = {
		.status = 200,
		.type = file.type,
		.policy = CONSOLE_POLICY,
		.body = text_is(request->method, "HEAD") ? NULL : file.bytes.ptr,
		.len = file.bytes.len,
		.route = route,
	};
	exchange_answer(exchange, &reply, NULL, "console");
}

/* A directory was named without its slash: the same path with one, which must not begin like the name of
 * another host. */
static void answer_redirect(
	struct exchange *exchange, const struct http_request *request, const struct route_conf *route)
{
	char location[HTTP_LINE_MAX + 2];
	struct text path = request->path;
	struct reply reply = { .status = 301, .location = location, .route = route };

	while (path.len > 1 && path.ptr[1] == '/')
		path = text_slice(path, 1);
	snprintf(location, sizeof(location), "%.*s/", TEXT_ARG(path));
	exchange_answer(exchange, &reply, NULL, "directory");
}

/* Has the path as it was sent an escaped slash or backslash? Such a name can't be told from a path. */
static bool answer_hides_slash(struct text path)
{
	for (size_t i = 0; i + 2 < path.len; i++) {
		struct text escape = { .ptr = path.ptr + i, .len = 3 };
		if (text_is_nocase(escape, "%2f") || text_is_nocase(escape, "%5c"))
			return true;
	}
	return false;
}

/* A static file. Returns whether it was answered. */
static bool answer_static(
	struct exchange *exchange, const struct http_request *request, const struct route_match *match)
{
	const struct route_conf *route = match->route;
	struct text path = route->prefix ? match->path_info : text_of("/");
	struct file file;

	if (path.len == 0)
		path = text_of("/");
	if (answer_hides_slash(request->path))
		return false;
	int error = file_open(&file, route->static_dir, path);
	if (error == FILE_NONE)
		return false;
	if (error == FILE_DIRECTORY) {
		answer_redirect(exchange, request, route);
		return true;
	}
	if (error < 0) {
		exchange_refuse(
			exchange, 500, "file could not be opened", "The file could not be opened.\n", 0);
		return true;
	}
	struct reply reply = { .status = 200, .type = file.type, .len = file.len, .route = route };
	bool head = text_is(request->method, "HEAD");
	if (head)
		file_close(&file);
	exchange_answer(exchange, &reply, head ? NULL : &file, "file");
	return true;
}

/* A request that asks for no upgrade. */
static void answer_plain(
	struct exchange *exchange, const struct http_request *request, const struct route_match *match)
{
	const struct route_conf *route = match->route;

	if (route == NULL) {
		exchange_refuse(exchange, 404, "no such route", "Nothing answers on this path.\n", 0);
		return;
	}
	if (route->static_dir != NULL && answer_static(exchange, request, match))
		return;
	if (route->console)
		answer_console(exchange, request, route);
	else if (route->static_dir != NULL)
		exchange_refuse(exchange, 404, "no such file", "There is no such file.\n", 0);
	else
		exchange_refuse(exchange, 426, "not a WebSocket",
			"This path is for WebSocket clients. To have a test page here: console = yes in its "
			"route.\n",
			0);
}

/* Decides. */
void answer_request(struct exchange *exchange, const struct http_request *request)
{
	char decoded[HTTP_LINE_MAX];
	struct upgrade upgrade;

	if (!answer_host_allowed(exchange, request->host)) {
		answer_refuse_host(exchange, request->host);
		return;
	}
	long len = text_percent_decode(request->path, decoded);
	if (len < 0) {
		exchange_refuse(exchange, 400, "bad path", "The path can't be decoded.\n", 0);
		return;
	}
	int wanted = upgrade_check(&upgrade, request);
	if (wanted < 0) {
		const char *reason = upgrade_reason(wanted);
		char advice[256];
		snprintf(advice, sizeof(advice), "Not a correct WebSocket handshake: %s.\n", reason);
		exchange_refuse(exchange, upgrade_status(wanted), reason, advice, 0);
		return;
	}
	struct text path = { .ptr = decoded, .len = (size_t)len };
	struct route_match match =
		route_find(exchange->config, exchange->entrance->name, request->host, path);
	struct exchange_upgrade found = {
		.request = request, .upgrade = &upgrade, .match = &match, .path = path
	};
	if (wanted > 0)
		answer_upgrade(exchange, &found);
	else
		answer_plain(exchange, request, &match);
}

/* Says what is wrong with the head. */
void answer_bad_request(struct exchange *exchange, int error)
{
	char advice[256];
	snprintf(advice, sizeof(advice), "This is not a request that can be answered: %s.\n",
		http_request_reason(error));
	exchange_refuse(exchange, http_request_status(error), http_request_reason(error), advice, 0);
}
