/*
 * config: turns a draft into a snapshot: reads every value through the options table, then has checked what
 * concerns more than one of them (conf/check.h). Owns the snapshot's memory and its references. Building is
 * for one thread; references are taken and dropped on any.
 */
#include "conf/config.h"

#include "conf/addresses.h"
#include "conf/check.h"
#include "conf/draft.h"
#include "conf/ini.h"
#include "conf/options.h"
#include "conf/route.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The listener of a configuration that names none. */
static const char config_listener[] = "listen default", config_address[] = "127.0.0.1:8080";

/* What a reference leads to: the part that others see, and what frees it. The count, which each session of
 * each worker writes, has a cache line without what they read. */
struct snapshot {
	struct config config;
	char apart[64];
	atomic_uint refs;
	struct pool pool;
};

/* A snapshot under construction. */
struct config_build {
	struct snapshot *snapshot;
	struct draft *draft;
};

/* Finds the snapshot around its visible part. */
static struct snapshot *config_snapshot(const struct config *config)
{
	return (struct snapshot *)(uintptr_t)config; /* the first member */
}

/* Counts one more. */
const struct config *config_ref(const struct config *config)
{
	atomic_fetch_add_explicit(&config_snapshot(config)->refs, 1, memory_order_relaxed);
	return config;
}

/* Counts one less and frees at none. */
void config_unref(const struct config *config)
{
	struct snapshot *snapshot = config_snapshot(config);

	if (atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) > 1)
		return;
	pool_free(&snapshot->pool);
	free(snapshot);
}

/* Reads one option of a section: what was given, or else its default. */
static void config_fill_option(struct config_build *build, void *conf, const struct draft_section *section,
	const struct option *option)
{
	struct value value = {
		.pool = &build->snapshot->pool, .errors = build->draft->errors, .option = option
	};
	const struct draft_text *text = draft_lookup(build->draft, section, option);
	bool given = false;

	for (; text != NULL; text = text->next) {
		value.text = text->text;
		value.origin = text->origin;
		if (!text->text[0])
			continue;
		option->type->parse(&value, conf);
		given = true;
	}
	value.text = option->otherwise;
	value.origin = NULL;
	if (!given && option->otherwise[0])
		option->type->parse(&value, conf);
}

/* Reads all options of a section into its struct. */
static void config_fill(struct config_build *build, void *conf, const struct draft_section *section)
{
	enum option_section kind = options_section_keys(section->kind);

	for (size_t i = 0; i < options_n; i++) {
		if (options[i].section == kind && !(options[i].flags & OPTION_FILE_ONLY))
			config_fill_option(build, conf, section, &options[i]);
	}
}

/* The same for a route, where not all that is unset is zero. */
static void config_fill_route(
	struct config_build *build, struct route_conf *route, const struct draft_section *section)
{
	route->umask = (mode_t)-1;
	route->run_as_uid = (uid_t)-1;
	route->run_as_gid = (gid_t)-1;
	config_fill(build, route, section);
	route->is_service = route->connect.n > 0 || route->targets != NULL;
}

/* How many sections there are of a kind. */
static size_t config_count(const struct draft *draft, enum option_section kind)
{
	const struct draft_section *section = NULL;
	size_t n = 0;

	while ((section = draft_next(draft, section, kind)) != NULL)
		n++;
	return n;
}

/* Reads the listeners. */
static void config_fill_listens(struct config_build *build)
{
	struct config *config = &build->snapshot->config;
	struct pool *pool = &build->snapshot->pool;
	const struct draft_section *section = NULL;

	config->listens =
		pool_alloc(pool, config_count(build->draft, OPTION_LISTEN) * sizeof(*config->listens));
	while (!pool->failed && (section = draft_next(build->draft, section, OPTION_LISTEN)) != NULL) {
		struct listen_conf *listen = &config->listens[config->n_listens];

		listen->name = pool_copy(pool, text_of(section->name));
		if (listen->name == NULL)
			return;
		listen->implied = section->origin == NULL;
		listen->uid = (uid_t)-1;
		listen->gid = (gid_t)-1;
		check_listen(build->draft, config, listen, section);
		config_fill(build, listen, section);
		check_tls(build->draft, listen, section);
		check_proxies(build->draft, listen, section);
		listen->tls_optional = build->draft->tls_optional && listen->tls_certificate.n > 0;
		config->n_listens++;
	}
}

/* Reads a route's pattern and checks that it is the only one of its kind. */
static bool config_fill_pattern(
	struct config_build *build, struct route_conf *route, const struct draft_section *section)
{
	const struct config *config = &build->snapshot->config;
	int error = route_parse(&build->snapshot->pool, route, section->name);

	if (error) {
		check_complain(build->draft, section, "%s", route_error(error));
		return false;
	}
	for (size_t i = 0; i < config->n_routes; i++) {
		if (route_same(&config->routes[i], route))
			check_complain(build->draft, section, "answers the same as [route %.200s] above",
				config->routes[i].pattern);
	}
	return true;
}

