/*
 * Tests of the visitor: the close handshake in every order, clients that vanish, that break rules, that do
 * not read, that do not answer; every wait with its time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>

#include "gate/pulse.h"
#include "gate/visitor.h"
#include "interrupted.h"
#include "rig.h"
#include "wire.h"
#include "ws/message.h"

enum { PING_INTERVAL = 30000, PING_TIMEOUT = 20000, SEND_TIMEOUT = 60000, HEARD_MAX = 1 << 20 };
enum { GUEST_EVENTS = 2 }; /* added while it is idle: the mailbox and the readable one */

/* A client, its connection, and what the other side of the session would hear. */
struct guest {
	struct rig rig;
	struct stream stream;
	struct route_conf route;
	uint64_t max_message;
	struct permessage agreed;
	struct endpoint *visitor;
	int fd; /* the client's end; -1 once closed */

	/* From the hooks. */
	uint8_t data[HEARD_MAX];
	size_t n_data, n_pieces, n_messages, n_flushes, n_sent;
	bool unflushed;	 /* a piece came, no flush yet */
	int refuses;	 /* the close code for what it hears; 0: it takes it */
	bool takes_once; /* no more than it was said, until that is said again */
	unsigned n_eof, n_closed;
	struct end end;

	/* What the client got. */
	uint8_t got[4 * HEARD_MAX];
	size_t n_got;
	bool got_eof;
	int got_error;
};

static void guest_on_never(void *arg)
{
	(void)arg;
	fail();
}

static void guest_on_failed(void *arg, int error, const char *reason)
{
	(void)error;
	(void)reason;
	guest_on_never(arg);
}

static int guest_on_piece(void *arg, const struct piece *piece)
{
	struct guest *guest = arg;
	assert_int_equal(guest->n_eof, 0);
	assert_true(guest->n_data + piece->len <= sizeof(guest->data));
	memcpy(guest->data + guest->n_data, piece->data, piece->len);
	guest->n_data += piece->len;
	guest->n_pieces++;
	guest->n_messages += piece->last;
	guest->unflushed = true;
	return guest->refuses;
}

static void guest_on_flush(void *arg)
{
	struct guest *guest = arg;
	assert_int_equal(guest->n_closed, 0);
	guest->n_flushes++;
	guest->unflushed = false;
	if (guest->takes_once)
		guest->visitor->ops->allow(guest->visitor, 0);
}

static void guest_on_sent(void *arg)
{
	struct guest *guest = arg;
	assert_int_equal(guest->n_closed, 0);
	guest->n_sent++;
}

static void guest_on_eof(void *arg, const struct end *end)
{
	struct guest *guest = arg;
	assert_int_equal(guest->n_eof++, 0);
	assert_int_equal(guest->n_closed, 0);
	guest->end = *end;
}

static void guest_on_closed(void *arg)
{
	struct guest *guest = arg;
	assert_int_equal(guest->n_eof, 1);
	assert_int_equal(guest->n_closed++, 0);
	assert_false(stream_is_open(&guest->stream));
}

static const struct endpoint_hooks guest_hooks = {
	.on_ready = guest_on_never,
	.on_failed = guest_on_failed,
	.on_piece = guest_on_piece,
	.on_flush = guest_on_flush,
	.on_sent = guest_on_sent,
	.on_eof = guest_on_eof,
	.on_closed = guest_on_closed,
};

static const struct stream_hooks no_hooks;

/* A guest with these time-outs and the framework's little room in the kernel or much. */
static struct guest *guest_new_with(
	bool small, unsigned ping_interval, unsigned ping_timeout, unsigned send_timeout)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	int fds[2];
	assert_non_null(guest);
	rig_init(&guest->rig);
	wire_new(fds, small);
	guest->fd = fds[1];
	guest->route = (struct route_conf){ .ping_interval_ms = ping_interval,
		.ping_timeout_ms = ping_timeout,
		.send_timeout_ms = send_timeout };
	stream_open(&guest->stream, &guest->rig.loop, fds[0], fds[0], &no_hooks, NULL);
	guest->visitor = visitor_new(
		&guest->rig.loop, &guest->stream, &guest->route, guest->max_message, &guest->agreed);
	assert_non_null(guest->visitor);
	guest->visitor->hooks = &guest_hooks;
	guest->visitor->arg = guest;
	return guest;
}

static struct guest *guest_new(bool small)
{
	return guest_new_with(small, PING_INTERVAL, PING_TIMEOUT, SEND_TIMEOUT);
}

static void guest_free(struct guest *guest)
{
	assert_false(guest->unflushed);
	if (guest->fd >= 0)
		close(guest->fd);
	guest->visitor->ops->destroy(guest->visitor);
	rig_done(&guest->rig);
	free(guest);
}

/* The client reads what is there, at most so much. */
static void guest_read(struct guest *guest, size_t max)
{
	assert_true(guest->n_got + max <= sizeof(guest->got));
	ssize_t n = read(guest->fd, guest->got + guest->n_got, max);
	if (n > 0)
		guest->n_got += (size_t)n;
	else if (n == 0)
		guest->got_eof = true;
	else if (errno != EAGAIN)
		guest->got_error = errno;
}

/* Turns and reads until nothing comes any more. */
static void guest_settle(struct guest *guest)
{
	for (int quiet = 0; quiet < 10; quiet++) {
		size_t before = guest->n_got;
		rig_turn(&guest->rig);
		if (guest->fd >= 0 && !guest->got_eof && guest->got_error == 0)
			guest_read(guest, 65536);
		if (guest->n_got != before)
			quiet = 0;
	}
}

/* The client has got exactly this since the last look. */
static void guest_got(struct guest *guest, const void *bytes, size_t len)
{
	guest_settle(guest);
	assert_int_equal(guest->n_got, len);
	assert_memory_equal(guest->got, bytes, len);
	guest->n_got = 0;
}

/* A client's close frame; code 0 is none. */
static void guest_close(struct guest *guest, uint16_t code, const char *reason)
{
	uint8_t payload[FRAME_CONTROL_MAX] = { (uint8_t)(code >> 8), (uint8_t)code };
	memcpy(payload + 2, reason, strlen(reason));
	wire_send(guest->fd, 0x88, payload, code == 0 ? 0 : 2 + strlen(reason));
}

/* The other side of the session ends. */
static void guest_finish(struct guest *guest, uint16_t code, const char *reason)
{
	struct end end = { .code = code };
	snprintf(end.reason, sizeof(end.reason), "%s", reason);
	guest->visitor->ops->finish(guest->visitor, &end);
}

/* The other side of the session sends a message in one piece. */
static void guest_say(struct guest *guest, const void *bytes, size_t len)
{
	static uint8_t copy[HEARD_MAX];
	struct piece piece = { .data = copy, .len = len, .first = true, .last = true };
	if (len > 0)
		memcpy(copy, bytes, len);
	guest->visitor->ops->send(guest->visitor, &piece);
	guest->visitor->ops->flush(guest->visitor);
}

