/*
 * test_log: the ring and its writer, against targets that are slow, full, broken or gone. A log_write() that
 * blocked would hang the test: the alarm in main() ends it.
 */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 60000, FIRST = 10000 /* the number of the first line of 64 bytes */ };

/* What came out of a log. */
struct report {
	uint64_t n_lines, n_told, n_tellings; /* lines of ours, losses said, lines that say so */
	uint64_t next[8];		      /* of each producer: the least number it may come with */
};

static void report_add(struct report *report, const char *line)
{
	unsigned thread, number;
	unsigned long count;

	if (sscanf(line, "%*s %*s WARN log lines lost count=%lu", &count) == 1) {
		report->n_told += count;
		report->n_tellings++;
		return;
	}
	assert_int_equal(sscanf(line, "%*s %*s INFO line thread=%u number=%u", &thread, &number), 2);
	assert_true(thread < 8);
	assert_true(number >= report->next[thread]);
	report->next[thread] = number + 1;
	report->n_lines++;
	assert_string_equal(line + strlen(line) - 6, " end=x");
}

/* Reads and checks a line; false at the end of the file. */
static bool report_read_line(struct report *report, FILE *in)
{
	char line[8192];

	if (!fgets(line, sizeof(line), in))
		return false;
	size_t len = strlen(line);
	assert_true(len > 0 && line[len - 1] == '\n');
	line[len - 1] = '\0';
	report_add(report, line);
	return true;
}

/* All of them. */
static void report_read(struct report *report, FILE *in)
{
	while (report_read_line(report, in))
		;
}

static void *report_run(void *arg)
{
	struct report *report = ((void **)arg)[0];

	report_read(report, ((void **)arg)[1]);
	return NULL;
}

/* A pipe with as little room as it can have, and a page of it taken, or all. */
struct target {
	int in, out;
};

static struct target target_new(int flags)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
	assert_int_equal(fcntl(fds[1], F_SETFL, flags), 0);
	return (struct target){ fds[0], fds[1] };
}

static void log_line(struct log *log, unsigned thread, unsigned number)
{
	log_info(log, "line", LOG_U64("thread", thread), LOG_U64("number", number), LOG_STR("end", "x"));
}

static bool fd_is_readable(int fd)
{
	struct pollfd poll_in = { .fd = fd, .events = POLLIN };

	return poll(&poll_in, 1, WAIT_MS) == 1;
}

static size_t read_line(int fd, char *out, size_t size)
{
	size_t len = 0;

	do
		assert_true(len < size && fd_is_readable(fd) && read(fd, out + len, 1) == 1);
	while (out[len++] != '\n');
	out[len - 1] = '\0';
	return len;
}

static void test_writes_at_once_before_start(void **state)
{
	struct target target = target_new(0);
	struct log *log = log_new(target.out, LOG_INFO, LOG_FORMAT_TEXT, 4096);
	char line[256];

	(void)state;
	assert_non_null(log);
	log_warning(log, "careful", LOG_STR("why", "so it is"));
	read_line(target.in, line, sizeof(line));
	assert_string_equal(line + 25, "WARN  careful why=\"so it is\"");
	close(target.in);
	signal(SIGPIPE, SIG_IGN);
	errno = EILSEQ;
	log_warning(log, "into a closed pipe");
	assert_int_equal(errno, EILSEQ);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(log_dropped(log), 1);
	log_free(log, 0);
	assert_int_equal(fcntl(target.out, F_GETFD), FD_CLOEXEC); /* still open: it is ours */
	close(target.out);
}

static uint64_t count_call(unsigned *calls)
{
	return ++*calls;
}

static void test_levels(void **state)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct log *log = log_new(null, LOG_WARNING, LOG_FORMAT_TEXT, 4096);
	unsigned calls = 0;

	(void)state;
	assert_true(log_enabled(log, LOG_ERROR) && log_enabled(log, LOG_WARNING));
	assert_false(log_enabled(log, LOG_INFO) || log_enabled(log, LOG_TRACE));
	log_info(log, "off", LOG_U64("calls", count_call(&calls)));
	assert_int_equal(calls, 0);
	log_set_level(log, LOG_TRACE);
	assert_true(log_enabled(log, LOG_TRACE));
	log_trace(log, "on", LOG_U64("calls", count_call(&calls)));
	assert_int_equal(calls, 1);
	log_free(log, 0);
	close(null);
}

