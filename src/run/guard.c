/*
 * guard: compares what listeners are bound to, or will be, with what their routes run.
 *
 * Owns nothing. Runs on the main thread, at start or for --check; the latter may wait for names of hosts.
 */
#include "run/guard.h"

#include "base/must.h"
#include "conf/route.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

enum { GUARD_ADDRESS = 300 }; /* room for an address, as it is written or bound */

/* What a terminal's owner may do about it, and where that is written. */
static const char guard_words[] = "a terminal would be open to everybody who reaches this address: listen on "
				  "a loopback address or a unix "
				  "socket, have the listener require certificates (tls_client_ca), or say "
				  "with auth = none in the route "
				  "that it is meant";
static const char guard_words_options[] =
	"a terminal would be open to everybody who reaches this address: listen on a loopback address "
	"(--address=127.0.0.1) or a unix socket, have certificates required (--sslca), or say with "
	"--set auth=none that it is meant";

/* The same of one that pages of every site may use. */
static const char guard_pages[] =
	"any web page may use a terminal, by the browser of who has the page open: leave origins at same or "
	"list those of your own pages, have the listener require certificates (tls_client_ca), or say with "
	"auth = none in the route that it is meant";
static const char guard_pages_options[] =
	"any web page may use a terminal, by the browser of who has the page open: --origin=same or those of "
	"your own pages, have certificates required (--sslca), or say with --set auth=none that it is meant";

/* Where listeners are: what they are bound to, or, without entrances, what is written. */
struct guard {
	const struct config *config;
	const struct entrance *entrances;
	size_t n_entrances;
};

/* Is a socket that is bound there for this host alone? */
static bool guard_is_local(const struct addr *at)
{
	return at->u.sa.sa_family == AF_UNIX || addr_is_loopback(at);
}

/* Looks a host up. One that has an address of a network, among others or not, is of a network. */
static bool guard_leads_out(const char *host)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	bool out = false;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
		struct addr at = { .len = one->ai_addrlen };
		memcpy(&at.u, one->ai_addr, one->ai_addrlen);
		out |= !guard_is_local(&at);
	}
	freeaddrinfo(found);
	return out;
}

/* Is an address, as it is written, that of a network? */
static bool guard_is_network(const char *address)
{
	struct addr_name name;
	must(addr_parse(&name, address) == 0); /* conf has checked it */

	if (name.kind != ADDR_TCP || strcasecmp(name.host, "localhost") == 0)
		return false;
	return strcmp(name.host, "*") == 0 || guard_leads_out(name.host);
}

/* Finds the first address of a listener by which a network gets in. */
static bool guard_find(const struct guard *guard, size_t listen, char out[GUARD_ADDRESS])
{
	const struct conf_list *written = &guard->config->listens[listen].address;

	for (size_t i = 0; i < guard->n_entrances; i++)
		if (guard->entrances[i].listen == listen && !guard_is_local(&guard->entrances[i].local)) {
			addr_format(&guard->entrances[i].local, out);
			return true;
		}
	for (size_t i = 0; guard->entrances == NULL && i < written->n; i++)
		if (guard_is_network(written->items[i])) {
			snprintf(out, GUARD_ADDRESS, "%s", written->items[i]);
			return true;
		}
	return false;
}

/* Does a route answer on a listener that asks nobody who they are? */
static bool guard_lets_in(const struct route_conf *route, const struct listen_conf *listen)
{
	bool asks = listen->tls_client_ca != NULL && listen->tls_client == TLS_CLIENT_REQUIRE &&
		    !listen->tls_optional;

	return listen->redirect_to == NULL && !asks && route_is_on(route, listen->name);
}

/* Finds a listener by which a network gets to a route, from *listen on. */
static bool guard_find_listener(
	const struct guard *guard, const struct route_conf *route, size_t *listen, char out[GUARD_ADDRESS])
{
	for (; route->auth != AUTH_NONE && *listen < guard->config->n_listens; (*listen)++)
		if (guard_lets_in(route, &guard->config->listens[*listen]) && guard_find(guard, *listen, out))
			return true;
	return false;
}

/* Which sentence helps. */
static const char *guard_sentence(const struct config *config)
{
	return config->command_line ? guard_words_options : guard_words;
}

/* A terminal that a network gets to, and by what. */
struct guard_gap {
	size_t route, listen;
	char address[GUARD_ADDRESS];
};

