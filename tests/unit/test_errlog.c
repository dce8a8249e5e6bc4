/*
 * Tests of stderr as log lines: where lines are cut, how many a second, and what is there at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "backend/errlog.h"
#include "rig.h"

struct program {
	struct rig rig;
	struct errlog errlog;
	int stderr_fd; /* the program's end; -1 when it closed it */
};

static void program_init(struct program *program)
{
	int fds[2];
	memset(program, 0, sizeof(*program));
	rig_init(&program->rig);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	program->stderr_fd = fds[1];
	assert_int_equal(errlog_open(&program->errlog, &program->rig.loop, fds[0], "5e55", "/r"), 0);
}

static void program_done(struct program *program)
{
	errlog_close(&program->errlog);
	errlog_close(&program->errlog); /* idempotent */
	assert_null(program->errlog.line);
	if (program->stderr_fd >= 0)
		close(program->stderr_fd);
	rig_done(&program->rig);
}

static void say(struct program *program, const char *words, size_t len)
{
	assert_int_equal(write(program->stderr_fd, words, len), len);
	rig_turns(&program->rig, 2);
}

/* Lines in any pieces, also byte by byte: one log line each, with session and route. */
static void test_lines(void **state)
{
	static const char words[] = "one\ntwo words\n\nthree";
	(void)state;

	for (size_t step = 1; step <= sizeof(words) - 1; step++) {
		struct program program;
		program_init(&program);
		for (size_t i = 0; i < sizeof(words) - 1; i += step) {
			size_t left = sizeof(words) - 1 - i;
			say(&program, words + i, step < left ? step : left);
		}
		assert_int_equal(rig_logged(&program.rig, "msg=stderr"), 3); /* the empty one, too */
		assert_int_equal(rig_logged(&program.rig, "line=one\n"), 1);
		assert_int_equal(rig_logged(&program.rig, "line=\"two words\"\n"), 1);
		assert_int_equal(rig_logged(&program.rig, "id=5e55"), 3);
		assert_int_equal(rig_logged(&program.rig, "route=/r"), 3);
		assert_int_equal(rig_logged(&program.rig, "line=three"), 0);
		errlog_close(&program.errlog);
		assert_int_equal(rig_logged(&program.rig, "line=three\n"), 1);
		program_done(&program);
	}
}

/* A line of exactly so many letters in one or two pieces; how many of them were logged. */
static size_t logged_of(size_t len, size_t first)
{
	struct program program;
	char *words = malloc(len + 1);
	program_init(&program);
	memset(words, 'x', len);
	words[len] = '\n';
	if (first > 0)
		say(&program, words, first);
	say(&program, words + first, len + 1 - first);
	assert_int_equal(rig_logged(&program.rig, "line="), 1);
	const char *line = strstr(rig_log(&program.rig), "line=") + 5;
	size_t n = strspn(line, "x");
	assert_int_equal(line[n], '\n');
	/* The next line is whole again. */
	say(&program, "next\n", 5);
	assert_int_equal(rig_logged(&program.rig, "line=next\n"), 1);
	free(words);
	program_done(&program);
	return n;
}

/* The limit of a line at n-1, n, n+1, in one piece and in two, cut before, at and behind it. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t first = 0; first <= ERRLOG_LINE_MAX; first += ERRLOG_LINE_MAX / 2) {
		assert_int_equal(
			logged_of(ERRLOG_LINE_MAX - 1, first > 0 ? first - 1 : 0), ERRLOG_LINE_MAX - 1);
		assert_int_equal(logged_of(ERRLOG_LINE_MAX, first), ERRLOG_LINE_MAX);
		assert_int_equal(logged_of(ERRLOG_LINE_MAX + 1, first), ERRLOG_LINE_MAX);
		assert_int_equal(logged_of(ERRLOG_LINE_MAX + 1, first + 1), ERRLOG_LINE_MAX);
	}
	assert_int_equal(logged_of(20000, 9000), ERRLOG_LINE_MAX);
}

/* 10 MiB without a newline: read as fast as it comes, held in one line's memory, one log line. */
static void test_no_newline(void **state)
{
	enum { TOTAL = 10 << 20 };
	struct program program;
	static char words[32768];
	size_t n_sent = 0;
	(void)state;

	program_init(&program);
	memset(words, 'y', sizeof(words));
	for (int turn = 0; n_sent < TOTAL && turn < TOTAL / 4096; turn++) {
		ssize_t n = write(program.stderr_fd, words, sizeof(words));
		n_sent += n > 0 ? (size_t)n : 0;
		rig_turn(&program.rig);
		assert_in_range(program.errlog.len, 0, ERRLOG_LINE_MAX);
	}
	assert_true(n_sent >= TOTAL);
	assert_int_equal(rig_logged(&program.rig, "line="), 0);
	close(program.stderr_fd);
	program.stderr_fd = -1;
	errlog_close(&program.errlog);
	assert_int_equal(rig_logged(&program.rig, "line="), 1);
	program_done(&program);
}

