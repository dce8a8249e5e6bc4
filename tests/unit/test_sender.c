/*
 * Tests of sending files: what is lent to the kernel and what is copied, what is held back and until when,
 * and files that change on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "gate/sender.h"
#include "rig.h"
#include "wire.h"

enum { BIG = 3000000, MAX_MS = 60000, SMALL_ROOM = 4096, ROOM = 300000 };

/* For clients with SMALL_ROOM: several times what these can hold unread, so that something always stays
 * unacknowledged while they do not read, whatever time passes; and less than SENDER_LEND_MIN. */
enum { SEND_ROOM = 32768 };

static char place[64];
static uint8_t *bytes; /* BIG and some more */

/* Bytes that were lent, and how lending fails. */
static size_t lent;
static int lend_error;

/* Takes the place of libc's. */
ssize_t sendfile(int out, int in, off_t *at, size_t len)
{
	if (lend_error != 0) {
		errno = lend_error;
		return -1;
	}
	ssize_t n = syscall(SYS_sendfile, out, in, at, len);
	lent += n > 0 ? (size_t)n : 0;
	return n;
}

/* A sender, its stream and the client. */
struct sending {
	struct rig rig;
	struct stream stream;
	struct sender sender;
	enum sender_step step;
	uint64_t unread_max;
	int fd;		 /* the client's */
	size_t appetite; /* bytes that it reads in a turn */
	uint8_t *got;
	size_t n_got;
	unsigned n_broken;
};

static void sending_go(struct sending *sending)
{
	if (sending->step != SENDER_BROKEN)
		sending->step = sender_go(&sending->sender);
}

static void sending_on_sent(void *arg)
{
	sending_go(arg);
}

static void sending_on_data(void *arg, uint8_t *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
}

static void sending_on_end(void *arg, int error)
{
	(void)error;
	((struct sending *)arg)->n_broken++;
}

static const struct stream_hooks sending_hooks = { .on_data = sending_on_data,
	.on_sent = sending_on_sent,
	.on_eof = sending_on_end,
	.on_broken = sending_on_end };

/* Two ends of TCP; the client's kernel has so much room for what its program has not read, and ours, when
 * that is SMALL_ROOM, has SEND_ROOM for what was not acknowledged. */
static void connect_with_room(int fds[2], int room)
{
	int send_room = SEND_ROOM;
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	rig_has_tcp = true;
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (room == SMALL_ROOM)
		setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &send_room, sizeof(send_room));
	setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(fds[1], (struct sockaddr *)&addr, len), 0);
	fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fds[0] >= 0);
	close(listener);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
}

/* room: 0 is a Unix socket. */
static struct sending *sending_new(int room)
{
	struct sending *sending = calloc(1, sizeof(*sending));
	struct outlet_peer peer;
	int fds[2];

	assert_non_null(sending);
	sending->got = malloc(BIG + LOOP_SCRATCH);
	rig_init(&sending->rig);
	if (room > 0)
		connect_with_room(fds, room);
	else
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	sending->fd = fds[1];
	stream_open(&sending->stream, &sending->rig.loop, fds[0], fds[0], &sending_hooks, sending);
	sender_init(&sending->sender);
	sending->appetite = LOOP_SCRATCH;
	outlet_ask_peer(&sending->stream.out, &peer);
	assert_false(peer.is_gone);
	sending->unread_max = peer.unread_max;
	lent = 0;
	return sending;
}

static void sending_free(struct sending *sending)
{
	sender_drop(&sending->sender);
	sender_drop(&sending->sender);
	stream_reset(&sending->stream);
	if (sending->fd >= 0)
		close(sending->fd);
	rig_done(&sending->rig);
	free(sending->got);
	free(sending);
}

static const char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", place, name);
	return path;
}

/* A file of so many bytes, changed long ago. */
static void put(const char *name, const void *data, size_t len)
{
	const struct timespec old[2] = { { .tv_sec = 784111777 }, { .tv_sec = 784111777 } };
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(futimens(fd, old), 0);
	close(fd);
}

