/*
 * filestate: tells by stat(2) whether a file was written, replaced, renamed or removed. Owns nothing; any
 * thread.
 */
#include "base/filestate.h"

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>

/* Milliseconds since 1970. */
static int64_t filestate_ms(struct timespec at)
{
	return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

/* Asks the kernel; first for the time, so that what comes in between makes nothing sure. */
struct filestate filestate_of(const char *path)
{
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &now);
	if (stat(path, &st) != 0)
		return (struct filestate){ .error = errno, .sure = true };
	return (struct filestate){ .dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		.mtime = st.st_mtim,
		.ctime = st.st_ctim,
		.sure = filestate_ms(now) - filestate_ms(st.st_ctim) > FILESTATE_UNSURE_MS };
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
