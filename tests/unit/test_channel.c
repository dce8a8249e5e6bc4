/*
 * Tests of the channel between a backend's descriptors and the bridge: what is heard, in which order, and
 * what is not heard any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>

#include "backend/channel.h"
#include "rig.h"

/* An endpoint around a channel, which writes down what it and its bridge hear: one letter a call, p for a
 * piece that goes on, P for the last one of a message. */
struct backend {
	struct endpoint endpoint; /* first: an endpoint is its backend */
	struct rig rig;
	struct channel channel;
	int far; /* the service's end; -1 once closed */
	char heard[4096];
	char data[65536];
	size_t n_data;
	int eof_error, broken_error;
	char reason[64];
	bool text;
};

static struct backend *backend_of(struct endpoint *endpoint)
{
	return (struct backend *)endpoint;
}

static void backend_note(struct backend *backend, char what)
{
	size_t n = strlen(backend->heard);
	assert_true(n + 1 < sizeof(backend->heard));
	backend->heard[n] = what;
}

static int bridge_on_piece(void *arg, const struct piece *piece)
{
	struct backend *backend = arg;
	assert_true(backend->n_data + piece->len <= sizeof(backend->data));
	if (piece->len > 0)
		memcpy(backend->data + backend->n_data, piece->data, piece->len);
	backend->n_data += piece->len;
	backend->text = piece->text;
	backend_note(backend, piece->last ? 'P' : 'p');
	return 0;
}

static void bridge_on_flush(void *arg)
{
	backend_note(arg, 'f');
}

static void bridge_on_sent(void *arg)
{
	backend_note(arg, 's');
}

static const struct endpoint_hooks backend_bridge = {
	.on_piece = bridge_on_piece, .on_flush = bridge_on_flush, .on_sent = bridge_on_sent
};

static void backend_on_eof(struct endpoint *endpoint, int error)
{
	backend_of(endpoint)->eof_error = error;
	backend_note(backend_of(endpoint), 'E');
}

static void backend_on_bad(struct endpoint *endpoint, const char *reason)
{
	snprintf(backend_of(endpoint)->reason, 64, "%s", reason);
	backend_note(backend_of(endpoint), 'X');
}

static void backend_on_broken(struct endpoint *endpoint, int error)
{
	backend_of(endpoint)->broken_error = error;
	backend_note(backend_of(endpoint), 'B');
}

static void backend_on_output(struct endpoint *endpoint)
{
	backend_note(backend_of(endpoint), 'o');
}

static void backend_on_input(struct endpoint *endpoint)
{
	backend_note(backend_of(endpoint), 'i');
}

static const struct channel_hooks backend_hooks = {
	.on_eof = backend_on_eof,
	.on_bad = backend_on_bad,
	.on_broken = backend_on_broken,
	.on_output = backend_on_output,
	.on_input = backend_on_input,
};

/* One with these rules. */
static struct backend *backend_with(const struct framing_rules *rules)
{
	struct backend *backend = calloc(1, sizeof(*backend));
	int fds[2], small = 4096;
	assert_non_null(backend);
	rig_init(&backend->rig);
	backend->endpoint =
		(struct endpoint){ .hooks = &backend_bridge, .arg = backend, .loop = &backend->rig.loop };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	backend->far = fds[1];
	channel_init(&backend->channel, &backend->endpoint, rules, &backend_hooks);
	channel_open(&backend->channel, fds[0], fds[0]);
	return backend;
}

static struct backend *backend_new(enum framing framing)
{
	return backend_with(&(struct framing_rules){ .framing = framing });
}

static void backend_free(struct backend *backend)
{
	channel_done(&backend->channel);
	channel_done(&backend->channel);
	if (backend->far >= 0)
		close(backend->far);
	rig_done(&backend->rig);
	free(backend);
}

/* The service writes; a turn follows. */
static void service_says(struct backend *backend, const void *bytes, size_t len)
{
	assert_int_equal(write(backend->far, bytes, len), len);
	rig_turn(&backend->rig);
}

