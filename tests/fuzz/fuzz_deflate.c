/*
 * fuzz_deflate: a sequence of compressed messages means the same in whatever pieces it comes and rooms it
 * goes, and what zlib makes of each message in one call; a message that was compressed in any pieces comes
 * back from zlib in one call and from the inflater. Input: a byte that says which of the two, one each for
 * window and level, four that deal pieces and rooms; then messages, two bytes of length in front of each.
 */
#include "ws/deflater.h"
#include "ws/inflater.h"

#include "../unit/deflated.h"

#include <stdlib.h>
#include <string.h>

enum { MAX = 1 << 17, HEAD = 7 }; /* MAX: no bomb is looked at further */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run with a report when the property doesn't hold. */
static void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

/* Deals a number from 1 to max, often a small one. */
static size_t fuzz_deal(uint32_t *dice, size_t max)
{
	*dice = *dice * 1664525 + 1013904223;
	size_t most = *dice >> 8 & 3 ? 1 + (*dice >> 10 & 15) : max;
	return 1 + (*dice >> 14) % (most < max ? most : max);
}

/* Takes the next message off the input. */
static bool fuzz_message(const uint8_t **data, size_t *size, struct bytes *message)
{
	if (*size < 2)
		return false;
	size_t len = (size_t)((*data)[0] | (*data)[1] << 8);
	*data += 2;
	*size -= 2;
	len = len < *size ? len : *size;
	message->len = 0;
	bytes_add(message, *data, len);
	*data += len;
	*size -= len;
	return true;
}

/* Inflates a message in pieces and rooms that are dealt, or all in one when there is no dice. Each step has
 * memory of its own, for the sanitizer to see what is read and written beside it. */
static int fuzz_inflate(
	struct inflater *inflater, const struct bytes *payload, uint32_t *dice, struct bytes *out)
{
	size_t at = 0;
	bool last = false;
	int status = 0;

	while (status == 0 && !last) {
		size_t len = dice != NULL ? fuzz_deal(dice, payload->len + 2) - 1 : payload->len;
		len = len < payload->len - at ? len : payload->len - at;
		last = at + len == payload->len && (dice == NULL || fuzz_deal(dice, 4) < 4);
		uint8_t *piece = malloc(len + 1);
		memcpy(piece + 1, payload->data + at, len);
		at += len;
		struct inflater_step step = { .in = piece + 1, .n_in = len, .last = last };
		do {
			step.room = dice != NULL ? fuzz_deal(dice, 2000) : MAX + 1;
			step.out = malloc(step.room);
			status = inflater_step(inflater, &step);
			fuzz_check(step.n_out <= step.room);
			bytes_add(out, step.out, step.n_out);
			free(step.out);
			fuzz_check(status != 0 || step.more || (step.n_in == 0 && step.ended == last));
			fuzz_check(!step.more || (status == 0 && !step.ended));
		} while (status == 0 && step.more && out->len <= MAX);
		free(piece);
		if (out->len > MAX)
			return 0;
	}
	return status;
}

/* Keeps what the next message may refer to. */
static void fuzz_keep(struct bytes *window, bool takeover, unsigned bits)
{
	size_t keep = takeover ? (size_t)1 << (bits < 9 ? 9 : bits) : 0;

	if (window->len > keep) {
		memmove(window->data, window->data + window->len - keep, keep);
		window->len = keep;
	}
}

/* Any bytes as messages: two ways to split, and zlib. */
static void fuzz_received(unsigned bits, bool takeover, uint32_t dice, const uint8_t *data, size_t size)
{
	struct inflater whole, parts;
	struct bytes payload = { 0 }, window = { 0 };
	bool going = true;

	inflater_init(&whole, bits, takeover);
	inflater_init(&parts, bits, takeover);
	while (going && fuzz_message(&data, &size, &payload)) {
		struct bytes one = { 0 }, two = { 0 };
		size_t before = window.len;
		int status = fuzz_inflate(&whole, &payload, NULL, &one);
		int again = fuzz_inflate(&parts, &payload, &dice, &two);
		bool good = zlib_message(&payload, &window, MAX + 1);

		size_t len = one.len < two.len ? one.len : two.len;
		fuzz_check(len == window.len - before || len > MAX);
		fuzz_check(len == 0 || memcmp(one.data, two.data, len) == 0);
		len = len < window.len - before ? len : window.len - before;
		fuzz_check(len == 0 || memcmp(one.data, window.data + before, len) == 0);
		going = good && len <= MAX;
		if (len <= MAX) {
			fuzz_check(one.len == two.len);
			fuzz_check(status == again && status == (good ? 0 : INFLATER_BAD_DATA));
		}
		fuzz_keep(&window, takeover, bits);
		bytes_free(&one);
		bytes_free(&two);
	}
	inflater_done(&whole);
	inflater_done(&parts);
	bytes_free(&payload);
	bytes_free(&window);
}

