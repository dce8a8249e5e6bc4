/*
 * plan: turns the keys of each route into what its programs are started with: limits, identity, environment.
 *
 * Owns these, for as long as the spawner lives. Users and groups are looked up here and never after a fork,
 * where a lookup could hang or allocate. Runs in the spawner, once.
 */
#include "spawn/plan.h"

#include "spawn/local.h"
#include "spawn/privileges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Does it run one command, or any of a directory, for sessions or for plain requests? */
bool plan_has_program(const struct route_conf *route)
{
	return route->exec_path != NULL || route->dir != NULL || route->cgi_dir != NULL;
}

/* Adds a limit. */
static void plan_add(struct child_world *world, int resource, struct rlimit limit, const char *step)
{
	world->limits[world->n_limits++] =
		(struct child_limit){ .resource = resource, .limit = limit, .step = step };
}

/* Adds a limit that is not to be raised again, if the route has it. */
static void plan_add_fixed(struct child_world *world, int resource, uint64_t value, const char *step)
{
	if (value > 0)
		plan_add(world, resource, (struct rlimit){ value, value }, step);
}

/* Whole seconds, since the kernel counts no parts of them; XCPU comes first, so that a program can say what
 * it has got to, and KILL a second later. */
static void plan_add_cpu(struct child_world *world, unsigned limit_ms)
{
	struct rlimit now, limit = { .rlim_cur = limit_ms / 1000 + (limit_ms % 1000 > 0) };

	if (limit_ms == 0)
		return;
	limit.rlim_max = limit.rlim_cur + 1;
	/* A limit that we have ourselves is kept, and needs no right to be raised. */
	if (getrlimit(RLIMIT_CPU, &now) == 0 && now.rlim_max < limit.rlim_max)
		limit.rlim_max = now.rlim_max;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	plan_add(world, RLIMIT_CPU, limit, "limit_cpu");
}

/* All limits of a route. */
static void plan_init_limits(struct plan *plan, const struct rlimit *files)
{
	const struct route_conf *route = plan->route;
	struct child_world *world = &plan->world;

	if (route->limit_files == 0)
		plan_add(world, RLIMIT_NOFILE, *files, "setrlimit");
	plan_add_fixed(world, RLIMIT_NOFILE, route->limit_files, "limit_files");
	plan_add_cpu(world, route->limit_cpu_ms);
	plan_add_fixed(world, RLIMIT_AS, route->limit_memory, "limit_memory");
	plan_add_fixed(world, RLIMIT_NPROC, route->limit_processes, "limit_processes");
}

/* The same user's of a route before, so that a slow user database is asked once. */
static const struct identity *plan_find_identity(const struct plans *plans, const struct plan *plan)
{
	for (const struct plan *other = plans->items; other < plan; other++) {
		if (other->world.identity != NULL && other->route->run_as != NULL &&
			strcmp(other->route->run_as, plan->route->run_as) == 0)
			return other->world.identity;
	}
	return NULL;
}

/* Who its programs become. Returns 0 or -errno. */
static int plan_init_identity(struct plans *plans, struct plan *plan)
{
	const struct route_conf *route = plan->route;

	if (route->run_as == NULL) {
		if (plans->gateway.uid != (uid_t)-1 || plans->gateway.gid != (gid_t)-1)
			plan->world.identity = &plans->gateway;
		return 0;
	}
	plan->world.identity = plan_find_identity(plans, plan);
	if (plan->world.identity != NULL)
		return 0;
	plan->world.identity = &plan->identity;
	return identity_init(&plan->identity, route->run_as_user, route->run_as_uid, route->run_as_gid);
}

/* Who its programs are. */
static uid_t plan_user(const struct plan *plan)
{
	const struct identity *identity = plan->world.identity;
	return identity != NULL && identity->uid != (uid_t)-1 ? identity->uid : geteuid();
}

/* What its programs on terminals find. Returns 0 or -errno. */
static int plan_init_terminal(struct plan *plan, char *const *all)
{
	const struct environment *chosen = &plan->environment;
	bool lang = !environment_has(chosen, "LANG") && !environment_has(chosen, "LC_ALL") &&
		    !environment_has(chosen, "LC_CTYPE");
	int error = login_init(&plan->login, plan_user(plan), lang);
	if (error != 0)
		return error;
	return environment_init(&plan->terminal, plan->route, all, plan->login.strings);
}

/* Are the program, of a route with one, and the directory where opening them takes no time? */
static bool plan_is_local(const struct route_conf *route)
{
	return (route->exec_path == NULL || local_is(route->exec_path)) &&
	       (route->directory == NULL || local_is(route->directory));
}

/* Prepares a route. Returns 0, or -errno with the step that failed. */
static int plan_init(
	struct plans *plans, struct plan *plan, const struct plan_sources *from, const char **step)
{
	const struct route_conf *route = plan->route;
	plan->world.directory = route->directory;
	plan->world.umask = route->umask;
	plan->is_local = plan_is_local(route);
	plan_init_limits(plan, from->files);
	*step = "choose the environment";
	int error = environment_init(&plan->environment, route, from->environment, NULL);
	if (error != 0)
		return error;
	*step = "find the groups of run_as";
	error = from->changes ? plan_init_identity(plans, plan) : 0;
	if (error != 0 || !route->terminal)
		return error;
	*step = "choose the environment of terminals";
	return plan_init_terminal(plan, from->environment);
}

/* Prepares every route that has programs. */
int plan_init_all(struct plans *plans, const struct plan_sources *from, const char **step)
{
	const struct config *config = from->config;
	*plans = (struct plans){ .items = calloc(config->n_routes, sizeof(*plans->items)) };
	*step = "prepare";
	if (plans->items == NULL)
		return -ENOMEM;
	plans->n = config->n_routes;
	*step = "find the user's groups";
	int error = from->changes ? privileges_of_gateway(&config->gateway, &plans->gateway) : 0;
	for (size_t i = 0; i < plans->n && error == 0; i++) {
		struct plan *plan = &plans->items[i];
		plan->route = &config->routes[i];
		if (plan_has_program(plan->route))
			error = plan_init(plans, plan, from, step);
	}
	return error;
}

/* Frees what was prepared. */
void plan_done_all(struct plans *plans)
{
	for (size_t i = 0; i < plans->n; i++) {
		environment_done(&plans->items[i].environment);
		environment_done(&plans->items[i].terminal);
		login_done(&plans->items[i].login);
		identity_done(&plans->items[i].identity);
	}
	identity_done(&plans->gateway);
	free(plans->items);
	*plans = (struct plans){ 0 };
}