static const char *guest_how(const struct guest *guest)
{
	static char how[64];
	char who[128];
	guest->visitor->ops->describe(guest->visitor, who, how);
	return how;
}

/* The client closes; the other side may still speak, then our close frame answers with the same code, then
 * TCP ends, we first. */
static void test_they_close(void **state)
{
	static const struct {
		uint16_t code;
		const char *reason, *echo;
		size_t n_echo;
	} closes[] = {
		{ 1000, "bye", "\x88\x02\x03\xe8", 4 },
		{ 1001, "", "\x88\x02\x03\xe9", 4 },
		{ 4999, "x", "\x88\x02\x13\x87", 4 },
		{ 0, "", "\x88\x00", 2 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(closes) / sizeof(closes[0]); i++) {
		struct guest *guest = guest_new(false);
		guest_close(guest, closes[i].code, closes[i].reason);
		guest_settle(guest);
		assert_int_equal(guest->n_eof, 1);
		assert_int_equal(guest->end.code, closes[i].code == 0 ? CLOSE_NO_STATUS : closes[i].code);
		assert_string_equal(guest->end.reason, closes[i].reason);
		assert_false(guest->end.abrupt);
		assert_false(guest->got_eof);
		guest_say(guest, "more", 4);
		guest_got(guest, "\x82\x04more", 6);

		guest_finish(guest, 4003, "exit 3"); /* the client's code wins */
		guest_got(guest, closes[i].echo, closes[i].n_echo);
		assert_true(guest->got_eof);
		assert_int_equal(guest->n_closed, 0);
		close(guest->fd);
		guest->fd = -1;
		rig_until(&guest->rig, guest->n_closed == 1);
		assert_string_equal(guest_how(guest), "");
		guest_free(guest);
	}
}

/* ... but it does not answer as if all was well when the rest broke off. */
static void test_they_close_and_it_breaks(void **state)
{
	struct guest *guest = guest_new(false);
	struct end end = { .code = CLOSE_INTERNAL, .abrupt = true, .reason = "broke" };
	(void)state;

	guest_close(guest, 1000, "bye");
	guest_settle(guest);
	guest->visitor->ops->finish(guest->visitor, &end);
	guest_got(guest,
		"\x88\x07\x03\xf3"
		"broke",
		9);
	assert_true(guest->got_eof);
	guest_free(guest);
}

/* We close; what the client says until its own close frame still counts, then TCP ends. */
static void test_we_close(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest_finish(guest, 4003, "exit 3");
	guest_got(guest,
		"\x88\x08\x0f\xa3"
		"exit 3",
		10);
	assert_false(guest->got_eof);
	guest_say(guest, "too late", 8);
	wire_send(guest->fd, 0x82, "still", 5);
	guest_settle(guest);
	assert_int_equal(guest->n_data, 5);
	assert_int_equal(guest->n_got, 0);
	assert_int_equal(guest->n_eof, 0);

	guest_close(guest, 4003, "");
	guest_settle(guest);
	assert_int_equal(guest->n_got, 0); /* no second close frame */
	assert_true(guest->got_eof);
	assert_int_equal(guest->n_eof, 1);
	assert_false(guest->end.abrupt);
	assert_int_equal(guest->n_closed, 0);
	close(guest->fd);
	guest->fd = -1;
	rig_until(&guest->rig, guest->n_closed == 1);
	assert_int_equal(visitor_code_sent(guest->visitor), 4003);
	assert_int_equal(visitor_code_received(guest->visitor), 4003);
	assert_string_equal(guest_how(guest), "");
	guest_free(guest);
}

/* Both at once: each side's close frame crosses the other one's, and counts as its answer. */
static void test_both_close(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest_close(guest, 1000, "");
	guest_finish(guest, 1001, "");
	guest_got(guest, "\x88\x02\x03\xe9", 4);
	assert_true(guest->got_eof);
	assert_int_equal(guest->n_eof, 1);
	assert_int_equal(guest->end.code, 1000);
	close(guest->fd);
	guest->fd = -1;
	rig_until(&guest->rig, guest->n_closed == 1);
	guest_free(guest);
}

/* The other side may end twice, or break off after it ended: one close frame. */
static void test_finish_twice(void **state)
{
	struct guest *guest = guest_new(false);
	struct end end = { .code = 1011, .abrupt = true };
	(void)state;

	guest_finish(guest, 1000, "");
	guest_finish(guest, 1001, "again");
	guest->visitor->ops->abort(guest->visitor, &end);
	guest_got(guest, "\x88\x02\x03\xe8", 4);
	guest_free(guest);

	guest = guest_new(false);
	guest->visitor->ops->abort(guest->visitor, &end);
	guest_got(guest, "\x88\x02\x03\xf3", 4);
	guest_free(guest);
}

/* The close frame is behind everything that was sent before. */
static void test_close_is_last(void **state)
{
	enum { LEN = 300000 };
	struct guest *guest = guest_new(true);
	uint8_t *bytes = calloc(1, LEN);
	(void)state;

	guest_say(guest, bytes, LEN);
	assert_true(guest->visitor->ops->queued(guest->visitor) > 0);
	guest_finish(guest, 1000, "");
	for (int i = 0; i < 20000 && guest->n_got < LEN + 14; i++) {
		guest_read(guest, 65536);
		rig_turn(&guest->rig);
	}
	assert_int_equal(guest->n_got, 10 + LEN + 4);
	assert_memory_equal(guest->got + 10 + LEN, "\x88\x02\x03\xe8", 4);
	free(bytes);
	guest_free(guest);
}

/* What comes behind the client's close frame is nothing, in the same segment or later; a client that sends
 * and sends is not reset by it before it has our close frame. */
static void test_data_after_close(void **state)
{
	struct guest *guest = guest_new(false);
	uint8_t wire[64];
	(void)state;

	size_t n = wire_frame(wire, 0x82, "a", 1);
	n += wire_frame(wire + n, 0x88, "\x03\xe8", 2);
	n += wire_frame(wire + n, 0x82, "b", 1);
	n += wire_frame(wire + n, 0x89, "c", 1);
	wire_write(guest->fd, wire, n);
	guest_settle(guest);
	wire_send(guest->fd, 0x82, "d", 1);
	guest_settle(guest);
	assert_int_equal(guest->n_data, 1);
	assert_int_equal(guest->n_eof, 1);
	guest_finish(guest, 1000, "");
	wire_send(guest->fd, 0x82, "e", 1);
	guest_got(guest, "\x88\x02\x03\xe8", 4);
	assert_true(guest->got_eof);
	assert_int_equal(guest->n_data, 1);
	guest_free(guest);
}

/* How a client can leave. */
static void guest_leave(struct guest *guest, bool reset)
{
	if (reset)
		wire_reset(guest->fd);
	else
		close(guest->fd);
	guest->fd = -1;
}

/* It vanishes while the session is open: an abrupt end, within a message or not, and gone soon. */
static void test_vanish_open(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		for (int in_message = 0; in_message < 2; in_message++) {
			struct guest *guest = guest_new(false);
			wire_send(guest->fd, 0x82, "whole", 5);
			if (in_message)
				wire_send(guest->fd, 0x02, "part", 4);
			guest_settle(guest);
			guest_leave(guest, reset);
			rig_until(&guest->rig, guest->n_closed == 1);
			assert_int_equal(guest->n_messages, 1);
			assert_true(guest->end.abrupt);
			assert_int_equal(guest->end.in_message, in_message);
			assert_int_equal(visitor_code_received(guest->visitor), CLOSE_ABNORMAL);
			assert_int_equal(visitor_code_sent(guest->visitor), 0);
			assert_string_equal(guest_how(guest), reset ? strerror(ECONNRESET) : "vanished");
			guest_free(guest);
		}
	}
}

