/*
 * kernel: what a session sees of the system, made by the test: one connection in memory, whose buffers, short
 * reads, failures and end the test decides, the poll for it, and a monotonic clock that only the test moves.
 * The same calls have the same outcome in every run, and none of them waits. In place of libc's functions,
 * for us and for libevent; other descriptors are passed on. One program includes it once.
 */
#ifndef TESTS_FUZZ_KERNEL_H
#define TESTS_FUZZ_KERNEL_H

#include "base/must.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { KERNEL_FD = 700, KERNEL_EPOLL = 701, KERNEL_MAX = 1 << 20 };

/* The connection: `sent` is what the client says, `heard` what it was told. */
struct kernel {
	uint64_t now_ms;
	bool open;	   /* the gateway has its descriptor */
	uint32_t interest; /* what it polls for */
	uint8_t *sent, *heard;
	size_t n_sent, n_read; /* by the client; of that by the gateway */
	bool sent_eof;
	size_t n_heard, n_taken; /* by the gateway; of that by the client */
	size_t room;		 /* for what the client has not taken */
	bool shut;		 /* the gateway has ended its side */
	bool lost;		 /* it closed with bytes of the client unread, or by a reset: what the client
				    has not taken is lost */
	int read_error, write_error; /* from now on; the first one after what is there to be read */
	int read_once, write_once;   /* the next call fails so, and takes nothing */
	size_t read_max, write_max;  /* the next call takes no more; 0 is no limit */
};

static struct kernel kernel = { .now_ms = 1000000 };

/* A new connection. The clock goes on. */
static inline void kernel_connect(void)
{
	struct kernel was = kernel;

	must(!was.open);
	if (was.sent == NULL) {
		was.sent = malloc(KERNEL_MAX);
		was.heard = malloc(KERNEL_MAX);
		must(was.sent != NULL && was.heard != NULL);
	}
	kernel = (struct kernel){
		.now_ms = was.now_ms, .sent = was.sent, .heard = was.heard, .open = true, .room = 65536
	};
}

/* The client sends, all or nothing. */
static inline void kernel_client_sends(const void *data, size_t len)
{
	if (kernel.sent_eof || kernel.read_error != 0 || len > KERNEL_MAX - kernel.n_sent)
		return;
	if (len > 0)
		memcpy(kernel.sent + kernel.n_sent, data, len);
	kernel.n_sent += len;
}

/* The client reads. */
static inline void kernel_client_takes(size_t max)
{
	size_t n = kernel.n_heard - kernel.n_taken;
	kernel.n_taken += n < max ? n : max;
}

/* The client, or what is between, is gone: reading ends so after what is there, writing at once. */
static inline void kernel_client_goes(int error)
{
	kernel.read_error = error;
	kernel.write_error = error == ECONNRESET ? EPIPE : error;
}

/* How much the kernel takes now. */
static inline size_t kernel_free(void)
{
	size_t held = kernel.n_heard - kernel.n_taken, all = KERNEL_MAX - kernel.n_heard;
	size_t n = held < kernel.room ? kernel.room - held : 0;
	return n < all ? n : all;
}

/* Takes what is to fail or be short only once. */
static inline int kernel_once(int *error, size_t *max, size_t *n)
{
	int failed = *error;

	if (*max > 0 && *n > *max)
		*n = *max;
	*error = 0;
	*max = 0;
	return failed;
}

/* Fails as a system call does. */
static inline ssize_t kernel_fail(int error)
{
	errno = error;
	return -1;
}

ssize_t read(int fd, void *out, size_t max)
{
	if (fd != KERNEL_FD)
		return syscall(SYS_read, fd, out, max);
	must(kernel.open && max > 0);
	size_t n = kernel.n_sent - kernel.n_read < max ? kernel.n_sent - kernel.n_read : max;
	int failed = kernel_once(&kernel.read_once, &kernel.read_max, &n);
	if (failed != 0)
		return kernel_fail(failed);
	if (n == 0 && kernel.read_error != 0)
		return kernel_fail(kernel.read_error);
	if (n == 0 && !kernel.sent_eof)
		return kernel_fail(EAGAIN);
	if (n > 0)
		memcpy(out, kernel.sent + kernel.n_read, n);
	kernel.n_read += n;
	return (ssize_t)n;
}

