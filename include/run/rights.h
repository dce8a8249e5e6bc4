/*
 * rights: whether the gateway has the rights that its configuration needs, and what it keeps of them; said in
 * the log.
 */
#ifndef RUN_RIGHTS_H
#define RUN_RIGHTS_H

#include "base/log.h"
#include "conf/config.h"

/* Is it in vain to try to become the users of the configuration? Logged, since these are the mistakes that
 * need no errno. Returns 0 or -EPERM. */
int rights_check(struct log *log, const struct config *config);

/* Drops what is not needed any more, once sockets are bound and files are open, and warns when programs run
 * as root all the same. Returns 0, or -errno with the step that failed: see privileges_drop(). */
int rights_drop(struct log *log, const struct config *config, const char **step);

#endif