/* Half of a frame's header, of its payload: what came of the payload was passed on, and it is known that it
 * was not all. */
static void test_vanish_in_frame(void **state)
{
	uint8_t wire[64];
	(void)state;

	size_t len = wire_frame(wire, 0x82, "0123456789", 10);
	for (size_t cut = 1; cut < len; cut++) {
		struct guest *guest = guest_new(false);
		wire_write(guest->fd, wire, cut);
		guest_settle(guest);
		guest_leave(guest, false);
		rig_until(&guest->rig, guest->n_closed == 1);
		assert_true(guest->end.abrupt);
		assert_int_equal(guest->n_data, cut > 6 ? cut - 6 : 0);
		assert_int_equal(guest->end.in_message, cut >= 6);
		guest_free(guest);
	}
}

/* It ends only its half of TCP, without a close frame: what is queued for it still gets there, then TCP ends.
 */
static void test_half_close(void **state)
{
	enum { LEN = 200000 };
	struct guest *guest = guest_new(true);
	uint8_t *bytes = calloc(1, LEN);
	(void)state;

	guest_say(guest, bytes, LEN);
	shutdown(guest->fd, SHUT_WR);
	rig_until(&guest->rig, guest->n_eof == 1);
	assert_true(guest->end.abrupt);
	guest_say(guest, "more", 4); /* nothing new */
	for (int i = 0; i < 20000 && !guest->got_eof; i++) {
		guest_read(guest, 65536);
		rig_turn(&guest->rig);
	}
	assert_int_equal(guest->n_got, 10 + LEN);
	rig_until(&guest->rig, guest->n_closed == 1);
	free(bytes);
	guest_free(guest);
}

/* It vanishes after our close frame, before its own. */
static void test_vanish_close_sent(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		struct guest *guest = guest_new(false);
		guest_finish(guest, 1000, "");
		guest_settle(guest);
		guest_leave(guest, reset);
		rig_until(&guest->rig, guest->n_closed == 1);
		assert_true(guest->end.abrupt);
		assert_int_equal(visitor_code_sent(guest->visitor), 1000);
		assert_int_equal(visitor_code_received(guest->visitor), CLOSE_ABNORMAL);
		guest_free(guest);
	}
}

/* It closes and leaves: the end was orderly. With a reset it is gone at once; with an end of TCP it may still
 * read ours, and is gone as soon as we have said it, not some time-out later. */
static void test_vanish_close_received(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		struct guest *guest = guest_new(false);
		guest_close(guest, 1000, "");
		guest_settle(guest);
		if (reset) {
			guest_leave(guest, true);
			rig_until(&guest->rig, guest->n_closed == 1);
		} else {
			shutdown(guest->fd, SHUT_WR);
			guest_settle(guest);
			assert_int_equal(guest->n_closed, 0);
			guest_say(guest, "z", 1);
			guest_finish(guest, 1000, "");
			guest_got(guest, "\x82\x01z\x88\x02\x03\xe8", 7);
			assert_true(guest->got_eof);
			assert_int_equal(guest->n_closed, 1);
		}
		assert_false(guest->end.abrupt);
		guest_free(guest);
	}
}

/* Close frame and end of TCP in one segment: both are seen, in that order. */
static void test_close_and_leave(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	wire_send(guest->fd, 0x82, "last", 4);
	guest_close(guest, 1000, "");
	shutdown(guest->fd, SHUT_WR);
	guest_settle(guest);
	assert_int_equal(guest->n_data, 4);
	assert_int_equal(guest->n_eof, 1);
	assert_false(guest->end.abrupt);
	guest_finish(guest, 1000, "");
	guest_got(guest, "\x88\x02\x03\xe8", 4);
	assert_int_equal(guest->n_closed, 1);
	guest_free(guest);
}

/* All is said, and the client resets instead of ending: gone. */
static void test_reset_in_linger(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest_close(guest, 1000, "");
	guest_settle(guest);
	guest_finish(guest, 1000, "");
	guest_settle(guest);
	guest_leave(guest, true);
	rig_until(&guest->rig, guest->n_closed == 1);
	assert_false(guest->end.abrupt);
	guest_free(guest);
}

/* Rules that a client can break: the code that it is told. What came before is passed on, nothing after it;
 * though it goes on sending it can read our close frame and then the end, not a reset. */
static void test_protocol_errors(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint16_t code;
	} errors[] = {
		{ "\x82\x01x", 3, 1002 },		 /* not masked */
		{ "\xc2\x80\0\0\0\0", 6, 1002 },	 /* RSV1 */
		{ "\x83\x80\0\0\0\0", 6, 1002 },	 /* reserved opcode */
		{ "\x80\x80\0\0\0\0", 6, 1002 },	 /* continues nothing */
		{ "\x09\x80\0\0\0\0", 6, 1002 },	 /* ping in fragments */
		{ "\x89\xfe\0\x7e\0\0\0\0", 8, 1002 },	 /* ping of 126 bytes */
		{ "\x88\x81\0\0\0\0\0", 7, 1002 },	 /* close of one byte */
		{ "\x88\x82\0\0\0\0\x03\xed", 8, 1002 }, /* close 1005 */
		{ "\x88\x84\0\0\0\0\x03\xe8\xc3\x28", 10, 1007 }, { "\x81\x81\0\0\0\0\xff", 7, 1007 },
		{ "\x82\xfe\xff\xff\0\0\0\0", 8, 1009 }, /* above max_message */
	};
	static const uint8_t more[60000];
	(void)state;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct guest *guest = guest_new(false);
		/* The reader has its limit from the beginning. */
		guest->visitor->ops->destroy(guest->visitor);
		guest->max_message = 1000;
		int fds[2];
		close(guest->fd);
		wire_new(fds, false);
		guest->fd = fds[1];
		stream_open(&guest->stream, &guest->rig.loop, fds[0], fds[0], &no_hooks, NULL);
		guest->visitor = visitor_new(
			&guest->rig.loop, &guest->stream, &guest->route, guest->max_message, &guest->agreed);
		guest->visitor->hooks = &guest_hooks;
		guest->visitor->arg = guest;

		wire_send(guest->fd, 0x82, "good", 4);
		wire_write(guest->fd, errors[i].bytes, errors[i].len);
		wire_send(guest->fd, 0x82, "bad", 3);
		wire_write(guest->fd, more, sizeof(more));
		guest_settle(guest);
		assert_int_equal(guest->n_data, 4);
		assert_true(guest->n_got >= 4);
		assert_int_equal(guest->got[0], 0x88);
		assert_int_equal(guest->got[1] + 2, guest->n_got);
		assert_int_equal(guest->got[2] << 8 | guest->got[3], errors[i].code);
		assert_true(guest->got_eof);
		assert_int_equal(guest->got_error, 0);
		assert_int_equal(guest->n_eof, 1);
		assert_true(guest->end.abrupt);
		assert_int_equal(visitor_code_sent(guest->visitor), errors[i].code);
		wire_write(guest->fd, more, sizeof(more)); /* it did not notice yet */
		guest_settle(guest);
		assert_int_equal(guest->got_error, 0);
		guest_leave(guest, false);
		rig_until(&guest->rig, guest->n_closed == 1);
		guest_free(guest);
	}
}

