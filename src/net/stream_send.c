/*
 * stream_send: bytes on their way into a stream. They are gathered in the thread's batch, each header in
 * front of its payload where there is room, so that both are one piece; then encrypted where the stream
 * speaks TLS, and given to the kernel. What it does not take is queued, and tried again by stream.c. Runs on
 * its loop's thread.
 */
#include "net/stream_internal.h"

#include "base/must.h"
#include "net/batch.h"
#include "net/outbox.h"
#include "net/pump.h"

#include <string.h>

/* Gives bytes to the kernel, `len` in all, and what it does not take to the queue. */
static void stream_push(struct stream *stream, const struct iovec *iov, int n, size_t len)
{
	int error = outlet_put(&stream->out, iov, n, len);

	if (error != 0)
		stream_break(stream, -error);
	else if (stream->out.queue != NULL)
		stream_update(stream);
}

/* Sends the records that TLS made: of what we send, or of its own (handshake, alerts). */
void stream_push_outbox(struct stream *stream)
{
	struct outbox *outbox = stream->loop->outbox;
	struct iovec iov = { .iov_base = outbox->bytes, .iov_len = outbox->len };

	if (outbox->len > 0 && stream->write <= STREAM_WRITE_FINISHING)
		stream_push(stream, &iov, 1, outbox->len);
	outbox->len = 0;
}

/* Are these bytes in the scratch buffer, or in so much of the room in front of it, where they stay until the
 * callback returns? */
static bool stream_in_scratch(const struct stream *stream, const void *data, size_t in_front)
{
	uintptr_t at = (uintptr_t)data, begin = (uintptr_t)stream->loop->scratch - in_front;
	return at - begin < in_front + LOOP_SCRATCH;
}

/* Puts a header in front of its payload, so that both become one record. What lies there was read, or is
 * encrypted by now; stream_send_behind() comes too early for that, and has room in front of the first one
 * only. */
static bool stream_join(const struct stream *stream, const struct iovec *header, struct iovec *payload)
{
	if (header->iov_len > LOOP_HEADROOM || !stream_in_scratch(stream, payload->iov_base, 0))
		return false;
	payload->iov_base = (uint8_t *)payload->iov_base - header->iov_len;
	payload->iov_len += header->iov_len;
	memmove(payload->iov_base, header->iov_base, header->iov_len);
	return true;
}

/* Encrypts the batch. */
static void stream_encrypt(struct stream *stream, struct batch *batch)
{
	struct iovec *iov = batch->iov;
	int error = 0;

	for (int i = 0; error == 0 && i < batch->n; i++)
		if (i + 1 == batch->n || !stream_join(stream, &iov[i], &iov[i + 1]))
			error = pump_write(stream->pump, iov[i].iov_base, iov[i].iov_len);
	stream_push_outbox(stream);
	if (error != 0)
		stream_break(stream, -error);
}

/* Gives the batch to the kernel, and what it does not take to the queue. */
void stream_flush(struct stream *stream)
{
	struct batch *batch = stream->loop->batch;

	if (batch->owner != stream)
		return;
	if (stream->pump != NULL && !pump_met_http(stream->pump))
		stream_encrypt(stream, batch);
	else
		stream_push(stream, batch->iov, batch->n, batch->len);
	batch_clear(batch);
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
	bool stays = stream_in_scratch(stream, data, LOOP_HEADROOM);
	batch->owner = stream;
	batch_add(batch, data, len, stays);
	if (len > BATCH_COPY_MAX && !stays)
		stream_flush(stream);
}

/* A payload that begins where its read did has room in front of it, while nothing else is there. */
void stream_send_behind(
	struct stream *stream, const void *header, size_t n_header, const void *data, size_t len)
{
	uint8_t *scratch = stream->loop->scratch;

	must(n_header <= LOOP_HEADROOM);
	if (data == scratch && stream->loop->batch->owner == NULL) {
		memcpy(scratch - n_header, header, n_header);
		stream_send(stream, scratch - n_header, n_header + len);
	} else {
		stream_send(stream, header, n_header);
		stream_send(stream, data, len);
	}
}
