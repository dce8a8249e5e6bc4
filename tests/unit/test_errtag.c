/*
 * Tests of stderr on its way to the client: when it is read and when not, where it may land, and what still
 * counts at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>

#include "backend/errtag.h"
#include "rig.h"

/* A program's stdout and stderr, and what the bridge hears: each piece in brackets, F for a flush, E for the
 * end. A piece is shown without what is the same in all: "o:" for stdout's tag, "e:" for stderr's, "b:" for
 * none, then its data, and a plus sign when the message goes on. */
struct program {
	struct rig rig;
	struct endpoint endpoint;
	struct stream out;
	struct errlog errlog;
	struct errtag errtag;
	int stdout_fd, stderr_fd; /* the program's ends; -1 once closed */
	char heard[1 << 18];
	size_t n_heard, n_flushes, n_ends, n_bad;
};

static void program_say(struct program *program, const char *data, size_t len)
{
	assert_true(program->n_heard + len < sizeof(program->heard));
	memcpy(program->heard + program->n_heard, data, len);
	program->n_heard += len;
	program->heard[program->n_heard] = '\0';
}

static int bridge_on_piece(void *arg, const struct piece *piece)
{
	program_say(arg, "[", 1);
	program_say(arg, (const char *)piece->data, piece->len);
	program_say(arg, piece->last ? "]" : "+", 1);
	return 0;
}

static void bridge_on_flush(void *arg)
{
	((struct program *)arg)->n_flushes++;
}

static const struct endpoint_hooks bridge = { .on_piece = bridge_on_piece, .on_flush = bridge_on_flush };

static void program_on_end(struct endpoint *endpoint)
{
	((struct program *)endpoint->arg)->n_ends++;
}

static void program_on_bad(struct endpoint *endpoint, const char *reason)
{
	assert_string_equal(reason, "out of memory");
	((struct program *)endpoint->arg)->n_bad++;
}

static const struct errtag_hooks program_hooks = { .on_end = program_on_end, .on_bad = program_on_bad };

static void program_on_data(void *arg, uint8_t *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
}

static void program_on_eof(void *arg, int error)
{
	(void)arg;
	(void)error;
}

static const struct stream_hooks program_stream_hooks = { .on_data = program_on_data,
	.on_eof = program_on_eof };

static struct program *program_new(void)
{
	struct program *program = calloc(1, sizeof(*program));
	int in[2], out[2], err[2];
	assert_non_null(program);
	rig_init(&program->rig);
	assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC | O_NONBLOCK), 0);
	close(in[0]);
	program->stdout_fd = out[1];
	program->stderr_fd = err[1];
	program->endpoint = (struct endpoint){ .hooks = &bridge, .arg = program, .loop = &program->rig.loop };
	stream_open(&program->out, &program->rig.loop, out[0], in[1], &program_stream_hooks, program);
	errlog_open(&program->errlog, &program->rig.loop, -1, "5e55", "/r");
	errtag_open(&program->errtag, &program->endpoint, err[0], &program->out, &program->errlog,
		&program_hooks);
	return program;
}

static void program_free(struct program *program)
{
	assert_int_equal(program->n_bad, 0);
	errtag_close(&program->errtag);
	errtag_close(&program->errtag);
	errlog_close(&program->errlog);
	stream_close(&program->out);
	if (program->stdout_fd >= 0)
		close(program->stdout_fd);
	if (program->stderr_fd >= 0)
		close(program->stderr_fd);
	rig_done(&program->rig);
	free(program);
}

/* It writes to its stderr; a turn follows. */
static void complain(struct program *program, const char *words)
{
	assert_int_equal(write(program->stderr_fd, words, strlen(words)), strlen(words));
	rig_turn(&program->rig);
}

/* A piece of stdout comes by. */
static void pass(struct program *program, const char *words, bool text, bool first, bool last)
{
	char copy[256];
	struct piece piece = { .len = strlen(words), .text = text, .first = first, .last = last };
	piece.data = (uint8_t *)strcpy(copy, words);
	assert_int_equal(errtag_pass(&program->errtag, &piece), 0);
}

