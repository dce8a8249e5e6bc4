/*
 * answer: the decisions of HTTP, in the order in which they are made: Host, route, handshake, Origin;
 * what a request gets that asks for no upgrade is in answer_plain.c.
 *
 * Holds nothing and sends nothing. What a refusal repeats of the client's words
 * is cut and reduced to printable ASCII. Runs on its loop's thread.
 */
#include "gate/answer_internal.h"

#include "gate/scripts.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* May pages of every origin connect to each route? */
static bool answer_any_origin(const struct config *config)
{
	bool any = !config->same_origin;

	for (size_t i = 0; i < config->n_routes && any; i++) {
		const struct conf_list *rules = &config->routes[i].origins;

		any = rules->n == 1 && strcmp(rules->items[0], "any") == 0;
	}
	return any;
}

/*
 * Is the Host one of ours? On a loopback address a name that is not localhost can only come from a page whose
 * name was made to resolve to it (DNS rebinding); under the name websocketd that page may connect anyway,
 * unless an option says otherwise, and names of proxies are expected (any_host). A request without Host
 * (HTTP/1.0) is none of a browser.
 */
static bool answer_host_allowed(
	const struct config *config, const struct entrance *entrance, struct text host)
{
	const struct conf_list *names = &config->listens[entrance->listen].server_names;

	if (names->n > 0)
		return route_names_match(names, host);
	if (!entrance->loopback || host.len == 0 || (config->manners->any_host && answer_any_origin(config)))
		return true;
	return text_is_nocase(host, "localhost") || answer_is_literal(host);
}

/* A refusal; the advice is a line or more for people. */
void answer_refuse(struct answer *out, int status, const char *reason, const char *advice, ...)
{
	va_list args;
	out->kind = ANSWER_REFUSE;
	out->status = status;
	out->reason = reason;
	out->allow = status == 405 ? "GET, HEAD" : NULL;
	va_start(args, advice);
	vsnprintf(out->advice, sizeof(out->advice), advice, args);
	va_end(args);
}

/* A response; without a file, which the caller adds. */
void answer_reply(struct answer *out, const struct reply *reply, const char *reason)
{
	out->kind = ANSWER_REPLY;
	out->reason = reason;
	out->reply = *reply;
	out->file.fd = -1;
}

/* For the log: the reason, and the client's word that it is about. */
static const char *answer_why(struct answer *out, const char *reason, const char *word)
{
	snprintf(out->why, sizeof(out->why), "%s: %s", reason, word);
	return out->why;
}

/* 421, with what would have the name answered: the names that are answered without any, if there is none.
 * By way of a proxy the name may be the one that the proxy has for us. */
static void answer_refuse_host(struct answer *out, const struct config *config,
	const struct entrance *entrance, struct text host, bool proxied)
{
	const struct listen_conf *listen = &config->listens[entrance->listen];
	const char *others = listen->server_names.n == 0 ? "localhost 127.0.0.1 [::1] " : "";
	char shown[ANSWER_WORD], word[ANSWER_WORD + 2], how[ANSWER_ADVICE / 2];

	answer_show(host, shown);
	bool v6 = strchr(shown, ':') != NULL; /* which is written in brackets there */
	snprintf(word, sizeof(word), "%s%s%s", v6 ? "[" : "", shown, v6 ? "]" : "");
	if (listen->implied)
		snprintf(how, sizeof(how), "--set \"%sserver_names=%s%s\" on the command line",
			config->command_line ? "" : "listen default.", others, word);
	else
		snprintf(how, sizeof(how), "add a line server_names = %s%s to [listen %.80s]", others, word,
			entrance->name);
	answer_refuse(out, 421, answer_why(out, "host not answered", word),
		"The name \"%s\" is not answered here. To allow it: %s.%s\n", shown, how,
		proxied ? " Or have the proxy pass on the Host header that it gets." : "");
}

/* The origins that a route has, each with a space behind it; in words when they are too many. Returns out. */
static const char *answer_list_origins(const struct route_conf *route, char out[ANSWER_WORD])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < route->origins.n; i++) {
		size_t room = ANSWER_WORD - len;
		int n = snprintf(out + len, room, "%s ", route->origins.items[i]);
		if (n < 0 || (size_t)n >= room)
			return "(those that are there now) ";
		len += (size_t)n;
	}
	return out;
}

/* 403, with what would let the origin in and take the right from no other. */
static void answer_refuse_origin(struct answer *out, const struct config *config, struct text origin)
{
	const struct route_conf *route = out->match.route;
	bool same = route->origins.n == 1 && strcmp(route->origins.items[0], "same") == 0;
	const char *option = config->manners->origin_option;
	char word[ANSWER_WORD], list[ANSWER_WORD], how[ANSWER_ADVICE / 2];

	answer_show(origin, word);
	if (config->same_origin)
		snprintf(how, sizeof(how), "leave out --sameorigin, and have --origin=%s on the command line",
			word);
	else if (config->command_line)
		snprintf(how, sizeof(how), "%s%s%s%s on the command line", same ? option : "",
			same ? "same " : "", option, word);
	else
		snprintf(how, sizeof(how), "origins = %s%s in [route %.80s]",
			answer_list_origins(route, list), word, route->pattern);
	answer_refuse(out, 403, answer_why(out, "origin not allowed", word),
		"Pages of the origin \"%s\" may not connect to this route. To allow it: %s.\n", word, how);
}