ssize_t writev(int fd, const struct iovec *iov, int n_iov)
{
	size_t n = kernel_free(), done = 0;

	if (fd != KERNEL_FD)
		return syscall(SYS_writev, fd, iov, n_iov);
	must(kernel.open && !kernel.shut && n_iov > 0);
	int failed = kernel_once(&kernel.write_once, &kernel.write_max, &n);
	if (failed != 0 || kernel.write_error != 0)
		return kernel_fail(failed != 0 ? failed : kernel.write_error);
	if (n == 0)
		return kernel_fail(EAGAIN);
	for (int i = 0; i < n_iov && done < n; i++) {
		size_t len = iov[i].iov_len < n - done ? iov[i].iov_len : n - done;
		memcpy(kernel.heard + kernel.n_heard, iov[i].iov_base, len);
		kernel.n_heard += len;
		done += len;
	}
	return (ssize_t)done;
}

ssize_t recv(int fd, void *out, size_t max, int flags)
{
	if (fd != KERNEL_FD)
		return syscall(SYS_recvfrom, fd, out, max, flags, NULL, NULL);
	return read(fd, out, max);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };

	if (fd != KERNEL_FD)
		return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
	return writev(fd, &iov, 1);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (fd != KERNEL_FD)
		return syscall(SYS_sendmsg, fd, message, flags);
	return writev(fd, message->msg_iov, (int)message->msg_iovlen);
}

int shutdown(int fd, int how)
{
	must(fd == KERNEL_FD && how == SHUT_WR && kernel.open && !kernel.shut);
	kernel.shut = true;
	return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (fd != KERNEL_FD)
		return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
	must(kernel.open && level == SOL_SOCKET && name == SO_LINGER);
	kernel.lost = true;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	va_start(args, request);
	void *out = va_arg(args, void *);
	va_end(args);
	if (fd != KERNEL_FD)
		return (int)syscall(SYS_ioctl, fd, request, out);
	must(kernel.open && request == SIOCOUTQ);
	*(int *)out = (int)(kernel.n_heard - kernel.n_taken);
	return 0;
}

/* No event may be left behind for whoever gets the number next. */
int close(int fd)
{
	if (fd == KERNEL_EPOLL)
		return 0;
	if (fd != KERNEL_FD)
		return (int)syscall(SYS_close, fd);
	must(kernel.open && kernel.interest == 0);
	kernel.open = false;
	kernel.lost = kernel.lost || kernel.n_read < kernel.n_sent;
	return 0;
}

int epoll_create1(int flags)
{
	(void)flags;
	return KERNEL_EPOLL;
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	must(epoll == KERNEL_EPOLL);
	if (fd != KERNEL_FD) /* the mailbox: there is no other thread */
		return 0;
	must(kernel.open && (op == EPOLL_CTL_ADD) == (kernel.interest == 0));
	kernel.interest = op == EPOLL_CTL_DEL ? 0 : event->events;
	return 0;
}

/* Never waits: who has nothing to do is put forward by the test. */
int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms)
{
	uint32_t ready = 0;

	(void)timeout_ms;
	must(epoll == KERNEL_EPOLL && max > 0);
	if (kernel.n_read < kernel.n_sent || kernel.sent_eof || kernel.read_error != 0 ||
		kernel.read_once != 0)
		ready |= EPOLLIN;
	if (kernel_free() > 0 || kernel.write_error != 0)
		ready |= EPOLLOUT;
	if (kernel.read_error != 0)
		ready |= EPOLLERR | EPOLLHUP;
	if (kernel.interest == 0 || (ready & (kernel.interest | EPOLLERR | EPOLLHUP)) == 0)
		return 0;
	events[0] = (struct epoll_event){ .events = ready & (kernel.interest | EPOLLERR | EPOLLHUP),
		.data.fd = KERNEL_FD };
	return 1;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, id, now);
	now->tv_sec = (time_t)(kernel.now_ms / 1000);
	now->tv_nsec = (long)(kernel.now_ms % 1000) * 1000000;
	return 0;
}

#endif
