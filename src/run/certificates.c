/*
 * certificates: reads the TLS files of listeners and of routes with tls:// services at start and whenever
 * they change.
 *
 * Owns a context for each (run/tlsfiles.h) and the keys of tickets. A worker holds references of its own and
 * gets newer contexts by mail; sessions keep the one that they began with. Runs on the main thread.
 */
#include "run/certificates.h"

#include "base/shortage.h"
#include "run/tlsfiles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CERTIFICATES_DAY_S = 24 * 3600 };

struct certificates {
	struct loop *loop;
	struct tickets *tickets;
	struct tlsfiles *all; /* of the configuration's listeners, and behind them of its routes */
	size_t n;
	struct worker *workers;
	unsigned n_workers;
	struct event *timer;
	time_t day; /* of the calendar, when dates were checked last */
};

/* Whose files are read, and why, for the log. */
struct certificates_note {
	struct log *log;
	const struct tlsfiles *whose;
	bool again;
};

/* What is worth a warning: a file, else a setting; of a route's there is only tls_verify = no. */
static const char *certificates_warning(const struct tlsfiles *whose, const char *file)
{
	return file[0] != '\0'	      ? "TLS file used all the same"
	       : whose->route != NULL ? "TLS protects from nobody on the way"
				      : "TLS setting used all the same";
}

/* Logs what there is to say about a file or a setting. */
static void certificates_on_note(void *arg, enum log_level level, const char *file, const char *words)
{
	const struct certificates_note *note = arg;
	const char *sentence = level == LOG_WARNING ? certificates_warning(note->whose, file)
			       : note->again	    ? "new TLS files can't be used, the old ones stay"
						    : "TLS files can't be used";

	log_at(note->log, level, sentence, LOG_STR(tlsfiles_kind(note->whose), tlsfiles_name(note->whose)),
		LOG_STR("file", file), LOG_STR("reason", words));
}

/* Reads one's files. */
static int certificates_read(
	struct certificates *certificates, struct tlsfiles *one, struct tls **out, bool again)
{
	struct certificates_note note = { certificates->loop->log, one, again };
	return tlsfiles_read(one, certificates->tickets, out, certificates_on_note, &note);
}

/* Reads the files of all, so that all mistakes are said at once. */
static int certificates_read_all(struct certificates *certificates)
{
	int error = 0;

	for (size_t i = 0; i < certificates->n; i++) {
		struct tlsfiles *one = &certificates->all[i];
		if (!tlsfiles_is_wanted(one))
			continue;
		int failed = tlsfiles_list(one);
		if (failed == 0)
			failed = certificates_read(certificates, one, &one->tls, false);
		error = error != 0 ? error : failed;
	}
	return error;
}

/* Gives every worker all contexts. */
static int certificates_give(struct certificates *certificates)
{
	struct tls **tls = calloc(certificates->n, sizeof(struct tls *));
	int error = tls == NULL ? -ENOMEM : 0;

	for (size_t i = 0; error == 0 && i < certificates->n; i++)
		tls[i] = certificates->all[i].tls;
	for (unsigned i = 0; error == 0 && i < certificates->n_workers; i++)
		error = worker_give_tls(&certificates->workers[i], tls, certificates->n);
	free(tls);
	return error;
}

/* One of all, by its number: listeners come first. */
static struct tlsfiles certificates_one(const struct config *config, size_t i)
{
	return i < config->n_listens ? tlsfiles_of_listen(&config->listens[i])
				     : tlsfiles_of_route(&config->routes[i - config->n_listens]);
}

/* Has anybody TLS? */
static bool certificates_wanted(const struct config *config)
{
	for (size_t i = 0; i < config->n_listens + config->n_routes; i++) {
		struct tlsfiles one = certificates_one(config, i);
		if (tlsfiles_is_wanted(&one))
			return true;
	}
	return false;
}

/* Takes memory for them. NULL when it is short. */
static struct certificates *certificates_alloc(const struct config *config)
{
	struct certificates *certificates = calloc(1, sizeof(*certificates));

	if (certificates == NULL)
		return NULL;
	certificates->tickets = tickets_new();
	certificates->all = calloc(config->n_listens + config->n_routes, sizeof(certificates->all[0]));
	if (certificates->tickets == NULL || certificates->all == NULL) {
		certificates_free(certificates);
		return NULL;
	}
	for (; certificates->n < config->n_listens + config->n_routes; certificates->n++)
		certificates->all[certificates->n] = certificates_one(config, certificates->n);
	return certificates;
}

/* Reads all and hands it out. */
int certificates_new(struct certificates **out, struct loop *loop, const struct config *config,
	struct worker *workers, unsigned n_workers)
{
	*out = NULL;
	if (!certificates_wanted(config))
		return 0;
	struct certificates *certificates = certificates_alloc(config);
	int error = certificates == NULL ? -ENOMEM : 0;

	if (error == 0) {
		certificates->loop = loop;
		certificates->workers = workers;
		certificates->n_workers = n_workers;
		certificates->day = time(NULL) / CERTIFICATES_DAY_S;
		error = certificates_read_all(certificates);
	}
	if (error == 0)
		error = certificates_give(certificates);
	if (error == -ENOMEM)
		log_error(loop->log, "TLS files can't be used", LOG_STR("reason", strerror(ENOMEM)));
	if (error == 0)
		*out = certificates;
	else
		certificates_free(certificates);
	return error;
}

