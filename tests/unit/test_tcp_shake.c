/*
 * Tests of a tls:// service as an endpoint: it is ready when the handshake is over and not before; whatever
 * else comes of that costs the service its turn. What the handshakes themselves can meet is in
 * test_pump_client.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>

#include "meeting.h"
#include "untimed.h"

/* Ready after the handshake, then as any service: bytes both ways, and the end that close_notify is. */
static void test_ready(void **state)
{
	struct meeting *meeting = meeting_new(1, NULL);
	char bytes[16] = "";
	(void)state;

	meeting_accept(meeting, 0);
	rig_turns(&meeting->rig, 5);
	heard(&meeting->ear, "");
	meeting_shake(meeting);
	rig_skip(2 * CONNECT_TIMEOUT); /* that is no longer its time */
	rig_turns(&meeting->rig, 3);
	meeting_say(meeting, "there");
	rig_until(&meeting->rig, SSL_read(meeting->service, bytes, sizeof(bytes)) > 0);
	assert_string_equal(bytes, "there");
	assert_int_equal(SSL_write(meeting->service, "back", 4), 4);
	SSL_shutdown(meeting->service);
	rig_until(&meeting->rig, meeting->ear.heard[1] != '\0');
	heard(&meeting->ear, "PE");
	assert_string_equal(meeting->ear.data, "back");
	assert_int_equal(meeting->ear.end.code, 1000);
	meeting_free(meeting);
}

/* A service that says nothing has connect_timeout, not a millisecond more; then the next one has as much. */
static void test_late(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 2; n++) {
		struct meeting *meeting = meeting_new(n, NULL);
		char byte[4096];

		meeting_accept(meeting, 0);
		rig_skip(CONNECT_TIMEOUT - 1000);
		rig_turns(&meeting->rig, 3);
		assert_int_equal(recv(meeting->fd, byte, 1, MSG_PEEK), 1);
		rig_skip(1000);
		rig_turns(&meeting->rig, 3);
		assert_true(read(meeting->fd, byte, sizeof(byte)) > 1);
		assert_int_equal(read(meeting->fd, byte, 1), 0);
		if (n == 1) {
			heard(&meeting->ear, "F");
			assert_int_equal(meeting->ear.error, ETIMEDOUT);
			assert_non_null(strstr(meeting->ear.reason, "TLS with 127.0.0.1:"));
		} else {
			meeting_hang_up(meeting);
			meeting_accept(meeting, 1);
			rig_skip(CONNECT_TIMEOUT - 1000);
			rig_turns(&meeting->rig, 3);
			meeting_shake(meeting);
		}
		meeting_free(meeting);
	}
}

/* One after the other fails in its own way; all of it is told. */
static void test_all_fail(void **state)
{
	struct meeting *meeting = meeting_new(2, NULL);
	char bytes[4096];
	(void)state;

	meeting_accept(meeting, 0);
	assert_int_equal(write(meeting->fd, "no TLS\r\n", 8), 8);
	rig_turns(&meeting->rig, 3);
	meeting_hang_up(meeting);
	meeting_accept(meeting, 1);
	assert_true(read(meeting->fd, bytes, sizeof(bytes)) > 0);
	shutdown(meeting->fd, SHUT_WR);
	rig_until(&meeting->rig, meeting->ear.heard[0] != '\0');
	heard(&meeting->ear, "F");
	assert_int_equal(meeting->ear.error, EPROTO);
	assert_non_null(strstr(meeting->ear.reason,
		": wrong version number: it does not seem to speak TLS; TLS with 127.0.0.1:"));
	assert_non_null(strstr(meeting->ear.reason, ": ended during the handshake"));
	meeting_free(meeting);
}

/* Given up in the middle, in either way. */
static void test_given_up(void **state)
{
	(void)state;
	for (int aborted = 0; aborted < 2; aborted++) {
		struct meeting *meeting = meeting_new(2, NULL);

		meeting_accept(meeting, 0);
		if (aborted) {
			meeting->tcp->ops->abort(meeting->tcp, &(struct end){ .code = 1006 });
			assert_int_equal(write(meeting->fd, "no TLS\r\n", 8), 8); /* nobody minds any more */
			rig_until(&meeting->rig, meeting->ear.heard[1] != '\0');
			heard(&meeting->ear, "EC");
		}
		meeting_free(meeting);
	}
}

/* Where the connection can't have TLS for want of memory no other service is tried. (A name that is too long
 * has the same effect; the configuration has none.) */
static void test_no_memory(void **state)
{
	char name[TLS_CLIENT_NAME_MAX + 2];
	(void)state;

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	struct meeting *meeting = meeting_new(2, name);
	rig_until(&meeting->rig, meeting->ear.heard[0] != '\0');
	heard(&meeting->ear, "F");
	assert_int_equal(meeting->ear.error, ENOMEM);
	meeting_free(meeting);
}

/* What a service has ended in good order is complete, even if it resets what we write after that. */
static void test_write_meets_a_reset(void **state)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	(void)state;

	for (int notified = 0; notified < 2; notified++) {
		struct meeting *meeting = meeting_new(1, NULL);
		meeting_accept(meeting, 0);
		meeting_shake(meeting);
		meeting->tcp->ops->allow(meeting->tcp, 0);
		assert_int_equal(SSL_write(meeting->service, "bye", 3), 3);
		if (notified)
			SSL_shutdown(meeting->service);
		setsockopt(meeting->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		meeting_hang_up(meeting);
		rig_wait(&meeting->rig);
		meeting_say(meeting, "too late");
		rig_turns(&meeting->rig, 3);
		meeting->tcp->ops->allow(meeting->tcp, 65536);
		rig_until(&meeting->rig, strchr(meeting->ear.heard, 'E') != NULL);
		heard(&meeting->ear, "PEC");
		assert_string_equal(meeting->ear.data, "bye");
		assert_int_equal(meeting->ear.end.code, notified ? 1000 : 1011);
		meeting_free(meeting);
	}
}

/* Where it was us who gave up writing (as when it asks for new keys without end and takes nothing), what the
 * service ends in good order is not complete all the same. */
static void test_gives_up_writing(void **state)
{
	struct meeting *meeting = meeting_new(1, NULL);
	(void)state;

	meeting_accept(meeting, 0);
	meeting_shake(meeting);
	stream_break(&((struct tcp *)meeting->tcp)->channel.stream, ENOBUFS);
	rig_turns(&meeting->rig, 2);
	SSL_shutdown(meeting->service);
	rig_until(&meeting->rig, strchr(meeting->ear.heard, 'E') != NULL);
	assert_int_equal(meeting->ear.end.code, 1011);
	meeting_free(meeting);
}

/* Without a timer it is not waited for, be there another service or not: the hello's, and ours. */
static void test_no_timer(void **state)
{
	(void)state;
	for (unsigned which = 1; which <= 2; which++) {
		struct meeting *meeting = meeting_new(2, NULL);

		untimed_at = which;
		for (int i = 0; i < 5000 && meeting->ear.heard[0] == '\0'; i++)
			rig_turn(&meeting->rig);
		heard(&meeting->ear, "F");
		assert_int_equal(meeting->ear.error, ENOMEM);
		assert_non_null(strstr(meeting->ear.reason, "TLS with 127.0.0.1:"));
		meeting_free(meeting);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_all_fail),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_write_meets_a_reset),
		cmocka_unit_test(test_gives_up_writing),
		cmocka_unit_test(test_no_timer),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, meeting_setup, meeting_teardown);
}
