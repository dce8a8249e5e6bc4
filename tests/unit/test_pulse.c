/*
 * Tests of the pulse: each time at n-1, n and n+1, with numbers for clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#include "gate/pulse.h"

static const struct pulse_limits limits = {
	.ping_interval = 30000, .ping_timeout = 20000, .send_timeout = 60000
};

static struct pulse_sight at(uint64_t now)
{
	return (struct pulse_sight){ .now = now };
}

/* Looks, and sends the ping when one is due. */
static enum pulse_verdict look(struct pulse *pulse, struct pulse_sight sight)
{
	enum pulse_verdict verdict = pulse_check(pulse, &limits, &sight);
	if (verdict == PULSE_PING)
		pulse_on_ping(pulse, &sight);
	return verdict;
}

static void test_silence(void **state)
{
	struct pulse pulse;
	struct pulse_sight sight = at(1000);
	(void)state;

	pulse_init(&pulse, 1000);
	assert_int_equal(pulse_next(&pulse, &limits, &sight), 30000);
	assert_int_equal(look(&pulse, at(30999)), PULSE_OK);
	assert_int_equal(look(&pulse, at(31000)), PULSE_PING);
	sight = at(31000);
	assert_int_equal(pulse_next(&pulse, &limits, &sight), 20000);
	assert_int_equal(look(&pulse, at(50999)), PULSE_OK);
	assert_int_equal(look(&pulse, at(51000)), PULSE_PING_TIMEOUT);
}

static void test_answer(void **state)
{
	struct pulse pulse;
	(void)state;

	pulse_init(&pulse, 0);
	assert_int_equal(look(&pulse, at(30000)), PULSE_PING);
	pulse_on_frame(&pulse, 49999);
	assert_int_equal(look(&pulse, at(50000)), PULSE_OK);
	assert_int_equal(look(&pulse, at(79998)), PULSE_OK);
	assert_int_equal(look(&pulse, at(79999)), PULSE_PING);
}

/* The ping itself being taken is no life, unless we do not read or it was behind data. */
static void test_taken(void **state)
{
	struct pulse pulse;
	(void)state;

	pulse_init(&pulse, 0);
	assert_int_equal(look(&pulse, at(30000)), PULSE_PING);
	assert_int_equal(look(&pulse, (struct pulse_sight){ .now = 50000, .taken = 2 }), PULSE_PING_TIMEOUT);
}

static void test_paused(void **state)
{
	struct pulse pulse;
	(void)state;

	pulse_init(&pulse, 0);
	assert_int_equal(look(&pulse, (struct pulse_sight){ .now = 30000, .paused = true }), PULSE_PING);
	assert_int_equal(look(&pulse, (struct pulse_sight){ .now = 89999, .paused = true }), PULSE_OK);
	/* Its TCP took the ping: it is there. */
	assert_int_equal(
		look(&pulse, (struct pulse_sight){ .now = 90000, .taken = 2, .paused = true }), PULSE_OK);
	/* The next ping nobody takes. */
	assert_int_equal(
		look(&pulse, (struct pulse_sight){ .now = 120000, .taken = 2, .paused = true }), PULSE_PING);
	assert_int_equal(look(&pulse, (struct pulse_sight){ .now = 180000, .taken = 2, .paused = true }),
		PULSE_PING_TIMEOUT);
}

/* Bytes wait: from then, or from the last one taken, send_timeout counts. */
static void test_send_timeout(void **state)
{
	struct pulse pulse;
	struct pulse_sight sight = { .now = 100, .queued = true, .unsent = true };
	(void)state;

	pulse_init(&pulse, 0);
	pulse_on_queue(&pulse, &sight);
	assert_int_equal(pulse_next(&pulse, &limits, &sight), 60000 / PULSE_LOOKS + 1);
	pulse_on_frame(&pulse, 60099); /* a client that talks but does not read */
	sight.now = 60099;
	assert_int_equal(look(&pulse, sight), PULSE_OK);
	sight.now = 60100;
	assert_int_equal(look(&pulse, sight), PULSE_SEND_TIMEOUT);

	pulse_on_queue(&pulse, &(struct pulse_sight){ .now = 100, .queued = true });
	pulse_on_frame(&pulse, 60100);
	sight = (struct pulse_sight){ .now = 60100, .taken = 1, .queued = true };
	assert_int_equal(look(&pulse, sight), PULSE_OK);
	pulse_on_frame(&pulse, 120099);
	sight.now = 120099;
	assert_int_equal(look(&pulse, sight), PULSE_OK);
	sight.now = 120100;
	assert_int_equal(look(&pulse, sight), PULSE_SEND_TIMEOUT);
}

/* Nothing waits: a client that takes nothing for hours has nothing to take. */
static void test_nothing_to_take(void **state)
{
	const struct pulse_limits quiet = {
		.ping_interval = 0, .ping_timeout = 20000, .send_timeout = 60000
	};
	struct pulse pulse;
	struct pulse_sight sight = at(1000000000);
	(void)state;

	pulse_init(&pulse, 0);
	assert_int_equal(pulse_check(&pulse, &quiet, &sight), PULSE_OK);
	assert_true(pulse_next(&pulse, &quiet, &sight) == UINT64_MAX);
}

/* A ping behind data that the client takes slowly: life. Behind data that it does not take: send_timeout, not
 * ping_timeout. */
static void test_behind_data(void **state)
{
	struct pulse pulse;
	struct pulse_sight sight = { .now = 30000, .taken = 10, .queued = true, .unsent = true };
	(void)state;

	pulse_init(&pulse, 0);
	pulse_on_queue(&pulse, &sight);
	assert_int_equal(look(&pulse, sight), PULSE_PING);
	sight.now = 89999;
	sight.taken = 11;
	assert_int_equal(look(&pulse, sight), PULSE_OK);
	sight.now = 90000;
	assert_int_equal(look(&pulse, sight), PULSE_OK);
	assert_int_equal(pulse.ping_at, 0);
	sight.now = 149999;
	assert_int_equal(look(&pulse, sight), PULSE_SEND_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_send_timeout),
		cmocka_unit_test(test_nothing_to_take),
		cmocka_unit_test(test_behind_data),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