/* Text that turns bad in its last frame, after some of it went on: the other side learns that the message did
 * not end. */
static void test_bad_text_is_in_message(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	wire_send(guest->fd, 0x81, "rm \xff", 4);
	guest_settle(guest);
	assert_int_equal(guest->n_data, 3);
	assert_int_equal(guest->n_messages, 0);
	assert_true(guest->end.abrupt);
	bool in_message = guest->end.in_message;
	guest_free(guest);
	assert_true(in_message);
}

/* What the other side must not be told ends the session as a broken rule does; of a message in fragments, of
 * which nothing was delivered, nobody has half. */
static void test_refused_message(void **state)
{
	(void)state;
	for (int first = 0x01; first <= 0x81; first += 0x80) {
		struct guest *guest = guest_new(false);
		wire_send(guest->fd, 0x82, "good", 4);
		guest_settle(guest);
		guest->refuses = 1008;
		wire_send(guest->fd, (uint8_t)first, "a\nb", 3);
		wire_send(guest->fd, 0x82, "more", 4);
		guest_settle(guest);
		assert_int_equal(guest->n_pieces, 2);
		assert_int_equal(guest->got[0], 0x88);
		assert_int_equal(guest->got[2] << 8 | guest->got[3], 1008);
		assert_memory_equal(guest->got + 4, "delimiter in a message", guest->got[1] - 2);
		assert_int_equal(visitor_code_sent(guest->visitor), 1008);
		assert_int_equal(guest->n_eof, 1);
		assert_true(guest->end.abrupt);
		assert_false(guest->end.in_message);
		guest_leave(guest, false);
		rig_until(&guest->rig, guest->n_closed == 1);
		guest_free(guest);
	}
}

static void guest_ignores_eof(void *arg, int error)
{
	(void)arg;
	assert_int_equal(error, 0);
}

static const struct stream_hooks early_hooks = { .on_eof = guest_ignores_eof };

/* A client that sent more, behind its request, than the other side takes, and ended TCP at once: before it
 * was let in. */
static struct guest *guest_early(size_t n, size_t room)
{
	struct guest *guest = guest_new(false);
	uint8_t *wire = malloc(n + FRAME_HEADER_MAX), *payload = calloc(1, n);
	int fds[2];

	guest->visitor->ops->destroy(guest->visitor);
	close(guest->fd);
	wire_new(fds, false);
	guest->fd = fds[1];
	stream_open(&guest->stream, &guest->rig.loop, fds[0], fds[0], &early_hooks, NULL);
	shutdown(guest->fd, SHUT_WR);
	rig_until(&guest->rig, stream_has_ended(&guest->stream));
	guest->visitor = visitor_new(
		&guest->rig.loop, &guest->stream, &guest->route, guest->max_message, &guest->agreed);
	guest->visitor->hooks = &guest_hooks;
	guest->visitor->arg = guest;
	size_t len = wire_frame(wire, 0x82, payload, n);
	guest->takes_once = true;
	guest->visitor->ops->allow(guest->visitor, room);
	visitor_feed(guest->visitor, wire, len);
	free(wire);
	free(payload);
	assert_int_equal(guest->n_data, room);
	assert_int_equal(guest->n_eof, 0);
	return guest;
}

/* The other side takes it all, a little at a time, and hears of the end then. */
static void guest_takes_the_rest(struct guest *guest, size_t n)
{
	for (int turns = 0; guest->n_eof == 0; turns++) {
		assert_in_range(turns, 0, 1000);
		guest->visitor->ops->allow(guest->visitor, 1000);
		rig_turns(&guest->rig, 3);
	}
	assert_int_equal(guest->n_data, n);
	assert_int_equal(guest->n_messages, 1);
	assert_true(guest->end.abrupt);
	assert_false(guest->end.in_message);
}

/* What came before its end reaches the other side, however long that takes it. */
static void test_early_and_gone(void **state)
{
	(void)state;

	for (int broken = 0; broken < 2; broken++) {
		struct guest *guest = guest_early(30000, 10000);

		if (broken) {
			stream_break(&guest->stream, EPIPE);
			rig_turns(&guest->rig, 3);
		} else {
			rig_pass(&guest->rig, 10 * (PING_INTERVAL + PING_TIMEOUT), 1000);
		}
		assert_int_equal(guest->n_eof, 0);
		assert_int_equal(guest->n_closed, 0);
		guest_takes_the_rest(guest, 30000);
		guest_free(guest);
	}
}

/* A rule broken after our own close frame: no second one. */
static void test_error_after_close(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest_finish(guest, 1000, "");
	wire_write(guest->fd, "\x82\x01x", 3);
	guest_got(guest, "\x88\x02\x03\xe8", 4);
	assert_true(guest->got_eof);
	assert_true(guest->end.abrupt);
	assert_int_equal(visitor_code_sent(guest->visitor), 1000);
	guest_free(guest);
}

/* Every ping is answered with its payload, in order, between the frames of a message too. */
static void test_pings(void **state)
{
	struct guest *guest = guest_new(false);
	char long_one[FRAME_CONTROL_MAX];
	(void)state;

	memset(long_one, 'p', sizeof(long_one));
	for (char c = '0'; c <= '9'; c++)
		wire_send(guest->fd, 0x89, &c, 1);
	guest_got(guest,
		"\x8a\x01"
		"0\x8a\x01"
		"1\x8a\x01"
		"2\x8a\x01"
		"3\x8a\x01"
		"4\x8a\x01"
		"5\x8a\x01"
		"6\x8a\x01"
		"7\x8a\x01"
		"8\x8a\x01"
		"9",
		30);
	wire_send(guest->fd, 0x02, "a", 1);
	wire_send(guest->fd, 0x89, "", 0);
	wire_send(guest->fd, 0x80, "b", 1);
	guest_got(guest, "\x8a\x00", 2);
	assert_int_equal(guest->n_messages, 1);
	wire_send(guest->fd, 0x89, long_one, sizeof(long_one));
	guest_settle(guest);
	assert_int_equal(guest->n_got, 2 + sizeof(long_one));
	assert_memory_equal(guest->got + 2, long_one, sizeof(long_one));
	wire_send(guest->fd, 0x8a, "unasked", 7); /* an unasked pong is no error */
	guest->n_got = 0;
	guest_got(guest, "", 0);

	guest_finish(guest, 1000, "");
	wire_send(guest->fd, 0x89, "x", 1); /* after our close nothing is sent */
	guest_got(guest, "\x88\x02\x03\xe8", 4);
	guest_free(guest);
}

