/*
 * Tests of clients that are let in to be told why not: when they are told, what they say meanwhile, and that
 * none stays, whatever it reads and answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "gate/refused.h"
#include "gate/visitor.h"
#include "rig.h"
#include "wire.h"
#include "ws/message.h"

static const struct refusal full = { .status = 503,
	.code = 1013,
	.later = true,
	.reason = "max_sessions",
	.sentence = "Full. Try again later." };

/* The whole of that in a close frame: its code and its words. */
static const char full_frame[] = "\x88\x18\x03\xf5"
				 "Full. Try again later.";

struct guest {
	struct rig rig;
	struct stream stream;
	struct route_conf route;
	struct permessage agreed;
	struct endpoint *visitor;
	struct refused *refused;
	int fd;
	unsigned n_due, n_over;
};

static void guest_on_due(void *arg)
{
	struct guest *guest = arg;
	assert_int_equal(guest->n_due++, 0);
	refused_tell(guest->refused, guest->visitor);
}

static void guest_on_over(void *arg)
{
	struct guest *guest = arg;
	assert_int_equal(guest->n_over++, 0);
	guest->visitor->ops->destroy(guest->visitor);
	refused_free(guest->refused);
	guest->refused = NULL;
}

static const struct refused_hooks guest_hooks = { .on_due = guest_on_due, .on_over = guest_on_over };
static const struct stream_hooks no_hooks;

/* A client that is to be refused. */
static void guest_init(struct guest *guest)
{
	int fds[2];

	memset(guest, 0, sizeof(*guest));
	rig_init(&guest->rig);
	wire_new(fds, true);
	guest->fd = fds[1];
	guest->route = (struct route_conf){ .send_timeout_ms = 60000 };
	stream_open(&guest->stream, &guest->rig.loop, fds[0], fds[0], &no_hooks, NULL);
	guest->visitor = visitor_new(&guest->rig.loop, &guest->stream, &guest->route, 0, &guest->agreed);
	assert_non_null(guest->visitor);
	guest->refused = refused_new(&guest->rig.loop, &full, &guest_hooks, guest);
	assert_non_null(guest->refused);
	assert_int_equal(guest->n_due, 0); /* never from within */
}

static void guest_done(struct guest *guest)
{
	close(guest->fd);
	assert_int_equal(guest->n_over, 1);
	rig_done(&guest->rig);
}

/* Reads the close frame, and nothing else. */
static void guest_read_close(struct guest *guest)
{
	char got[64];
	ssize_t n;

	rig_until(&guest->rig, (n = read(guest->fd, got, sizeof(got))) > 0);
	assert_int_equal(n, sizeof(full_frame) - 1);
	assert_memory_equal(got, full_frame, sizeof(full_frame) - 1);
}

/* Told on the next turn; what it then says goes nowhere; over when it answers. */
static void test_answers(void **state)
{
	struct guest guest;
	uint8_t frame[32];
	(void)state;
	guest_init(&guest);

	rig_turns(&guest.rig, 2);
	assert_int_equal(guest.n_due, 1);
	guest_read_close(&guest);
	wire_write(guest.fd, frame, wire_frame(frame, 0x81, "hello", 5));
	wire_write(guest.fd, frame, wire_frame(frame, 0x89, "ping", 4));
	rig_turns(&guest.rig, 5);
	assert_int_equal(guest.n_over, 0);
	wire_write(guest.fd, frame, wire_frame(frame, 0x88, "\x03\xf5", 2));
	shutdown(guest.fd, SHUT_WR);
	rig_until(&guest.rig, guest.n_over == 1);
	assert_int_equal(read(guest.fd, frame, sizeof(frame)), 0); /* no pong */
	guest_done(&guest);
}

/* Never answers: the close handshake's own time, however much is said meanwhile. */
static void test_never_answers(void **state)
{
	struct guest guest;
	uint8_t frame[32];
	(void)state;
	guest_init(&guest);

	rig_turns(&guest.rig, 2);
	guest_read_close(&guest);
	rig_until(&guest.rig, stream_unsent(&guest.stream) == 0); /* which may be some 40 ms late */
	for (int i = 0; i < 4; i++) {
		rig_pass(&guest.rig, VISITOR_CLOSE_MS / 5, 100);
		wire_write(guest.fd, frame, wire_frame(frame, 0x81, "hello", 5));
		rig_turns(&guest.rig, 5);
		assert_int_equal(guest.n_over, 0);
	}
	rig_pass(&guest.rig, VISITOR_CLOSE_MS / 5 + 100, 100);
	assert_int_equal(guest.n_over, 1);
	guest_done(&guest);
}

/* Never reads: it has REFUSED_MS and not the route's send_timeout. */
static void test_never_reads(void **state)
{
	struct guest guest;
	char junk[4096] = { 0 };
	(void)state;
	guest_init(&guest);

	while (write(guest.stream.rfd, junk, sizeof(junk)) > 0)
		;
	wire_deafen(guest.fd, guest.stream.rfd);
	rig_turns(&guest.rig, 2);
	rig_pass(&guest.rig, REFUSED_MS - 500, 100);
	assert_int_equal(guest.n_over, 0);
	rig_pass(&guest.rig, 500, 100);
	assert_int_equal(guest.n_over, 1);
	guest_done(&guest);
}

/* Vanishes. */
static void test_vanishes(void **state)
{
	struct guest guest;
	(void)state;
	guest_init(&guest);

	rig_turns(&guest.rig, 2);
	wire_reset(guest.fd);
	rig_until(&guest.rig, guest.n_over == 1);
	guest.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	guest_done(&guest);
}

/* Freed before it is due. */
static void test_freed(void **state)
{
	struct guest guest;
	(void)state;
	guest_init(&guest);

	assert_string_equal(refused_why(guest.refused)->reason, "max_sessions");
	guest_on_over(&guest);
	rig_turns(&guest.rig, 3);
	assert_int_equal(guest.n_due, 0);
	refused_free(NULL);
	guest_done(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_never_answers),
		cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_vanishes),
		cmocka_unit_test(test_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
