/*
 * page: HTTP of the built-in pages: which file a query means, in which form, and whether the client has it.
 *
 * The files are gate/console.c's. Sends nothing, owns nothing. Any thread.
 */
#include "gate/page.h"

#include "gate/console.h"
#include "http/conditional.h"
#include "http/encoding.h"

#include <time.h>

/* Has the client got this form already? There is no date, so a condition about one says nothing. */
static bool page_is_known(const struct http_request *request, const char *etag)
{
	struct conditional_validators validators = { .etag = etag };

	return http_request_header(request, "If-None-Match") != NULL &&
	       conditional_check(request, &validators, time(NULL)) == CONDITIONAL_NOT_MODIFIED;
}

/* A 304 has what a cache needs to keep its copy, and no body. */
const char *page_find(struct reply *out, const struct http_request *request, const struct route_conf *route)
{
	struct console_file file;

	if (!console_find(&file, request->query, route->terminal, encoding_prefers_gzip(request)))
		return NULL;
	bool known = page_is_known(request, file.etag);
	*out = (struct reply){
		.status = known ? 304 : 200,
		.type = known ? NULL : file.type,
		.policy = CONSOLE_POLICY,
		.etag = file.etag,
		.encoding = known ? NULL : file.encoding,
		.body = known || text_is(request->method, "HEAD") ? NULL : file.bytes.ptr,
		.len = known ? 0 : file.bytes.len,
		.is_page = true,
		.route = route,
	};
	return known ? "not modified" : "console";
}

/* Looks with the slash, which a prefix wants, and without it, as an exact path is. */
bool page_is_token(const struct config *config, const struct entrance *entrance, struct text host,
	struct text path, const struct route_conf *route)
{
	static const char token[] = "/token";

	if (!text_ends_with(path, token) || (route != NULL && !route->prefix))
		return false;
	for (size_t cut = sizeof(token) - 2; cut < sizeof(token); cut++) {
		struct text base = { .ptr = path.ptr, .len = path.len - cut };
		struct route_match match = route_find(config, entrance->name, host, base);

		if (match.route != NULL && match.route->terminal)
			return true;
	}
	return false;
}

/* The same for all. */
const char *page_token(struct reply *out, const struct http_request *request, const struct route_conf *route)
{
	static const char none[] = "{\"token\":\"\"}";

	*out = (struct reply){
		.status = 200,
		.type = "application/json",
		.body = text_is(request->method, "HEAD") ? NULL : none,
		.len = sizeof(none) - 1,
		.is_page = true,
		.route = route,
	};
	return "token";
}
