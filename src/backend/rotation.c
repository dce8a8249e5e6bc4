/*
 * rotation: whose turn it is among the services of a route.
 *
 * Owns the counters of all routes. A session asks for one service after another until one was reached. Runs
 * on any thread.
 */
#include "backend/rotation.h"

#include "base/must.h"

#include <limits.h>
#include <stdlib.h>

/* All bits of a number, stirred: the finisher of splitmix64. */
static uint64_t rotation_stir(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* A number for a URI (FNV-1a): the same wherever it stands in the list. */
static uint64_t rotation_name(const char *uri)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (; *uri != '\0'; uri++)
		hash = (hash ^ (unsigned char)*uri) * 0x100000001b3u;
	return hash;
}

/* Nobody has been anywhere yet. Returns 0 or -1. */
static int rotation_init_route(struct rotation_route *route, const struct route_conf *conf)
{
	size_t n = conf->connect.n;

	if (n == 0)
		return 0;
	route->services = calloc(n, sizeof(*route->services));
	if (route->services == NULL)
		return -1;
	route->n = n;
	atomic_init(&route->turns, 0);
	for (size_t i = 0; i < n; i++) {
		route->services[i].name = rotation_name(conf->connect.items[i].uri);
		atomic_init(&route->services[i].sessions, 0);
		atomic_init(&route->services[i].rest_till, 0);
	}
	return 0;
}

/* Makes it. */
struct rotation *rotation_new(const struct config *config)
{
	size_t size = sizeof(struct rotation) + config->n_routes * sizeof(struct rotation_route);
	struct rotation *rotation = calloc(1, size);

	if (rotation == NULL)
		return NULL;
	rotation->n_routes = config->n_routes;
	for (size_t i = 0; i < config->n_routes; i++) {
		if (rotation_init_route(&rotation->routes[i], &config->routes[i]) != 0) {
			rotation_free(rotation);
			return NULL;
		}
	}
	return rotation;
}

/* Every session has given its place back before. */
void rotation_free(struct rotation *rotation)
{
	if (rotation == NULL)
		return;
	for (size_t i = 0; i < rotation->n_routes; i++) {
		struct rotation_route *route = &rotation->routes[i];
		for (size_t k = 0; k < route->n; k++)
			must(atomic_load(&route->services[k].sessions) == 0);
		free(route->services);
	}
	free(rotation);
}

/* Those of one route. */
struct rotation_route *rotation_of(struct rotation *rotation, size_t route_index)
{
	if (rotation == NULL || rotation->routes[route_index].n == 0)
		return NULL;
	return &rotation->routes[route_index];
}

/* Its turn among all sessions of the route. Where there is but one service nobody asks: each count would take
 * the cache line from the other workers. */
void rotation_begin(struct rotation_walk *walk)
{
	walk->turn = walk->route->n > 1 ? atomic_fetch_add(&walk->route->turns, 1) : 0;
}

/* Is it left alone by this session? */
static bool rotation_rests(const struct rotation_walk *walk, size_t i, uint64_t now)
{
	return walk->health != HEALTH_NONE && atomic_load(&walk->route->services[i].rest_till) > now;
}

/* May it be chosen by the rule? */
static bool rotation_is_open(const struct rotation_walk *walk, size_t i, uint64_t now)
{
	return !walk->tried[i] && !rotation_rests(walk, i, now);
}

/* How much a client belongs to a service (rendezvous hashing): its services keep their order when one of them
 * comes or goes, so the clients of the others stay where they are. */
static uint64_t rotation_affinity(const struct rotation_walk *walk, size_t i)
{
	return rotation_stir(rotation_stir(walk->client + 1) ^ walk->route->services[i].name);
}

/* Is service `a` rather to be taken than `b`, which was looked at before? */
static bool rotation_is_better(const struct rotation_walk *walk, size_t a, size_t b)
{
	const struct rotation_service *services = walk->route->services;

	if (walk->balance == BALANCE_LEAST_SESSIONS)
		return atomic_load(&services[a].sessions) < atomic_load(&services[b].sessions);
	return walk->balance == BALANCE_HASH_IP && rotation_affinity(walk, a) > rotation_affinity(walk, b);
}

