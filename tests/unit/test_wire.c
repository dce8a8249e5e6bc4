/*
 * Messages over real socket pairs: cut anywhere, with and without descriptors, and broken ones.
 */
#include "spawn/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_BODY = 8192 };

static size_t count_fds(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void make_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
}

/* A raw socket and a wire at its other end. */
static void make_wire(struct wire *wire, int *raw, bool takes_fds)
{
	int pair[2];
	make_pair(pair);
	assert_int_equal(wire_init(wire, pair[0], MAX_BODY, takes_fds), 0);
	*raw = pair[1];
}

static const char *const bodies[] = { "", "x", "execve", "", "a longer body than the header is, for once" };
enum { BODIES = sizeof bodies / sizeof bodies[0] };

static struct wire_message *make_message(uint64_t id, const char *body, const int *fds)
{
	struct wire_header header = { .kind = WIRE_FAILED, .id = id, .value = -(int)id };
	header.len = (uint32_t)strlen(body);
	struct wire_message *message = wire_message_new(&header, body, fds);
	assert_non_null(message);
	return message;
}

/* Takes what is complete; messages must come in order and unharmed. */
static void take_messages(struct wire *wire, uint64_t *next)
{
	struct wire_received received;
	int rc;
	while ((rc = wire_next(wire, &received)) > 0) {
		assert_true(*next < BODIES);
		assert_int_equal(received.header.kind, WIRE_FAILED);
		assert_int_equal(received.header.id, *next);
		assert_int_equal(received.header.value, -(int)*next);
		assert_int_equal(received.fds[0], -1);
		assert_true(text_is(received.body, bodies[*next]));
		++*next;
	}
	assert_int_equal(rc, 0);
}

/* The bytes of all messages, as they travel. */
static size_t make_stream(char *out, size_t size)
{
	struct wire wire;
	int raw;
	make_wire(&wire, &raw, false);
	for (uint64_t id = 0; id < BODIES; id++)
		wire_push(&wire, make_message(id, bodies[id], NULL));
	assert_true(wire.queued > 0);
	assert_int_equal(wire_flush(&wire), 0);
	assert_int_equal(wire.queued, 0);
	ssize_t len = recv(raw, out, size, 0);
	assert_true(len > 0 && (size_t)len < size);
	wire_done(&wire);
	close(raw);
	return (size_t)len;
}

static void send_piece(struct wire *wire, int raw, const char *piece, size_t len, uint64_t *next)
{
	assert_int_equal(send(raw, piece, len, 0), len);
	assert_int_equal(wire_read(wire), len);
	take_messages(wire, next);
}

static void test_split_anywhere(void **state)
{
	char stream[1024];
	size_t len = make_stream(stream, sizeof stream);
	struct wire wire;
	int raw;
	(void)state;
	make_wire(&wire, &raw, true);
	assert_int_equal(wire_read(&wire), 0);
	uint64_t next = 0;
	send_piece(&wire, raw, stream, len, &next);
	assert_int_equal(next, BODIES);
	for (size_t cut = 1; cut < len; cut++) {
		next = 0;
		send_piece(&wire, raw, stream, cut, &next);
		send_piece(&wire, raw, stream + cut, len - cut, &next);
		assert_int_equal(next, BODIES);
	}
	next = 0;
	for (size_t at = 0; at < len; at++)
		send_piece(&wire, raw, stream + at, 1, &next);
	assert_int_equal(next, BODIES);

	/* What came before the end is still there. */
	next = 0;
	assert_int_equal(send(raw, stream, len, 0), len);
	close(raw);
	assert_int_equal(wire_read(&wire), len);
	take_messages(&wire, &next);
	assert_int_equal(next, BODIES);
	assert_int_equal(wire_read(&wire), -ECONNRESET);
	wire_done(&wire);
}

