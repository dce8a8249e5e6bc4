/*
 * Tests what comes before TLS or HTTP: a PROXY header in pieces, of which nothing behind it is read, who may
 * send one, the byte that chooses TLS, how long any of it may take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "gate/preface.h"
#include "interrupted.h"
#include "rig.h"
#include "untimed.h"
#include "wire.h"

static const char v1[] = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
/* With TLS said to be the client's. */
static const char v2[] =
	"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\xc0\0\2\1\xc6\x33\x64\7\xdc\4\x01\xbb\x20\0\5\1\0\0\0\1";
static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/* A connection, what is before it, and what its owner hears. */
struct guest {
	struct rig rig;
	struct cidr trusted;
	struct listen_conf listen;
	struct entrance entrance;
	struct addr peer;
	struct preface *preface;
	int fd; /* the client's end; -1 once closed */
	int ours;
	int given; /* ours, once it was given away; -1 before */
	unsigned n_ends;
	struct preface_end end;
	struct addr to; /* of the end, if it says any */
	bool free_later;
};

static void guest_on_end(void *arg, const struct preface_end *end)
{
	struct guest *guest = arg;

	guest->n_ends++;
	guest->end = *end;
	guest->given = end->fd;
	if (end->told != NULL)
		guest->to = end->told->to;
	assert_ptr_equal(end->entrance, &guest->entrance);
	if (!guest->free_later) {
		preface_free(guest->preface);
		guest->preface = NULL;
	}
}

/* How it is to be. */
enum { PROXY = 1, TLS = 2, OPTIONAL = 4, STRANGER = 8 };

static struct guest *guest_new_with(int how, unsigned handshake_timeout_ms)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	int fds[2];

	assert_non_null(guest);
	rig_init(&guest->rig);
	assert_true(cidr_parse(&guest->trusted, text_of(how & STRANGER ? "192.0.2.0/24" : "127.0.0.0/8")));
	guest->listen = (struct listen_conf){ .proxy_protocol = how & PROXY,
		.tls_optional = how & OPTIONAL,
		.handshake_timeout_ms = handshake_timeout_ms,
		.trusted_proxies = { &guest->trusted, 1 } };
	guest->entrance = (struct entrance){ .name = (char *)(uintptr_t) "main", .tls = how & TLS };
	assert_true(preface_is_due(&guest->listen, &guest->entrance));
	wire_new(fds, false);
	guest->ours = fds[0];
	guest->fd = fds[1];
	guest->given = -1;
	guest->peer.len = sizeof(guest->peer.u);
	assert_int_equal(getpeername(fds[0], &guest->peer.u.sa, &guest->peer.len), 0);
	guest->preface = preface_new(&guest->rig.loop, &guest->listen, &guest->entrance, fds[0], &guest->peer,
		guest_on_end, guest);
	assert_non_null(guest->preface);
	return guest;
}

static struct guest *guest_new(int how)
{
	return guest_new_with(how, 10000);
}

static void guest_free(struct guest *guest)
{
	preface_free(guest->preface);
	if (guest->given >= 0)
		close(guest->given);
	if (guest->fd >= 0)
		close(guest->fd);
	rig_turn(&guest->rig);
	rig_done(&guest->rig);
	free(guest);
}

static void guest_say(struct guest *guest, const void *data, size_t len)
{
	wire_write(guest->fd, data, len);
	rig_turns(&guest->rig, 3);
}

/* It ended so, and its descriptor holds what is left. */
static void guest_check(
	struct guest *guest, enum preface_verdict verdict, const char *client, const char *left)
{
	char text[ADDR_TEXT], rest[64] = "";

	rig_until(&guest->rig, guest->n_ends > 0);
	assert_int_equal(guest->n_ends, 1);
	assert_int_equal(guest->end.verdict, verdict);
	if (client != NULL)
		assert_string_equal(addr_format(&guest->end.client.addr, text), client);
	assert_int_equal(guest->given < 0, verdict == PREFACE_FAILED);
	if (guest->given >= 0 && left[0] != '\0')
		assert_int_equal(read(guest->given, rest, sizeof(rest) - 1), strlen(left));
	assert_string_equal(rest, left);
	if (guest->given >= 0)
		assert_int_equal(read(guest->given, rest, 1), -1);
}