/* What was heard since the last look. */
static void heard(struct program *program, const char *what)
{
	assert_string_equal(program->heard, what);
	program->heard[0] = '\0';
	program->n_heard = 0;
}

#define OUT(data) "[{\"stream\":\"stdout\",\"data\":\"" data "\"}]"
#define ERR(data) "[{\"stream\":\"stderr\",\"data\":\"" data "\"}]"

/* Lines are messages, and lines of the log; a half one waits. */
static void test_lines(void **state)
{
	struct program *program = program_new();
	(void)state;

	complain(program, "one\r\ntwo \"2\"\nthr");
	heard(program, ERR("one") ERR("two \\\"2\\\""));
	assert_int_equal(program->n_flushes, 1);
	assert_int_equal(rig_logged(&program->rig, "msg=stderr"), 2);
	pass(program, "out", true, true, true);
	complain(program, "ee\n\xff\n");
	heard(program, OUT("out") ERR("three") ERR("\xef\xbf\xbd"));
	assert_int_equal(rig_logged(&program->rig, "line=three\n"), 1);
	program_free(program);
}

/* Paused, nothing is read, and not logged either: the program waits. */
static void test_allow(void **state)
{
	struct program *program = program_new();
	(void)state;

	errtag_allow(&program->errtag, 0);
	complain(program, "one\ntwo\n");
	rig_turns(&program->rig, 3);
	heard(program, "");
	assert_int_equal(rig_logged(&program->rig, "msg=stderr"), 0);
	errtag_allow(&program->errtag, 4);
	rig_turn(&program->rig);
	heard(program, ERR("one"));
	errtag_allow(&program->errtag, 0);
	rig_turns(&program->rig, 3);
	heard(program, "");
	errtag_allow(&program->errtag, 1);
	rig_turns(&program->rig, 3);
	heard(program, "");
	rig_turn(&program->rig);
	heard(program, ERR("two"));
	program_free(program);
}

/* A message of stdout that goes on is not broken into, of text or binary. */
static void test_open_message(void **state)
{
	(void)state;
	for (int text = 0; text < 2; text++) {
		struct program *program = program_new();
		pass(program, "a", text, true, false);
		complain(program, "err\n");
		rig_turns(&program->rig, 3);
		heard(program, text ? "[{\"stream\":\"stdout\",\"data\":\"a+" : "[a+");
		pass(program, "b", text, false, true);
		rig_turn(&program->rig);
		heard(program, text ? "[b\"}]" ERR("err") : "[b]" ERR("err"));
		program_free(program);
	}
}

/* The length of a line at the limit: one message; beyond it several, of which none waits for the newline. */
static void test_long_line(void **state)
{
	static char line[FRAMING_HOLD + 2];
	(void)state;

	for (size_t len = FRAMING_HOLD - 1; len <= FRAMING_HOLD + 1; len++) {
		struct program *program = program_new();
		assert_true(fcntl(program->stderr_fd, F_SETPIPE_SZ, 1 << 20) > 0);
		memset(line, 'x', len);
		assert_int_equal(write(program->stderr_fd, line, len), len);
		rig_turns(&program->rig, 10); /* the first ones read less */
		size_t n = len <= FRAMING_HOLD ? 1 : 2;
		assert_int_equal(program->n_heard, len <= FRAMING_HOLD ? 0 : strlen(ERR("")) * n + len);
		complain(program, "\n");
		if (len <= FRAMING_HOLD)
			assert_int_equal(program->n_heard, strlen(ERR("")) + len);
		else
			assert_string_equal(program->heard + strlen(ERR("")) * n + len, ERR(""));
		program_free(program);
	}
}

/* So many bytes on stderr, in writes of a size. */
static void fill(struct program *program, size_t n, size_t size)
{
	static const char data[4096];
	for (size_t i = 0; i < n; i++)
		assert_int_equal(write(program->stderr_fd, data, size), size);
}

/* A program that has filled its stderr in the middle of a message of stdout, and says no more there, would
 * wait for ever: the message is ended, and its rest is another one. */
