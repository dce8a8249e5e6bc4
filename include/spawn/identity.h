/*
 * identity: who a process becomes, for good: user, group, supplementary groups, no capability unless it is
 * root, no way back. What is looked up for it is looked up before the fork, or before the first thread.
 */
#ifndef SPAWN_IDENTITY_H
#define SPAWN_IDENTITY_H

#include <stddef.h>
#include <sys/types.h>

struct identity {
	uid_t uid;	      /* (uid_t)-1: stays */
	gid_t gid;	      /* (gid_t)-1: stays, and so do the supplementary groups */
	gid_t *groups, *room; /* sorted; room for as many, to compare with. NULL when gid stays */
	int n_groups;
};

/*
 * Finds the groups that the user is in; gid is always one of them. `user` is a name or a number, or NULL:
 * then gid is the only group. An id that stays is -1. Returns 0, -ENOMEM, or -EAGAIN when the groups change
 * meanwhile.
 */
int identity_init(struct identity *identity, const char *user, uid_t uid, gid_t gid);
void identity_done(struct identity *identity);

/* Sorts ids in place. Allocates nothing, unlike qsort(3). */
void identity_sort(gid_t *ids, size_t n);

/*
 * Becomes it: setgroups, setresgid, setresuid; all capabilities given up unless it is root then; then asks
 * the kernel whether all of that is so; nothing is gained by execve any more (no_new_privs). Nothing is
 * allocated. Returns 0, or -errno with the step that failed: then it may be half-way, and the process has to
 * end.
 */
int identity_become(const struct identity *identity, const char **step);

#endif
