/*
 * Tests of the intake: what waits, how much is passed on between two looks at the room, and that nothing is
 * lost or changed by it: plain messages that came early, compressed ones that grow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#include "gate/intake.h"
#include "rig.h"
#include "wire.h"
#include "ws/deflater.h"

enum { ROOM = 50000, HEARD_MAX = 4 << 20 };

/* An intake, its stream, and who takes what it gives. */
struct taker {
	struct rig rig;
	struct stream stream;
	struct intake intake;
	int fd; /* the client's */
	uint8_t *heard;
	size_t n_heard, n_messages, n_pings, n_flushes, n_caught_up;
	size_t since_flush, most_since_flush;
	size_t room; /* until it is full; falls as it takes, never grows by itself */
	bool deaf;   /* nothing matters to it any more */
	bool close_on_flush;
	uint16_t code;
};

static bool taker_on_event(void *arg, const struct message_event *event)
{
	struct taker *taker = arg;

	if (taker->deaf)
		return false;
	if (event->kind == MESSAGE_PING)
		taker->n_pings++;
	if (event->kind == MESSAGE_ERROR)
		taker->code = event->code;
	if (event->kind != MESSAGE_DATA)
		return event->kind != MESSAGE_ERROR;
	assert_true(taker->n_heard + event->len <= HEARD_MAX);
	if (event->len > 0)
		memcpy(taker->heard + taker->n_heard, event->data, event->len);
	taker->n_heard += event->len;
	taker->n_messages += event->last;
	taker->since_flush += event->len;
	return true;
}

static void taker_on_flush(void *arg)
{
	struct taker *taker = arg;

	taker->n_flushes++;
	assert_true(taker->since_flush <= taker->intake.allowed);
	if (taker->since_flush > taker->most_since_flush)
		taker->most_since_flush = taker->since_flush;
	taker->room -= taker->since_flush < taker->room ? taker->since_flush : taker->room;
	taker->since_flush = 0;
	if (taker->close_on_flush && taker->n_heard > 0)
		intake_close(&taker->intake);
	intake_allow(&taker->intake, taker->room);
}

static void taker_on_caught_up(void *arg)
{
	struct taker *taker = arg;
	assert_false(intake_waits(&taker->intake));
	taker->n_caught_up++;
}

static const struct intake_hooks taker_hooks = {
	.on_event = taker_on_event, .on_flush = taker_on_flush, .on_caught_up = taker_on_caught_up
};

static void taker_on_data(void *arg, uint8_t *data, size_t len)
{
	intake_feed(&((struct taker *)arg)->intake, data, len);
}

static void taker_on_end(void *arg, int error)
{
	(void)arg;
	(void)error;
}

static const struct stream_hooks taker_stream_hooks = {
	.on_data = taker_on_data, .on_eof = taker_on_end, .on_broken = taker_on_end
};

static struct taker *taker_new(bool deflate, uint64_t max_message, size_t room)
{
	struct taker *taker = calloc(1, sizeof(*taker));
	struct permessage agreed = { .on = deflate,
		.server_no_context_takeover = true,
		.client_no_context_takeover = true,
		.server_max_window_bits = 12,
		.client_max_window_bits = 12 };
	int fds[2];

	assert_non_null(taker);
	rig_init(&taker->rig);
	taker->heard = malloc(HEARD_MAX);
	taker->room = room;
	wire_new(fds, false);
	taker->fd = fds[1];
	stream_open(&taker->stream, &taker->rig.loop, fds[0], fds[0], &taker_stream_hooks, taker);
	intake_init(
		&taker->intake, &taker->rig.loop, &taker->stream, max_message, &agreed, &taker_hooks, taker);
	intake_allow(&taker->intake, room);
	return taker;
}

static void taker_free(struct taker *taker)
{
	intake_close(&taker->intake);
	intake_close(&taker->intake);
	stream_close(&taker->stream);
	close(taker->fd);
	rig_done(&taker->rig);
	free(taker->heard);
	free(taker);
}

/* Turns until nothing more comes of it. */
static void taker_settle(struct taker *taker)
{
	for (int i = 0; i < 40; i++)
		rig_turn(&taker->rig);
}

/* It takes so much more. */
static void taker_makes_room(struct taker *taker, size_t room)
{
	taker->room = room;
	intake_allow(&taker->intake, room);
	taker_settle(taker);
}

/* Compressed bytes are put together. */
struct packed {
	uint8_t bytes[65536];
	size_t n;
};

