/*
 * targets: keeps for each route what its files said when they were read, and picks the service of a request.
 *
 * Owns the tables and their locks. What a file has is looked up while the lock is held: a few calls of
 * stat(2) as a rule, the reading of the file when it has changed. That stays on the worker that asks, since
 * whoever writes a token into the file and connects at once must be let in; what may be read is kept so small
 * (gate/targettable.h) that others can wait for it, and it is done at most once for each change, but for a
 * file that was touched just now. Any thread.
 */
#include "gate/targets.h"

#include "base/must.h"
#include "base/shortage.h"
#include "gate/targettable.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct targets_source {
	pthread_mutex_t lock;
	const struct route_conf *route;
	struct targettable *table; /* NULL: it could not be read */
	int error;		   /* why, or why it is not as new as the files are; it has been logged */
	uint64_t look_at;	   /* not before this time the files are looked at again */
	uint64_t read_at;	   /* nor read again while they look the same */
	uint64_t lose_at;	   /* what they said before does not count after this time; 0: it does */
};

struct targets {
	const struct config *config;
	struct targets_source sources[]; /* as many as there are routes */
};

/* Has nothing read. */
struct targets *targets_new(const struct config *config)
{
	struct targets *targets =
		calloc(1, sizeof(*targets) + config->n_routes * sizeof(targets->sources[0]));

	if (targets == NULL)
		return NULL;
	targets->config = config;
	for (size_t i = 0; i < config->n_routes; i++) {
		targets->sources[i].route = &config->routes[i];
		pthread_mutex_init(&targets->sources[i].lock, NULL);
	}
	return targets;
}

/* Frees the tables. */
void targets_free(struct targets *targets)
{
	if (targets == NULL)
		return;
	for (size_t i = 0; i < targets->config->n_routes; i++) {
		targettable_free(targets->sources[i].table);
		pthread_mutex_destroy(&targets->sources[i].lock);
	}
	free(targets);
}

/* One warning for each mistake of a file, none for what stands in it. */
static void targets_warn(const struct targets_source *source, struct log *log)
{
	const struct targettable *table = source->table;

	for (size_t i = 0; i < table->n_notes && i < TARGETTABLE_NOTES; i++) {
		const struct targettable_note *note = &table->notes[i];
		const char *file = table->files[note->file].path;
		if (note->line > 0)
			log_warning(log, "mistake in targets", LOG_STR("route", source->route->pattern),
				LOG_STR("file", file), LOG_U64("line", note->line),
				LOG_STR("reason", note->words));
		else
			log_warning(log, "mistake in targets", LOG_STR("route", source->route->pattern),
				LOG_STR("file", file), LOG_STR("reason", note->words));
	}
	if (table->n_notes > TARGETTABLE_NOTES)
		log_warning(log, "more mistakes in targets", LOG_STR("route", source->route->pattern),
			LOG_U64("mistakes", table->n_notes - TARGETTABLE_NOTES));
}

/* The files can't be read: says so when that is news, and forgets what they said before, since that may have
 * been taken back. */
static void targets_lose(struct targets_source *source, struct log *log, int error)
{
	bool news = source->table != NULL || source->error != error;

	targettable_free(source->table);
	source->table = NULL;
	if (news)
		log_error(log, "targets can't be read", LOG_STR("route", source->route->pattern),
			LOG_STR("file", source->route->targets), LOG_STR("error", strerror(error)));
	source->error = error;
}

/* May it last, while what is on the disk changes? Unlike what we are short of, and what is so for a moment.
 */
static bool targets_may_last(int error)
{
	return !shortage_is(error) && error != EAGAIN && error != EINTR;
}

/* Nothing could be read, and that may last: what was known counts for a while longer, but not for ever, since
 * it may have been taken back. */
