/*
 * test_deflater: payload as RFC 7692 has it, in whatever pieces a message comes, read back by zlib in one
 * call and by the inflater; sizes of what is handed out, empty pieces, memory that is short.
 */
#include "ws/deflater.h"

#include "ws/inflater.h"

#include "aborts.h"
#include "deflated.h"
#include "failing.h"
#include "guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MAX = 300000, WHOLE = MAX + 1 };

/* Input and work area both end at a page that may not be touched. */
static struct guard in_guard, work_guard;

static int guards_up(void **unused)
{
	(void)unused;
	in_guard = guard_new(MAX);
	work_guard = guard_new(DEFLATER_OUT);
	return 0;
}

static int guards_down(void **unused)
{
	(void)unused;
	guard_free(&in_guard);
	guard_free(&work_guard);
	return 0;
}

/* What was handed out for a message. */
struct frames {
	struct bytes payload;
	unsigned n;
	bool ended;
};

static void frames_take(void *arg, const uint8_t *data, size_t len, bool last)
{
	struct frames *frames = arg;

	assert_true(len >= 1 && len <= DEFLATER_OUT);
	assert_false(frames->ended);
	bytes_add(&frames->payload, data, len);
	frames->n++;
	frames->ended = last;
}

/* Takes a piece, and says what was handed out for it. */
static unsigned piece(
	struct deflater *deflater, const void *data, size_t len, bool last, struct frames *frames)
{
	uint8_t *work = work_guard.map + work_guard.map_len - work_guard.page - DEFLATER_OUT;
	unsigned n = frames->n;

	deflater_piece(deflater, guard_put(&in_guard, data, len), len, last, work, frames_take, frames);
	/* The area is the caller's again. */
	memset(work, 0xaa, DEFLATER_OUT);
	assert_int_equal(frames->ended, last);
	assert_true(deflater->stream != NULL || (last && !deflater->takeover));
	return frames->n - n;
}

/* Takes a message in pieces of that size; with `empty` its end is a piece of its own. */
static struct frames message(struct deflater *deflater, const struct bytes *text, size_t size, bool empty)
{
	struct frames frames = { 0 };
	size_t at = 0;

	assert_int_equal(deflater_begin(deflater), 0);
	for (; text->len - at > size; at += size)
		piece(deflater, text->data + at, size, false, &frames);
	piece(deflater, text->data + at, text->len - at, !empty, &frames);
	if (empty)
		assert_int_equal(piece(deflater, "", 0, true, &frames), 1);
	return frames;
}

/* Reads a payload back with zlib in one call; `before` is what there was of the context, and grows. */
static void expect_zlib(const struct bytes *payload, struct bytes *before, const struct bytes *text)
{
	size_t len = before->len;

	assert_true(zlib_message(payload, before, text->len + 1));
	assert_int_equal(before->len - len, text->len);
	assert_memory_equal(before->data + len, text->data, text->len);
}

/* Reads a payload back with the inflater. */
static void expect_inflater(const struct bytes *payload, struct inflater *inflater, const struct bytes *text)
{
	struct bytes out = { 0 };
	struct inflater_step step = { .in = payload->data, .n_in = payload->len, .last = true };

	bytes_add(&out, NULL, text->len + 1);
	step.out = out.data;
	step.room = out.len;
	assert_int_equal(inflater_step(inflater, &step), 0);
	assert_true(step.ended);
	assert_int_equal(step.n_out, text->len);
	assert_memory_equal(out.data, text->data, text->len);
	bytes_free(&out);
}

/* The payload ends with a part of a block's header, whose bits are 0 (7.2.1): so it does not end with a tail.
 */
static void expect_no_tail(const struct bytes *payload)
{
	assert_true(payload->len > 0 && payload->data[payload->len - 1] < 0x80);
}

/* Expects that payload of a message in one piece, or in two. */
static void expect_payload(
	struct deflater *deflater, const char *first, const char *second, const void *want, size_t want_len)
{
	struct frames frames = { 0 };