static void service_leaves(struct backend *backend)
{
	close(backend->far);
	backend->far = -1;
	rig_turn(&backend->rig);
}

/* What was heard since the last look. */
static void heard(struct backend *backend, const char *what, const char *data)
{
	assert_string_equal(backend->heard, what);
	assert_int_equal(backend->n_data, strlen(data));
	assert_memory_equal(backend->data, data, strlen(data));
	memset(backend->heard, 0, sizeof(backend->heard));
	backend->n_data = 0;
}

static int send_piece(struct backend *backend, const char *words, bool last)
{
	char copy[256];
	struct piece piece = { .data = (uint8_t *)copy, .len = strlen(words), .first = true, .last = last };
	memcpy(copy, words, strlen(words));
	return channel_send(&backend->channel, &piece);
}

/* Lines are messages: pieces, then one flush, then the owner, in every turn. */
static void test_lines(void **state)
{
	struct backend *backend = backend_new(FRAMING_LINES);
	(void)state;

	service_says(backend, "one\ntwo\nth", 10);
	heard(backend, "PPfo", "onetwo");
	assert_true(backend->text);
	service_says(backend, "ree\n", 4);
	heard(backend, "Pfo", "three");
	service_says(backend, "x", 1);
	heard(backend, "fo", "");
	backend_free(backend);
}

/* The last line without a newline comes before the end, and is flushed; the end comes once. */
static void test_eof(void **state)
{
	struct backend *backend = backend_new(FRAMING_LINES);
	(void)state;

	service_says(backend, "last", 4);
	heard(backend, "fo", "");
	service_leaves(backend);
	heard(backend, "PfE", "last");
	assert_int_equal(backend->eof_error, 0);
	rig_turns(&backend->rig, 3);
	heard(backend, "", "");
	backend_free(backend);
}

/* An end by an error: what was not whole is no message. */
static void test_reset(void **state)
{
	struct backend *backend = backend_new(FRAMING_LINES);
	(void)state;

	send_piece(backend, "unread", true); /* a unix peer that closes with unread bytes resets */
	channel_flush(&backend->channel);
	service_says(backend, "whole\nhal", 9);
	heard(backend, "Pfo", "whole");
	service_leaves(backend);
	heard(backend, "E", "");
	assert_int_equal(backend->eof_error, ECONNRESET);
	backend_free(backend);
}

/* A record that can't be: what was whole before it is passed on and flushed, then the owner hears of it,
 * once; nothing is read any more, whatever is allowed. */
static void test_bad_record(void **state)
{
	struct backend *backend = backend_new(FRAMING_RECORDS);
	(void)state;

	service_says(backend, "b\0\0\0\2okz\0\0\0\0", 12);
	heard(backend, "PfX", "ok");
	assert_false(backend->text);
	assert_string_equal(backend->reason, "bad record from the backend");
	channel_allow(&backend->channel, 1000);
	service_says(backend, "b\0\0\0\2no", 7);
	rig_turns(&backend->rig, 3);
	heard(backend, "", "");
	backend_free(backend);
}

/* Half a record at the end is no orderly end. */
static void test_half_record(void **state)
{
	struct backend *backend = backend_new(FRAMING_RECORDS);
	(void)state;

	service_says(backend, "b\0\0\0\5hal", 8);
	heard(backend, "fo", "");
	service_leaves(backend);
	heard(backend, "fX", "");
	assert_string_equal(backend->reason, "the backend ended within a record");
	backend_free(backend);
}

/* Half a record of who was told to end is its own affair; a bad one is not. */
static void test_half_record_while_leaving(void **state)
{
	struct backend *backend = backend_new(FRAMING_RECORDS);
	(void)state;

	channel_leave(&backend->channel);
	service_says(backend, "b\0\0\0\2okb\0\0\0\5hal", 15);
	heard(backend, "Pfo", "ok");
	service_leaves(backend);
	heard(backend, "fE", "");
	assert_int_equal(backend->eof_error, 0);
	backend_free(backend);
	backend = backend_new(FRAMING_RECORDS);
	channel_leave(&backend->channel);
	service_says(backend, "x", 1);
	heard(backend, "fX", "");
	backend_free(backend);
}

