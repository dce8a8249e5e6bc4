/*
 * exposure: looks whether what is run, or secret, is served as well. Holds nothing. Looks at the file system,
 * so it is for the main thread, once, at start.
 */
#include "run/exposure.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Would gate/file.c serve what is there, seen from the directory? Both are without symlinks; nothing whose
 * name begins with a dot is served. */
static bool exposure_is_beneath(const char *dir, const char *path)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' && strstr(path + len, "/.") == NULL;
}

/* The route whose static directory has the file; NULL when there is none. */
static const struct route_conf *exposure_find(const struct config *config, const char *file)
{
	char dir[PATH_MAX];

	for (size_t i = 0; i < config->n_routes; i++) {
		const struct route_conf *route = &config->routes[i];
		if (route->static_dir != NULL && realpath(route->static_dir, dir) != NULL &&
			exposure_is_beneath(dir, file))
			return route;
	}
	return NULL;
}

/* Do several routes run this program? Then the first one speaks for all. */
static bool exposure_is_said(const struct config *config, size_t n, const char *program)
{
	for (size_t i = 0; i < n; i++)
		if (config->routes[i].exec_path != NULL && strcmp(config->routes[i].exec_path, program) == 0)
			return true;
	return false;
}

/* Looks at one key after the other. */
const char *exposure_find_key(const struct config *config, const char **dir)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < config->n_listens; i++) {
		const struct conf_list *keys = &config->listens[i].tls_key;
		for (size_t k = 0; k < keys->n; k++) {
			const struct route_conf *by =
				realpath(keys->items[k], path) == NULL ? NULL : exposure_find(config, path);
			if (by == NULL)
				continue;
			*dir = by->static_dir;
			return keys->items[k];
		}
	}
	return NULL;
}

/* Looks at one program after the other; one that can't be found can't be served either. */
void exposure_warn(struct log *log, const struct config *config)
{
	char program[PATH_MAX];

	for (size_t i = 0; i < config->n_routes; i++) {
		const char *path = config->routes[i].exec_path;
		if (path == NULL || exposure_is_said(config, i, path) || realpath(path, program) == NULL)
			continue;
		const struct route_conf *by = exposure_find(config, program);
		if (by != NULL)
			log_warning(log, "anybody can download a program: it lies in a static directory",
				LOG_STR("program", program), LOG_STR("static", by->static_dir),
				LOG_STR("route", by->pattern));
	}
}