static void targets_lose_later(struct targets_source *source, struct log *log, int error, uint64_t now)
{
	if (source->lose_at == 0)
		source->lose_at = now + TARGETS_KEEP_MS;
	if (now >= source->lose_at)
		targets_lose(source, log, error);
}

/* Takes what could be read, if it is worth more than what is known: where the rest may be missing for long,
 * it is, since it has what was taken back. */
static void targets_take_some(
	struct targets_source *source, struct log *log, struct targettable *newer, bool may_last)
{
	struct targettable *older = source->table;
	bool take = older == NULL || older->short_of != 0 || may_last,
	     same = older != NULL && targettable_is_same(newer, older);

	if (!take) {
		targettable_free(newer);
		return;
	}
	source->table = newer;
	source->lose_at = 0;
	targettable_free(older);
	if (may_last && !same)
		targets_warn(source, log);
}

/* The files, or some of them, can't be read for now, which says nothing about them: what they said before
 * counts until they can, or for a while. newer: what could be read, or NULL. */
static void targets_keep(
	struct targets_source *source, struct log *log, struct targettable *newer, int error, uint64_t now)
{
	const char *file = newer != NULL ? newer->files[newer->short_file].path : source->route->targets;

	if (source->error != error)
		log_warning(log, "targets can't be read for now", LOG_STR("route", source->route->pattern),
			LOG_STR("file", file), LOG_STR("error", strerror(error)));
	source->error = error;
	source->look_at = now + TARGETS_AGAIN_MS;
	if (newer != NULL)
		targets_take_some(source, log, newer, targets_may_last(error));
	else if (targets_may_last(error))
		targets_lose_later(source, log, error, now);
}

/* Has read the files. What is wrong with them is said when they say something else than before. */
static void targets_renew(struct targets_source *source, struct log *log, struct targettable *newer)
{
	const struct route_conf *route = source->route;
	struct targettable *older = source->table;
	bool again = older != NULL || source->error != 0,
	     same = older != NULL && targettable_is_same(newer, older);

	source->table = newer;
	source->lose_at = 0;
	targettable_free(older);
	if (same && source->error == 0)
		return;
	source->error = 0;
	if (!same)
		targets_warn(source, log);
	log_info(log, again ? "targets read again" : "targets read", LOG_STR("route", route->pattern),
		LOG_STR("file", route->targets), LOG_U64("targets", newer->n));
}

/* Reads the files. */
static void targets_load(struct targets_source *source, struct log *log, uint64_t now)
{
	const struct route_conf *route = source->route;
	struct targettable *newer;
	int error = -targettable_new(&newer, route->targets, route->target_by == TARGET_BY_HOST);

	if (error == 0) {
		error = newer->short_of;
		source->read_at = now + newer->n_bytes / TARGETS_BYTES + newer->n_files / TARGETS_FILES;
	}
	if (shortage_is_passing(error))
		targets_keep(source, log, newer, error, now);
	else if (error != 0)
		targets_lose(source, log, error);
	else
		targets_renew(source, log, newer);
}

/* Is what is known not what stands in the files, or perhaps not? */
static bool targets_is_outdated(const struct targets_source *source, uint64_t now)
{
	if (source->table == NULL || source->error != 0 || targettable_has_changed(source->table))
		return true;
	return now >= source->read_at && !targettable_is_sure(source->table);
}

/* Has what stands in the files now; the lock is held. */
static void targets_look(struct targets_source *source, struct log *log, uint64_t now)
{
	if (now < source->look_at)
		return;
	if (targets_is_outdated(source, now))
		targets_load(source, log, now);
	if (source->error == 0)
		source->look_at = now + source->table->n_files / TARGETS_LOOKS;
}

/* Reads each. */
void targets_read(struct targets *targets, struct log *log, uint64_t now)
{
	for (size_t i = 0; i < targets->config->n_routes; i++) {
		struct targets_source *source = &targets->sources[i];
		pthread_mutex_lock(&source->lock);
		if (source->route->targets != NULL)
			targets_look(source, log, now);
		pthread_mutex_unlock(&source->lock);
	}
}

