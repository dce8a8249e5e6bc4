/*
 * sender: sends a file as a response's body, and holds its end back until it is sure of the rest.
 *
 * Owns the file and how far it is. The stream and the timer are the exchange's, which turns what is said here
 * into the end of the response or of the connection. Runs on its loop's thread.
 */
#include "gate/sender.h"

/* Nothing to send. */
void sender_init(struct sender *sender)
{
	*sender = (struct sender){ .file.fd = -1 };
}

/* How much of a body of `len` bytes may be lent. 0 where it is not known how much a client can hold unread;
 * TLS has to see every byte. */
static uint64_t sender_lendable(const struct stream *stream, uint64_t len)
{
	struct outlet_peer peer;

	if (len < SENDER_LEND_MIN || stream_ssl(stream) != NULL)
		return 0;
	outlet_ask_peer(&stream->out, &peer);
	if (peer.unread_max == 0 || len < SENDER_LEND_MIN + peer.unread_max + SENDER_LAST)
		return 0;
	return len - peer.unread_max - SENDER_LAST;
}

/* Divides the body: lent, copied, last. */
void sender_begin(struct sender *sender, struct stream *stream, const struct file *file, uint64_t max_ms)
{
	sender_init(sender);
	if (file->fd < 0)
		return;
	uint64_t len = file->end - file->at;
	sender->file = *file;
	sender->stream = stream;
	sender->max_ms = max_ms;
	sender->lend_end = file->at + sender_lendable(stream, len);
	sender->last = len > SENDER_LAST ? file->end - SENDER_LAST : file->at;
}

/* Is there no file? */
bool sender_is_idle(const struct sender *sender)
{
	return sender->file.fd < 0;
}

/* Is the last piece due but for the client? */
bool sender_is_looking(const struct sender *sender)
{
	return !sender_is_idle(sender) && sender->look_ms > 0;
}

/* Closes the file. */
void sender_drop(struct sender *sender)
{
	if (!sender_is_idle(sender))
		file_close(&sender->file);
}

/* The body can't be completed. */
static enum sender_step sender_fail(struct sender *sender, const char *reason)
{
	sender->reason = reason;
	sender_drop(sender);
	return SENDER_BROKEN;
}

/* Sends a piece of what is before the last one. Returns its length, 0 when the stream takes none now, -1 when
 * it can't be read. */
static long sender_send_piece(struct sender *sender)
{
	struct file *file = &sender->file;
	uint8_t *scratch = sender->stream->loop->scratch;
	uint64_t left = sender->last - file->at;

	if (file->at < sender->lend_end) {
		left = sender->lend_end - file->at;
		long n = stream_send_file(
			sender->stream, file->fd, file->at, left < SENDER_TURN_MAX ? left : SENDER_TURN_MAX);
		if (n >= 0) {
			sender->has_lent = sender->has_lent || n > 0;
			file->at += (uint64_t)n;
			return n;
		}
		/* Not every file system has it; and if the file has become shorter, reading says so. */
		sender->lend_end = file->at;
		left = sender->last - file->at;
	}
	long n = file_read(file, scratch, left < LOOP_SCRATCH ? left : LOOP_SCRATCH);
	if (n <= 0)
		return -1;
	stream_send(sender->stream, scratch, (size_t)n);
	stream_flush(sender->stream);
	return n;
}

/*
 * Has the client acknowledged everything, so that none of what was lent is anywhere any more? No event tells,
 * so it is looked at now and then: less and less often, in proportion to how long it takes. A client that
 * acknowledges nothing for too long, or is gone, breaks it.
 */
static enum sender_step sender_look(struct sender *sender)
{
	struct outlet_peer peer;
	uint64_t now = loop_now(sender->stream->loop), unsent = stream_unsent(sender->stream);

	if (sender->look_ms == 0 || unsent < sender->unsent)
		sender->since = now;
	sender->unsent = unsent;
	if (unsent == 0)
		return SENDER_SENDS;
	outlet_ask_peer(&sender->stream->out, &peer);
	if (peer.is_gone)
		return sender_fail(sender, "client left");
	if (now - sender->since >= sender->max_ms)
		return sender_fail(sender, "client takes nothing");
	sender->look_ms = sender->look_ms == 0 ? SENDER_LOOK_MS : 2 * sender->look_ms;
	if (sender->look_ms > SENDER_LOOK_MAX_MS)
		sender->look_ms = SENDER_LOOK_MAX_MS;
	return SENDER_LOOKS;
}

/*
 * Sends the last piece, if the file is what it was. That is looked at once, when the piece has been read: a
 * change leaves its mark before the first byte is another one, and marks stay; so this one look is about the
 * piece and all before it.
 */
static enum sender_step sender_send_last(struct sender *sender)
{
	uint8_t *scratch = sender->stream->loop->scratch;
	size_t len = (size_t)(sender->file.end - sender->last), have = 0;

	while (have < len) {
		long n = file_read(&sender->file, scratch + have, len - have);
		if (n <= 0)
			return sender_fail(sender, "file became shorter");
		have += (size_t)n;
	}
	if (!file_is_unchanged(&sender->file))
		return sender_fail(sender, "file changed");
	stream_send(sender->stream, scratch, len);
	stream_flush(sender->stream);
	sender_drop(sender);
	return SENDER_IDLE;
}

/* Piece by piece while the stream takes them. One that is broken takes none, and tells its owner itself. */
enum sender_step sender_go(struct sender *sender)
{
	size_t done = 0;

	while (!sender_is_idle(sender) && !stream_has_queue(sender->stream) &&
		!stream_is_shut(sender->stream)) {
		if (sender->file.at == sender->last) {
			enum sender_step step = sender->has_lent ? sender_look(sender) : SENDER_SENDS;
			return step == SENDER_SENDS ? sender_send_last(sender) : step;
		}
		if (done >= SENDER_TURN_MAX) {
			stream_yield(sender->stream);
			break;
		}
		long n = sender_send_piece(sender);
		if (n < 0)
			return sender_fail(sender, "file became shorter");
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return sender_is_idle(sender) ? SENDER_IDLE : SENDER_SENDS;
}
