/*
 * log_writer: the thread that empties the log's ring into its target. It holds the lock to copy a batch out
 * and writes without it, so a stuck target stops nobody. The first line after a while is written at once,
 * what comes soon after it in one go: else each line of a busy gateway would cost a wake-up and a write.
 */
#include "base/log_internal.h"

#include <string.h>

enum { LOG_NAP_MS = 4 }; /* between two writes, unless somebody waits */

/* Ends the batch with a line of the writer's own. */
static void log_add(const struct log *log, struct logbatch *batch, enum log_level level, const char *sentence,
	const struct log_field *fields)
{
	batch->len += log_format(log, &log->target, batch->lines + batch->len, level, sentence, fields);
}

/* Opens the file again, for this batch already; when that fails the old one is kept, and says so. */
static void log_do_reopen(struct log *log, struct logbatch *batch)
{
	int error = logtarget_reopen(&log->target);
	const struct log_field fields[] = { LOG_STR("path", log->target.path),
		LOG_STR("error", error == 0 ? NULL : strerror(-error)), { .key = NULL } };

	if (error != 0) {
		log_add(log, batch, LOG_ERROR, "cannot open the log file again", fields);
		return;
	}
	batch->torn = false;
	if (log_enabled(log, LOG_INFO))
		log_add(log, batch, LOG_INFO, "log file opened again", fields);
}

/* Does all that there is to do once: opens again, writes a batch. The lock is held, but not meanwhile. */
static void log_turn(struct log *log, struct logbatch *batch)
{
	bool reopening = log->reopening;
	uint64_t n_lost;

	batch->len = logring_take(&log->ring, batch->lines, LOG_BATCH);
	log->busy = log->n_new > 1;
	log->n_new = 0;
	batch->told = log->untold;
	log->untold = 0;
	log->reopening = false;
	pthread_mutex_unlock(&log->lock);
	if (reopening)
		log_do_reopen(log, batch);
	if (batch->told > 0)
		log_add(log, batch, LOG_WARNING, "log lines lost",
			(const struct log_field[]){ LOG_U64("count", batch->told), { .key = NULL } });
	n_lost = logbatch_write(batch, &log->target);
	pthread_mutex_lock(&log->lock);
	if (batch->failed)
		log->untold += batch->told;
	log_lose(log, n_lost);
	logbell_set_nap(&log->bell, LOG_NAP_MS);
}

/*
 * Waits for something to do, and with it for the end of the nap; false when there is nothing and never will
 * be. The lock is held. Lost lines alone are nothing to wake for: where the ring was full there are lines,
 * and a broken target is tried again with the next one.
 */
static bool log_wait(struct log *log)
{
	if (log->busy && !log_is_pressed(log))
		logbell_nap(&log->bell, &log->lock); /* nobody has to call it then */
	while (log->ring.used == 0 && !log->reopening) {
		log->idle = true;
		log->hurried = false;
		pthread_cond_broadcast(&log->rest);
		if (log->stopping)
			return false;
		logbell_sleep(&log->bell, &log->lock);
	}
	if (!log_is_pressed(log))
		logbell_nap(&log->bell, &log->lock);
	return true;
}

/* The writer thread: turn after turn, until the log is freed and the ring is empty. */
void *log_run(void *arg)
{
	struct log *log = arg;
	struct logbatch batch = { .len = 0 };
	bool abandoned;

	pthread_mutex_lock(&log->lock);
	while (log_wait(log))
		log_turn(log, &batch);
	log->done = true;
	abandoned = log->abandoned;
	pthread_cond_broadcast(&log->rest);
	pthread_mutex_unlock(&log->lock);
	if (abandoned)
		log_destroy(log);
	return NULL;
}
