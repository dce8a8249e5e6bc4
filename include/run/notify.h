/*
 * notify: tells systemd how the gateway does (sd_notify(3)), without ever waiting for it. Without
 * NOTIFY_SOCKET all of it does nothing.
 */
#ifndef RUN_NOTIFY_H
#define RUN_NOTIFY_H

#include "net/loop.h"

#include <stdatomic.h>

enum { NOTIFY_STATUS_MS = 3000 }; /* between two looks at the number of sessions */

struct notify {
	const atomic_uint *sessions;
	struct event *timer; /* NULL when nobody listens */
	unsigned said;	     /* the number of sessions that was told last */
	const char *due;     /* what could not be told yet, with its newline; "": nothing */
	bool stopping;
	struct loop *loop;
};

/* The gateway serves: READY, and from now on the number of sessions when it changed. Returns 0 or -ENOMEM. */
int notify_ready(struct notify *notify, struct loop *loop, const atomic_uint *sessions);

/* The gateway stops; more than once does no harm. */
void notify_stopping(struct notify *notify);

/* The start failed at `step` (NULL: the log says more) with an errno. */
void notify_failed(const char *step, int error);

/* No more of it; before the loop is gone. */
void notify_done(struct notify *notify);

#endif