/* Begins to send a new file of that many bytes; all but `skip` of them. */
static void sending_begin(struct sending *sending, size_t len, size_t skip)
{
	struct file file;
	struct file_facts facts;

	put("file", bytes, len);
	assert_int_equal(file_open(&file, &facts, place, text_of("/file"), false), 0);
	file.at = skip;
	sender_begin(&sending->sender, &sending->stream, &file, MAX_MS);
	assert_false(sender_is_idle(&sending->sender));
}

/* The client reads what is there. */
static void sending_read(struct sending *sending, size_t max)
{
	ssize_t n = read(sending->fd, sending->got + sending->n_got, max);
	if (n > 0)
		sending->n_got += (size_t)n;
}

/* Goes on until it is done, or has to look and shall not: from then on the client reads nothing. */
static void sending_run(struct sending *sending, bool look)
{
	sending_go(sending);
	for (int quiet = 0; quiet < 3000; quiet++) { /* TCP has timers of its own */
		size_t before = sending->n_got;
		if (sending->step == SENDER_BROKEN || (sending->step == SENDER_LOOKS && !look) ||
			(sending->step == SENDER_IDLE && !stream_has_queue(&sending->stream)))
			return;
		assert_true(sender_is_looking(&sending->sender) == (sending->step == SENDER_LOOKS));
		if (sending->step == SENDER_LOOKS)
			sending_go(sending);
		rig_turn(&sending->rig);
		if (quiet > 10)
			rig_wait(&sending->rig);
		if (sending->step != SENDER_LOOKS || look)
			sending_read(sending, sending->appetite);
		assert_in_range(stream_queued(&sending->stream), 0, 3 * LOOP_SCRATCH);
		if (sending->n_got > before)
			quiet = 0;
	}
	fail_msg("never came to an end");
}

/* The client reads so many bytes in all, which must be those of the file. */
static void sending_take(struct sending *sending, size_t n, size_t skip)
{
	for (int i = 0; i < 3000 && sending->n_got < n; i++) {
		rig_wait(&sending->rig);
		sending_read(sending, n - sending->n_got);
	}
	assert_int_equal(sending->n_got, n);
	assert_memory_equal(sending->got, bytes + skip, n);
}

/* Is there nothing for the client? */
static void sending_check_end(struct sending *sending)
{
	size_t before = sending->n_got;

	rig_turns(&sending->rig, 10);
	sending_read(sending, 1);
	assert_int_equal(sending->n_got, before);
}

/* Every length comes whole; what is lent is all that is surely read before the last piece, when it is worth
 * it. */
static void test_lengths(void **state)
{
	struct sending *sending = sending_new(SMALL_ROOM);
	size_t unread = (size_t)sending->unread_max, least = SENDER_LEND_MIN + unread + SENDER_LAST;
	const size_t lengths[] = { 1, 2, SENDER_LAST - 1, SENDER_LAST, SENDER_LAST + 1, 2 * SENDER_LAST - 1,
		2 * SENDER_LAST, 2 * SENDER_LAST + 1, SENDER_LEND_MIN - 1, SENDER_LEND_MIN,
		SENDER_LEND_MIN + 1, least - 1, least, least + 1, SENDER_TURN_MAX + unread + SENDER_LAST - 1,
		SENDER_TURN_MAX + unread + SENDER_LAST, SENDER_TURN_MAX + unread + SENDER_LAST + 1, BIG };
	(void)state;

	assert_true(unread > 0);
	sending_free(sending);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (size_t skip = 0; skip < 2; skip++) {
			sending = sending_new(SMALL_ROOM);
			sending_begin(sending, lengths[i] + skip, skip);
			sending_run(sending, true);
			assert_int_equal(sending->step, SENDER_IDLE);
			sending_take(sending, lengths[i], skip);
			sending_check_end(sending);
			assert_int_equal(lent, lengths[i] < least ? 0 : lengths[i] - unread - SENDER_LAST);
			sending_free(sending);
		}
}