static void test_length_limit(void **state)
{
	static char body[MAX_BODY + 1];
	(void)state;
	for (uint32_t len = MAX_BODY - 1; len <= MAX_BODY + 1; len++) {
		struct wire wire;
		struct wire_received received;
		struct wire_header header = { .kind = WIRE_START, .len = len };
		int raw;
		make_wire(&wire, &raw, false);
		assert_int_equal(send(raw, &header, sizeof header, 0), sizeof header);
		assert_int_equal(send(raw, body, len, 0), len);
		assert_true(wire_read(&wire) > 0);
		int rc = wire_next(&wire, &received);
		assert_int_equal(rc, len <= MAX_BODY ? 1 : -EPROTO);
		if (rc > 0)
			assert_int_equal(received.body.len, len);
		wire_done(&wire);
		close(raw);
	}
}

static void test_bad_descriptor_counts(void **state)
{
	static const uint32_t counts[] = { 1, 2, WIRE_FDS, WIRE_FDS + 1, UINT32_MAX };
	(void)state;
	for (size_t i = 0; i < 2 * sizeof counts / sizeof counts[0]; i++) {
		struct wire wire;
		struct wire_received received;
		struct wire_header header = { .kind = WIRE_STARTED, .n_fds = counts[i / 2] };
		int raw;
		make_wire(&wire, &raw, i % 2);
		assert_int_equal(send(raw, &header, sizeof header, 0), sizeof header);
		assert_int_equal(wire_read(&wire), sizeof header);
		assert_int_equal(wire_next(&wire, &received), -EPROTO);
		wire_done(&wire);
		close(raw);
	}
}

/* Three descriptors of one file that says who it is. */
static void make_fds(uint64_t id, int fds[WIRE_FDS])
{
	for (int i = 0; i < WIRE_FDS; i++) {
		uint64_t mark[2] = { id, (uint64_t)i };
		fds[i] = memfd_create("test", MFD_CLOEXEC);
		assert_true(fds[i] >= 0);
		assert_int_equal(write(fds[i], mark, sizeof mark), sizeof mark);
	}
}

static void check_fds(uint64_t id, int fds[WIRE_FDS], int n)
{
	for (int i = 0; i < WIRE_FDS; i++) {
		uint64_t mark[2];
		if (i >= n) {
			assert_int_equal(fds[i], -1);
			continue;
		}
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(pread(fds[i], mark, sizeof mark, 0), sizeof mark);
		assert_int_equal(mark[0], id);
		assert_int_equal(mark[1], i);
	}
	wire_close_fds(fds);
	assert_int_equal(fds[0], -1);
}

/* Descriptors arrive with their own messages, whatever the sizes and whoever is faster. */
static void test_descriptors_stay_with_messages(void **state)
{
	enum { MESSAGES = 400 };
	static char body[MAX_BODY];
	size_t fds_before = count_fds();
	struct wire from, to;
	int pair[2], small = 4096;
	unsigned seed = 1;
	(void)state;
	make_pair(pair);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	assert_int_equal(wire_init(&from, pair[0], 0, false), 0);
	assert_int_equal(wire_init(&to, pair[1], MAX_BODY, true), 0);
	uint64_t sent = 0, received_n = 0;
	while (received_n < MESSAGES) {
		for (int burst = rand_r(&seed) % 8; burst > 0 && sent < MESSAGES; burst--) {
			struct wire_header header = { .kind = WIRE_STARTED, .id = sent };
			int fds[WIRE_FDS], n = rand_r(&seed) % (WIRE_FDS + 1);
			header.len = (uint32_t)(rand_r(&seed) % (sent % 5 == 0 ? MAX_BODY + 1 : 50));
			header.value = n;
			make_fds(sent, fds);
			for (int i = n; i < WIRE_FDS; i++) {
				close(fds[i]);
				fds[i] = -1;
			}
			wire_push(&from, wire_message_new(&header, body, n > 0 || sent % 2 ? fds : NULL));
			sent++;
		}
		assert_int_equal(wire_flush(&from), 0);
		for (int reads = rand_r(&seed) % 6; reads > 0; reads--) {
			struct wire_received received;
			assert_true(wire_read(&to) >= 0);
			while (wire_next(&to, &received) > 0) {
				assert_int_equal(received.header.id, received_n++);
				assert_int_equal(received.header.n_fds, received.header.value);
				check_fds(received.header.id, received.fds, received.header.value);
			}
		}
	}
	assert_int_equal(from.queued, 0);
	wire_done(&from);
	wire_done(&to);
	assert_int_equal(count_fds(), fds_before);
}

