/*
 * inflater: the receiving half of permessage-deflate (RFC 7692). Owns zlib's state for the message that is
 * being read, and the window between two of them. Knows neither frames nor limits. Pure, on every thread.
 */
#include "ws/inflater.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
	INFLATER_WINDOW_BITS = 15, /* of zlib's state, which lives no longer than a message */
	INFLATER_WINDOW_MIN = 9,   /* zlib's deflate makes 9 of 8 */
	INFLATER_AT_BLOCK = 128	   /* z_stream.data_type: between two blocks; plus bits that were not used */
};

/* Begins without a context. */
void inflater_init(struct inflater *inflater, unsigned window_bits, bool takeover)
{
	unsigned bits = window_bits < INFLATER_WINDOW_MIN ? INFLATER_WINDOW_MIN : window_bits;

	*inflater = (struct inflater){ .window_bits = (uint8_t)bits, .takeover = takeover };
}

/* Frees zlib's state. */
static void inflater_free_stream(struct inflater *inflater)
{
	if (inflater->stream != NULL)
		inflateEnd(inflater->stream);
	free(inflater->stream);
	inflater->stream = NULL;
}

/* Forgets the messages before. */
static void inflater_free_window(struct inflater *inflater)
{
	free(inflater->window);
	inflater->window = NULL;
	inflater->n_window = 0;
}

/* Frees what is kept. */
void inflater_done(struct inflater *inflater)
{
	inflater_free_stream(inflater);
	inflater_free_window(inflater);
}

/* Makes zlib's state for a message, with the window of those before. */
static int inflater_begin(struct inflater *inflater)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return INFLATER_NO_MEMORY;
	if (inflateInit2(stream, -INFLATER_WINDOW_BITS) != Z_OK) {
		free(stream);
		return INFLATER_NO_MEMORY;
	}
	inflater->stream = stream;
	inflater->in_message = inflater->fresh = true;
	if (inflater->window != NULL &&
		inflateSetDictionary(stream, inflater->window, inflater->n_window) != Z_OK)
		return INFLATER_NO_MEMORY;
	inflater_free_window(inflater);
	return 0;
}

/* Keeps as much of the window as the peer may refer to: a tenth of what zlib's state takes, or less. */
static int inflater_keep_window(struct inflater *inflater)
{
	unsigned keep = 1u << inflater->window_bits, have = 0;

	inflateGetDictionary(inflater->stream, NULL, &have);
	if (have == 0)
		return 0;
	inflater->window = malloc(have);
	if (inflater->window == NULL)
		return INFLATER_NO_MEMORY;
	inflateGetDictionary(inflater->stream, inflater->window, &have);
	inflater->n_window = have;
	if (have > keep) {
		memmove(inflater->window, inflater->window + have - keep, keep);
		uint8_t *smaller = realloc(inflater->window, keep);
		inflater->window = smaller != NULL ? smaller : inflater->window;
		inflater->n_window = keep;
	}
	return 0;
}

/*
 * Has zlib read some input, and behind the end of a block stream (BFINAL) begin another one at the next byte.
 * inflateResetKeep() leaves the window as it is, which inflateReset() does not.
 */
static int inflater_read(
	struct inflater *inflater, const uint8_t **in, size_t *n_in, struct inflater_step *step)
{
	z_stream *stream = inflater->stream;
	size_t room = step->room - step->n_out;
	uInt given = *n_in < UINT_MAX ? (uInt)*n_in : UINT_MAX;
	uInt offered = room < UINT_MAX ? (uInt)room : UINT_MAX;

	stream->next_in = (z_const Bytef *)*in;
	stream->avail_in = given;
	stream->next_out = step->out + step->n_out;
	stream->avail_out = offered;
	int status = inflate(stream, Z_SYNC_FLUSH);
	uInt used = given - stream->avail_in;
	*in += used;
	*n_in -= used;
	step->n_out += offered - stream->avail_out;
	if (used > 0)
		inflater->fresh = false;
	if (status == Z_STREAM_END) {
		inflater->fresh = true;
		status = inflateResetKeep(stream);
	}
	if (status == Z_MEM_ERROR)
		return INFLATER_NO_MEMORY;
	return status == Z_OK || status == Z_BUF_ERROR ? 0 : INFLATER_BAD_DATA;
}

/* Reads the four bytes that the sender left out, when there is a block for them to end. What zlib says that
 * they mean besides that is not in the message. */
static int inflater_read_tail(struct inflater *inflater, struct inflater_step *step)
{
	static const uint8_t tail[] = { 0x00, 0x00, 0xff, 0xff };
	const uint8_t *in = tail;
	size_t n_in = inflater->fresh ? 0 : sizeof(tail), n_out = step->n_out;
	int status = 0;

	while (status == 0 && n_in > 0 && step->n_out == n_out)
		status = inflater_read(inflater, &in, &n_in, step);
	bool data = step->n_out != n_out;
	step->n_out = n_out;
	if (status != 0)
		return status;
	return !data && (inflater->fresh || inflater->stream->data_type == INFLATER_AT_BLOCK)
		       ? 0
		       : INFLATER_BAD_DATA;
}

/* Ends the message. */
static int inflater_end(struct inflater *inflater, struct inflater_step *step)
{
	int status = inflater_read_tail(inflater, step);

	if (status == 0 && inflater->takeover)
		status = inflater_keep_window(inflater);
	if (status != 0)
		return status;
	inflater_free_stream(inflater);
	inflater->in_message = false;
	step->ended = true;
	return 0;
}

/* Reads payload until there is none, or no room. zlib has written all that it can when some room is left. */
int inflater_step(struct inflater *inflater, struct inflater_step *step)
{
	int status = 0;

	step->n_out = 0;
	step->more = step->ended = false;
	if (!inflater->in_message) {
		step->ended = step->n_in == 0 && step->last;
		if (step->n_in > 0)
			status = inflater_begin(inflater);
		if (step->n_in == 0 || status != 0)
			return status;
	}
	do {
		status = inflater_read(inflater, &step->in, &step->n_in, step);
		if (status != 0)
			return status;
		step->more = inflater->stream->avail_out == 0;
	} while (step->n_in > 0 && !step->more);
	return step->last && !step->more ? inflater_end(inflater, step) : 0;
}
