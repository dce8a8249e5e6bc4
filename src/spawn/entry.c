/*
 * entry: a worker names a program of a directory by its path; this is where that path is not believed.
 *
 * Owns the rule that nothing outside the directory is ever run, whatever the request or a symlink says. Holds
 * nothing. Runs in the spawner.
 */
#include "spawn/entry.h"

#include "base/beneath.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is it one name of a file? */
static bool entry_is_name(struct text segment)
{
	return segment.len > 0 && !text_is(segment, ".") && !text_is(segment, "..") &&
	       memchr(segment.ptr, '\0', segment.len) == NULL;
}

/* Is every segment a name? An absolute path begins with an empty one. */
static bool entry_is_relative(struct text entry)
{
	for (const char *slash; entry.len > 0 && (slash = memchr(entry.ptr, '/', entry.len)) != NULL;) {
		size_t len = (size_t)(slash - entry.ptr);
		if (!entry_is_name((struct text){ entry.ptr, len }))
			return false;
		entry = (struct text){ slash + 1, entry.len - len - 1 };
	}
	return entry_is_name(entry);
}

/* Resolves both paths and compares them. */
int entry_resolve(const char *dir, struct text entry, char **out)
{
	char joined[PATH_MAX];
	int error = -EACCES;
	if (!entry_is_relative(entry))
		return -EINVAL;
	char *root = realpath(dir, NULL);
	if (root == NULL)
		return -errno;
	int len = snprintf(joined, sizeof(joined), "%s/%.*s", root, (int)entry.len, entry.ptr);
	*out = NULL;
	if (len < 0 || (size_t)len >= sizeof(joined))
		error = -ENAMETOOLONG;
	else if ((*out = realpath(joined, NULL)) == NULL)
		error = -errno;
	else if (beneath_rest(*out, root) != NULL)
		error = 0;
	if (error != 0) {
		free(*out);
		*out = NULL;
	}
	free(root);
	return error;
}
