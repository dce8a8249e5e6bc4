/*
 * test_inflater: the examples of RFC 7692, whole and at every split into every room; bad data, blocks with
 * BFINAL, windows from message to message, bombs, and memory that is short.
 */
#include "ws/inflater.h"

#include "deflated.h"
#include "failing.h"
#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ROOM = 16384, GUARD = 1 << 20 };

/* Input and room both end at a page that may not be touched. */
static struct guard in_guard, out_guard;

static int guards_up(void **unused)
{
	(void)unused;
	in_guard = guard_new(GUARD);
	out_guard = guard_new(ROOM);
	return 0;
}

static int guards_down(void **unused)
{
	(void)unused;
	guard_free(&in_guard);
	guard_free(&out_guard);
	return 0;
}

/* Gives one piece of a message, and takes what comes of it; checks what each step says of itself. */
static int give(
	struct inflater *inflater, const uint8_t *data, size_t len, bool last, size_t room, struct bytes *out)
{
	struct inflater_step step = { .in = guard_put(&in_guard, data, len), .n_in = len, .last = last };
	int status;

	step.out = out_guard.map + out_guard.map_len - out_guard.page - room;
	step.room = room;
	do {
		const uint8_t *in = step.in;
		size_t n_in = step.n_in;
		failing_on = true;
		status = inflater_step(inflater, &step);
		failing_on = false;
		assert_true(step.n_out <= room && step.n_in <= n_in && step.in == in + (n_in - step.n_in));
		bytes_add(out, step.out, step.n_out);
		if (status != 0)
			break;
		assert_true(step.n_in == 0 || step.more);
		assert_true(!step.more || (step.n_out == room && !step.ended));
		assert_true(step.more || step.ended == last);
		assert_true(!step.ended || (!inflater->in_message && inflater->stream == NULL));
	} while (step.more);
	if (status != 0) {
		assert_false(step.more);
		assert_false(step.ended);
	}
	return status;
}

/* Gives a message in pieces: one of `first` bytes, then of `next` bytes each, the last one maybe empty. */
static int give_parts(struct inflater *inflater, const uint8_t *data, size_t len, size_t first, size_t next,
	size_t room, struct bytes *out)
{
	size_t n = first;
	int status = 0;

	for (; n < len && status == 0; n = next) {
		status = give(inflater, data, n, false, room, out);
		data += n;
		len -= n;
	}
	return status != 0 ? status : give(inflater, data, len, true, room, out);
}

/* A message, and what has to come of it after the one before it. */
struct example {
	const char *payload;
	size_t len;
	const char *before; /* the payload of the message before, NULL when there is none */
	size_t before_len;
	bool takeover;
	int status;
	const char *want;
	size_t want_len;
};

#define BYTES(text) (text), sizeof(text) - 1
#define HELLO	    "\xf2\x48\xcd\xc9\xc9\x07\x00"

