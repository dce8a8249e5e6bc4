/*
 * rights: asks spawn/privileges.h and words the answers.
 *
 * Owns nothing. Runs on the main thread before there are others.
 */
#include "run/rights.h"

#include "spawn/privileges.h"

#include <errno.h>
#include <unistd.h>

/* Says what is missing. */
int rights_check(struct log *log, const struct config *config)
{
	const struct gateway_conf *gateway = &config->gateway;
	const char *words = privileges_check(gateway);
	const struct route_conf *route = privileges_check_routes(config);

	if (words != NULL)
		log_error(log, words, LOG_STR("user", gateway->user != NULL ? gateway->user : ""),
			LOG_STR("group", gateway->group != NULL ? gateway->group : ""),
			LOG_U64("uid", geteuid()), LOG_U64("gid", getegid()));
	else if (route != NULL)
		log_error(log, "run_as of a route needs a start as root, or as that user with that group",
			LOG_STR("route", route->pattern), LOG_STR("run_as", route->run_as),
			LOG_U64("uid", geteuid()), LOG_U64("gid", getegid()));
	return words != NULL || route != NULL ? -EPERM : 0;
}

/* Drops, then looks whether programs are safe. */
int rights_drop(struct log *log, const struct config *config, const char **step)
{
	int error = privileges_drop(&config->gateway, step);
	const struct route_conf *route = error == 0 ? privileges_find_root(config) : NULL;

	if (route != NULL)
		log_warning(log,
			config->command_line ? "programs run as root: --set user=NAME names another user"
					     : "programs run as root: user in [gateway] names another "
					       "user for all, run_as for those of a route",
			LOG_STR("route", route->pattern));
	return error;
}
