/*
 * interrupted: an epoll_wait() that a signal interrupts when a test says so, as SIGCONT does when the process
 * stood still: libevent then calls the timers that are due, and has seen nothing of what came. One program
 * includes it once.
 */
#ifndef TESTS_UNIT_INTERRUPTED_H
#define TESTS_UNIT_INTERRUPTED_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

static bool interrupted; /* the next one is */

/* Takes the place of libc's, for libevent. */
int epoll_wait(int fd, struct epoll_event *events, int max, int ms)
{
	int (*real)(int, struct epoll_event *, int, int);

	if (interrupted) {
		interrupted = false;
		errno = EINTR;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
	return real(fd, events, max, ms);
}

#endif
