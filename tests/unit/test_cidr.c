/*
 * Tests which blocks are taken, and which addresses are in them, at the first and last bit.
 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A socket address of these digits; "unix" is one of a unix socket. */
static struct addr address(const char *digits)
{
	struct addr addr = { .len = sizeof(addr.u.in6) };

	if (strcmp(digits, "unix") == 0) {
		addr.u.sa.sa_family = AF_UNIX;
	} else if (strchr(digits, ':') != NULL) {
		addr.u.in6.sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, digits, &addr.u.in6.sin6_addr), 1);
	} else {
		addr.u.in.sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, digits, &addr.u.in.sin_addr), 1);
	}
	return addr;
}

static bool has(const char *block, const char *digits)
{
	struct cidr cidr;
	struct addr addr = address(digits);

	assert_true(cidr_parse(&cidr, text_of(block)));
	return cidr_has(&cidr, 1, &addr);
}

static void test_blocks(void **state)
{
	static const struct {
		const char *block, *in, *out;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
		{ "192.0.2.0/24", "192.0.2.0", "192.0.1.255" },
		{ "192.0.2.128/25", "192.0.2.128", "192.0.2.127" },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.0" },
		{ "192.0.2.1/32", "192.0.2.1", "192.0.2.2" },
		{ "128.0.0.0/1", "255.0.0.1", "127.255.255.255" },
		{ "0.0.0.0/0", "203.0.113.9", "::1" },
		{ "::/0", "2001:db8::1", "192.0.2.1" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::" },
		{ "::1", "::1", "::2" },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", "::ffff:192.0.3.9" },
		{ "::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9" },
		{ "::ffff:0:0/96", "192.0.2.9", "2001:db8::1" },
		{ "unix", "unix", "127.0.0.1" },
		{ "127.0.0.0/8", "127.9.9.9", "unix" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(has(cases[i].block, cases[i].in));
		assert_false(has(cases[i].block, cases[i].out));
	}
}

static void test_any_of_several(void **state)
{
	struct cidr list[2];
	struct addr addr = address("192.0.2.1");

	(void)state;
	assert_true(cidr_parse(&list[0], text_of("10.0.0.0/8")));
	assert_true(cidr_parse(&list[1], text_of("192.0.2.1")));
	assert_false(cidr_has(list, 0, &addr));
	assert_false(cidr_has(list, 1, &addr));
	assert_true(cidr_has(list, 2, &addr));
}

static void test_mistakes(void **state)
{
	static const char *const cases[] = { "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/8/8", "10.0.0.1/8", "10.0.0", "10.0.0.0.0", "::/129", "2001:db8::1/64",
		"g::", "localhost", "unix/0", "Unix", "10.0.0.0/ 8", " 10.0.0.0", "[::1]", "::1%lo",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999",
		"0000000000000000000000000000000000000000000000000" };
	struct cidr cidr;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_false(cidr_parse(&cidr, text_of(cases[i])));
	assert_false(cidr_parse(&cidr, (struct text){ "10.0.0.0\0/8", 11 }));
}

/* What a block with bits too many may have meant; of other mistakes nobody knows. */
static void test_suggest(void **state)
{
	char out[CIDR_TEXT];
	(void)state;

	assert_true(cidr_suggest(text_of("10.255.255.255/9"), out));
	assert_string_equal(out, "10.128.0.0/9");
	assert_true(cidr_suggest(text_of("1.2.3.4/0"), out));
	assert_string_equal(out, "0.0.0.0/0");
	assert_true(cidr_suggest(text_of("2001:db8::1/127"), out));
	assert_string_equal(out, "2001:db8::/127");
	assert_false(cidr_suggest(text_of("10.0.0.0/8"), out));
	assert_false(cidr_suggest(text_of("10.0.0.1/33"), out));
	assert_false(cidr_suggest(text_of("unix"), out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_any_of_several),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_suggest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