/* Nothing is lent where it is not known what a client can hold. */
static void test_unix_socket(void **state)
{
	struct sending *sending = sending_new(0);
	(void)state;

	assert_int_equal(sending->unread_max, 0);
	sending_begin(sending, BIG, 0);
	sending_run(sending, true);
	sending_take(sending, BIG, 0);
	assert_int_equal(lent, 0);
	sending_free(sending);
}

/* Where the file system has no sendfile(2), all of it is copied. */
static void test_not_lendable(void **state)
{
	struct sending *sending = sending_new(SMALL_ROOM);
	(void)state;

	lend_error = EINVAL;
	sending_begin(sending, BIG, 0);
	sending_run(sending, false);
	lend_error = 0;
	assert_int_equal(sending->step, SENDER_IDLE);
	sending_take(sending, BIG, 0);
	assert_int_equal(lent, 0);
	sending_free(sending);
}

/* The last piece of what was lent in part is held back until all the rest was acknowledged. */
static void test_held_back(void **state)
{
	struct sending *sending = sending_new(SMALL_ROOM);
	(void)state;

	sending_begin(sending, BIG, 0);
	sending_run(sending, false);
	assert_int_equal(sending->step, SENDER_LOOKS);
	assert_int_equal(sending->stream.out.n_written, BIG - SENDER_LAST);
	assert_true(stream_unsent(&sending->stream) > 0);
	sending_go(sending);
	assert_int_equal(sending->step, SENDER_LOOKS);
	sending_take(sending, BIG - SENDER_LAST, 0);
	sending_check_end(sending);
	rig_until(&sending->rig, stream_unsent(&sending->stream) == 0);
	sending_go(sending);
	assert_int_equal(sending->step, SENDER_IDLE);
	assert_false(sender_is_looking(&sending->sender));
	sending_take(sending, BIG, 0);
	sending_free(sending);
}

/* A body that is only copied is not held back. */
static void test_not_held_back(void **state)
{
	struct sending *sending = sending_new(SMALL_ROOM);
	(void)state;

	sending_begin(sending, SENDER_LEND_MIN, 0);
	sending_run(sending, false);
	assert_int_equal(sending->step, SENDER_IDLE);
	assert_int_equal(sending->stream.out.n_written, SENDER_LEND_MIN);
	sending_free(sending);
}

/* Every change of the file. */
static void change_truncate(void)
{
	assert_int_equal(truncate(path_of("file"), 0), 0);
}

static void change_cut_one(void)
{
	struct stat st;
	assert_int_equal(stat(path_of("file"), &st), 0);
	assert_int_equal(truncate(path_of("file"), st.st_size - 1), 0);
}

static void change_grow(void)
{
	int fd = open(path_of("file"), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void change_rewrite(void)
{
	int fd = open(path_of("file"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "?", 1), 1);
	close(fd);
}

static void change_touch(void)
{
	assert_int_equal(utimensat(AT_FDCWD, path_of("file"), NULL, 0), 0);
}

static void (*const changes[])(
	void) = { change_truncate, change_cut_one, change_grow, change_rewrite, change_touch };

/* Before the first byte, in the middle, or when only the last piece is missing: it never comes. */
static void test_changed(void **state)
{
	static const size_t lengths[] = { 1, SENDER_LAST, SENDER_LAST + 1, SENDER_LEND_MIN, BIG };
	(void)state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++)
			for (int begun = 0; begun < 2; begun++) {
				struct sending *sending = sending_new(SMALL_ROOM);
				sending_begin(sending, lengths[i], 0);
				if (begun && lengths[i] >= SENDER_LEND_MIN)
					sending_go(sending);
				changes[c]();
				sending_run(sending, true);
				assert_int_equal(sending->step, SENDER_BROKEN);
				assert_true(sender_is_idle(&sending->sender));
				assert_memory_equal(sending->sender.reason, "file ", 5);
				assert_true(sending->stream.out.n_written <= lengths[i] - 1);
				assert_true(lengths[i] > SENDER_LAST || sending->stream.out.n_written == 0);
				sending_free(sending);
			}
}

/* ... also when all before the last piece is with the client. */
static void test_changed_at_last(void **state)
{
	(void)state;

	for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++) {
		struct sending *sending = sending_new(SMALL_ROOM);
		sending_begin(sending, BIG, 0);
		sending_run(sending, false);
		sending_take(sending, BIG - SENDER_LAST, 0);
		assert_int_equal(sending->step, SENDER_LOOKS);
		changes[c]();
		sending_run(sending, true);
		assert_int_equal(sending->step, SENDER_BROKEN);
		assert_int_equal(sending->stream.out.n_written, BIG - SENDER_LAST);
		sending_free(sending);
	}
}

