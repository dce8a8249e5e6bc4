/*
 * poller: waits for descriptors in the spawner.
 *
 * Owns the epoll set. One event at a time: what an owner frees can't have another event waiting in the same
 * batch, and beside a fork the system call costs nothing.
 */
#include "spawn/poller.h"

#include "base/must.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

/* Makes an empty set. */
int poller_init(struct poller *poller)
{
	poller->epoll = epoll_create1(EPOLL_CLOEXEC);
	return poller->epoll < 0 ? -errno : 0;
}

/* Begins to wait for a descriptor. */
int poller_add(struct poller *poller, struct watch *watch, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };
	if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	watch->fd = fd;
	watch->events = events;
	return 0;
}

/* Waits for other events of a descriptor, if they differ. */
void poller_set(struct poller *poller, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };
	if (events != watch->events)
		must(epoll_ctl(poller->epoll, EPOLL_CTL_MOD, watch->fd, &event) == 0);
	watch->events = events;
}

/* Ends the wait for a descriptor. */
void poller_remove(struct poller *poller, struct watch *watch)
{
	/* Closing alone would leave it in as long as a child that was just forked has a copy. */
	must(epoll_ctl(poller->epoll, EPOLL_CTL_DEL, watch->fd, NULL) == 0);
	watch->fd = -1;
}

/* Handles one event. */
void poller_turn(struct poller *poller, int timeout_ms)
{
	struct epoll_event event;
	int n = epoll_wait(poller->epoll, &event, 1, timeout_ms);
	must(n >= 0 || errno == EINTR);
	if (n > 0) {
		struct watch *watch = event.data.ptr;
		watch->on_ready(watch->owner, event.events);
	}
}