/* How many pongs are in what the client got, in order; their payloads are numbers. Skips binary frames. */
static unsigned guest_pongs(const struct guest *guest, unsigned *last)
{
	unsigned n = 0;
	for (size_t i = 0; i + 2 <= guest->n_got;) {
		size_t len = guest->got[i + 1], header = 2;
		if (len == 126) {
			len = (size_t)guest->got[i + 2] << 8 | guest->got[i + 3];
			header = 4;
		} else if (len == 127) {
			len = (size_t)guest->got[i + 7] << 16 | (size_t)guest->got[i + 8] << 8 |
			      guest->got[i + 9];
			header = 10;
		}
		if (guest->got[i] == 0x8a) {
			unsigned number;
			memcpy(&number, guest->got + i + header, sizeof(number));
			assert_true(n == 0 || number > *last);
			*last = number;
			n++;
		} else
			assert_int_equal(guest->got[i], 0x82);
		i += header + len;
	}
	return n;
}

/* A client that pings and does not read makes nothing grow; when it reads, the pongs are in order, and one of
 * them answers its last ping. */
static void test_ping_flood(void **state)
{
	enum { PINGS = 20000 };
	struct guest *guest = guest_new(true);
	unsigned last = 0;
	size_t most = 0;
	(void)state;

	for (unsigned i = 1; i <= PINGS; i++) {
		char payload[100] = { 0 };
		uint8_t frame[128];
		memcpy(payload, &i, sizeof(i));
		size_t len = wire_frame(frame, 0x89, payload, sizeof(payload));
		wire_write(guest->fd, frame, len);
		if (i % 100 == 0)
			rig_turn(&guest->rig);
		size_t queued =
			guest->stream.out.queue == NULL ? 0 : evbuffer_get_length(guest->stream.out.queue);
		most = queued > most ? queued : most;
	}
	assert_in_range(most, 1, 65536);
	for (int i = 0; i < 1000 && last < PINGS; i++) {
		guest_settle(guest);
		guest_pongs(guest, &last);
	}
	assert_int_equal(last, PINGS);
	guest_free(guest);
}

/* A reader that is slower than what it is sent, so that something is queued all the time, pings now and then:
 * it goes on to get its pongs, however many there were. */
static void test_pongs_behind_data(void **state)
{
	enum { PINGS = 100, LEN = 2000 };
	struct guest *guest = guest_new(true);
	static const uint8_t bytes[LEN];
	unsigned last = 0;
	(void)state;

	for (int i = 0; i < 30; i++)
		guest_say(guest, bytes, LEN);
	for (unsigned i = 1; i <= PINGS; i++) {
		wire_send(guest->fd, 0x89, &i, sizeof(i));
		rig_turns(&guest->rig, 2);
		/* It reads about as much as comes in. */
		for (size_t aim = guest->n_got + 2 * LEN; guest->n_got < aim;) {
			guest_read(guest, aim - guest->n_got);
			rig_turn(&guest->rig);
		}
		guest_say(guest, bytes, LEN);
		guest_say(guest, bytes, LEN);
		assert_true(guest->visitor->ops->queued(guest->visitor) > 0);
	}
	unsigned n = guest_pongs(guest, &last);
	assert_in_range(n, PINGS / 2, PINGS);
	guest_settle(guest);
	guest_pongs(guest, &last);
	assert_int_equal(last, PINGS);
	guest_free(guest);
}

/* Our close frame is not answered: 5 s, neither less nor twice that because its acknowledgement came
 * meanwhile; pings of the client do not lengthen it. */
static void test_close_timer(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest_finish(guest, 1000, "");
	for (int ms = 0; ms < VISITOR_CLOSE_MS - 200; ms += 200) {
		wire_send(guest->fd, 0x89, "x", 1);
		guest_settle(guest);
		rig_skip(200);
	}
	guest_settle(guest);
	assert_int_equal(guest->n_closed, 0);
	rig_pass(&guest->rig, 700, 100);
	unsigned n_closed = guest->n_closed;
	rig_skip(VISITOR_CLOSE_MS);
	rig_until(&guest->rig, guest->n_closed == 1);
	assert_true(guest->end.abrupt);
	assert_string_equal(guest_how(guest), "close timeout");
	guest_free(guest);
	assert_int_equal(n_closed, 1);
}

/* The answer came while the process stood still, for longer than that. */
static void test_close_stood_still(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest_finish(guest, 1000, "");
	rig_pass(&guest->rig, 300, 100);
	guest_close(guest, 1000, "");
	rig_skip(VISITOR_CLOSE_MS + 10);
	interrupted = true;
	guest_settle(guest);
	assert_false(interrupted);
	assert_int_equal(visitor_code_received(guest->visitor), 1000);
	guest_leave(guest, false);
	rig_until(&guest->rig, guest->n_closed == 1);
	assert_string_equal(guest_how(guest), "");
	guest_free(guest);
}

/* The time runs from when the close frame leaves: a client that still reads what is before it has the time
 * for that, one that stops reading has not. */
static void test_close_timer_slow_reader(void **state)
{
	enum { LEN = 100000 };
	struct guest *guest = guest_new(true);
	uint8_t *bytes = calloc(1, LEN);
	(void)state;

	guest_say(guest, bytes, LEN);
	guest_finish(guest, 1000, "");
	for (int i = 0; i < 10; i++) {
		rig_skip(VISITOR_CLOSE_MS - 500);
		for (int k = 0; k < 4; k++) {
			guest_read(guest, 1000);
			rig_turns(&guest->rig, 3);
		}
		assert_int_equal(guest->n_closed, 0);
	}
	wire_deafen(guest->fd, guest->stream.rfd);
	rig_skip(SEND_TIMEOUT);
	rig_turns(&guest->rig, 3);
	rig_skip(SEND_TIMEOUT);
	rig_until(&guest->rig, guest->n_closed == 1);
	free(bytes);
	guest_free(guest);
}

/* Both close frames are there, but the client keeps TCP: 2 s. */
static void test_linger_timer(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest_close(guest, 1000, "");
	guest_settle(guest);
	guest_finish(guest, 1000, "");
	guest_settle(guest);
	/* The time runs from when all is acknowledged. */
	rig_until(&guest->rig, stream_unsent(&guest->stream) == 0);
	rig_pass(&guest->rig, VISITOR_LINGER_MS - 1000, 100); /* on a busy machine that took its time too */
	wire_send(guest->fd, 0x82, "x", 1);		      /* does not help it */
	rig_turns(&guest->rig, 3);
	assert_int_equal(guest->n_closed, 0);
	rig_pass(&guest->rig, 1300, 100);
	unsigned n_closed = guest->n_closed;
	rig_skip(VISITOR_LINGER_MS);
	rig_until(&guest->rig, guest->n_closed == 1);
	assert_false(guest->end.abrupt);
	guest_free(guest);
	assert_int_equal(n_closed, 1);
}

