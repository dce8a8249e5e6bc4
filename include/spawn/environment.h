/*
 * environment: what programs see of ours, and what the session adds. Spawner only.
 */
#ifndef SPAWN_ENVIRONMENT_H
#define SPAWN_ENVIRONMENT_H

#include "base/text.h"

#include <stddef.h>

/* The strings that every program gets; they belong to the environment that they were chosen from. */
struct environment {
	char **strings;
	size_t n;
};

/* Chooses from an environment in execve's form; the spawner keeps it as long as it lives. Returns 0 or
 * -ENOMEM. */
int environment_init(struct environment *environment, char *const *all);

/*
 * Makes the environment of one program: the chosen strings, then those of `session` (NAME=VALUE, each
 * NUL-terminated, one after another), which *out points into; the caller frees *out alone. Returns 0,
 * -EINVAL when session is anything else, or -ENOMEM.
 */
int environment_new(const struct environment *environment, struct text session, char ***out);

#endif
