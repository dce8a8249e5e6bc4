/*
 * route: parses the patterns of [route PATH] sections and finds the one that answers a request. Pure: it sees
 * paths that others have decoded, and opens nothing. Any thread.
 */
#include "conf/route.h"

#include "base/authority.h"

#include <string.h>

/* Looks at the list; what targets lead to nobody knows before. */
bool route_may_encrypt(const struct route_conf *route)
{
	bool found = route->targets != NULL;

	for (size_t i = 0; i < route->connect.n; i++)
		found |= route->connect.items[i].tls;
	return found;
}

/* Copies a host in small letters. */
static int route_parse_host(struct pool *pool, struct route_conf *route, struct text host)
{
	route->host = NULL;
	if (host.len == 0)
		return 0;
	route->host = pool_copy(pool, host);
	if (route->host == NULL)
		return ROUTE_NO_MEMORY;
	text_fold(route->host);
	return authority_is_host(host) ? 0 : ROUTE_BAD_HOST;
}

/* Decodes a path that has lost the star of a prefix. */
static int route_parse_path(struct pool *pool, struct route_conf *route, struct text path)
{
	long len;

	for (size_t i = 0; i < path.len; i++) {
		if (path.ptr[i] == '*')
			return ROUTE_BAD_STAR;
		if (path.ptr[i] == '?' || path.ptr[i] == '#')
			return ROUTE_BAD_PATH;
	}
	route->path = pool_alloc(pool, path.len + 1);
	if (route->path == NULL)
		return ROUTE_NO_MEMORY;
	len = text_percent_decode(path, route->path);
	if (len < 0)
		return ROUTE_BAD_PATH;
	route->path[len] = '\0';
	return 0;
}

/* Splits host from path and takes the star off. */
int route_parse(struct pool *pool, struct route_conf *route, const char *pattern)
{
	struct text all = text_of(pattern);
	struct text host = { pattern, strcspn(pattern, "/") };
	struct text path = text_slice(all, host.len);
	int error;

	if (path.len == 0)
		return ROUTE_NO_PATH;
	route->prefix = text_ends_with(path, "/*");
	path.len -= route->prefix;
	route->pattern = pool_copy(pool, all);
	if (route->pattern == NULL)
		return ROUTE_NO_MEMORY;
	error = route_parse_host(pool, route, host);
	return error ? error : route_parse_path(pool, route, path);
}

/* Completes "[route X]: ...". */
const char *route_error(int error)
{
	switch ((enum route_error)error) {
	case ROUTE_NO_PATH:
		return "the path begins with a slash (/x, /x/*, example.org/x)";
	case ROUTE_BAD_HOST:
		return "what stands before the first slash is not a host name";
	case ROUTE_BAD_STAR:
		return "a * can only be the last part of the path (/x/*); write %2A for a plain one";
	case ROUTE_BAD_PATH:
		return "the path holds a broken %XX, a control character, a ? or a #";
	case ROUTE_NO_MEMORY:
		return "out of memory";
	}
	return "not a path";
}

/* Compares what the patterns mean, not how they are written. */
bool route_same(const struct route_conf *a, const struct route_conf *b)
{
	return a->prefix == b->prefix && text_is(text_of(a->host), b->host) && strcmp(a->path, b->path) == 0;
}

/* Whether the route answers on this listener. */
bool route_is_on(const struct route_conf *route, const char *listener)
{
	for (size_t i = 0; i < route->listen.n; i++) {
		if (strcmp(route->listen.items[i], listener) == 0)
			return true;
	}
	return route->listen.n == 0;
}

/* A host of ours as requests have it: an IPv6 address without its brackets. */
static struct text route_bare_host(const char *host)
{
	struct text bare = text_of(host);

	return text_starts_with(bare, "[") ? (struct text){ host + 1, bare.len - 2 } : bare;
}

/* Whether the route answers this host and path. */
static bool route_matches(const struct route_conf *route, struct text host, struct text path)
{
	if (route->host != NULL && !text_equal_nocase(host, route_bare_host(route->host)))
		return false;
	return route->prefix ? text_starts_with(path, route->path) : text_is(path, route->path);
}

/* Whether `a`, which matches too, says more about the request than `b`. */
static bool route_is_better(const struct route_conf *a, const struct route_conf *b)
{
	if ((a->host != NULL) != (b->host != NULL))
		return a->host != NULL;
	if (a->prefix != b->prefix)
		return b->prefix;
	return strlen(a->path) > strlen(b->path);
}

/* Looks at every route: there are few, and the winner does not depend on their order. */
struct route_match route_find(
	const struct config *config, const char *listener, struct text host, struct text path)
{
	struct route_match match = { .script_name = path };
	size_t named;

	for (size_t i = 0; i < config->n_routes; i++) {
		const struct route_conf *route = &config->routes[i];

		if (route_is_on(route, listener) && route_matches(route, host, path) &&
			(match.route == NULL || route_is_better(route, match.route))) {
			match.route = route;
		}
	}
	if (match.route != NULL && match.route->prefix) {
		named = strlen(match.route->path) - 1; /* the slash belongs to what follows */
		match.script_name.len = named;
		match.path_info = text_slice(path, named);
	}
	return match;
}

/* Compares with each name; "*.x" wants one label at least in front of ".x". */
bool route_names_match(const struct conf_list *names, struct text host)
{
	for (size_t i = 0; i < names->n; i++) {
		struct text name = route_bare_host(names->items[i]);
		struct text tail = host;

		if (text_starts_with(name, "*.")) {
			name = text_slice(name, 1);
			tail = host.len > name.len ? text_slice(host, host.len - name.len)
						   : (struct text){ 0 };
		}
		if (text_equal_nocase(tail, name))
			return true;
	}
	return false;
}
