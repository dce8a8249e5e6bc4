/*
 * place: the kinds of values that are places: the service to connect to, directories, and the owner of a
 * socket file. Looks at the file system and the user database when the configuration is read; resolves no
 * host name.
 */
#include "conf/place.h"

#include "conf/config.h"
#include "conf/options.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

/* The string that an option is stored in. */
static char **place_string(const struct option *option, void *conf)
{
	return value_field(option, conf);
}

/* Writes a string as it is. */
static void place_format(const struct option *option, const void *conf, size_t i, FILE *out)
{
	(void)i;
	fputs(*(char *const *)value_field_const(option, conf), out);
}

/* A string is one item, or none. */
static size_t place_count(const struct option *option, const void *conf)
{
	return *(char *const *)value_field_const(option, conf) != NULL;
}

/* Reads connect: tcp://HOST:PORT or unix:PATH. */
static void place_parse_connect(const struct value *value, void *conf)
{
	struct route_conf *route = conf;
	const char *word = value->text;
	int error;

	if (strncmp(word, "tls://", 6) == 0) {
		value_complain(value, ERRORS_USAGE, "tls:// is not supported yet by this version");
		return;
	}
	if (strncmp(word, "tcp://", 6) == 0)
		word += 6;
	else if (strncmp(word, "unix:", 5) != 0) {
		value_reject(value);
		return;
	}
	error = addr_parse(&route->connect, word);
	if (error)
		value_complain(value, ERRORS_USAGE, "\"%.150s\" %s", value->text, addr_error(error));
	else if (route->connect.kind != (word == value->text ? ADDR_UNIX : ADDR_TCP) ||
		 strcmp(route->connect.host, "*") == 0)
		value_reject(value);
	else if (route->connect.kind == ADDR_TCP && route->connect.port == 0)
		value_complain(value, ERRORS_USAGE, "\"%.150s\" needs a port from 1 to 65535", value->text);
	route->has_connect = true;
	route->connect_uri = pool_copy(value->pool, text_of(value->text));
}

/* Reads a directory, which has to be there. */
static void place_parse_directory(const struct value *value, void *conf)
{
	struct stat st;

	if (stat(value->text, &st) < 0)
		value_complain(value, ERRORS_FAILED, "%.500s: %s", value->text, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		value_complain(value, ERRORS_FAILED, "%.500s: %s", value->text, strerror(ENOTDIR));
	else
		*place_string(value->option, conf) = pool_copy(value->pool, text_of(value->text));
}

/* Finds a user by name, then as a number, as chown(1) does. */
static bool place_find_user(const char *user, uid_t *out)
{
	const struct passwd *passwd = getpwnam(user);
	uint64_t number = 0;

	if (passwd == NULL && !text_to_u64(text_of(user), UINT32_MAX - 1, &number))
		return false;
	*out = passwd != NULL ? passwd->pw_uid : (uid_t)number;
	return true;
}

/* Finds a group in the same way. */
static bool place_find_group(const char *group, gid_t *out)
{
	const struct group *known = getgrnam(group);
	uint64_t number = 0;

	if (known == NULL && !text_to_u64(text_of(group), UINT32_MAX - 1, &number))
		return false;
	*out = known != NULL ? known->gr_gid : (gid_t)number;
	return true;
}

/* Reads USER or USER:GROUP. */
static void place_parse_owner(const struct value *value, void *conf)
{
	struct listen_conf *listen = conf;
	const char *colon = strchrnul(value->text, ':');
	char *user = pool_copy(value->pool, (struct text){ value->text, (size_t)(colon - value->text) });

	if (user == NULL)
		return;
	if (!place_find_user(user, &listen->uid))
		value_complain(value, ERRORS_FAILED, "there is no user \"%.80s\"", user);
	else if (*colon && !place_find_group(colon + 1, &listen->gid))
		value_complain(value, ERRORS_FAILED, "there is no group \"%.80s\"", colon + 1);
	else
		listen->owner = pool_copy(value->pool, text_of(value->text));
}

const struct value_type place_connect = { "tcp://HOST:PORT or unix:PATH", place_parse_connect, place_format,
	place_count };
const struct value_type place_directory = { "a directory", place_parse_directory, place_format, place_count };
const struct value_type place_owner = { "USER or USER:GROUP", place_parse_owner, place_format, place_count };
/* The file's reader follows these itself. */
const struct value_type place_include = { "a path; * ? [...] are patterns", NULL, NULL, NULL };
