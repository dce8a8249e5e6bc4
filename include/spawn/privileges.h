/*
 * privileges: what a process of ours keeps of the rights that it was started with: no more than the user of
 * [gateway] has, and no capability once it is not root.
 */
#ifndef SPAWN_PRIVILEGES_H
#define SPAWN_PRIVILEGES_H

#include "conf/config.h"

/* May this process become `user` and `group`: is it root, or are they what it is already? Returns NULL, or
 * what is wrong in words. */
const char *privileges_check(const struct gateway_conf *gateway);

/*
 * Becomes `user` and `group` with that user's supplementary groups, gives up all capabilities unless it stays
 * root, and gains nothing by execve any more (no_new_privs); then asks the kernel whether all of that is so.
 * Only before there are threads. Returns 0, or -errno with the step that failed: then it may be half-way, and
 * the process has to end.
 */
int privileges_drop(const struct gateway_conf *gateway, const char **step);

#endif
