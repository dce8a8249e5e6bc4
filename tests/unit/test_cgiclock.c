/*
 * Tests of how long a CGI program's run may wait: each limit a millisecond before it, at it and behind it,
 * and which of two counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <string.h>

#include "gate/cgiclock.h"

enum { IDLE = 500, SEND = 700, LIFE = 100000, BEGAN = 1000, MOVED = 5000 };

static struct cgiclock clock_of(enum cgiclock_turn turn, bool answered)
{
	return (struct cgiclock){ .idle_ms = IDLE,
		.send_ms = SEND,
		.lifetime_ms = LIFE,
		.began_at = BEGAN,
		.moved_at = MOVED,
		.turn = turn,
		.answered = answered };
}

/* Up at `end` and not before. */
static void expect_end(const struct cgiclock *clock, uint64_t end, enum cgiclock_verdict verdict)
{
	uint64_t again;

	assert_int_equal(cgiclock_check(clock, end - 1, &again), CGICLOCK_ON);
	assert_int_equal(again, 1);
	assert_int_equal(cgiclock_check(clock, end, &again), verdict);
	assert_int_equal(cgiclock_check(clock, end + 1, &again), verdict);
	assert_true(strlen(cgiclock_reason(verdict)) > 0);
}

static void test_turns(void **state)
{
	(void)state;
	struct cgiclock clock = clock_of(CGICLOCK_PROGRAM, false);
	expect_end(&clock, MOVED + CGICLOCK_HEAD_MS, CGICLOCK_NO_HEAD);
	clock.answered = true;
	expect_end(&clock, MOVED + IDLE, CGICLOCK_IDLE);
	for (int answered = 0; answered < 2; answered++) {
		clock = clock_of(CGICLOCK_BODY, answered);
		expect_end(&clock, MOVED + SEND, CGICLOCK_NO_BODY);
		clock.turn = CGICLOCK_RESPONSE;
		expect_end(&clock, MOVED + SEND, CGICLOCK_STUCK);
	}
}

/* A program whose response is whole may stay as long as one may take for its head, or be silent: the shorter.
 */
static void test_over(void **state)
{
	(void)state;
	struct cgiclock clock = clock_of(CGICLOCK_PROGRAM, true);

	clock.over = true;
	expect_end(&clock, MOVED + IDLE, CGICLOCK_IDLE);
	clock.idle_ms = 0;
	expect_end(&clock, MOVED + CGICLOCK_HEAD_MS, CGICLOCK_IDLE);
	clock.lifetime_ms = 0;
	clock.idle_ms = CGICLOCK_HEAD_MS + 1;
	expect_end(&clock, MOVED + CGICLOCK_HEAD_MS, CGICLOCK_IDLE);
	clock.idle_ms = CGICLOCK_HEAD_MS - 1;
	expect_end(&clock, MOVED + CGICLOCK_HEAD_MS - 1, CGICLOCK_IDLE);
	clock.turn = CGICLOCK_BODY;
	expect_end(&clock, MOVED + SEND, CGICLOCK_NO_BODY);
}

/* Nothing puts the end of its life off, and without limits there is none. */
static void test_lifetime(void **state)
{
	(void)state;
	uint64_t again;
	struct cgiclock clock = clock_of(CGICLOCK_BODY, true);

	clock.lifetime_ms = MOVED - BEGAN + SEND;
	expect_end(&clock, MOVED + SEND, CGICLOCK_LIFETIME);
	clock.moved_at += SEND;
	expect_end(&clock, MOVED + SEND, CGICLOCK_LIFETIME);
	clock = clock_of(CGICLOCK_PROGRAM, true);
	clock.idle_ms = clock.lifetime_ms = 0;
	assert_int_equal(cgiclock_check(&clock, UINT64_MAX / 2, &again), CGICLOCK_ON);
	assert_true(again == UINT64_MAX);
	clock.answered = false; /* but for the head there is always one */
	expect_end(&clock, MOVED + CGICLOCK_HEAD_MS, CGICLOCK_NO_HEAD);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_over),
		cmocka_unit_test(test_lifetime),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