static void test_stuck(void **state)
{
	struct program *program = program_new();
	(void)state;

	pass(program, "a", true, true, false);
	fill(program, 16, 2049); /* a page each: full */
	assert_int_equal(write(program->stderr_fd, program->heard, 2049), -1);
	rig_skip(ERRTAG_PATIENCE_MS - 400);
	rig_turns(&program->rig, 3);
	heard(program, "[{\"stream\":\"stdout\",\"data\":\"a+");
	rig_skip(401);
	rig_turn(&program->rig);
	assert_true(program->n_heard > 0);
	assert_memory_equal(program->heard, "[\"}]", 4);
	rig_turns(&program->rig, 3);
	complain(program, "\n");
	heard(program, program->heard); /* whatever it was */
	pass(program, "b", true, false, true);
	heard(program, OUT("b"));
	program_free(program);
}

/* The time counts from the last piece. */
static void test_stuck_later(void **state)
{
	struct program *program = program_new();
	(void)state;

	pass(program, "a", true, true, false);
	fill(program, 16, 4096);
	rig_skip(ERRTAG_PATIENCE_MS * 6 / 10);
	rig_turn(&program->rig);
	pass(program, "b", true, false, false);
	rig_skip(ERRTAG_PATIENCE_MS * 6 / 10);
	rig_turns(&program->rig, 2);
	heard(program, "[{\"stream\":\"stdout\",\"data\":\"a+[b+");
	rig_skip(ERRTAG_PATIENCE_MS * 4 / 10);
	rig_turn(&program->rig);
	assert_memory_equal(program->heard, "[\"}]", 4);
	program_free(program);
}

/* A wake-up without bytes is not the end, and the end is one whatever was read before. */
static void test_spurious(void **state)
{
	struct program *program = program_new();
	struct event thief;
	(void)state;

	event_assign(&thief, program->rig.loop.base, program->errtag.fd, EV_READ, rig_steal, NULL);
	event_add(&thief, NULL); /* the last one to come is called first */
	complain(program, "x");
	event_del(&thief);
	assert_int_equal(program->n_ends, 0);
	assert_int_equal(program->n_flushes, 0);
	complain(program, "y\n");
	heard(program, ERR("y"));
	errno = EAGAIN;
	close(program->stderr_fd);
	program->stderr_fd = -1;
	rig_turn(&program->rig);
	assert_int_equal(program->n_ends, 1);
	program_free(program);
}

/* It is not stuck while something is on its way on stdout, while the client is slow, or while there is room:
 * then the message is not broken up, however long it takes. */
static void test_not_stuck(void **state)
{
	(void)state;
	for (int why = 0; why < 3; why++) {
		struct program *program = program_new();
		pass(program, "a", true, true, false);
		fill(program, why == 2 ? 8 : 16, 4096);
		if (why == 0) {
			stream_allow(&program->out, 0);
			assert_int_equal(write(program->stdout_fd, "x", 1), 1);
		} else if (why == 1) {
			errtag_allow(&program->errtag, 0);
		}
		rig_pass(&program->rig, 5 * ERRTAG_PATIENCE_MS, ERRTAG_PATIENCE_MS / 4);
		heard(program, "[{\"stream\":\"stdout\",\"data\":\"a+");
		for (int i = 0; i < 8; i++) { /* pieces that come now and then */
			stream_allow(&program->out, LOOP_SCRATCH);
			rig_pass(&program->rig, ERRTAG_PATIENCE_MS - 200, ERRTAG_PATIENCE_MS / 4);
			pass(program, "b", true, false, i == 7);
			errtag_allow(&program->errtag, LOOP_SCRATCH);
		}
		assert_memory_equal(program->heard, "[b+[b+[b+[b+[b+[b+[b+[b\"}]", 26);
		program_free(program);
	}
}

