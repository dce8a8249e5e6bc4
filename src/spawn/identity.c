/*
 * identity: from root, or from a few capabilities, to an ordinary user for good.
 *
 * Owns the order of the steps and their names. Does not decide who becomes whom, and logs nothing. Runs in
 * the gateway and in the spawner before the first thread, since capabilities and no_new_privs are a thread's
 * own, and in children between fork and execve.
 */
#include "spawn/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Lets the id at `at` sink in a heap of n, whose greatest is on top. */
static void identity_sink(gid_t *ids, size_t at, size_t n)
{
	gid_t id = ids[at];

	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && ids[child + 1] > ids[child])
			child++;
		if (ids[child] <= id)
			break;
		ids[at] = ids[child];
	}
	ids[at] = id;
}

/* A heapsort: it needs no memory, and no order makes it slow. */
void identity_sort(gid_t *ids, size_t n)
{
	for (size_t at = n / 2; at > 0; at--)
		identity_sink(ids, at - 1, n);
	for (size_t last = n; last > 1; last--) {
		gid_t greatest = ids[0];
		ids[0] = ids[last - 1];
		ids[last - 1] = greatest;
		identity_sink(ids, 0, last - 1);
	}
}

/* The name that the group database knows the user by; a number may have none. */
static const char *identity_find_name(const char *user, uid_t uid)
{
	const struct passwd *passwd = NULL;

	if (user != NULL && (passwd = getpwnam(user)) == NULL)
		passwd = getpwuid(uid);
	return passwd != NULL ? passwd->pw_name : NULL;
}

/* Finds the groups. */
int identity_init(struct identity *identity, const char *user, uid_t uid, gid_t gid)
{
	const char *name = identity_find_name(user, uid);
	gid_t first;
	int n = 1;

	*identity = (struct identity){ .uid = uid, .gid = gid };
	if (gid == (gid_t)-1)
		return 0;
	if (name != NULL)
		getgrouplist(name, gid, &first, &n); /* says how many there are */
	identity->groups = calloc((size_t)n, sizeof(gid_t));
	identity->room = calloc((size_t)n, sizeof(gid_t));
	if (identity->groups == NULL || identity->room == NULL)
		return -ENOMEM;
	identity->n_groups = n;
	identity->groups[0] = gid;
	if (name != NULL && getgrouplist(name, gid, identity->groups, &identity->n_groups) < 0)
		return -EAGAIN; /* one more in between */
	identity_sort(identity->groups, (size_t)identity->n_groups);
	return 0;
}

/* Frees what was found. */
void identity_done(struct identity *identity)
{
	free(identity->groups);
	free(identity->room);
	*identity = (struct identity){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
}

/* Changes groups, then group, then user: after the last one the others could not be changed. */
static int identity_change(const struct identity *identity, const char **step)
{
	if (identity->groups != NULL) {
		*step = "setgroups";
		if (setgroups((size_t)identity->n_groups, identity->groups) < 0)
			return -errno;
		*step = "setresgid";
		if (setresgid(identity->gid, identity->gid, identity->gid) < 0)
			return -errno;
	}
	*step = "setresuid";
	if (identity->uid != (uid_t)-1 && setresuid(identity->uid, identity->uid, identity->uid) < 0)
		return -errno;
	return 0;
}

/* Are the groups exactly those? Returns 0 or -errno. */
static int identity_verify_groups(const struct identity *identity)
{
	size_t n = (size_t)identity->n_groups;

	if (getgroups(0, NULL) != identity->n_groups)
		return -EPERM;
	if (getgroups(identity->n_groups, identity->room) != identity->n_groups)
		return -errno;
	/* The kernel sorts, but by the numbers outside of a user namespace. */
	identity_sort(identity->room, n);
	return memcmp(identity->room, identity->groups, n * sizeof(gid_t)) == 0 ? 0 : -EPERM;
}

/* Asks the kernel who we are now, and whether there is a way back. */
static int identity_verify(const struct identity *identity, const char **step)
{
	uid_t uid = identity->uid, ruid, euid, suid;
	gid_t gid = identity->gid, rgid, egid, sgid;

	*step = "verify the user";
	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return -errno;
	if (uid != (uid_t)-1 && (ruid != uid || euid != uid || suid != uid))
		return -EPERM;
	*step = "verify the group";
	if (identity->groups != NULL && (rgid != gid || egid != gid || sgid != gid))
		return -EPERM;
	*step = "verify the supplementary groups";
	int error = identity->groups != NULL ? identity_verify_groups(identity) : 0;
	if (error != 0)
		return error;
	*step = "verify that root is gone";
	return euid != 0 && setuid(0) == 0 ? -EPERM : 0;
}

/* Empties the bounding set where that is allowed, up to the last capability that this kernel knows. Where it
 * is not (CAP_SETPCAP is missing), it is of no use to anybody either: no_new_privs stands before it. */
static void identity_empty_bounding_set(void)
{
	for (unsigned long i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++)
		;
}

/* Gives up every capability; programs would inherit the ambient ones. */
static int identity_drop_capabilities(const char **step)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 }, now[_LINUX_CAPABILITY_U32S_3];

	*step = "clear the ambient capabilities";
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	*step = "capget";
	if (syscall(SYS_capget, &header, now) < 0)
		return -errno;
	if (memcmp(now, none, sizeof(now)) == 0) /* a sandbox may refuse capset, and has left none */
		return 0;
	*step = "capset";
	if (syscall(SYS_capset, &header, none) < 0)
		return -errno;
	*step = "capget";
	if (syscall(SYS_capget, &header, now) < 0)
		return -errno;
	*step = "verify that no capability is left";
	return memcmp(now, none, sizeof(now)) == 0 ? 0 : -EPERM;
}

/* Takes all steps in the one right order. */
int identity_become(const struct identity *identity, const char **step)
{
	int error = 0;

	if (identity->uid != (uid_t)-1 && identity->uid != 0)
		identity_empty_bounding_set();
	if ((error = identity_change(identity, step)) != 0)
		return error;
	if (geteuid() != 0 && (error = identity_drop_capabilities(step)) != 0)
		return error;
	if ((error = identity_verify(identity, step)) != 0)
		return error;
	*step = "no_new_privs";
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
