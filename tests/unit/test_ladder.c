/*
 * Tests of how a program is ended: which step follows which, what each waits for and for how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>

#include "backend/ladder.h"
#include "rig.h"

enum { CLOSING_WAIT = 10000, STOP_GRACE = 60000 };

/* A program's two pipes with a ladder at them; signals are noted. */
struct program {
	struct rig rig;
	struct route_conf route;
	struct endpoint endpoint;
	struct channel channel;
	struct ladder ladder;
	int stdin_fd, stdout_fd; /* the program's ends; -1 once closed */
	int signals[8];
	size_t n_signals;
};

static void program_signal(void *arg, int signo)
{
	struct program *program = arg;
	assert_in_range(program->n_signals, 0, 7);
	program->signals[program->n_signals++] = signo;
}

static void bridge_on_any(void *arg)
{
	(void)arg;
}

static const struct endpoint_hooks bridge = { .on_sent = bridge_on_any, .on_flush = bridge_on_any };

static void program_on_input(struct endpoint *endpoint)
{
	ladder_on_input(&((struct program *)endpoint->arg)->ladder);
}

static void program_on_broken(struct endpoint *endpoint, int error)
{
	(void)error;
	program_on_input(endpoint);
}

static const struct channel_hooks program_hooks = { .on_input = program_on_input,
	.on_broken = program_on_broken };

static struct program *program_new(void)
{
	struct program *program = calloc(1, sizeof(*program));
	struct framing_rules rules = { .framing = FRAMING_STREAM };
	int in[2], out[2];
	assert_non_null(program);
	rig_init(&program->rig);
	assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	program->stdin_fd = in[0];
	program->stdout_fd = out[1];
	program->endpoint = (struct endpoint){ .hooks = &bridge, .arg = program, .loop = &program->rig.loop };
	program->route = (struct route_conf){ .closing_wait_ms = CLOSING_WAIT, .stop_grace_ms = STOP_GRACE };
	channel_init(&program->channel, &program->endpoint, &rules, &program_hooks);
	channel_open(&program->channel, out[0], in[1]);
	ladder_init(&program->ladder, &program->rig.loop, &program->route, &program->channel, SIGUSR1,
		program_signal, program);
	return program;
}

static void program_free(struct program *program)
{
	ladder_done(&program->ladder);
	channel_done(&program->channel);
	if (program->stdin_fd >= 0)
		close(program->stdin_fd);
	close(program->stdout_fd);
	rig_done(&program->rig);
	free(program);
}

/* So many bytes for its stdin. */
static void program_send(struct program *program, size_t len)
{
	static uint8_t data[1 << 20];
	struct piece piece = { .data = data, .len = len, .first = true, .last = true };
	assert_int_equal(channel_send(&program->channel, &piece), 0);
	channel_flush(&program->channel);
}

/* It reads so many bytes at most. Returns how many there were; 0: the end, -1: none. */
static ssize_t program_read(const struct program *program, size_t len)
{
	static char data[1 << 20];
	return read(program->stdin_fd, data, len);
}

/* Lets time pass. */
static void program_wait(struct program *program, long ms)
{
	rig_skip(ms);
	rig_turns(&program->rig, 3);
}

/* Stdin closes, closing_wait, stop_signal, stop_grace, KILL, and no step before its time. */
static void test_steps(void **state)
{
	struct program *program = program_new();
	(void)state;

	program_send(program, 10);
	ladder_begin(&program->ladder, false);
	assert_int_equal(program->ladder.step, LADDER_WAITING);
	assert_int_equal(program_read(program, 100), 10);
	assert_int_equal(program_read(program, 100), 0);
	program_wait(program, CLOSING_WAIT - 2000);
	assert_int_equal(program->n_signals, 0);
	assert_false(ladder_has_signalled(&program->ladder));
	program_wait(program, 2001);
	assert_true(ladder_has_signalled(&program->ladder));
	assert_int_equal(program->n_signals, 1);
	assert_int_equal(program->signals[0], SIGUSR1);
	program_wait(program, STOP_GRACE - 5000);
	assert_int_equal(program->n_signals, 1);
	program_wait(program, 5001);
	assert_int_equal(program->n_signals, 2);
	assert_int_equal(program->signals[1], SIGKILL);
	assert_true(ladder_has_signalled(&program->ladder));
	program_wait(program, 10 * STOP_GRACE);
	assert_int_equal(program->n_signals, 2);
	program_free(program);
}

/* No signal is sent to who has exited. */
static void test_stopped(void **state)
{
	struct program *program = program_new();
	(void)state;

	ladder_begin(&program->ladder, false);
	ladder_stop(&program->ladder);
	ladder_stop(&program->ladder);
	ladder_hurry(&program->ladder);
	ladder_begin(&program->ladder, true);
	ladder_on_input(&program->ladder);
	program_wait(program, 10 * STOP_GRACE);
	assert_int_equal(program->n_signals, 0);
	program_free(program);
}

