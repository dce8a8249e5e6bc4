/*
 * late: a library that is preloaded into every process of a test run (run.sh). Some of their calls sleep
 * before or after they are made, as if the processor was taken away just there: what is written comes in
 * other pieces, ends come before or after what they usually follow. It costs no processor time.
 *
 * PROGRAMS, GATEWAY, TESTS: of a thousand calls, how many sleep: in a gateway, in python and node, in all
 * others. MICROSECONDS: seven sleeps of eight last at most a tenth of this, the eighth at most this.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned rate;
static _Thread_local uint64_t state;

/* Chromium is left as it is: it looks after its helpers by time. */
__attribute__((constructor)) static void late_begin(void)
{
	const char *name = program_invocation_short_name;
	if (strstr(name, "python") || strstr(name, "node"))
		rate = TESTS;
	else if (strstr(name, "wsluice"))
		rate = GATEWAY;
	else if (!strstr(name, "chrom"))
		rate = PROGRAMS;
}

/* xorshift64*: enough to be late by. */
static uint64_t late_random(void)
{
	if (state == 0) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		state = ((uint64_t)now.tv_nsec << 32 ^ (uint64_t)getpid() << 16 ^ (uintptr_t)&state) | 1;
	}
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545F4914F6CDD1D >> 16;
}

/* Not by libc's nanosleep, where a thread may be cancelled; what a signal interrupts is slept to its end. */
static void late(void)
{
	if (rate == 0 || late_random() % 1000 >= rate)
		return;
	uint64_t longest = late_random() % 8 > 0 ? MICROSECONDS / 10 : MICROSECONDS;
	uint64_t us = late_random() % (longest + 1);
	struct timespec rest = { (time_t)(us / 1000000), (long)(us % 1000000 * 1000) };
	int was = errno;
	while (syscall(SYS_nanosleep, &rest, &rest) == -1 && errno == EINTR)
		continue;
	errno = was;
}

/* A function of libc's, late before or after. */
#define LATE(type, name, parameters, arguments)            \
	type name parameters                               \
	{                                                  \
		static type(*of_libc) parameters;          \
		if (of_libc == NULL)                       \
			of_libc = dlsym(RTLD_NEXT, #name); \
		late();                                    \
		type result = of_libc arguments;           \
		late();                                    \
		return result;                             \
	}

LATE(ssize_t, read, (int fd, void *data, size_t n), (fd, data, n))
LATE(ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n))
LATE(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n))
LATE(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
LATE(ssize_t, recv, (int fd, void *data, size_t n, int flags), (fd, data, n, flags))
LATE(ssize_t, send, (int fd, const void *data, size_t n, int flags), (fd, data, n, flags))
LATE(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
LATE(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
LATE(int, accept, (int fd, struct sockaddr *from, socklen_t *n), (fd, from, n))
LATE(int, accept4, (int fd, struct sockaddr *from, socklen_t *n, int flags), (fd, from, n, flags))
LATE(int, connect, (int fd, const struct sockaddr *to, socklen_t n), (fd, to, n))
LATE(int, shutdown, (int fd, int how), (fd, how))
LATE(int, close, (int fd), (fd))
LATE(int, epoll_wait, (int fd, struct epoll_event *v, int n, int timeout), (fd, v, n, timeout))
LATE(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
LATE(int, dup2, (int from, int to), (from, to))
LATE(int, execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))
LATE(int, kill, (pid_t pid, int sig), (pid, sig))
LATE(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
LATE(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))
LATE(pid_t, wait3, (int *status, int options, struct rusage *usage), (status, options, usage))
LATE(pid_t, wait4, (pid_t pid, int *status, int options, struct rusage *usage), (pid, status, options, usage))
LATE(int, rename, (const char *from, const char *to), (from, to))
LATE(int, unlink, (const char *path), (path))

/* Each child is late in its own way. */
pid_t fork(void)
{
	static pid_t (*of_libc)(void);
	if (of_libc == NULL)
		of_libc = dlsym(RTLD_NEXT, "fork");
	late();
	pid_t pid = of_libc();
	if (pid == 0)
		state = 0;
	late();
	return pid;
}
