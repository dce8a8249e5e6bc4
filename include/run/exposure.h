/*
 * exposure: programs and keys that anybody could download, because they lie in a directory of static files.
 */
#ifndef RUN_EXPOSURE_H
#define RUN_EXPOSURE_H

#include "base/log.h"
#include "conf/config.h"

/*
 * Warns of each program once, naming it and the first directory that has it. It is no mistake by itself: a
 * script and the page that uses it may well lie side by side (--staticdir=. ./count.sh), if nobody minds that
 * it is read.
 */
void exposure_warn(struct log *log, const struct config *config);

/* The first TLS key that would be served, and by which directory; NULL when there is none. That is a mistake.
 */
const char *exposure_find_key(const struct config *config, const char **dir);

#endif
