/*
 * Tests of streams and batches: bytes in order whatever the kernel takes, ends, breaks, and what is held when
 * nothing waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "net/batch.h"
#include "net/stream.h"
#include "wire.h"

struct peer {
	struct loop loop;
	struct log *log;
	struct stream stream;
	int far; /* the other end */
	size_t n_data, n_sent, n_eof, n_broken;
	int eof_error, broken_error;
	uint8_t last[LOOP_SCRATCH];
	bool echo;
};

static void peer_on_data(void *arg, uint8_t *data, size_t len)
{
	struct peer *peer = arg;
	peer->n_data += len;
	memcpy(peer->last, data, len);
	if (peer->echo) {
		stream_send(&peer->stream, data, len);
		stream_flush(&peer->stream);
	}
}

static void peer_on_sent(void *arg)
{
	((struct peer *)arg)->n_sent++;
}

static void peer_on_eof(void *arg, int error)
{
	struct peer *peer = arg;
	peer->n_eof++;
	peer->eof_error = error;
}

static void peer_on_broken(void *arg, int error)
{
	struct peer *peer = arg;
	peer->n_broken++;
	peer->broken_error = error;
}

static const struct stream_hooks peer_hooks = {
	.on_data = peer_on_data, .on_sent = peer_on_sent, .on_eof = peer_on_eof, .on_broken = peer_on_broken
};

