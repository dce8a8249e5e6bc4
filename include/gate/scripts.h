/*
 * scripts: which program of a directory of programs (`dir`) a path leads to.
 */
#ifndef GATE_SCRIPTS_H
#define GATE_SCRIPTS_H

#include "base/text.h"

enum scripts_error {
	SCRIPTS_NONE = -1,	     /* no program (404) */
	SCRIPTS_NOT_EXECUTABLE = -2, /* a file that nobody may run: no program either (404) */
	SCRIPTS_FAILED = -3	     /* no descriptors or memory; the directory can't be opened (503) */
};

/*
 * Descends directories beneath `dir` along `path` (decoded, begins with a slash) until it meets a file, which
 * has to be regular and executable by somebody. *entry becomes the part of path that names it, without the
 * slash in front ("sub/count.sh"); what follows that is PATH_INFO, with its slash, or empty. Names that begin
 * with a dot, or hold a backslash or what is not UTF-8, and empty ones ("//") are never looked for; a ".."
 * anywhere, also behind the program, is refused, since PATH_TRANSLATED must not lead out. Symlinks are
 * followed inside of `dir` and never out of it. Nothing stays open. Returns 0 or a scripts_error.
 */
int scripts_find(const char *dir, struct text path, struct text *entry);

#endif
