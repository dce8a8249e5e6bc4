/*
 * log: the ring of lines and the thread that writes them. Owns the ring, the thread and, once that runs, a
 * descriptor of its own; not the caller's descriptor, and not how a line reads (logline). Whoever logs holds
 * the lock for a memcpy; the writer holds it to copy a batch out and writes without it, so a stuck target
 * stops nobody. Any thread after log_start().
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	LOG_LINE = 4096,  /* a line and its newline */
	LOG_BATCH = 65536 /* what one write(2) gets at most, but for a line about losses */
};

struct log {
	int fd;
	enum log_format format;
	bool prefix;
	_Atomic enum log_level level;
	_Atomic uint64_t dropped; /* lines lost in all */
	bool started;
	pthread_t writer;

	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t wake;  /* the writer has something to do */
	pthread_cond_t ended; /* the writer is done */
	bool stopping, done;
	bool abandoned;		  /* log_free() gave up waiting: the writer frees the log */
	uint64_t untold;	  /* lost lines of which the log has not spoken yet */
	size_t size, start, used; /* the ring; it holds whole lines */
	char ring[];
};

/* What the writer keeps between two batches; no other thread sees it. */
struct log_batch {
	size_t len;
	uint64_t told; /* what the last line of the batch says was lost; 0: there is no such line */
	bool failed;   /* it could not be written whole */
	bool torn;     /* the target ends in the middle of a line, so a batch begins with a newline */
	char bytes[1 + LOG_BATCH + LOG_LINE];
};

/* Whether systemd's journal reads the descriptor (systemd.exec(5), JOURNAL_STREAM). */
static bool log_is_journal(int fd)
{
	struct text rest = text_of(getenv("JOURNAL_STREAM")), device;
	uint64_t dev, ino;
	struct stat st;

	return text_next(&rest, ':', &device) && text_to_u64(device, UINT64_MAX, &dev) &&
	       text_to_u64(rest, UINT64_MAX, &ino) && fstat(fd, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

/* Makes the lock and the conditions, which wait by the monotonic clock; glibc has nothing to fail there. */
static void log_init_lock(struct log *log)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&log->lock, NULL);
	pthread_cond_init(&log->wake, &attr);
	pthread_cond_init(&log->ended, &attr);
	pthread_condattr_destroy(&attr);
}

/* Frees a log that no thread uses any more. */
static void log_destroy(struct log *log)
{
	pthread_cond_destroy(&log->ended);
	pthread_cond_destroy(&log->wake);
	pthread_mutex_destroy(&log->lock);
	if (log->started)
		close(log->fd);
	free(log);
}

/* Makes a log that writes at once; the ring is for later, and large enough for a line. */
struct log *log_new(int fd, enum log_level level, enum log_format format, size_t ring)
{
	size_t size = ring < LOG_LINE ? LOG_LINE : ring;
	struct log *log = calloc(1, sizeof(*log) + size);

	if (log == NULL)
		return NULL;
	log->fd = fd;
	log->format = format;
	log->prefix = log_is_journal(fd);
	log->size = size;
	atomic_init(&log->level, level);
	log_init_lock(log);
	return log;
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
static void log_lose(struct log *log, uint64_t n)
{
	atomic_fetch_add_explicit(&log->dropped, n, memory_order_relaxed);
	log->untold += n;
}

/* Formats a line of now with its newline; returns its length. */
static size_t log_format(const struct log *log, char out[LOG_LINE], enum log_level level,
	const char *sentence, const struct log_field *fields)
{
	struct timespec now;
	uint64_t now_us;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	len = logline_format(out, LOG_LINE - 1, log->format, log->prefix, now_us, level, sentence, fields);
	out[len] = '\n';
	return len + 1;
}

/* Writes all of it, waiting in poll(2) where the target does not block by itself; returns what was written.
 */
static size_t log_write_all(int fd, const char *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, bytes + done, len - done);
		struct pollfd target = { .fd = fd, .events = POLLOUT };

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			poll(&target, 1, -1);
		else if (n == 0 || errno != EINTR)
			break;
	}
	return done;
}

/* Puts a line into the ring, or counts it as lost. */
static void log_push(struct log *log, const char *line, size_t len)
{
	size_t end, head;

	pthread_mutex_lock(&log->lock);
	if (len > log->size - log->used) {
		log_lose(log, 1);
	} else {
		end = (log->start + log->used) % log->size;
		head = len < log->size - end ? len : log->size - end;
		memcpy(log->ring + end, line, head);
		memcpy(log->ring, line + head, len - head);
		log->used += len;
		pthread_cond_signal(&log->wake);
	}
	pthread_mutex_unlock(&log->lock);
}