/* What is sent is on its way for long, and nothing waits here. */
static void guest_be_distant(struct guest *guest)
{
	static const uint8_t bytes[2000];
	wire_deafen(guest->fd, guest->stream.rfd);
	guest_say(guest, bytes, sizeof(bytes));
	assert_true(stream_unsent(&guest->stream) > sizeof(bytes));
	assert_int_equal(stream_queued(&guest->stream), 0);
}

/* Our last words are still on their way at the first look, and at the one before nobody was there to have
 * taken anything for send_timeout: their time begins with them. */
static void test_linger_of_a_distant_client(void **state)
{
	(void)state;
	for (int answers = 0; answers < 2; answers++) {
		struct guest *guest = guest_new_with(true, 0, PING_TIMEOUT, SEND_TIMEOUT);
		guest_be_distant(guest);
		guest->visitor->ops->allow(guest->visitor, 0); /* has it looked at */
		rig_pass(&guest->rig, VISITOR_PEEK_MS, 500);
		guest->visitor->ops->allow(guest->visitor, 65536);
		rig_pass(&guest->rig, 2 * SEND_TIMEOUT, SEND_TIMEOUT);
		if (answers)
			guest_close(guest, 1000, "");
		else
			wire_send(guest->fd, 0x83, "", 0); /* breaks a rule */
		rig_turns(&guest->rig, 3);
		guest_finish(guest, 1000, "");
		rig_pass(&guest->rig, SEND_TIMEOUT - 1000, 100);
		assert_int_equal(guest->n_closed, 0);
		rig_pass(&guest->rig, 1200, 100);
		unsigned n_closed = guest->n_closed;
		guest_free(guest);
		assert_int_equal(n_closed, 1);
	}
}

/* The client has closed and the other side takes its time: nothing is due, and nothing is pinged. */
static void test_close_received_waits(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest_close(guest, 1000, "");
	guest_settle(guest);
	for (int i = 0; i < 10; i++) {
		rig_skip(PING_INTERVAL);
		guest_settle(guest);
	}
	assert_int_equal(guest->n_got, 0);
	assert_int_equal(guest->n_closed, 0);
	guest_free(guest);
}

/* Fills the connection so that bytes wait here. */
static void guest_fill(struct guest *guest, size_t len)
{
	static const uint8_t bytes[65536];
	while (guest->stream.out.queue == NULL || evbuffer_get_length(guest->stream.out.queue) < len)
		guest_say(guest, bytes, 5000);
}

/* Has the client been cut, that is, reset? */
static bool guest_was_cut(struct guest *guest)
{
	while (guest->got_error == 0 && !guest->got_eof) {
		guest->n_got = 0;
		guest_read(guest, 65536);
		rig_turn(&guest->rig);
	}
	return guest->got_error == ECONNRESET;
}

/* A client that takes nothing for send_timeout while bytes wait is cut then, and not before. */
static void test_send_timeout(void **state)
{
	struct guest *guest = guest_new_with(true, 0, PING_TIMEOUT, SEND_TIMEOUT);
	(void)state;

	guest_fill(guest, 10000);
	wire_deafen(guest->fd, guest->stream.rfd);
	rig_turns(&guest->rig, 3);
	rig_pass(&guest->rig, SEND_TIMEOUT - 1000, 1000);
	assert_int_equal(guest->n_closed, 0);
	rig_pass(&guest->rig, 1000 + 2 * SEND_TIMEOUT / PULSE_LOOKS, 1000);
	unsigned n_closed = guest->n_closed;
	bool abrupt = guest->end.abrupt, cut = n_closed == 1 && guest_was_cut(guest);
	const char *how = guest_how(guest);
	guest_free(guest);
	assert_int_equal(n_closed, 1);
	assert_true(abrupt);
	assert_true(cut);
	assert_string_equal(how, "send timeout");
}

/* Nothing waits: a client that reads nothing for hours is none that takes nothing. */
static void test_send_timeout_idle(void **state)
{
	struct guest *guest = guest_new_with(true, 0, PING_TIMEOUT, SEND_TIMEOUT);
	(void)state;

	guest_say(guest, "x", 1);
	for (int i = 0; i < 10; i++) {
		rig_skip(SEND_TIMEOUT);
		rig_turns(&guest->rig, 2);
	}
	assert_int_equal(guest->n_closed, 0);
	guest_free(guest);
}

/* A slow reader is one that reads: it may take a little of what the kernel holds, too little for anything to
 * leave our queue, and is not cut for it, though the queue has grown since it began. */
static void test_send_timeout_slow_reader(void **state)
{
	struct guest *guest = guest_new_with(true, 0, PING_TIMEOUT, SEND_TIMEOUT);
	(void)state;

	guest_fill(guest, 1);
	rig_turns(&guest->rig, 5);
	guest_fill(guest, 200000);
	for (int i = 0; i < 20; i++) {
		/* As much as its receive buffer: less would open no window, and nobody could see that it
		 * reads. */
		uint64_t before = stream_taken(&guest->stream);
		for (size_t aim = guest->n_got + 4096;
			guest->n_got < aim || stream_taken(&guest->stream) == before;) {
			guest_read(guest, 1024);
			rig_turn(&guest->rig);
		}
		rig_pass(&guest->rig, SEND_TIMEOUT / 2, SEND_TIMEOUT / 16);
		assert_int_equal(guest->n_closed, 0);
	}
	guest_free(guest);
}

/* The time runs from the last byte that was taken, not from some later look at it. */
static void test_send_timeout_from_last_byte(void **state)
{
	struct guest *guest = guest_new_with(true, 0, PING_TIMEOUT, SEND_TIMEOUT);
	(void)state;

	guest_fill(guest, 200000);
	rig_turns(&guest->rig, 5);
	rig_skip(1000);
	for (int i = 0; i < 20; i++) { /* some, then never again */
		guest_read(guest, 2000);
		rig_turn(&guest->rig);
	}
	wire_deafen(guest->fd, guest->stream.rfd);
	rig_pass(&guest->rig, SEND_TIMEOUT - 1000, 1000);
	assert_int_equal(guest->n_closed, 0);
	rig_pass(&guest->rig, 1000 + 2 * SEND_TIMEOUT / PULSE_LOOKS, 1000);
	unsigned n_closed = guest->n_closed;
	guest_free(guest);
	assert_int_equal(n_closed, 1);
}

/* visitor_cut() does not wait for one that still reads what is before its close frame; one that has read that
 * may answer it. */
