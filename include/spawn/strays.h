/*
 * strays: processes that a program left behind when it or their parents died. A subreaper, as the kernel
 * calls it, gets them as children: it reaps them, and when all is to end it kills them, however they have
 * hidden.
 */
#ifndef SPAWN_STRAYS_H
#define SPAWN_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How long those are looked at again that may not be killed. */
enum { STRAYS_REFUSED_MS = 1000 };

/* The kernel's list of a thread's children. */
#define STRAYS_LIST "/proc/thread-self/children"

struct strays {
	int fd;	     /* the list of our children; -1: see strays_are_found() */
	pid_t *kept; /* children that were there before: not ours to reap */
	size_t n_kept;
	bool (*is_known)(void *arg, pid_t pid); /* somebody else's to reap? NULL: none is */
	void *arg;
};

/*
 * Makes this process the subreaper of what it will fork, if the kernel's list of its children can be opened:
 * who could not find orphans had better not have them. Only the main thread may call this and the functions
 * below. SIGCHLD must not be ignored from then on. Returns 0, also without the list, or -errno with nothing
 * to free.
 */
int strays_init(struct strays *strays, bool (*is_known)(void *arg, pid_t pid), void *arg);
void strays_done(struct strays *strays);

/* Is the list there? If not (no /proc, or a kernel without CONFIG_PROC_CHILDREN), nothing below finds any,
 * and orphans are the next subreaper's, or init's. */
bool strays_are_found(const struct strays *strays);

/* Calls fn for each child of this process that the list has, also for those that are known. */
void strays_each(struct strays *strays, void (*fn)(struct strays *strays, pid_t pid, void *arg), void *arg);

/* Reaps those that have ended. Returns whether there was one: then there may be more, which the kernel's list
 * has kept back because it was changing. */
bool strays_reap(struct strays *strays);

/*
 * Kills all and their groups, again and again, since the children of those that died are the next; reaps
 * them. As long as they are not reaped nobody else has their pids. Returns how many are left: 0, unless they
 * don't die in timeout_ms (0: one look), or for STRAYS_REFUSED_MS there were only some that may not be
 * killed, being another user's, or the descriptor hurry_fd (-1: none) became readable.
 */
size_t strays_end(struct strays *strays, int64_t timeout_ms, int hurry_fd);

#endif