/* Makes a service of what a token stands for; its URI was read before. */
static int targets_take(struct target *out, const char *uri)
{
	snprintf(out->uri, sizeof(out->uri), "%s", uri);
	must(upstream_parse(&out->upstream, out->uri) == NULL);
	out->upstream.uri = out->uri;
	out->list = (struct upstream_list){ &out->upstream, 1 };
	return 0;
}

/* Looks a token up. Returns as targets_choose(). */
static int targets_find(struct targets_source *source, struct log *log, uint64_t now, struct target *out,
	struct text token, int *error)
{
	pthread_mutex_lock(&source->lock);
	targets_look(source, log, now);
	const char *uri = source->table != NULL ? targettable_find(source->table, token) : NULL;
	int verdict = uri != NULL	   ? targets_take(out, uri)
		      : source->error != 0 ? TARGETS_UNREAD
					   : TARGETS_UNKNOWN;
	*error = source->error;
	pthread_mutex_unlock(&source->lock);
	return verdict;
}

/* Takes the token of the request. */
int targets_choose(struct targets *targets, struct log *log, uint64_t now, struct target *out,
	const struct http_request *request, const struct route_match *match, int *error)
{
	struct targets_source *source = &targets->sources[match->route - targets->config->routes];
	char token[TARGETS_TOKEN];
	long len = targets_token(token, request, match);

	*error = 0;
	if (len < 0)
		return (int)len;
	return targets_find(source, log, now, out, (struct text){ token, (size_t)len }, error);
}

/* Broken ones are the client's fault. */
int targets_status(int error)
{
	return error == TARGETS_TWO || error == TARGETS_BAD ? 400 : 404;
}

/* For the log. */
const char *targets_reason(int error)
{
	switch (error) {
	case TARGETS_NO_TOKEN:
		return "no token";
	case TARGETS_TWO:
		return "two tokens";
	case TARGETS_BAD:
		return "bad token";
	default:
		return "no such target";
	}
}

/* For people. */
const char *targets_advice(int error)
{
	switch (error) {
	case TARGETS_NO_TOKEN:
		return "What this route leads to is picked by a token, and the request has none.\n";
	case TARGETS_TWO:
		return "The request has two tokens.\n";
	case TARGETS_BAD:
		return "The request's token can't be decoded.\n";
	default:
		return "The request's token stands for nothing.\n";
	}
}

/* Writes the mistakes of one route's files. Returns 0 or -errno. */
static int targets_check_route(const struct route_conf *route, FILE *out)
{
	struct targettable *table;
	int error = targettable_new(&table, route->targets, route->target_by == TARGET_BY_HOST);

	if (error != 0) {
		fprintf(out, "[route %s] targets: %s: %s\n", route->pattern, route->targets,
			strerror(-error));
		return error;
	}
	for (size_t i = 0; i < table->n_notes && i < TARGETTABLE_NOTES; i++) {
		const struct targettable_note *note = &table->notes[i];
		char line[16] = "";
		if (note->line > 0)
			snprintf(line, sizeof(line), ":%u", note->line);
		fprintf(out, "%s%s: %s\n", table->files[note->file].path, line, note->words);
	}
	if (table->n_notes > TARGETTABLE_NOTES)
		fprintf(out, "%s: %zu mistakes more\n", route->targets, table->n_notes - TARGETTABLE_NOTES);
	error = table->n_notes > 0 ? -EINVAL : 0;
	targettable_free(table);
	return error;
}

/* Asks each route. */
int targets_check(const struct config *config, FILE *out)
{
	int error = 0;

	for (size_t i = 0; i < config->n_routes; i++) {
		int failed =
			config->routes[i].targets != NULL ? targets_check_route(&config->routes[i], out) : 0;
		error = error != 0 ? error : failed;
	}
	return error;
}
