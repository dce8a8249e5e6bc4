/*
 * local: can a file be opened without waiting for another machine or another process? Spawner only.
 */
#ifndef SPAWN_LOCAL_H
#define SPAWN_LOCAL_H

#include <stdbool.h>

/* Is its file system one of this machine's kernel, memory or disks? Not when it isn't there, nor when nobody
 * knows: those of a network and of FUSE may take for ever. */
bool local_is(const char *path);

/* Of a file that is: is there nobody who has to be asked first, and no other file? Who holds a lease on it
 * (fcntl(2)) has 45 seconds; where a script's interpreter is nobody knows. */
bool local_opens_at_once(const char *path);

#endif
