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
#include <sys/wait.h>

#include "failing.h"
#include "spawn_fake.h"

/* Makes its endpoint. Returns it or NULL. */
static struct endpoint *program_make(struct spawn_child *program, enum spawn_kind kind)
{
	struct process_params params = { .kind = kind,
		.columns = 100,
		.rows = 30,
		.spawner = (struct spawn_client *)program,
		.route = &program->route,
		.rules = { .framing = FRAMING_LINES },
		.program = "/bin/program",
		.session = "5e55",
		.on_released = on_released,
		.arg = program };
	program->endpoint = process_new(&program->rig.loop, &params, &hooks, program);
	return program->endpoint;
}

/* Has it started. */
static void program_ask(struct spawn_child *program, enum spawn_kind kind)
{
	assert_non_null(program_make(program, kind));
	assert_int_equal(program->endpoint->ops->start(program->endpoint), 0);
	assert_int_equal(program->columns, 100);
	assert_int_equal(program->rows, 30);
}

/* One that is being started. */
static struct spawn_child *program_new_of(enum stderr_to stderr_to, enum spawn_kind kind, bool terminal)
{
	struct spawn_child *program = fake_new();
	program->route.stderr_to = stderr_to;
	program->route.eof_message = true;
	program->route.terminal = terminal;
	program_ask(program, kind);
	return program;
}

static struct spawn_child *program_new(enum stderr_to stderr_to)
{
	return program_new_of(stderr_to, SPAWN_SESSION, false);
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
		fake_write(program, 1, "a\nb");
		rig_turns(&program->rig, 2);
		for (int i = 0; i < 2; i++) {
			told(program, 0, 0, 0);
			if ((i == 0) == (first == 0))
				fake_close(program, 1);
			else
				program->hooks->exited(program->arg, W_EXITCODE(3, 0), false);
			rig_turns(&program->rig, 3);
		}
		told(program, 1, 4003, 1);
		assert_string_equal(program->heard, "a|b|");
		described(program, "exit 3");
		fake_free(program);
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
		fake_write(program, 1, "a\nb");
		fake_write(program, 2, "err");
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
		fake_close(program, 1);
		rig_turns(&program->rig, 2);
		told(program, 1, 1000, 0);
		program->hooks->exited(program->arg, W_EXITCODE(3, 0), false);
		rig_turns(&program->rig, 2);
		told(program, 1, 1000, 1);
		described(program, "exit 3");
		fake_free(program);
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
		fake_write(program, 1, "a\nb\n");
		leave(program);
		pass_time(program, CLOSING_WAIT + 1);
		assert_int_equal(program->n_signals, 1);
		fake_write(program, 1, "late\n");
		if (exits)
			program->hooks->exited(program->arg, W_EXITCODE(0, SIGTERM), true);
		pass_time(program, 2 * CLOSING_WAIT);
		told(program, 0, 0, 0);
		ops->allow(program->endpoint, 4);
		rig_turns(&program->rig, 2);
		told(program, 1, 1000, exits);
		assert_string_equal(program->heard, "a|b|");
		fake_free(program);
	}
}

/* Its stdout is closed: who stays hears of the end when it is gone, who closes after the signal at once. */
static void test_stdout_closed(void **state)
{
	(void)state;
	for (int leaves = 0; leaves < 2; leaves++) {
		struct spawn_child *program = program_run(STDERR_LOG);
		fake_close(program, 1);
		rig_turns(&program->rig, 2);
		pass_time(program, CLOSING_WAIT + 1);
		assert_int_equal(program->n_signals, 1);
		told(program, 0, 0, 0);
		if (leaves)
			leave(program);
		rig_turns(&program->rig, 2);
		told(program, leaves, 1000, 0);
		program->hooks->exited(program->arg, W_EXITCODE(3, 0), false);
		rig_turns(&program->rig, 2);
		told(program, 1, leaves ? 1000 : 4003, 1);
		fake_free(program);
	}
}

/* The client closes, and the program is gone before that could be told. */
static void test_left_at_the_end(void **state)
{
	struct spawn_child *program = program_run(STDERR_LOG);
	(void)state;

	fake_close(program, 1);
	rig_turns(&program->rig, 2);
	pass_time(program, CLOSING_WAIT + 1);
	leave(program);
	program->hooks->exited(program->arg, W_EXITCODE(3, 0), false);
	told(program, 1, 4003, 1);
	fake_free(program);
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
			fake_write(program, 1, "a\nb");
		}
		program->hooks->lost(program->arg);
		rig_turns(&program->rig, 2); /* somebody holds its stdout */
		told(program, 1, leaves ? 1000 : 1011, 1);
		assert_string_equal(program->heard, leaves ? "" : "a|b|");
		if (!leaves)
			assert_string_equal(program->end.reason, how);
		described(program, how);
		fake_free(program);
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
	fake_free(program);

	program = program_new(STDERR_TAGGED);
	program_start(program, false);
	assert_int_equal(program->n_ready, 1);
	rig_turns(&program->rig, 2);
	told(program, 1, 1011, 1);
	fake_free(program);
}

