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
};

struct filestate filestate_of(const char *path); /* as it is now; symbolic links are followed */
bool filestate_is(const struct filestate *state, const char *path);

/*
 * Would filestate_is() see every change from now on? Not of a file that was touched within the last
 * FILESTATE_UNSURE_MS: the kernel's times have steps of some milliseconds, and what comes within the same
 * one, and leaves the size as it is, looks like nothing. What was read of such a file is to be read again.
 */
enum { FILESTATE_UNSURE_MS = 200 };
bool filestate_is_sure(const struct filestate *state);

#endif