/* Where frames go. */
struct fuzz_frames {
	struct bytes payload;
	bool ended;
};

static void fuzz_frame(void *arg, const uint8_t *data, size_t len, bool last)
{
	struct fuzz_frames *frames = arg;

	fuzz_check(len >= 1 && len <= DEFLATER_OUT && !frames->ended);
	bytes_add(&frames->payload, data, len);
	frames->ended = last;
}

/* Compresses a message in pieces that are dealt; some are empty. */
static void fuzz_deflate(
	struct deflater *deflater, const struct bytes *text, uint32_t *dice, struct fuzz_frames *frames)
{
	uint8_t *work = malloc(DEFLATER_OUT);
	size_t at = 0;

	*frames = (struct fuzz_frames){ 0 };
	fuzz_check(deflater_begin(deflater) == 0);
	while (!frames->ended) {
		size_t len = fuzz_deal(dice, text->len + 2) - 1;
		len = len < text->len - at ? len : text->len - at;
		bool last = at + len == text->len && fuzz_deal(dice, 4) < 4;
		uint8_t *piece = malloc(len + 1);
		memcpy(piece + 1, text->data + at, len);
		deflater_piece(deflater, piece + 1, len, last, work, fuzz_frame, frames);
		free(piece);
		at += len;
		fuzz_check(frames->ended == last);
	}
	free(work);
}

/* Makes a message longer, by itself and by what has no order. */
static void fuzz_grow(struct bytes *text, uint32_t *dice)
{
	size_t len = text->len;

	for (size_t n = fuzz_deal(dice, 100); n > 1; n--)
		bytes_add(text, text->data, len);
	if (fuzz_deal(dice, 5) == 1) {
		struct bytes noise = bytes_noise(fuzz_deal(dice, 40000), *dice);
		bytes_add(text, noise.data, noise.len);
		bytes_free(&noise);
	}
	text->len = text->len <= MAX / 2 ? text->len : MAX / 2;
}

/* Any messages there and back. */
static void fuzz_sent(
	unsigned level, unsigned bits, bool takeover, uint32_t dice, const uint8_t *data, size_t size)
{
	struct deflater deflater;
	struct inflater inflater;
	struct bytes text = { 0 }, window = { 0 };

	deflater_init(&deflater, level, bits, takeover);
	inflater_init(&inflater, bits, takeover);
	for (unsigned n = 0; n < 16 && fuzz_message(&data, &size, &text); n++) {
		struct fuzz_frames frames;
		struct bytes out = { 0 };
		size_t before = window.len;

		fuzz_grow(&text, &dice);
		fuzz_deflate(&deflater, &text, &dice, &frames);
		/* It ends with bits of a block's header, which are 0 (7.2.1). */
		fuzz_check(frames.payload.data[frames.payload.len - 1] < 0x80);
		fuzz_check(zlib_message(&frames.payload, &window, text.len + 1));
		fuzz_check(window.len - before == text.len);
		fuzz_check(text.len == 0 || memcmp(window.data + before, text.data, text.len) == 0);
		fuzz_check(fuzz_inflate(&inflater, &frames.payload, &dice, &out) == 0);
		fuzz_check(out.len == text.len);
		fuzz_check(out.len == 0 || memcmp(out.data, text.data, out.len) == 0);
		fuzz_check(takeover || (deflater.stream == NULL && inflater.window == NULL));
		fuzz_keep(&window, takeover, bits);
		bytes_free(&frames.payload);
		bytes_free(&out);
	}
	deflater_done(&deflater);
	inflater_done(&inflater);
	bytes_free(&text);
	bytes_free(&window);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t dice;

	if (size < HEAD)
		return 0;
	memcpy(&dice, data + 3, sizeof(dice));
	bool takeover = (data[0] & 2) != 0;
	if ((data[0] & 1) == 0)
		fuzz_received(8 + data[1] % 8u, takeover, dice, data + HEAD, size - HEAD);
	else
		fuzz_sent(1 + data[2] % 9u, 9 + data[1] % 7u, takeover, dice, data + HEAD, size - HEAD);
	return 0;
}
