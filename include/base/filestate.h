/*
 * filestate: what a file looked like, to see later whether it is still that.
 */
#ifndef BASE_FILESTATE_H
#define BASE_FILESTATE_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* What stat(2) says, as far as it tells one state of a file from another; that there is none is one too. */
struct filestate {
	int error; /* an errno, or 0 */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
	bool sure; /* every change since then would be seen; filestate_is() does not compare it */
};

/*
 * As it is now; symbolic links are followed. It is sure unless something about the file changed within the
 * last FILESTATE_UNSURE_MS: the kernel's times have steps of some milliseconds, and what comes within the
 * same one, and leaves the size as it is, looks like nothing. What is read then is to be read again later.
 * That goes by ctime, which nobody sets: mtime may be any time, past or to come.
 */
enum { FILESTATE_UNSURE_MS = 200 };
struct filestate filestate_of(const char *path);

/* Is it still that? */
bool filestate_is(const struct filestate *state, const char *path);

#endif
