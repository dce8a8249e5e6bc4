/*
 * Tests of the order in which a program's ends are told, with a spawner that does what the test says. What a
 * real program does is in tests/e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "backend/process.h"
#include "rig.h"

enum { CLOSING_WAIT = 10000, STOP_GRACE = 50000 };

/* The one program: what the spawner was asked, what the endpoint's owner hears, and our ends of its pipes. */
struct spawn_child {
	struct rig rig;
	struct route_conf route;
	struct endpoint *endpoint;
	const struct spawn_hooks *hooks;
	void *arg;
	int fds[3]; /* -1: closed */
	int signals[4];
	unsigned n_signals, n_spawned, n_released, n_ready, n_failed, n_eof, n_closed;
	int error;
	struct end end;
	char heard[256];
};

struct spawn_child *spawn_start(struct spawn_client *client, const struct spawn_request *request,
	const struct spawn_hooks *hooks, void *arg)
{
	struct spawn_child *program = (struct spawn_child *)client;
	(void)request;
	program->hooks = hooks;
	program->arg = arg;
	program->n_spawned++;
	return program;
}

void spawn_signal(struct spawn_child *child, int signo)
{
	child->signals[child->n_signals++] = signo;
}

void spawn_release(struct spawn_child *child)
{
	child->n_released++;
}

static void on_released(void *arg)
{
	assert_int_equal(((struct spawn_child *)arg)->n_released, 1);
}

static void on_ready(void *arg)
{
	((struct spawn_child *)arg)->n_ready++;
}

static void on_failed(void *arg, int error, const char *reason)
{
	struct spawn_child *program = arg;
	assert_non_null(reason);
	program->n_failed++;
	program->error = error;
}

static int on_piece(void *arg, const struct piece *piece)
{
	struct spawn_child *program = arg;
	size_t have = strlen(program->heard);
	assert_int_equal(program->n_eof, 0);
	assert_true(have + piece->len + 2 < sizeof(program->heard));
	memcpy(program->heard + have, piece->data, piece->len);
	if (piece->last)
		program->heard[have + piece->len] = '|';
	return 0;
}

static void on_any(void *arg)
{
	(void)arg;
}

static void on_eof(void *arg, const struct end *end)
{
	struct spawn_child *program = arg;
	program->n_eof++;
	program->end = *end;
}

static void on_closed(void *arg)
{
	struct spawn_child *program = arg;
	assert_int_equal(program->n_eof, 1);
	assert_int_equal(program->n_released, 1);
	program->n_closed++;
}

static const struct endpoint_hooks hooks = { .on_ready = on_ready,
	.on_failed = on_failed,
	.on_piece = on_piece,
	.on_flush = on_any,
	.on_sent = on_any,
	.on_eof = on_eof,
	.on_closed = on_closed };

/* One that is being started. */
static struct spawn_child *program_new(enum stderr_to stderr_to)
{
	static char pattern[] = "/r";
	struct spawn_child *program = calloc(1, sizeof(*program));
	assert_non_null(program);
	rig_init(&program->rig);
	program->route = (struct route_conf){ .pattern = pattern,
		.closing_wait_ms = CLOSING_WAIT,
		.stop_grace_ms = STOP_GRACE,
		.stop_signal = SIGUSR1,
		.stderr_to = stderr_to };
	struct process_params params = { .spawner = (struct spawn_client *)program,
		.route = &program->route,
		.rules = { .framing = FRAMING_LINES },
		.program = "/bin/program",
		.session = "5e55",
		.on_released = on_released,
		.arg = program };
	program->endpoint = process_new(&program->rig.loop, &params, &hooks, program);
	assert_non_null(program->endpoint);
	assert_int_equal(program->endpoint->ops->start(program->endpoint), 0);
	return program;
}

/* It runs. No stderr: it is a file, for which the kernel does not wait. */
static void program_start(struct spawn_child *program, bool has_stderr)
{
	int in[2], out[2], err[2];
	assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC | O_NONBLOCK), 0);
	if (!has_stderr) {
		int file = memfd_create("stderr", MFD_CLOEXEC);
		assert_int_equal(dup3(file, err[0], O_CLOEXEC), err[0]);
		close(file);
	}
	program->fds[0] = in[0];
	program->fds[1] = out[1];
	program->fds[2] = err[1];
	program->hooks->started(program->arg, 123, (int[3]){ in[1], out[0], err[0] });
}

