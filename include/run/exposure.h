/*
 * exposure: programs, keys, tokens and configurations that anybody could download, because they lie in a
 * directory of static files.
 */
#ifndef RUN_EXPOSURE_H
#define RUN_EXPOSURE_H

#include "base/log.h"
#include "conf/config.h"

/*
 * Warns of each program once, naming it and the first directory that has it. It is no mistake by itself: a
 * script and the page that uses it may well lie side by side (--staticdir=. ./count.sh), if nobody minds that
 * it is read. Under the name websockify tokens that would be served are warned of, too, and no mistake.
 */
void exposure_warn(struct log *log, const struct config *config);

/* What may not be: the file or directory, the key that names it and that one's section, the static directory,
 * and a sentence that says why not. */
struct exposure {
	const char *what, *key, *kind, *name, *static_dir, *sentence;
};

/*
 * Finds the first TLS key that would be served, or the first directory of programs (`dir`, `cgi`) that lies
 * in a static one, or has one in it: then whatever is put there is both. Or the first file of tokens
 * (`targets`) that would be served, or directory of them; or the first file of the configuration. Returns
 * whether there is one: that is a mistake. A directory that is not there is not found here.
 */
bool exposure_find(const struct config *config, struct exposure *out);

/* Would a TLS key be served, programs, the configuration, or tokens? That is logged, and -EPERM; else 0. */
int exposure_check(struct log *log, const struct config *config);

#endif
