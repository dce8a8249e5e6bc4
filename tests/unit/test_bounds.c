/*
 * Tests of when the gateway ends by itself: after one session, so long after the start, when nobody comes;
 * not a look too early, and none too late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#include "rig.h"
#include "run/bounds.h"

/* Longer than any look may take, on a busy machine too; what is tested are minutes. */
enum { SLACK_MS = 1000, MINUTE_MS = 60000 };

/* A gateway, and what its server hears: one letter a call. */
struct gateway {
	struct rig rig;
	struct config config;
	struct limits limits;
	struct bounds bounds;
	char heard[16];
};

static void gateway_note(struct gateway *gateway, char what)
{
	size_t n = strlen(gateway->heard);
	assert_true(n + 1 < sizeof(gateway->heard));
	gateway->heard[n] = what;
}

static void gateway_on_shut(void *arg)
{
	gateway_note(arg, 'S');
}

static void gateway_on_end(void *arg)
{
	gateway_note(arg, 'E');
}

static const struct bounds_hooks hooks = { .on_shut = gateway_on_shut, .on_end = gateway_on_end };

static struct gateway *gateway_new(const struct config *config)
{
	struct gateway *gateway = calloc(1, sizeof(*gateway));

	assert_non_null(gateway);
	rig_init(&gateway->rig);
	gateway->config = *config;
	assert_int_equal(limits_init(&gateway->limits, 0), 0);
	bounds_prepare(&gateway->config, &gateway->limits);
	assert_int_equal(bounds_start(&gateway->bounds, &gateway->config, &gateway->limits,
				 &gateway->rig.loop, &hooks, gateway),
		0);
	return gateway;
}

static void gateway_free(struct gateway *gateway)
{
	bounds_stop(&gateway->bounds);
	bounds_done(&gateway->bounds);
	limits_done(&gateway->limits);
	rig_done(&gateway->rig);
	free(gateway);
}

/* What it hears, and nothing else, once so much time has passed. */
static void gateway_hears(struct gateway *gateway, long ms, const char *letters)
{
	rig_pass(&gateway->rig, ms, 500);
	assert_string_equal(gateway->heard, letters);
}

/* Somebody is connected, has a session, or a CGI program that answers. */
enum guest { CONNECTED, SESSION, RUN, GUESTS };

static void gateway_enter(struct gateway *gateway, enum guest guest)
{
	atomic_fetch_add(&gateway->limits.arrivals, 1);
	if (guest == SESSION)
		assert_int_equal(limits_enter(&gateway->limits, 10, 0, 0), LIMITS_OK);
	else if (guest == RUN)
		assert_true(limits_take_process(&gateway->limits, 10));
	else
		assert_true(limits_take_pending(&gateway->limits, 10));
}

static void gateway_leave(struct gateway *gateway, enum guest guest)
{
	if (guest == SESSION)
		limits_leave(&gateway->limits, 0);
	else if (guest == RUN)
		limits_give_process(&gateway->limits);
	else
		limits_give_pending(&gateway->limits);
}

/* Without bounds there is nothing to look for. */
static void test_none(void **state)
{
	struct gateway *gateway = gateway_new(&(struct config){ .run_once = false });
	(void)state;

	assert_int_equal(gateway->rig.loop.n_timers, 0);
	assert_int_equal(gateway->limits.max_served, 0);
	gateway_hears(gateway, 10 * MINUTE_MS, "");
	gateway_free(gateway);
}

/* One session, of which both sides were there; then no look later than a blink. */
static void test_run_once(void **state)
{
	struct gateway *gateway = gateway_new(&(struct config){ .run_once = true });
	(void)state;

	assert_int_equal(gateway->limits.max_served, 1);
	gateway_hears(gateway, MINUTE_MS, "");
	gateway_enter(gateway, SESSION); /* and its target is not there */
	gateway_hears(gateway, MINUTE_MS, "");
	gateway_leave(gateway, SESSION);
	gateway_hears(gateway, MINUTE_MS, "");
	gateway_enter(gateway, SESSION);
	limits_serve(&gateway->limits);
	gateway_leave(gateway, SESSION);
	gateway_hears(gateway, 500, "E");
	assert_int_equal(rig_logged(&gateway->rig, "--run-once"), 1);
	gateway_hears(gateway, MINUTE_MS, "E"); /* once */
	assert_int_equal(limits_enter(&gateway->limits, 10, 0, 0), LIMITS_FULL);
	gateway_free(gateway);
}

