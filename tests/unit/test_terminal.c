/*
 * Tests of a terminal's endpoint, with a spawner that does what the test says and a terminal of the kernel's.
 * What real programs and clients make of it is in tests/e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "backend/terminal.h"
#include "spawn_fake.h"

enum { BUFFER = 65536, SEND_TIMEOUT = 70000 };

static void on_unstarted(void *arg, int error, const char *reason, struct end *out)
{
	((struct spawn_child *)arg)->n_unstarted++;
	assert_non_null(reason);
	out->code = 1013;
	snprintf(out->reason, sizeof(out->reason), "errno %d", error);
}

/* What the bridge does when output has come. */
static void on_flush(void *arg)
{
	const struct spawn_child *it = arg;
	it->endpoint->ops->allow(it->endpoint, 4096);
}

/* One that waits for its first message. */
static struct spawn_child *terminal_ready(void)
{
	static struct endpoint_hooks bridged;
	struct spawn_child *it = fake_new();
	char entry[] = "a/b", env[] = "A=1\0B=2";
	bridged = hooks;
	bridged.on_flush = on_flush;
	it->whole = true;
	it->route.buffer = BUFFER;
	it->route.send_timeout_ms = SEND_TIMEOUT;
	it->route.terminal = it->route.write = true;
	struct terminal_params params = { .on_unstarted = on_unstarted,
		.process = { .spawner = (struct spawn_client *)it,
			.route = &it->route,
			.rules = { .framing = FRAMING_STREAM },
			.program = "/bin/program",
			.session = "5e55",
			.entry = { entry, 3 },
			.env = { env, sizeof(env) },
			.on_released = on_released,
			.arg = it } };
	it->endpoint = terminal_new(&it->rig.loop, &params, &bridged, it);
	assert_non_null(it->endpoint);
	memset(entry, 'x', sizeof(entry));
	memset(env, 'x', sizeof(env));
	assert_int_equal(it->endpoint->ops->start(it->endpoint), 0);
	assert_int_equal(it->n_ready, 0);
	rig_turn(&it->rig);
	assert_int_equal(it->n_ready, 1);
	it->endpoint->ops->allow(it->endpoint, 4096);
	return it;
}

/* The client says something. Returns as the op does. */
static int say(struct spawn_child *it, const char *text)
{
	uint8_t data[4200];
	struct piece piece = { .data = data, .len = strlen(text), .first = true, .last = true };

	memcpy(data, text, piece.len);
	int rc = it->endpoint->ops->send(it->endpoint, &piece);
	it->endpoint->ops->flush(it->endpoint);
	return rc;
}