static void test_header(void **state)
{
	struct guest *guest = guest_new(PROXY);
	char text[ADDR_TEXT];

	(void)state;
	guest_say(guest, v1, strlen(v1));
	guest_check(guest, PREFACE_PASSED, "192.0.2.1:56324", "");
	assert_string_equal(addr_format(&guest->to, text), "198.51.100.7:443");
	assert_false(guest->end.tls || guest->end.client.secure);
	guest_free(guest);
	guest = guest_new(PROXY);
	guest_say(guest, v2, sizeof(v2) - 1);
	guest_check(guest, PREFACE_PASSED, "192.0.2.1:56324", "");
	assert_true(!guest->end.tls && guest->end.client.secure);
	guest_free(guest);
}

/* A byte at a time, with more right behind the last one: nothing of that is taken. */
static void test_in_pieces(void **state)
{
	const struct {
		const char *bytes;
		size_t len;
	} headers[] = { { v1, sizeof(v1) - 1 }, { v2, sizeof(v2) - 1 }, { local, sizeof(local) - 1 } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct guest *guest = guest_new(PROXY | TLS);
		char last[32];

		for (size_t at = 0; at < headers[i].len - 1; at++) {
			guest_say(guest, headers[i].bytes + at, 1);
			assert_int_equal(guest->n_ends, 0);
		}
		snprintf(last, sizeof(last), "%cGET / HTTP", headers[i].bytes[headers[i].len - 1]);
		memcpy(last, headers[i].bytes + headers[i].len - 1, 1);
		guest_say(guest, last, 11);
		guest_check(guest, PREFACE_PASSED, NULL, "GET / HTTP");
		assert_true(guest->end.tls && guest->end.client.secure);
		assert_int_equal(guest->end.told == NULL, i == 2);
		assert_int_equal(guest->end.client.untold, i == 2);
		if (i == 2)
			assert_memory_equal(&guest->end.client.addr, &guest->peer, sizeof(guest->peer));
		guest_free(guest);
	}
}

