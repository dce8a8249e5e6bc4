/*
 * access: writes the lines of requests, and websocketd's of sessions; chooses its words for what became of a
 * request. The form of its lines is the log's (base/logline_websocketd.h). Runs on its loop's thread.
 */
#include "gate/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ACCESS_URL_PATH = 1024, ACCESS_WORDS = 256 };

/* The part of a request's path that may be shown. */
struct access_path {
	struct text shown;
	const char *hidden; /* what stands for the rest, or "" */
};

/* Does a route have its tokens in the path? */
static bool access_has_tokens(const struct route_conf *route)
{
	return route->targets != NULL && route->target_by == TARGET_BY_PATH;
}

/* Is there any such route? */
static bool access_has_secrets(const struct config *config)
{
	for (size_t i = 0; i < config->n_routes; i++) {
		if (access_has_tokens(&config->routes[i]))
			return true;
	}
	return false;
}

/* May it be a path to the tokens of a route, written in a way that is not ours? The slash behind the route's
 * may be missing, or be something else. */
static bool access_is_like(struct text path, const struct route_conf *route)
{
	size_t len = strlen(route->path);

	if (len > 0 && route->path[len - 1] == '/')
		len--;
	for (size_t i = 0; i < path.len; i++) {
		struct text rest = text_slice(path, i);
		if (text_starts_with(rest, "//") || text_starts_with(rest, "/.") ||
			strchr("\\;", path.ptr[i]) != NULL ||
			(rest.len >= len && strncasecmp(rest.ptr, route->path, len) == 0))
			return true;
	}
	return false;
}

/* Would the route answer this path, on whichever host and listener? */
static bool access_is_of(struct text path, const struct route_conf *route)
{
	return route->prefix ? text_starts_with(path, route->path) : text_is(path, route->path);
}

/*
 * The part of a decoded path that holds no token: of one that is behind a route with tokens that route's own,
 * of one that no route has the first slash. NULL: all of it; it is another route's, and can't have been meant
 * for one with tokens.
 */
static const char *access_known(const struct config *config, struct text path)
{
	const char *known = "/";
	bool whole = false, like = false;

	for (size_t i = 0; i < config->n_routes; i++) {
		const struct route_conf *route = &config->routes[i];
		bool tokens = access_has_tokens(route), ours = access_is_of(path, route);

		if (ours && tokens)
			return route->path;
		like = like || (tokens && access_is_like(path, route));
		if (ours && strlen(route->path) >= strlen(known))
			known = route->path;
		whole = whole || ours;
	}
	return whole && !like ? NULL : known;
}

/*
 * Tokens are secrets, as those of a query are. Where a route has them in its path nothing is shown that may
 * be one, whether or not the request came to that route: its Host may be wrong, its handshake broken, its
 * path not quite the route's (two slashes, another case); nor anything of a path that can't be decoded.
 */
static struct access_path access_look_at(const struct config *config, struct text path)
{
	char decoded[HTTP_LINE_MAX];

	if (path.len == 0 || !access_has_secrets(config))
		return (struct access_path){ path, "" };
	long len = path.len <= sizeof(decoded) ? text_percent_decode(path, decoded) : -1;
	if (len < 0)
		return (struct access_path){ text_of("/"), "***" };
	struct text whole = { decoded, (size_t)len };
	const char *known = access_known(config, whole);
	if (known == NULL || text_is(whole, known))
		return (struct access_path){ path, "" };
	return (struct access_path){ text_of(known), "***" };
}

/* The URL as the client knows it. NULL when there is no memory. */
static char *access_make_url(const struct http_request *request, const struct access_path *path, bool secure)
{
	struct text host = request->host;
	bool v6 = host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;
	int len = path->shown.len < ACCESS_URL_PATH ? (int)path->shown.len : ACCESS_URL_PATH;
	char *url;

	if (asprintf(&url, "http%s://%s%.*s%s%s%.*s%.*s%s%s", secure ? "s" : "", v6 ? "[" : "",
		    TEXT_ARG(host), v6 ? "]" : "", request->host_port.len > 0 ? ":" : "",
		    TEXT_ARG(request->host_port), len, path->shown.ptr, path->hidden,
		    request->has_query ? "?***" : "") < 0)
		return NULL;
	return url;
}

/* Adds a mark to the path, behind at most ACCESS_PATH bytes with the NUL. */
static void access_mark(struct access *access, const char *mark)
{
	size_t len = strlen(access->path);

	text_copy(access->path + len, sizeof(access->path) - len, text_of(mark));
}

/* Keeps what the log needs. */
void access_remember(struct access *access, const struct config *config, const struct client *client,
	const struct http_request *request)
{
	struct access_path path = access_look_at(config, request->path);

	access_forget(access);
	text_copy(access->method, sizeof(access->method), request->method);
	text_copy(access->path, ACCESS_PATH, path.shown);
	access_mark(access, path.hidden);
	access_mark(access, request->has_query ? "?***" : "");
	access->handshake = http_request_has_token(request, "Upgrade", "websocket");
	if (config->log_websocketd != LOG_WEBSOCKETD_OFF)
		access->url = access_make_url(request, &path, client->secure);
}

