/*
 * answer_plain: what a request gets that asks for no upgrade: a CGI program, a file, ttyd's token, the
 * console or the terminal page, in this order; and which program of a directory a path leads to.
 *
 * Holds nothing and sends nothing; a file that it found is open. Runs on its loop's thread.
 */
#include "gate/answer_internal.h"

#include "gate/page.h"
#include "gate/scripts.h"

#include <stdio.h>
#include <string.h>

/* Has the path as it was sent an escaped slash? Such a name can't be told from a path. (A backslash is
 * nothing that file_open() or scripts_find() would look for.) */
static bool answer_hides_slash(struct text path)
{
	for (size_t i = 0; i + 2 < path.len; i++) {
		struct text escape = { .ptr = path.ptr + i, .len = 3 };
		if (text_is_nocase(escape, "%2f"))
			return true;
	}
	return false;
}

/* Finds the program of a directory that the path leads to. Returns 0 or a scripts_error. */
static int answer_find_program(struct answer *out, const struct http_request *request, const char *dir)
{
	struct route_match *match = &out->match;

	if (answer_hides_slash(request->path))
		return SCRIPTS_NONE;
	int error = scripts_find(dir, match->path_info, &match->entry);
	if (error != 0) {
		match->entry = (struct text){ 0 };
		return error;
	}
	match->script_name.len += 1 + match->entry.len;
	match->path_info = text_slice(match->path_info, 1 + match->entry.len);
	return 0;
}

/* ... of a `dir` route. */
int answer_find_entry(struct answer *out, const struct http_request *request)
{
	return answer_find_program(out, request, out->match.route->dir);
}

/* There is no program to start, or none can be looked for. */
void answer_refuse_entry(struct answer *out, int error)
{
	if (error == SCRIPTS_FAILED)
		answer_refuse(out, 503, "programs could not be looked for",
			"The programs of this route could not be looked for.\n");
	else
		answer_refuse(out, 404,
			error == SCRIPTS_NOT_EXECUTABLE ? "the file is not executable" : "no such program",
			"There is no such program.\n");
}

/* Is it a method that files and pages have? */
bool answer_only_asks(const struct http_request *request)
{
	return text_is(request->method, "GET") || text_is(request->method, "HEAD");
}

/* A file of the console or of the terminal page. */
static void answer_page(struct answer *out, const struct http_request *request)
{
	struct reply reply;
	const char *reason = page_find(&reply, request, out->match.route);

	if (reason != NULL)
		answer_reply(out, &reply, reason);
	else
		answer_refuse(out, 404, "no terminal on this route", "There is no terminal on this path.\n");
}

/* What ttyd's page asks for before it connects. */
static void answer_token(struct answer *out, const struct http_request *request)
{
	struct reply reply;
	const char *reason = page_token(&reply, request, out->match.route);

	answer_reply(out, &reply, reason);
}

/* A directory was named without its slash: the same path with one, which must not begin like the name of
 * another host, and the same query. */
static void answer_redirect(struct answer *out, const struct http_request *request)
{
	struct text path = request->path;
	struct reply reply = { .status = 301, .location = out->location, .route = out->match.route };

	while (path.len > 1 && path.ptr[1] == '/')
		path = text_slice(path, 1);
	snprintf(out->location, sizeof(out->location), "%.*s/%s%.*s", TEXT_ARG(path),
		request->has_query ? "?" : "", TEXT_ARG(request->query));
	answer_reply(out, &reply, "directory");
}

/* A route's static files. Returns 0, or FILE_NONE or FILE_OUTSIDE: nothing of that name may be served. */
static int answer_static(struct answer *out, const struct http_request *request)
{
	const struct route_conf *route = out->match.route;
	struct text path = route->prefix ? out->match.path_info : text_of("/");
	struct site *site = &out->site;

	if (answer_hides_slash(request->path))
		return FILE_NONE;
	int error = site_find(site, request, route, path);
	if (error == FILE_NONE || error == FILE_OUTSIDE)
		return error;
	if (error == FILE_DIRECTORY)
		answer_redirect(out, request);
	else if (error < 0)
		answer_refuse(out, 500, "file could not be opened", "The file could not be opened.\n");
	else {
		answer_reply(out, &site->reply, site->reason);
		out->file = site->file;
	}
	return 0;
}