/* May a page of this origin have the route? websocketd's --sameorigin and --origin hold both. */
static bool answer_origin_allowed(const struct answer *out, const struct config *config,
	const struct client *client, const struct http_request *request, struct text origin)
{
	static const char *const same[] = { "same" };
	const struct conf_list *rules = &out->match.route->origins;

	return upgrade_origin_allowed(origin, (const char *const *)rules->items, rules->n, request->host,
		       request->host_port, client->secure) &&
	       (!config->same_origin || upgrade_origin_allowed(origin, same, 1, request->host,
						request->host_port, client->secure));
}

/* Who names no origin is no page. */
bool answer_bars_origin(struct answer *out, const struct config *config, const struct client *client,
	const struct http_request *request)
{
	const struct http_header *origin = http_request_header(request, "Origin");

	if (origin == NULL || answer_origin_allowed(out, config, client, request, origin->value))
		return false;
	answer_refuse_origin(out, config, origin->value);
	return true;
}

/* An opening handshake that is correct as HTTP: is there something behind it, and may this page have it? */
static void answer_upgrade(struct answer *out, const struct config *config, const struct client *client,
	const struct http_request *request)
{
	const struct route_conf *route = out->match.route;
	int error = 0;

	if (route == NULL || (route->exec.n == 0 && !route->is_service && route->dir == NULL))
		answer_refuse(out, 404, "no such route", "Nothing answers a WebSocket on this path.\n");
	else if (answer_bars_origin(out, config, client, request))
		return;
	else if (route->dir != NULL && (error = answer_find_entry(out, request)) != 0)
		answer_refuse_entry(out, error);
	else
		out->kind = ANSWER_UPGRADE;
}

/* To the same target elsewhere; "*" in the base URL is the host that was asked for. */
static void answer_elsewhere(struct answer *out, const struct config *config,
	const struct listen_conf *listen, const struct http_request *request)
{
	const char *base = listen->redirect_to;
	const char *star =
		listen->redirect_star ? strchr(base, '*') : NULL; /* the first: no scheme has one */
	struct text host = request->host, target = request->target;
	bool v6 = host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;
	struct reply reply = { .status = config->manners->status_redirect, .location = out->location };
	int len;

	if (star == NULL)
		len = snprintf(out->location, ANSWER_LOCATION, "%s%.*s", base, TEXT_ARG(target));
	else
		len = snprintf(out->location, ANSWER_LOCATION, "%.*s%s%.*s%s%s%.*s", (int)(star - base), base,
			v6 ? "[" : "", TEXT_ARG(host), v6 ? "]" : "", star + 1, TEXT_ARG(target));
	if (star != NULL && host.len == 0)
		answer_refuse(out, 400, "no host to redirect to", "The request names no host.\n");
	else if (len >= ANSWER_LOCATION)
		answer_refuse(out, 414, "target too long to redirect", "The request's target is too long.\n");
	else
		answer_reply(out, &reply, "redirect");
}

/* Judges what belongs to no route first: Host, path, handshake. */
void answer_decide(struct answer *out, const struct config *config, const struct entrance *entrance,
	const struct client *client, const struct http_request *request)
{
	if (!answer_host_allowed(config, entrance, request->host)) {
		answer_refuse_host(out, config, entrance, request->host, client->proxied);
		return;
	}
	const struct listen_conf *listen = &config->listens[entrance->listen];
	if (listen->redirect_to != NULL && (answer_only_asks(request) || text_is(request->method, "POST"))) {
		answer_elsewhere(out, config, listen, request);
		return;
	}
	long len = text_percent_decode(request->path, out->path);
	if (len < 0) {
		answer_refuse(out, 400, "bad path", "The path can't be decoded.\n");
		return;
	}
	/* With another method it is no handshake, and gets what it is for others (405, where none is). */
	int wanted = answer_only_asks(request) ? upgrade_check(&out->upgrade, request) : 0;
	if (wanted < 0) {
		const char *reason = upgrade_reason(wanted);
		answer_refuse(out, upgrade_status(wanted), reason, "Not a correct WebSocket handshake: %s\n",
			reason);
		return;
	}
	struct text path = { .ptr = out->path, .len = (size_t)len };
	out->match = route_find(config, entrance->name, request->host, path);
	if (wanted > 0)
		answer_upgrade(out, config, client, request);
	else
		answer_plain(out, config, entrance, client, request, path);
}

/* Says what is wrong with the head. */
void answer_bad_head(struct answer *out, int error)
{
	const char *reason = http_request_reason(error);
	answer_refuse(out, http_request_status(error), reason,
		"This is not a request that can be answered: %s\n", reason);
}
