/*
 * privileges: from root, or from a few capabilities, to an ordinary user for good.
 *
 * Owns the order of the steps and their names. Does not decide when, and logs nothing. Runs in the gateway
 * and in the spawner, before the first thread: capabilities and no_new_privs are a thread's own.
 */
#include "spawn/privileges.h"

#include "base/must.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Who to become; an id that stays is (uid_t)-1 or (gid_t)-1. */
struct privileges_target {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* sorted; only when gid does not stay */
	int n_groups;
};

/* Only root becomes somebody else. */
const char *privileges_check(const struct gateway_conf *gateway)
{
	if (geteuid() == 0)
		return NULL;
	if (gateway->user != NULL && gateway->uid != geteuid())
		return "user in [gateway] needs a start as root, or as that user";
	if (gateway->group != NULL && gateway->gid != getegid())
		return "group in [gateway] needs a start as root, or with that group";
	return NULL;
}

/* Orders group ids. */
static int privileges_compare(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;
	return (x > y) - (x < y);
}

/* The name that the group database knows the user by; a number may have none. */
static const char *privileges_find_name(const struct gateway_conf *gateway)
{
	const struct passwd *passwd = NULL;

	if (gateway->user != NULL && (passwd = getpwnam(gateway->user)) == NULL)
		passwd = getpwuid(gateway->uid);
	return passwd != NULL ? passwd->pw_name : NULL;
}

/* Finds the groups that the user is in; `gid` is always one of them. */
static int privileges_find_groups(const struct gateway_conf *gateway, struct privileges_target *target)
{
	const char *name = privileges_find_name(gateway);
	gid_t first;
	int n = 1;

	if (name != NULL)
		getgrouplist(name, target->gid, &first, &n); /* says how many there are */
	target->groups = calloc((size_t)n, sizeof(*target->groups));
	if (target->groups == NULL)
		return -ENOMEM;
	target->n_groups = n;
	target->groups[0] = target->gid;
	if (name != NULL && getgrouplist(name, target->gid, target->groups, &target->n_groups) < 0)
		return -EAGAIN; /* one more in between */
	qsort(target->groups, (size_t)target->n_groups, sizeof(gid_t), privileges_compare);
	return 0;
}

/* Changes groups, then group, then user: after the last one the others could not be changed. */
static int privileges_become(const struct privileges_target *target, const char **step)
{
	if (target->groups != NULL) {
		*step = "setgroups";
		if (setgroups((size_t)target->n_groups, target->groups) < 0)
			return -errno;
		*step = "setresgid";
		if (setresgid(target->gid, target->gid, target->gid) < 0)
			return -errno;
	}
	*step = "setresuid";
	if (target->uid != (uid_t)-1 && setresuid(target->uid, target->uid, target->uid) < 0)
		return -errno;
	return 0;
}

/* Are the groups exactly those? Returns 0 or -errno. */
static int privileges_verify_groups(const struct privileges_target *target)
{
	int n = getgroups(0, NULL), error = -EPERM;
	if (n != target->n_groups)
		return -EPERM;
	gid_t *groups = calloc((size_t)n, sizeof(*groups));
	if (groups == NULL)
		return -ENOMEM;
	if (getgroups(n, groups) == n) {
		qsort(groups, (size_t)n, sizeof(*groups), privileges_compare);
		error = memcmp(groups, target->groups, (size_t)n * sizeof(*groups)) == 0 ? 0 : -EPERM;
	}
	free(groups);
	return error;
}

/* Asks the kernel who we are now, and whether there is a way back. */
static int privileges_verify(const struct privileges_target *target, const char **step)
{
	uid_t uid = target->uid, ruid, euid, suid;
	gid_t gid = target->gid, rgid, egid, sgid;

	*step = "verify the user";
	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return -errno;
	if (uid != (uid_t)-1 && (ruid != uid || euid != uid || suid != uid))
		return -EPERM;
	*step = "verify the group";
	if (target->groups != NULL && (rgid != gid || egid != gid || sgid != gid))
		return -EPERM;
	*step = "verify the supplementary groups";
	int error = target->groups != NULL ? privileges_verify_groups(target) : 0;
	if (error != 0)
		return error;
	*step = "verify that root is gone";
	return euid != 0 && setuid(0) == 0 ? -EPERM : 0;
}

/* Empties the bounding set where that is allowed. Where it is not (CAP_SETPCAP is missing), it is of no use
 * to anybody either: no_new_privs stands before it. */
static void privileges_empty_bounding_set(void)
{
	for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

/* Gives up every capability; programs would inherit the ambient ones. */
static int privileges_drop_capabilities(const char **step)
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

/* Does all of it once it is known who to become. */
static int privileges_apply(const struct privileges_target *target, const char **step)
{
	int error = 0;

	if (target->uid != (uid_t)-1 && target->uid != 0)
		privileges_empty_bounding_set();
	if ((error = privileges_become(target, step)) != 0)
		return error;
	if (geteuid() != 0 && (error = privileges_drop_capabilities(step)) != 0)
		return error;
	if ((error = privileges_verify(target, step)) != 0)
		return error;
	*step = "no_new_privs";
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* Whoever is not root stays who they are. */
int privileges_drop(const struct gateway_conf *gateway, const char **step)
{
	struct privileges_target target = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	int error = 0;

	*step = "become the user";
	if (privileges_check(gateway) != NULL)
		return -EPERM;
	if (geteuid() == 0 && (gateway->user != NULL || gateway->group != NULL)) {
		target.uid = gateway->user != NULL ? gateway->uid : (uid_t)-1;
		target.gid = gateway->gid;
		must(target.gid != (gid_t)-1); /* conf has seen to it */
		*step = "find the user's groups";
		error = privileges_find_groups(gateway, &target);
	}
	if (error == 0)
		error = privileges_apply(&target, step);
	free(target.groups);
	return error;
}
