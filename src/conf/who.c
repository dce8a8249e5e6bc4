/*
 * who: the kinds of values that name users and groups. Looks at the user database when the configuration is
 * read.
 */
#include "conf/who.h"

#include "conf/config.h"
#include "conf/options.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

/* Finds a user by name, then as a number, as chown(1) does. */
static bool who_find_user(const char *user, uid_t *out)
{
	const struct passwd *passwd = getpwnam(user);
	uint64_t number = 0;

	if (passwd == NULL && !text_to_u64(text_of(user), UINT32_MAX - 1, &number))
		return false;
	*out = passwd != NULL ? passwd->pw_uid : (uid_t)number;
	return true;
}

/* Finds a group in the same way. */
static bool who_find_group(const char *group, gid_t *out)
{
	const struct group *known = getgrnam(group);
	uint64_t number = 0;

	if (known == NULL && !text_to_u64(text_of(group), UINT32_MAX - 1, &number))
		return false;
	*out = known != NULL ? known->gr_gid : (gid_t)number;
	return true;
}

/* The part of USER:GROUP before the colon, which may not be there. */
static char *who_copy_user(const struct value *value)
{
	struct text user = { value->text, strcspn(value->text, ":") };

	return pool_copy(value->pool, user);
}

/* Reads USER or USER:GROUP. */
static void who_parse_owner(const struct value *value, void *conf)
{
	struct listen_conf *listen = conf;
	const char *colon = strchrnul(value->text, ':');
	char *user = who_copy_user(value);

	if (user == NULL)
		return;
	if (!who_find_user(user, &listen->uid))
		value_complain(value, ERRORS_FAILED, "there is no user \"%.80s\"", user);
	else if (*colon && !who_find_group(colon + 1, &listen->gid))
		value_complain(value, ERRORS_FAILED, "there is no group \"%.80s\"", colon + 1);
	else
		listen->owner = pool_copy(value->pool, text_of(value->text));
}

/* Reads the user that the gateway becomes, and that user's own group unless `group` names one. */
static void who_parse_user(const struct value *value, void *conf)
{
	struct gateway_conf *gateway = conf;
	const struct passwd *passwd;

	if (!who_find_user(value->text, &gateway->uid)) {
		value_complain(value, ERRORS_FAILED, "there is no user \"%.80s\"", value->text);
		return;
	}
	passwd = getpwuid(gateway->uid);
	if (gateway->group == NULL && passwd != NULL)
		gateway->gid = passwd->pw_gid;
	gateway->user = pool_copy(value->pool, text_of(value->text));
}

/* Reads the group that the gateway becomes. */
static void who_parse_group(const struct value *value, void *conf)
{
	struct gateway_conf *gateway = conf;

	if (who_find_group(value->text, &gateway->gid))
		gateway->group = pool_copy(value->pool, text_of(value->text));
	else
		value_complain(value, ERRORS_FAILED, "there is no group \"%.80s\"", value->text);
}

/* Reads USER or USER:GROUP of a program; a user that is nobody's number has no group of its own. */
static void who_parse_run_as(const struct value *value, void *conf)
{
	struct route_conf *route = conf;
	const char *colon = strchrnul(value->text, ':');
	const struct passwd *passwd;

	route->run_as_user = who_copy_user(value);
	if (route->run_as_user == NULL)
		return;
	if (!who_find_user(route->run_as_user, &route->run_as_uid)) {
		value_complain(value, ERRORS_FAILED, "there is no user \"%.80s\"", route->run_as_user);
		return;
	}
	passwd = getpwuid(route->run_as_uid);
	if (passwd != NULL)
		route->run_as_gid = passwd->pw_gid;
	if (*colon && !who_find_group(colon + 1, &route->run_as_gid))
		value_complain(value, ERRORS_FAILED, "there is no group \"%.80s\"", colon + 1);
	else if (!*colon && passwd == NULL)
		value_complain(value, ERRORS_USAGE,
			"%.80s is nobody's number, so it needs a group: %.80s:GROUP", value->text,
			value->text);
	else
		route->run_as = pool_copy(value->pool, text_of(value->text));
}

const struct value_type who_owner = { "USER or USER:GROUP", who_parse_owner, value_format_string,
	value_count_string };
const struct value_type who_user = { "a user", who_parse_user, value_format_string, value_count_string };
const struct value_type who_group = { "a group", who_parse_group, value_format_string, value_count_string };
const struct value_type who_run_as = { "USER or USER:GROUP", who_parse_run_as, value_format_string,
	value_count_string };
