/*
 * privileges: what a process of ours keeps of the rights that it was started with: no more than the user of
 * [gateway] has, and no capability once it is not root. Only where programs run as other users (run_as) the
 * spawner, and nobody else, stays root.
 */
#ifndef SPAWN_PRIVILEGES_H
#define SPAWN_PRIVILEGES_H

#include "conf/config.h"
#include "spawn/identity.h"

/* May this process become `user` and `group`: is it root, or are they what it is already? Returns NULL, or
 * what is wrong in words. */
const char *privileges_check(const struct gateway_conf *gateway);

/* The same for run_as of every route with programs. Returns NULL, or the first route whose programs can't be
 * given to that user. */
const struct route_conf *privileges_check_routes(const struct config *config);

/* Does the spawner need to stay root? */
bool privileges_are_kept(const struct config *config);

/* Which route's programs run as root, once the process has become who it is to be? NULL: none, or the first.
 */
const struct route_conf *privileges_find_root(const struct config *config);

/* Finds who programs without run_as become where the spawner stays root, and who everybody becomes else. As
 * identity_init(). */
int privileges_of_gateway(const struct gateway_conf *gateway, struct identity *out);

/*
 * Becomes `user` and `group` with that user's supplementary groups, gives up all capabilities unless it stays
 * root, and gains nothing by execve any more (no_new_privs); then asks the kernel whether all of that is so.
 * Only before there are threads. Returns 0, or -errno with the step that failed: then it may be half-way, and
 * the process has to end.
 */
int privileges_drop(const struct gateway_conf *gateway, const char **step);

/* Stays root, who gains nothing by execve any more either. Returns 0, or -errno with the step that failed:
 * also when a right is missing that programs of other users are started or killed with. */
int privileges_keep(const char **step);

#endif