/* A stream on a socket pair whose send buffer is small. */
static struct peer *peer_new(void)
{
	int fds[2], small = 4096;
	struct peer *peer = calloc(1, sizeof(*peer));
	assert_non_null(peer);
	peer->log = log_new(2, LOG_ERROR, LOG_FORMAT_TEXT, 4096);
	assert_int_equal(loop_init(&peer->loop, peer->log), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	peer->far = fds[1];
	stream_open(&peer->stream, &peer->loop, fds[0], fds[0], &peer_hooks, peer);
	return peer;
}

static void peer_free(struct peer *peer)
{
	stream_close(&peer->stream);
	stream_close(&peer->stream); /* idempotent */
	if (peer->far >= 0)
		close(peer->far);
	assert_int_equal(peer->loop.n_events, 1); /* the mailbox's */
	loop_done(&peer->loop);
	log_free(peer->log, 100);
	free(peer);
}

static void peer_turn(struct peer *peer)
{
	event_base_loop(peer->loop.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* A stream on the master of a terminal. Returns the other end. */
static int peer_open_terminal(struct peer *peer)
{
	struct termios raw;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(unlockpt(master), 0);
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	stream_close(&peer->stream);
	stream_open(&peer->stream, &peer->loop, master, master, &peer_hooks, peer);
	return slave;
}

/* That nobody has a terminal open any more is an orderly end, behind all that was written. */
static void test_terminal_end(void **state)
{
	static const uint8_t data[8000];
	struct peer *peer = peer_new();
	int slave = peer_open_terminal(peer);
	(void)state;

	assert_int_equal(write(slave, data, sizeof(data)), sizeof(data));
	close(slave);
	while (peer->n_eof == 0)
		peer_turn(peer);
	assert_int_equal(peer->n_data, sizeof(data));
	assert_int_equal(peer->n_eof, 1);
	assert_int_equal(peer->eof_error, 0);
	peer_free(peer);
}

/* What a terminal holds is one piece, as large as is allowed. */
static void test_terminal_gather(void **state)
{
	static const uint8_t data[8000];
	static const size_t allowed[] = { LOOP_SCRATCH, 8001, 8000, 7999, 4096, 4095, 4094, 1 };
	(void)state;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		struct peer *peer = peer_new();
		int slave = peer_open_terminal(peer);
		stream_gather(&peer->stream);
		stream_allow(&peer->stream, allowed[i]);
		assert_int_equal(write(slave, data, sizeof(data)), sizeof(data));
		while (peer->n_data == 0)
			peer_turn(peer);
		assert_in_range(peer->n_data, allowed[i] < 5000 ? allowed[i] : 5000, allowed[i]);
		close(slave);
		while (peer->n_eof == 0)
			peer_turn(peer);
		assert_int_equal(peer->n_data, sizeof(data));
		assert_int_equal(peer->eof_error, 0);
		peer_free(peer);
	}
}

/* What waits for a terminal that nobody has open is dropped, also when its output is not read; the kernel
 * would say for ever that it can be written to. */
static void test_terminal_hung_up(void **state)
{
	static uint8_t data[1 << 17];
	struct peer *peer = peer_new();
	int slave = peer_open_terminal(peer);
	(void)state;

	stream_allow(&peer->stream, 0);
	stream_send(&peer->stream, data, sizeof(data));
	stream_flush(&peer->stream);
	for (int i = 0; i < 10; i++)
		peer_turn(peer);
	assert_true(stream_has_queue(&peer->stream));
	assert_int_equal(peer->n_broken, 0);
	close(slave);
	while (peer->n_broken == 0)
		peer_turn(peer);
	assert_int_equal(peer->n_broken, 1);
	assert_int_equal(stream_queued(&peer->stream), 0);
	assert_int_equal(peer->n_eof, 0);
	stream_allow(&peer->stream, 100);
	while (peer->n_eof == 0)
		peer_turn(peer);
	peer_free(peer);
}

/* A terminal takes what it is sent in order, however slowly it is read. */
static void test_terminal_order(void **state)
{
	enum { TOTAL = 300000 };
	struct peer *peer = peer_new();
	int slave = peer_open_terminal(peer);
	uint8_t *sent = malloc(TOTAL), *got = malloc(TOTAL);
	size_t n_got = 0;
	(void)state;

	for (size_t i = 0; i < TOTAL; i++)
		sent[i] = (uint8_t)(i * 31 + i / 251);
	stream_send(&peer->stream, sent, TOTAL);
	stream_flush(&peer->stream);
	while (n_got < TOTAL) {
		size_t most = n_got % 7777 + 1, left = TOTAL - n_got;
		ssize_t n = read(slave, got + n_got, most < left ? most : left);
		n_got += n > 0 ? (size_t)n : 0;
		peer_turn(peer);
	}
	assert_memory_equal(sent, got, TOTAL);
	assert_int_equal(stream_queued(&peer->stream), 0);
	close(slave);
	free(sent);
	free(got);
	peer_free(peer);
}

/* A megabyte in pieces of every size: what the kernel does not take is queued, nothing is lost or turned
 * round. */
static void test_order(void **state)
{
	enum { TOTAL = 1 << 20 };
	struct peer *peer = peer_new();
	uint8_t *sent = malloc(TOTAL), *got = malloc(TOTAL);
	size_t n_sent = 0, n_got = 0;
	(void)state;

	for (size_t i = 0; i < TOTAL; i++)
		sent[i] = (uint8_t)(i * 31 + i / 251);
	for (size_t len = 1; n_sent < TOTAL; len = len * 5 % 9973 + 1) {
		size_t take = len < TOTAL - n_sent ? len : TOTAL - n_sent;
		stream_send(&peer->stream, sent + n_sent, take);
		n_sent += take;
		if (len % 3 == 0)
			stream_flush(&peer->stream);
	}
	stream_flush(&peer->stream);
	assert_true(stream_queued(&peer->stream) > 0);
	while (n_got < TOTAL) {
		ssize_t n = read(peer->far, got + n_got, TOTAL - n_got);
		if (n > 0)
			n_got += (size_t)n;
		peer_turn(peer);
	}
	assert_memory_equal(sent, got, TOTAL);
	assert_int_equal(stream_queued(&peer->stream), 0);
	assert_int_equal(peer->loop.n_dropped, 0);
	assert_null(peer->stream.out.queue);
	assert_true(peer->n_sent > 0);
	assert_int_equal(peer->stream.out.n_written, TOTAL);
	free(sent);
	free(got);
	peer_free(peer);
}

/* Bytes outside of the scratch buffer need to live only for the call, whatever their size. */
static void test_borrowed(void **state)
{
	struct peer *peer = peer_new();
	uint8_t bytes[2048], got[2048];
	(void)state;

	memset(bytes, 'a', sizeof(bytes));
	stream_send(&peer->stream, bytes, sizeof(bytes));
	memset(bytes, 'b', sizeof(bytes));
	stream_flush(&peer->stream);
	peer_turn(peer);
	assert_int_equal(read(peer->far, got, sizeof(got)), sizeof(got));
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], 'a');
	peer_free(peer);
}

