/*
 * environment: what programs see of ours, and what the session adds. Spawner only.
 */
#ifndef SPAWN_ENVIRONMENT_H
#define SPAWN_ENVIRONMENT_H

#include "conf/config.h"

#include <stdbool.h>

/* The strings that every program of a route gets, sorted, each name once; they belong to the configuration
 * and to the environment that they were chosen from. */
struct environment {
	char **strings;
	size_t n;
};

/* Takes the route's env, and what its pass_env names of `all`, an environment in execve's form, and env does
 * not; then those of `others`, in the same form or NULL, whose names are not there yet. Returns 0 or -ENOMEM.
 */
int environment_init(struct environment *environment, const struct route_conf *route, char *const *all,
	char *const *others);
void environment_done(struct environment *environment);

/* Is there a variable of this name? */
bool environment_has(const struct environment *environment, const char *name);

/*
 * Makes the environment of one program, sorted by name, each name once: `session` (NAME=VALUE, each
 * NUL-terminated, one after another), which *out points into, wins over the route. The caller frees *out
 * alone. Returns 0, -EINVAL when session is anything else, or -ENOMEM.
 */
int environment_new(const struct environment *environment, struct text session, char ***out);

#endif
