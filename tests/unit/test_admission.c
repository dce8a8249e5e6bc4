/*
 * Tests of who may begin a session: the order of the limits, that who is refused has no place, and what each
 * kind of refusal is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gate/admission.h"
#include "net/dial.h"

enum { PROGRAM, SERVICE, ROUTES };

struct house {
	struct route_conf routes[ROUTES];
	struct config config;
	struct limits limits;
	struct addr peer;
	uint64_t now;
};

/* Room for three of everything; rate 0. */
static void house_init(struct house *house)
{
	memset(house, 0, sizeof(*house));
	house->routes[SERVICE].is_service = true;
	house->config =
		(struct config){ .routes = house->routes, .n_routes = ROUTES, .manners = &manners_own };
	house->config.gateway.max_sessions = house->config.gateway.max_processes = 3;
	house->peer.len = sizeof(house->peer.u.in);
	house->peer.u.in.sin_family = AF_INET;
	house->peer.u.in.sin_addr.s_addr = 0x010200c0;
	house->now = 1000000;
	assert_int_equal(limits_init(&house->limits, ROUTES), 0);
}

/* Lets one in: NULL, or the reason why not. */
static const char *enter(struct house *house, int route, struct admission *admission, int status)
{
	static struct refusal refusal;
	bool in = admission_enter(admission, &house->limits, &house->config, &house->routes[route],
		&house->peer, house->now, &refusal);

	if (in)
		return NULL;
	assert_int_equal(refusal.status, status);
	assert_int_equal(refusal.code, 1013);
	assert_true(refusal.later);
	assert_true(strlen(refusal.sentence) > 20 && strlen(refusal.sentence) < 123);
	admission_leave(admission); /* it has nothing */
	return refusal.reason;
}

static void expect_places(struct house *house, unsigned sessions, unsigned programs, unsigned of_route)
{
	assert_int_equal(atomic_load(&house->limits.sessions), sessions);
	assert_int_equal(atomic_load(&house->limits.processes), programs);
	assert_int_equal(atomic_load(&house->limits.routes[PROGRAM].sessions), of_route);
}

/* Each limit at one less, at it, and one more, and the first one that is reached is the reason. */
static void test_order(void **state)
{
	struct house house;
	struct admission in[3], out;
	(void)state;
	house_init(&house);

	for (int i = 0; i < 3; i++)
		assert_null(enter(&house, PROGRAM, &in[i], 0));
	expect_places(&house, 3, 3, 3);
	house.config.gateway.max_sessions_per_ip = house.routes[PROGRAM].max_sessions = 1;
	house.routes[PROGRAM].spawn_rate = 1;
	assert_string_equal(enter(&house, PROGRAM, &out, 503), "max_sessions");
	house.config.gateway.max_sessions = 4;
	house.config.gateway.max_sessions_per_ip = 0;
	assert_string_equal(enter(&house, PROGRAM, &out, 503), "max_sessions of the route");
	house.routes[PROGRAM].max_sessions = 4;
	assert_string_equal(enter(&house, PROGRAM, &out, 503), "max_processes");
	house.config.gateway.max_processes = 4;
	expect_places(&house, 3, 3, 3);
	assert_null(enter(&house, PROGRAM, &out, 0));
	admission_leave(&out);
	assert_string_equal(enter(&house, PROGRAM, &out, 503), "spawn_rate");
	expect_places(&house, 3, 3, 3);
	house.now += 1000;
	assert_null(enter(&house, PROGRAM, &out, 0));
	admission_leave(&out);
	for (int i = 0; i < 3; i++)
		admission_leave(&in[i]);
	admission_leave(&in[0]);
	expect_places(&house, 0, 0, 0);
	limits_done(&house.limits);
}

/* A program that answers one request takes a program's places and no others, whatever the route leads to. */
static void test_runs(void **state)
{
	struct house house;
	struct admission in[3], out;
	struct refusal refusal;
	(void)state;
	house_init(&house);
	house.config.gateway.max_sessions = 0;
	house.routes[SERVICE].spawn_rate = 2;

	for (int i = 0; i < 3; i++)
		assert_true(admission_enter_run(
			&in[i], &house.limits, &house.config, &house.routes[PROGRAM], house.now, &refusal));
	expect_places(&house, 0, 3, 0);
	assert_false(admission_enter_run(
		&out, &house.limits, &house.config, &house.routes[SERVICE], house.now, &refusal));
	assert_string_equal(refusal.reason, "max_processes");
	assert_int_equal(refusal.status, 503);
	admission_leave(&in[0]);
	expect_places(&house, 0, 2, 0);
	for (int i = 0; i < 3; i++) {
		bool room = i < 2;
		assert_int_equal(admission_enter_run(&in[0], &house.limits, &house.config,
					 &house.routes[SERVICE], house.now, &refusal),
			room);
		admission_leave(&in[0]);
	}
	assert_string_equal(refusal.reason, "spawn_rate");
	assert_true(refusal.later);
	admission_leave(&in[1]);
	admission_leave(&in[2]);
	expect_places(&house, 0, 0, 0);
	limits_done(&house.limits);
}

/* One visitor's sessions are limited before the route's. */
static void test_visitor(void **state)
{
	struct house house;
	struct admission in, out;
	(void)state;
	house_init(&house);

	house.config.gateway.max_sessions_per_ip = house.routes[PROGRAM].max_sessions = 1;
	assert_null(enter(&house, PROGRAM, &in, 0));
	assert_string_equal(enter(&house, PROGRAM, &out, 429), "max_sessions_per_ip");
	house.peer.u.in.sin_addr.s_addr++;
	assert_string_equal(enter(&house, PROGRAM, &out, 503), "max_sessions of the route");
	admission_leave(&in);
	limits_done(&house.limits); /* nobody is left in the visitors' table */
}

