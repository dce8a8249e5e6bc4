/*
 * stream: one connection on bare events: its state, trying again what the kernel did not take, and its ends.
 * It is read by stream_read.c; what is sent goes through stream_send.c and stream_file.c.
 *
 * Owns the descriptors, the two events, TLS's pump and the queue. Knows nothing of what the bytes mean;
 * back-pressure is decided above (gate/bridge.c) and arrives as stream_allow(). Runs on its loop's thread.
 */
#include "net/stream_internal.h"

#include "net/batch.h"
#include "net/pump.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Waits for an event, but `at_once` no longer than until the next turn. A kernel that has no memory for that
 * ends the stream, else nobody would ever look at it again. */
static void stream_want(struct stream *stream, struct event *event, bool want, bool at_once)
{
	static const struct timeval now = { 0, 0 };

	if (!want)
		loop_event_stop(event);
	else if ((at_once || !loop_event_is_watched(event)) && event_add(event, at_once ? &now : NULL) != 0)
		stream_break(stream, ENOMEM);
}

/* The one place where interest in events is derived from the state. */
void stream_update(struct stream *stream)
{
	bool waits = stream->out.queue != NULL && stream->write <= STREAM_WRITE_FINISHING;

	stream_want(stream, &stream->readable, stream->rfd >= 0 && stream->read == STREAM_READ_ON,
		stream_has_pending(stream));
	if (stream->write != STREAM_WRITE_BROKEN) /* that one is told by the event */
		stream_want(stream, &stream->writable, waits || stream->yielding, false);
}

/* Throws away what is queued, and counts it. */
static void stream_drop(struct stream *stream)
{
	stream->loop->n_dropped += outlet_cost(&stream->out);
	outlet_drop(&stream->out);
}

/* Remembers that writing failed; the callback comes from the loop, not from within the owner's call. */
void stream_break(struct stream *stream, int error)
{
	if (stream->out.fd < 0 || stream->write == STREAM_WRITE_BROKEN)
		return;
	stream->write = STREAM_WRITE_BROKEN;
	stream->write_error = error;
	stream_drop(stream);
	loop_event_stop(&stream->writable);
	event_active(&stream->writable, EV_WRITE, 1);
}

/* Ends our side: nothing waits any more. */
static void stream_shut(struct stream *stream)
{
	stream->write = STREAM_WRITE_SHUT;
	if (stream->out.fd == stream->rfd) {
		shutdown(stream->out.fd, SHUT_WR); /* a peer that is gone already is found by reading */
		return;
	}
	loop_event_done(stream->loop, &stream->writable);
	close(stream->out.fd);
	stream->out.fd = -1;
}

/* Ends our side once nothing waits. */
void stream_end(struct stream *stream)
{
	if (stream->write != STREAM_WRITE_OPEN)
		return;
	stream->write = STREAM_WRITE_FINISHING;
	if (stream->out.queue == NULL)
		stream_shut(stream);
}

/* Was it woken though nothing can be written, since nobody has the terminal open? That would go on for ever.
 */
static bool stream_is_hung_up(const struct stream *stream)
{
	struct pollfd look = { .fd = stream->out.fd };
	return poll(&look, 1, 0) > 0 && (look.revents & POLLHUP) != 0;
}

/* Writes what is queued. */
static void stream_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	(void)fd;
	(void)what;

	if (stream->write == STREAM_WRITE_BROKEN) {
		stream->hooks->on_broken(stream->arg, stream->write_error);
		return;
	}
	stream->yielding = false;
	if (stream->out.queue == NULL) {
		stream_update(stream);
		stream->hooks->on_sent(stream->arg);
		return;
	}
	int moved = outlet_retry(&stream->out);
	if (moved == 0 && stream_is_hung_up(stream))
		moved = -EPIPE;
	if (moved < 0)
		stream_break(stream, -moved);
	if (moved <= 0)
		return;
	if (stream->out.queue == NULL) {
		if (stream->write == STREAM_WRITE_FINISHING)
			stream_shut(stream);
		stream_update(stream);
	}
	stream->hooks->on_sent(stream->arg);
}