/* Its input ends, behind all that was sent, and it goes on for as long as it likes. */
static void test_end_of_input(void **state)
{
	static uint8_t data[100000];
	struct spawn_child *program = program_run(STDERR_LOG);
	const struct endpoint_ops *ops = program->endpoint->ops;
	struct piece piece = { .data = data, .len = sizeof(data), .first = true };
	size_t got = 0;
	ssize_t n;
	(void)state;

	assert_int_equal(ops->send(program->endpoint, &piece), 0);
	ops->flush(program->endpoint);
	process_end_input(program->endpoint);
	process_end_input(program->endpoint);
	piece.len = 1;
	assert_int_equal(ops->send(program->endpoint, &piece), 0); /* too late */
	ops->flush(program->endpoint);
	while ((n = read(program->fds[0], data, 4096)) != 0) {
		got += n > 0 ? (size_t)n : 0;
		rig_turn(&program->rig);
	}
	assert_int_equal(got, sizeof(data));
	assert_int_equal(ops->queued(program->endpoint), 0);
	pass_time(program, 2 * (CLOSING_WAIT + STOP_GRACE));
	fake_write(program, 1, "a\nb");
	rig_turns(&program->rig, 2);
	assert_int_equal(program->n_signals, 0);
	fake_close(program, 1);
	program->hooks->exited(program->arg, W_EXITCODE(3, 0), false);
	rig_turns(&program->rig, 3);
	told(program, 1, 4003, 1);
	assert_string_equal(program->heard, "a|b|");
	fake_free(program);
}

/* What its stdin gets of a word and an empty message. */
static void hears(struct spawn_child *program, const char *word, bool ends)
{
	const struct endpoint_ops *ops = program->endpoint->ops;
	uint8_t data[] = "word";
	struct piece piece = { .data = data, .len = 4, .first = true, .last = true };
	char got[16] = "";

	ops->send(program->endpoint, &piece);
	piece.len = 0;
	ops->send(program->endpoint, &piece);
	ops->flush(program->endpoint);
	rig_turn(&program->rig);
	assert_int_equal(read(program->fds[0], got, sizeof(got)), word != NULL ? (ssize_t)strlen(word) : -1);
	assert_string_equal(got, word != NULL ? word : "");
	assert_int_equal(read(program->fds[0], got, sizeof(got)), ends ? 0 : -1);
	fake_free(program);
}

/* What is left to the kind of a program: HUP is for a session's on a terminal, CGI programs of the same route
 * have none. Death by it is no failure. */
static void test_stop_signal(void **state)
{
	static const struct {
		enum spawn_kind kind;
		bool terminal;
		int written, sent;
	} cases[] = {
		{ SPAWN_SESSION, false, 0, SIGTERM },
		{ SPAWN_SESSION, true, 0, SIGHUP },
		{ SPAWN_CGI, false, 0, SIGTERM },
		{ SPAWN_CGI, true, 0, SIGTERM },
		{ SPAWN_SESSION, true, SIGUSR1, SIGUSR1 },
		{ SPAWN_CGI, true, SIGUSR1, SIGUSR1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct spawn_child *program = fake_new();
		program->route.terminal = cases[i].terminal;
		program->route.stop_signal = cases[i].written;
		program_ask(program, cases[i].kind);
		program_start(program, true);
		leave(program);
		pass_time(program, CLOSING_WAIT + 1);
		assert_int_equal(program->n_signals, 1);
		assert_int_equal(program->signals[0], cases[i].sent);
		program->hooks->exited(program->arg, W_EXITCODE(0, cases[i].sent), true);
		fake_close(program, 1);
		rig_turns(&program->rig, 3);
		told(program, 1, 1000, 1);
		fake_free(program);
	}
}

/* Memory is short: nothing of it stays. */
static void test_no_memory(void **state)
{
	(void)state;
	for (unsigned at = 1; at <= 2; at++) {
		struct spawn_child *program = fake_new();
		program->route.stderr_to = STDERR_TAGGED;
		failing_count = 0;
		failing_at = at;
		failing_on = true;
		assert_null(program_make(program, SPAWN_SESSION));
		failing_on = false;
		assert_int_equal(program->rig.loop.arena.n_blocks, 0);
		rig_done(&program->rig);
		free(program);
	}
}

/* On a terminal nothing is said about its stderr, and no message ends its input: what [defaults] or the CGI
 * programs of the route have of either does not reach it. */
static void test_terminal(void **state)
{
	struct spawn_child *program = program_new_of(STDERR_TAGGED, SPAWN_SESSION, true);
	(void)state;

	program->route.write = true;
	program_start(program, true);
	fake_write(program, 1, "a\n");
	rig_turns(&program->rig, 2);
	assert_string_equal(program->heard, "a|");
	fake_free(program);
}

/* What a route says of its sessions' programs does not hold for those of cgi: an empty message that ends the
 * input, what only a terminal that shows does with input, tags. */
static void test_kinds(void **state)
{
	(void)state;
	for (int terminal = 0; terminal < 2; terminal++) {
		struct spawn_child *program = program_new_of(STDERR_LOG, SPAWN_SESSION, terminal);
		program_start(program, true);
		assert_int_equal(program->kind, SPAWN_SESSION);
		hears(program, terminal ? NULL : "word\n", !terminal);

		program = program_new_of(STDERR_TAGGED, SPAWN_CGI, terminal);
		program_start(program, true);
		assert_int_equal(program->kind, SPAWN_CGI);
		fake_write(program, 1, "a\n");
		fake_write(program, 2, "err\n");
		rig_turns(&program->rig, 3);
		assert_string_equal(program->heard, "a|");
		hears(program, "word\n\n", false);
	}
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
		cmocka_unit_test(test_end_of_input),
		cmocka_unit_test(test_stop_signal),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