/* There is no request any more. */
void access_forget(struct access *access)
{
	free(access->url);
	*access = (struct access){ 0 };
}

/* What websocketd says of a plain request: who has answered it. */
static const char *access_plain_words(const struct config *config, const struct entrance *entrance,
	const struct access_outcome *outcome, const char *otherwise)
{
	int status = outcome->status;
	const struct route_conf *route = &config->routes[0]; /* under that name there is one */

	if (outcome->id != NULL && (status < 400 || outcome->reason == NULL))
		return "CGI";
	if (outcome->id != NULL)
		return otherwise;
	if (status == 404)
		return "NOT FOUND";
	if (status >= 400)
		return otherwise;
	if (config->listens[entrance->listen].redirect_to != NULL)
		return "REDIRECT";
	return route->console ? "DEVCONSOLE" : "STATIC";
}

/* The line in websocketd's log, which has no status but by its words. */
static void access_log_there(const struct access *access, struct log *log, const struct config *config,
	const struct entrance *entrance, const struct access_outcome *outcome)
{
	int status = outcome->status;
	const char *reason = outcome->reason != NULL ? outcome->reason : "";
	const char *sentence = "request", *words;
	char otherwise[ACCESS_WORDS];

	snprintf(otherwise, sizeof(otherwise), "%s%s",
		access->handshake     ? "Unable to Upgrade: "
		: outcome->id != NULL ? "CGI: "
				      : "BAD REQUEST: ",
		reason);
	if (!access->handshake)
		words = access_plain_words(config, entrance, outcome, otherwise);
	else if (status == 429 && strcmp(reason, "max_processes") == 0) {
		sentence = "limit reached";
		words = "Max of possible forks already active, upgrade rejected";
	} else {
		sentence = status < 500 ? "upgrade refused" : "session refused";
		words = status == 404 ? "NOT FOUND: script not found" : otherwise;
	}
	log_info(log, sentence, LOG_STR("url", access->url), LOG_STR("words", words));
}

/* Writes it in the words of the log. */
void access_log(const struct access *access, struct log *log, const struct config *config,
	const struct entrance *entrance, const struct addr *peer, const struct access_outcome *outcome)
{
	char text[ADDR_TEXT];

	if (config->log_websocketd != LOG_WEBSOCKETD_OFF) {
		access_log_there(access, log, config, entrance, outcome);
	} else if (outcome->id == NULL) {
		log_info(log, "request", LOG_STR("peer", addr_format(peer, text)),
			LOG_STR("method", access->method), LOG_STR("path", access->path),
			LOG_U64("status", outcome->status), LOG_U64("bytes", outcome->bytes),
			LOG_STR("reason", outcome->reason));
	} else {
		log_info(log, "request", LOG_STR("id", outcome->id), LOG_STR("peer", addr_format(peer, text)),
			LOG_STR("method", access->method), LOG_STR("path", access->path),
			LOG_U64("status", outcome->status), LOG_U64("bytes", outcome->bytes),
			LOG_STR("program", outcome->program), LOG_STR("backend", outcome->backend),
			LOG_U64("in_bytes", outcome->in_bytes), LOG_MS("duration", outcome->duration_ms),
			LOG_STR("end", outcome->end), LOG_STR("reason", outcome->reason));
	}
}

/* One block: the struct, then both texts. */
struct access_session *access_session_new(
	const char *url, const char *command, const struct http_request *request)
{
	const struct http_header *header = http_request_header(request, "Origin");
	struct text origin = header != NULL ? header->value : text_of("");
	size_t url_size = url != NULL ? strlen(url) + 1 : 0;
	struct access_session *session =
		url != NULL ? malloc(sizeof(*session) + url_size + origin.len + 1) : NULL;
	char *at;

	if (session == NULL)
		return NULL;
	at = (char *)(session + 1);
	memcpy(at, url, url_size);
	snprintf(at + url_size, origin.len + 1, "%.*s", TEXT_ARG(origin));
	*session = (struct access_session){ .command = command, .url = at, .origin = at + url_size };
	return session;
}

/* Frees it. */
void access_session_free(struct access_session *session)
{
	if (session != NULL)
		free(session->remote);
	free(session);
}

/* Without memory for it the address stands there. */
void access_session_name(struct access_session *session, const char *name)
{
	if (session != NULL && name != NULL)
		session->remote = strdup(name);
}

/* Writes it. */
void access_session_log(const struct access_session *session, struct log *log, const char *sentence,
	const char *id, const struct addr *peer, const char *who)
{
	char text[ADDR_TEXT];
	const char *remote = session->remote != NULL ? session->remote : addr_format_host(peer, text);

	log_info(log, sentence, LOG_STR("url", session->url), LOG_STR("id", id), LOG_STR("remote", remote),
		LOG_STR("command", session->command), LOG_STR("origin", session->origin),
		LOG_STR("pid", strncmp(who, "pid ", 4) == 0 ? who + 4 : NULL));
}