/* At the end what was there counts, a last line without newline too, and what heirs say later does not. */
static void test_finish(void **state)
{
	struct program *program = program_new();
	(void)state;

	errtag_allow(&program->errtag, 0);
	complain(program, "one\ntwo");
	assert_false(errtag_finish(&program->errtag));
	complain(program, "\nlate\n");
	assert_false(errtag_finish(&program->errtag));
	errtag_allow(&program->errtag, 6);
	rig_turn(&program->rig);
	assert_int_equal(program->n_ends, 0);
	assert_false(errtag_finish(&program->errtag));
	errtag_allow(&program->errtag, 1);
	rig_turn(&program->rig);
	heard(program, ERR("one") ERR("two"));
	assert_int_equal(program->n_ends, 1);
	assert_true(errtag_finish(&program->errtag));
	rig_turns(&program->rig, 3);
	heard(program, "");
	complain(program, "1");
	rig_turn(&program->rig);
	errtag_close(&program->errtag);
	errlog_close(&program->errlog);
	assert_int_equal(rig_logged(&program->rig, "line=late\n"), 1); /* but it is logged */
	assert_int_equal(rig_logged(&program->rig, "line=1\n"), 1);
	assert_int_equal(program->n_ends, 1);
	program_free(program);

	/* Nothing is there but half a line that was read: at once. */
	program = program_new();
	complain(program, "half");
	assert_true(errtag_finish(&program->errtag));
	heard(program, ERR("half"));
	assert_int_equal(program->n_ends, 0);
	program_free(program);
}

/* The program closes it and lives on: the last line comes, no event is left. */
static void test_closed(void **state)
{
	struct program *program = program_new();
	(void)state;

	complain(program, "half");
	close(program->stderr_fd);
	program->stderr_fd = -1;
	rig_turns(&program->rig, 3);
	heard(program, ERR("half"));
	assert_int_equal(program->n_ends, 1);
	assert_int_equal(event_pending(&program->errtag.readable, EV_READ, NULL), 0);
	assert_true(errtag_finish(&program->errtag));
	assert_int_equal(program->n_ends, 1);
	program_free(program);
}

/* Muted, it is read for the log alone, whatever is open or paused. */
static void test_mute(void **state)
{
	struct program *program = program_new();
	(void)state;

	pass(program, "a", true, true, false);
	errtag_allow(&program->errtag, 0);
	errtag_mute(&program->errtag);
	errtag_allow(&program->errtag, 0);
	program->n_heard = 0;
	complain(program, "err\n");
	assert_int_equal(program->n_heard, 0);
	assert_int_equal(rig_logged(&program->rig, "line=err\n"), 1);
	complain(program, "more");
	close(program->stderr_fd);
	program->stderr_fd = -1;
	rig_turns(&program->rig, 2);
	assert_int_equal(event_pending(&program->errtag.readable, EV_READ, NULL), 0);
	assert_true(errtag_finish(&program->errtag));
	assert_int_equal(program->n_ends, 0);
	assert_int_equal(program->n_heard, 0);
	program_free(program);
}

/* An heir that opens its own stderr to read takes away what we count on: it is not waited for. */
static void test_thief(void **state)
{
	struct program *program = program_new();
	char stolen[4];
	(void)state;

	errtag_allow(&program->errtag, 0);
	complain(program, "one\ntwo\n");
	assert_false(errtag_finish(&program->errtag));
	rig_pass(&program->rig, 5 * ERRTAG_PATIENCE_MS, ERRTAG_PATIENCE_MS);
	assert_int_equal(program->n_ends, 0);
	assert_int_equal(read(program->errtag.fd, stolen, 4), 4);
	errtag_allow(&program->errtag, LOOP_SCRATCH);
	rig_turn(&program->rig);
	heard(program, ERR("two"));
	rig_pass(&program->rig, 2 * ERRTAG_PATIENCE_MS, ERRTAG_PATIENCE_MS);
	assert_int_equal(program->n_ends, 1);
	program_free(program);
}

/* The program ends within a message of stdout, whose end then never comes: what it still said on stderr has
 * no place behind that, and is logged. */
static void test_finish_in_message(void **state)
{
	struct program *program = program_new();
	(void)state;

	pass(program, "a", true, true, false);
	complain(program, "going\nhalf");
	assert_true(errtag_finish(&program->errtag));
	rig_pass(&program->rig, 3 * ERRTAG_PATIENCE_MS, ERRTAG_PATIENCE_MS);
	assert_true(errtag_finish(&program->errtag));
	heard(program, "[{\"stream\":\"stdout\",\"data\":\"a+");
	errtag_close(&program->errtag);
	errlog_close(&program->errlog);
	assert_int_equal(rig_logged(&program->rig, "line=going\n"), 1);
	assert_int_equal(rig_logged(&program->rig, "line=half\n"), 1);
	assert_int_equal(program->n_ends, 0);
	program_free(program);
}