/* Finds the next one, from this route and listener on; all zero is the first. */
static bool guard_next(const struct guard *guard, struct guard_gap *gap)
{
	for (; gap->route < guard->config->n_routes; gap->route++, gap->listen = 0) {
		const struct route_conf *route = &guard->config->routes[gap->route];

		if (route->terminal && guard_find_listener(guard, route, &gap->listen, gap->address))
			return true;
	}
	return false;
}

/* What of a route's origins lets pages of every site in; NULL: nothing. A page in a sandbox is "null",
 * whosever it is. */
static const char *guard_find_any_page(const struct config *config, const struct route_conf *route)
{
	static const char *const all[] = { "any", "*", "null" };

	for (size_t i = 0; !config->same_origin && i < route->origins.n; i++)
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			if (strcmp(route->origins.items[i], all[k]) == 0)
				return route->origins.items[i];
	return NULL;
}

/* Finds the next terminal that every page may use, from route *at on, also where only this host gets to: its
 * people have browsers. Returns what its origins say; NULL: there is none. */
static const char *guard_next_for_pages(const struct config *config, size_t *at)
{
	for (; *at < config->n_routes; (*at)++) {
		const struct route_conf *route = &config->routes[*at];
		const char *origins = guard_find_any_page(config, route);

		if (!route->terminal || route->auth == AUTH_NONE || origins == NULL)
			continue;
		for (size_t i = 0; i < config->n_listens; i++)
			if (guard_lets_in(route, &config->listens[i]))
				return origins;
	}
	return NULL;
}

/* A line for each. */
int guard_try(const struct config *config, FILE *out)
{
	const struct guard guard = { .config = config };
	struct guard_gap gap = { 0 };
	const char *origins;
	int error = 0;

	for (; guard_next(&guard, &gap); gap.listen++, error = -EPERM)
		fprintf(out, "[route %s] terminal: %s: %s ([listen %s])\n", config->routes[gap.route].pattern,
			gap.address, guard_sentence(config), config->listens[gap.listen].name);
	for (size_t at = 0; (origins = guard_next_for_pages(config, &at)) != NULL; at++, error = -EPERM)
		fprintf(out, "[route %s] terminal: origins = %s: %s\n", config->routes[at].pattern, origins,
			config->command_line ? guard_pages_options : guard_pages);
	return error;
}

/* The same into the log. */
int guard_check(
	struct log *log, const struct config *config, const struct entrance *entrances, size_t n_entrances)
{
	const struct guard guard = { config, entrances, n_entrances };
	struct guard_gap gap = { 0 };
	const char *origins;
	int error = 0;

	for (; guard_next(&guard, &gap); gap.listen++, error = -EPERM)
		log_error(log, guard_sentence(config), LOG_STR("route", config->routes[gap.route].pattern),
			LOG_STR("listen", config->listens[gap.listen].name), LOG_STR("address", gap.address));
	for (size_t at = 0; (origins = guard_next_for_pages(config, &at)) != NULL; at++, error = -EPERM)
		log_error(log, config->command_line ? guard_pages_options : guard_pages,
			LOG_STR("route", config->routes[at].pattern), LOG_STR("origins", origins));
	return error;
}

/* The first route with programs that a network reaches speaks for all. */
static void guard_warn_of_programs(struct log *log, const struct guard *guard)
{
	const struct config *config = guard->config;
	char address[GUARD_ADDRESS];

	for (size_t i = 0; i < config->n_routes; i++) {
		const struct route_conf *route = &config->routes[i];
		bool runs = route->exec.n > 0 || route->dir != NULL || route->cgi_dir != NULL;
		size_t at = 0;
		if (!runs || !guard_find_listener(guard, route, &at, address))
			continue;
		log_warning(log,
			config->command_line
				? "everybody who reaches this address may start programs; --set auth=none "
				  "says that it is meant"
				: "everybody who reaches this address may start programs; auth = none in "
				  "their routes says that it is meant",
			LOG_STR("route", route->pattern), LOG_STR("listen", config->listens[at].name),
			LOG_STR("address", address));
		return;
	}
}

/* One line at most. */
void guard_warn(
	struct log *log, const struct config *config, const struct entrance *entrances, size_t n_entrances)
{
	const struct guard guard = { config, entrances, n_entrances };

	if (config->manners == &manners_own)
		guard_warn_of_programs(log, &guard);
}