/* At its time it lets nobody in any more, whoever is there. To end then is the server's business. */
static void test_timeout(void **state)
{
	(void)state;
	for (int here = 0; here < 2; here++) {
		struct gateway *gateway = gateway_new(&(struct config){ .end_after_ms = MINUTE_MS });

		if (here)
			gateway_enter(gateway, SESSION);
		gateway_hears(gateway, MINUTE_MS - SLACK_MS, "");
		rig_skip(SLACK_MS);
		gateway_hears(gateway, 1, "S");
		assert_int_equal(rig_logged(&gateway->rig, "--timeout"), 1);
		gateway_hears(gateway, MINUTE_MS, "S"); /* once */
		if (here)
			gateway_leave(gateway, SESSION);
		gateway_free(gateway);
	}
}

/* From the start on, when nobody comes. A look may be late by a tenth, or a second. */
static void test_idle(void **state)
{
	static const unsigned all[] = { MINUTE_MS, 5000 };
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		struct gateway *gateway = gateway_new(&(struct config){ .end_idle_ms = all[i] });

		gateway_hears(gateway, (long)all[i] - SLACK_MS, "");
		gateway_hears(gateway, SLACK_MS + (i == 0 ? 1000 : (long)all[i] / 10), "E");
		assert_int_equal(rig_logged(&gateway->rig, "--idle-timeout"), 1);
		gateway_free(gateway);
	}
}

/* Not while somebody is there, with a session or without; after the last one it has all its time again. */
static void test_not_idle(void **state)
{
	(void)state;
	for (enum guest guest = 0; guest < GUESTS; guest++) {
		struct gateway *gateway = gateway_new(&(struct config){ .end_idle_ms = MINUTE_MS });

		gateway_hears(gateway, MINUTE_MS / 2, "");
		gateway_enter(gateway, guest);
		gateway_hears(gateway, 3 * MINUTE_MS, "");
		gateway_leave(gateway, guest);
		gateway_hears(gateway, MINUTE_MS - 2 * SLACK_MS, "");
		gateway_hears(gateway, 2 * SLACK_MS + 1000, "E");
		gateway_free(gateway);
	}
}

/* Who came and went between two looks was there. */
static void test_seen_by_none(void **state)
{
	struct gateway *gateway = gateway_new(&(struct config){ .end_idle_ms = MINUTE_MS });
	(void)state;

	gateway_hears(gateway, MINUTE_MS / 2, "");
	gateway_enter(gateway, CONNECTED);
	gateway_leave(gateway, CONNECTED);
	gateway_hears(gateway, MINUTE_MS - SLACK_MS, "");
	gateway_hears(gateway, SLACK_MS + 2000, "E");
	gateway_free(gateway);
}

/* Each bound for itself: idle before its time is up, or its time before it is idle. */
static void test_both(void **state)
{
	struct gateway *gateway =
		gateway_new(&(struct config){ .end_idle_ms = MINUTE_MS, .end_after_ms = 2 * MINUTE_MS });
	(void)state;

	gateway_hears(gateway, MINUTE_MS + 1000, "E");
	gateway_free(gateway);
	gateway = gateway_new(&(struct config){ .end_idle_ms = 2 * MINUTE_MS, .end_after_ms = MINUTE_MS });
	gateway_hears(gateway, MINUTE_MS, "S");
	gateway_hears(gateway, MINUTE_MS - SLACK_MS, "S");
	gateway_hears(gateway, SLACK_MS + 1000, "SE");
	gateway_free(gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_run_once),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_not_idle),
		cmocka_unit_test(test_seen_by_none),
		cmocka_unit_test(test_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
