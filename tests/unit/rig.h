/*
 * rig: a loop that a test turns by hand, a monotonic clock that stands until it puts it forward, a log that
 * it reads, and a look at what was left open. One program includes it once.
 */
#ifndef TESTS_UNIT_RIG_H
#define TESTS_UNIT_RIG_H

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"

/* The clock stands but while rig_wait() waits, and then goes on by so much at most: a machine that is busy
 * with other things takes no time from what is tested. */
enum { RIG_WAIT_NS = 2000000 };

static _Atomic int64_t rig_now_ns;
static _Atomic int64_t rig_waits_from_ns; /* by the kernel's clock; 0: the clock stands */

static inline int64_t rig_real_ns(clockid_t id)
{
	struct timespec now = { .tv_sec = 0 };
	(void)syscall(SYS_clock_gettime, id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* What rig_wait() has let pass so far. */
static inline int64_t rig_waited_ns(void)
{
	int64_t from = atomic_load(&rig_waits_from_ns);
	int64_t ns = from > 0 ? rig_real_ns(CLOCK_MONOTONIC) - from : 0;
	return ns < RIG_WAIT_NS ? ns : RIG_WAIT_NS;
}

/* Takes the place of libc's, for us and for libevent. Children have the kernel's. */
int clock_gettime(clockid_t id, struct timespec *now)
{
	static pid_t me;
	int64_t ns = rig_real_ns(id);
	if (me == 0) {
		me = getpid();
		atomic_fetch_add(&rig_now_ns,
			rig_real_ns(CLOCK_MONOTONIC)); /* what waits by the kernel's may be told it */
	}
	if ((id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE) && me == getpid())
		ns = atomic_load(&rig_now_ns) + rig_waited_ns();
	now->tv_sec = ns / 1000000000;
	now->tv_nsec = ns % 1000000000;
	return 0;
}

/* Puts the clock forward: timers that would have been due by then are. */
static inline void rig_skip(long ms)
{
	atomic_fetch_add(&rig_now_ns, (int64_t)ms * 1000000);
}

/* What comes back over the loopback behind all that was sent before it. */
static int rig_echo = -1;
static struct sockaddr_in rig_echo_at = { .sin_family = AF_INET };
static bool rig_has_tcp; /* some of what is tested goes over the loopback */

/* Before any descriptors are counted. */
__attribute__((constructor)) static void rig_open_echo(void)
{
	struct timeval never = { .tv_sec = 60 };
	socklen_t len = sizeof(rig_echo_at);

	rig_echo_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rig_echo = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (setsockopt(rig_echo, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never)) != 0 ||
		bind(rig_echo, (struct sockaddr *)&rig_echo_at, len) != 0 ||
		getsockname(rig_echo, (struct sockaddr *)&rig_echo_at, &len) != 0)
		abort();
}

/*
 * Waits until the kernel has delivered what is on its way over the loopback. Nearly always it has when the
 * call that sent it returns; where it had too much to do it leaves the rest to a thread of its own, which
 * waits for a CPU like any other. A segment may be answered by one, and that by another, and so on.
 */
static inline void rig_settle(void)
{
	enum { ANSWERS = 4 };
	char byte = 0;

	for (int i = 0; rig_has_tcp && i < ANSWERS; i++) {
		assert_int_equal(
			syscall(SYS_sendto, rig_echo, &byte, 1, 0, &rig_echo_at, sizeof(rig_echo_at)), 1);
		assert_int_equal(syscall(SYS_recvfrom, rig_echo, &byte, 1, 0, NULL, NULL), 1);
	}
}

struct rig {
	struct loop loop;
	struct log *log;
	int log_fd;
	struct event tick; /* not one of the loop's counted ones */
	int n_fds;	   /* open before */
};

/* How many descriptors this process has open. */
static inline int rig_count_fds(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static inline void rig_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct rig *)arg)->loop.stopping = true;
}

static inline void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->n_fds = rig_count_fds();
	rig->log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(rig->log_fd >= 0);
	rig->log = log_new(rig->log_fd, LOG_TRACE, LOG_FORMAT_LOGFMT, 4096);
	assert_non_null(rig->log);
	assert_int_equal(loop_init(&rig->loop, rig->log), 0);
	event_assign(&rig->tick, rig->loop.base, -1, 0, rig_on_tick, rig);
}

/* One turn of the loop and its graveyard, with what is ready now. */
static inline void rig_turn(struct rig *rig)
{
	rig_settle();
	rig->loop.stopping = false;
	event_active(&rig->tick, EV_TIMEOUT, 1);
	loop_run(&rig->loop);
	rig_settle();
}

static inline void rig_turns(struct rig *rig, int n)
{
	while (n-- > 0)
		rig_turn(rig);
}

/* Lets time pass in steps, with turns between: what looks now and then does. */
static inline void rig_pass(struct rig *rig, long ms, long step)
{
	for (; ms > 0; ms -= step) {
		rig_skip(ms < step ? ms : step);
		rig_turns(rig, 2);
	}
}

/* A turn, some milliseconds later, of which our clock knows nothing. */
static inline void rig_turn_late(struct rig *rig)
{
	struct timespec soon = { .tv_nsec = 10000000 };
	nanosleep(&soon, NULL);
	rig_turn(rig);
}

/* Turns for about a millisecond. */
static inline void rig_wait(struct rig *rig)
{
	struct timeval soon = { .tv_usec = 1000 };
	rig->loop.stopping = false;
	event_add(&rig->tick, &soon);
	atomic_store(&rig_waits_from_ns, rig_real_ns(CLOCK_MONOTONIC));
	loop_run(&rig->loop);
	atomic_fetch_add(&rig_now_ns, rig_waited_ns());
	atomic_store(&rig_waits_from_ns, 0);
	rig_settle();
}

/* Turns until it holds, a minute at most. What takes longer than some seconds is late, and gets no time by
 * our clock any more. */
#define rig_until(rig, condition)                                    \
	do {                                                         \
		for (int rig_n = 0; !(condition); rig_n++) {         \
			if (rig_n == 9000)                           \
				fail_msg("never came: " #condition); \
			if (rig_n < 3000)                            \
				rig_wait(rig);                       \
			else                                         \
				rig_turn_late(rig);                  \
		}                                                    \
	} while (0)

/* What was logged so far; until the next call. */
static inline const char *rig_log(const struct rig *rig)
{
	static char text[1 << 16];
	ssize_t n = pread(rig->log_fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

/* How often a word is in the log. */
static inline int rig_logged(const struct rig *rig, const char *word)
{
	int n = 0;
	for (const char *at = rig_log(rig); (at = strstr(at, word)) != NULL; at += strlen(word))
		n++;
	return n;
}

/* Of an event: takes a byte away, so that whoever else is woken for it finds nothing. */
static inline void rig_steal(evutil_socket_t fd, short what, void *arg)
{
	char byte;
	(void)what;
	(void)arg;
	assert_int_equal(read(fd, &byte, 1), 1);
}

/* Everything must be gone: events, timers, descriptors. */
static inline void rig_done(struct rig *rig)
{
	rig_turn(rig);
	assert_int_equal(rig->loop.n_events, 1); /* the mailbox's */
	assert_int_equal(rig->loop.n_timers, 0);
	event_del(&rig->tick);
	loop_done(&rig->loop);
	log_free(rig->log, 100);
	close(rig->log_fd);
	assert_int_equal(rig_count_fds(), rig->n_fds);
}

#endif
