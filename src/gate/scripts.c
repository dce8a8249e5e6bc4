/*
 * scripts: walks from a directory of programs to the one that a path names.
 *
 * Only looks (O_PATH): nothing is read and no FIFO or device is opened. Who starts the program looks again,
 * so a file that is swapped in between does no harm. Runs on its loop's thread.
 */
#include "gate/scripts.h"

#include "base/beneath.h"
#include "gate/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a name stands for. */
enum scripts_kind { SCRIPTS_PROGRAM, SCRIPTS_DIRECTORY };

/* Where the segment that begins behind the slash at `at` ends. */
static size_t scripts_segment_end(struct text path, size_t at)
{
	struct text rest = text_slice(path, at + 1);
	const char *slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;

	return slash == NULL ? path.len : (size_t)(slash - path.ptr);
}

/* Is ".." a segment of the path? */
static bool scripts_goes_up(struct text path)
{
	for (size_t at = 0, end; at < path.len; at = end) {
		end = scripts_segment_end(path, at);
		if (text_is((struct text){ path.ptr + at, end - at }, "/.."))
			return true;
	}
	return false;
}

/* What a negative errno of opening means. */
static int scripts_error_of(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ? SCRIPTS_FAILED : SCRIPTS_NONE;
}

/* Looks at what is there. Returns a scripts_kind or a scripts_error. */
static int scripts_look(int root, const char *dir, struct text name)
{
	char path[PATH_MAX];
	struct stat st = { 0 };

	if (snprintf(path, sizeof(path), "%.*s", TEXT_ARG(name)) >= (int)sizeof(path))
		return SCRIPTS_NONE;
	int fd = beneath_open(root, dir, path, O_PATH);
	if (fd < 0)
		return scripts_error_of(fd);
	bool known = fstat(fd, &st) == 0;
	close(fd);
	if (known && S_ISDIR(st.st_mode))
		return SCRIPTS_DIRECTORY;
	if (!known || !S_ISREG(st.st_mode))
		return SCRIPTS_NONE;
	return (st.st_mode & 0111) != 0 ? SCRIPTS_PROGRAM : SCRIPTS_NOT_EXECUTABLE;
}

/* Goes down one segment after the other, as long as there are directories. */
static int scripts_walk(int root, const char *dir, struct text path, struct text *entry)
{
	for (size_t at = 0, end; at < path.len; at = end) {
		end = scripts_segment_end(path, at);
		*entry = (struct text){ path.ptr + 1, end - 1 };
		if (end == at + 1 || !file_path_allowed((struct text){ path.ptr, end }))
			return SCRIPTS_NONE;
		int kind = scripts_look(root, dir, *entry);
		if (kind != SCRIPTS_DIRECTORY)
			return kind;
	}
	return SCRIPTS_NONE;
}

/* Opens the directory anew each time, so that it may be replaced. */
int scripts_find(const char *dir, struct text path, struct text *entry)
{
	if (scripts_goes_up(path))
		return SCRIPTS_NONE;
	int root = beneath_open_root(dir);
	if (root < 0)
		return SCRIPTS_FAILED;
	int kind = scripts_walk(root, dir, path, entry);
	close(root);
	return kind;
}
