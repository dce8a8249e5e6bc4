/*
 * deflater: the sending half of permessage-deflate (RFC 7692). Owns zlib's state for the message that is
 * being written, or for the connection when the context is taken over. Knows neither frames nor thresholds.
 * Pure, on every thread.
 */
#include "ws/deflater.h"

#include "base/must.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
	DEFLATER_TAIL = 4, /* 00 00 ff ff, the end of every flush */
	/* zlib takes 2^(window_bits + 2) bytes for the window and 2^(memLevel + 9) for the rest (zconf.h):
	 * this makes the two equal, as zlib's own defaults 15 and 8 are. */
	DEFLATER_MEM_LEVEL_OFF = 7
};

/* Begins without a context. */
void deflater_init(struct deflater *deflater, unsigned level, unsigned window_bits, bool takeover)
{
	*deflater = (struct deflater){
		.level = (uint8_t)level, .window_bits = (uint8_t)window_bits, .takeover = takeover
	};
}

/* Frees zlib's state. */
void deflater_done(struct deflater *deflater)
{
	if (deflater->stream != NULL)
		deflateEnd(deflater->stream);
	free(deflater->stream);
	deflater->stream = NULL;
}

/* Makes zlib's state unless it was kept. */
int deflater_begin(struct deflater *deflater)
{
	if (deflater->stream != NULL)
		return 0;
	z_stream *stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return -ENOMEM;
	int status = deflateInit2(stream, deflater->level, Z_DEFLATED, -deflater->window_bits,
		deflater->window_bits - DEFLATER_MEM_LEVEL_OFF, Z_DEFAULT_STRATEGY);
	must(status == Z_OK || status == Z_MEM_ERROR);
	if (status != Z_OK) {
		free(stream);
		return -ENOMEM;
	}
	deflater->stream = stream;
	return 0;
}

/*
 * Compresses the piece up to a flush, and passes on what does not fit into `work`. Four bytes always stay in
 * it, since the four that come last may have to be left out. Returns how many bytes are there at the end.
 * When the flush just filled `work` zlib repeats it: another empty block, which is allowed anywhere.
 */
static size_t deflater_flush(
	struct deflater *deflater, uint8_t work[static DEFLATER_OUT], deflater_out_fn out, void *arg)
{
	z_stream *stream = deflater->stream;
	size_t held = 0;

	for (;;) {
		stream->next_out = work + held;
		stream->avail_out = (uInt)(DEFLATER_OUT - held);
		/* Z_BUF_ERROR: no input, and the piece before was flushed already. */
		int status = deflate(stream, Z_SYNC_FLUSH);
		must(status == Z_OK || status == Z_BUF_ERROR);
		if (stream->avail_out > 0)
			return DEFLATER_OUT - stream->avail_out;
		out(arg, work, DEFLATER_OUT - DEFLATER_TAIL, false);
		memmove(work, work + DEFLATER_OUT - DEFLATER_TAIL, DEFLATER_TAIL);
		held = DEFLATER_TAIL;
	}
}

/* Passes on the end of a message, without its tail. */
static void deflater_finish(struct deflater *deflater, uint8_t work[static DEFLATER_OUT], size_t len,
	deflater_out_fn out, void *arg)
{
	static const uint8_t empty[] = { 0x00 };

	if (len == 0) /* the pieces before took the tail along: an empty block more (7.2.3.6) */
		out(arg, empty, sizeof(empty), true);
	else
		out(arg, work, len - DEFLATER_TAIL, true);
	if (!deflater->takeover)
		deflater_done(deflater);
}

/* Compresses a piece. */
void deflater_piece(struct deflater *deflater, const uint8_t *data, size_t len, bool last,
	uint8_t work[static DEFLATER_OUT], deflater_out_fn out, void *arg)
{
	must(len <= UINT_MAX); /* zlib counts in 32 bits */
	if (len == 0 && !last) /* zlib begins its output with an empty block, if that is asked of it */
		return;
	deflater->stream->next_in = (z_const Bytef *)data;
	deflater->stream->avail_in = (uInt)len;
	size_t n = deflater_flush(deflater, work, out, arg);
	if (last)
		deflater_finish(deflater, work, n, out, arg);
	else
		out(arg, work, n, false);
}