/* So many lines a second and no more; the rest is counted and told in the next second, or at the end. */
static void test_rate(void **state)
{
	struct program program;
	(void)state;

	program_init(&program);
	/* To the beginning of a second, as this clock counts. */
	rig_skip(1000 - (long)(loop_now(&program.rig.loop) % 1000));
	for (int i = 0; i < ERRLOG_RATE - 1; i++)
		say(&program, "z\n", 2);
	assert_int_equal(rig_logged(&program.rig, "line=z"), ERRLOG_RATE - 1);
	say(&program, "z\n", 2);
	assert_int_equal(rig_logged(&program.rig, "line=z"), ERRLOG_RATE);
	say(&program, "z\nz\n", 4);
	assert_int_equal(rig_logged(&program.rig, "line=z"), ERRLOG_RATE);
	assert_int_equal(rig_logged(&program.rig, "not logged"), 0);

	rig_skip(1000);
	say(&program, "later\n", 6);
	assert_int_equal(rig_logged(&program.rig, "line=later"), 1);
	assert_int_equal(rig_logged(&program.rig, "not logged"), 1);
	assert_int_equal(rig_logged(&program.rig, "lines=2\n"), 1);
	rig_skip(1000);
	say(&program, "calm\n", 5); /* nothing was lost: nothing is told */
	assert_int_equal(rig_logged(&program.rig, "not logged"), 1);
	for (int i = 0; i < ERRLOG_RATE + 2; i++)
		say(&program, "w\n", 2);
	errlog_close(&program.errlog);
	assert_int_equal(rig_logged(&program.rig, "lines=3\n"), 1);
	program_done(&program);
}

/* What is still in the pipe when the program has ended is logged before it is closed: up to a pipe's worth.
 */
static void test_rest(void **state)
{
	struct program program;
	char words[600];
	(void)state;

	program_init(&program);
	memset(words, 'r', sizeof(words));
	words[sizeof(words) - 1] = '\n';
	for (int i = 0; i < 90; i++)
		assert_int_equal(write(program.stderr_fd, words, sizeof(words)), sizeof(words));
	errlog_close(&program.errlog);
	assert_int_equal(rig_logged(&program.rig, "line=rrr"), 90);
	program_done(&program);
}

/* A program that closes its stderr and lives on: the loop does not spin on it, the line that was begun waits
 * for the end. */
static void test_closed_early(void **state)
{
	struct program program;
	(void)state;

	program_init(&program);
	say(&program, "half", 4);
	close(program.stderr_fd);
	program.stderr_fd = -1;
	rig_turns(&program.rig, 3);
	assert_int_equal(event_pending(&program.errlog.readable, EV_READ, NULL), 0);
	errlog_close(&program.errlog);
	assert_int_equal(rig_logged(&program.rig, "line=half\n"), 1);
	program_done(&program);
}

/* A wake-up without bytes is not the end: what comes later is read. */
static void test_spurious(void **state)
{
	struct program program;
	struct event thief;
	(void)state;

	program_init(&program);
	event_assign(&thief, program.rig.loop.base, program.errlog.fd, EV_READ, rig_steal, NULL);
	event_add(&thief, NULL); /* the last one to come is called first */
	say(&program, "x", 1);
	event_del(&thief);
	say(&program, "later\n", 6);
	int n = rig_logged(&program.rig, "later");
	program_done(&program);
	assert_int_equal(n, 1);
}

/* Bytes that would break the log's lines are escaped there. */
static void test_bytes(void **state)
{
	struct program program;
	(void)state;

	program_init(&program);
	say(&program, "a\r\x1b[31m\0b\xff\n", 11);
	const char *line = strstr(rig_log(&program.rig), "line=");
	assert_non_null(line);
	for (const char *c = line; *c != '\n'; c++)
		assert_in_range(*c, 0x20, 0x7e);
	program_done(&program);
}

/* One that was never opened. */
static void test_unopened(void **state)
{
	struct errlog errlog = { .fd = -1 };
	(void)state;
	errlog_close(&errlog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_newline),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_closed_early),
		cmocka_unit_test(test_spurious),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_unopened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
