/*
 * log: the ring of lines, on the side of those who log. Owns the ring, the thread (log_writer.c) and where it
 * writes to (logtarget); not what is written in one go (logbatch), nor how a line reads (logline). Whoever
 * logs holds the lock for a memcpy. Any thread after log_start().
 */
#include "base/log_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Makes the lock and the conditions, which wait by the monotonic clock; glibc has nothing to fail there. */
static void log_init_lock(struct log *log)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&log->lock, NULL);
	logbell_init(&log->bell, &attr);
	pthread_cond_init(&log->rest, &attr);
	pthread_condattr_destroy(&attr);
}

/* Frees a log that no thread uses any more. */
void log_destroy(struct log *log)
{
	pthread_cond_destroy(&log->rest);
	logbell_done(&log->bell);
	pthread_mutex_destroy(&log->lock);
	logtarget_close(&log->target);
	free(log);
}

/* Makes a log that writes at once; the ring is large enough for a line. */
struct log *log_new(int fd, enum log_level level, enum log_format format, size_t ring)
{
	size_t size = ring < LOG_LINE ? LOG_LINE : ring;
	struct log *log = calloc(1, sizeof(*log) + size);

	if (log == NULL)
		return NULL;
	log->early = logtarget_of_fd(fd);
	log->target = log->early;
	log->format = format;
	log->ring = (struct logring){ .bytes = (char *)(log + 1), .size = size };
	atomic_init(&log->level, level);
	log_init_lock(log);
	return log;
}

/* Writes in its words. */
void log_speak_websocketd(
	struct log *log, enum log_websocketd least, const struct logline_websocketd_word *words)
{
	log->websocketd = (struct logline_websocketd){ least, words };
}

/* Finds the place for what is logged from log_start() on. */
int log_open(struct log *log, enum log_target kind, const char *path, uid_t uid, gid_t gid)
{
	switch (kind) {
	case LOG_TARGET_STDERR:
		break;
	case LOG_TARGET_SYSLOG:
		return logtarget_open_syslog(&log->target);
	case LOG_TARGET_FILE:
		return logtarget_open_file(&log->target, path, uid, gid);
	}
	return 0;
}