/* It closes stdout within a message and lives on: its stderr is read, and the message is not made a whole
 * one.
 */
static void test_stdout_closed_in_message(void **state)
{
	struct program *program = program_new();
	(void)state;

	pass(program, "a", true, true, false);
	close(program->stdout_fd);
	program->stdout_fd = -1;
	complain(program, "err\n");
	fill(program, 15, 4096);
	rig_pass(&program->rig, 2 * ERRTAG_PATIENCE_MS, ERRTAG_PATIENCE_MS / 2);
	assert_int_equal(rig_logged(&program->rig, "line=err\n"), 1);
	complain(program, "later\n");
	heard(program, "[{\"stream\":\"stdout\",\"data\":\"a+");
	assert_true(errtag_finish(&program->errtag));
	program_free(program);
}

/* Muted while its end is waited for, which the client would have held up: the end comes, from the loop, and
 * once, whether its descriptor is closed in the meantime or not. */
static void test_mute_before_the_end(void **state)
{
	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		struct program *program = program_new();
		errtag_allow(&program->errtag, 0);
		complain(program, "err\n");
		assert_false(errtag_finish(&program->errtag));
		errtag_mute(&program->errtag);
		errtag_mute(&program->errtag);
		assert_int_equal(program->n_ends, 0);
		if (closed) {
			close(program->stderr_fd);
			program->stderr_fd = -1;
		}
		rig_turns(&program->rig, 3);
		assert_int_equal(program->n_ends, 1);
		assert_true(errtag_finish(&program->errtag));
		rig_pass(&program->rig, 2 * ERRTAG_PATIENCE_MS, ERRTAG_PATIENCE_MS);
		assert_int_equal(program->n_ends, 1);
		assert_int_equal(rig_logged(&program->rig, "line=err\n"), 1);
		heard(program, "");
		program_free(program);
	}
}

/* Muted when what counts was passed on, it is read on: its program lives and must not wait for that. */
static void test_mute_at_the_end(void **state)
{
	struct program *program = program_new();
	(void)state;

	complain(program, "half");
	assert_true(errtag_finish(&program->errtag));
	heard(program, ERR("half"));
	complain(program, "1\n");
	assert_int_equal(rig_logged(&program->rig, "line=half1\n"), 0);
	errtag_mute(&program->errtag);
	rig_turn(&program->rig);
	complain(program, "2\n");
	assert_int_equal(rig_logged(&program->rig, "line=half1\n"), 1);
	assert_int_equal(rig_logged(&program->rig, "line=2\n"), 1);
	close(program->stderr_fd);
	program->stderr_fd = -1;
	rig_turns(&program->rig, 2);
	assert_int_equal(event_pending(&program->errtag.readable, EV_READ, NULL), 0);
	assert_int_equal(program->n_ends, 0);
	heard(program, "");
	program_free(program);
}

/* A kernel that can't wait for it (here: since the descriptor is gone): the session ends, but not from within
 * a call. */
static void test_failing(void **state)
{
	struct program *program = program_new();
	int fd = program->errtag.fd;
	(void)state;

	rig_turn(&program->rig);
	pass(program, "a", true, true, true);
	errtag_allow(&program->errtag, 0);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	close(fd);
	errtag_allow(&program->errtag, 100);
	assert_int_equal(program->n_bad, 0);
	rig_turn(&program->rig);
	assert_int_equal(program->n_bad, 1);
	assert_int_equal(dup3(copy, fd, O_CLOEXEC), fd);
	close(copy);
	program->n_bad = 0;
	program_free(program);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_open_message),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_stuck_later),
		cmocka_unit_test(test_spurious),
		cmocka_unit_test(test_not_stuck),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_thief),
		cmocka_unit_test(test_finish_in_message),
		cmocka_unit_test(test_stdout_closed_in_message),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_mute),
		cmocka_unit_test(test_mute_before_the_end),
		cmocka_unit_test(test_mute_at_the_end),
		cmocka_unit_test(test_failing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
