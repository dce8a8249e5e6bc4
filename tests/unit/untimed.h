/*
 * untimed: timers that can't be set when a test says so, as when memory is short. One program includes it
 * once.
 */
#ifndef TESTS_UNIT_UNTIMED_H
#define TESTS_UNIT_UNTIMED_H

#include <dlfcn.h>
#include <event2/event.h>
#include <stddef.h>

static unsigned untimed_at; /* which one from now on can't be: 1 is the next one; 0 is none */

/* Takes the place of libevent's. One that is set already only moves, which takes no memory. */
int event_add(struct event *event, const struct timeval *after)
{
	int (*real)(struct event *, const struct timeval *);

	*(void **)&real = dlsym(RTLD_NEXT, "event_add");
	if (after != NULL && !event_pending(event, EV_TIMEOUT, NULL) && untimed_at > 0 && --untimed_at == 0)
		return -1;
	return real(event, after);
}

#endif