/* The end comes after what is queued, and the other direction goes on. */
static void test_finish(void **state)
{
	struct peer *peer = peer_new();
	static uint8_t bytes[200000], got[4096];
	size_t n_got = 0;
	ssize_t n = 1;
	(void)state;

	stream_send(&peer->stream, bytes, sizeof(bytes));
	stream_finish(&peer->stream);
	assert_int_equal(peer->stream.write, STREAM_WRITE_FINISHING);
	stream_send(&peer->stream, bytes, 1); /* too late */
	while (n != 0) {
		peer_turn(peer);
		n = read(peer->far, got, sizeof(got));
		n_got += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(n_got, sizeof(bytes));
	assert_int_equal(peer->stream.write, STREAM_WRITE_SHUT);
	assert_int_equal(write(peer->far, "x", 1), 1);
	peer_turn(peer);
	assert_int_equal(peer->n_data, 1);
	peer_free(peer);
}

/* How many segments of TCP have come. What libc knows of tcp_info ends before that. */
static unsigned segments_in(int fd)
{
	struct {
		struct tcp_info known;
		uint64_t rates[2], bytes[2];
		uint32_t segs_out, segs_in;
	} info;
	socklen_t len = sizeof(info);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_true(len >= sizeof(info));
	return info.segs_in;
}

/* The last bytes and the end of TCP are one segment. */
static void test_finish_at_once(void **state)
{
	struct peer *peer = peer_new();
	char got[8];
	int fds[2];
	(void)state;

	stream_close(&peer->stream);
	wire_new(fds, false);
	stream_open(&peer->stream, &peer->loop, fds[0], fds[0], &peer_hooks, peer);
	rig_settle();
	unsigned before = segments_in(fds[1]);
	stream_send(&peer->stream, "bye", 3);
	stream_finish(&peer->stream);
	rig_settle();
	assert_int_equal(read(fds[1], got, sizeof(got)), 3);
	assert_int_equal(read(fds[1], got, sizeof(got)), 0);
	assert_int_equal(segments_in(fds[1]) - before, 1);
	close(fds[1]);
	peer_free(peer);
}

/* One read brings at most what is allowed; 0 stops, and the end of file is not lost meanwhile. */
static void test_allow(void **state)
{
	struct peer *peer = peer_new();
	(void)state;

	stream_allow(&peer->stream, 3);
	assert_int_equal(write(peer->far, "abcdefgh", 8), 8);
	peer_turn(peer);
	assert_int_equal(peer->n_data, 3);
	stream_allow(&peer->stream, 0);
	close(peer->far);
	peer->far = -1;
	peer_turn(peer);
	assert_int_equal(peer->n_data, 3);
	assert_int_equal(peer->n_eof, 0);
	stream_allow(&peer->stream, 100);
	peer_turn(peer);
	peer_turn(peer);
	assert_int_equal(peer->n_data, 8);
	assert_int_equal(peer->n_eof, 1);
	assert_int_equal(peer->eof_error, 0);
	peer_free(peer);
}

/* That the peer has left is seen without a read: behind bytes that nobody has read, and while it only
 * listens. */
static void test_left(void **state)
{
	struct peer *peer = peer_new();
	(void)state;

	stream_allow(&peer->stream, 0);
	assert_false(stream_peer_has_left(&peer->stream));
	assert_int_equal(write(peer->far, "x", 1), 1);
	assert_false(stream_peer_has_left(&peer->stream));
	shutdown(peer->far, SHUT_WR);
	peer_turn(peer);
	assert_true(stream_peer_has_left(&peer->stream));
	assert_int_equal(peer->n_data + peer->n_eof, 0);
	close(peer->far);
	peer->far = -1;
	assert_true(stream_peer_has_left(&peer->stream));
	peer_free(peer);
}

/* A peer that is gone: the callback comes from the loop, never from within the send; the queue is dropped. */
static void test_broken(void **state)
{
	struct peer *peer = peer_new();
	static uint8_t bytes[100000];
	(void)state;

	stream_allow(&peer->stream, 0);
	stream_send(&peer->stream, bytes, sizeof(bytes));
	stream_flush(&peer->stream);
	close(peer->far);
	peer->far = -1;
	assert_int_equal(peer->n_broken, 0);
	size_t queued = stream_queued(&peer->stream);
	assert_true(queued > 0);
	peer_turn(peer);
	peer_turn(peer);
	assert_int_equal(peer->n_broken, 1);
	assert_int_equal(peer->loop.n_dropped, queued);
	assert_int_equal(peer->broken_error, EPIPE);
	assert_int_equal(stream_queued(&peer->stream), 0);
	stream_send(&peer->stream, bytes, 10);
	stream_flush(&peer->stream);
	peer_turn(peer);
	assert_int_equal(peer->n_broken, 1);
	peer_free(peer);
}

/* Two streams in one turn share the batch: the first one's bytes leave when the second one sends. */
static void test_two_streams(void **state)
{
	struct peer *peer = peer_new();
	struct stream other;
	int fds[2];
	char got[4];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	stream_open(&other, &peer->loop, fds[0], fds[0], &peer_hooks, peer);
	stream_send(&peer->stream, "ab", 2);
	stream_send(&other, "cd", 2);
	stream_send(&peer->stream, "ef", 2);
	stream_flush(&other);
	stream_flush(&peer->stream);
	assert_int_equal(read(peer->far, got, 4), 4);
	assert_memory_equal(got, "abef", 4);
	assert_int_equal(read(fds[1], got, 4), 2);
	assert_memory_equal(got, "cd", 2);
	stream_close(&other);
	close(fds[1]);
	peer_free(peer);
}

/* The pipe pair of a program: closing our end ends its input, its output goes on. */
static void test_pipes(void **state)
{
	struct peer *peer = peer_new();
	struct stream program;
	int in[2], out[2];
	char got[4];
	(void)state;

	assert_int_equal(pipe2(in, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_NONBLOCK | O_CLOEXEC), 0);
	stream_open(&program, &peer->loop, out[0], in[1], &peer_hooks, peer);
	stream_send(&program, "abc", 3);
	stream_finish(&program);
	assert_int_equal(read(in[0], got, 4), 3);
	assert_int_equal(read(in[0], got, 4), 0);
	assert_int_equal(write(out[1], "xy", 2), 2);
	close(out[1]);
	peer_turn(peer);
	peer_turn(peer);
	assert_int_equal(peer->n_data, 2);
	assert_int_equal(peer->n_eof, 1);
	stream_close(&program);
	close(in[0]);
	peer_free(peer);
}

/* The limits of a batch: pieces, small bytes, and what is only pointed at. */
static void test_batch(void **state)
{
	struct batch *batch = batch_new();
	static uint8_t bytes[BATCH_COPY_MAX + 2];
	(void)state;

	for (int i = 0; i < BATCH_IOV; i++) {
		assert_true(batch_has_room(batch, BATCH_COPY_MAX + 1));
		batch_add(batch, bytes, BATCH_COPY_MAX + 1, i % 2 == 0);
	}
	assert_false(batch_has_room(batch, BATCH_COPY_MAX + 1));
	assert_int_equal(batch->n, BATCH_IOV);
	batch_clear(batch);

	for (size_t n = 0; n < BATCH_SMALL / BATCH_COPY_MAX; n++)
		batch_add(batch, bytes + n % 2, BATCH_COPY_MAX, n == 0);
	assert_int_equal(batch->n, 1); /* all in one piece, the first one too */
	assert_ptr_equal(batch->iov[0].iov_base, batch->small);
	assert_int_equal(batch->len, BATCH_SMALL);
	assert_false(batch_has_room(batch, 1));
	assert_true(batch_has_room(batch, BATCH_COPY_MAX + 1));
	batch_free(batch);
}

/* What stays where it is and is in one run is one piece, however long. */
static void test_batch_run(void **state)
{
	struct batch *batch = batch_new();
	static uint8_t bytes[2 * BATCH_COPY_MAX];
	(void)state;

	for (size_t at = 0; at < sizeof(bytes); at += 64)
		batch_add(batch, bytes + at, 64, true);
	assert_int_equal(batch->n, 1);
	assert_int_equal(batch->n_small, 0);
	assert_ptr_equal(batch->iov[0].iov_base, bytes);
	assert_int_equal(batch->iov[0].iov_len, sizeof(bytes));

	batch_add(batch, bytes, 1, true); /* elsewhere, and small */
	assert_int_equal(batch->n, 2);
	assert_int_equal(batch->n_small, 1);
	assert_int_equal(batch->len, sizeof(bytes) + 1);
	batch_free(batch);
}

/* A flood is read on in the same turn by who asked for it, others once. */
static void test_read_on(void **state)
{
	static uint8_t bytes[LOOP_SCRATCH];
	struct peer *peer = peer_new();
	int large = 1 << 22;
	(void)state;

	setsockopt(peer->far, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	assert_int_equal(fcntl(peer->far, F_SETFL, 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(write(peer->far, bytes, sizeof(bytes)), sizeof(bytes));
	peer_turn(peer);
	assert_int_equal(peer->n_data, LOOP_SCRATCH);
	stream_read_on(&peer->stream);
	assert_int_equal(write(peer->far, bytes, 100), 100);
	peer_turn(peer);
	assert_int_equal(peer->n_data, 2 * LOOP_SCRATCH + 100);
	for (size_t max = 65535; max <= 65536; max++) { /* as much as a bridge's quarter of 256 KiB */
		size_t before = peer->n_data;
		stream_allow(&peer->stream, max);
		assert_int_equal(write(peer->far, bytes, 65536), 65536);
		assert_int_equal(write(peer->far, bytes, 65536), 65536);
		peer_turn(peer);
		assert_int_equal(peer->n_data - before, max == 65536 ? 131072 : max);
		while (peer->n_data - before < 131072)
			peer_turn(peer);
	}
	assert_int_equal(peer->n_eof, 0);
	peer_free(peer);
}

/* How many reads of a flood are of one turn, beside so many others in the turn before. */
static size_t reads_beside(struct peer *peer, unsigned n)
{
	static uint8_t bytes[LOOP_SCRATCH];
	size_t before = peer->n_data, end = before + 5 * sizeof(bytes);

	for (int i = 0; i < 5; i++)
		assert_int_equal(write(peer->far, bytes, sizeof(bytes)), sizeof(bytes));
	peer->loop.n_floods = 0;
	peer->loop.n_floods_before = n;
	peer_turn(peer);
	size_t reads = (peer->n_data - before) / sizeof(bytes);
	while (peer->n_data < end)
		peer_turn(peer);
	return reads;
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_stop(arg);
}

/* Floods share a turn, so that it does not become longer with each of them. */
static void test_read_on_beside(void **state)
{
	struct peer *peer = peer_new();
	int large = 1 << 22;
	(void)state;

	setsockopt(peer->far, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	assert_int_equal(fcntl(peer->far, F_SETFL, 0), 0);
	stream_read_on(&peer->stream);
	assert_int_equal(reads_beside(peer, 0), 4);
	assert_int_equal(reads_beside(peer, 2), 4);
	assert_int_equal(reads_beside(peer, 3), 2);
	assert_int_equal(reads_beside(peer, 4), 2);
	assert_int_equal(reads_beside(peer, 5), 1);
	assert_int_equal(reads_beside(peer, 1000), 1);
	peer->loop.n_floods = 3;
	assert_int_equal(event_base_once(peer->loop.base, -1, EV_TIMEOUT, on_stop, &peer->loop, NULL), 0);
	loop_run(&peer->loop);
	assert_int_equal(peer->loop.n_floods, 0);
	assert_int_equal(peer->loop.n_floods_before, 3);
	peer_free(peer);
}

/* A message of 64 KiB and its header are one read. */
static void test_one_read(void **state)
{
	static uint8_t bytes[65536 + 14];
	struct peer *peer = peer_new();
	int large = 1 << 22;
	(void)state;

	setsockopt(peer->far, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	assert_int_equal(write(peer->far, bytes, sizeof(bytes)), sizeof(bytes));
	peer_turn(peer);
	assert_int_equal(peer->n_data, sizeof(bytes));
	peer_free(peer);
}

/* A header goes in front of what begins where a read does, unless something else may be there. */
static void test_behind(void **state)
{
	struct peer *peer = peer_new();
	uint8_t *scratch = peer->loop.scratch;
	char got[16];
	(void)state;

	memcpy(scratch, "abc", 3);
	stream_send_behind(&peer->stream, "HE", 2, scratch, 3);
	assert_int_equal(peer->loop.batch->n, 1);
	assert_ptr_equal(peer->loop.batch->iov[0].iov_base, scratch - 2);
	stream_send_behind(&peer->stream, "he", 2, scratch, 3);
	stream_send_behind(&peer->stream, "he", 2, scratch + 1, 2);
	stream_send_behind(&peer->stream, "E", 1, "", 0);
	stream_flush(&peer->stream);
	assert_int_equal(read(peer->far, got, sizeof(got)), 15);
	assert_memory_equal(got, "HEabcheabchebcE", 15);
	peer_free(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_borrowed),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_finish_at_once),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_two_streams),
		cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_batch_run),
		cmocka_unit_test(test_read_on),
		cmocka_unit_test(test_read_on_beside),
		cmocka_unit_test(test_one_read),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_terminal_end),
		cmocka_unit_test(test_terminal_gather),
		cmocka_unit_test(test_terminal_hung_up),
		cmocka_unit_test(test_terminal_order),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