/* The best of those that are open, or n. Of those that have as few sessions, the one whose turn it is: else
 * the first would get all of the short ones. */
static size_t rotation_best(const struct rotation_walk *walk, uint64_t now)
{
	size_t n = walk->route->n, best = n;
	size_t first = walk->balance == BALANCE_LEAST_SESSIONS ? walk->turn % n : 0;

	for (size_t k = 0; k < n; k++) {
		size_t i = (first + k) % n;
		if (rotation_is_open(walk, i, now) && (best == n || rotation_is_better(walk, i, best)))
			best = i;
	}
	return best;
}

/* The one whose turn it is of those that are open, or n: each gets its part, also when some rest. */
static size_t rotation_in_turn(const struct rotation_walk *walk, uint64_t now)
{
	size_t n = walk->route->n, n_open = 0;

	for (size_t i = 0; i < n; i++)
		n_open += rotation_is_open(walk, i, now);
	size_t skip = n_open > 0 ? walk->turn % n_open : 0;
	for (size_t i = 0; i < n; i++)
		if (rotation_is_open(walk, i, now) && skip-- == 0)
			return i;
	return n;
}

/* The first that was not tried, whether it rests or not, or n. */
static size_t rotation_any(const struct rotation_walk *walk)
{
	size_t i = 0;
	while (i < walk->route->n && walk->tried[i])
		i++;
	return i;
}

/* Takes one that does not rest. One whose rest is over is looked at by the session that puts its end off, and
 * rests on for all others. Returns whether it may be tried. */
static bool rotation_claim(struct rotation_walk *walk, size_t i, uint64_t now)
{
	atomic_ullong *rest_till = &walk->route->services[i].rest_till;
	unsigned long long till = atomic_load(rest_till);

	if (till == 0 || walk->health == HEALTH_NONE)
		return true;
	walk->trial = till <= now && atomic_compare_exchange_strong(rest_till, &till, ULLONG_MAX);
	return walk->trial;
}

/* Picks one. */
static size_t rotation_pick(struct rotation_walk *walk, uint64_t now)
{
	size_t n = walk->route->n, i;

	walk->trial = false;
	do {
		i = walk->balance == BALANCE_ROUND_ROBIN ? rotation_in_turn(walk, now)
							 : rotation_best(walk, now);
	} while (i < n && !rotation_claim(walk, i, now));
	return i < n ? i : rotation_any(walk);
}

/* The next one. */
struct rotation_service *rotation_next(struct rotation_walk *walk, uint64_t now)
{
	size_t i = rotation_pick(walk, now);

	if (i == walk->route->n)
		return NULL;
	walk->at = i;
	walk->tried[i] = true;
	atomic_fetch_add(&walk->route->services[i].sessions, 1);
	return &walk->route->services[i];
}

/* It rests, from now on or anew. */
bool rotation_failed(struct rotation_walk *walk, uint64_t now)
{
	struct rotation_service *service = &walk->route->services[walk->at];

	rotation_leave(service);
	if (walk->health == HEALTH_NONE)
		return false;
	return atomic_exchange(&service->rest_till, now + ROTATION_REST_MS) == 0;
}

/* It is there for everybody, as it nearly always was: then nothing is written. */
bool rotation_reached(struct rotation_walk *walk)
{
	atomic_ullong *rest_till = &walk->route->services[walk->at].rest_till;

	return atomic_load(rest_till) != 0 && atomic_exchange(rest_till, 0) != 0;
}

/* The next session may look whether it is back. */
void rotation_abandon(struct rotation_walk *walk, uint64_t now)
{
	struct rotation_service *service = &walk->route->services[walk->at];
	unsigned long long trial = ULLONG_MAX;

	rotation_leave(service);
	if (walk->trial)
		atomic_compare_exchange_strong(&service->rest_till, &trial, now);
}

/* One session less. */
void rotation_leave(struct rotation_service *service)
{
	if (service != NULL)
		must(atomic_fetch_sub(&service->sessions, 1) > 0);
}
