/*
 * Tests of the framer: headers, which messages are compressed, and that the client reads what was sent
 * however its pieces came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#include "failing.h"
#include "gate/framer.h"
#include "rig.h"
#include "wire.h"
#include "ws/inflater.h"
#include "ws/message.h"

enum { GOT_MAX = 1 << 20, THRESHOLD = 100 };

/* A framer and the client that reads its frames. */
struct sent {
	struct rig rig;
	struct stream stream;
	struct route_conf route;
	struct framer framer;
	int fd; /* the client's */
	uint8_t wire[GOT_MAX];
	size_t n_wire;
};

static void sent_on_end(void *arg, int error)
{
	(void)arg;
	(void)error;
	fail();
}

static void sent_on_sent(void *arg)
{
	(void)arg;
}

static const struct stream_hooks sent_hooks = {
	.on_sent = sent_on_sent, .on_eof = sent_on_end, .on_broken = sent_on_end
};

static struct sent *sent_new(bool deflate, bool context)
{
	struct sent *sent = calloc(1, sizeof(*sent));
	struct permessage agreed = { .on = deflate,
		.server_no_context_takeover = !context,
		.server_max_window_bits = 12,
		.client_max_window_bits = 12 };
	int fds[2];

	assert_non_null(sent);
	rig_init(&sent->rig);
	wire_new(fds, false);
	sent->fd = fds[1];
	sent->route = (struct route_conf){ .deflate_level = 1, .deflate_threshold = THRESHOLD };
	stream_open(&sent->stream, &sent->rig.loop, fds[0], fds[0], &sent_hooks, sent);
	framer_init(&sent->framer, &sent->stream, &sent->route, &agreed);
	return sent;
}

static void sent_free(struct sent *sent)
{
	framer_done(&sent->framer);
	framer_done(&sent->framer);
	stream_close(&sent->stream);
	close(sent->fd);
	rig_done(&sent->rig);
	free(sent);
}

/* Sends a message in pieces of at most `step` bytes. */
static void sent_say(struct sent *sent, bool text, const uint8_t *bytes, size_t len, size_t step)
{
	size_t at = 0;

	do {
		size_t n = len - at < step ? len - at : step;
		uint8_t copy[65536];
		struct piece piece = {
			.data = copy, .len = n, .text = text, .first = at == 0, .last = at + n == len
		};
		if (n > 0)
			memcpy(copy, bytes + at, n);
		framer_send(&sent->framer, &piece);
		memset(copy, '!', n); /* only there during the call, unless in the scratch */
		at += n;
	} while (at < len);
	stream_flush(&sent->stream);
}

/* Reads what came on the wire so far. */
static void sent_read(struct sent *sent)
{
	ssize_t n;

	for (int quiet = 0; quiet < 5; quiet++) {
		rig_turn(&sent->rig);
		while ((n = read(sent->fd, sent->wire + sent->n_wire, GOT_MAX - sent->n_wire)) > 0) {
			sent->n_wire += (size_t)n;
			quiet = 0;
		}
	}
}

/* What a client makes of the frames: "T" and "B" messages that came as they are, "t" and "b" compressed ones,
 * and each payload. */
static size_t sent_hear(struct sent *sent, bool context, char *kinds, uint8_t *payload)
{
	struct inflater inflater;
	struct frame_header header;
	size_t n_out = 0, n_kinds = 0;
	bool packed = false, open = false;

	sent_read(sent);
	inflater_init(&inflater, 12, context);
	for (size_t at = 0; at < sent->n_wire; at += (size_t)header.len) {
		int n = frame_decode(&header, sent->wire + at, sent->n_wire - at);
		assert_true(n > 0);
		at += (size_t)n;
		assert_false(header.masked);
		assert_int_equal(header.opcode == FRAME_CONTINUATION, open);
		if (!open) {
			packed = header.rsv == 4;
			kinds[n_kinds++] = (header.opcode == FRAME_TEXT ? "Tt" : "Bb")[packed];
		}
		assert_int_equal(header.rsv, packed && !open ? 4 : 0);
		open = !header.fin;
		if (!packed) {
			memcpy(payload + n_out, sent->wire + at, (size_t)header.len);
			n_out += (size_t)header.len;
			continue;
		}
		struct inflater_step step = { .in = sent->wire + at,
			.n_in = (size_t)header.len,
			.last = header.fin,
			.out = payload + n_out,
			.room = GOT_MAX - n_out };
		assert_int_equal(inflater_step(&inflater, &step), 0);
		assert_int_equal(step.n_in, 0);
		assert_int_equal(step.ended, header.fin);
		n_out += step.n_out;
	}
	assert_false(open);
	inflater_done(&inflater);
	kinds[n_kinds] = '\0';
	return n_out;
}

/* Nothing agreed: one frame for each piece, in the shortest form. */
static void test_plain(void **state)
{
	struct sent *sent = sent_new(false, false);
	(void)state;

	sent_say(sent, true, (const uint8_t *)"hello", 5, 5);
	sent_say(sent, false, (const uint8_t *)"hello", 5, 3);
	sent_say(sent, true, NULL, 0, 1);
	framer_send_control(&sent->framer, FRAME_PING, NULL, 0);
	framer_send_control(&sent->framer, FRAME_PONG, (const uint8_t *)"x", 1);
	framer_send_close(&sent->framer, 1000, "bye");
	stream_flush(&sent->stream);
	sent_read(sent);
	static const char want[] =
		"\x81\x05hello\x02\x03hel\x80\x02lo\x81\x00\x89\x00\x8a\x01x\x88\x05\x03\xe8"
		"bye";
	assert_int_equal(sent->n_wire, sizeof(want) - 1);
	assert_memory_equal(sent->wire, want, sizeof(want) - 1);
	sent_free(sent);
}