static int link_to_third(void)
{
	char third[128];
	snprintf(third, sizeof(third), "%s", path_of("third"));
	return link(path_of("file"), third);
}

/* A file that loses its name, gets another one, or other rights is still the same. */
static void test_other_names(void **state)
{
	static const size_t lengths[] = { 1, SENDER_LAST + 1, BIG };
	(void)state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int how = 0; how < 4; how++) {
			char other[128];
			struct sending *sending = sending_new(SMALL_ROOM);
			sending_begin(sending, lengths[i], 0);
			put("other", "new", 3);
			snprintf(other, sizeof(other), "%s", path_of("other"));
			if (lengths[i] > SENDER_LAST)
				sending_go(sending);
			if (how == 0)
				assert_int_equal(rename(other, path_of("file")), 0);
			else if (how == 1)
				assert_int_equal(unlink(path_of("file")), 0);
			else if (how == 2)
				assert_int_equal(link_to_third(), 0);
			else
				assert_int_equal(chmod(path_of("file"), 0600), 0);
			sending_run(sending, true);
			assert_int_equal(sending->step, SENDER_IDLE);
			sending_take(sending, lengths[i], 0);
			sending_free(sending);
			unlink(path_of("third"));
		}
}

/* What the client has not read when the last piece left is what the file was, though the pages of the file
 * that were lent are the same memory for a client on this machine. */
static void test_unread(void **state)
{
	(void)state;

	for (int how = 0; how < 2; how++) {
		struct sending *sending = sending_new(ROOM);
		assert_true(sending->unread_max > 2 * ROOM);
		sending->appetite = 1000;
		sending_begin(sending, BIG, 0);
		sending_run(sending, true);
		assert_int_equal(sending->step, SENDER_IDLE);
		assert_true(lent > SENDER_LEND_MIN);
		assert_true(sending->n_got + SENDER_LAST < BIG); /* there is something unread */
		int fd = open(path_of("file"), O_WRONLY | O_CLOEXEC);
		if (how == 0) /* what is behind it on its page, or on its large folio, is zeroed */
			assert_int_equal(ftruncate(fd, (off_t)sending->n_got + 1), 0);
		else
			assert_int_equal(pwrite(fd, bytes + 1, BIG, 0), BIG);
		close(fd);
		sending_take(sending, BIG, 0);
		sending_free(sending);
	}
}

/* Looks after half of its time. */
static void sending_look_later(struct sending *sending)
{
	rig_skip(MAX_MS / 2);
	sending_go(sending);
}

/* The client reads until something more was acknowledged, which is not all. */
static void sending_move(struct sending *sending)
{
	uint64_t unsent = stream_unsent(&sending->stream);

	for (int i = 0; i < 3000 && stream_unsent(&sending->stream) >= unsent; i++) {
		sending_read(sending, SMALL_ROOM);
		rig_wait(&sending->rig);
	}
	assert_in_range(stream_unsent(&sending->stream), 1, unsent - 1);
}