static struct spawn_child *program_run(enum stderr_to stderr_to)
{
	struct spawn_child *program = program_new(stderr_to);
	program_start(program, true);
	assert_int_equal(program->n_ready, 1);
	return program;
}

static void program_close(struct spawn_child *program, int fd)
{
	if (program->fds[fd] >= 0)
		close(program->fds[fd]);
	program->fds[fd] = -1;
}

static void program_free(struct spawn_child *program)
{
	program->endpoint->ops->destroy(program->endpoint);
	assert_int_equal(program->n_released, 1);
	for (int fd = 0; fd < 3; fd++)
		program_close(program, fd);
	rig_done(&program->rig);
	free(program);
}

static void say(struct spawn_child *program, int fd, const char *words)
{
	assert_int_equal(write(program->fds[fd], words, strlen(words)), strlen(words));
}

static void pass_time(struct spawn_child *program, long ms)
{
	rig_skip(ms);
	rig_turns(&program->rig, 3);
}

/* The client closes in good order. */
static void leave(struct spawn_child *program)
{
	struct end end = { .code = 1000 };
	program->endpoint->ops->finish(program->endpoint, &end);
	assert_int_equal(program->n_eof, 0); /* never from within an op */
}

/* Has it been told so often that this was the end, and is it gone? */
static void told(const struct spawn_child *program, unsigned n_eof, uint16_t code, unsigned n_closed)
{
	assert_int_equal(program->n_eof, n_eof);
	if (n_eof > 0)
		assert_int_equal(program->end.code, code);
	assert_int_equal(program->n_closed, n_closed);
}

static void described(const struct spawn_child *program, const char *words)
{
	char who[128], how[64];
	program->endpoint->ops->describe(program->endpoint, who, how);
	assert_string_equal(how, words);
}

/* Output and status, whichever comes last. */
static void test_end(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct spawn_child *program = program_run(STDERR_LOG);
		say(program, 1, "a\nb");
		rig_turns(&program->rig, 2);
		for (int i = 0; i < 2; i++) {
			told(program, 0, 0, 0);
			if ((i == 0) == (first == 0))
				program_close(program, 1);
			else
				program->hooks->exited(program->arg, W_EXITCODE(3, 0));
			rig_turns(&program->rig, 3);
		}
		told(program, 1, 4003, 1);
		assert_string_equal(program->heard, "a|b|");
		described(program, "exit 3");
		program_free(program);
	}
}

/* The client that has closed hears all that was said before the signal, and no more; the rest goes on. */
static void test_left(void **state)
{
	(void)state;
	for (int tagged = 0; tagged < 2; tagged++) {
		struct spawn_child *program = program_run(tagged ? STDERR_TAGGED : STDERR_LOG);
		leave(program);
		pass_time(program, CLOSING_WAIT - 2000);
		told(program, 0, 0, 0);
		say(program, 1, "a\nb");
		say(program, 2, "err");
		pass_time(program, 2001);
		assert_int_equal(program->n_signals, 1);
		told(program, 1, 1000, 0);
		assert_string_equal(program->heard, tagged ? "{\"stream\":\"stdout\",\"data\":\"a\"}|{"
							     "\"stream\":\"stdout\",\"data\":\"b\"}|"
							     "{\"stream\":\"stderr\",\"data\":\"err\"}|"
							   : "a|b|");
		for (int i = 0; i < 100; i++) { /* more than pipes hold */
			static const char late[4096] = "late";
			assert_int_equal(write(program->fds[1], late, sizeof(late)), sizeof(late));
			assert_int_equal(write(program->fds[2], late, sizeof(late)), sizeof(late));
			rig_turns(&program->rig, 2);
		}
		assert_int_equal(program->n_released, 0);
		pass_time(program, STOP_GRACE + 1);
		assert_int_equal(program->n_signals, 2);
		program_close(program, 1);
		rig_turns(&program->rig, 2);
		told(program, 1, 1000, 0);
		program->hooks->exited(program->arg, W_EXITCODE(3, 0));
		rig_turns(&program->rig, 2);
		told(program, 1, 1000, 1);
		described(program, "exit 3");
		program_free(program);
	}
}

