/*
 * notify: the state of the gateway in systemd's words (sd_notify(3)).
 *
 * Owns the timer behind STATUS. Sends by itself, since libsystemd waits where nobody reads, and this thread
 * has signals to obey. NOTIFY_SOCKET stays in our environment; programs get none of that
 * (spawn/environment.h). Runs on the main thread.
 */
#include "run/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Where systemd listens: a path, or with an "@" in front a name that is none. Returns its length, 0 when
 * there is none that can be. */
static socklen_t notify_address(struct sockaddr_un *out)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name == NULL ? 0 : strlen(name);

	if (len < 2 || len >= sizeof(out->sun_path) || (name[0] != '/' && name[0] != '@'))
		return 0;
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(out->sun_path, name, len);
	if (name[0] == '@')
		out->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* Sends a state, if it can be sent at once. Returns whether it was, or never will be. */
static bool notify_send(const char *state)
{
	struct sockaddr_un at;
	socklen_t len = notify_address(&at);
	int fd = len == 0 ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true;
	ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&at, len);
	bool later = n < 0 && errno == EAGAIN;
	close(fd);
	return !later;
}

/* Tells how many sessions there are; what is due comes first. */
static void notify_status(struct notify *notify)
{
	char state[96];
	unsigned n = atomic_load(notify->sessions);

	snprintf(state, sizeof(state), "%sSTATUS=%s%u session%s", notify->due,
		notify->stopping ? "Stopping, " : "", n, n == 1 ? "" : "s");
	if (!notify_send(state))
		return;
	notify->due = "";
	notify->said = n;
}

/* Time for another look, or another try. */
static void notify_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct notify *notify = arg;
	(void)fd;
	(void)what;

	if (notify->due[0] != '\0' || atomic_load(notify->sessions) != notify->said)
		notify_status(notify);
	loop_timer_set(notify->timer, NOTIFY_STATUS_MS);
}

/* Serves. */
int notify_ready(struct notify *notify, struct loop *loop, const atomic_uint *sessions)
{
	struct sockaddr_un at;
	if (notify_address(&at) == 0)
		return 0;
	*notify = (struct notify){ .loop = loop, .sessions = sessions, .due = "READY=1\n" };
	notify->timer = loop_event_new(loop, -1, 0, notify_on_timer, notify);
	if (notify->timer == NULL)
		return -ENOMEM;
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
	notify->due = "STOPPING=1\n";
	notify_status(notify);
}

/* What `systemctl status` then shows beside the exit status. */
void notify_failed(const char *step, int error)
{
	char state[256];

	snprintf(state, sizeof(state), "STATUS=Cannot start: %s%s%s%s\nERRNO=%d", step == NULL ? "" : step,
		step == NULL ? "" : ": ", strerror(error), step == NULL ? " (see the log)" : "", error);
	notify_send(state);
}

/* Frees the timer. */
void notify_done(struct notify *notify)
{
	if (notify->timer != NULL)
		loop_event_free(notify->loop, notify->timer);
	notify->timer = NULL;
}