static void test_cut(void **state)
{
	(void)state;

	for (int behind = 0; behind < 2; behind++) {
		struct guest *guest = guest_new_with(true, 0, PING_TIMEOUT, SEND_TIMEOUT);
		struct end end = { .code = CLOSE_GOING_AWAY };

		if (behind)
			guest_fill(guest, 200000);
		guest->visitor->ops->finish(guest->visitor, &end);
		guest_read(guest, 2000);
		rig_turn(&guest->rig);
		assert_int_equal(guest->n_closed, 0);
		visitor_cut(guest->visitor, "lifetime");
		assert_int_equal(guest->n_closed, behind);
		if (!behind) {
			wire_send(guest->fd, 0x88, "\x03\xe9", 2);
			close(guest->fd);
			rig_until(&guest->rig, guest->n_closed == 1);
			guest->fd = -1;
			assert_string_not_equal(guest_how(guest), "lifetime");
			guest_free(guest);
			continue;
		}
		assert_true(guest->end.abrupt);
		visitor_cut(guest->visitor, "idle");
		assert_int_equal(guest->n_closed, 1);
		assert_string_equal(guest_how(guest), "lifetime");
		assert_true(guest_was_cut(guest));
		guest_free(guest);
	}
}

/* A ping when the client was silent for ping_interval; its pong, or any other frame, and it lives on; silence
 * for ping_timeout after it, and it is cut. */
static void test_keepalive(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	for (int i = 0; i < 3; i++) {
		rig_skip(PING_INTERVAL - 1000);
		guest_got(guest, "", 0);
		rig_skip(1000);
		guest_got(guest, "\x89\x00", 2);
		rig_skip(PING_TIMEOUT - 1000);
		guest_got(guest, "", 0);
		if (i == 0)
			wire_send(guest->fd, 0x8a, "", 0);
		else
			wire_send(guest->fd, 0x82, "x", 1);
		guest_settle(guest);
		rig_skip(2000);
		guest_settle(guest);
		assert_int_equal(guest->n_closed, 0);
		wire_send(guest->fd, 0x82, "x", 1); /* the silence begins here */
		guest_settle(guest);
	}
	rig_skip(PING_INTERVAL);
	guest_got(guest, "\x89\x00", 2);
	rig_skip(PING_TIMEOUT - 1000);
	guest_settle(guest);
	assert_int_equal(guest->n_closed, 0);
	rig_skip(1000);
	rig_until(&guest->rig, guest->n_closed == 1);
	assert_true(guest->end.abrupt);
	assert_string_equal(guest_how(guest), "ping timeout");
	assert_int_equal(visitor_code_sent(guest->visitor), 0);
	guest_free(guest);
}

/* The next ping is due ping_interval after the answer, also when ping_timeout is longer. */
static void test_quick_pings(void **state)
{
	struct guest *guest = guest_new_with(false, 1000, PING_TIMEOUT, SEND_TIMEOUT);
	(void)state;

	for (int i = 0; i < 3; i++) {
		rig_skip(900);
		guest_got(guest, "", 0);
		rig_skip(100);
		guest_got(guest, "\x89\x00", 2);
		wire_send(guest->fd, 0x8a, "", 0);
		guest_settle(guest);
	}
	guest_free(guest);
}

/* ping_interval = 0 is none. */
static void test_no_pings(void **state)
{
	struct guest *guest = guest_new_with(false, 0, PING_TIMEOUT, SEND_TIMEOUT);
	(void)state;

	rig_skip(100 * PING_INTERVAL);
	guest_got(guest, "", 0);
	assert_int_equal(guest->n_closed, 0);
	guest_free(guest);
}

/* A client that still reads what was queued before the ping can't have seen it: its reading is its sign of
 * life, and it is cut only when that has stopped for send_timeout. */
static void test_ping_behind_data(void **state)
{
	struct guest *guest = guest_new(true);
	(void)state;

	guest_fill(guest, 300000);
	for (int i = 0; i < 30; i++) {
		rig_skip(PING_TIMEOUT / 2);
		for (int k = 0; k < 4; k++) {
			guest_read(guest, 1000);
			rig_turns(&guest->rig, 3);
		}
		assert_int_equal(guest->n_closed, 0);
	}
	wire_deafen(guest->fd, guest->stream.rfd); /* it vanishes without a word */
	for (int i = 0; i < 12 && guest->n_closed == 0; i++) {
		rig_skip(SEND_TIMEOUT / 8);
		rig_turns(&guest->rig, 3);
	}
	assert_int_equal(guest->n_closed, 1);
	guest_free(guest);
}

/* While we do not read, its pong may lie in the kernel: a client is not cut for our own pause as long as its
 * TCP lives. */
static void test_ping_while_paused(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest->visitor->ops->allow(guest->visitor, 0);
	for (int i = 0; i < 20 && guest->n_closed == 0; i++) {
		int at_once = 1; /* as over the loopback, most of the time */
		setsockopt(guest->fd, IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof(at_once));
		rig_skip(PING_INTERVAL / 2);
		guest_settle(guest); /* it reads the pings */
		if (guest->n_closed == 0)
			wire_send(guest->fd, 0x8a, "", 0);
	}
	guest->visitor->ops->allow(guest->visitor, 65536);
	guest_settle(guest);
	rig_skip(PING_TIMEOUT + 1000);
	guest_settle(guest);
	unsigned n_closed = guest->n_closed;
	guest_free(guest);
	assert_int_equal(n_closed, 0);
}

/* Reading stops at 0 and brings at most what is allowed; the end is not lost, and is not heard early. */
static void test_paused(void **state)
{
	struct guest *guest = guest_new(false);
	(void)state;

	guest->visitor->ops->allow(guest->visitor, 0);
	wire_send(guest->fd, 0x82, "0123456789", 10);
	guest_close(guest, 1000, "");
	shutdown(guest->fd, SHUT_WR);
	guest_settle(guest);
	assert_int_equal(guest->n_pieces, 0);
	assert_int_equal(guest->n_eof, 0);
	guest->visitor->ops->allow(guest->visitor, 8);
	rig_turn(&guest->rig);
	assert_int_equal(guest->n_data, 2);
	rig_turn(&guest->rig);
	assert_int_equal(guest->n_data, 10);
	assert_int_equal(guest->n_eof, 0);
	rig_turns(&guest->rig, 2);
	assert_int_equal(guest->n_eof, 1);
	assert_false(guest->end.abrupt);
	guest_free(guest);
}

/* A client that is reset while nothing is read from it, nor sent to it: that is seen within VISITOR_PEEK_MS,
 * without pings, and what it had said is heard if it is asked for then. */