static const struct example examples[] = {
	/* 7.2.3.1 A message compressed using one DEFLATE block. */
	{ BYTES(HELLO), NULL, 0, false, 0, BYTES("Hello") },
	{ BYTES(HELLO), NULL, 0, true, 0, BYTES("Hello") },
	/* 7.2.3.2 Sharing the LZ77 window. */
	{ BYTES("\xf2\x00\x11\x00\x00"), BYTES(HELLO), true, 0, BYTES("Hello") },
	{ BYTES("\xf2\x00\x11\x00\x00"), BYTES(HELLO), false, INFLATER_BAD_DATA, BYTES("H") },
	{ BYTES(HELLO), BYTES(HELLO), true, 0, BYTES("Hello") },
	{ BYTES(HELLO), BYTES(HELLO), false, 0, BYTES("Hello") },
	/* 7.2.3.3 Using a block with no compression. */
	{ BYTES("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), NULL, 0, true, 0, BYTES("Hello") },
	{ BYTES("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), BYTES(HELLO), false, 0, BYTES("Hello") },
	/* 7.2.3.4 Using a block with BFINAL; the same when the 00 behind it was left out. */
	{ BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), NULL, 0, true, 0, BYTES("Hello") },
	{ BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), BYTES(HELLO), false, 0, BYTES("Hello") },
	{ BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00"), BYTES(HELLO), true, 0, BYTES("Hello") },
	{ BYTES("\xf2\x00\x11\x00\x00"), BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), true, 0, BYTES("Hello") },
	{ BYTES("\xf2\x00\x11\x00\x00"), BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00"), true, 0, BYTES("Hello") },
	/* 7.2.3.5 Two blocks in one message. */
	{ BYTES("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), NULL, 0, true, 0, BYTES("Hello") },
	{ BYTES("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), NULL, 0, false, 0, BYTES("Hello") },
	/* 7.2.3.6 An empty message, also of no byte, of empty blocks of each type, and between others. */
	{ BYTES("\x00"), NULL, 0, true, 0, BYTES("") },
	{ BYTES("\x00"), BYTES(HELLO), false, 0, BYTES("") },
	{ BYTES(""), BYTES(HELLO), true, 0, BYTES("") },
	{ BYTES(""), NULL, 0, false, 0, BYTES("") },
	{ BYTES("\x02\x00"), BYTES(HELLO), true, 0, BYTES("") },
	{ BYTES("\x03\x00"), BYTES(HELLO), true, 0, BYTES("") },
	{ BYTES("\x03\x00\x00"), BYTES(HELLO), true, 0, BYTES("") },
	{ BYTES("\x00\x00\x00\xff\xff\x00"), BYTES(HELLO), true, 0, BYTES("") },
	{ BYTES("\xf2\x00\x11\x00\x00"), BYTES("\x00"), true, INFLATER_BAD_DATA, BYTES("H") },
	{ BYTES(HELLO), BYTES(""), true, 0, BYTES("Hello") },
	/* BFINAL in the block whose tail was left out: it is one without compression as well (7.2.1). */
	{ BYTES("\x01"), NULL, 0, true, 0, BYTES("") },
	{ BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x01"), NULL, 0, false, 0, BYTES("Hello") },
	/* Behind BFINAL a block refers to what was before it. */
	{ BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00"), NULL, 0, false, 0, BYTES("HelloHello") },
	{ BYTES("\x01\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\xf3\x00\x11\x00\x00"), NULL, 0, true, 0,
		BYTES("HelloHello") },
	/* BTYPE 11; LEN that is not NLEN; a code that stands for nothing; a distance before the beginning. */
	{ BYTES("\x07"), BYTES(HELLO), true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x06\x00"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00"), NULL, 0, true, INFLATER_BAD_DATA,
		BYTES("") },
	{ BYTES("\xf2\x48\xcd\xc9\xc9\x07\x06\x00"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("Hello") },
	{ BYTES("\x1b\x03\x00\x00"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\xec\xff\xff\xff\xff"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	/* The message ends within a block; the tail is its data, the whole of it or the end of it. */
	{ BYTES("\x00\x04\x00\xfb\xff"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x00\x05\x00\xfa\xff\x48"), NULL, 0, false, INFLATER_BAD_DATA, BYTES("H") },
	{ BYTES("\x00\x05\x00\xfa\xff\x48\x65"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("He") },
	{ BYTES("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f"), NULL, 0, true, INFLATER_BAD_DATA,
		BYTES("Hello") },
	{ BYTES("\x01\x04\x00\xfb\xff"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x00\x00"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x00\x00\x00"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x00\x00\x00\xff"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	/* ... or the next block begins in its last byte. */
	{ BYTES("\x00\x00\x00\xff\xff"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x02"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x04"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
	{ BYTES("\x05"), NULL, 0, true, INFLATER_BAD_DATA, BYTES("") },
};

/* Reads the message before, if there is one, then the message at that split. */
static void example_check(const struct example *example, size_t split, size_t next, size_t room)
{
	struct inflater inflater;
	struct bytes out = { 0 };

	inflater_init(&inflater, 15, example->takeover);
	if (example->before != NULL)
		assert_int_equal(give(&inflater, (const uint8_t *)example->before, example->before_len, true,
					 ROOM, &out),
			0);
	out.len = 0;
	int status = give_parts(
		&inflater, (const uint8_t *)example->payload, example->len, split, next, room, &out);
	assert_int_equal(status, example->status);
	assert_int_equal(out.len, example->want_len);
	assert_memory_equal(out.data, example->want, out.len);
	inflater_done(&inflater);
	inflater_done(&inflater);
	bytes_free(&out);
}

static void test_examples(void **unused)
{
	static const size_t rooms[] = { 1, 2, 3, 4, 5, 6, 10, ROOM };

	(void)unused;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		for (size_t r = 0; r < sizeof(rooms) / sizeof(*rooms); r++) {
			for (size_t split = 0; split <= examples[i].len; split++)
				example_check(&examples[i], split, examples[i].len + 1, rooms[r]);
			example_check(&examples[i], 1, 1, rooms[r]);
		}
	}
}

/* Checks a message for one verdict and output in many ways to split it and rooms. */
static void check_splits(
	const struct bytes *payload, unsigned bits, bool takeover, int want, const struct bytes *text)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 64, 997, GUARD };
	static const size_t rooms[] = { 1, 2, 3, 255, 257, 4096, ROOM };

	/* Of much only the larger ones, and the smallest of each with the largest of the other. */
	for (size_t i = 0; i < 7 * 7; i++) {
		if (payload->len + text->len > 20000 && (i / 7 < 4 || i % 7 < 3) && i != 6 && i != 42)
			continue;
		struct inflater inflater;
		struct bytes out = { 0 };

		inflater_init(&inflater, bits, takeover);
		size_t piece = pieces[i / 7];
		assert_int_equal(
			give_parts(&inflater, payload->data, payload->len, piece, piece, rooms[i % 7], &out),
			want);
		assert_int_equal(out.len, text->len);
		assert_memory_equal(out.data, text->data, out.len);
		inflater_done(&inflater);
		bytes_free(&out);
	}
}

static void test_splits(void **unused)
{
	static const size_t sizes[] = { 1, 300, 4096, 65537 };

	(void)unused;
	for (size_t i = 0; i < 4 * 3; i++) {
		size_t len = sizes[i / 3];
		struct bytes text = i % 3 == 0	 ? bytes_text(len)
				    : i % 3 == 1 ? bytes_noise(len, i)
						 : (struct bytes){ 0 };
		if (i % 3 == 2)
			bytes_add(&text, NULL, len);
		struct bytes payload = zlib_payload(text.data, text.len, (int)(i % 9 + 1), 15);
		check_splits(&payload, 15, i % 2 == 0, 0, &text);
		bytes_free(&payload);
		bytes_free(&text);
	}
}

/* Every beginning of a message that is not the whole of it is bad, and what it says of the text is right. */
static void test_truncated(void **unused)
{
	struct bytes text = bytes_text(3000), noise = bytes_noise(200, 1);

	(void)unused;
	bytes_add(&text, noise.data, noise.len);
	struct bytes payload = zlib_payload(text.data, text.len, 9, 15);
	for (size_t len = 1; len < payload.len; len++) {
		struct inflater inflater;
		struct bytes out = { 0 };

		inflater_init(&inflater, 12, true);
		int status = give(&inflater, payload.data, len, true, ROOM, &out);
		assert_int_equal(status, INFLATER_BAD_DATA);
		assert_true(out.len <= text.len);
		assert_memory_equal(out.data, text.data, out.len);
		inflater_done(&inflater);
		bytes_free(&out);
	}
	bytes_free(&payload);
	bytes_free(&noise);
	bytes_free(&text);
}

/* A bit turned anywhere: zlib in one call is of the same opinion, whatever the split. */
static void test_corrupt(void **unused)
{
	struct bytes text = bytes_text(600);
	struct bytes payload = zlib_payload(text.data, text.len, 6, 15);
	unsigned n_good = 0;

	(void)unused;
	for (size_t bit = 0; bit < payload.len * 8; bit++) {
		struct inflater whole, parts;
		struct bytes want = { 0 }, one = { 0 }, two = { 0 };

		payload.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bool good = zlib_message(&payload, &want, 1 << 16);
		n_good += good;
		inflater_init(&whole, 15, false);
		inflater_init(&parts, 15, false);
		int status = give(&whole, payload.data, payload.len, true, ROOM, &one);
		assert_int_equal(status, good ? 0 : INFLATER_BAD_DATA);
		assert_int_equal(one.len, want.len);
		assert_memory_equal(one.data, want.data, one.len);
		assert_int_equal(give_parts(&parts, payload.data, payload.len, bit / 8, 3, 5, &two), status);
		assert_int_equal(one.len, two.len);
		assert_memory_equal(one.data, two.data, one.len);
		inflater_done(&whole);
		inflater_done(&parts);
		payload.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bytes_free(&want);
		bytes_free(&one);
		bytes_free(&two);
	}
	assert_true(n_good > 0 && n_good < payload.len * 8);
	bytes_free(&payload);
	bytes_free(&text);
}

/* Many block streams in one message, and then a distance to what was before all of them. */
static void test_final_blocks(void **unused)
{
	static const unsigned counts[] = { 1, 2, 10000 };

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		struct bytes payload = { 0 }, want = { 0 };
		struct bits back = { 0 };

		bytes_add(&payload, "\x01\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f", 10);
		bytes_add(&want, "Hello", 5);
		for (unsigned n = 0; n < counts[i]; n++) {
			/* An empty one, and one of a byte. */
			bytes_add(&payload, "\x03\x00\x01\x01\x00\xfe\xff!", 8);
			bytes_add(&want, "!", 1);
		}
		bits_begin(&back, true);
		bits_match(&back, counts[i] + 5);
		bits_end(&back);
		bytes_add(&payload, back.data, back.n / 8);
		bytes_add(&want, "Hel", 3);
		check_splits(&payload, 15, true, 0, &want);
		bytes_free(&payload);
		bytes_free(&want);
	}
}

static void test_empty_blocks(void **unused)
{
	static const struct {
		const char *data;
		size_t len;
	} blocks[] = { { BYTES("\x00\x00\x00\xff\xff") }, { BYTES("\x02\x00\x00\x00\xff\xff") },
		{ BYTES("\x03\x00") }, { BYTES("\x01\x00\x00\xff\xff") } };

	(void)unused;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
		struct bytes payload = { 0 }, want = { 0 };

		for (unsigned n = 0; n < 10000; n++)
			bytes_add(&payload, blocks[i].data, blocks[i].len);
		bytes_add(&payload, HELLO, 7);
		bytes_add(&want, "Hello", 5);
		check_splits(&payload, 9, false, 0, &want);
		bytes_free(&payload);
		bytes_free(&want);
	}
}

/* A message that repeats three bytes from `distance` back, and ends. */
static struct bytes distance_payload(unsigned distance, bool final)
{
	struct bits bits = { 0 };
	struct bytes payload = { 0 };

	bits_begin(&bits, final);
	bits_match(&bits, distance);
	bits_end(&bits);
	bytes_add(&payload, bits.data, bits.n / 8);
	return payload;
}

/* What the peer may refer to of the messages before is what fits its window, to the byte. */
static void test_window_before(void **unused)
{
	(void)unused;
	for (unsigned bits = 8; bits <= 15; bits++) {
		unsigned window = 1u << (bits < 9 ? 9 : bits);

		for (int off = -1; off <= 1; off++) {
			for (unsigned more = 0; more < 3; more++) {
				/* All that there was is just the window, is less, and is more. */
				size_t len = more == 0 ? window : more == 1 ? window - 100 : window + 5000;
				size_t back = window + off;
				if (back > 32768)
					continue;
				struct bytes text = bytes_noise(len, bits), out = { 0 };
				struct bytes first = zlib_payload(text.data, len, 1, 15);
				struct bytes second = distance_payload((unsigned)back, off == 0);
				bool good = back <= window && back <= len;
				struct inflater inflater;

				inflater_init(&inflater, bits, true);
				assert_int_equal(give(&inflater, first.data, first.len, true, 1000, &out), 0);
				assert_int_equal(inflater.n_window, len < window ? len : window);
				out.len = 0;
				assert_int_equal(give(&inflater, second.data, second.len, true, 2, &out),
					good ? 0 : INFLATER_BAD_DATA);
				assert_int_equal(out.len, good ? 3 : 0);
				assert_memory_equal(out.data, text.data + len - (good ? back : 0), out.len);
				inflater_done(&inflater);
				bytes_free(&text);
				bytes_free(&out);
				bytes_free(&first);
				bytes_free(&second);
			}
		}
	}
}

/* Within a message the whole of DEFLATE's window is there, whatever was agreed, at any split. */
static void test_window_within(void **unused)
{
	static const unsigned backs[] = { 255, 256, 257, 511, 512, 513, 4095, 4096, 4097, 32767, 32768 };

	(void)unused;
	for (size_t i = 0; i < sizeof(backs) / sizeof(*backs); i++) {
		struct bytes text = bytes_noise(40000, i);
		struct bytes payload = zlib_deflate(text.data, text.len, 1, 15, Z_SYNC_FLUSH, NULL);
		struct bytes match = distance_payload(backs[i], false);

		bytes_add(&payload, match.data, match.len);
		bytes_add(&text, text.data + 40000 - backs[i], 3);
		check_splits(&payload, 8, false, 0, &text);
		bytes_free(&text);
		bytes_free(&payload);
		bytes_free(&match);
	}
	/* More than there was. */
	struct bytes text = bytes_noise(300, 7);
	struct bytes payload = zlib_deflate(text.data, text.len, 1, 15, Z_SYNC_FLUSH, NULL);
	struct bytes match = distance_payload(301, false);
	bytes_add(&payload, match.data, match.len);
	check_splits(&payload, 15, true, INFLATER_BAD_DATA, &text);
	bytes_free(&text);
	bytes_free(&payload);
	bytes_free(&match);
}

/* A hundred messages of one context, as zlib's deflate makes them. */
static void test_takeover(void **unused)
{
	struct bytes text = bytes_text(20000), noise = bytes_noise(100, 3);

	(void)unused;
	for (int bits = 9; bits <= 15; bits += 3) {
		struct inflater inflater;
		z_stream stream = { 0 };
		uint8_t payload[4096];

		inflater_init(&inflater, (unsigned)bits, true);
		deflateInit2(&stream, 9, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY);
		for (size_t i = 0; i < 100; i++) {
			struct bytes out = { 0 };
			size_t len = noise.data[i] * 4u;
			stream.next_in = text.data + i * 150;
			stream.avail_in = (uInt)len;
			stream.next_out = payload;
			stream.avail_out = sizeof(payload);
			deflate(&stream, Z_SYNC_FLUSH);
			assert_int_equal(
				give_parts(&inflater, payload, sizeof(payload) - stream.avail_out - 4, i, 50,
					i % 7 + 100, &out),
				0);
			assert_int_equal(out.len, len);
			assert_memory_equal(out.data, text.data + i * 150, len);
			assert_true(inflater.n_window <= 1u << bits);
			bytes_free(&out);
		}
		deflateEnd(&stream);
		inflater_done(&inflater);
	}
	bytes_free(&text);
	bytes_free(&noise);
}

/* 64 MiB of zeros in 64 KiB: no step gives more than its room, and the caller goes on when it likes. */
static void test_bomb(void **unused)
{
	struct bytes payload = { 0 }, zeros = { 0 };
	struct inflater inflater;
	uint8_t out[ROOM];
	uint64_t total = 0;
	z_stream stream = { 0 };

	(void)unused;
	bytes_add(&zeros, NULL, 1 << 20);
	bytes_add(&payload, NULL, 1 << 16);
	deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
	stream.next_out = payload.data;
	stream.avail_out = (uInt)payload.len;
	while (stream.avail_out > 0) {
		stream.next_in = zeros.data;
		stream.avail_in = (uInt)zeros.len;
		deflate(&stream, Z_NO_FLUSH);
	}
	deflateEnd(&stream);
	inflater_init(&inflater, 15, false);
	struct inflater_step step = { .in = payload.data, .n_in = payload.len, .out = out, .room = ROOM };
	do {
		assert_int_equal(inflater_step(&inflater, &step), 0);
		assert_true(step.n_out <= ROOM);
		assert_true(step.n_out == 0 || memcmp(out, zeros.data, step.n_out) == 0);
		total += step.n_out;
	} while (step.more);
	assert_true(total > 60u << 20);
	inflater_done(&inflater);
	bytes_free(&payload);
	bytes_free(&zeros);
}

/* Takes three messages, the second of two block streams; when memory is short what came is right all the
 * same. */
static int three_messages(bool takeover)
{
	static const uint8_t second[] = "\xf3\x48\xcd\xc9\xc9\x07\x00" HELLO;
	struct bytes text = bytes_text(5000), out = { 0 };
	struct bytes first = zlib_payload(text.data, text.len, 6, 15);
	struct inflater inflater;

	bytes_add(&text, "HelloHello", 10);
	bytes_add(&text, text.data, 5000);
	inflater_init(&inflater, 9, takeover);
	int status = give_parts(&inflater, first.data, first.len, 100, 100, 1000, &out);
	if (status == 0)
		status = give_parts(&inflater, second, sizeof(second) - 1, 3, 2, 2, &out);
	if (status == 0)
		status = give_parts(&inflater, first.data, first.len, 1, 1000, ROOM, &out);
	assert_true(status == 0 ? out.len == text.len : out.len <= text.len);
	assert_memory_equal(out.data != NULL ? out.data : text.data, text.data, out.len);
	inflater_done(&inflater);
	bytes_free(&text);
	bytes_free(&out);
	bytes_free(&first);
	return status;
}

static void test_memory(void **unused)
{
	(void)unused;
	for (int takeover = 0; takeover < 2; takeover++) {
		failing_at = failing_count = 0;
		assert_int_equal(three_messages(takeover), 0);
		unsigned n = failing_count, failed = 0;
		assert_true(n >= 9);
		for (unsigned at = 1; at <= n; at++) {
			failing_at = at;
			failing_count = 0;
			int status = three_messages(takeover);
			assert_true(status == 0 || status == INFLATER_NO_MEMORY);
			failed += status != 0;
		}
		/* All but making a window smaller, which is not needed. */
		assert_int_equal(n - failed, takeover ? 3 : 0);
	}
	failing_at = 0;
}

/* What is kept when: nothing before the first byte, nor after a message without takeover; else a window. */
static void test_kept(void **unused)
{
	struct bytes out = { 0 };

	(void)unused;
	for (int takeover = 0; takeover < 2; takeover++) {
		struct inflater inflater;

		inflater_init(&inflater, 15, takeover);
		assert_int_equal(give(&inflater, (const uint8_t *)"", 0, false, ROOM, &out), 0);
		assert_true(inflater.stream == NULL && !inflater.in_message);
		assert_int_equal(give(&inflater, (const uint8_t *)HELLO, 3, false, ROOM, &out), 0);
		assert_true(inflater.stream != NULL && inflater.in_message);
		assert_int_equal(give(&inflater, (const uint8_t *)HELLO + 3, 4, true, ROOM, &out), 0);
		assert_true(inflater.stream == NULL && !inflater.in_message);
		assert_int_equal(inflater.n_window, takeover ? 5 : 0);
		/* In a message, at its beginning or in the midst, and between two: LeakSanitizer looks on. */
		if (takeover) {
			assert_int_equal(give(&inflater, (const uint8_t *)HELLO, 1, false, ROOM, &out), 0);
			assert_true(inflater.window == NULL && inflater.n_window == 0);
		}
		inflater_done(&inflater);
		assert_true(inflater.stream == NULL && inflater.window == NULL && inflater.n_window == 0);
	}
	bytes_free(&out);
}

/* One byte is a context already; none is nothing to keep. */
static void test_smallest_window(void **unused)
{
	struct bytes out = { 0 }, one = zlib_payload("x", 1, 9, 15), match = distance_payload(1, false);
	struct inflater inflater;

	(void)unused;
	inflater_init(&inflater, 15, true);
	assert_int_equal(give(&inflater, (const uint8_t *)"\0", 1, true, ROOM, &out), 0);
	assert_null(inflater.window);
	assert_int_equal(give(&inflater, one.data, one.len, true, ROOM, &out), 0);
	assert_int_equal(give(&inflater, match.data, match.len, true, ROOM, &out), 0);
	assert_int_equal(out.len, 4);
	assert_memory_equal(out.data, "xxxx", 4);
	inflater_done(&inflater);
	bytes_free(&out);
	bytes_free(&one);
	bytes_free(&match);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_final_blocks),
		cmocka_unit_test(test_empty_blocks),
		cmocka_unit_test(test_window_before),
		cmocka_unit_test(test_window_within),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_smallest_window),
	};
	return cmocka_run_group_tests(tests, guards_up, guards_down);
}