	assert_int_equal(deflater_begin(deflater), 0);
	piece(deflater, first, strlen(first), second == NULL, &frames);
	if (second != NULL)
		piece(deflater, second, strlen(second), true, &frames);
	assert_int_equal(frames.payload.len, want_len);
	assert_memory_equal(frames.payload.data, want, want_len);
	bytes_free(&frames.payload);
}

static void test_examples(void **unused)
{
	struct deflater deflater;

	(void)unused;
	for (unsigned level = 1; level <= 9; level++) {
		/* 7.2.3.1, 7.2.3.2 with a context, 7.2.3.6. */
		deflater_init(&deflater, level, 15, true);
		expect_payload(&deflater, "Hello", NULL, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
		expect_payload(&deflater, "Hello", NULL, "\xf2\x00\x11\x00\x00", 5);
		expect_payload(&deflater, "", NULL, "\x00", 1);
		expect_payload(&deflater, "", NULL, "\x00", 1);
		/* 7.2.3.5 Two blocks in one message, an empty one between them. */
		deflater_done(&deflater);
		expect_payload(
			&deflater, "He", "llo", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13);
		deflater_done(&deflater);
		/* Without one. */
		deflater_init(&deflater, level, 9, false);
		expect_payload(&deflater, "Hello", NULL, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
		expect_payload(&deflater, "Hello", NULL, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
		expect_payload(&deflater, "", NULL, "\x00", 1);
		assert_null(deflater.stream);
		deflater_done(&deflater);
	}
}

/* An end of its own is one byte, however much was handed out before; no other piece of no byte gives any. */
static void test_empty_pieces(void **unused)
{
	(void)unused;
	for (int takeover = 0; takeover < 2; takeover++) {
		struct deflater deflater;

		deflater_init(&deflater, 6, 12, takeover);
		for (unsigned i = 0; i < 3; i++) {
			struct frames frames = { 0 };
			assert_int_equal(deflater_begin(&deflater), 0);
			assert_int_equal(piece(&deflater, "Hello", 5, false, &frames), 1);
			assert_memory_equal(
				frames.payload.data + frames.payload.len - 4, "\x00\x00\xff\xff", 4);
			assert_int_equal(piece(&deflater, "", 0, false, &frames), 0);
			assert_int_equal(piece(&deflater, "", 0, false, &frames), 0);
			size_t len = frames.payload.len;
			assert_int_equal(piece(&deflater, "", 0, true, &frames), 1);
			assert_int_equal(frames.payload.len, len + 1);
			expect_no_tail(&frames.payload);
			bytes_free(&frames.payload);
		}
		/* The first pieces may be of no byte as well. */
		struct frames frames = { 0 };
		struct bytes text = { 0 }, hello = { (uint8_t *)"Hello", 5, 5 };
		assert_int_equal(deflater_begin(&deflater), 0);
		assert_int_equal(piece(&deflater, "", 0, false, &frames), 0);
		assert_int_equal(piece(&deflater, "", 0, false, &frames), 0);
		assert_int_equal(piece(&deflater, "Hello", 5, true, &frames), 1);
		bytes_add(&text, "Hello", 5);
		if (!takeover)
			text.len = 0;
		expect_zlib(&frames.payload, &text, &hello);
		bytes_free(&frames.payload);
		bytes_free(&text);
		deflater_done(&deflater);
		deflater_done(&deflater);
		/* ... and all of them, with whatever was kept. */
		frames = (struct frames){ 0 };
		assert_int_equal(deflater_begin(&deflater), 0);
		assert_int_equal(piece(&deflater, "", 0, false, &frames), 0);
		assert_int_equal(piece(&deflater, "", 0, true, &frames), 1);
		assert_int_equal(frames.payload.len, 1);
		assert_int_equal(frames.payload.data[0], 0);
		bytes_free(&frames.payload);
		deflater_done(&deflater);
	}
}

/* Text, noise, or zeros. */
static struct bytes some_bytes(unsigned kind, size_t len)
{
	struct bytes zeros = { 0 };

	if (kind == 0)
		return bytes_text(len);
	if (kind == 1)
		return bytes_noise(len, len);
	bytes_add(&zeros, NULL, len);
	return zeros;
}

/* Sends three messages of one context or of none, and reads them back in both ways. */
static void round_trip(unsigned level, unsigned bits, bool takeover, const struct bytes *text, size_t size)
{
	struct deflater deflater;
	struct inflater inflater;
	struct bytes before = { 0 };

	deflater_init(&deflater, level, bits, takeover);
	inflater_init(&inflater, bits, takeover);
	for (unsigned i = 0; i < 3; i++) {
		struct frames frames = message(&deflater, text, size, i == 1);
		expect_no_tail(&frames.payload);
		before.len = takeover ? before.len : 0;
		expect_zlib(&frames.payload, &before, text);
		expect_inflater(&frames.payload, &inflater, text);
		bytes_free(&frames.payload);
	}
	deflater_done(&deflater);
	inflater_done(&inflater);
	bytes_free(&before);
}

static void test_round_trips(void **unused)
{
	static const size_t lens[] = { 0, 1, 4096, 65537 };
	static const size_t sizes[] = { 1, 100, 4096, WHOLE };

	(void)unused;
	for (unsigned i = 0; i < 9 * 7 * 2; i++) {
		unsigned level = i / 14 + 1, bits = i / 2 % 7 + 9;
		for (unsigned k = 0; k < 4; k++) {
			/* Every kind of data for each length and size, spread over levels and windows. */
			struct bytes text = some_bytes((i / 2 + k) % 3, lens[k]);
			size_t size = k == 3 && i % 4 == 0 ? 4096 : sizes[i % 4];
			round_trip(level, bits, i % 2 == 0, &text, size);
			bytes_free(&text);
		}
	}
}

/* Each length around a full work area of data that does not get smaller, the end a piece of its own or not;
 * with the larger window a flush leaves every number of bytes free, with the smaller one it steps over the
 * edge. */
static void test_sizes(void **unused)
{
	struct bytes noise = bytes_noise(2 * DEFLATER_OUT + 100, 9);
	unsigned n_full = 0, n_near = 0;

	(void)unused;
	for (unsigned i = 0; i < 2 * 2 * 150; i++) {
		unsigned n = i % 2 + 1, bits = i / 2 % 2 ? 15 : 9;
		size_t len = n * DEFLATER_OUT - 120 + i / 4;

		for (int empty = 0; empty < 2; empty++) {
			struct deflater deflater;
			struct bytes text = { noise.data, len, len }, before = { 0 };

			deflater_init(&deflater, 1, bits, false);
			struct frames frames = message(&deflater, &text, WHOLE, empty != 0);
			n_full += frames.n > n;
			/* Two bytes are left with the tail, or one. With none zlib repeats the flush. */
			n_near += !empty && frames.payload.len + 6 - DEFLATER_OUT <= 1;
			expect_no_tail(&frames.payload);
			expect_zlib(&frames.payload, &before, &text);
			assert_true(frames.payload.len < len + len / 32 + 40);
			bytes_free(&frames.payload);
			bytes_free(&before);
		}
	}
	assert_true(n_full > 0);
	assert_int_equal(n_near, 2);
	bytes_free(&noise);
}

/* All of a piece is there before the next one comes: an inflater that has the frames so far has the text. */
static void test_nothing_waits(void **unused)
{
	struct bytes text = bytes_text(20000);
	struct deflater deflater;
	struct frames frames = { 0 };
	uint8_t out[1000];
	struct inflater inflater;
	size_t seen = 0;

	(void)unused;
	deflater_init(&deflater, 9, 15, false);
	inflater_init(&inflater, 15, false);
	assert_int_equal(deflater_begin(&deflater), 0);
	for (size_t at = 0, len = 1; at < text.len; at += len, len = len * 3 % 997 + 1) {
		len = len < text.len - at ? len : text.len - at;
		piece(&deflater, text.data + at, len, false, &frames);
		struct inflater_step step = { .in = frames.payload.data + seen,
			.n_in = frames.payload.len - seen,
			.out = out,
			.room = sizeof(out) };
		seen = frames.payload.len;
		assert_int_equal(inflater_step(&inflater, &step), 0);
		assert_int_equal(step.n_out, len);
		assert_memory_equal(out, text.data + at, len);
	}
	inflater_done(&inflater);
	deflater_done(&deflater); /* within a message */
	bytes_free(&frames.payload);
	bytes_free(&text);
}

/* The state is as large as the header says. */
static void test_size_of_state(void **unused)
{
	(void)unused;
	for (unsigned bits = 9; bits <= 15; bits++) {
		struct deflater deflater;

		deflater_init(&deflater, 1, bits, false);
		failing_bytes = 0;
		assert_int_equal(deflater_begin(&deflater), 0);
		assert_in_range(failing_bytes, 8u << bits, (8u << bits) + 6144);
		deflater_done(&deflater);
	}
}

static void begin_with(const void *bits)
{
	struct deflater deflater;

	deflater_init(&deflater, 1, *(const unsigned *)bits, false);
	if (deflater_begin(&deflater) == 0)
		deflater_done(&deflater);
}

static void piece_with(const void *len)
{
	struct deflater deflater;
	struct frames frames = { 0 };
	uint8_t work[DEFLATER_OUT];

	deflater_init(&deflater, 1, 9, false);
	if (deflater_begin(&deflater) == 0)
		deflater_piece(&deflater, NULL, *(const size_t *)len, true, work, frames_take, &frames);
	bytes_free(&frames.payload);
}

/* What zlib has no window for was never agreed, and what it can't count is no piece. */
static void test_not_for_zlib(void **unused)
{
	(void)unused;
	assert_false(aborts(piece_with, &(size_t){ 0 }));
	assert_true(aborts(piece_with, &(size_t){ (size_t)UINT32_MAX + 1 }));
	assert_true(aborts(begin_with, &(unsigned){ 8 }));
	assert_false(aborts(begin_with, &(unsigned){ 9 }));
	assert_false(aborts(begin_with, &(unsigned){ 15 }));
	assert_true(aborts(begin_with, &(unsigned){ 16 }));
}

/* Short memory is told before a message begins, and never later. */
static void test_memory(void **unused)
{
	(void)unused;
	for (int takeover = 0; takeover < 2; takeover++) {
		struct deflater deflater;
		struct bytes text = bytes_text(100);
		unsigned n;

		deflater_init(&deflater, 6, 10, takeover);
		failing_on = true;
		failing_at = failing_count = 0;
		assert_int_equal(deflater_begin(&deflater), 0);
		n = failing_count;
		assert_true(n >= 5);
		deflater_done(&deflater);
		for (unsigned at = 1; at <= n; at++) {
			failing_at = at;
			failing_count = 0;
			assert_int_equal(deflater_begin(&deflater), -ENOMEM);
			assert_null(deflater.stream);
		}
		/* The next message finds memory again; from then on none is needed. */
		failing_at = failing_count = 0;
		struct frames frames = message(&deflater, &text, WHOLE, false);
		assert_int_equal(deflater.stream != NULL, takeover);
		if (takeover)
			assert_int_equal(deflater_begin(&deflater), 0);
		assert_true(failing_count <= n + 1);
		failing_on = false;
		deflater_done(&deflater);
		bytes_free(&frames.payload);
		bytes_free(&text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_empty_pieces),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_nothing_waits),
		cmocka_unit_test(test_size_of_state),
		cmocka_unit_test(test_not_for_zlib),
		cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests(tests, guards_up, guards_down);
}
