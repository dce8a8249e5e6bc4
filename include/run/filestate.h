/*
 * filestate: what a file looked like, to see later whether it is still that.
 */
#ifndef RUN_FILESTATE_H
#define RUN_FILESTATE_H

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

#endif