/* Another method where none but GET and HEAD are; with a program POST is one too. */
static void answer_refuse_method(struct answer *out, bool program)
{
	answer_refuse(out, 405, "method not allowed", "Only %s are answered here.\n",
		program ? "GET, HEAD and POST" : "GET and HEAD");
	if (program)
		out->allow = "GET, HEAD, POST";
}

/*
 * A request for a program that was found. Any page can have a browser send a form, so a POST is for those of
 * the route's origins. GET and HEAD change nothing (RFC 9110 9.2.1): links from elsewhere are to work, and
 * what is read the browser keeps from the other page.
 */
static void answer_run(struct answer *out, const struct config *config, const struct client *client,
	const struct http_request *request)
{
	bool posts = text_is(request->method, "POST");

	if (!posts && !answer_only_asks(request))
		answer_refuse_method(out, true);
	else if (!posts || !answer_bars_origin(out, config, client, request))
		out->kind = ANSWER_CGI;
}

/* A route's CGI programs. Returns whether that decides it; if not, *missing says why. */
static bool answer_cgi(struct answer *out, const struct config *config, const struct client *client,
	const struct http_request *request, int *missing)
{
	const struct route_conf *route = out->match.route;

	*missing = route->cgi_dir == NULL ? SCRIPTS_NONE : answer_find_program(out, request, route->cgi_dir);
	if (*missing == 0)
		answer_run(out, config, client, request);
	else if (*missing == SCRIPTS_FAILED)
		answer_refuse_entry(out, *missing);
	else
		return false;
	return true;
}

/* Where only WebSockets are answered: says how there would be something to see. */
static void answer_refuse_plain(struct answer *out, const struct config *config)
{
	const struct manners *manners = config->manners;
	const char *what = out->match.route->terminal ? "a page with a terminal" : "a test page";

	if (config->command_line && manners == &manners_websockify)
		what = "files";
	answer_refuse(out, manners->status_plain, "not a WebSocket",
		"This path is for WebSocket clients. To have %s here: %s%s.\n", what,
		config->command_line ? manners->page_option : "console = yes in its route",
		config->command_line ? " on the command line" : "");
}

/* Has a route CGI programs, and nothing else that is asked for without an upgrade? */
static bool answer_has_only_cgi(const struct route_conf *route)
{
	return route != NULL && route->cgi_dir != NULL && route->static_dir == NULL && !route->console;
}

/* A request that asks for no upgrade; `path` is decoded. */
void answer_plain(struct answer *out, const struct config *config, const struct entrance *entrance,
	const struct client *client, const struct http_request *request, struct text path)
{
	const struct route_conf *route = out->match.route;
	int error = 0, missing = FILE_NONE;
	bool asks = answer_only_asks(request);

	if (route != NULL && answer_cgi(out, config, client, request, &error))
		return;
	if (asks && route != NULL && route->static_dir != NULL &&
		(missing = answer_static(out, request)) == 0)
		return;
	if (asks && page_is_token(config, entrance, request->host, path, route))
		answer_token(out, request);
	else if (answer_has_only_cgi(route))
		answer_refuse_entry(out, error);
	else if (!asks)
		answer_refuse_method(out, false);
	else if (route == NULL)
		answer_refuse(out, 404, "no such route", "Nothing answers on this path.\n");
	else if (route->console)
		answer_page(out, request);
	else if (route->dir != NULL && (error = answer_find_entry(out, request)) != 0)
		answer_refuse_entry(out, error);
	else if (route->dir == NULL && route->static_dir != NULL)
		answer_refuse(out, 404,
			missing == FILE_OUTSIDE ? "a symlink that leads out of the directory"
						: "no such file",
			"There is no such file.\n");
	else
		answer_refuse_plain(out, config);
}
