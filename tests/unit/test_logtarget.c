/*
 * test_logtarget: logs that go to a file: opening it, opening it again while others log, and what is lost
 * when it fails. What syslog gets is in tests/e2e, since its socket has one name only. A wait that has no end
 * is ended by the alarm in main().
 */
#include "base/log.h"
#include "base/logring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 60000, N_PRODUCERS = 3, N_LINES = 3000, N_REOPENS = 200 };

static const uid_t NOBODY_ELSE = (uid_t)-1;

/* A directory of the test's own, which is the working directory meanwhile. */
static char directory[] = "/tmp/test_logtarget.XXXXXX";

static int enter_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) == NULL || chdir(directory) != 0;
}

static int leave_directory(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return chdir("/") != 0 || system(command) != 0;
}

/* A log to a file of that name, and for the start to `early`. */
static struct log *open_log(int early, const char *path, size_t ring)
{
	struct log *log = log_new(early, LOG_INFO, LOG_FORMAT_LOGFMT, ring);

	assert_non_null(log);
	assert_int_equal(log_open(log, LOG_TARGET_FILE, path, NOBODY_ELSE, (gid_t)-1), 0);
	return log;
}

static void log_line(struct log *log, unsigned thread, unsigned number)
{
	log_info(log, "line", LOG_U64("thread", thread), LOG_U64("number", number), LOG_STR("end", "x"));
}

/* The sentences and fields of a file's lines, each without its time and with a newline. */
static const char *read_file(const char *path)
{
	static char text[1 << 20];
	char line[8192];
	size_t len = 0;
	FILE *in = fopen(path, "r");

	assert_non_null(in);
	text[0] = '\0';
	while (fgets(line, sizeof(line), in) != NULL) {
		const char *message = strstr(line, "level=");

		assert_true(message != NULL && line[strlen(line) - 1] == '\n');
		assert_true(len + strlen(message) < sizeof(text));
		len += strlen(strcpy(text + len, message));
	}
	fclose(in);
	return text;
}