/* Half a header does not keep the loop busy: all that came was taken. */
static void test_half_is_taken(void **state)
{
	struct guest *guest = guest_new(PROXY);
	char byte;

	(void)state;
	guest_say(guest, v1, 20);
	assert_int_equal(recv(guest->ours, &byte, 1, MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
	guest_say(guest, v1 + 20, strlen(v1) - 20);
	guest_check(guest, PREFACE_PASSED, "192.0.2.1:56324", "");
	guest_free(guest);
}

static void test_no_header(void **state)
{
	static const struct {
		const char *words, *reason;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", "something else came" },
		{ "\x16\x03\x01", "something else came" },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", "its line is broken" },
		{ "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", "it has no valid address" },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "it has no valid port" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest *guest = guest_new(PROXY);
		guest_say(guest, cases[i].words, strlen(cases[i].words));
		guest_check(guest, PREFACE_FAILED, NULL, "");
		assert_int_equal(rig_logged(&guest->rig, "no PROXY header"), 1);
		assert_int_equal(rig_logged(&guest->rig, cases[i].reason), 1);
		guest_free(guest);
	}
}

/* 3 s from the accept, however it drips; less where handshake_timeout is. */
static void test_deadline(void **state)
{
	(void)state;
	for (int shorter = 0; shorter <= 1; shorter++) {
		long ms = shorter ? 1500 : PREFACE_HEADER_MS;
		struct guest *guest = guest_new_with(PROXY, shorter ? 1500 : 10000);

		for (long at = 0; at < ms - 500; at += 500) {
			guest_say(guest, v1 + at / 500, 1);
			rig_skip(500);
		}
		rig_skip(400);
		rig_turns(&guest->rig, 3);
		assert_int_equal(guest->n_ends, 0);
		rig_skip(110);
		guest_check(guest, PREFACE_FAILED, NULL, "");
		assert_int_equal(rig_logged(&guest->rig, "it did not come in time"), 1);
		guest_free(guest);
	}
}

/* The time that it took is said, so that the handshake has the rest. */
static void test_time_spent(void **state)
{
	struct guest *guest = guest_new(PROXY);

	(void)state;
	rig_skip(2000);
	guest_say(guest, v1, strlen(v1));
	guest_check(guest, PREFACE_PASSED, NULL, "");
	assert_in_range(guest->end.spent_ms, 2000, 2900);
	guest_free(guest);
}

/* One that only looks whether the port is open is not worth a line; one that breaks off is. */
static void test_end_of_file(void **state)
{
	static const char *const words[] = { "", "P", "PROXY TCP4" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct guest *guest = guest_new(PROXY);
		guest_say(guest, words[i], strlen(words[i]));
		close(guest->fd);
		guest->fd = -1;
		guest_check(guest, PREFACE_FAILED, NULL, "");
		assert_int_equal(rig_logged(&guest->rig, "no PROXY header"), i > 0);
		guest_free(guest);
	}
}

static void test_reset(void **state)
{
	struct guest *guest = guest_new(PROXY);

	(void)state;
	guest_say(guest, "PROX", 4);
	wire_reset(guest->fd);
	guest->fd = -1;
	guest_check(guest, PREFACE_FAILED, NULL, "");
	guest_free(guest);
}

/* From elsewhere: in HTTP it can be told, and its header is not believed; in TLS it is closed. */
static void test_stranger(void **state)
{
	struct guest *guest = guest_new(PROXY | STRANGER);
	char peer[ADDR_TEXT];

	(void)state;
	assert_int_equal(guest->n_ends, 0);
	guest_say(guest, "PROXY ", 6);
	guest_check(guest, PREFACE_BARRED, addr_format(&guest->peer, peer), "PROXY ");
	assert_null(guest->end.told);
	guest_free(guest);
	guest = guest_new(PROXY | STRANGER | TLS);
	guest_say(guest, v1, strlen(v1));
	guest_check(guest, PREFACE_FAILED, NULL, "");
	assert_int_equal(rig_logged(&guest->rig, "its address is none of trusted_proxies"), 1);
	guest_free(guest);
	guest = guest_new(PROXY | STRANGER | TLS | OPTIONAL);
	guest_say(guest, "G", 1);
	guest_check(guest, PREFACE_BARRED, NULL, "G");
	guest_free(guest);
	guest = guest_new(PROXY | STRANGER);
	rig_skip(PREFACE_HEADER_MS + 10);
	guest_check(guest, PREFACE_FAILED, NULL, "");
	guest_free(guest);
}

/* The first byte chooses, behind a header too. */
static void test_tls_optional(void **state)
{
	static const struct {
		const char *first;
		bool tls;
	} cases[] = { { "\x16", true }, { "\x15", false }, { "G", false }, { "\x17", false } };

	(void)state;
	for (int how = 0; how <= 1; how++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct guest *guest = guest_new(TLS | OPTIONAL | how);
			if (how & PROXY)
				guest_say(guest, v1, strlen(v1));
			assert_int_equal(guest->n_ends, 0);
			guest_say(guest, cases[i].first, 1);
			guest_check(guest, PREFACE_PASSED, how & PROXY ? "192.0.2.1:56324" : NULL,
				cases[i].first);
			assert_int_equal(guest->end.tls, cases[i].tls);
			assert_int_equal(guest->end.client.secure, cases[i].tls);
			guest_free(guest);
		}
	}
}

/* It has all of handshake_timeout for its first byte, and nothing is said of one that never says a word. */
static void test_tls_optional_deadline(void **state)
{
	struct guest *guest = guest_new(TLS | OPTIONAL);

	(void)state;
	rig_skip(9900);
	rig_turns(&guest->rig, 3);
	assert_int_equal(guest->n_ends, 0);
	rig_skip(110);
	guest_check(guest, PREFACE_FAILED, NULL, "");
	assert_int_equal(rig_logged(&guest->rig, "listen"), 0);
	guest_free(guest);
}

/* What came in time is taken, though its time is over when the process gets the CPU again: of either wait, of
 * one after the other, and once of each. */
static void test_stood_still(void **state)
{
	struct guest *guest = guest_new(PROXY);

	(void)state;
	wire_write(guest->fd, v1, strlen(v1));
	rig_skip(PREFACE_HEADER_MS + 10);
	interrupted = true;
	guest_check(guest, PREFACE_PASSED, "192.0.2.1:56324", "");
	assert_false(interrupted);
	guest_free(guest);
	guest = guest_new(TLS | OPTIONAL);
	wire_write(guest->fd, "G", 1);
	rig_skip(10010);
	interrupted = true;
	guest_check(guest, PREFACE_PASSED, NULL, "G");
	guest_free(guest);
	guest = guest_new(PROXY | TLS | OPTIONAL);
	wire_write(guest->fd, v1, strlen(v1));
	wire_write(guest->fd, "G", 1);
	rig_skip(10010);
	interrupted = true;
	rig_turn(&guest->rig);
	rig_turn(&guest->rig); /* the header is read */
	interrupted = true;
	guest_check(guest, PREFACE_PASSED, "192.0.2.1:56324", "G");
	assert_false(interrupted);
	guest_free(guest);
	guest = guest_new(PROXY);
	wire_write(guest->fd, v1, 1);
	rig_skip(PREFACE_HEADER_MS + 10);
	interrupted = true;
	rig_turn(&guest->rig);
	assert_int_equal(guest->n_ends, 0);
	interrupted = true;
	rig_turn(&guest->rig);
	assert_int_equal(guest->n_ends, 1);
	guest_check(guest, PREFACE_FAILED, NULL, "");
	guest_free(guest);
}

/* The gateway stops: a header that is on its way may still come. */
static void test_drain(void **state)
{
	struct guest *guest = guest_new(PROXY);

	(void)state;
	preface_drain(guest->preface);
	rig_skip(PREFACE_DRAIN_MS - 100);
	guest_say(guest, v1, strlen(v1));
	guest_check(guest, PREFACE_PASSED, "192.0.2.1:56324", "");
	guest_free(guest);
	guest = guest_new(PROXY);
	preface_drain(guest->preface);
	rig_skip(PREFACE_DRAIN_MS + 10);
	guest_check(guest, PREFACE_FAILED, NULL, "");
	guest_free(guest);
	guest = guest_new(PROXY);
	rig_skip(PREFACE_HEADER_MS - 100);
	preface_drain(guest->preface); /* it gets no more time by that */
	rig_skip(110);
	guest_check(guest, PREFACE_FAILED, NULL, "");
	guest_free(guest);
}

/* Freed at any time, also after its end. */
static void test_freed(void **state)
{
	struct guest *guest = guest_new(PROXY);

	(void)state;
	guest_free(guest);
	guest = guest_new(PROXY);
	guest_say(guest, v1, 10);
	guest_free(guest);
	guest = guest_new(PROXY);
	guest->free_later = true;
	guest_say(guest, v1, strlen(v1));
	guest_check(guest, PREFACE_PASSED, NULL, "");
	preface_drain(guest->preface);
	rig_skip(PREFACE_DRAIN_MS + 10);
	rig_turns(&guest->rig, 3);
	assert_int_equal(guest->n_ends, 1);
	guest_free(guest);
}

static void test_not_due(void **state)
{
	struct listen_conf listen = { .tls_optional = true };
	struct entrance entrance = { .tls = false };

	(void)state;
	assert_false(preface_is_due(&listen, &entrance));
	entrance.tls = true;
	assert_true(preface_is_due(&listen, &entrance));
	listen.tls_optional = false;
	assert_false(preface_is_due(&listen, &entrance));
}

/* Without its timer it does not begin, and the descriptor stays the caller's. */
static void test_no_timer(void **state)
{
	struct guest *guest = guest_new(PROXY);

	(void)state;
	guest_say(guest, v1, strlen(v1));
	guest_check(guest, PREFACE_PASSED, "192.0.2.1:56324", "");
	untimed_at = 1;
	assert_null(preface_new(&guest->rig.loop, &guest->listen, &guest->entrance, guest->given,
		&guest->peer, guest_on_end, guest));
	assert_int_equal(untimed_at, 0);
	rig_turns(&guest->rig, 3);
	assert_int_equal(guest->n_ends, 1);
	assert_true(fcntl(guest->given, F_GETFD) >= 0);
	guest_free(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_in_pieces),
		cmocka_unit_test(test_half_is_taken),
		cmocka_unit_test(test_no_header),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_time_spent),
		cmocka_unit_test(test_end_of_file),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_stranger),
		cmocka_unit_test(test_tls_optional),
		cmocka_unit_test(test_tls_optional_deadline),
		cmocka_unit_test(test_stood_still),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_not_due),
		cmocka_unit_test(test_no_timer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