/* Begins to read, with TLS in between. */
int stream_open_tls(struct stream *stream, struct loop *loop, int fd, struct tls *tls, const char *host,
	const struct stream_hooks *hooks, void *arg)
{
	struct pump *pump = pump_new(tls, host, fd, loop->outbox);
	if (pump == NULL)
		return -ENOMEM;
	stream_open(stream, loop, fd, fd, hooks, arg);
	stream->pump = pump;
	stream_update(stream); /* our hello does not wait for the socket */
	return 0;
}

/* Begins to read. */
void stream_open(struct stream *stream, struct loop *loop, int rfd, int wfd, const struct stream_hooks *hooks,
	void *arg)
{
	*stream = (struct stream){ .loop = loop,
		.hooks = hooks,
		.arg = arg,
		.rfd = rfd,
		.out = { .fd = wfd, .is_socket = rfd == wfd },
		.read_max = LOOP_SCRATCH };
	loop_event_init(loop, &stream->readable, rfd, EV_READ | EV_PERSIST, stream_on_readable, stream);
	loop_event_init(loop, &stream->writable, wfd, EV_WRITE | EV_PERSIST, stream_on_writable, stream);
	stream_update(stream);
}

/* The next callbacks go to somebody else. */
void stream_set_hooks(struct stream *stream, const struct stream_hooks *hooks, void *arg)
{
	stream->hooks = hooks;
	stream->arg = arg;
}

/* Tells a TLS peer that nothing follows, so that it knows that nothing is missing. */
static void stream_finish_tls(struct stream *stream)
{
	if (stream->pump == NULL || stream->write != STREAM_WRITE_OPEN)
		return;
	pump_finish(stream->pump);
	stream_push_outbox(stream);
}

/* Gives everything back. */
static void stream_release(struct stream *stream)
{
	if (stream->loop->batch->owner == stream)
		batch_clear(stream->loop->batch);
	stream_drop(stream);
	loop_event_done(stream->loop, &stream->readable);
	if (stream->out.fd >= 0)
		loop_event_done(stream->loop, &stream->writable);
	if (stream->out.fd >= 0 && stream->out.fd != stream->rfd)
		close(stream->out.fd);
	close(stream->rfd);
	pump_free(stream->pump);
	stream->pump = NULL;
	stream->rfd = stream->out.fd = -1;
	stream->read = STREAM_READ_EOF;
	stream->write = STREAM_WRITE_SHUT;
}

/* Ends everything at once. */
void stream_close(struct stream *stream)
{
	if (!stream_is_open(stream))
		return;
	stream_finish_tls(stream);
	stream_release(stream);
}

/* Ends a TCP connection with a reset: the peer must not take what it has for the whole. */
void stream_reset(struct stream *stream)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (!stream_is_open(stream))
		return;
	if (stream->rfd == stream->out.fd)
		setsockopt(stream->rfd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	stream_release(stream);
}

/* A reset follows what the peer still takes. */
void stream_doom(struct stream *stream)
{
	stream->doomed = true;
}

/* Lets others have their turn: the next poll says again that it is writable. */
void stream_yield(struct stream *stream)
{
	stream->yielding = stream->write == STREAM_WRITE_OPEN;
	stream_update(stream);
}

/* Ends our side after what is queued. The last bytes, TLS's too, and the end of TCP are one segment: one way
 * through the kernel, and one wake of the peer. */
void stream_finish(struct stream *stream)
{
	if (stream->write != STREAM_WRITE_OPEN)
		return;
	stream->out.corked = true;
	stream_flush(stream);
	stream_finish_tls(stream);
	stream->out.corked = false;
	stream_end(stream);
}
