/*
 * entry: which file a path relative to a directory of programs names. Spawner only.
 */
#ifndef SPAWN_ENTRY_H
#define SPAWN_ENTRY_H

#include "base/text.h"

/*
 * Finds the file of an entry: segments divided by single slashes, none of them "." or "..". *out is its
 * absolute path without symlinks, which the caller frees. Returns 0, -EINVAL when the entry is anything else,
 * -EACCES when symlinks lead out of dir, -ENOMEM, or the -errno of looking it up. That it is a program,
 * execve finds out.
 */
int entry_resolve(const char *dir, struct text entry, char **out);

#endif