/* A message that says that it has more or fewer than came. */
static void test_other_count_of_descriptors(void **state)
{
	size_t fds_before = count_fds();
	(void)state;
	for (uint32_t sent = 1; sent <= WIRE_FDS; sent++) {
		for (uint32_t said = 0; said <= WIRE_FDS; said++) {
			struct wire to;
			struct wire_received received;
			struct wire_header header = { .kind = WIRE_STARTED, .n_fds = said };
			int raw, fds[WIRE_FDS];
			make_wire(&to, &raw, true);
			make_fds(1, fds);
			struct iovec iov = { &header, sizeof header };
			union {
				struct cmsghdr align;
				char bytes[CMSG_SPACE(sizeof fds)];
			} control = { .bytes = { 0 } };
			struct msghdr msg = {
				.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes
			};
			msg.msg_controllen = CMSG_SPACE(sent * sizeof(int));
			*CMSG_FIRSTHDR(&msg) =
				(struct cmsghdr){ CMSG_LEN(sent * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sent * sizeof(int));
			assert_int_equal(sendmsg(raw, &msg, 0), sizeof header);
			wire_close_fds(fds);
			assert_int_equal(wire_read(&to), sizeof header);
			int rc = wire_next(&to, &received);
			if (said == sent) {
				assert_int_equal(rc, 1);
				check_fds(1, received.fds, (int)said);
			} else if (said > 0) {
				assert_int_equal(rc, -EPROTO);
			}
			close(raw);
			wire_done(&to);
			assert_int_equal(count_fds(), fds_before);
		}
	}
}

/* Whatever a wire holds when it ends is closed: sent and not read, read and not taken, not sent. */
static void test_nothing_leaks(void **state)
{
	size_t fds_before = count_fds();
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct wire from, to;
		int pair[2], fds[WIRE_FDS];
		make_pair(pair);
		assert_int_equal(wire_init(&from, pair[0], 0, false), 0);
		assert_int_equal(wire_init(&to, pair[1], MAX_BODY, how != 3), 0);
		make_fds(1, fds);
		wire_push(&from, make_message(1, "x", fds));
		make_fds(2, fds);
		wire_message_free(make_message(2, "x", fds));
		if (how > 0)
			assert_int_equal(wire_flush(&from), 0);
		if (how > 1)
			assert_true(wire_read(&to) > 0);
		if (how == 3) { /* a side that takes none */
			struct wire_received received;
			assert_int_equal(wire_next(&to, &received), -EPROTO);
		}
		wire_done(&from);
		wire_done(&to);
		assert_int_equal(count_fds(), fds_before);
	}
}

/* More sets than messages can have before their ends come. */
static void test_too_many_sets(void **state)
{
	struct wire wire;
	int raw, fds[WIRE_FDS];
	size_t fds_before = count_fds();
	struct wire_header header = { .kind = WIRE_STARTED, .len = MAX_BODY };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof fds)];
	} control;
	(void)state;
	make_wire(&wire, &raw, true);
	make_fds(1, fds);
	for (int i = 0; i < 3; i++) {
		struct iovec iov = { &header, sizeof header };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes };
		msg.msg_controllen = sizeof control.bytes;
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof fds), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(cmsg), fds, sizeof fds);
		assert_int_equal(sendmsg(raw, &msg, 0), sizeof header);
		assert_int_equal(wire_read(&wire), i < 2 ? (int)sizeof header : -EPROTO);
	}
	wire_close_fds(fds);
	wire_done(&wire);
	close(raw);
	assert_int_equal(count_fds(), fds_before);
}

