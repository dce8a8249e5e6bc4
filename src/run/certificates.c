/*
 * certificates: reads the listeners' TLS files at start and whenever they change.
 *
 * Owns a context for each listener, what its files looked like when it was read, and the keys of tickets. A
 * worker holds references of its own and gets newer contexts by mail; sessions keep the one that they began
 * with. Runs on the main thread.
 */
#include "run/certificates.h"

#include "net/tls.h"
#include "run/filestate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CERTIFICATES_DAY_S = 24 * 3600 };

struct certificates_file {
	const char *path; /* the configuration's */
	struct filestate seen;
};

struct certificates_listener {
	const struct listen_conf *conf;
	struct tls *tls;		 /* NULL: it has no TLS */
	struct certificates_file *files; /* certificates, keys, authorities */
	size_t n_files;
	bool changing;	   /* they were others at the last look */
	uint64_t again_at; /* when to try once more; 0: when they change */
};

struct certificates {
	struct loop *loop;
	struct tickets *tickets;
	struct certificates_listener *listeners; /* as many as the configuration has */
	size_t n_listeners;
	struct worker *workers;
	unsigned n_workers;
	struct event *timer;
	time_t day; /* of the calendar, when dates were checked last */
};

/* Whose files are read, and why, for the log. */
struct certificates_note {
	struct log *log;
	const char *listen;
	bool again;
};

/* Logs what there is to say about a file. */
static void certificates_on_note(void *arg, enum log_level level, const char *file, const char *words)
{
	const struct certificates_note *note = arg;
	const char *sentence = level == LOG_WARNING ? "TLS file used all the same"
			       : note->again	    ? "new TLS files can't be used, the old ones stay"
						    : "TLS files can't be used";

	log_at(note->log, level, sentence, LOG_STR("listen", note->listen), LOG_STR("file", file),
		LOG_STR("reason", words));
}

/* Are a listener's files others than those that were read? */
static bool certificates_differ(const struct certificates_listener *listener)
{
	for (size_t i = 0; i < listener->n_files; i++)
		if (!filestate_is(&listener->files[i].seen, listener->files[i].path))
			return true;
	return false;
}

/* Reads a listener's files. Their state is taken before: what changes meanwhile differs at the next look. */
static int certificates_read(struct certificates *certificates, struct certificates_listener *listener,
	struct tls **out, bool again)
{
	struct certificates_note note = { certificates->loop->log, listener->conf->name, again };

	for (size_t i = 0; i < listener->n_files; i++)
		listener->files[i].seen = filestate_of(listener->files[i].path);
	return tls_new(out, listener->conf, certificates->tickets, certificates_on_note, &note);
}

/* Lists a listener's files. */
static int certificates_list(struct certificates_listener *listener)
{
	const struct listen_conf *conf = listener->conf;
	size_t n = conf->tls_certificate.n;

	listener->files = calloc(2 * n + 1, sizeof(listener->files[0]));
	if (listener->files == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		listener->files[listener->n_files++].path = conf->tls_certificate.items[i];
		listener->files[listener->n_files++].path = conf->tls_key.items[i];
	}
	if (conf->tls_client_ca != NULL)
		listener->files[listener->n_files++].path = conf->tls_client_ca;
	return 0;
}

/* Reads the files of all listeners with TLS, so that all mistakes are said at once. */
static int certificates_read_all(struct certificates *certificates, const struct config *config)
{
	int error = 0;

	for (size_t i = 0; i < certificates->n_listeners; i++) {
		struct certificates_listener *listener = &certificates->listeners[i];
		listener->conf = &config->listens[i];
		if (listener->conf->tls_certificate.n == 0)
			continue;
		int failed = certificates_list(listener);
		if (failed == 0)
			failed = certificates_read(certificates, listener, &listener->tls, false);
		error = error != 0 ? error : failed;
	}
	return error;
}

/* Gives every worker all contexts. */
static int certificates_give(struct certificates *certificates)
{
	struct tls **tls = calloc(certificates->n_listeners, sizeof(struct tls *));
	int error = tls == NULL ? -ENOMEM : 0;

	for (size_t i = 0; error == 0 && i < certificates->n_listeners; i++)
		tls[i] = certificates->listeners[i].tls;
	for (unsigned i = 0; error == 0 && i < certificates->n_workers; i++)
		error = worker_give_tls(&certificates->workers[i], tls, certificates->n_listeners);
	free(tls);
	return error;
}

/* Does any listener have TLS? */
static bool certificates_wanted(const struct config *config)
{
	for (size_t i = 0; i < config->n_listens; i++)
		if (config->listens[i].tls_certificate.n > 0)
			return true;
	return false;
}

/* Takes memory for them. NULL when it is short. */
static struct certificates *certificates_alloc(size_t n_listeners)
{
	struct certificates *certificates = calloc(1, sizeof(*certificates));

	if (certificates == NULL)
		return NULL;
	certificates->tickets = tickets_new();
	certificates->listeners = calloc(n_listeners, sizeof(certificates->listeners[0]));
	if (certificates->tickets == NULL || certificates->listeners == NULL) {
		certificates_free(certificates);
		return NULL;
	}
	certificates->n_listeners = n_listeners;
	return certificates;
}

