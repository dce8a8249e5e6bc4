/*
 * stream: one connection on bare events: its state, reading, trying again what the kernel did not take, and
 * its ends. What is sent goes through stream_send.c and stream_file.c.
 *
 * Owns the descriptors, the two events, TLS's pump and the queue. Knows nothing of what the bytes mean;
 * back-pressure is decided above (gate/bridge.c) and arrives as stream_allow(). Runs on its loop's thread.
 */
#include "net/stream_internal.h"

#include "base/must.h"
#include "net/batch.h"
#include "net/pump.h"
#include "net/transfer.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* Bytes that a peer which reads nothing may make us queue by records of its own (alerts, key
	   updates). */
	STREAM_UNASKED_MAX = 65536,
	STREAM_READS = 4,	/* of a flood, in a turn (stream_read_on()) */
	STREAM_TURN_READS = 8,	/* ... of all floods, as far as that is not less than one each */
	STREAM_FLOOD = 65536,	/* bytes; a read of that many, and of all that it may bring, is of a flood */
	STREAM_DRAIN_READS = 4, /* of what is thrown away before a connection is closed */
	STREAM_GATHER = 1024	/* bytes; when a read of a terminal brings less there is hardly more */
};

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

/* Has TLS bytes that the socket knows nothing of? */
static bool stream_has_pending(const struct stream *stream)
{
	return stream->pump != NULL && pump_has_pending(stream->pump);
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
	event_del(&stream->writable);
	event_active(&stream->writable, EV_WRITE, 1);
}

/* Ends our side once nothing waits. */
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

/* TLS has failed: its alert may be on its way, and closing with input unread would reset the connection
 * before the peer has read it. */
static void stream_fail_tls(struct stream *stream)
{
	for (int i = 0; i < STREAM_DRAIN_READS; i++)
		if (read(stream->rfd, stream->loop->scratch, LOOP_SCRATCH) <= 0)
			break;
	if (stream->write != STREAM_WRITE_OPEN || pump_met_http(stream->pump) || stream->doomed)
		return;
	stream->write = STREAM_WRITE_FINISHING;
	if (stream->out.queue == NULL)
		stream_shut(stream);
}

/* Reads a descriptor; a terminal again as long as there is much. What ended that is found by the next read.
 */
static ssize_t stream_read_fd(struct stream *stream, uint8_t *data, size_t max)
{
	ssize_t n = transfer_read(stream->rfd, &stream->out.is_socket, data, max), last = n;

	while (stream->gathers && last >= STREAM_GATHER && (size_t)n < max) {
		last = read(stream->rfd, data + n, max - (size_t)n);
		n += last > 0 ? last : 0;
	}
	return n;
}

/* Reads into the scratch buffer. Returns how many bytes, 0 at the end, or -errno. That nobody has a terminal
 * open any more is EIO to the other end of it. */
static ssize_t stream_read(struct stream *stream)
{
	uint8_t *scratch = stream->loop->scratch;

	if (stream->pump == NULL) {
		ssize_t n = stream_read_fd(stream, scratch, stream->read_max);
		return n < 0 && errno != EIO ? -errno : n < 0 ? 0 : n;
	}
	ssize_t n = pump_read(stream->pump, scratch, stream->read_max);
	stream->unasked += stream->loop->outbox->len;
	stream_push_outbox(stream);
	if (stream->out.queue == NULL)
		stream->unasked = 0;
	else if (stream->unasked > STREAM_UNASKED_MAX)
		stream_break(stream, ENOBUFS);
	if (n == -EPROTO)
		stream_fail_tls(stream);
	return n;
}

/* The handshake is over, and its owner hears of it before the first bytes, which are often right behind it
 * and then read at once. After a stop there is room for none, and a stream that was closed has none. */
static ssize_t stream_opened(struct stream *stream, ssize_t n)
{
	if (stream->hooks->on_open != NULL)
		stream->hooks->on_open(stream->arg);
	return n == -EAGAIN && stream_has_pending(stream) ? stream_read(stream) : n;
}

/* Reads once, and passes it on. Returns whether there is more for certain, and may be read. */
static bool stream_take(struct stream *stream)
{
	bool shaking = stream_in_handshake(stream);
	size_t max = stream->read_max;
	ssize_t n = stream_read(stream);
	if (shaking && !stream_in_handshake(stream))
		n = stream_opened(stream, n);
	if (n > 0) {
		stream->hooks->on_data(stream->arg, stream->loop->scratch, (size_t)n);
		must(stream->loop->batch->owner == NULL);
	}
	if (n <= 0 && n != -EAGAIN && n != -EINTR) {
		stream->read = STREAM_READ_EOF;
		stream_update(stream);
		stream->hooks->on_eof(stream->arg, (int)-n);
	} else if (stream->pump != NULL && stream_is_open(stream)) {
		stream_update(stream); /* the next look, which may be due without the socket */
	}
	return n >= STREAM_FLOOD && (size_t)n == max && stream->pump == NULL &&
	       stream->read == STREAM_READ_ON && stream->read_max >= STREAM_FLOOD;
}

/* How often a flood may be read once more in this turn. Many floods get less each, since all that they bring
 * comes before the next message of any other session; and what reading on saves, the turn, they share. */
static unsigned stream_share(const struct stream *stream)
{
	const struct loop *loop = stream->loop;
	unsigned n = loop->n_floods > loop->n_floods_before ? loop->n_floods : loop->n_floods_before;
	unsigned share = STREAM_TURN_READS / n;

	if (share <= 1)
		return 0;
	return share - 1 < stream->extra_reads ? share - 1 : stream->extra_reads;
}

/* Reads as often as it may in a turn; level-triggered, so what is left comes on the next one, after everybody
 * else had theirs. */
static void stream_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	(void)fd;
	(void)what;

	if (!stream_take(stream))
		return;
	stream->loop->n_floods++;
	for (unsigned left = stream_share(stream); left > 0 && stream_take(stream); left--)
		continue;
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

/* Its reads are of a terminal. */
void stream_gather(struct stream *stream)
{
	stream->gathers = true;
}

/* Its reads are cheap to pass on. */
void stream_read_on(struct stream *stream)
{
	stream->extra_reads = STREAM_READS - 1;
}

/* Sets how much one read may bring; 0 stops reading. */
void stream_allow(struct stream *stream, size_t max)
{
	if (!stream_is_open(stream) || stream->read == STREAM_READ_EOF)
		return;
	enum stream_read read = max > 0 ? STREAM_READ_ON : STREAM_READ_PAUSED;
	stream->read_max = max < LOOP_SCRATCH ? max : LOOP_SCRATCH;
	if (read == stream->read)
		return;
	stream->read = read;
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
	if (stream->write != STREAM_WRITE_OPEN)
		return;
	stream->write = STREAM_WRITE_FINISHING;
	if (stream->out.queue == NULL)
		stream_shut(stream);
}