/* A receiver without room for descriptors gets the message without them, and the next one whole. */
static void test_no_room_for_descriptors(void **state)
{
	struct wire from, to;
	struct rlimit before, none;
	int pair[2], fds[WIRE_FDS];
	(void)state;
	for (unsigned room = 0; room < WIRE_FDS; room++) {
		struct wire_received received;
		make_pair(pair);
		assert_int_equal(wire_init(&from, pair[0], 0, false), 0);
		assert_int_equal(wire_init(&to, pair[1], MAX_BODY, true), 0);
		for (uint64_t id = 1; id <= 2; id++) {
			make_fds(id, fds);
			wire_push(&from, make_message(id, "x", fds));
		}
		assert_int_equal(wire_flush(&from), 0);
		size_t n = count_fds();
		unsigned end = 0;
		for (unsigned n_free = 0; n_free < room || fcntl((int)end, F_GETFD) >= 0; end++)
			n_free += fcntl((int)end, F_GETFD) < 0;
		getrlimit(RLIMIT_NOFILE, &before);
		none = (struct rlimit){ .rlim_cur = end, .rlim_max = before.rlim_max };
		setrlimit(RLIMIT_NOFILE, &none);
		int rc = wire_read(&to);
		setrlimit(RLIMIT_NOFILE, &before);
		assert_true(rc > 0);
		assert_int_equal(wire_next(&to, &received), 1);
		assert_int_equal(received.header.n_fds, WIRE_FDS);
		assert_int_equal(received.fds[0], -1);
		assert_int_equal(received.fds[2], -1);
		assert_int_equal(count_fds(), n);
		assert_true(wire_read(&to) > 0);
		assert_int_equal(wire_next(&to, &received), 1);
		check_fds(2, received.fds, WIRE_FDS);
		wire_done(&from);
		wire_done(&to);
	}
}

/* In a process without privilege: sends descriptors that nobody takes until the kernel refuses. */
static int send_until_refused(void)
{
	struct rlimit limit = { .rlim_cur = 64, .rlim_max = 64 };
	struct wire from, to;
	int pair[2];
	enum { MESSAGES = 100 };
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || (getuid() == 0 && setresuid(65534, 65534, 65534) < 0))
		return 2;
	make_pair(pair);
	if (wire_init(&from, pair[0], 0, false) < 0 || wire_init(&to, pair[1], MAX_BODY, true) < 0)
		return 3;
	for (uint64_t id = 0; id < MESSAGES; id++) {
		int fds[WIRE_FDS] = { dup(2), dup(2), dup(2) };
		wire_push(&from, make_message(id, "x", fds));
		if (wire_flush(&from) < 0 || from.queued > 0)
			return 4;
	}
	unsigned n_with = 0, n = 0;
	while (wire_read(&to) > 0) {
		struct wire_received received;
		while (wire_next(&to, &received) > 0) {
			if ((received.header.n_fds == WIRE_FDS) != (received.fds[0] >= 0))
				return 5;
			n_with += received.header.n_fds == WIRE_FDS;
			if (received.header.id != n++)
				return 6;
			wire_close_fds(received.fds);
		}
	}
	wire_done(&from);
	wire_done(&to);
	return n == MESSAGES && n_with > 5 && n_with < MESSAGES ? 0 : 7;
}

static void test_refused_descriptors(void **state)
{
	int status;
	(void)state;
	pid_t pid = fork();
	if (pid == 0)
		_exit(send_until_refused());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_peer_gone(void **state)
{
	struct wire wire;
	int raw;
	(void)state;
	make_wire(&wire, &raw, true);
	close(raw);
	for (int i = 0; i < 2; i++) {
		int fds[WIRE_FDS];
		make_fds(1, fds);
		wire_push(&wire, make_message(1, "x", fds)); /* and no SIGPIPE */
		assert_int_equal(wire_flush(&wire), -EPIPE);
	}
	assert_int_equal(wire_read(&wire), -ECONNRESET);
	wire_done(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_anywhere),
		cmocka_unit_test(test_length_limit),
		cmocka_unit_test(test_bad_descriptor_counts),
		cmocka_unit_test(test_descriptors_stay_with_messages),
		cmocka_unit_test(test_other_count_of_descriptors),
		cmocka_unit_test(test_nothing_leaks),
		cmocka_unit_test(test_too_many_sets),
		cmocka_unit_test(test_no_room_for_descriptors),
		cmocka_unit_test(test_refused_descriptors),
		cmocka_unit_test(test_peer_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