static void test_reset_while_paused(void **state)
{
	(void)state;
	for (int listens = 0; listens < 2; listens++) {
		struct guest *guest = guest_new_with(false, 0, PING_TIMEOUT, SEND_TIMEOUT);
		guest->visitor->ops->allow(guest->visitor, 0);
		wire_send(guest->fd, 0x82, "0123456789", 10);
		guest_leave(guest, true);
		guest_settle(guest);
		rig_pass(&guest->rig, VISITOR_PEEK_MS - 100, 500);
		assert_int_equal(guest->n_sent + guest->n_eof, 0);
		rig_pass(&guest->rig, 100, 100);
		assert_string_equal(guest_how(guest), strerror(ECONNRESET));
		assert_int_equal(guest->n_eof, 0);
		if (listens) {
			guest->visitor->ops->allow(guest->visitor, 65536);
			rig_turns(&guest->rig, 3);
		}
		assert_int_equal(guest->n_data, listens ? 10 : 0);
		rig_pass(&guest->rig, VISITOR_CLOSE_MS, 500);
		assert_int_equal(guest->n_closed, 1);
		assert_true(guest->end.abrupt);
		guest_free(guest);
	}
}

/* One that has said all, has closed and has ended its side is no such client, however long it takes until it
 * is heard. */
static void test_end_while_paused(void **state)
{
	struct guest *guest = guest_new_with(false, 0, PING_TIMEOUT, SEND_TIMEOUT);
	(void)state;

	guest->visitor->ops->allow(guest->visitor, 0);
	wire_send(guest->fd, 0x82, "0123456789", 10);
	guest_close(guest, 1000, "");
	guest_leave(guest, false);
	rig_pass(&guest->rig, 10 * VISITOR_PEEK_MS, 500);
	assert_int_equal(guest->n_eof + guest->n_closed, 0);
	guest->visitor->ops->allow(guest->visitor, 65536);
	rig_turns(&guest->rig, 3);
	assert_int_equal(guest->n_data, 10);
	assert_int_equal(guest->n_eof, 1);
	assert_int_equal(guest->end.code, 1000);
	assert_false(guest->end.abrupt);
	guest_free(guest);
}

/* Who is read needs no looking after: without pings there is no timer, and after a pause there is none again
 * soon. */
static void test_timer_of_a_pause(void **state)
{
	struct guest *guest = guest_new_with(false, 0, PING_TIMEOUT, SEND_TIMEOUT);
	const struct loop *loop = &guest->rig.loop;
	(void)state;

	guest_settle(guest);
	assert_int_equal(event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ADDED), GUEST_EVENTS);
	for (int i = 0; i < 3; i++) {
		guest->visitor->ops->allow(guest->visitor, 0);
		guest->visitor->ops->allow(guest->visitor, 65536);
	}
	assert_int_equal(event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ADDED), GUEST_EVENTS + 1);
	rig_pass(&guest->rig, VISITOR_PEEK_MS, 500);
	assert_int_equal(event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ADDED), GUEST_EVENTS);
	guest_free(guest);
}

/* A message from the other side in pieces is one in frames: type on the first one, FIN on the last one. */
static void test_frames_out(void **state)
{
	struct guest *guest = guest_new(false);
	uint8_t byte = 'a';
	struct piece pieces[] = {
		{ .data = &byte, .len = 1, .text = true, .first = true, .last = false },
		{ .data = &byte, .len = 1, .text = true, .first = false, .last = false },
		{ .data = &byte, .len = 0, .text = true, .first = false, .last = true },
		{ .data = &byte, .len = 0, .text = false, .first = true, .last = true },
		{ .data = &byte, .len = 1, .text = true, .first = true, .last = true },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		guest->visitor->ops->send(guest->visitor, &pieces[i]);
	guest->visitor->ops->flush(guest->visitor);
	guest_got(guest,
		"\x01\x01"
		"a\x00\x01"
		"a\x80\x00\x82\x00\x81\x01"
		"a",
		13);
	guest_free(guest);
}

/* Frames that came right behind the request. */
static void test_feed(void **state)
{
	struct guest *guest = guest_new(false);
	uint8_t wire[64];
	(void)state;

	size_t n = wire_frame(wire, 0x82, "first", 5);
	n += wire_frame(wire + n, 0x89, "p", 1);
	visitor_feed(guest->visitor, wire, n);
	assert_int_equal(guest->n_data, 5);
	guest_got(guest, "\x8a\x01p", 3);
	n = wire_frame(wire, 0x88, "\x03\xe8", 2);
	visitor_feed(guest->visitor, wire, n);
	assert_int_equal(guest->n_eof, 1);
	guest_free(guest);
}

/* It is taken down in every state: nothing is called, nothing is left. */
static void test_destroy(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct guest *guest = guest_new(true);
		if (i == 1)
			guest_close(guest, 1000, "");
		if (i == 2)
			guest_finish(guest, 1000, "");
		if (i == 3)
			wire_write(guest->fd, "\x82\x01x", 3);
		if (i == 4) {
			guest_leave(guest, false);
			rig_until(&guest->rig, guest->n_closed == 1);
		} else if (i == 0)
			guest_fill(guest, 10000);
		rig_turns(&guest->rig, 2);
		unsigned n_closed = guest->n_closed;
		guest->visitor->hooks = NULL; /* any call would be the last one */
		if (guest->fd >= 0)
			wire_send(guest->fd, 0x82, "x", 1);
		guest_free(guest);
		assert_int_equal(n_closed, i == 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_close),
		cmocka_unit_test(test_they_close_and_it_breaks),
		cmocka_unit_test(test_we_close),
		cmocka_unit_test(test_both_close),
		cmocka_unit_test(test_finish_twice),
		cmocka_unit_test(test_close_is_last),
		cmocka_unit_test(test_data_after_close),
		cmocka_unit_test(test_vanish_open),
		cmocka_unit_test(test_vanish_in_frame),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_vanish_close_sent),
		cmocka_unit_test(test_vanish_close_received),
		cmocka_unit_test(test_close_and_leave),
		cmocka_unit_test(test_reset_in_linger),
		cmocka_unit_test(test_protocol_errors),
		cmocka_unit_test(test_bad_text_is_in_message),
		cmocka_unit_test(test_refused_message),
		cmocka_unit_test(test_early_and_gone),
		cmocka_unit_test(test_error_after_close),
		cmocka_unit_test(test_pings),
		cmocka_unit_test(test_ping_flood),
		cmocka_unit_test(test_pongs_behind_data),
		cmocka_unit_test(test_close_timer),
		cmocka_unit_test(test_close_stood_still),
		cmocka_unit_test(test_close_timer_slow_reader),
		cmocka_unit_test(test_linger_timer),
		cmocka_unit_test(test_linger_of_a_distant_client),
		cmocka_unit_test(test_close_received_waits),
		cmocka_unit_test(test_send_timeout),
		cmocka_unit_test(test_send_timeout_idle),
		cmocka_unit_test(test_send_timeout_slow_reader),
		cmocka_unit_test(test_send_timeout_from_last_byte),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_keepalive),
		cmocka_unit_test(test_quick_pings),
		cmocka_unit_test(test_no_pings),
		cmocka_unit_test(test_ping_behind_data),
		cmocka_unit_test(test_ping_while_paused),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_reset_while_paused),
		cmocka_unit_test(test_end_while_paused),
		cmocka_unit_test(test_timer_of_a_pause),
		cmocka_unit_test(test_frames_out),
		cmocka_unit_test(test_feed),
		cmocka_unit_test(test_destroy),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