/* What the rules make of bad text, and of a bad netstring, is said. */
static void test_reasons(void **state)
{
	const struct framing_rules text = { .framing = FRAMING_LINES, .invalid_utf8 = INVALID_UTF8_CLOSE },
				   netstring = { .framing = FRAMING_NETSTRING };
	struct backend *backend = backend_with(&text);
	(void)state;

	service_says(backend, "ok\nno\xff\nlate\n", 12);
	heard(backend, "PpfX", "okno");
	assert_string_equal(backend->reason, "invalid UTF-8 from the backend");
	backend_free(backend);
	backend = backend_with(&netstring);
	service_says(backend, "2:ok,02:no,", 11);
	heard(backend, "PfX", "ok");
	assert_string_equal(backend->reason, "bad netstring from the backend");
	backend_free(backend);
}

/* The service reads all that there is. Returns the last read's result: 0 at the end, else -1. */
static ssize_t service_reads(struct backend *backend, char out[static 256])
{
	size_t len = 0;
	ssize_t n;
	rig_turns(&backend->rig, 2);
	while ((n = read(backend->far, out + len, 255 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	return n;
}

/* Sends the pieces of one message, a word for each. */
static void send_message(struct backend *backend, size_t n, const char *const words[])
{
	for (size_t i = 0; i < n; i++) {
		char copy[64];
		struct piece piece = { .data = (uint8_t *)copy, .len = strlen(words[i]) };
		piece.first = i == 0;
		piece.last = i == n - 1;
		memcpy(copy, words[i], piece.len);
		assert_int_equal(channel_send(&backend->channel, &piece), 0);
	}
	channel_flush(&backend->channel);
}

/* Whether the backend has a part of a message and not its end: not while the framing holds all of it. */
static void test_half(void **state)
{
	static uint8_t data[FRAMING_HOLD + 1];
	struct backend *backend = backend_new(FRAMING_LINES);
	struct piece piece = { .data = data, .len = FRAMING_HOLD, .first = true };
	(void)state;

	channel_send(&backend->channel, &piece);
	assert_false(backend->channel.half);
	piece = (struct piece){ .data = data, .len = 1 };
	channel_send(&backend->channel, &piece);
	assert_true(backend->channel.half);
	piece.last = true;
	channel_send(&backend->channel, &piece);
	assert_false(backend->channel.half);
	backend_free(backend);

	backend = backend_new(FRAMING_STREAM);
	piece = (struct piece){ .data = data, .first = true };
	channel_send(&backend->channel, &piece);
	assert_false(backend->channel.half);
	piece.len = 1;
	channel_send(&backend->channel, &piece);
	assert_true(backend->channel.half);
	piece = (struct piece){ .data = data, .last = true };
	channel_send(&backend->channel, &piece);
	assert_false(backend->channel.half);
	backend_free(backend);
}

/* An empty message, in any number of pieces, ends the input behind what was sent before; later ones go
 * nowhere and the output goes on. One that has a byte anywhere, or a route without the key, does not. */
static void test_eof_message(void **state)
{
	static const char *const none[] = { "", "", "" }, *const byte[] = { "", "x", "", "y", "" };
	char got[256];
	(void)state;

	for (size_t n = 1; n <= 3; n++) {
		struct backend *backend = backend_new(FRAMING_RECORDS);
		backend->channel.eof_message = true;
		send_message(backend, 5, byte);
		send_message(backend, 3, byte);
		send_message(backend, 2, byte);
		assert_int_equal(service_reads(backend, got), -1);
		assert_memory_equal(got, "b\0\0\0\2xyb\0\0\0\1xb\0\0\0\1x", 7 + 6 + 6);
		send_message(backend, 1, &byte[1]);
		send_message(backend, n, none);
		send_message(backend, 1, &byte[1]);
		assert_int_equal(service_reads(backend, got), 0);
		assert_memory_equal(got, "b\0\0\0\1x\0", 7);
		service_says(backend, "b\0\0\0\2ok", 7);
		heard(backend, "Pfo", "ok");
		backend_free(backend);

		backend = backend_new(FRAMING_LINES);
		send_message(backend, n, none);
		assert_int_equal(service_reads(backend, got), -1);
		assert_string_equal(got, "\n");
		backend_free(backend);
	}
}

/* ... and when the service is slow, only behind all of it. */
static void test_eof_message_behind_a_queue(void **state)
{
	static char much[300000];
	static const char *const none[] = { "" };
	struct backend *backend = backend_new(FRAMING_STREAM);
	struct piece piece = { .data = (uint8_t *)much, .len = sizeof(much), .first = true, .last = true };
	size_t len = 0;
	ssize_t n = -1;
	(void)state;

	backend->channel.eof_message = true;
	assert_int_equal(channel_send(&backend->channel, &piece), 0);
	channel_flush(&backend->channel);
	assert_true(channel_queued(&backend->channel) > 0);
	send_message(backend, 1, none);
	for (int i = 0; i < 1000 && n != 0; i++) {
		while ((n = read(backend->far, much, sizeof(much))) > 0)
			len += (size_t)n;
		rig_turn(&backend->rig);
	}
	assert_int_equal(n, 0);
	assert_int_equal(len, sizeof(much));
	backend_free(backend);
}

/* Muted, the service is still read, so that it does not wait; nobody hears it, but its end. */
static void test_mute(void **state)
{
	struct backend *backend = backend_new(FRAMING_LINES);
	(void)state;

	channel_allow(&backend->channel, 0);
	service_says(backend, "one\n", 4);
	heard(backend, "", "");
	channel_mute(&backend->channel);
	channel_allow(&backend->channel, 0); /* comes too late */
	rig_turn(&backend->rig);
	heard(backend, "o", "");
	service_says(backend, "two\nhalf", 8);
	heard(backend, "o", "");
	service_leaves(backend);
	heard(backend, "E", "");
	backend_free(backend);
}

/* What is allowed is what one read brings. */
static void test_allow(void **state)
{
	struct backend *backend = backend_new(FRAMING_STREAM);
	(void)state;

	channel_allow(&backend->channel, 3);
	service_says(backend, "abcdefgh", 8);
	heard(backend, "Pfo", "abc");
	channel_allow(&backend->channel, 0);
	rig_turns(&backend->rig, 2);
	heard(backend, "", "");
	channel_allow(&backend->channel, 100);
	rig_turn(&backend->rig);
	heard(backend, "Pfo", "defgh");
	backend_free(backend);
}

/* However much the bridge allows, a flood of tiny messages is read in small turns from the second one on. */
static void test_pace(void **state)
{
	struct backend *backend = backend_new(FRAMING_LINES);
	char lines[2000];
	(void)state;

	memset(lines, '\n', sizeof(lines));
	channel_allow(&backend->channel, 65536);
	service_says(backend, lines, sizeof(lines));
	assert_int_equal(strspn(backend->heard, "P"), sizeof(lines));
	memset(backend->heard, 0, sizeof(backend->heard));
	channel_allow(&backend->channel, 65536);
	service_says(backend, lines, sizeof(lines));
	assert_int_equal(strspn(backend->heard, "P"), PACE_MESSAGES);
	backend_free(backend);
}

/* The output is ended by the owner, whoever still holds the other end: as if the service had. */
static void test_end(void **state)
{
	struct backend *backend = backend_new(FRAMING_LINES);
	(void)state;

	service_says(backend, "half", 4);
	heard(backend, "fo", "");
	channel_end(&backend->channel);
	heard(backend, "PfE", "half");
	assert_int_equal(write(backend->far, "late\n", 5), 5);
	rig_turns(&backend->rig, 2);
	heard(backend, "", "");
	channel_allow(&backend->channel, 100); /* the bridge does not know */
	rig_turns(&backend->rig, 2);
	heard(backend, "", "");
	backend_free(backend);
}

/* What is sent is framed; a message that is not whole waits; what does not fit the kernel is queued, and both
 * hear when it leaves, the bridge first. */
static void test_send(void **state)
{
	struct backend *backend = backend_new(FRAMING_LINES);
	char got[256];
	size_t n_messages = 0;
	(void)state;

	send_piece(backend, "on", false);
	channel_flush(&backend->channel);
	assert_int_equal(read(backend->far, got, sizeof(got)), -1);
	send_piece(backend, "e", true);
	send_piece(backend, "two", true);
	channel_flush(&backend->channel);
	assert_int_equal(read(backend->far, got, sizeof(got)), 8);
	assert_memory_equal(got, "one\ntwo\n", 8);
	assert_int_equal(channel_queued(&backend->channel), 0);

	while (channel_queued(&backend->channel) == 0) {
		send_piece(backend, "more", true);
		channel_flush(&backend->channel);
		n_messages++;
	}
	for (size_t n_got = 0; n_got < n_messages * 5;) {
		ssize_t n = read(backend->far, got, sizeof(got));
		n_got += n > 0 ? (size_t)n : 0;
		rig_turn(&backend->rig);
	}
	assert_memory_equal(backend->heard, "si", 2);
	assert_int_equal(strspn(backend->heard, "si"), strlen(backend->heard));
	assert_int_equal(channel_queued(&backend->channel), 0);
	backend_free(backend);
}

/* A message that the rules refuse: its sender hears 1008, the service nothing of it. */
static void test_refused(void **state)
{
	struct backend *backend = backend_with(
		&(struct framing_rules){ .framing = FRAMING_LINES, .newlines = NEWLINES_REJECT });
	char got[256];
	(void)state;

	assert_int_equal(send_piece(backend, "one", true), 0);
	assert_int_equal(send_piece(backend, "half", false), 0);
	assert_int_equal(send_piece(backend, "a\nb", true), 1008);
	channel_flush(&backend->channel);
	assert_int_equal(read(backend->far, got, sizeof(got)), 4);
	assert_memory_equal(got, "one\n", 4);
	rig_turns(&backend->rig, 2);
	heard(backend, "", "");
	backend_free(backend);
}

/* A service that takes no more: the bridge hears that the queue is gone before the owner hears why; what is
 * sent from then on is dropped, its output goes on. */
static void test_broken(void **state)
{
	struct backend *backend = backend_new(FRAMING_LINES);
	(void)state;

	assert_int_equal(shutdown(backend->far, SHUT_RD), 0);
	send_piece(backend, "nobody", true);
	channel_flush(&backend->channel);
	heard(backend, "", ""); /* never from within */
	rig_turn(&backend->rig);
	heard(backend, "sB", "");
	assert_int_equal(backend->broken_error, EPIPE);
	send_piece(backend, "nobody", true);
	channel_flush(&backend->channel);
	rig_turns(&backend->rig, 2);
	heard(backend, "", "");
	service_says(backend, "still\n", 6);
	heard(backend, "Pfo", "still");
	backend_free(backend);
}

/* One that was never opened takes everything without harm. */
static void test_unopened(void **state)
{
	struct rig rig;
	struct endpoint endpoint;
	struct channel channel;
	struct piece piece = { .data = (uint8_t[]){ 'x' }, .len = 1, .first = true, .last = true };
	(void)state;

	rig_init(&rig);
	endpoint = (struct endpoint){ .loop = &rig.loop };
	channel_init(
		&channel, &endpoint, &(struct framing_rules){ .framing = FRAMING_LINES }, &backend_hooks);
	channel_send(&channel, &piece);
	channel_flush(&channel);
	channel_allow(&channel, 100);
	channel_mute(&channel);
	assert_int_equal(channel_queued(&channel), 0);
	channel_done(&channel);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_eof),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_bad_record),
		cmocka_unit_test(test_half_record),
		cmocka_unit_test(test_half),
		cmocka_unit_test(test_eof_message),
		cmocka_unit_test(test_eof_message_behind_a_queue),
		cmocka_unit_test(test_half_record_while_leaving),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_mute),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_unopened),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
