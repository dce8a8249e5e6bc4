/*
 * What is prepared for the programs of a route: limits, who they become, and that a route without programs
 * costs nothing.
 */
#include "spawn/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static char *no_environment[] = { NULL };
static const struct rlimit files = { .rlim_cur = 12, .rlim_max = 34 };

static struct route_conf a_route(void)
{
	return (struct route_conf){ .exec_path = (char *)"/bin/true",
		.umask = (mode_t)-1,
		.run_as_uid = (uid_t)-1,
		.run_as_gid = (gid_t)-1 };
}

static void prepare(struct plans *plans, struct route_conf *routes, size_t n, bool changes, const char *user)
{
	static struct config config;
	struct plan_sources from = { .config = &config, .environment = no_environment, .files = &files };
	const char *step;
	config = (struct config){ .routes = routes, .n_routes = n };
	config.gateway.user = (char *)user;
	config.gateway.uid = user ? 4240 : (uid_t)-1;
	config.gateway.gid = user ? 4241 : (gid_t)-1;
	from.changes = changes;
	assert_int_equal(plan_init_all(plans, &from, &step), 0);
	assert_int_equal(plans->n, n);
}

/* The limit of a resource, or NULL; none is there twice. */
static const struct child_limit *limit_of(const struct plan *plan, int resource)
{
	const struct child_limit *found = NULL;
	for (unsigned i = 0; i < plan->world.n_limits; i++) {
		if (plan->world.limits[i].resource != resource)
			continue;
		assert_null(found);
		found = &plan->world.limits[i];
	}
	return found;
}

static void check_limit(const struct plan *plan, int resource, rlim_t soft, rlim_t hard, const char *step)
{
	const struct child_limit *limit = limit_of(plan, resource);
	assert_non_null(limit);
	assert_int_equal(limit->limit.rlim_cur, soft);
	assert_int_equal(limit->limit.rlim_max, hard);
	assert_string_equal(limit->step, step);
}

static void test_no_limits(void **state)
{
	struct route_conf route = a_route();
	struct plans plans;
	(void)state;
	prepare(&plans, &route, 1, false, NULL);
	assert_int_equal(plans.items[0].world.n_limits, 1);
	check_limit(&plans.items[0], RLIMIT_NOFILE, 12, 34, "setrlimit");
	assert_null(plans.items[0].world.identity);
	plan_done_all(&plans);
}

static void test_limits(void **state)
{
	struct route_conf route = a_route();
	struct plans plans;
	(void)state;
	route.limit_cpu_ms = 1;
	route.limit_memory = (uint64_t)5 << 30;
	route.limit_files = 7;
	route.limit_processes = 9;
	prepare(&plans, &route, 1, false, NULL);
	assert_int_equal(plans.items[0].world.n_limits, CHILD_LIMITS);
	check_limit(&plans.items[0], RLIMIT_CPU, 1, 2, "limit_cpu");
	check_limit(&plans.items[0], RLIMIT_AS, (rlim_t)5 << 30, (rlim_t)5 << 30, "limit_memory");
	check_limit(&plans.items[0], RLIMIT_NOFILE, 7, 7, "limit_files");
	check_limit(&plans.items[0], RLIMIT_NPROC, 9, 9, "limit_processes");
	plan_done_all(&plans);
}

static void check_cpu(unsigned ms, rlim_t soft, rlim_t hard)
{
	struct route_conf route = a_route();
	struct plans plans;
	route.limit_cpu_ms = ms;
	prepare(&plans, &route, 1, false, NULL);
	check_limit(&plans.items[0], RLIMIT_CPU, soft, hard, "limit_cpu");
	plan_done_all(&plans);
}

/* Milliseconds become whole seconds, never fewer than were asked for, and never more than we have ourselves.
 */
static void test_limit_cpu(void **state)
{
	struct rlimit limit;
	(void)state;
	check_cpu(999, 1, 2);
	check_cpu(1000, 1, 2);
	check_cpu(1001, 2, 3);
	check_cpu(UINT32_MAX, 4294968, 4294969);
	assert_int_equal(getrlimit(RLIMIT_CPU, &limit), 0);
	limit.rlim_cur = limit.rlim_max = 1000;
	assert_int_equal(setrlimit(RLIMIT_CPU, &limit), 0); /* of this test, for good */
	check_cpu(998000, 998, 999);
	check_cpu(999000, 999, 1000);
	check_cpu(1000000, 1000, 1000);
	check_cpu(1000001, 1000, 1000);
}

static void test_identities(void **state)
{
	struct route_conf routes[] = { a_route(), a_route(), a_route(), a_route(), a_route() };
	struct plans plans;
	(void)state;
	for (size_t i = 1; i < 5; i++) {
		routes[i].run_as_uid = 4242;
		routes[i].run_as_gid = 4243;
		routes[i].run_as_user = (char *)"4242";
		routes[i].run_as = (char *)"4242:4243";
	}
	routes[2].exec_path = NULL; /* starts nothing */
	routes[4].run_as = (char *)"4242:4244";
	routes[4].run_as_gid = 4244;
	prepare(&plans, routes, 5, true, NULL);
	assert_null(plans.items[0].world.identity); /* is who the spawner is */
	assert_null(plans.items[2].world.identity);
	assert_null(plans.items[2].environment.strings);
	const struct identity *first = plans.items[1].world.identity, *other = plans.items[4].world.identity;
	assert_ptr_equal(plans.items[3].world.identity, first); /* looked up once */
	assert_ptr_not_equal(other, first);
	assert_int_equal(first->uid, 4242);
	assert_int_equal(first->gid, 4243);
	assert_int_equal(first->n_groups, 1);
	assert_int_equal(first->groups[0], 4243);
	assert_int_equal(other->gid, 4244);
	plan_done_all(&plans);

	/* A spawner that is nobody special changes nobody. */
	prepare(&plans, routes, 5, false, NULL);
	for (size_t i = 0; i < 5; i++)
		assert_null(plans.items[i].world.identity);
	plan_done_all(&plans);
}

static void test_directory_of_programs(void **state)
{
	struct route_conf routes[] = { a_route(), a_route() };
	(void)state;
	routes[0].exec_path = NULL;
	assert_false(plan_has_program(&routes[0]));
	routes[0].dir = (char *)"/usr/bin";
	assert_true(plan_has_program(&routes[0]));
	assert_true(plan_has_program(&routes[1]));
	routes[0].dir = NULL;
	routes[0].cgi_dir = (char *)"/usr/bin";
	assert_true(plan_has_program(&routes[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limits),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_directory_of_programs),
		cmocka_unit_test(test_limit_cpu),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