/* Reads all and hands it out. */
int certificates_new(struct certificates **out, struct loop *loop, const struct config *config,
	struct worker *workers, unsigned n_workers)
{
	*out = NULL;
	if (!certificates_wanted(config))
		return 0;
	struct certificates *certificates = certificates_alloc(config->n_listens);
	int error = certificates == NULL ? -ENOMEM : 0;

	if (error == 0) {
		certificates->loop = loop;
		certificates->workers = workers;
		certificates->n_workers = n_workers;
		certificates->day = time(NULL) / CERTIFICATES_DAY_S;
		error = certificates_read_all(certificates, config);
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

/* What is worth another try though the files are as they were. */
static bool certificates_is_passing(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EIO;
}

/* Sends a new context to the workers. One that gets none for want of memory goes on with the old one. */
static int certificates_send(struct certificates *certificates, size_t listen, struct tls *tls)
{
	int error = 0;

	for (unsigned i = 0; i < certificates->n_workers; i++) {
		int failed = worker_pass_tls(&certificates->workers[i], listen, tls);
		error = error != 0 ? error : failed;
	}
	return error;
}

/* Reads a listener's files again. */
static void certificates_read_again(struct certificates *certificates, struct certificates_listener *listener)
{
	struct log *log = certificates->loop->log;
	struct tls *tls;
	int error = certificates_read(certificates, listener, &tls, true);

	listener->changing = false;
	if (error == 0) {
		tls_unref(listener->tls);
		listener->tls = tls;
		error = certificates_send(certificates, (size_t)(listener - certificates->listeners), tls);
		log_info(log, "TLS files read again", LOG_STR("listen", listener->conf->name));
	}
	listener->again_at =
		certificates_is_passing(error) ? loop_now(certificates->loop) + CERTIFICATES_AGAIN_MS : 0;
}

/* Looks at one listener's files. */
static void certificates_look_at(struct certificates *certificates, struct certificates_listener *listener)
{
	bool again = listener->again_at != 0 && loop_now(certificates->loop) >= listener->again_at;

	if (listener->changing || again)
		certificates_read_again(certificates, listener);
	else
		listener->changing = certificates_differ(listener);
}

/* Warns of certificates that have expired, the first time on each day. */
static void certificates_look_at_dates(struct certificates *certificates)
{
	time_t day = time(NULL) / CERTIFICATES_DAY_S;

	if (day == certificates->day)
		return;
	certificates->day = day;
	for (size_t i = 0; i < certificates->n_listeners; i++) {
		const struct certificates_listener *listener = &certificates->listeners[i];
		struct certificates_note note = { certificates->loop->log, listener->conf->name, true };
		if (listener->tls != NULL)
			tls_check_dates(listener->tls, certificates_on_note, &note);
	}
}

/* Looks at everything. */
void certificates_look(struct certificates *certificates)
{
	for (size_t i = 0; i < certificates->n_listeners; i++)
		if (certificates->listeners[i].tls != NULL)
			certificates_look_at(certificates, &certificates->listeners[i]);
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
	struct certificates *certificates, const char *listen, struct certificates_file *file)
{
	if (euidaccess(file->path, R_OK) == 0 || errno != EACCES)
		return;
	log_warning(certificates->loop->log,
		"a TLS file will not be followed: the gateway's user may not read it",
		LOG_STR("listen", listen), LOG_STR("file", file->path));
	struct filestate now = filestate_of(file->path);
	if (now.error == EACCES)
		file->seen = now;
}

/* Begins to look. */
int certificates_watch(struct certificates *certificates)
{
	if (certificates == NULL)
		return 0;
	for (size_t i = 0; i < certificates->n_listeners; i++) {
		struct certificates_listener *listener = &certificates->listeners[i];
		for (size_t j = 0; j < listener->n_files; j++)
			certificates_check_rights(certificates, listener->conf->name, &listener->files[j]);
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
	for (size_t i = 0; i < certificates->n_listeners; i++) {
		tls_unref(certificates->listeners[i].tls);
		free(certificates->listeners[i].files);
	}
	free(certificates->listeners);
	tickets_free(certificates->tickets);
	free(certificates);
}

/* Where --check writes, and about which listener. */
struct certificates_page {
	FILE *err;
	const char *listen;
};

/* Writes what there is to say about a file. */
static void certificates_on_check(void *arg, enum log_level level, const char *file, const char *words)
{
	const struct certificates_page *page = arg;

	fprintf(page->err, "%s[listen %s] %s%s%s\n", level == LOG_WARNING ? "warning: " : "", page->listen,
		file, file[0] ? " " : "", words);
}

/* Makes a context for each listener and throws it away. */
int certificates_check(const struct config *config, FILE *err)
{
	struct tickets *tickets = tickets_new();
	int error = tickets == NULL ? -ENOMEM : 0;

	for (size_t i = 0; tickets != NULL && i < config->n_listens; i++) {
		struct certificates_page page = { err, config->listens[i].name };
		struct tls *tls = NULL;
		int failed = 0;
		if (config->listens[i].tls_certificate.n > 0)
			failed = tls_new(&tls, &config->listens[i], tickets, certificates_on_check, &page);
		tls_unref(tls);
		error = error != 0 ? error : failed;
	}
	tickets_free(tickets);
	return error;
}
