/*
 * notify: the state of the gateway in systemd's words.
 *
 * Owns the timer behind STATUS. NOTIFY_SOCKET stays in our environment, since libsystemd reads it each time;
 * programs get none of that (spawn/environment.h). Runs on the main thread.
 */
#include "run/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* Tells how many sessions there are. */
static void notify_status(struct notify *notify)
{
	unsigned n = atomic_load(notify->sessions);

	sd_notifyf(0, "STATUS=%s%u session%s", notify->stopping ? "Stopping, " : "", n, n == 1 ? "" : "s");
	notify->said = n;
}

/* Time for another look. */
static void notify_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct notify *notify = arg;
	(void)fd;
	(void)what;

	if (atomic_load(notify->sessions) != notify->said)
		notify_status(notify);
	loop_timer_set(notify->timer, NOTIFY_STATUS_MS);
}

/* Serves. */
int notify_ready(struct notify *notify, struct loop *loop, const atomic_uint *sessions)
{
	const char *socket = getenv("NOTIFY_SOCKET");
	if (socket == NULL || socket[0] == '\0')
		return 0;
	*notify = (struct notify){ .loop = loop, .sessions = sessions };
	notify->timer = loop_event_new(loop, -1, 0, notify_on_timer, notify);
	if (notify->timer == NULL)
		return -ENOMEM;
	sd_notify(0, "READY=1");
	notify_status(notify);
	loop_timer_set(notify->timer, NOTIFY_STATUS_MS);
	return 0;
}

/* Stops. */
void notify_stopping(struct notify *notify)
{
	if (notify->timer == NULL || notify->stopping)
		return;
	notify->stopping = true;
	sd_notify(0, "STOPPING=1");
	notify_status(notify);
}

/* What `systemctl status` then shows beside the exit status. */
void notify_failed(const char *step, int error)
{
	if (step != NULL)
		sd_notifyf(0, "STATUS=Cannot start: %s: %s\nERRNO=%d", step, strerror(error), error);
	else
		sd_notifyf(0, "STATUS=Cannot start: %s (see the log)\nERRNO=%d", strerror(error), error);
}

/* Frees the timer. */
void notify_done(struct notify *notify)
{
	if (notify->timer != NULL)
		loop_event_free(notify->loop, notify->timer);
	notify->timer = NULL;
}