/* Messages below the threshold go out as they are; of one whose end is not there nobody knows. */
static void test_threshold(void **state)
{
	struct sent *sent = sent_new(true, false);
	uint8_t bytes[THRESHOLD + 1], heard[3 * THRESHOLD + 100];
	char kinds[16];
	(void)state;

	memset(bytes, 'a', sizeof(bytes));
	sent_say(sent, true, bytes, THRESHOLD - 1, THRESHOLD);
	sent_say(sent, true, bytes, THRESHOLD, THRESHOLD);
	sent_say(sent, false, bytes, THRESHOLD + 1, THRESHOLD + 1);
	sent_say(sent, false, bytes, 10, 9);
	sent_say(sent, false, bytes, 0, 1);
	assert_int_equal(sent_hear(sent, false, kinds, heard), 3 * THRESHOLD + 10);
	assert_string_equal(kinds, "TtbbB");
	assert_null(sent->framer.deflater.stream);
	sent_free(sent);
}

/* Whatever the pieces, with and without contexts between: the client reads the same. */
static void test_pieces(void **state)
{
	static const size_t steps[] = { 1, 7, 1000, 16384, 16385, 65536 };
	enum { LEN = 70000 };
	uint8_t *bytes = malloc(2 * LEN), *heard = malloc(GOT_MAX);
	char kinds[16];
	(void)state;

	for (size_t i = 0; i < LEN; i++) {
		bytes[i] = (uint8_t)(i % 251 ^ i / 1000);
		bytes[LEN + i] = (uint8_t)((i * 2654435761u) >> 13); /* does not get smaller */
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (int context = 0; context < 2; context++) {
			struct sent *sent = sent_new(true, context);
			size_t len = steps[i] == 1 ? 3000 : LEN;

			sent_say(sent, false, bytes, len, steps[i]);
			sent_say(sent, true, bytes + LEN, len, steps[i]);
			sent_say(sent, false, bytes, len, steps[i]);
			assert_int_equal(sent_hear(sent, context, kinds, heard), 3 * len);
			assert_string_equal(kinds, "btb");
			assert_memory_equal(heard, bytes, len);
			assert_memory_equal(heard + len, bytes + LEN, len);
			assert_memory_equal(heard + 2 * len, bytes, len);
			assert_true(context == (sent->framer.deflater.stream != NULL));
			sent_free(sent);
		}
	}
	free(bytes);
	free(heard);
}

/* How many allocations it takes to begin a compressed message. */
static unsigned sent_count_needs(struct sent *sent)
{
	failing_at = failing_count = 0;
	failing_on = true;
	assert_int_equal(deflater_begin(&sent->framer.deflater), 0);
	failing_on = false;
	deflater_done(&sent->framer.deflater);
	return failing_count;
}

/* Without memory to compress a message, whichever allocation fails, all its pieces go out as they are; the
 * next message finds memory again. */
static void test_memory(void **state)
{
	uint8_t bytes[5 * THRESHOLD], *heard = malloc(GOT_MAX);
	char kinds[16];
	(void)state;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)('a' + i % 26);
	for (int context = 0; context < 2; context++) {
		struct sent *sent = sent_new(true, context);
		unsigned n = sent_count_needs(sent);

		assert_true(n > 1);
		for (unsigned at = 1; at <= n; at++) {
			failing_at = at;
			failing_count = 0;
			failing_on = true;
			sent_say(sent, true, bytes, sizeof(bytes), 2 * THRESHOLD);
			assert_null(sent->framer.deflater.stream);
			failing_on = false;
			sent_say(sent, false, bytes, THRESHOLD, THRESHOLD);
			sent_say(sent, true, bytes, sizeof(bytes), 2 * THRESHOLD);
			assert_int_equal(
				sent_hear(sent, context, kinds, heard), 2 * sizeof(bytes) + THRESHOLD);
			assert_string_equal(kinds, "Tbt");
			assert_memory_equal(heard, bytes, sizeof(bytes));
			assert_memory_equal(heard + sizeof(bytes), bytes, THRESHOLD);
			assert_memory_equal(heard + sizeof(bytes) + THRESHOLD, bytes, sizeof(bytes));
			/* The next time as at first. */
			sent->n_wire = 0;
			framer_done(&sent->framer);
		}
		sent_free(sent);
	}
	free(heard);
}

/* A control frame may stand between the frames of a compressed message. */
static void test_control_between(void **state)
{
	struct sent *sent = sent_new(true, false);
	uint8_t bytes[200] = { 0 };
	struct piece piece = { .data = bytes, .len = sizeof(bytes), .first = true };
	struct frame_header header;
	(void)state;

	framer_send(&sent->framer, &piece);
	framer_send_control(&sent->framer, FRAME_PING, NULL, 0);
	piece.first = false;
	piece.last = true;
	framer_send(&sent->framer, &piece);
	stream_flush(&sent->stream);
	sent_read(sent);
	static const uint8_t firsts[] = { 0x42, 0x89, 0x80 };
	size_t at = 0;
	for (size_t i = 0; i < sizeof(firsts); i++) {
		assert_int_equal(sent->wire[at], firsts[i]);
		at += (size_t)frame_decode(&header, sent->wire + at, sent->n_wire - at);
		at += (size_t)header.len;
	}
	assert_int_equal(at, sent->n_wire);
	sent_free(sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_threshold),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_control_between),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
