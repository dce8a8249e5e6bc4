/*
 * launch: a worker's request, looked at with suspicion, becomes a program that is started.
 *
 * Owns the rule that a worker can only name what a route has. What a start needs is made here, but for what
 * all of a route's programs have in common, which is spawn/plan.c's. Runs in the spawner.
 */
#include "spawn/launch.h"

#include "spawn/entry.h"
#include "spawn/local.h"
#include "spawn/spawn.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The snapshot that was there at the fork. */
enum { LAUNCH_GENERATION = 1 };

/* Where the programs of a kind are; NULL: there is but one, or none. */
static const char *launch_directory(const struct route_conf *route, uint32_t kind)
{
	return kind == SPAWN_CGI ? route->cgi_dir : route->dir;
}

/* Has a route programs of a kind? */
static bool launch_has_program(const struct route_conf *route, uint32_t kind)
{
	return launch_directory(route, kind) != NULL || (kind == SPAWN_SESSION && route->exec_path != NULL);
}

/* Finds the file to run, which the caller frees if it is *found. Returns 0 or -errno. */
static int launch_find_file(const char *dir, struct text entry, char **found)
{
	*found = NULL;
	if (dir != NULL)
		return entry_resolve(dir, entry, found);
	return entry.len == 0 ? 0 : -EINVAL;
}

/* What a program of a kind has as 0, 1 and 2. */
static enum stdio_kind launch_stdio(const struct route_conf *route, uint32_t kind)
{
	if (kind == SPAWN_SESSION && route->terminal)
		return STDIO_TERMINAL;
	return kind == SPAWN_SESSION && route->unbuffer ? STDIO_UNBUFFERED : STDIO_PIPES;
}

/* The directory of a file by its absolute path, which is not as long as the longest there may be. */
static const char *launch_parent(const char *file, char out[PATH_MAX])
{
	size_t len = (size_t)(strrchr(file, '/') - file);
	snprintf(out, PATH_MAX, "%.*s", len > 0 ? (int)len : 1, file);
	return out;
}

/* Can what runs, and where it runs, be opened without waiting for anybody? */
static bool launch_is_quick(const struct plan *plan, const char *file)
{
	if (!plan->is_local || (file != NULL && !local_is(file)))
		return false;
	return local_opens_at_once(file != NULL ? file : plan->route->exec_path);
}

/* Starts the program of a plan: the file of a directory that was found, or the one that there is. */
static void launch_run(struct programs *programs, const struct wire_header *header, const struct plan *plan,
	char *file, char **envp)
{
	char *const argv[] = { file, NULL };
	char directory[PATH_MAX];
	const struct route_conf *route = plan->route;
	struct child_plan child = { .envp = envp, .world = &plan->world };

	child.file = file != NULL ? file : route->exec_path;
	child.may_wait = !launch_is_quick(plan, file);
	child.argv = file != NULL ? argv : route->exec.items;
	child.stdio = (struct stdio_plan){
		.kind = launch_stdio(route, header->program),
		.stderr_to = route->stderr_to,
		.columns = header->columns,
		.rows = header->rows,
		.owner = plan->world.identity != NULL ? plan->world.identity->uid : (uid_t)-1,
	};
	if (header->program == SPAWN_CGI)
		child.directory = launch_parent(file, directory);
	program_start(programs, header->id, &child);
}

/* Makes what a start of a plan needs. The body begins with the entry. */
static void launch_prepare(
	struct programs *programs, const struct wire_received *received, const struct plan *plan)
{
	const struct wire_header *header = &received->header;
	struct text entry = { received->body.ptr, (size_t)header->value };
	struct text env = { received->body.ptr + entry.len, received->body.len - entry.len };
	bool terminal = launch_stdio(plan->route, header->program) == STDIO_TERMINAL;
	char *file, **envp;
	int error = launch_find_file(launch_directory(plan->route, header->program), entry, &file);

	if (error != 0) {
		program_refuse(programs, header->id, "entry", -error);
		return;
	}
	error = environment_new(terminal ? &plan->terminal : &plan->environment, env, &envp);
	if (error != 0) {
		program_refuse(programs, header->id, "request", -error);
	} else {
		launch_run(programs, header, plan, file, envp);
		free(envp);
	}
	free(file);
}

/* Starts the program of a route. */
void launch_start(struct programs *programs, const struct plans *plans, const struct wire_received *received)
{
	const struct wire_header *header = &received->header;

	if (header->generation != LAUNCH_GENERATION)
		program_refuse(programs, header->id, "generation", ESTALE);
	else if (header->route >= plans->n ||
		 !launch_has_program(plans->items[header->route].route, header->program))
		program_refuse(programs, header->id, "route", EINVAL);
	else
		launch_prepare(programs, received, &plans->items[header->route]);
}
