/*
 * stream: reading and writing one connection on bare events.
 *
 * Owns the descriptors, the two events and the queue of what the kernel did not take. Knows nothing of what
 * the bytes mean; back-pressure is decided above (gate/bridge.c) and arrives as stream_allow(). Runs on its
 * loop's thread.
 */
#include "net/stream.h"

#include "base/buffer.h"
#include "base/must.h"
#include "net/batch.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* Waits for an event. A kernel that has no memory for that ends the stream, else nobody would ever look at it
 * again. */
static void stream_want(struct stream *stream, struct event *event, bool want)
{
	if (!want)
		event_del(event);
	else if (event_add(event, NULL) != 0)
		stream_break(stream, ENOMEM);
}

/* The one place where interest in events is derived from the state. */
static void stream_update(struct stream *stream)
{
	bool waits = stream->queue != NULL && stream->write <= STREAM_WRITE_FINISHING;

	stream_want(stream, &stream->readable, stream->rfd >= 0 && stream->read == STREAM_READ_ON);
	if (stream->write != STREAM_WRITE_BROKEN) /* that one is told by the event */
		stream_want(stream, &stream->writable, waits || stream->yielding);
}

/* Frees the queue: an idle stream holds none. */
static void stream_drop_queue(struct stream *stream)
{
	if (stream->queue != NULL)
		evbuffer_free(stream->queue);
	stream->queue = NULL;
}

/* Remembers that writing failed; the callback comes from the loop, not from within the owner's call. */
void stream_break(struct stream *stream, int error)
{
	if (stream->wfd < 0 || stream->write == STREAM_WRITE_BROKEN)
		return;
	stream->write = STREAM_WRITE_BROKEN;
	stream->write_error = error;
	stream_drop_queue(stream);
	event_del(&stream->writable);
	event_active(&stream->writable, EV_WRITE, 1);
}

/* Ends our side once nothing waits. */
static void stream_shut(struct stream *stream)
{
	stream->write = STREAM_WRITE_SHUT;
	if (stream->wfd == stream->rfd) {
		shutdown(stream->wfd, SHUT_WR); /* a peer that is gone already is found by reading */
		return;
	}
	loop_event_done(stream->loop, &stream->writable);
	close(stream->wfd);
	stream->wfd = -1;
}

/* Reads once; level-triggered, so what is left comes on the next turn, after everybody else had theirs. */
static void stream_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	(void)what;

	ssize_t n = read(fd, stream->loop->scratch, stream->read_max);
	if (n > 0) {
		stream->hooks->on_data(stream->arg, stream->loop->scratch, (size_t)n);
		must(stream->loop->batch->owner == NULL);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	int error = n < 0 ? errno : 0;
	stream->read = STREAM_READ_EOF;
	stream_update(stream);
	stream->hooks->on_eof(stream->arg, error);
}

/* Writes what is queued. */
static void stream_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	(void)what;

	if (stream->write == STREAM_WRITE_BROKEN) {
		stream->hooks->on_broken(stream->arg, stream->write_error);
		return;
	}
	stream->yielding = false;
	if (stream->queue == NULL) {
		stream_update(stream);
		stream->hooks->on_sent(stream->arg);
		return;
	}
	int n = evbuffer_write(stream->queue, fd);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			stream_break(stream, errno);
		return;
	}
	stream->bytes_sent += (uint64_t)n;
	if (evbuffer_get_length(stream->queue) == 0) {
		stream_drop_queue(stream);
		if (stream->write == STREAM_WRITE_FINISHING)
			stream_shut(stream);
		stream_update(stream);
	}
	stream->hooks->on_sent(stream->arg);
}

