/*
 * filestate: tells by stat(2) whether a file was written, replaced, renamed or removed. Owns nothing; any
 * thread.
 */
#include "run/filestate.h"

#include <errno.h>
#include <sys/stat.h>

/* Asks the kernel. */
struct filestate filestate_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return (struct filestate){ .error = errno };
	return (struct filestate){ .dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		.mtime = st.st_mtim,
		.ctime = st.st_ctim };
}

/* Is it the same moment? */
static bool filestate_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Compares all. */
bool filestate_is(const struct filestate *state, const char *path)
{
	struct filestate now = filestate_of(path);

	return state->error == now.error && state->dev == now.dev && state->ino == now.ino &&
	       state->size == now.size && filestate_same_time(state->mtime, now.mtime) &&
	       filestate_same_time(state->ctime, now.ctime);
}
