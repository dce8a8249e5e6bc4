/*
 * channel: a backend's stream, with the framing between it and the bridge.
 *
 * Owns the stream and both framing states. Knows nothing of how the backend was reached or ends. Runs on its
 * loop's thread.
 */
#include "backend/channel.h"

#include "ws/message.h"

#include <errno.h>

/* A piece of the backend's output goes to whoever holds the endpoint. */
static int channel_on_piece(void *arg, const struct piece *piece)
{
	struct channel *channel = arg;
	channel->n_pieces++;
	if (channel->hooks->on_piece != NULL)
		return channel->hooks->on_piece(channel->endpoint, piece);
	channel->endpoint->hooks->on_piece(channel->endpoint->arg, piece);
	return 0; /* a visitor may be told all */
}

/* Encoded bytes go to the backend. */
static int channel_on_bytes(void *arg, const uint8_t *data, size_t len)
{
	struct channel *channel = arg;
	channel->half = true;
	stream_send(&channel->stream, data, len);
	return 0;
}

/* Stops and says why. */
static void channel_fail(struct channel *channel, int error)
{
	stream_allow(&channel->stream, 0);
	channel->muted = true;
	channel->hooks->on_bad(channel->endpoint, framing_reason(&channel->decoder.rules, error));
}

/* Output of the backend. */
static void channel_on_data(void *arg, uint8_t *data, size_t len)
{
	struct channel *channel = arg;
	struct endpoint *endpoint = channel->endpoint;

	channel->n_output += len;
	if (!channel->muted) {
		channel->n_pieces = 0;
		int error = framing_decode(&channel->decoder, data, len, channel_on_piece, channel);
		pace_after(&channel->pace, len, channel->n_pieces);
		endpoint->hooks->on_flush(endpoint->arg);
		if (error < 0) {
			channel_fail(channel, error);
			return;
		}
	}
	channel->hooks->on_output(endpoint);
}

/* Queued input went to the backend. */
static void channel_on_sent(void *arg)
{
	struct channel *channel = arg;
	channel->endpoint->hooks->on_sent(channel->endpoint->arg);
	if (channel->hooks->on_input != NULL)
		channel->hooks->on_input(channel->endpoint);
}

/* The end of its output: what the framing held back goes out, unless the output was cut off. */
static void channel_on_eof(void *arg, int error)
{
	struct channel *channel = arg;
	struct endpoint *endpoint = channel->endpoint;

	if (error == 0 && !channel->muted) {
		int bad = framing_decode_end(&channel->decoder, channel_on_piece, channel);
		endpoint->hooks->on_flush(endpoint->arg);
		if (bad < 0 && !(bad == FRAMING_CUT_RECORD && channel->leaving)) {
			channel_fail(channel, bad);
			return;
		}
	}
	channel->hooks->on_eof(endpoint, error);
}

/* Takes what came so far for the whole. */
void channel_end(struct channel *channel)
{
	channel->over = true;
	stream_allow(&channel->stream, 0);
	channel_on_eof(channel, 0);
}

/* It reads no more. */
static void channel_on_broken(void *arg, int error)
{
	struct channel *channel = arg;
	channel->endpoint->hooks->on_sent(channel->endpoint->arg); /* the queue is gone */
	if (error == ENOMEM) /* it would have taken more: an end, not its choice */
		channel_fail(channel, FRAMING_NO_MEMORY);
	else
		channel->hooks->on_broken(channel->endpoint, error);
}

static const struct stream_hooks channel_stream_hooks = {
	.on_data = channel_on_data,
	.on_sent = channel_on_sent,
	.on_eof = channel_on_eof,
	.on_broken = channel_on_broken,
};

/* A channel without descriptors. */
void channel_init(struct channel *channel, struct endpoint *endpoint, const struct framing_rules *rules,
	const struct channel_hooks *hooks)
{
	channel->endpoint = endpoint;
	channel->hooks = hooks;
	channel->muted = channel->leaving = channel->over = false;
	channel->n_output = 0;
	channel->eof_message = channel->empty = channel->half = false;
	channel->stream = (struct stream){
		.loop = endpoint->loop, .rfd = -1, .out.fd = -1, .write = STREAM_WRITE_SHUT
	};
	channel->n_pieces = 0;
	pace_init(&channel->pace, rules->framing == FRAMING_STREAM || rules->framing == FRAMING_TEXT_STREAM ||
					  rules->framing == FRAMING_BASE64);
	framing_encoder_init(&channel->encoder, rules);
	framing_decoder_init(&channel->decoder, rules);
}

/* Begins to read. */
void channel_open(struct channel *channel, int rfd, int wfd)
{
	stream_open(&channel->stream, channel->endpoint->loop, rfd, wfd, &channel_stream_hooks, channel);
}

/* Takes the stream as it is. */
void channel_join(struct channel *channel)
{
	stream_set_hooks(&channel->stream, &channel_stream_hooks, channel);
}

/* Closes it; in any state, more than once. */
void channel_done(struct channel *channel)
{
	stream_close(&channel->stream);
	framing_encoder_done(&channel->encoder);
	framing_decoder_done(&channel->decoder);
}

/* A piece becomes bytes for the backend. */
static int channel_encode(struct channel *channel, const struct piece *piece)
{
	int rc = framing_encode(&channel->encoder, piece, channel_on_bytes, channel);
	channel->half = channel->half && !piece->last;
	if (rc == FRAMING_NEWLINE)
		return CLOSE_POLICY;
	if (rc == FRAMING_NOT_BASE64)
		return CLOSE_BAD_DATA;
	if (rc < 0)
		stream_break(&channel->stream, ENOMEM);
	return 0;
}

/* A piece for the backend. With eof_message a message is held back until there is a byte of it; when there is
 * none, it is the end of the input. */
int channel_send(struct channel *channel, const struct piece *piece)
{
	struct piece part = *piece;

	if (channel->stream.write != STREAM_WRITE_OPEN)
		return 0;
	part.first |= channel->empty;
	channel->empty = channel->eof_message && part.first && part.len == 0 && !part.last;
	if (channel->empty)
		return 0;
	if (!channel->eof_message || !part.first || part.len > 0)
		return channel_encode(channel, &part);
	stream_finish(&channel->stream);
	return 0;
}

/* What was sent in this turn leaves. */
void channel_flush(struct channel *channel)
{
	stream_flush(&channel->stream);
}

/* Memory of what the backend has not taken. */
size_t channel_queued(const struct channel *channel)
{
	return stream_queued(&channel->stream);
}

/* Sets how much is read at once. */
void channel_allow(struct channel *channel, size_t max)
{
	if (!channel->muted && !channel->over)
		stream_allow(&channel->stream, max < channel->pace.most ? max : channel->pace.most);
}

/* Expects the end. */
void channel_leave(struct channel *channel)
{
	channel->leaving = true;
}

/* Throws the output away from now on. */
void channel_mute(struct channel *channel)
{
	channel->muted = true;
	stream_allow(&channel->stream, LOOP_SCRATCH);
}