/* A client that acknowledges nothing has its time, which begins again with every byte. Looks become rare. */
static void test_stuck(void **state)
{
	struct sending *sending = sending_new(SMALL_ROOM);
	(void)state;

	sending->appetite = 1000;
	sending_begin(sending, BIG, 0);
	sending_run(sending, false);
	for (uint64_t ms = SENDER_LOOK_MS; ms <= SENDER_LOOK_MAX_MS; ms *= 2) {
		assert_int_equal(sending->step, SENDER_LOOKS);
		assert_int_equal(sending->sender.look_ms, ms);
		sending_go(sending);
	}
	assert_int_equal(sending->sender.look_ms, SENDER_LOOK_MAX_MS);
	for (int i = 0; i < 2; i++) {
		sending_look_later(sending);
		assert_int_equal(sending->step, SENDER_LOOKS);
		sending_move(sending);
		sending_go(sending);
		assert_int_equal(sending->step, SENDER_LOOKS);
	}
	/* Some of what there is room for now may be acknowledged only later, and begins the time again. */
	for (int quiet = 0; quiet < 2;) {
		uint64_t unsent = sending->sender.unsent;
		sending_look_later(sending);
		quiet = sending->sender.unsent < unsent ? 0 : quiet + 1;
		assert_int_equal(sending->step, quiet < 2 ? SENDER_LOOKS : SENDER_BROKEN);
	}
	assert_string_equal(sending->sender.reason, "client takes nothing");
	sending_free(sending);
}

/* Does our kernel know that the client is gone? */
static bool sending_is_alone(const struct sending *sending)
{
	struct outlet_peer peer;

	outlet_ask_peer(&sending->stream.out, &peer);
	return peer.is_gone;
}

/* One that is gone is not waited for. */
static void test_left(void **state)
{
	struct sending *sending = sending_new(SMALL_ROOM);
	(void)state;

	sending_begin(sending, BIG, 0);
	sending_run(sending, false);
	assert_int_equal(sending->step, SENDER_LOOKS);
	stream_allow(&sending->stream, 0); /* as while a response is on its way */
	wire_reset(sending->fd);
	sending->fd = -1;
	rig_until(&sending->rig, sending_is_alone(sending));
	sending_go(sending);
	assert_int_equal(sending->step, SENDER_BROKEN);
	assert_string_equal(sending->sender.reason, "client left");
	sending_free(sending);
}

/* One that is gone in mid-file is told by the stream; nothing is read for it any more. */
static void test_left_in_between(void **state)
{
	struct sending *sending = sending_new(SMALL_ROOM);
	(void)state;

	sending_begin(sending, BIG, 0);
	sending_go(sending);
	wire_reset(sending->fd);
	sending->fd = -1;
	rig_until(&sending->rig, stream_is_shut(&sending->stream));
	uint64_t at = sending->sender.file.at;
	sending_go(sending);
	assert_int_equal(sending->step, SENDER_SENDS);
	assert_int_equal(sending->sender.file.at, at);
	rig_until(&sending->rig, sending->n_broken > 0);
	sending_free(sending);
}

static int make_place(void **state)
{
	(void)state;

	strcpy(place, "/tmp/wsluice-XXXXXX");
	if (mkdtemp(place) == NULL)
		abort();
	bytes = malloc(BIG + LOOP_SCRATCH);
	for (size_t i = 0; i < BIG + LOOP_SCRATCH; i++)
		bytes[i] = (uint8_t)('a' + (i * 31 + i / 251) % 26);
	return 0;
}

static int remove_place(void **state)
{
	char command[128];
	(void)state;
	free(bytes);
	snprintf(command, sizeof(command), "rm -rf %s", place);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_not_lendable),
		cmocka_unit_test(test_held_back),
		cmocka_unit_test(test_not_held_back),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_changed_at_last),
		cmocka_unit_test(test_other_names),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_left_in_between),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
