/*
 * Tests of what counts of an output that somebody holds open after the program's exit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "backend/heirs.h"
#include "interrupted.h"
#include "rig.h"

enum { CLOSING_WAIT = 10000 };

/* A stdout that somebody else writes to as well, and what the bridge hears of it. */
struct output {
	struct rig rig;
	struct endpoint endpoint;
	struct channel channel;
	struct heirs heirs;
	int fd;
	size_t n_heard, n_eof;
};

static int bridge_on_piece(void *arg, const struct piece *piece)
{
	((struct output *)arg)->n_heard += piece->len;
	return 0;
}

static void bridge_on_any(void *arg)
{
	(void)arg;
}

static const struct endpoint_hooks bridge = { .on_piece = bridge_on_piece, .on_flush = bridge_on_any };

static void output_on_output(struct endpoint *endpoint)
{
	heirs_on_output(&((struct output *)endpoint->arg)->heirs);
}

static void output_on_eof(struct endpoint *endpoint, int error)
{
	struct output *output = endpoint->arg;
	assert_int_equal(error, 0);
	output->n_eof++;
	heirs_stop(&output->heirs);
}

static const struct channel_hooks output_hooks = { .on_output = output_on_output, .on_eof = output_on_eof };

/* A terminal whose output nobody changes: master and slave. */
static void terminal_pair(int out[2])
{
	struct termios raw;
	out[0] = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(out[0] >= 0);
	assert_int_equal(unlockpt(out[0]), 0);
	out[1] = ioctl(out[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(out[1] >= 0);
	assert_int_equal(tcgetattr(out[1], &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(out[1], TCSANOW, &raw), 0);
}

static struct output *output_new_on(bool terminal)
{
	struct output *output = calloc(1, sizeof(*output));
	struct framing_rules rules = { .framing = FRAMING_STREAM };
	int in[2], out[2];
	assert_non_null(output);
	rig_init(&output->rig);
	assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
	if (terminal)
		terminal_pair(out);
	else
		assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	output->fd = out[1];
	close(in[0]);
	output->endpoint = (struct endpoint){ .hooks = &bridge, .arg = output, .loop = &output->rig.loop };
	channel_init(&output->channel, &output->endpoint, &rules, &output_hooks);
	channel_open(&output->channel, out[0], in[1]);
	heirs_init(&output->heirs, &output->rig.loop, &output->channel, CLOSING_WAIT);
	return output;
}

static struct output *output_new(void)
{
	return output_new_on(false);
}

static void output_free(struct output *output)
{
	heirs_done(&output->heirs);
	channel_done(&output->channel);
	if (output->fd >= 0)
		close(output->fd);
	rig_done(&output->rig);
	free(output);
}

static void output_write(struct output *output, size_t len)
{
	static const char data[65536];
	assert_int_equal(write(output->fd, data, len), len);
}

static void output_wait(struct output *output, long ms)
{
	rig_skip(ms);
	rig_turns(&output->rig, 3);
}

/* Nobody says anything: closing_wait. */
static void test_silence(void **state)
{
	struct output *output = output_new();
	(void)state;

	heirs_begin(&output->heirs);
	output_wait(output, CLOSING_WAIT - 2000);
	assert_int_equal(output->n_eof, 0);
	output_wait(output, 2001);
	assert_int_equal(output->n_eof, 1);
	output_free(output);
}

/* What was there at the exit is no part of closing_wait, however long its way is. */
static void test_slow_visitor(void **state)
{
	struct output *output = output_new();
	(void)state;

	channel_allow(&output->channel, 0);
	output_write(output, 1000);
	heirs_begin(&output->heirs);
	output_wait(output, 20 * CLOSING_WAIT);
	assert_int_equal(output->n_eof, 0);
	channel_allow(&output->channel, 999);
	rig_turn(&output->rig);
	channel_allow(&output->channel, 0);
	output_wait(output, 20 * CLOSING_WAIT);
	assert_int_equal(output->n_heard, 999);
	assert_int_equal(output->n_eof, 0);
	channel_allow(&output->channel, 999);
	rig_turn(&output->rig);
	channel_allow(&output->channel, 0); /* closing_wait begins now, and somebody says something in it */
	output_wait(output, CLOSING_WAIT - 2000);
	output_write(output, 500);
	output_wait(output, 2001);
	assert_int_equal(output->n_eof, 0);
	output_write(output, 10); /* too late */
	output_wait(output, 20 * CLOSING_WAIT);
	channel_allow(&output->channel, 499);
	rig_turn(&output->rig);
	assert_int_equal(output->n_eof, 0);
	channel_allow(&output->channel, 1);
	rig_turn(&output->rig);
	assert_int_equal(output->n_heard, 1500);
	assert_int_equal(output->n_eof, 1);
	output_free(output);
}

/* What an heir could not say while the process stood still, since the pipe was full, it says now. */
static void test_stood_still(void **state)
{
	struct output *output = output_new();
	(void)state;

	heirs_begin(&output->heirs);
	output_write(output, 65536);
	rig_skip(CLOSING_WAIT + LOOP_LATE_MS);
	interrupted = true;
	rig_turns(&output->rig, 3);
	assert_false(interrupted);
	output_write(output, 500);
	output_wait(output, LOOP_LATE_MS);
	assert_int_equal(output->n_heard, 66036);
	output_wait(output, 1);
	assert_int_equal(output->n_eof, 1);
	output_free(output);
}

/* An heir that opens its own stdout to read takes away what we count on: it is not waited for. */
static void test_thief(void **state)
{
	struct output *output = output_new();
	char byte[1000];
	(void)state;

	channel_allow(&output->channel, 0);
	output_write(output, 1000);
	heirs_begin(&output->heirs);
	assert_int_equal(read(output->channel.stream.rfd, byte, 300), 300);
	channel_allow(&output->channel, 1000);
	rig_turn(&output->rig);
	channel_allow(&output->channel, 0);
	assert_int_equal(output->n_heard, 700);
	output_wait(output, HEIRS_LOOK_MS + 1); /* closing_wait begins */
	output_write(output, 100);
	output_wait(output, CLOSING_WAIT + 1);
	assert_int_equal(output->n_eof, 0);
	output_wait(output, 20 * CLOSING_WAIT);
	assert_int_equal(output->n_eof, 0);
	assert_int_equal(read(output->channel.stream.rfd, byte, 99), 99);
	channel_allow(&output->channel, 1000);
	output_wait(output, HEIRS_LOOK_MS + 1);
	assert_int_equal(output->n_heard, 701);
	assert_int_equal(output->n_eof, 1);
	output_free(output);
}

/* Who never stops talking is not listened to for ever. */
static void test_flood(void **state)
{
	struct output *output = output_new();
	(void)state;

	output_write(output, 65536);
	heirs_begin(&output->heirs);
	for (int i = 0; i < 20 && output->n_eof == 0; i++) {
		static const char data[65536];
		assert_true(write(output->fd, data, sizeof(data)) > 0 || errno == EAGAIN);
		rig_skip(CLOSING_WAIT / 4);
		rig_turn(&output->rig);
	}
	assert_int_equal(output->n_eof, 1);
	assert_in_range(output->n_heard, 65536, 10 * 65536);
	output_free(output);
}

/* It closes before that. */
static void test_closed(void **state)
{
	struct output *output = output_new();
	(void)state;

	heirs_begin(&output->heirs);
	output_write(output, 7);
	close(output->fd);
	output->fd = -1;
	rig_turns(&output->rig, 3);
	assert_int_equal(output->n_heard, 7);
	assert_int_equal(output->n_eof, 1);
	output_wait(output, 2 * CLOSING_WAIT);
	assert_int_equal(output->n_eof, 1);
	output_free(output);
}

/* A program that lives may be silent as long as it likes. */
static void test_living(void **state)
{
	struct output *output = output_new();
	(void)state;

	output_write(output, 1);
	output_wait(output, 20 * CLOSING_WAIT);
	heirs_on_output(&output->heirs);
	output_wait(output, 20 * CLOSING_WAIT);
	assert_int_equal(output->n_eof, 0);
	output_free(output);
}

/* Cut off while the program lives, what it has said counts, however long its way is; its exit changes
 * nothing. */
static void test_cut(void **state)
{
	struct output *output = output_new();
	(void)state;

	channel_allow(&output->channel, 0);
	output_write(output, 1000);
	heirs_cut(&output->heirs);
	assert_int_equal(output->n_eof, 0);
	output_write(output, 10); /* too late */
	heirs_begin(&output->heirs);
	output_wait(output, 20 * CLOSING_WAIT);
	channel_allow(&output->channel, 999);
	rig_turn(&output->rig);
	assert_int_equal(output->n_eof, 0);
	channel_allow(&output->channel, 1);
	rig_turn(&output->rig);
	assert_int_equal(output->n_heard, 1000);
	assert_int_equal(output->n_eof, 1);
	output_free(output);

	output = output_new();
	output_write(output, 5);
	rig_turn(&output->rig);
	heirs_cut(&output->heirs);
	assert_int_equal(output->n_heard, 5);
	assert_int_equal(output->n_eof, 1);
	output_free(output);
}

/* A terminal holds more than it says: all of it is the program's own, however slow its way. */
static void test_terminal(void **state)
{
	enum { OWN = 8000 };
	for (int cut = 0; cut < 2; cut++) {
		struct output *output = output_new_on(true);
		(void)state;

		channel_allow(&output->channel, 0);
		output_write(output, OWN);
		if (cut)
			heirs_cut(&output->heirs);
		else
			heirs_begin(&output->heirs);
		for (size_t heard = 0; heard < OWN; heard = output->n_heard) {
			output_wait(output, 20 * CLOSING_WAIT);
			assert_int_equal(output->n_heard, heard);
			assert_int_equal(output->n_eof, 0);
			channel_allow(&output->channel, 1000);
			while (output->n_heard == heard)
				rig_turn(&output->rig);
			channel_allow(&output->channel, 0);
		}
		if (!cut) {
			output_wait(output, CLOSING_WAIT - 2000);
			assert_int_equal(output->n_eof, 0);
			output_wait(output, 2001);
		}
		assert_int_equal(output->n_eof, 1);
		output_free(output);
	}
}

/* Nor is an heir listened to for ever who never lets it be empty. */
static void test_terminal_flood(void **state)
{
	struct output *output = output_new_on(true);
	(void)state;

	output_write(output, 4000);
	heirs_begin(&output->heirs);
	for (int i = 0; i < 2000 && output->n_eof == 0; i++) {
		static const char data[4000];
		assert_true(write(output->fd, data, sizeof(data)) > 0 || errno == EAGAIN);
		rig_skip(CLOSING_WAIT / 4);
		rig_turn(&output->rig);
	}
	assert_int_equal(output->n_eof, 1);
	assert_in_range(output->n_heard, 4000, 10 * 65536);
	output_free(output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_slow_visitor),
		cmocka_unit_test(test_stood_still),
		cmocka_unit_test(test_thief),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_living),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_terminal_flood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
