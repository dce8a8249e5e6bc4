/*
 * listener: accepts connections in batches, and stays calm when there are no descriptors left.
 *
 * Owns the listening descriptor, its event, the back-off timer and a reserve descriptor. Places for
 * connections are taken through a hook before the accept, so that a limit holds from there on. Binding is in
 * net/bind.h. Runs on its loop's thread.
 */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LISTENER_BUDGET = 64,	   /* connections accepted in one turn */
	LISTENER_LAST = 4096,	   /* accepted at the end: the longest queue that kernels keep by default */
	LISTENER_BACKOFF_MS = 100, /* until the next try when descriptors are short */
	LISTENER_ROOM_MS = 10,	   /* until the next look when there is no room: whoever makes room may be on
				      another thread */
	LISTENER_WARN_MS = 5000	   /* between two warnings of that */
};

struct listener {
	struct loop *loop;
	int fd;
	int reserve; /* given up for a moment to turn one visitor away at the descriptor limit; -1 while lost
		      */
	struct event *acceptable, *retry;
	const struct listener_hooks *hooks;
	void *arg;
	uint64_t warned_at;
	bool warned; /* of a shortage that lasts */
};

/* A descriptor that stands for one more connection. */
static int listener_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Turns the first one in the queue away with the reserve descriptor: better than leaving it to hang. */
static void listener_shed(struct listener *listener)
{
	if (listener->reserve >= 0)
		close(listener->reserve);
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		listener->hooks->on_shed(listener->arg, fd);
		close(fd);
	}
	listener->reserve = listener_reserve();
}

/* No descriptors, no memory: wait a little instead of spinning on a queue that stays readable. */
static void listener_back_off(struct listener *listener, int error)
{
	uint64_t now = loop_now(listener->loop);

	if (error == EMFILE || error == ENFILE)
		listener_shed(listener);
	if (listener->warned_at == 0 || now - listener->warned_at >= LISTENER_WARN_MS) {
		log_warning(
			listener->loop->log, "cannot accept connections", LOG_STR("error", strerror(error)));
		listener->warned_at = now;
		listener->warned = true;
	}
	loop_event_stop(listener->acceptable);
	loop_timer_set(listener->retry, LISTENER_BACKOFF_MS);
}

/* An error of the one connection that was to be accepted, not of the listener. */
static bool listener_is_transient(int error)
{
	return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM ||
	       error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
	       error == ENONET || error == ENOPROTOOPT;
}

/* Small messages leave at once: what is accepted inherits that (tcp(7)). A unix socket has no such option. */
static void listener_set_nodelay(int fd)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Accepts one. Returns 0 when there may be more, -EBUSY without room for it, -EAGAIN when nobody waits, or
 * another -errno. */
static int listener_accept(struct listener *listener)
{
	if (!listener->hooks->take_place(listener->arg))
		return -EBUSY;
	struct addr peer = { .len = sizeof(peer.u) };
	int client = accept4(listener->fd, &peer.u.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0) {
		int error = listener_is_transient(errno) ? 0 : -errno;
		listener->hooks->give_place(listener->arg);
		return error;
	}
	if (listener->warned)
		log_info(listener->loop->log, "accepting connections again");
	listener->warned = false;
	listener->hooks->on_accept(listener->arg, client, &peer);
	return 0;
}

/* Accepts what is there, within a budget so that the sessions have their turn. */
static void listener_on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;
	int error = 0;
	(void)fd;
	(void)what;

	for (int i = 0; error == 0 && i < LISTENER_BUDGET; i++)
		error = listener_accept(listener);
	if (error == -EBUSY) {
		loop_event_stop(listener->acceptable);
		loop_timer_set(listener->retry, LISTENER_ROOM_MS);
	} else if (error != 0 && error != -EAGAIN)
		listener_back_off(listener, -error);
}

/* Accepts (again). */
static void listener_resume(struct listener *listener)
{
	event_add(listener->acceptable, NULL);
}

/* After a back-off, or to see whether there is room. */
static void listener_on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct listener *listener = arg;
	if (listener->reserve < 0)
		listener->reserve = listener_reserve();
	listener_resume(listener);
}

/* Begins to accept. */
int listener_new(
	struct listener **out, struct loop *loop, int fd, const struct listener_hooks *hooks, void *arg)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	*out = NULL;
	if (listener == NULL) {
		close(fd);
		return -ENOMEM;
	}
	*listener = (struct listener){
		.loop = loop, .fd = fd, .hooks = hooks, .arg = arg, .reserve = listener_reserve()
	};
	int error = listener->reserve < 0 ? -errno : 0;
	listener_set_nodelay(fd);
	listener->acceptable =
		loop_event_new(loop, fd, EV_READ | EV_PERSIST, listener_on_acceptable, listener);
	listener->retry = loop_event_new(loop, -1, 0, listener_on_retry, listener);
	if (error == 0 && (listener->acceptable == NULL || listener->retry == NULL))
		error = -ENOMEM;
	if (error != 0) {
		listener_free(listener);
		return error;
	}
	listener_resume(listener);
	*out = listener;
	return 0;
}

/* Whoever is in the queue when it is closed is reset, though it was told that it is connected. */
void listener_finish(struct listener *listener)
{
	for (int i = 0; listener != NULL && i < LISTENER_LAST; i++) {
		if (listener_accept(listener) != 0)
			break;
	}
	listener_free(listener);
}

/* Stops and closes. */
void listener_free(struct listener *listener)
{
	if (listener == NULL)
		return;
	loop_event_free(listener->loop, listener->acceptable);
	loop_event_free(listener->loop, listener->retry);
	if (listener->reserve >= 0)
		close(listener->reserve);
	close(listener->fd);
	free(listener);
}
