/*
 * Tests of host[:port].
 */
#include "base/authority.h"

#include "guard.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct authority_case {
	const char *in;
	const char *host, *port; /* host is NULL when it must be refused */
	bool alone;		 /* a host and nothing else */
};

static const struct authority_case cases[] = {
	{ "a", "a", "", true },
	{ "Ex-a_mple.org", "Ex-a_mple.org", "", true },
	{ "192.0.2.1", "192.0.2.1", "", true },
	{ "[::1]", "::1", "", true },
	{ "[2001:DB8::192.0.2.1]", "2001:DB8::192.0.2.1", "", true },
	{ "a.", "a.", "", true },
	{ "a:0", "a", "0", false },
	{ "a:65535", "a", "65535", false },
	{ "[::1]:80", "::1", "80", false },
	{ "a:", NULL, NULL, false },
	{ "[::1]:", NULL, NULL, false },
	{ "a:65536", NULL, NULL, false },
	{ "a:000080", NULL, NULL, false },
	{ "a:8x", NULL, NULL, false },
	{ "", NULL, NULL, false },
	{ ":80", NULL, NULL, false },
	{ ".a", NULL, NULL, false },
	{ "a..b", NULL, NULL, false },
	{ "a b", NULL, NULL, false },
	{ "*.a", NULL, NULL, false },
	{ "u@a", NULL, NULL, false },
	{ "[", NULL, NULL, false },
	{ "[]", NULL, NULL, false },
	{ "[::1", NULL, NULL, false },
	{ "[::g]", NULL, NULL, false },
	{ "[fe80::1%eth0]", NULL, NULL, false },
	{ "[::1]80", NULL, NULL, false },
	{ "::1", NULL, NULL, false },
};

static void test_cases(void **state)
{
	struct guard guard = guard_new(64);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct authority_case *c = &cases[i];
		size_t len = strlen(c->in);
		struct text in = { (const char *)guard_put(&guard, c->in, len), len };
		struct authority a;

		assert_int_equal(authority_parse(&a, in), c->host != NULL);
		assert_int_equal(authority_is_host(in), c->alone);
		if (c->host == NULL)
			continue;
		assert_true(text_is(a.host, c->host));
		assert_true(text_is(a.port, c->port));
	}
	guard_free(&guard);
}

/* Host names of 254 to 256 bytes. */
static void test_authority_limits(void **state)
{
	char name[AUTHORITY_HOST_MAX + 2];
	struct authority a;

	(void)state;
	memset(name, 'a', sizeof(name));
	for (size_t len = AUTHORITY_HOST_MAX - 1; len <= AUTHORITY_HOST_MAX + 1; len++)
		assert_int_equal(authority_parse(&a, (struct text){ name, len }), len <= AUTHORITY_HOST_MAX);
	assert_false(authority_parse(&a, text_of(NULL)));
	assert_false(authority_parse(&a, (struct text){ "[::1\0]", 6 }));
	assert_int_equal(authority_port(text_of("8080"), 80), 8080);
	assert_int_equal(authority_port(text_of(""), 80), 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_authority_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