/* Whether lines of this level are wanted. */
bool log_enabled(const struct log *log, enum log_level level)
{
	return level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* Changes what is wanted, while others log. */
void log_set_level(struct log *log, enum log_level level)
{
	atomic_store_explicit(&log->level, level, memory_order_relaxed);
}

/* Reads the count of lost lines. */
uint64_t log_dropped(const struct log *log)
{
	return atomic_load_explicit(&log->dropped, memory_order_relaxed);
}

/* Counts lines that nobody will read; the lock is held, or there is only one thread yet. */
void log_lose(struct log *log, uint64_t n)
{
	atomic_fetch_add_explicit(&log->dropped, n, memory_order_relaxed);
	log->untold += n;
}

/* Formats a line of now with its newline, as the target wants it; returns its length, 0 when it is not
 * wanted. */
size_t log_format(const struct log *log, const struct logtarget *target, char out[LOG_LINE],
	enum log_level level, const char *sentence, const struct log_field *fields)
{
	struct timespec now;
	uint64_t now_us;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	if (log->websocketd.least != LOG_WEBSOCKETD_OFF)
		len = logline_websocketd_format(
			out, LOG_LINE - 1, &log->websocketd, target->prefix, now_us, level, sentence, fields);
	else
		len = logline_format(
			out, LOG_LINE - 1, log->format, target->prefix, now_us, level, sentence, fields);
	if (len == 0)
		return 0;
	out[len] = '\n';
	return len + 1;
}

/* Puts a line into the ring, or counts it as lost. */
static void log_push(struct log *log, enum log_level level, const char *line, size_t len)
{
	bool rested;

	if (len == 0)
		return;
	pthread_mutex_lock(&log->lock);
	rested = log->idle;
	if (logring_push(&log->ring, line, len)) {
		log->idle = false;
		log->n_new++;
		log->hurried |= level == LOG_ERROR; /* it may be the last one */
	} else
		log_lose(log, 1);
	logbell_unlock(&log->bell, &log->lock, rested || log_is_pressed(log));
}

/* Writes a line at once, since there is no writer yet; counts it unless the ring has it as well. */
static void log_write_early(
	struct log *log, enum log_level level, const char *sentence, const struct log_field *fields)
{
	char line[LOG_LINE];
	size_t len = log_format(log, &log->early, line, level, sentence, fields);

	if (logtarget_write(&log->early, line, len) < len && log->target.kind == LOG_TARGET_STDERR)
		log_lose(log, 1);
}

/* Hands a line to the writer, which may be still to come; leaves errno to the caller. */
void log_write(struct log *log, enum log_level level, const char *sentence, const struct log_field *fields)
{
	int saved = errno;
	char line[LOG_LINE];

	if (!log->started)
		log_write_early(log, level, sentence, fields);
	if (log->started || log->target.kind != LOG_TARGET_STDERR)
		log_push(log, level, line, log_format(log, &log->target, line, level, sentence, fields));
	errno = saved;
}

/* Asks the writer to open the file again before it writes what is logged from now on. */
bool log_reopen(struct log *log)
{
	if (log->target.kind != LOG_TARGET_FILE)
		return false;
	pthread_mutex_lock(&log->lock);
	log->reopening = true;
	log->idle = false;
	logbell_unlock(&log->bell, &log->lock, true);
	return true;
}

/* Starts a thread that no signal is delivered to, SIGPIPE neither; 0 or an errno. */
static int log_start_thread(struct log *log)
{
	sigset_t all, saved;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	error = pthread_create(&log->writer, NULL, log_run, log);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return error;
}

/* Starts the writer, with a target that is ours. */
int log_start(struct log *log)
{
	int error = 0;

	if (!log->target.owned)
		error = logtarget_own(&log->target);
	if (error != 0)
		return error;
	error = log_start_thread(log);
	log->started = error == 0;
	return -error;
}

/* Waits for what the writer says when it rests; false when it has not by then. The lock is held. */
static bool log_await(struct log *log, const bool *said, unsigned wait_ms)
{
	const struct timespec deadline = logbell_time(clock_now_ms() + wait_ms);
	int error = 0;

	while (!*said && !error)
		error = pthread_cond_timedwait(&log->rest, &log->lock, &deadline);
	return *said;
}

/* Waits until all that was logged has been written. */
bool log_flush(struct log *log, unsigned wait_ms)
{
	bool idle;

	if (!log->started)
		return true;
	pthread_mutex_lock(&log->lock);
	log->hurried = !log->idle;
	if (log->hurried)
		logbell_call(&log->bell);
	idle = log_await(log, &log->idle, wait_ms);
	pthread_mutex_unlock(&log->lock);
	return idle;
}

/* Tells the writer to end and waits for that; false when it is stuck, and then the log is the writer's. */
static bool log_stop(struct log *log, unsigned wait_ms)
{
	bool done;

	pthread_mutex_lock(&log->lock);
	log->stopping = true;
	logbell_call(&log->bell);
	done = log_await(log, &log->done, wait_ms);
	log->abandoned = !done;
	pthread_mutex_unlock(&log->lock);
	return done;
}

/* Ends the writer and frees the log, or leaves both to themselves. A start that failed has its lines to write
 * all the same. */
void log_free(struct log *log, unsigned wait_ms)
{
	pthread_t writer;

	if (!log->started && log->ring.used > 0)
		log_start(log);
	writer = log->writer;
	if (log->started && !log_stop(log, wait_ms)) {
		pthread_detach(writer);
		return;
	}
	if (log->started)
		pthread_join(writer, NULL);
	log_destroy(log);
}