static void packed_add(void *arg, const uint8_t *data, size_t len, bool last)
{
	struct packed *packed = arg;
	(void)last;
	assert_true(packed->n + len <= sizeof(packed->bytes));
	if (len > 0)
		memcpy(packed->bytes + packed->n, data, len);
	packed->n += len;
}

/* The client sends n equal bytes, compressed; returns how many that are on the wire. */
static size_t taker_bomb(struct taker *taker, uint8_t byte, size_t n)
{
	static uint8_t work[DEFLATER_OUT];
	struct packed *packed = calloc(1, sizeof(*packed));
	struct deflater deflater;
	uint8_t *whole = malloc(n);

	assert_true(packed != NULL && whole != NULL);
	memset(whole, byte, n);
	deflater_init(&deflater, 9, 12, false);
	assert_int_equal(deflater_begin(&deflater), 0);
	deflater_piece(&deflater, whole, n, true, work, packed_add, packed);
	deflater_done(&deflater);
	wire_send(taker->fd, 0xc2, packed->bytes, packed->n);
	size_t n_wire = packed->n;
	free(whole);
	free(packed);
	return n_wire;
}

/* A read that there is room for is passed on in one go, and nothing is kept. */
static void test_plain(void **state)
{
	struct taker *taker = taker_new(false, 0, 65536);
	(void)state;

	wire_send(taker->fd, 0x82, "hello", 5);
	wire_send(taker->fd, 0x89, "", 0);
	wire_send(taker->fd, 0x82, "world", 5);
	taker_settle(taker);
	assert_int_equal(taker->n_heard, 10);
	assert_memory_equal(taker->heard, "helloworld", 10);
	assert_int_equal(taker->n_pings, 1);
	assert_int_equal(taker->n_flushes, 1);
	assert_false(intake_waits(&taker->intake));
	assert_int_equal(taker->n_caught_up, 0);
	taker_free(taker);
}

/* A read that just fills the room, which is what back-pressure looks like: nothing is left of it to wait. */
static void test_full(void **state)
{
	struct taker *taker = taker_new(false, 0, 1000);
	uint8_t payload[1000] = { 0 };
	(void)state;

	uint8_t wire[1000 + 14];
	size_t n = wire_frame(wire, 0x82, payload, sizeof(payload));
	intake_feed(&taker->intake, wire, n);
	assert_int_equal(taker->n_heard, 1000);
	assert_int_equal(taker->n_messages, 1);
	assert_int_equal(taker->room, 0);
	assert_false(intake_waits(&taker->intake));
	assert_int_equal(taker->n_flushes, 1);
	assert_true(stream_is_paused(&taker->stream));
	taker_free(taker);
}

/* More than there is room for, which came before anybody could set the pace. */
static void test_early(void **state)
{
	struct taker *taker = taker_new(false, 0, 100);
	uint8_t wire[1000 + 14], payload[1000];
	(void)state;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	size_t n = wire_frame(wire, 0x82, payload, sizeof(payload));
	intake_feed(&taker->intake, wire, n);
	memset(wire, '!', sizeof(wire)); /* the caller's again */
	assert_int_equal(taker->n_heard, 100);
	assert_true(intake_waits(&taker->intake));
	assert_true(stream_is_paused(&taker->stream));
	taker_settle(taker);
	assert_int_equal(taker->n_heard, 100);
	taker_makes_room(taker, 1);
	assert_int_equal(taker->n_heard, 101);
	taker_makes_room(taker, 898);
	assert_int_equal(taker->n_heard, 999);
	assert_true(intake_waits(&taker->intake));
	taker_makes_room(taker, 2);
	assert_int_equal(taker->n_heard, 1000);
	assert_int_equal(taker->n_messages, 1);
	assert_memory_equal(taker->heard, payload, 1000);
	assert_false(intake_waits(&taker->intake));
	assert_int_equal(taker->n_caught_up, 1);
	assert_false(stream_is_paused(&taker->stream));
	taker_free(taker);
}

/* A bomb is passed on as far as there is room, however much that is; the rest of the read waits, a ping
 * behind it too. */