/* What a slow client has not taken at the signal still counts, after the exit too. */
static void test_left_slowly(void **state)
{
	(void)state;
	for (int exits = 0; exits < 2; exits++) {
		struct spawn_child *program = program_run(STDERR_LOG);
		const struct endpoint_ops *ops = program->endpoint->ops;
		ops->allow(program->endpoint, 0);
		say(program, 1, "a\nb\n");
		leave(program);
		pass_time(program, CLOSING_WAIT + 1);
		assert_int_equal(program->n_signals, 1);
		say(program, 1, "late\n");
		if (exits)
			program->hooks->exited(program->arg, W_EXITCODE(0, SIGUSR1));
		pass_time(program, 2 * CLOSING_WAIT);
		told(program, 0, 0, 0);
		ops->allow(program->endpoint, 4);
		rig_turns(&program->rig, 2);
		told(program, 1, 1000, exits);
		assert_string_equal(program->heard, "a|b|");
		program_free(program);
	}
}

/* Its stdout is closed: who stays hears of the end when it is gone, who closes after the signal at once. */
static void test_stdout_closed(void **state)
{
	(void)state;
	for (int leaves = 0; leaves < 2; leaves++) {
		struct spawn_child *program = program_run(STDERR_LOG);
		program_close(program, 1);
		rig_turns(&program->rig, 2);
		pass_time(program, CLOSING_WAIT + 1);
		assert_int_equal(program->n_signals, 1);
		told(program, 0, 0, 0);
		if (leaves)
			leave(program);
		rig_turns(&program->rig, 2);
		told(program, leaves, 1000, 0);
		program->hooks->exited(program->arg, W_EXITCODE(3, 0));
		rig_turns(&program->rig, 2);
		told(program, 1, leaves ? 1000 : 4003, 1);
		program_free(program);
	}
}

/* The client closes, and the program is gone before that could be told. */
static void test_left_at_the_end(void **state)
{
	struct spawn_child *program = program_run(STDERR_LOG);
	(void)state;

	program_close(program, 1);
	rig_turns(&program->rig, 2);
	pass_time(program, CLOSING_WAIT + 1);
	leave(program);
	program->hooks->exited(program->arg, W_EXITCODE(3, 0));
	told(program, 1, 4003, 1);
	program_free(program);
}

/* The spawner is gone: what was said counts, and then it is nobody's failure but ours. */
static void test_lost(void **state)
{
	static const char how[] = "the process that starts programs died";
	(void)state;
	for (int leaves = 0; leaves < 2; leaves++) {
		struct spawn_child *program = program_run(STDERR_LOG);
		if (leaves) {
			leave(program);
			pass_time(program, CLOSING_WAIT + 1);
		} else {
			say(program, 1, "a\nb");
		}
		program->hooks->lost(program->arg);
		rig_turns(&program->rig, 2); /* somebody holds its stdout */
		told(program, 1, leaves ? 1000 : 1011, 1);
		assert_string_equal(program->heard, leaves ? "" : "a|b|");
		if (!leaves)
			assert_string_equal(program->end.reason, how);
		described(program, how);
		program_free(program);
	}
}

/* When the kernel can't wait for its stderr it would stand still sooner or later: it is not used, or ended.
 */
static void test_stderr_that_cannot_be_read(void **state)
{
	struct spawn_child *program = program_new(STDERR_LOG);
	(void)state;

	program_start(program, false);
	assert_int_equal(program->n_ready, 0);
	assert_int_equal(program->n_failed, 1);
	assert_int_equal(program->error, ENOMEM);
	assert_int_equal(program->n_released, 1);
	rig_turns(&program->rig, 2);
	told(program, 0, 0, 0);
	program_free(program);

	program = program_new(STDERR_TAGGED);
	program_start(program, false);
	assert_int_equal(program->n_ready, 1);
	rig_turns(&program->rig, 2);
	told(program, 1, 1011, 1);
	program_free(program);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_left_slowly),
		cmocka_unit_test(test_stdout_closed),
		cmocka_unit_test(test_left_at_the_end),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_stderr_that_cannot_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
