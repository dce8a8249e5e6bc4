/*
 * exposure: looks whether what is run, or secret, is served as well. Holds nothing. Looks at the file system,
 * so it is for the main thread, once, at start.
 */
#include "run/exposure.h"

#include "base/beneath.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Would gate/file.c serve what is there, seen from the directory? Nothing whose name begins with a dot is. */
static bool exposure_is_served(const char *dir, const char *path)
{
	const char *rest = beneath_rest(path, dir);

	return rest != NULL && rest[0] != '.' && strstr(rest, "/.") == NULL;
}

/* The route whose static directory has the file; NULL when there is none. */
static const struct route_conf *exposure_find_route(const struct config *config, const char *file)
{
	char dir[PATH_MAX];

	for (size_t i = 0; i < config->n_routes; i++) {
		const struct route_conf *route = &config->routes[i];
		if (route->static_dir != NULL && realpath(route->static_dir, dir) != NULL &&
			exposure_is_served(dir, file))
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

/* Says where the file or directory is written. */
static void exposure_name(struct exposure *out, const char *key, const char *kind, const char *name)
{
	out->key = key;
	out->kind = kind;
	out->name = name;
}

/* Looks at one key. */
static bool exposure_has_key(const struct config *config, const char *key, struct exposure *out)
{
	char path[PATH_MAX];
	const struct route_conf *by = realpath(key, path) == NULL ? NULL : exposure_find_route(config, path);

	if (by == NULL)
		return false;
	*out = (struct exposure){ .what = key,
		.static_dir = by->static_dir,
		.sentence = "anybody could download a TLS key: it lies in a static directory; "
			    "move it out of there" };
	return true;
}

/* Looks at those of the listeners, then at those that services are shown. */
static bool exposure_find_key(const struct config *config, struct exposure *out)
{
	for (size_t i = 0; i < config->n_listens; i++) {
		const struct conf_list *keys = &config->listens[i].tls_key;
		for (size_t k = 0; k < keys->n; k++)
			if (exposure_has_key(config, keys->items[k], out)) {
				exposure_name(out, "tls_key", "listen", config->listens[i].name);
				return true;
			}
	}
	for (size_t i = 0; i < config->n_routes; i++) {
		const char *key = config->routes[i].tls_service_key;
		if (key != NULL && exposure_has_key(config, key, out)) {
			exposure_name(out, "tls_key", "route", config->routes[i].pattern);
			return true;
		}
	}
	return false;
}

/* Is this directory a static one itself? */
static const struct route_conf *exposure_find_same(const struct config *config, const char *path)
{
	char dir[PATH_MAX];

	for (size_t i = 0; i < config->n_routes; i++) {
		const struct route_conf *route = &config->routes[i];
		if (route->static_dir != NULL && realpath(route->static_dir, dir) != NULL &&
			strcmp(dir, path) == 0)
			return route;
	}
	return NULL;
}

/* Looks at files of tokens, and directories of them; tokens are secrets. */
static bool exposure_find_targets(const struct config *config, struct exposure *out)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < config->n_routes; i++) {
		const char *targets = config->routes[i].targets;
		if (targets == NULL || realpath(targets, path) == NULL)
			continue;
		const struct route_conf *by = exposure_find_route(config, path);
		by = by != NULL ? by : exposure_find_same(config, path);
		if (by == NULL)
			continue;
		*out = (struct exposure){ .what = targets,
			.static_dir = by->static_dir,
			.sentence = "anybody could download the tokens of targets: they lie in a static "
				    "directory; move them out of there" };
		exposure_name(out, "targets", "route", config->routes[i].pattern);
		return true;
	}
	return false;
}

/* Looks at the files of the configuration itself: `env` and `header` may hold secrets. */
static bool exposure_find_files(const struct config *config, struct exposure *out)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < config->files.n; i++) {
		const char *file = config->files.items[i];
		const struct route_conf *by =
			realpath(file, path) == NULL ? NULL : exposure_find_route(config, path);
		if (by == NULL)
			continue;
		*out = (struct exposure){ .what = file,
			.static_dir = by->static_dir,
			.sentence = "anybody could download the configuration: it lies in a static "
				    "directory; move it out of there" };
		exposure_name(out, "static", "route", by->pattern);
		return true;
	}
	return false;
}

/* Compares a directory of programs with a static one. */
static bool exposure_overlaps(const char *programs, const char *pages, struct exposure *out)
{
	char ours[PATH_MAX], theirs[PATH_MAX];

	if (realpath(programs, ours) == NULL || realpath(pages, theirs) == NULL)
		return false;
	*out = (struct exposure){ .what = programs, .static_dir = pages };
	if (strcmp(ours, theirs) == 0 || exposure_is_served(theirs, ours))
		out->sentence = "anybody could download programs: their directory lies in a static one; move "
				"it out of there";
	else if (exposure_is_served(ours, theirs))
		out->sentence = "anybody could download programs: a static directory lies in theirs; move it "
				"out of there";
	return out->sentence != NULL;
}

/* Compares a directory of programs with each static one: that may be of another route. */
static bool exposure_find_overlap(const struct config *config, const char *programs, struct exposure *out)
{
	for (size_t i = 0; programs != NULL && i < config->n_routes; i++) {
		const char *pages = config->routes[i].static_dir;
		if (pages != NULL && exposure_overlaps(programs, pages, out))
			return true;
	}
	return false;
}

/* Looks at each directory of programs, those of CGI too. */
static bool exposure_find_programs(const struct config *config, struct exposure *out)
{
	for (size_t i = 0; i < config->n_routes; i++) {
		const struct route_conf *route = &config->routes[i];
		bool sessions = exposure_find_overlap(config, route->dir, out);
		if (!sessions && !exposure_find_overlap(config, route->cgi_dir, out))
			continue;
		exposure_name(out, sessions ? "dir" : "cgi", "route", route->pattern);
		return true;
	}
	return false;
}

/* Are tokens beside pages no reason not to start? websockify has always started then. */
static bool exposure_bears_tokens(const struct config *config)
{
	return config->manners == &manners_websockify;
}

/* One is enough. */
bool exposure_find(const struct config *config, struct exposure *out)
{
	return exposure_find_key(config, out) || exposure_find_programs(config, out) ||
	       exposure_find_files(config, out) ||
	       (!exposure_bears_tokens(config) && exposure_find_targets(config, out));
}

/* Looks at one program after the other; one that can't be found can't be served either. */
void exposure_warn(struct log *log, const struct config *config)
{
	char program[PATH_MAX];
	struct exposure found;

	if (exposure_bears_tokens(config) && exposure_find_targets(config, &found))
		log_warning(log, found.sentence, LOG_STR("file", found.what),
			LOG_STR("static", found.static_dir));
	for (size_t i = 0; i < config->n_routes; i++) {
		const char *path = config->routes[i].exec_path;
		if (path == NULL || exposure_is_said(config, i, path) || realpath(path, program) == NULL)
			continue;
		const struct route_conf *by = exposure_find_route(config, program);
		if (by != NULL)
			log_warning(log, "anybody can download a program: it lies in a static directory",
				LOG_STR("program", program), LOG_STR("static", by->static_dir),
				LOG_STR("route", by->pattern));
	}
}

/* Nobody means that. */
int exposure_check(struct log *log, const struct config *config)
{
	struct exposure found;

	if (!exposure_find(config, &found))
		return 0;
	log_error(log, found.sentence, LOG_STR("file", found.what), LOG_STR("static", found.static_dir));
	return -EPERM;
}