/* Sets the defaults that depend on other keys. A terminal is its session's: without a program for one, what
 * [defaults] say of it does nothing, as with all that stands there. */
static void config_choose(
	struct config_build *build, struct route_conf *route, const struct draft_section *section)
{
	route->terminal = route->terminal && (route->exec.n > 0 || route->dir != NULL);
	if (draft_given(build->draft, section, "framing") == NULL)
		route->framing = route->is_service || route->terminal ? FRAMING_STREAM : FRAMING_LINES;
}

/* Reads the routes; those with a broken pattern are checked as well, but no other is compared with them. */
static void config_fill_routes(struct config_build *build)
{
	struct config *config = &build->snapshot->config;
	struct pool *pool = &build->snapshot->pool;
	const struct draft_section *section = NULL;

	config->routes = pool_alloc(pool, config_count(build->draft, OPTION_ROUTE) * sizeof(*config->routes));
	while (!pool->failed && (section = draft_next(build->draft, section, OPTION_ROUTE)) != NULL) {
		struct route_conf *route = &config->routes[config->n_routes];
		bool good = config_fill_pattern(build, route, section);

		config_fill_route(build, route, section);
		config_choose(build, route, section);
		check_route(build->draft, config, route, section);
		if (good)
			config->n_routes++;
		else
			*route = (struct route_conf){ 0 };
	}
}

/* Reads the [defaults] for their mistakes only: no route may come after them. */
static void config_check_defaults(struct config_build *build)
{
	const struct draft_section *section = NULL;

	while ((section = draft_next(build->draft, section, OPTION_DEFAULTS)) != NULL) {
		struct route_conf route = { 0 };

		config_fill_route(build, &route, section);
	}
}

/* Keeps the names of the files for those who look where they lie. */
static void config_name_files(struct config_build *build)
{
	struct pool *pool = &build->snapshot->pool;
	const struct conf_list *names = &build->draft->file_names;

	for (size_t i = 0; i < names->n; i++)
		pool_append(pool, &build->snapshot->config.files, pool_copy(pool, text_of(names->items[i])));
}

/* Builds all of it; with one mistake there is no snapshot. */
const struct config *config_build(struct draft *draft)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
	struct config_build build = { snapshot, draft };

	if (snapshot != NULL && !draft->pool.failed) {
		atomic_init(&snapshot->refs, 1);
		snapshot->config = draft->config;
		snapshot->config.gateway.uid = (uid_t)-1;
		snapshot->config.gateway.gid = (gid_t)-1;
		config_fill(&build, &snapshot->config.gateway, draft->gateway);
		check_gateway(draft, &snapshot->config.gateway);
		config_fill_listens(&build);
		addresses_check(draft);
		config_check_defaults(&build);
		config_fill_routes(&build);
		config_name_files(&build);
	}
	if (snapshot == NULL || draft->pool.failed || snapshot->pool.failed)
		errors_add(draft->errors, ERRORS_FAILED, NULL, "%s", strerror(ENOMEM));
	if (snapshot != NULL && draft->errors->n > 0) {
		pool_free(&snapshot->pool);
		free(snapshot);
		snapshot = NULL;
	}
	return snapshot != NULL ? &snapshot->config : NULL;
}

/* Is there something to answer: a route, or a listener that leads elsewhere? */
static bool config_answers(const struct config *config)
{
	for (size_t i = 0; i < config->n_listens; i++)
		if (config->listens[i].redirect_to != NULL)
			return true;
	return config->n_routes > 0;
}

/* Adds what a file may leave out, then what --set puts over it, and builds. */
static const struct config *config_finish(struct draft *draft, const char *name, const struct conf_list *sets)
{
	const struct config *config;

	if (draft_next(draft, NULL, OPTION_LISTEN) == NULL) {
		struct draft_section *listen = draft_open(draft, config_listener, NULL);

		if (listen != NULL)
			draft_put(draft, listen, "address", config_address, NULL);
	}
	for (size_t i = 0; sets != NULL && i < sets->n; i++)
		draft_set(draft, sets->items[i], false);
	config = config_build(draft);
	if (config == NULL || config_answers(config))
		return config;
	config_unref(config);
	errors_add(draft->errors, ERRORS_USAGE, name,
		"there is no [route PATH] section, so nothing would be answered");
	return NULL;
}

/* Reads from a file. */
const struct config *config_read(const char *file, const struct conf_list *sets, struct conf_errors *errors)
{
	const struct config *config = NULL;
	struct draft draft;

	if (draft_init(&draft, errors) == 0) {
		ini_read(&draft, file);
		config = config_finish(&draft, file, sets);
	}
	draft_done(&draft);
	return config;
}

/* Reads from a stream. */
const struct config *config_read_stream(
	FILE *stream, const char *name, const struct conf_list *sets, struct conf_errors *errors)
{
	const struct config *config = NULL;
	struct draft draft;

	if (draft_init(&draft, errors) == 0) {
		ini_read_stream(&draft, stream, name);
		config = config_finish(&draft, name, sets);
	}
	draft_done(&draft);
	return config;
}