/* Begins to read. */
void stream_open(struct stream *stream, struct loop *loop, int rfd, int wfd, const struct stream_hooks *hooks,
	void *arg)
{
	*stream = (struct stream){
		.loop = loop, .hooks = hooks, .arg = arg, .rfd = rfd, .wfd = wfd, .read_max = LOOP_SCRATCH
	};
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

/* Ends everything at once. */
void stream_close(struct stream *stream)
{
	if (!stream_is_open(stream))
		return;
	if (stream->loop->batch->owner == stream)
		batch_clear(stream->loop->batch);
	stream_drop_queue(stream);
	loop_event_done(stream->loop, &stream->readable);
	if (stream->wfd >= 0)
		loop_event_done(stream->loop, &stream->writable);
	if (stream->wfd >= 0 && stream->wfd != stream->rfd)
		close(stream->wfd);
	close(stream->rfd);
	stream->rfd = stream->wfd = -1;
	stream->read = STREAM_READ_EOF;
	stream->write = STREAM_WRITE_SHUT;
}

/* Ends a TCP connection with a reset: the peer must not take what it has for the whole. */
void stream_reset(struct stream *stream)
{
	if (stream->rfd >= 0 && stream->rfd == stream->wfd) {
		struct linger now = { .l_onoff = 1, .l_linger = 0 };
		setsockopt(stream->rfd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	stream_close(stream);
}

/* Has it descriptors? */
bool stream_is_open(const struct stream *stream)
{
	return stream->rfd >= 0;
}

/* Does anything wait? An empty queue is freed at once. */
bool stream_has_queue(const struct stream *stream)
{
	return stream->queue != NULL;
}

/* Is it not read though it could be? */
bool stream_is_paused(const struct stream *stream)
{
	return stream->read == STREAM_READ_PAUSED;
}

/* Has the peer ended its side? */
bool stream_has_ended(const struct stream *stream)
{
	return stream->read == STREAM_READ_EOF;
}

/* Can nothing be sent any more? */
bool stream_is_shut(const struct stream *stream)
{
	return stream->write >= STREAM_WRITE_SHUT;
}

/* Are both directions at their end? */
bool stream_is_over(const struct stream *stream)
{
	return stream_has_ended(stream) && stream_is_shut(stream);
}

/* Appends to the queue what the kernel has not taken: the pieces of the batch after the first `skip` bytes.
 */
static int stream_queue_rest(struct stream *stream, const struct batch *batch, size_t skip)
{
	if (stream->queue == NULL && (stream->queue = evbuffer_new()) == NULL)
		return -ENOMEM;
	for (int i = 0; i < batch->n; i++) {
		size_t len = batch->iov[i].iov_len;
		size_t cut = skip < len ? skip : len;
		skip -= cut;
		if (buffer_append(stream->queue, (uint8_t *)batch->iov[i].iov_base + cut, len - cut) != 0)
			return -ENOMEM;
	}
	return 0;
}

/* Gives the batch to the kernel, and what it does not take to the queue. */
void stream_flush(struct stream *stream)
{
	struct batch *batch = stream->loop->batch;
	ssize_t n = 0;

	if (batch->owner != stream)
		return;
	if (stream->queue == NULL) {
		do
			n = writev(stream->wfd, batch->iov, batch->n);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN) {
			stream_break(stream, errno);
			batch_clear(batch);
			return;
		}
		if (n < 0)
			n = 0;
		stream->bytes_sent += (uint64_t)n;
	}
	if ((size_t)n < batch->len) {
		if (stream_queue_rest(stream, batch, (size_t)n) != 0)
			stream_break(stream, ENOMEM);
		stream_update(stream);
	}
	batch_clear(batch);
}

/* Are these bytes in the scratch buffer, where they stay until the callback returns? */
static bool stream_in_scratch(const struct stream *stream, const void *data)
{
	uintptr_t at = (uintptr_t)data, scratch = (uintptr_t)stream->loop->scratch;
	return at >= scratch && at < scratch + LOOP_SCRATCH;
}

/* Adds bytes to the batch of this callback. */
void stream_send(struct stream *stream, const void *data, size_t len)
{
	struct batch *batch = stream->loop->batch;

	if (stream->write != STREAM_WRITE_OPEN || len == 0)
		return;
	if (batch->owner != stream && batch->owner != NULL)
		stream_flush(batch->owner);
	if (batch->owner == stream && !batch_has_room(batch, len))
		stream_flush(stream);
	if (stream->write != STREAM_WRITE_OPEN)
		return;
	batch->owner = stream;
	batch_add(batch, data, len);
	if (len > BATCH_COPY_MAX && !stream_in_scratch(stream, data))
		stream_flush(stream);
}

/* Gives the socket a part of a file, without a copy in between. */
long stream_send_file(struct stream *stream, int fd, uint64_t offset, size_t len)
{
	off_t at = (off_t)offset;

	if (stream->write != STREAM_WRITE_OPEN)
		return 0; /* on_broken is on its way */
	stream_flush(stream);
	if (stream->queue != NULL || stream->write != STREAM_WRITE_OPEN)
		return 0;
	ssize_t n = sendfile(stream->wfd, fd, &at, len);
	if (n > 0) {
		stream->bytes_sent += (uint64_t)n;
		return n;
	}
	if (n == 0)
		return -1;
	if (errno == EAGAIN || errno == EINTR)
		stream_yield(stream);
	else if (errno == EPIPE || errno == ECONNRESET)
		stream_break(stream, errno);
	else
		return -1;
	return 0;
}

/* What the queue costs. */
size_t stream_queued(const struct stream *stream)
{
	return stream->queue == NULL ? 0 : buffer_cost(stream->queue);
}

/* What the kernel holds for the peer: of a TCP connection until it is acknowledged. */
static size_t stream_in_kernel(const struct stream *stream)
{
	int n = 0;
	if (stream->wfd < 0 || stream->wfd != stream->rfd || ioctl(stream->wfd, SIOCOUTQ, &n) != 0)
		return 0;
	return (size_t)n;
}

/* What the peer has not taken, here and in the kernel. */
size_t stream_unsent(const struct stream *stream)
{
	return stream_in_kernel(stream) + (stream->queue == NULL ? 0 : evbuffer_get_length(stream->queue));
}

/* What the peer has taken; the end of our side is one more, which the kernel counts. */
uint64_t stream_taken(const struct stream *stream)
{
	size_t in_kernel = stream_in_kernel(stream);
	return stream->bytes_sent > in_kernel ? stream->bytes_sent - in_kernel : 0;
}

/* Lets others have their turn: the next poll says again that it is writable. */
void stream_yield(struct stream *stream)
{
	stream->yielding = stream->write == STREAM_WRITE_OPEN;
	stream_update(stream);
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

/* Ends our side after what is queued. */
void stream_finish(struct stream *stream)
{
	if (stream->write != STREAM_WRITE_OPEN)
		return;
	stream_flush(stream);
	if (stream->write != STREAM_WRITE_OPEN)
		return;
	stream->write = STREAM_WRITE_FINISHING;
	if (stream->queue == NULL)
		stream_shut(stream);
}
