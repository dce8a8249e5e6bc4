/*
 * stream_read: what comes of a connection: bytes, the end, or that TLS has failed. How much of it in one turn
 * is decided here, as far as stream_allow() lets it.
 *
 * Runs on its loop's thread.
 */
#include "net/stream_internal.h"

#include "base/must.h"
#include "net/batch.h"
#include "net/outbox.h"
#include "net/pump.h"
#include "net/transfer.h"

#include <errno.h>
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

/* TLS has failed: its alert may be on its way, and closing with input unread would reset the connection
 * before the peer has read it. */
static void stream_fail_tls(struct stream *stream)
{
	for (int i = 0; i < STREAM_DRAIN_READS; i++)
		if (read(stream->rfd, stream->loop->scratch, LOOP_SCRATCH) <= 0)
			break;
	if (!pump_met_http(stream->pump) && !stream->doomed)
		stream_end(stream);
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
void stream_on_readable(evutil_socket_t fd, short what, void *arg)
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