static void test_file(void **state)
{
	int early = open("early", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	mode_t mask = umask(022);
	struct log *log = open_log(early, "file", 4096);
	struct stat st;

	(void)state;
	assert_int_equal(stat("file", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	umask(mask);
	log_line(log, 0, 1);
	assert_int_equal(log_start(log), 0);
	log_line(log, 0, 2);
	assert_true(log_flush(log, WAIT_MS));
	log_free(log, WAIT_MS);
	close(early);
	assert_string_equal(read_file("early"), "level=info msg=line thread=0 number=1 end=x\n");
	assert_string_equal(read_file("file"), "level=info msg=line thread=0 number=1 end=x\n"
					       "level=info msg=line thread=0 number=2 end=x\n");
	unlink("early");
	unlink("file");
}

/* A start that fails is in the file as well, behind what was there. */
static void test_start_fails(void **state)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	for (unsigned i = 1; i <= 2; i++) {
		struct log *log = open_log(null, "file", 4096);

		log_line(log, 0, i);
		log_free(log, WAIT_MS);
	}
	assert_string_equal(read_file("file"), "level=info msg=line thread=0 number=1 end=x\n"
					       "level=info msg=line thread=0 number=2 end=x\n");
	close(null);
	unlink("file");
}

static int try_open(const char *path, uid_t uid)
{
	struct log *log = log_new(2, LOG_INFO, LOG_FORMAT_TEXT, 4096);
	int error = log_open(log, LOG_TARGET_FILE, path, uid, (gid_t)-1);

	log_free(log, WAIT_MS);
	return error;
}

static void test_cannot_open(void **state)
{
	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(try_open("nothing/file", NOBODY_ELSE), -ENOENT);
	assert_int_equal(try_open(".", NOBODY_ELSE), -EISDIR);
	assert_int_equal(try_open("fifo", NOBODY_ELSE), -ENXIO);
	unlink("fifo");
}

static uid_t owner_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_uid;
}

/* Who is not root gives nothing away. Root gives what is new or its own, and nothing that has another name.
 */
static void test_owner(void **state)
{
	bool root = geteuid() == 0;
	uid_t other = 65533, given = root ? other : geteuid();

	(void)state;
	assert_int_equal(try_open("new", other), 0);
	assert_int_equal(owner_of("new"), given);
	assert_int_equal(try_open("ours", NOBODY_ELSE), 0);
	assert_int_equal(owner_of("ours"), geteuid());
	assert_int_equal(try_open("ours", other), 0);
	assert_int_equal(owner_of("ours"), given);
	assert_int_equal(try_open("ours", other + 1), 0);
	assert_int_equal(owner_of("ours"), given);
	assert_int_equal(try_open("two", NOBODY_ELSE), 0);
	assert_int_equal(link("two", "names"), 0);
	assert_int_equal(try_open("names", other), 0);
	assert_int_equal(owner_of("two"), geteuid());
	assert_int_equal(symlink("new", "pointer"), 0);
	assert_int_equal(try_open("pointer", NOBODY_ELSE), 0);
	assert_int_equal(try_open("pointer", other), root ? -ELOOP : 0);
	assert_int_equal(symlink(".", "way"), 0);
	assert_int_equal(try_open("way/further", NOBODY_ELSE), 0);
	assert_int_equal(owner_of("further"), geteuid());
	assert_int_equal(try_open("way/further", other), root ? -ELOOP : 0);
	assert_int_equal(try_open("way/newer", other), root ? -ELOOP : 0);
	assert_int_equal(access("newer", F_OK), root ? -1 : 0);
	assert_int_equal(owner_of("further"), geteuid());
	unlink("way");
	unlink("further");
	unlink("newer");
	unlink("new");
	unlink("ours");
	unlink("two");
	unlink("names");
	unlink("pointer");
}

/* How opening it would end, without that; as the one who has all rights, and as one who has none. */
static void test_check(void **state)
{
	static const struct {
		const char *path;
		int error, others; /* as root or the directory's owner; as somebody else */
	} paths[] = {
		{ "new", 0, -EACCES },
		{ "mine", 0, -EACCES },
		{ "everybodys", 0, 0 },
		{ "fifo", 0, -EACCES },
		{ "nothing/new", -ENOENT, -ENOENT },
		{ "mine/new", -ENOTDIR, -ENOTDIR },
		{ ".", -EISDIR, -EISDIR },
		{ "new/", -EISDIR, -EISDIR },
		{ "/", -EISDIR, -EISDIR },
		{ "dangling", 0, 0 },
		{ "way/new", 0, -EACCES },
		{ "loop", -ELOOP, -ELOOP },
	};
	mode_t mask = umask(0);
	(void)state;

	close(open("mine", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	close(open("everybodys", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("nothing/here", "dangling"), 0);
	assert_int_equal(symlink(".", "way"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_int_equal(chmod(".", 0755), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(logtarget_check_file(paths[i].path, NOBODY_ELSE), paths[i].error);
	if (geteuid() == 0) {
		assert_int_equal(logtarget_check_file("new", 65533), 0);
		assert_int_equal(logtarget_check_file("way/new", 65533), -ELOOP);
		assert_int_equal(logtarget_check_file("way/mine", 65533), -ELOOP);
		assert_int_equal(seteuid(65533), 0);
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
			assert_int_equal(logtarget_check_file(paths[i].path, NOBODY_ELSE), paths[i].others);
		assert_int_equal(seteuid(0), 0);
	}
	assert_int_equal(access("new", F_OK), -1);
	assert_int_equal(access("nothing", F_OK), -1);
	unlink("mine");
	unlink("everybodys");
	unlink("fifo");
	unlink("dangling");
	unlink("way");
	unlink("loop");
	umask(mask);
}

/* Stand in front of libc's, under the names that the build without and with _FORTIFY_SOURCE calls. */
static unsigned n_connects, n_messages;
static int connect_error;

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	(void)fd;
	(void)address;
	(void)len;
	n_connects++;
	errno = connect_error;
	return connect_error == 0 ? 0 : -1;
}

void syslog(int priority, const char *format, ...); /* the header's LOG_INFO is not ours */
void syslog(int priority, const char *format, ...)
{
	(void)priority;
	(void)format;
	n_messages++;
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
	(void)priority;
	(void)flag;
	(void)format;
	n_messages++;
}

/* A daemon is looked for once for many lines; without one nothing is written. */
static void test_syslog_is_asked_once(void **state)
{
	static const char lines[] = "<6>one\n<6>two\n<4>three\n";
	struct logtarget target;
	(void)state;

	connect_error = ECONNREFUSED;
	assert_int_equal(logtarget_open_syslog(&target), -ECONNREFUSED);
	connect_error = 0;
	assert_int_equal(logtarget_open_syslog(&target), 0);
	n_connects = 0;
	assert_int_equal(logtarget_write(&target, lines, strlen(lines)), strlen(lines));
	assert_int_equal(n_connects, 1);
	assert_int_equal(n_messages, 3);
	connect_error = EPROTOTYPE; /* a daemon with a stream */
	assert_int_equal(logtarget_write(&target, lines, 7), 7);
	assert_int_equal(n_messages, 4);
	connect_error = ENOENT;
	assert_int_equal(logtarget_write(&target, lines, strlen(lines)), 0);
	assert_int_equal(n_messages, 4);
	logtarget_close(&target);
}

/* The old file has what was logged before, the new one what was logged after; wherever we are meanwhile. */
static void test_reopen(void **state)
{
	struct log *log = open_log(2, "file", 4096);

	(void)state;
	log_set_level(log, LOG_WARNING); /* so that there is no line about it */
	assert_int_equal(log_start(log), 0);
	log_warning(log, "one");
	assert_true(log_flush(log, WAIT_MS));
	assert_int_equal(rename("file", "old"), 0);
	log_warning(log, "two");
	assert_true(log_flush(log, WAIT_MS));
	assert_int_equal(chdir("/"), 0);
	assert_true(log_reopen(log));
	log_warning(log, "three");
	assert_true(log_flush(log, WAIT_MS));
	assert_int_equal(chdir(directory), 0);
	assert_string_equal(read_file("old"), "level=warning msg=one\nlevel=warning msg=two\n");
	assert_string_equal(read_file("file"), "level=warning msg=three\n");
	unlink("file");
	log_set_level(log, LOG_INFO);
	assert_true(log_reopen(log)); /* alone, and it is done at once */
	assert_true(log_flush(log, WAIT_MS));
	assert_non_null(strstr(read_file("file"), "level=info msg=\"log file opened again\" path=/tmp/"));
	log_free(log, WAIT_MS);
	unlink("file");
	unlink("old");
}

static void test_nothing_to_reopen(void **state)
{
	struct log *log = log_new(2, LOG_INFO, LOG_FORMAT_TEXT, 4096);

	(void)state;
	assert_false(log_reopen(log));
	assert_int_equal(log_start(log), 0);
	assert_false(log_reopen(log));
	log_free(log, WAIT_MS);
}

/* The new name can't be opened: the old file goes on and has the reason, until the name can be opened again.
 */
static void test_reopen_fails(void **state)
{
	struct log *log = open_log(2, "file", 4096);
	const char *text;

	(void)state;
	assert_int_equal(log_start(log), 0);
	assert_int_equal(rename("file", "old"), 0);
	assert_int_equal(mkdir("file", 0700), 0);
	assert_true(log_reopen(log));
	log_line(log, 0, 1);
	assert_true(log_flush(log, WAIT_MS));
	text = read_file("old");
	assert_non_null(strstr(text, "level=error msg=\"cannot open the log file again\" path=/tmp/"));
	assert_non_null(strstr(text, " error=\"Is a directory\"\n"));
	assert_non_null(strstr(text, "number=1 end=x\n"));
	assert_int_equal(rmdir("file"), 0);
	assert_true(log_reopen(log));
	log_line(log, 0, 2);
	log_free(log, WAIT_MS);
	assert_non_null(strstr(read_file("file"), "number=2 end=x\n"));
	assert_null(strstr(read_file("old"), "number=2"));
	unlink("file");
	unlink("old");
}

/* What all files of a test hold. */
struct tally {
	uint64_t n_lines, n_told, n_notes;
	unsigned next[N_PRODUCERS]; /* the number that each producer comes with next, when nothing is lost */
};

static void tally_read(struct tally *tally, const char *path, bool complete)
{
	unsigned thread, number;
	unsigned long count;
	char *rest = strdup(read_file(path));

	for (char *at = rest, *line; (line = strsep(&at, "\n")) != NULL && *line != '\0';) {
		if (sscanf(line, "level=info msg=line thread=%u number=%u end=x", &thread, &number) == 2) {
			assert_true(complete ? number == tally->next[thread] : number >= tally->next[thread]);
			tally->next[thread] = number + 1;
			tally->n_lines++;
		} else if (sscanf(line, "level=warning msg=\"log lines lost\" count=%lu", &count) == 1)
			tally->n_told += count;
		else {
			assert_non_null(strstr(line, "log file opened again"));
			tally->n_notes++;
		}
	}
	free(rest);
}

struct producer {
	struct log *log;
	unsigned thread;
	pthread_t id;
};

static void *producer_run(void *arg)
{
	const struct producer *self = arg;

	for (unsigned i = 0; i < N_LINES; i++)
		log_line(self->log, self->thread, i);
	return NULL;
}

/* Renamed and opened again and again under load: every line once, in order over the files. */
static void test_reopen_under_load(void **state)
{
	struct log *log = open_log(2, "file", 16 << 20);
	struct producer producers[N_PRODUCERS];
	struct tally tally = { 0 };
	char name[32];

	(void)state;
	assert_int_equal(log_start(log), 0);
	for (unsigned i = 0; i < N_PRODUCERS; i++) {
		producers[i] = (struct producer){ .log = log, .thread = i };
		assert_int_equal(pthread_create(&producers[i].id, NULL, producer_run, &producers[i]), 0);
	}
	for (unsigned i = 0; i < N_REOPENS; i++) {
		snprintf(name, sizeof(name), "file.%u", i);
		assert_int_equal(rename("file", name), 0);
		assert_true(log_reopen(log));
		while (access("file", F_OK) != 0)
			sched_yield();
	}
	for (unsigned i = 0; i < N_PRODUCERS; i++)
		pthread_join(producers[i].id, NULL);
	assert_int_equal(log_dropped(log), 0);
	log_free(log, WAIT_MS);
	for (unsigned i = 0; i < N_REOPENS; i++) {
		snprintf(name, sizeof(name), "file.%u", i);
		tally_read(&tally, name, true);
		unlink(name);
	}
	tally_read(&tally, "file", true);
	unlink("file");
	assert_int_equal(tally.n_lines, N_PRODUCERS * N_LINES);
	assert_int_equal(tally.n_notes, N_REOPENS);
	assert_int_equal(tally.n_told, 0);
}

/* A FIFO that nobody reads: neither logging nor asking for another file waits, and all is accounted for. */
static void test_stuck_fifo(void **state)
{
	struct tally tally = { 0 };
	char bytes[4096];
	struct log *log;
	unsigned n = 0;
	int in, copy;
	ssize_t len;

	(void)state;
	assert_int_equal(mkfifo("file", 0600), 0);
	in = open("file", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	log = open_log(2, "file", 65536);
	assert_true(fcntl(in, F_SETPIPE_SZ, 4096) >= 4096);
	assert_int_equal(log_start(log), 0);
	log_line(log, 0, n++);
	assert_int_equal(poll(&(struct pollfd){ .fd = in, .events = POLLIN }, 1, WAIT_MS), 1);
	while (log_dropped(log) < 100)
		log_line(log, 0, n++);
	assert_false(log_flush(log, 20));
	assert_int_equal(rename("file", "fifo"), 0);
	assert_true(log_reopen(log));
	log_line(log, 0, n++);
	copy = open("copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while ((len = read(in, bytes, sizeof(bytes))) != 0) { /* until the writer has closed it */
		if (len < 0)
			assert_int_equal(errno, EAGAIN);
		else
			assert_int_equal(write(copy, bytes, (size_t)len), len);
	}
	close(copy);
	close(in);
	log_line(log, 0, n++);
	log_free(log, WAIT_MS);
	tally_read(&tally, "copy", false);
	assert_true(tally.n_lines > 0);
	tally_read(&tally, "file", false);
	assert_int_equal(tally.n_notes, 1);
	assert_int_equal(tally.next[0], n); /* the last line is there */
	assert_int_equal(tally.n_lines + tally.n_told, n);
	unlink("copy");
	unlink("fifo");
	unlink("file");
}

/* The disk is full in the middle of a line; the new file begins with a whole one. */
static void test_reopen_after_torn_line(void **state)
{
	struct log *log = open_log(2, "file", 4096);
	struct rlimit limit, small;

	(void)state;
	assert_int_equal(log_start(log), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){ .rlim_cur = 20, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	log_line(log, 0, 0);
	assert_true(log_flush(log, WAIT_MS));
	assert_int_equal(log_dropped(log), 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(rename("file", "old"), 0);
	log_set_level(log, LOG_WARNING);
	assert_true(log_reopen(log));
	assert_true(log_flush(log, WAIT_MS));
	log_warning(log, "whole");
	log_free(log, WAIT_MS);
	assert_string_equal(
		read_file("file"), "level=warning msg=\"log lines lost\" count=1\nlevel=warning msg=whole\n");
	unlink("file");
	unlink("old");
}

/* Lines of so many bytes, at every place of the ring: one that fits exactly, one byte less and one more. */
static void test_ring(void **state)
{
	char bytes[64], out[64], line[65];

	(void)state;
	for (size_t start = 0; start < sizeof(bytes); start++) {
		for (size_t used = 1; used < sizeof(bytes) - 1; used++) {
			struct logring ring = { .bytes = bytes, .size = sizeof(bytes), .start = start };
			size_t room = sizeof(bytes) - used;

			memset(line, 'x', sizeof(line));
			line[used - 1] = '\n';
			assert_true(logring_push(&ring, line, used));
			line[used - 1] = 'x';
			line[room] = '\n';
			assert_false(logring_push(&ring, line, room + 1));
			line[room - 1] = '\n';
			assert_true(logring_push(&ring, line, room - (used & 1)));
			assert_int_equal(logring_take(&ring, out, used), used);
			assert_true(out[used - 1] == '\n' && memchr(out, '\n', used) == out + used - 1);
			assert_int_equal(ring.used, room - (used & 1));
		}
	}
}

/* Two lines of 10: what is taken is whole, whether there is room for 19, 20 or 21. */
static void test_ring_take(void **state)
{
	char bytes[32], out[32];

	(void)state;
	for (size_t room = 19; room <= 21; room++) {
		struct logring ring = { .bytes = bytes, .size = sizeof(bytes), .start = 27 };

		for (int i = 0; i < 3; i++)
			assert_true(logring_push(&ring, "123456789\n", 10));
		assert_int_equal(logring_take(&ring, out, room), room < 20 ? 10 : 20);
		assert_int_equal(logring_take(&ring, out, room), 10);
		assert_memory_equal(out, "123456789\n", 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_start_fails),
		cmocka_unit_test(test_cannot_open),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_syslog_is_asked_once),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_nothing_to_reopen),
		cmocka_unit_test(test_reopen_fails),
		cmocka_unit_test(test_reopen_under_load),
		cmocka_unit_test(test_stuck_fifo),
		cmocka_unit_test(test_reopen_after_torn_line),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_ring_take),
	};

	alarm(280);
	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
