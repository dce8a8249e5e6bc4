/*
 * stream_file: files on their way into a stream: by sendfile(2), or encrypted, when their turn comes.
 */
#include "net/stream.h"

#include "base/must.h"
#include "net/batch.h"

#include <errno.h>
#include <unistd.h>

/* Sends a part of a file by way of the scratch buffer, since it has to be encrypted. */
static long stream_send_file_tls(struct stream *stream, int fd, uint64_t offset, size_t len)
{
	const struct batch *batch = stream->loop->batch;
	uint8_t *scratch = stream->loop->scratch;

	must(batch->owner == NULL ||
		batch->owner == stream); /* else it may point at what is overwritten here */
	ssize_t n = pread(fd, scratch, len < LOOP_SCRATCH ? len : LOOP_SCRATCH, (off_t)offset);

	if (n <= 0)
		return -1;
	stream_send(stream, scratch, (size_t)n);
	stream_flush(stream);
	return n;
}

/* Gives the socket a part of a file, without a copy in between. */
long stream_send_file(struct stream *stream, int fd, uint64_t offset, size_t len)
{
	if (stream->write != STREAM_WRITE_OPEN)
		return 0; /* on_broken is on its way */
	stream_flush(stream);
	if (stream->out.queue != NULL || stream->write != STREAM_WRITE_OPEN)
		return 0;
	if (stream->pump != NULL)
		return stream_send_file_tls(stream, fd, offset, len);
	long n = outlet_put_file(&stream->out, fd, offset, len);
	if (n > 0)
		return n;
	if (n == -EAGAIN)
		stream_yield(stream);
	else if (n == -EPIPE || n == -ECONNRESET)
		stream_break(stream, (int)-n);
	else
		return -1;
	return 0;
}