/* The program runs, on a terminal that changes nothing. */
static void run(struct spawn_child *it)
{
	struct termios raw;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	assert_true(master >= 0 && unlockpt(master) == 0);
	it->fds[1] = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(it->fds[1] >= 0);
	assert_int_equal(tcgetattr(it->fds[1], &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(it->fds[1], TCSANOW, &raw), 0);
	it->hooks->started(it->arg, 123, (int[3]){ master, master, -1 });
}

/* A session of that first message whose program runs. */
static struct spawn_child *terminal_greeted(const char *first)
{
	struct spawn_child *it = terminal_ready();

	assert_int_equal(say(it, first), 0);
	run(it);
	assert_string_equal(it->heard, "1program|2{}|");
	memset(it->heard, 0, sizeof(it->heard));
	return it;
}

/* A session whose program runs. */
static struct spawn_child *terminal_open(void)
{
	return terminal_greeted("{\"columns\":100,\"rows\":30}");
}

static void program_exits(struct spawn_child *it, int status)
{
	fake_close(it, 1);
	it->hooks->exited(it->arg, status, WIFSIGNALED(status) && it->n_signals > 0);
}

static void ended(struct spawn_child *it, uint16_t code)
{
	rig_turns(&it->rig, 2);
	assert_int_equal(it->n_failed, 0);
	assert_int_equal(it->n_eof, 1);
	assert_int_equal(it->end.code, code);
	assert_int_equal(it->n_closed, 1);
}

static void has_size(const struct spawn_child *it, unsigned columns, unsigned rows)
{
	struct winsize size;
	assert_int_equal(ioctl(it->fds[1], TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_col, columns);
	assert_int_equal(size.ws_row, rows);
}

/* A client that says nothing is not waited for, and nothing was started for it. */
static void test_silent_client(void **state)
{
	struct spawn_child *it = terminal_ready();
	(void)state;

	pass_time(it, TERMINAL_HELLO_MS - 2000);
	assert_int_equal(it->n_eof, 0);
	pass_time(it, 2001);
	ended(it, 1008);
	assert_null(it->hooks);
	assert_int_equal(say(it, "{}"), 0);
	assert_null(it->hooks);
	fake_free(it);
}

/* What it said while the process stood still is heard after the time is up. */
static void test_stood_still(void **state)
{
	struct spawn_child *it = terminal_ready();
	(void)state;

	rig_skip(TERMINAL_HELLO_MS + 10);
	rig_turn(&it->rig);
	say(it, "{}");
	assert_non_null(it->hooks);
	rig_turns(&it->rig, 3);
	assert_int_equal(it->n_eof, 0);
	fake_free(it);
}

/* What the program is started with, and that its own end is the session's. */
static void test_session(void **state)
{
	struct spawn_child *it = terminal_open();
	(void)state;

	assert_int_equal(it->columns, 100);
	assert_int_equal(it->rows, 30);
	assert_string_equal(it->entry, "a/b");
	assert_memory_equal(it->env, "A=1\0B=2", 8);
	pass_time(it, 2 * TERMINAL_HELLO_MS);
	fake_write(it, 1, "output");
	rig_until(&it->rig, it->heard[0] != '\0');
	assert_string_equal(it->heard, "0output|");
	program_exits(it, W_EXITCODE(3, 0));
	rig_until(&it->rig, it->n_closed == 1);
	ended(it, 4003);
	fake_free(it);
}

/* In any state it can be taken down. */
static void test_taken_down(void **state)
{
	struct spawn_child *it = terminal_ready();
	(void)state;

	fake_free(it);
	it = terminal_ready();
	say(it, "{}");
	say(it, "0early");
	say(it, "1{\"col");
	fake_free(it);
	it = terminal_open();
	say(it, "1{\"columns\":5}");
	fake_free(it);
}

/* The program can't be started: at once, or as the spawner finds. */
static void test_not_started(void **state)
{
	struct spawn_child *it = terminal_ready();
	char who[128], how[64];
	(void)state;

	it->out_of_memory = true;
	assert_int_equal(say(it, "{}"), 0);
	assert_int_equal(it->n_eof, 0);
	ended(it, 1013);
	assert_string_equal(it->end.reason, "errno 12");
	fake_free(it);

	it = terminal_ready();
	say(it, "{}");
	say(it, "0early");
	it->hooks->failed(it->arg, "execve", ENOENT);
	ended(it, 1013);
	assert_string_equal(it->end.reason, "errno 2");
	it->endpoint->ops->describe(it->endpoint, who, how);
	assert_string_equal(how, "not started");
	fake_free(it);
}

/* What was said before the program runs is not lost, counts as queued, and comes before what is said later.
 */
static void test_early(void **state)
{
	struct spawn_child *it = terminal_ready();
	const struct endpoint_ops *ops = it->endpoint->ops;
	char got[64] = "";
	(void)state;

	assert_int_equal(ops->queued(it->endpoint), 0);
	say(it, "{}");
	say(it, "0one ");
	say(it, "0two ");
	say(it, "1{\"columns\":5,\"rows\":6}");
	assert_true(ops->queued(it->endpoint) >= 8);
	run(it);
	say(it, "0three");
	assert_int_equal(ops->queued(it->endpoint), 0);
	for (size_t n = 0; n < 13; n += strlen(got + n))
		if (read(it->fds[1], got + n, sizeof(got) - n) < 0)
			assert_int_equal(errno, EAGAIN);
	assert_string_equal(got, "one two three");
	assert_int_equal(it->columns, TERMINAL_COLUMNS);
	has_size(it, 5, 6);
	fake_free(it);
}

/* A client that leaves before the program runs is heard out: what it typed is delivered, then the ladder. */
static void test_left_early(void **state)
{
	for (int aborts = 0; aborts < 2; aborts++) {
		struct spawn_child *it = terminal_ready();
		struct end end = { .code = aborts ? 1006 : 1000, .abrupt = aborts, .in_message = aborts };
		char got[64] = "";
		(void)state;

		say(it, "{}");
		say(it, "0early");
		say(it, "2");
		(aborts ? it->endpoint->ops->abort : it->endpoint->ops->finish)(it->endpoint, &end);
		pass_time(it, 2 * STOP_GRACE);
		assert_int_equal(it->n_eof, 0);
		run(it);
		rig_until(&it->rig, read(it->fds[1], got, sizeof(got)) > 0);
		assert_string_equal(got, "early");
		pass_time(it, CLOSING_WAIT - 2000);
		assert_int_equal(it->n_signals, 0);
		fake_write(it, 1, "last words");
		pass_time(it, 2001);
		assert_int_equal(it->n_signals, 1);
		assert_int_equal(it->signals[0], SIGHUP);
		program_exits(it, W_EXITCODE(0, SIGHUP));
		rig_until(&it->rig, it->n_closed == 1);
		ended(it, 1000);
		assert_string_equal(it->heard, aborts ? "1program|2{}|" : "1program|2{}|0last words|");
		fake_free(it);
	}
}

/* Sizes: the first at once, others so often and no more, and the last one of all. */
static void test_sizes(void **state)
{
	struct spawn_child *it = terminal_open();
	(void)state;

	say(it, "1{\"columns\":1,\"rows\":2}");
	has_size(it, 1, 2);
	say(it, "1{\"columns\":3,\"rows\":4}");
	say(it, "1{\"columns\":5,\"rows\":6}");
	pass_time(it, TERMINAL_RESIZE_MS / 2);
	has_size(it, 1, 2);
	pass_time(it, TERMINAL_RESIZE_MS / 2 + 1);
	has_size(it, 5, 6);
	say(it, "1{\"columns\":7,\"rows\":8}");
	has_size(it, 5, 6);
	pass_time(it, TERMINAL_RESIZE_MS + 1);
	has_size(it, 7, 8);
	pass_time(it, TERMINAL_RESIZE_MS + 1);
	say(it, "1{\"rows\":9}");
	has_size(it, 7, 9);
	fake_free(it);
}

/* A pause holds whatever the bridge allows; but not when the client can't be heard for its input. */
static void test_pause(void **state)
{
	struct spawn_child *it = terminal_open();
	const struct endpoint_ops *ops = it->endpoint->ops;
	static uint8_t data[BUFFER];
	struct piece input = { .data = data, .len = BUFFER / 2, .first = true, .last = true };
	(void)state;

	say(it, "2");
	fake_write(it, 1, "held");
	ops->allow(it->endpoint, 4096);
	for (int i = 0; i < 10; i++)
		rig_wait(&it->rig);
	assert_string_equal(it->heard, "");
	data[0] = '0';
	ops->send(it->endpoint, &input); /* the kernel takes some of it */
	ops->flush(it->endpoint);
	for (int i = 0; i < 10; i++)
		rig_wait(&it->rig);
	assert_string_equal(it->heard, "");
	assert_true(ops->queued(it->endpoint) > 0);
	input.len = BUFFER;
	ops->send(it->endpoint, &input);
	ops->flush(it->endpoint);
	rig_until(&it->rig, it->heard[0] != '\0');
	assert_string_equal(it->heard, "0held|");
	say(it, "3");
	fake_write(it, 1, "more");
	rig_until(&it->rig, strlen(it->heard) > 6);
	assert_string_equal(it->heard, "0held|0more|");
	fake_free(it);
}

/* Waits until the client has heard that, and looks whether more comes. */
static void hears(struct spawn_child *it, const char *text)
{
	rig_until(&it->rig, strlen(it->heard) >= strlen(text));
	for (int i = 0; i < 10; i++)
		rig_wait(&it->rig);
	assert_string_equal(it->heard, text);
}

/* No more is on its way than the client said, whatever the bridge allows; it can't be done with more than
 * there was. */
static void test_window(void **state)
{
	struct spawn_child *it = terminal_greeted("{\"window\":10}");
	(void)state;

	fake_write(it, 1, "0123456789abcdefghij");
	it->endpoint->ops->allow(it->endpoint, 4096);
	hears(it, "00123456789|");
	say(it, "43");
	hears(it, "00123456789|0abc|");
	say(it, "4");
	say(it, "4x");
	hears(it, "00123456789|0abc|");
	say(it, "44294967295");
	hears(it, "00123456789|0abc|0defghij|");
	fake_write(it, 1, "klmnopqrstu");
	hears(it, "00123456789|0abc|0defghij|0klm|");
	say(it, "2");
	say(it, "410");
	hears(it, "00123456789|0abc|0defghij|0klm|");
	say(it, "3");
	hears(it, "00123456789|0abc|0defghij|0klm|0nopqrstu|");
	fake_free(it);
}

/* Nobody waits for a client that can't be heard to say what it has seen. */
static void test_window_before_input(void **state)
{
	struct spawn_child *it = terminal_greeted("{\"window\":1}");
	const struct endpoint_ops *ops = it->endpoint->ops;
	static uint8_t data[2 * BUFFER] = "0";
	struct piece input = { .data = data, .len = sizeof(data), .first = true, .last = true };
	(void)state;

	fake_write(it, 1, "held");
	ops->allow(it->endpoint, 4096);
	hears(it, "0h|");
	ops->send(it->endpoint, &input);
	ops->flush(it->endpoint);
	hears(it, "0h|0eld|");
	fake_free(it);
}

/* An end of the session ends the window. */
static void test_left_with_a_window(void **state)
{
	struct spawn_child *it = terminal_greeted("{\"window\":1}");
	struct end end = { .code = 1000 };
	(void)state;

	fake_write(it, 1, "held");
	it->endpoint->ops->allow(it->endpoint, 4096);
	hears(it, "0h|");
	it->endpoint->ops->finish(it->endpoint, &end);
	rig_until(&it->rig, strlen(it->heard) > 3);
	pass_time(it, CLOSING_WAIT + 1);
	assert_int_equal(it->n_signals, 1);
	assert_string_equal(it->heard, "0h|0eld|");
	program_exits(it, W_EXITCODE(0, SIGHUP));
	rig_until(&it->rig, it->n_closed == 1);
	fake_free(it);
}

/* An end of the session ends the pause. */
static void test_left_in_a_pause(void **state)
{
	struct spawn_child *it = terminal_open();
	struct end end = { .code = 1000 };
	(void)state;

	say(it, "2");
	fake_write(it, 1, "held");
	it->endpoint->ops->finish(it->endpoint, &end);
	rig_until(&it->rig, it->heard[0] != '\0');
	pass_time(it, CLOSING_WAIT + 1);
	assert_int_equal(it->n_signals, 1);
	assert_int_equal(it->n_eof, 1);
	assert_string_equal(it->heard, "0held|");
	program_exits(it, W_EXITCODE(0, SIGHUP));
	rig_until(&it->rig, it->n_closed == 1);
	fake_free(it);
}

/* Holds the output back, by a window or a pause. What of it was heard: "0h|" or nothing. */
static struct spawn_child *terminal_held(bool by_window)
{
	struct spawn_child *it = by_window ? terminal_greeted("{\"window\":1}") : terminal_open();

	if (!by_window)
		say(it, "2");
	fake_write(it, 1, "held");
	it->endpoint->ops->allow(it->endpoint, 4096);
	hears(it, by_window ? "0h|" : "");
	return it;
}

/* While the program runs the client may take as long as it likes; once it has exited, send_timeout, and all
 * of the output comes nevertheless. */
static void test_held_after_exit(void **state)
{
	(void)state;
	for (int by_window = 0; by_window < 2; by_window++) {
		struct spawn_child *it = terminal_held(by_window);
		const char *before = by_window ? "0h|" : "", *after = by_window ? "0h|0eld|" : "0held|";
		pass_time(it, 10 * SEND_TIMEOUT);
		assert_string_equal(it->heard, before);
		say(it, "1{\"columns\":7,\"rows\":8}"); /* the timer is in use */
		program_exits(it, W_EXITCODE(3, 0));
		say(it, "1{\"columns\":9,\"rows\":8}");
		pass_time(it, SEND_TIMEOUT - 1);
		assert_string_equal(it->heard, before);
		assert_int_equal(it->n_released, 0);
		pass_time(it, 1);
		rig_until(&it->rig, it->n_closed == 1);
		assert_string_equal(it->heard, after);
		ended(it, 4003);
		fake_free(it);
	}
}

/* Until then it may go on, as ever. */
static void test_taken_after_exit(void **state)
{
	(void)state;
	for (int by_window = 0; by_window < 2; by_window++) {
		struct spawn_child *it = terminal_held(by_window);
		program_exits(it, W_EXITCODE(0, 0));
		pass_time(it, SEND_TIMEOUT / 2);
		if (by_window) {
			say(it, "41");
			hears(it, "0h|0e|");
			say(it, "41");
			hears(it, "0h|0e|0l|");
			say(it, "41");
			hears(it, "0h|0e|0l|0d|");
		}
		say(it, by_window ? "41" : "3");
		rig_until(&it->rig, it->n_closed == 1);
		assert_string_equal(it->heard, by_window ? "0h|0e|0l|0d|" : "0held|");
		ended(it, 1000);
		pass_time(it, SEND_TIMEOUT);
		fake_free(it);
	}
}

/* After that there are no pauses, though an heir of the program has the terminal and talks on. */
static void test_pause_of_an_heir(void **state)
{
	struct spawn_child *it = terminal_held(false);
	(void)state;

	it->hooks->exited(it->arg, 0, false);
	pass_time(it, SEND_TIMEOUT);
	hears(it, "0held|");
	say(it, "2");
	fake_write(it, 1, "heir");
	hears(it, "0held|0heir|");
	pass_time(it, CLOSING_WAIT + 1);
	rig_until(&it->rig, it->n_closed == 1);
	ended(it, 1000);
	fake_free(it);
}

/* A session that goes takes the time with it, and its end the pause. */
static void test_gone_after_exit(void **state)
{
	struct spawn_child *it = terminal_held(true);
	(void)state;

	program_exits(it, W_EXITCODE(0, 0));
	fake_free(it);
	it = terminal_held(false);
	program_exits(it, W_EXITCODE(0, 0));
	it->endpoint->ops->finish(it->endpoint, &(struct end){ .code = 1000 });
	rig_until(&it->rig, it->n_closed == 1);
	assert_string_equal(it->heard, "0held|");
	fake_free(it);
}

/* Nor is the one waited for whose keeper died. */
static void test_held_when_lost(void **state)
{
	struct spawn_child *it = terminal_held(true);
	(void)state;

	fake_close(it, 1);
	it->hooks->lost(it->arg);
	pass_time(it, SEND_TIMEOUT);
	rig_until(&it->rig, it->n_closed == 1);
	assert_string_equal(it->heard, "0h|0eld|");
	ended(it, 1011);
	fake_free(it);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_client),
		cmocka_unit_test(test_stood_still),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_taken_down),
		cmocka_unit_test(test_not_started),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_left_early),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_left_in_a_pause),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_before_input),
		cmocka_unit_test(test_left_with_a_window),
		cmocka_unit_test(test_held_after_exit),
		cmocka_unit_test(test_taken_after_exit),
		cmocka_unit_test(test_pause_of_an_heir),
		cmocka_unit_test(test_gone_after_exit),
		cmocka_unit_test(test_held_when_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