/* What is queued goes first, as slowly as the program reads, but not in steps longer than stop_grace. */
static void test_flushing(void **state)
{
	struct program *program = program_new();
	size_t n_read = 0;
	(void)state;

	program_send(program, 300000);
	ladder_begin(&program->ladder, false);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(program->ladder.step, LADDER_FLUSHING);
		program_wait(program, STOP_GRACE - 5000);
		ssize_t n = program_read(program, 1 << 20);
		assert_true(n > 0);
		n_read += (size_t)n;
		rig_turns(&program->rig, 2);
	}
	assert_int_equal(program->ladder.step, LADDER_WAITING);
	n_read += (size_t)program_read(program, 1 << 20);
	assert_int_equal(n_read, 300000);
	assert_int_equal(program_read(program, 1), 0);
	program_free(program);

	program = program_new();
	program_send(program, 300000);
	ladder_begin(&program->ladder, false);
	program_wait(program, STOP_GRACE + 1);
	assert_int_equal(program->ladder.step, LADDER_WAITING);
	program_free(program);
}

/* A program that closes its stdin is not waited for. */
static void test_broken(void **state)
{
	struct program *program = program_new();
	(void)state;

	program_send(program, 300000);
	ladder_begin(&program->ladder, false);
	close(program->stdin_fd);
	program->stdin_fd = -1;
	rig_turns(&program->rig, 3);
	assert_int_equal(program->ladder.step, LADDER_WAITING);
	program_free(program);
}

/* The visitor broke off within a message: what came whole is read first, and stdin never ends. */
static void test_reading(void **state)
{
	struct program *program = program_new();
	(void)state;

	program_send(program, 20);
	ladder_begin(&program->ladder, true);
	program_wait(program, 30);
	assert_int_equal(program_read(program, 19), 19);
	program_wait(program, 30);
	assert_int_equal(program->n_signals, 0); /* one byte is left */
	assert_int_equal(program_read(program, 19), 1);
	rig_skip(5);
	rig_turn(&program->rig);
	assert_int_equal(program->n_signals, 0); /* it may still be busy with that */
	assert_true(program->ladder.was_empty);
	program_wait(program, 5);
	assert_int_equal(program->n_signals, 1);
	assert_int_equal(program->signals[0], SIGUSR1);
	assert_int_equal(program_read(program, 1), -1); /* no end */
	program_wait(program, STOP_GRACE + 1);
	assert_int_equal(program->signals[1], SIGKILL);
	assert_int_equal(program_read(program, 1), -1);
	program_free(program);
}

/* ... but not for longer than closing_wait, and not when nobody reads it; and what is queued goes before. */
static void test_unread(void **state)
{
	struct program *program = program_new();
	(void)state;

	program_send(program, 70000);
	ladder_begin(&program->ladder, true);
	assert_int_equal(program->ladder.step, LADDER_FLUSHING);
	program_wait(program, 2 * CLOSING_WAIT);
	assert_int_equal(program->ladder.step, LADDER_FLUSHING);
	assert_int_equal(program_read(program, 60000), 60000);
	rig_turns(&program->rig, 2);
	assert_int_equal(program->ladder.step, LADDER_READING);
	program_wait(program, CLOSING_WAIT - 2000);
	assert_int_equal(program->n_signals, 0);
	program_wait(program, 2001);
	program_wait(program, LOOP_REPRIEVE_MS); /* a look was late */
	assert_int_equal(program->n_signals, 1);
	program_free(program);

	program = program_new();
	program->route.closing_wait_ms = 0;
	program_send(program, 20);
	ladder_begin(&program->ladder, true);
	program_wait(program, 0);
	assert_int_equal(program->n_signals, 1);
	program_free(program);

	program = program_new();
	program_send(program, 70000);
	close(program->stdin_fd);
	program->stdin_fd = -1;
	ladder_begin(&program->ladder, true);
	rig_turns(&program->rig, 3);
	assert_int_equal(program->n_signals, 1);
	program_free(program);
}

/* In a hurry the signal comes at once, once, and what follows it as ever. */
static void test_hurry(void **state)
{
	(void)state;
	for (int begun = 0; begun < 2; begun++) {
		struct program *program = program_new();
		if (begun)
			ladder_begin(&program->ladder, false);
		ladder_hurry(&program->ladder);
		ladder_hurry(&program->ladder);
		ladder_begin(&program->ladder, false);
		assert_int_equal(program->n_signals, 1);
		program_wait(program, STOP_GRACE + 1);
		assert_int_equal(program->n_signals, 2);
		assert_int_equal(program->signals[1], SIGKILL);
		program_free(program);
	}
}

/* A stop_signal that is KILL. */
static void test_kill_at_once(void **state)
{
	struct program *program = program_new();
	(void)state;

	program->ladder.stop_signal = SIGKILL;
	ladder_begin(&program->ladder, false);
	program_wait(program, CLOSING_WAIT + 1);
	assert_int_equal(program->n_signals, 1);
	assert_int_equal(program->signals[0], SIGKILL);
	program_free(program);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_flushing),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_kill_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