/* A service takes no place of a program, and no start; a program's place may come back before its session's.
 */
static void test_programs(void **state)
{
	struct house house;
	struct admission service, program, another;
	(void)state;
	house_init(&house);

	house.config.gateway.max_processes = 1;
	house.routes[SERVICE].spawn_rate = 1;
	assert_null(enter(&house, SERVICE, &service, 0));
	assert_null(enter(&house, SERVICE, &another, 0));
	admission_leave(&another);
	assert_null(enter(&house, PROGRAM, &program, 0));
	assert_string_equal(enter(&house, PROGRAM, &another, 503), "max_processes");
	admission_end_program(&program);
	admission_end_program(&program);
	admission_end_program(&service);
	expect_places(&house, 2, 0, 1);
	assert_null(enter(&house, PROGRAM, &another, 0));
	admission_leave(&another);
	admission_leave(&program);
	admission_leave(&service);
	expect_places(&house, 0, 0, 0);
	limits_done(&house.limits);
}

/* Under websocketd's name --maxforks is 429, and nothing else is. */
static void test_websocketd(void **state)
{
	struct house house;
	struct admission in, out;
	(void)state;
	house_init(&house);

	house.config.manners = &manners_websocketd;
	house.config.gateway.max_processes = 1;
	assert_null(enter(&house, PROGRAM, &in, 0));
	assert_string_equal(enter(&house, PROGRAM, &out, 429), "max_processes");
	house.routes[PROGRAM].max_sessions = 1;
	assert_string_equal(enter(&house, PROGRAM, &out, 503), "max_sessions of the route");
	admission_leave(&in);
	limits_done(&house.limits);
}

/* What an errno of a backend is for a client: of a service, of a program. */
static void test_no_backend(void **state)
{
	static const struct {
		int error, status;
		uint16_t of_service, of_program;
		const char *words; /* of a service; NULL: the system's */
	} cases[] = {
		{ ECONNREFUSED, 502, 1014, 1011, NULL },
		{ ECONNRESET, 502, 1014, 1011, NULL },
		{ EHOSTUNREACH, 502, 1014, 1011, NULL },
		{ EPROTO, 502, 1014, 1011, "TLS with what this route leads to failed; the log" },
		{ DIAL_UNKNOWN_NAME, 502, 1014, 1011,
			"The name of what this route leads to could not be found" },
		{ ETIMEDOUT, 504, 1014, 1011, NULL },
		{ ENOENT, 502, 1014, 1011, NULL },
		{ EACCES, 502, 1014, 1011, NULL },
		{ ENOEXEC, 502, 1014, 1011, NULL },
		{ E2BIG, 502, 1014, 1011, NULL },
		{ EAGAIN, 503, 1013, 1013, NULL },
		{ EMFILE, 503, 1013, 1013, NULL },
		{ ENFILE, 503, 1013, 1013, NULL },
		{ ENOMEM, 503, 1013, 1013, NULL },
		{ ENOBUFS, 503, 1013, 1013, NULL },
		{ ETOOMANYREFS, 503, 1013, 1013, NULL },
		{ EADDRNOTAVAIL, 503, 1013, 1013, NULL },
	};
	struct house house;
	struct refusal refusal;
	(void)state;
	house_init(&house);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int route = 0; route < ROUTES; route++) {
			admission_no_backend(&refusal, &house.routes[route], cases[i].error, "the story");
			assert_int_equal(refusal.status, cases[i].status);
			assert_int_equal(
				refusal.code, route == SERVICE ? cases[i].of_service : cases[i].of_program);
			assert_int_equal(refusal.later, cases[i].status == 503);
			assert_string_equal(refusal.reason, "the story");
			const char *words = route == SERVICE && cases[i].words != NULL
						    ? cases[i].words
						    : strerror(cases[i].error);
			assert_non_null(strstr(refusal.sentence, words));
			assert_true(strlen(refusal.sentence) < 123);
		}
		admission_no_program(&refusal, cases[i].error, "the story");
		assert_int_equal(refusal.status, cases[i].status);
		assert_non_null(strstr(refusal.sentence, "The program of this route could not be started"));
	}
	limits_done(&house.limits);
}

/* Targets that can't be read: what is wrong with them is for the log. */
static void test_no_targets(void **state)
{
	struct house house;
	struct refusal refusal;
	(void)state;
	house_init(&house);

	admission_no_targets(&refusal, &house.routes[SERVICE], ENOENT);
	assert_int_equal(refusal.status, 502);
	assert_int_equal(refusal.code, 1014);
	assert_string_equal(refusal.reason, "targets can't be read");
	assert_string_equal(refusal.sentence,
		"The targets of this route can't be read; the log of the gateway says why.");
	admission_no_targets(&refusal, &house.routes[SERVICE], EMFILE);
	assert_int_equal(refusal.status, 503);
	assert_true(refusal.later);
	limits_done(&house.limits);
}

/* What we are short of, and a head that is too much for a program. */
static void test_no_resources(void **state)
{
	struct refusal refusal;
	(void)state;

	admission_no_resources(&refusal, ENOMEM);
	assert_int_equal(refusal.status, 503);
	assert_int_equal(refusal.code, 1013);
	assert_true(refusal.later);
	assert_string_equal(refusal.reason, strerror(ENOMEM));
	admission_no_resources(&refusal, E2BIG);
	assert_int_equal(refusal.status, 431);
	assert_int_equal(refusal.code, 1009);
	assert_false(refusal.later);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_visitor),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_websocketd),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_no_backend),
		cmocka_unit_test(test_no_targets),
		cmocka_unit_test(test_no_resources),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
