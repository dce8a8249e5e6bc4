/*
 * plan: what can be prepared for the programs of a route before the first of them is started, so that a start
 * costs little and looks nothing up. Spawner only, but for plan_has_program().
 */
#ifndef SPAWN_PLAN_H
#define SPAWN_PLAN_H

#include "spawn/child.h"
#include "spawn/environment.h"
#include "spawn/identity.h"
#include "spawn/login.h"

/* Does a route start programs? */
bool plan_has_program(const struct route_conf *route);

/* Of one route. */
struct plan {
	const struct route_conf *route;
	struct child_world world;
	struct environment environment;
	struct login login;	     /* of routes with terminal, as the next one */
	struct environment terminal; /* what a program on a terminal gets: the other one and login's */
	bool is_local;		  /* its one program and its directory are where opening them takes no time */
	struct identity identity; /* what world.identity points to, unless that is another route's */
};

/* Those of all routes with programs, by the index of the route. */
struct plans {
	struct plan *items;
	size_t n;
	struct identity gateway; /* of programs without run_as, if they are not who the spawner is */
};

/* What they are prepared from; all of it must stay. */
struct plan_sources {
	const struct config *config;
	char *const *environment;   /* in execve's form */
	const struct rlimit *files; /* RLIMIT_NOFILE of programs without limit_files */
	bool changes;		    /* the spawner stays root, and programs become who they are to be */
};

/* Prepares all. Returns 0, or -errno with the step that failed; plan_done_all() in either case. */
int plan_init_all(struct plans *plans, const struct plan_sources *from, const char **step);
void plan_done_all(struct plans *plans);

#endif