/* Hands a line to the writer, or writes it when there is none yet; leaves errno to the caller. */
void log_write(struct log *log, enum log_level level, const char *sentence, const struct log_field *fields)
{
	int saved = errno;
	char line[LOG_LINE];
	size_t len = log_format(log, line, level, sentence, fields);

	if (log->started)
		log_push(log, line, len);
	else if (log_write_all(log->fd, line, len) < len)
		log_lose(log, 1);
	errno = saved;
}

/* Copies out what the writer writes next: whole lines, and how many were lost; the lock is held. */
static void log_take(struct log *log, struct log_batch *batch)
{
	size_t len = log->used < LOG_BATCH ? log->used : LOG_BATCH;
	size_t head = len < log->size - log->start ? len : log->size - log->start;
	char *lines = batch->bytes;

	if (batch->torn)
		*lines++ = '\n';
	memcpy(lines, log->ring + log->start, head);
	memcpy(lines + head, log->ring, len - head);
	if (len < log->used)
		len = (size_t)((char *)memrchr(lines, '\n', len) + 1 - lines);
	log->start = (log->start + len) % log->size;
	log->used -= len;
	batch->len = (size_t)(lines - batch->bytes) + len;
	batch->told = log->untold;
	log->untold = 0;
}

/* Ends the batch with a line that says what was lost. */
static void log_tell_lost(const struct log *log, struct log_batch *batch)
{
	const struct log_field fields[] = { LOG_U64("count", batch->told), { .key = NULL } };

	batch->len += log_format(log, batch->bytes + batch->len, LOG_WARNING, "log lines lost", fields);
}

/* Writes the batch; returns how many lines of others were lost, what was begun and not finished included. */
static uint64_t log_write_batch(const struct log *log, struct log_batch *batch)
{
	size_t done = log_write_all(log->fd, batch->bytes, batch->len);
	uint64_t n_lost = 0;

	batch->failed = done < batch->len;
	for (size_t i = done > batch->torn ? done : batch->torn; i < batch->len; i++)
		n_lost += batch->bytes[i] == '\n';
	if (done > 0)
		batch->torn = batch->bytes[done - 1] != '\n';
	if (batch->failed && batch->told > 0)
		n_lost--;
	return n_lost;
}

/*
 * Waits for lines; false when there are none and never will be. The lock is held. Lost lines alone are
 * nothing to wake for: where the ring was full there are lines, and a broken target is tried again with the
 * next one.
 */
static bool log_wait(struct log *log)
{
	while (log->used == 0) {
		if (log->stopping)
			return false;
		pthread_cond_wait(&log->wake, &log->lock);
	}
	return true;
}

/* The writer thread: batch after batch, until the log is freed and the ring is empty. */
static void *log_run(void *arg)
{
	struct log *log = arg;
	struct log_batch batch = { .len = 0 };
	uint64_t n_lost;
	bool abandoned;

	pthread_mutex_lock(&log->lock);
	while (log_wait(log)) {
		log_take(log, &batch);
		pthread_mutex_unlock(&log->lock);
		if (batch.told > 0)
			log_tell_lost(log, &batch);
		n_lost = log_write_batch(log, &batch);
		pthread_mutex_lock(&log->lock);
		if (batch.failed)
			log->untold += batch.told;
		log_lose(log, n_lost);
	}
	log->done = true;
	abandoned = log->abandoned;
	pthread_cond_signal(&log->ended);
	pthread_mutex_unlock(&log->lock);
	if (abandoned)
		log_destroy(log);
	return NULL;
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

/* Gives the writer a descriptor of its own: one left behind must not write to what has got the number since.
 */
int log_start(struct log *log)
{
	int theirs = log->fd, error;
	int ours = fcntl(theirs, F_DUPFD_CLOEXEC, 0);

	if (ours < 0)
		return -errno;
	log->fd = ours;
	error = log_start_thread(log);
	if (error) {
		log->fd = theirs;
		close(ours);
		return -error;
	}
	log->started = true;
	return 0;
}

/* Tells the writer to end and waits for that; false when it is stuck, and then the log is the writer's. */
static bool log_stop(struct log *log, unsigned wait_ms)
{
	struct timespec deadline;
	bool done;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += wait_ms / 1000;
	deadline.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	deadline.tv_sec += deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	pthread_mutex_lock(&log->lock);
	log->stopping = true;
	pthread_cond_signal(&log->wake);
	while (!log->done && !error)
		error = pthread_cond_timedwait(&log->ended, &log->lock, &deadline);
	done = log->done;
	log->abandoned = !done;
	pthread_mutex_unlock(&log->lock);
	return done;
}

/* Ends the writer and frees the log, or leaves both to themselves. */
void log_free(struct log *log, unsigned wait_ms)
{
	pthread_t writer = log->writer;

	if (log->started && !log_stop(log, wait_ms)) {
		pthread_detach(writer);
		return;
	}
	if (log->started)
		pthread_join(writer, NULL);
	log_destroy(log);
}
