/*
 * stream_look: what there is to be known of a stream, for those who decide: its state, and how much of what
 * was sent is where. Changes nothing.
 */
#include "net/stream_internal.h"

#include "net/pump.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

/* For those who look. */
SSL *stream_ssl(const struct stream *stream)
{
	return stream->pump == NULL ? NULL : pump_ssl(stream->pump);
}

/* Why TLS failed. */
const char *stream_tls_failure(const struct stream *stream)
{
	return stream->pump == NULL ? "" : pump_reason(stream->pump);
}

/* Is TLS on its way? */
bool stream_in_handshake(const struct stream *stream)
{
	return stream->pump != NULL && !pump_is_established(stream->pump);
}

/* Has TLS bytes that the socket knows nothing of? */
bool stream_has_pending(const struct stream *stream)
{
	return stream->pump != NULL && pump_has_pending(stream->pump);
}

/* Does the peer not know that this is TLS? */
bool stream_met_http(const struct stream *stream)
{
	return stream->pump != NULL && pump_met_http(stream->pump);
}

/* Has it descriptors? */
bool stream_is_open(const struct stream *stream)
{
	return stream->rfd >= 0;
}

/* Does anything wait? An empty queue is freed at once. */
bool stream_has_queue(const struct stream *stream)
{
	return stream->out.queue != NULL;
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

/* Asks the kernel, which tells it without a read. */
bool stream_peer_has_left(const struct stream *stream)
{
	struct pollfd peer = { .fd = stream->rfd, .events = POLLRDHUP };

	return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* Asks the kernel: an error waits for whoever reads or writes next. */
bool stream_has_failed(const struct stream *stream)
{
	struct pollfd peer = { .fd = stream->rfd };

	return poll(&peer, 1, 0) > 0 && (peer.revents & POLLERR) != 0;
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

/* What the queue costs. */
size_t stream_queued(const struct stream *stream)
{
	return outlet_cost(&stream->out);
}

/* What the kernel holds for the peer: of a TCP connection until it is acknowledged. */
static size_t stream_in_kernel(const struct stream *stream)
{
	int n = 0;
	if (stream->out.fd < 0 || stream->out.fd != stream->rfd || ioctl(stream->out.fd, SIOCOUTQ, &n) != 0)
		return 0;
	return (size_t)n;
}

/* What the peer has not taken, here and in the kernel. */
size_t stream_unsent(const struct stream *stream)
{
	return stream_in_kernel(stream) +
	       (stream->out.queue == NULL ? 0 : evbuffer_get_length(stream->out.queue));
}

/* What the kernel has taken. */
uint64_t stream_written(const struct stream *stream)
{
	return stream->out.n_written;
}

/* What the peer has taken; the end of our side is one more, which the kernel counts. */
uint64_t stream_taken(const struct stream *stream)
{
	size_t in_kernel = stream_in_kernel(stream);
	return stream->out.n_written > in_kernel ? stream->out.n_written - in_kernel : 0;
}