/* Says where the journal is, and whether a line to the pipe got its prefix then. */
static bool is_prefixed(const struct target *target, const char *journal)
{
	struct log *log;
	char line[256];

	setenv("JOURNAL_STREAM", journal, 1);
	log = log_new(target->out, LOG_INFO, LOG_FORMAT_TEXT, 4096);
	unsetenv("JOURNAL_STREAM");
	log_error(log, "x");
	log_free(log, 0);
	read_line(target->in, line, sizeof(line));
	return strcmp(line, "<3>ERROR x") == 0;
}

static void test_journal(void **state)
{
	struct target target = target_new(0);
	char name[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(target.out, &st), 0);
	snprintf(name, sizeof(name), "%lu:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino);
	assert_true(is_prefixed(&target, name));
	strcat(name, "1");
	assert_false(is_prefixed(&target, name));
	assert_false(is_prefixed(&target, ""));
	assert_false(is_prefixed(&target, "12"));
	assert_false(is_prefixed(&target, ":"));
	close(target.in);
	close(target.out);
}

/* A producer: logs its lines and goes. */
struct producer {
	struct log *log;
	unsigned thread, n_lines;
	pthread_t id;
};

static void *producer_run(void *arg)
{
	const struct producer *self = arg;

	for (unsigned i = 0; i < self->n_lines; i++)
		log_line(self->log, self->thread, i);
	return NULL;
}

/* Runs four producers to their end. */
static void produce(struct log *log, unsigned n_lines)
{
	struct producer producers[4];

	for (unsigned i = 0; i < 4; i++) {
		producers[i] = (struct producer){ .log = log, .thread = i, .n_lines = n_lines };
		assert_int_equal(pthread_create(&producers[i].id, NULL, producer_run, &producers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(producers[i].id, NULL);
}

/* Four producers, a reader that keeps up or not: every line arrives or is said to be lost. */
static void check_producers(int flags, size_t ring)
{
	struct target target = target_new(flags);
	struct log *log = log_new(target.out, LOG_INFO, LOG_FORMAT_TEXT, ring);
	FILE *in = fdopen(target.in, "r");
	struct report report = { 0 };
	pthread_t reader;
	uint64_t dropped;

	assert_int_equal(log_start(log), 0);
	assert_int_equal(pthread_create(&reader, NULL, report_run, (void *[]){ &report, in }), 0);
	produce(log, 2000);
	dropped = log_dropped(log);
	log_free(log, WAIT_MS);
	close(target.out);
	pthread_join(reader, NULL);
	fclose(in);
	assert_int_equal(report.n_lines + dropped, 4 * 2000);
	assert_int_equal(report.n_told, dropped);
}

static void test_producers(void **state)
{
	(void)state;
	check_producers(0, 1 << 20);
	check_producers(O_NONBLOCK, 1 << 20);
}

static void test_producers_with_small_ring(void **state)
{
	(void)state;
	check_producers(0, 0);
	check_producers(O_NONBLOCK, 5000);
}

/* Nobody reads: log_write() returns all the same, and what is lost is said when somebody does. Lines have 64
 * bytes. */
static void check_stuck(int flags, size_t ring)
{
	struct target target = target_new(flags);
	struct log *log = log_new(target.out, LOG_INFO, LOG_FORMAT_TEXT, ring);
	FILE *in = fdopen(target.in, "r");
	struct report report = { 0 };
	unsigned n = 0;

	assert_int_equal(log_start(log), 0);
	while (log_dropped(log) < 1000)
		log_line(log, 0, FIRST + n++);
	assert_true(n >= 1000 + ring / 64);		     /* the ring was full */
	assert_true(n <= 1000 + (ring + 65536 + 4096) / 64); /* it, a batch and the pipe are all there is */
	while (report.n_tellings == 0)
		report_read_line(&report, in);
	assert_true(report.n_told > 0);
	log_line(log, 0, FIRST + n++);
	assert_int_equal(
		fcntl(target.in, F_SETPIPE_SZ, 1 << 20), 1 << 20); /* the rest finds room without a reader */
	log_free(log, WAIT_MS);
	close(target.out);
	report_read(&report, in);
	fclose(in);
	assert_int_equal(report.n_lines + report.n_told, n);
}

static void test_stuck_target(void **state)
{
	(void)state;
	for (size_t ring = 64 * 1024 - 1; ring <= 64 * 1024 + 1; ring++) {
		check_stuck(0, ring);
		check_stuck(O_NONBLOCK, ring);
	}
}

/* The time at which the test has stopped the clock, or 0: it goes. */
static _Atomic int64_t stopped_ms;
static _Atomic bool goes_on; /* when somebody waits */

/* The most time that somebody has waited for, in one call. */
static _Atomic int64_t longest_wait_ms;

/* A writer that is stuck in write(2) or poll(2) is left behind, and goes by itself when it is free again. */
static void check_left_behind(int flags)
{
	struct target target = target_new(flags);
	struct log *log = log_new(target.out, LOG_INFO, LOG_FORMAT_TEXT, 4096);
	FILE *in = fdopen(target.in, "r");
	struct report report = { 0 };
	unsigned n = 0;

	assert_int_equal(log_start(log), 0);
	while (log_dropped(log) == 0)
		log_line(log, 0, n++);
	atomic_store(&longest_wait_ms, 0);
	atomic_store(&goes_on, true);
	atomic_store(&stopped_ms, clock_now_ms());
	log_free(log, 20);
	assert_int_equal(atomic_load(&longest_wait_ms), 20);
	close(target.out);
	report_read(&report, in); /* ends when the writer has closed its descriptor */
	fclose(in);
	assert_int_equal(report.n_lines + report.n_told, n);
}

static void test_writer_left_behind(void **state)
{
	(void)state;
	check_left_behind(0);
	check_left_behind(O_NONBLOCK);
}

/* Waits for the writer to have tried. */
static void wait_for_dropped(const struct log *log, uint64_t n)
{
	const struct timespec turn = { .tv_nsec = 1000000 };

	for (int i = 0; i < WAIT_MS && log_dropped(log) < n; i++)
		nanosleep(&turn, NULL);
	assert_int_equal(log_dropped(log), n);
}

static void check_broken(int fd)
{
	struct log *log = log_new(fd, LOG_INFO, LOG_FORMAT_TEXT, 4096);

	assert_int_equal(log_start(log), 0);
	for (unsigned i = 1; i <= 3; i++) {
		log_line(log, 0, i);
		wait_for_dropped(log, i);
	}
	log_free(log, WAIT_MS);
	close(fd);
}

static void test_broken_targets(void **state)
{
	struct target target = target_new(0);

	(void)state;
	close(target.in);
	check_broken(target.out); /* and SIGPIPE kills nobody */
	check_broken(open("/dev/full", O_WRONLY | O_CLOEXEC));
}

/* Lets files grow up to so many bytes; a write past that is cut short, then fails. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A disk that fills up in the middle of a line, and is cleaned up. */
static void test_target_recovers(void **state)
{
	FILE *file = tmpfile();
	struct log *log = log_new(fileno(file), LOG_INFO, LOG_FORMAT_TEXT, 4096);
	static const char *const expected[] = { "line thread=0 number=0 end=x", NULL,
		"line thread=0 number=3 end=x", "log lines lost count=2" };
	char line[256];

	(void)state;
	log_line(log, 0, 0);
	assert_int_equal(log_start(log), 0);
	limit_files(100);
	log_line(log, 0, 1);
	wait_for_dropped(log, 1);
	log_line(log, 0, 2);
	wait_for_dropped(log, 2);
	limit_files(RLIM_INFINITY);
	log_line(log, 0, 3);
	log_free(log, WAIT_MS);
	rewind(file);
	for (size_t i = 0; i < 4; i++) {
		assert_non_null(fgets(line, sizeof(line), file));
		line[strcspn(line, "\n")] = '\0';
		if (expected[i])
			assert_string_equal(line + 31, expected[i]);
		else
			assert_true(strlen(line) < 59); /* the torn one is alone in its line */
	}
	assert_null(fgets(line, sizeof(line), file));
	fclose(file);
}

/* The line about losses is cut short too: what it said is said again, and counted once. */
static void test_telling_fails(void **state)
{
	FILE *file = tmpfile();
	struct log *log = log_new(fileno(file), LOG_INFO, LOG_FORMAT_TEXT, 4096);
	struct timespec turn = { .tv_nsec = 1000000 };
	unsigned n_lines = 0, n_told = 0, count;
	struct stat st = { 0 };
	char line[256];

	(void)state;
	assert_int_equal(log_start(log), 0);
	limit_files(50);
	log_line(log, 0, FIRST);
	wait_for_dropped(log, 1);
	limit_files(50 + 1 + 64 + 10); /* up to somewhere in the line about losses */
	log_line(log, 0, FIRST + 1);
	while (st.st_size < 50 + 1 + 64 + 10) { /* the alarm ends it */
		nanosleep(&turn, NULL);
		assert_int_equal(fstat(fileno(file), &st), 0);
	}
	log_line(log, 0, FIRST + 2);
	wait_for_dropped(log, 2);
	limit_files(RLIM_INFINITY);
	log_line(log, 0, FIRST + 3);
	log_free(log, WAIT_MS);
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %*s WARN log lines lost count=%u", &count) == 1)
			n_told += count;
		n_lines++;
	}
	assert_int_equal(n_told, 2);
	assert_int_equal(n_lines, 5); /* torn, whole, torn, whole, and what was lost */
	fclose(file);
}

static void test_long_lines(void **state)
{
	struct target target = target_new(0);
	struct log *log = log_new(target.out, LOG_INFO, LOG_FORMAT_TEXT, 0);
	static char value[8192], line[8192];

	(void)state;
	assert_int_equal(log_start(log), 0);
	for (size_t len = 4000; len < 4100; len++) {
		size_t got;

		memset(value, 'v', sizeof(value) - 1);
		value[len] = '\0';
		log_info(log, "long", LOG_STR("value", value));
		got = read_line(target.in, line, sizeof(line));
		assert_true(got <= 4096);
		assert_true(got > len || strcmp(line + got - 10, " cut=true") == 0);
	}
	assert_int_equal(log_dropped(log), 0);
	log_free(log, WAIT_MS);
	close(target.in);
	close(target.out);
}

/* What is left behind by a log whose every write is a packet: how many of these there were. */
static unsigned count_packets(int fd, unsigned n_lines)
{
	static char packet[1 << 17];
	unsigned n = 0;

	for (unsigned n_read = 0; n_read < n_lines; n++) {
		ssize_t len = fd_is_readable(fd) ? read(fd, packet, sizeof(packet)) : 0;

		assert_true(len > 0);
		for (ssize_t at = 0; at < len; at++)
			n_read += packet[at] == '\n';
	}
	return n;
}

/* A log on packets, with a ring that is never near its end. */
static struct log *packet_log_new(int fds[2])
{
	struct log *log;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	log = log_new(fds[1], LOG_INFO, LOG_FORMAT_TEXT, 1 << 20);
	assert_int_equal(log_start(log), 0);
	return log;
}

/* How many times the writer has begun to wait for some time, while the clock stood: the test may wait for it.
 */
static _Atomic unsigned n_naps;
static _Thread_local bool is_test;

/* How often whoever logs has called the log's writer. */
static _Atomic unsigned n_calls;

static struct timespec real_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now;
}

/* Takes the place of base/clock's. */
int64_t clock_now_ms(void)
{
	const struct timespec now = real_now();
	int64_t stopped = atomic_load(&stopped_ms);

	return stopped > 0 ? stopped : (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes the place of libc's: time is what clock_now_ms() says, looked at in every millisecond. A call that
 * comes at the very end of such a millisecond wakes nobody, so the test looks for itself, and the writer,
 * whose naps are counted, by the number of calls. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until)
{
	int64_t until_ms = (int64_t)until->tv_sec * 1000 + until->tv_nsec / 1000000;
	int64_t wait_ms = until_ms - clock_now_ms();
	unsigned n_called = atomic_load(&n_calls);
	int error = ETIMEDOUT;

	if (wait_ms > atomic_load(&longest_wait_ms))
		atomic_store(&longest_wait_ms, wait_ms);
	if (atomic_load(&stopped_ms) > 0 && !is_test)
		atomic_fetch_add(&n_naps, 1);
	if (atomic_exchange(&goes_on, false))
		atomic_store(&stopped_ms, 0);
	while (error == ETIMEDOUT && clock_now_ms() < until_ms) {
		struct timespec soon = real_now();

		soon.tv_nsec += 1000000;
		soon.tv_sec += soon.tv_nsec / 1000000000;
		soon.tv_nsec %= 1000000000;
		error = pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &soon);
		if (is_test || atomic_load(&n_calls) != n_called)
			return 0;
	}
	return error;
}

/* Takes the place of libc's. */
int pthread_cond_signal(pthread_cond_t *cond)
{
	atomic_fetch_add(&n_calls, 1);
	return pthread_cond_broadcast(cond);
}

/* Waits for somebody to have begun the n-th nap. */
static void wait_for_nap(unsigned n)
{
	const struct timespec turn = { .tv_nsec = 1000000 };

	for (int i = 0; i < WAIT_MS && atomic_load(&n_naps) < n; i++)
		nanosleep(&turn, NULL);
	assert_int_equal(atomic_load(&n_naps), n);
}

/* A log that has just written its first line, in a moment that lasts until the test says otherwise. */
static struct log *busy_log_new(int fds[2])
{
	struct log *log;

	atomic_store(&stopped_ms, clock_now_ms());
	atomic_store(&n_naps, 0);
	log = packet_log_new(fds);
	log_line(log, 0, FIRST);
	assert_int_equal(count_packets(fds[0], 1), 1);
	return log;
}

/* Lets the clock go on. */
static void busy_log_free(struct log *log, int fds[2])
{
	atomic_store(&stopped_ms, 0);
	assert_int_equal(log_dropped(log), 0);
	log_free(log, WAIT_MS);
	close(fds[0]);
	close(fds[1]);
}

static void log_burst(struct log *log, unsigned *number, unsigned n)
{
	for (unsigned end = *number + n; *number < end; (*number)++)
		log_line(log, 0, FIRST + *number);
}

/*
 * Lines that come one soon after the other are written together when the writer's nap of 4 ms is over, in one
 * write. The writer looks for itself then: nobody has to call it for each batch, which would be a system call
 * of theirs, and another one of its own.
 */
static void test_bursts_are_gathered(void **state)
{
	enum { LINES = 300, NAP_MS = 4 };
	unsigned number = 1, n_called;
	int fds[2];
	struct log *log = busy_log_new(fds);

	(void)state;
	n_called = atomic_load(&n_calls);
	for (unsigned nap = 1; nap <= 5; nap++) {
		log_burst(log, &number, LINES);
		wait_for_nap(nap);
		atomic_fetch_add(&stopped_ms, NAP_MS - 1);
		log_burst(log, &number, LINES);
		assert_int_equal(poll(&(struct pollfd){ .fd = fds[0], .events = POLLIN }, 1, 5), 0);
		atomic_fetch_add(&stopped_ms, 1);
		assert_int_equal(count_packets(fds[0], 2 * LINES), 1);
		/* It may have rested in front of the first burst only. */
		assert_in_range(atomic_load(&n_calls) - n_called, 0, 1);
	}
	busy_log_free(log, fds);
}

/* An error, and what somebody waits for, does not wait for the end of the nap; other lines do. */
static void test_urgent_lines(void **state)
{
	unsigned number = 1;
	int fds[2];
	struct log *log = busy_log_new(fds);

	(void)state;
	log_burst(log, &number, 2);
	wait_for_nap(1);
	log_at(log, LOG_ERROR, "line", LOG_U64("thread", 0), LOG_U64("number", FIRST), LOG_STR("end", "x"));
	assert_int_equal(count_packets(fds[0], 3), 1);
	assert_true(log_flush(log, WAIT_MS)); /* it rests */
	log_burst(log, &number, 2);
	wait_for_nap(2);
	assert_true(log_flush(log, WAIT_MS));
	assert_int_equal(count_packets(fds[0], 2), 1);
	busy_log_free(log, fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_at_once_before_start),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_producers),
		cmocka_unit_test(test_producers_with_small_ring),
		cmocka_unit_test(test_stuck_target),
		cmocka_unit_test(test_writer_left_behind),
		cmocka_unit_test(test_broken_targets),
		cmocka_unit_test(test_target_recovers),
		cmocka_unit_test(test_telling_fails),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_bursts_are_gathered),
		cmocka_unit_test(test_urgent_lines),
	};

	is_test = true;
	alarm(280);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