static void test_bomb(void **state)
{
	static const size_t rooms[] = { 1, 1000, 16383, 16384, 16385, ROOM };
	enum { BOMB = 1000000 };
	(void)state;

	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		struct taker *taker = taker_new(true, 0, rooms[i]);

		assert_true(taker_bomb(taker, 'z', BOMB) < 4000);
		wire_send(taker->fd, 0x89, "", 0);
		/* Its last bytes may come after the first have filled the room. */
		while (taker->n_heard < rooms[i])
			taker_settle(taker);
		assert_int_equal(taker->n_heard, rooms[i]);
		assert_true(stream_is_paused(&taker->stream));
		for (int turns = 0; rooms[i] > 1 && taker->n_messages == 0; turns++) {
			assert_true(turns < BOMB);
			taker_makes_room(taker, rooms[i]);
		}
		if (rooms[i] == 1)
			taker_makes_room(taker, BOMB);
		taker_makes_room(taker, 10);
		assert_int_equal(taker->n_heard, BOMB);
		assert_int_equal(taker->n_messages, 1);
		assert_int_equal(taker->n_pings, 1);
		assert_false(intake_waits(&taker->intake));
		assert_null(taker->intake.inflater.stream);
		for (size_t k = 0; k < BOMB; k++)
			assert_int_equal(taker->heard[k], 'z');
		taker_free(taker);
	}
}

/* Others have their turn, however much room there is. */
static void test_turn(void **state)
{
	struct taker *taker = taker_new(true, 0, HEARD_MAX);
	(void)state;

	taker_bomb(taker, 'a', 3 << 20);
	for (int turns = 0; taker->n_messages == 0; turns++) {
		size_t before = taker->n_heard;
		rig_turn(&taker->rig);
		assert_in_range(taker->n_heard - before, 0, INTAKE_TURN);
		assert_true(turns < 1000000);
	}
	assert_int_equal(taker->n_heard, 3 << 20);
	taker_free(taker);
}

/* ... also where next to nothing is passed on: messages have a cost of their own. */
static void test_turn_of_small_ones(void **state)
{
	enum { MESSAGES = 500 };
	struct taker *taker = taker_new(true, 0, 65536);
	(void)state;

	for (int i = 0; i < MESSAGES; i++)
		wire_send(taker->fd, 0xc2, i % 2 ? "\x00" : "\x4b\x04\x00", i % 2 ? 1 : 3); /* "", "a" */
	for (int turns = 0; taker->n_messages < MESSAGES; turns++) {
		size_t before = taker->n_messages;
		rig_turn(&taker->rig);
		assert_in_range(taker->n_messages - before, 0, INTAKE_TURN / INTAKE_COST);
		assert_true(turns < 1000000);
	}
	assert_int_equal(taker->n_heard, MESSAGES / 2);
	taker_free(taker);
}

/* As many bytes as max_message allows, then the error; what follows is dropped. */
static void test_limit(void **state)
{
	struct taker *taker = taker_new(true, 70000, ROOM);
	(void)state;

	taker_bomb(taker, 'a', 70001);
	taker_settle(taker);
	assert_int_equal(taker->n_heard, ROOM);
	taker_makes_room(taker, ROOM);
	assert_int_equal(taker->n_heard, 70000);
	assert_int_equal(taker->n_messages, 0);
	assert_int_equal(taker->code, CLOSE_TOO_BIG);
	assert_false(intake_waits(&taker->intake));
	taker_free(taker);
}

/* Nobody listens any more: what waits is dropped at the next turn. */
static void test_deaf(void **state)
{
	struct taker *taker = taker_new(true, 0, 10);
	(void)state;

	taker_bomb(taker, 'a', 100000);
	taker_settle(taker);
	assert_int_equal(taker->n_heard, 10);
	assert_true(intake_waits(&taker->intake));
	taker->deaf = true;
	taker_makes_room(taker, ROOM);
	assert_int_equal(taker->n_heard, 10);
	assert_false(intake_waits(&taker->intake));
	assert_int_equal(taker->n_caught_up, 1);
	taker_free(taker);
}

/* Closed by who takes, in the middle, and while something waits. */
static void test_close(void **state)
{
	(void)state;

	for (int waits = 0; waits < 2; waits++) {
		struct taker *taker = taker_new(true, 0, 10);

		taker->close_on_flush = !waits;
		taker_bomb(taker, 'a', 100000);
		taker_settle(taker);
		assert_int_equal(taker->n_heard, 10);
		assert_int_equal(intake_waits(&taker->intake), waits);
		intake_close(&taker->intake);
		assert_false(intake_waits(&taker->intake));
		taker_makes_room(taker, ROOM);
		assert_int_equal(taker->n_heard, 10);
		taker_free(taker);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_turn),
		cmocka_unit_test(test_turn_of_small_ones),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