/* Sends a new context to the workers. One that gets none for want of memory goes on with the old one. */
static int certificates_send(struct certificates *certificates, size_t i, struct tls *tls)
{
	int error = 0;

	for (unsigned n = 0; n < certificates->n_workers; n++) {
		int failed = worker_pass_tls(&certificates->workers[n], i, tls);
		error = error != 0 ? error : failed;
	}
	return error;
}

/* Reads one's files again. */
static void certificates_read_again(struct certificates *certificates, struct tlsfiles *one)
{
	struct tls *tls;
	int error = certificates_read(certificates, one, &tls, true);

	one->changing = false;
	if (error == 0) {
		tls_unref(one->tls);
		one->tls = tls;
		error = certificates_send(certificates, (size_t)(one - certificates->all), tls);
		log_info(certificates->loop->log, "TLS files read again",
			LOG_STR(tlsfiles_kind(one), tlsfiles_name(one)));
	}
	one->again_at = shortage_is_passing(error) ? loop_now(certificates->loop) + CERTIFICATES_AGAIN_MS : 0;
}

/* Looks at one's files. */
static void certificates_look_at(struct certificates *certificates, struct tlsfiles *one)
{
	bool again = one->again_at != 0 && loop_now(certificates->loop) >= one->again_at;

	if (one->changing || again)
		certificates_read_again(certificates, one);
	else
		one->changing = tlsfiles_differ(one);
}

/* Warns of certificates that have expired, the first time on each day. */
static void certificates_look_at_dates(struct certificates *certificates)
{
	time_t day = time(NULL) / CERTIFICATES_DAY_S;

	if (day == certificates->day)
		return;
	certificates->day = day;
	for (size_t i = 0; i < certificates->n; i++) {
		struct certificates_note note = { certificates->loop->log, &certificates->all[i], true };
		if (certificates->all[i].tls != NULL)
			tls_check_dates(certificates->all[i].tls, certificates_on_note, &note);
	}
}

/* Looks at everything. */
void certificates_look(struct certificates *certificates)
{
	for (size_t i = 0; i < certificates->n; i++)
		if (certificates->all[i].tls != NULL)
			certificates_look_at(certificates, &certificates->all[i]);
	certificates_look_at_dates(certificates);
}

/* A second is over. */
static void certificates_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct certificates *certificates = arg;
	(void)fd;
	(void)what;

	certificates_look(certificates);
	loop_timer_set(certificates->timer, CERTIFICATES_LOOK_MS);
}

/* Warns of a file that was read with rights that are gone. That it can't even be seen any more is no change
 * of it. */
static void certificates_check_rights(
	struct certificates *certificates, const struct tlsfiles *one, struct tlsfiles_file *file)
{
	if (euidaccess(file->path, R_OK) == 0 || errno != EACCES)
		return;
	log_warning(certificates->loop->log,
		"a TLS file will not be followed: the gateway's user may not read it",
		LOG_STR(tlsfiles_kind(one), tlsfiles_name(one)), LOG_STR("file", file->path));
	struct filestate now = filestate_of(file->path);
	if (now.error == EACCES)
		file->seen = now;
}

/* Begins to look. */
int certificates_watch(struct certificates *certificates)
{
	if (certificates == NULL)
		return 0;
	for (size_t i = 0; i < certificates->n; i++) {
		struct tlsfiles *one = &certificates->all[i];
		for (size_t j = 0; j < one->n_files; j++)
			certificates_check_rights(certificates, one, &one->files[j]);
	}
	certificates->timer = loop_event_new(certificates->loop, -1, 0, certificates_on_timer, certificates);
	if (certificates->timer == NULL)
		return -ENOMEM;
	loop_timer_set(certificates->timer, CERTIFICATES_LOOK_MS);
	return 0;
}

/* Drops its references, then the keys of tickets: the workers are gone. */
void certificates_free(struct certificates *certificates)
{
	if (certificates == NULL)
		return;
	if (certificates->timer != NULL)
		loop_event_free(certificates->loop, certificates->timer);
	for (size_t i = 0; i < certificates->n; i++)
		tlsfiles_done(&certificates->all[i]);
	free(certificates->all);
	tickets_free(certificates->tickets);
	free(certificates);
}

/* Where --check writes, and whose files they are. */
struct certificates_page {
	FILE *err;
	const struct tlsfiles *whose;
};

/* Writes what there is to say about a file. */
static void certificates_on_check(void *arg, enum log_level level, const char *file, const char *words)
{
	const struct certificates_page *page = arg;

	fprintf(page->err, "%s[%s %s] %s%s%s\n", level == LOG_WARNING ? "warning: " : "",
		tlsfiles_kind(page->whose), tlsfiles_name(page->whose), file, file[0] ? " " : "", words);
}

/* Makes a context for each and throws it away. */
int certificates_check(const struct config *config, FILE *err)
{
	struct tickets *tickets = tickets_new();
	int error = tickets == NULL ? -ENOMEM : 0;

	for (size_t i = 0; tickets != NULL && i < config->n_listens + config->n_routes; i++) {
		struct tlsfiles one = certificates_one(config, i);
		struct certificates_page page = { err, &one };
		int failed = 0;
		if (tlsfiles_is_wanted(&one))
			failed = tlsfiles_read(&one, tickets, &one.tls, certificates_on_check, &page);
		tlsfiles_done(&one);
		error = error != 0 ? error : failed;
	}
	tickets_free(tickets);
	return error;
}
