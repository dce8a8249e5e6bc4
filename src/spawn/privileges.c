/*
 * privileges: which rights the configuration needs at the start, and what is given up after it.
 *
 * Decides who becomes whom; how that is done is identity's. Logs nothing. Runs in the gateway and in the
 * spawner, before the first thread.
 */
#include "spawn/privileges.h"

#include "base/must.h"
#include "spawn/identity.h"
#include "spawn/plan.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* Is the process that user and group already? */
static bool privileges_is_run_as(const struct route_conf *route)
{
	return geteuid() != 0 && route->run_as_uid == geteuid() && route->run_as_gid == getegid();
}

/* Finds the first route that asks for what is not there. */
const struct route_conf *privileges_check_routes(const struct config *config)
{
	for (size_t i = 0; i < config->n_routes && geteuid() != 0; i++) {
		const struct route_conf *route = &config->routes[i];
		if (plan_has_program(route) && route->run_as != NULL && !privileges_is_run_as(route))
			return route;
	}
	return NULL;
}

/* Looks for a program that is another user than the gateway. */
bool privileges_are_kept(const struct config *config)
{
	for (size_t i = 0; i < config->n_routes && geteuid() == 0; i++) {
		if (plan_has_program(&config->routes[i]) && config->routes[i].run_as != NULL)
			return true;
	}
	return false;
}

/* Looks at who each route's programs will be. */
const struct route_conf *privileges_find_root(const struct config *config)
{
	for (size_t i = 0; i < config->n_routes; i++) {
		const struct route_conf *route = &config->routes[i];
		uid_t uid = route->run_as != NULL ? route->run_as_uid : geteuid();
		if (plan_has_program(route) && uid == 0)
			return route;
	}
	return NULL;
}

/* Who the gateway is to become. */
int privileges_of_gateway(const struct gateway_conf *gateway, struct identity *out)
{
	bool becomes = geteuid() == 0 && (gateway->user != NULL || gateway->group != NULL);

	must(!becomes || gateway->gid != (gid_t)-1); /* conf has seen to it */
	return identity_init(out, gateway->user, becomes && gateway->user != NULL ? gateway->uid : (uid_t)-1,
		becomes ? gateway->gid : (gid_t)-1);
}

/* Whoever is not root stays who they are. */
int privileges_drop(const struct gateway_conf *gateway, const char **step)
{
	struct identity identity;
	int error;

	*step = "become the user";
	if (privileges_check(gateway) != NULL)
		return -EPERM;
	*step = "find the user's groups";
	error = privileges_of_gateway(gateway, &identity);
	if (error == 0)
		error = identity_become(&identity, step);
	identity_done(&identity);
	return error;
}

/* A container's root may lack some of root's rights. */
int privileges_keep(const char **step)
{
	static const struct {
		unsigned capability;
		const char *name;
	} needed[] = { { CAP_SETGID, "run_as without CAP_SETGID" },
		{ CAP_SETUID, "run_as without CAP_SETUID" }, { CAP_KILL, "run_as without CAP_KILL" } };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];

	*step = "capget";
	if (syscall(SYS_capget, &header, now) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		*step = needed[i].name;
		if ((now[0].effective & (1U << needed[i].capability)) == 0)
			return -EPERM;
	}
	*step = "no_new_privs";
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
