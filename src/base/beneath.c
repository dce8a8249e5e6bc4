/*
 * beneath: keeps what is opened inside of a directory.
 *
 * The kernel keeps the search there (openat2, RESOLVE_BENEATH); a symlink that is written as an absolute path
 * but ends inside is resolved first, and what that gives is opened beneath as well. Holds nothing; any
 * thread.
 */
#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BENEATH_TRIES = 8 };

/* Its permission to be listed is not needed. */
int beneath_open_root(const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* openat2(2), which glibc does not wrap. Where a path goes up, a rename anywhere in the system makes the
 * kernel unsure (EAGAIN), so it is asked again, some times. */
static int beneath_openat2(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	for (int i = 0; i < BENEATH_TRIES && fd < 0; i++) {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

/* Compares names. The root is the one directory whose name ends with a slash. */
const char *beneath_rest(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' && path[len + 1] != '\0' ? path + len + 1
											 : NULL;
}

/* A symlink led out of the directory, or is absolute: where it ends decides, and is again opened beneath. */
static int beneath_open_resolved(int root, const char *dir, const char *path, int flags)
{
	char joined[PATH_MAX], *real = realpath(dir, NULL), *target = NULL;
	int fd = -EXDEV;

	if (real != NULL && snprintf(joined, sizeof(joined), "%s/%s", real, path) < (int)sizeof(joined))
		target = realpath(joined, NULL);
	const char *rest = target != NULL ? beneath_rest(target, real) : NULL;
	if (rest != NULL)
		fd = beneath_openat2(root, rest, flags);
	free(real);
	free(target);
	return fd;
}

/* Asks the kernel first. */
int beneath_open(int root, const char *dir, const char *path, int flags)
{
	int fd = beneath_openat2(root, path, flags);

	return fd == -EXDEV ? beneath_open_resolved(root, dir, path, flags) : fd;
}
