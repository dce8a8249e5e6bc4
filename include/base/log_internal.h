/*
 * log_internal: the log, for its two parts: those who log (log.c) and the thread that writes (log_writer.c).
 */
#ifndef BASE_LOG_INTERNAL_H
#define BASE_LOG_INTERNAL_H

#include "base/log.h"
#include "base/logbatch.h"
#include "base/logbell.h"
#include "base/logring.h"

#include <pthread.h>
#include <stdatomic.h>

struct log {
	enum log_format format;
	struct logline_websocketd websocketd;
	struct logtarget early;	 /* who starts us reads it */
	struct logtarget target; /* the writer's, once it runs; `early`, unless log_open() found another */
	_Atomic enum log_level level;
	_Atomic uint64_t dropped; /* lines lost in all */
	bool started;
	pthread_t writer;
	char apart[64]; /* what each line writes has no cache line with what all threads read */

	pthread_mutex_t lock;	  /* of all that follows */
	struct logbell bell;	  /* the writer has something to do */
	pthread_cond_t rest;	  /* the writer has nothing to do, or is done */
	bool reopening, stopping; /* what it is to do besides writing */
	bool hurried;		  /* it is not to nap before all is written */
	bool idle, done;
	bool abandoned;	 /* log_free() gave up waiting: the writer frees the log */
	unsigned n_new;	 /* lines that came since the last batch was taken */
	bool busy;	 /* there were several for that batch, so there will be more */
	uint64_t untold; /* lost lines of which the log has not spoken yet */
	struct logring ring;
};

/* Is what there is to be done to be done at once? The lock is held. */
static inline bool log_is_pressed(const struct log *log)
{
	return log->hurried || log->reopening || log->stopping || log->ring.used >= LOG_BATCH ||
	       log->ring.size - log->ring.used < LOG_LINE;
}

/* log.c: counts lines that nobody will read; the lock is held, or there is only one thread yet. */
void log_lose(struct log *log, uint64_t n);

/* log.c: formats a line of now with its newline, as the target wants it; returns its length, 0 when it is not
 * wanted. */
size_t log_format(const struct log *log, const struct logtarget *target, char out[LOG_LINE],
	enum log_level level, const char *sentence, const struct log_field *fields);

/* log.c: frees a log that no thread uses any more. */
void log_destroy(struct log *log);

/* log_writer.c: the thread: turn after turn, until log_free() and the ring is empty. */
void *log_run(void *log);

#endif
