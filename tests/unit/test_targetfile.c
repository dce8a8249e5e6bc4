/*
 * test_targetfile: lines of targets as websockify writes them and as we do, from a buffer that ends at a
 * guard page, and what is none.
 */
#include "conf/targetfile.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Reads a line that ends where the memory does. Its token and URI, or what is wrong, must be these. */
static void expect(const char *line, size_t len, const char *token, const char *uri, const char *wrong)
{
	struct guard guard = guard_new(len + 1);
	const char *text = (const char *)guard_put(&guard, line, len);
	struct targetfile_line out;
	const char *got = targetfile_read(&out, (struct text){ text, len });

	if (wrong != NULL) {
		assert_non_null(got);
		assert_non_null(strstr(got, wrong));
		assert_int_equal(out.token.len, 0);
	} else {
		assert_null(got);
		assert_true(text_is(out.token, token));
		if (token[0] != '\0') {
			assert_string_equal(out.uri, uri);
			assert_ptr_equal(out.upstream.uri, out.uri);
		}
	}
	guard_free(&guard);
}

#define GOOD(line, token, uri) expect(line, sizeof(line) - 1, token, uri, NULL)
#define NOTHING(line)	       expect(line, sizeof(line) - 1, "", NULL, NULL)
#define BAD(line, wrong)       expect(line, sizeof(line) - 1, NULL, NULL, wrong)

static void test_good(void **state)
{
	(void)state;
	GOOD("a: tcp://h:1", "a", "tcp://h:1");
	GOOD("a: tls://h.example:65535", "a", "tls://h.example:65535");
	GOOD("a: unix:/run/x", "a", "unix:/run/x");
	GOOD("a: unix:/run/x y: z", "a", "unix:/run/x y: z");
	GOOD("a: unix:x://y", "a", "unix:x://y");
	GOOD("a: [::1]:5", "a", "tcp://[::1]:5");
	GOOD("a: tls://[fe80::1%eth0]:5", "a", "tls://[fe80::1%eth0]:5");
	GOOD("a: 10.0.0.1:5900", "a", "tcp://10.0.0.1:5900");
	/* As websockify has it. */
	GOOD("  a:\t \th:1  \t", "a", "tcp://h:1");
	GOOD("a: unix_socket:/run/x", "a", "unix:/run/x");
	GOOD("a: ::1:5900", "a", "tcp://[::1]:5900");
	GOOD("a: 2001:db8::1:5900", "a", "tcp://[2001:db8::1]:5900");
	GOOD("a: :5900", "a", "tcp://localhost:5900");
	GOOD("a b:c:d#: h:1", "a b:c:d#", "tcp://h:1");
	GOOD("a : h:1", "a", "tcp://h:1");
	GOOD("\xc3\xa4: h:1", "\xc3\xa4", "tcp://h:1");
}

static void test_nothing(void **state)
{
	(void)state;
	NOTHING("");
	NOTHING(" \t ");
	NOTHING("#");
	NOTHING("  # a: tcp://h:1");
	NOTHING("#\x01");
}

static void test_bad(void **state)
{
	(void)state;
	BAD("a", "has no target");
	BAD("a:", "has no target");
	BAD("a: ", "has no target");
	BAD("a:h:1", "has no target");
	BAD("tcp://h:1", "has no target");
	BAD(": h:1", "has no token");
	BAD(" \t: h:1", "has no token");
	BAD("a: h", "port");
	BAD("a: h:", "port");
	BAD("a: h:0", "port from 1");
	BAD("a: h:65536", "port");
	BAD("a: h:vnc", "port");
	BAD("a: h: 5", "port");
	BAD("a: b: h:1", "IPv6");
	BAD("a: *:5", "must be");
	BAD("a: *", "port");
	BAD("a: http://h:1", "must be");
	BAD("a: systemd:x", "must be");
	BAD("a: tcp://unix:/x", "must be");
	BAD("a: unix:", "is empty");
	BAD("a: unix_socket:", "is empty");
	BAD("a: [::1", "IPv6");
	BAD("a\1: h:1", "control");
	BAD("a: h:1\x7f", "control");
	BAD("a\0: h:1", "control");
	BAD("a: h:1\rb: h:2", "control");
}

/* Room for the longest path and host, and a byte more. */
static void test_long(void **state)
{
	char line[TARGETFILE_URI + 600];

	(void)state;
	for (size_t len = 106; len <= 108; len++) {
		size_t n = (size_t)sprintf(line, "a: unix:/%0*d", (int)len - 1, 0);
		expect(line, n, "a", line + 3, len <= 107 ? NULL : "path");
	}
	for (size_t len = 252; len <= 254; len++) {
		char host[300], uri[400];
		memset(host, 'h', len);
		host[len] = '\0';
		sprintf(uri, "tls://%s:65535", host);
		size_t n = (size_t)sprintf(line, "a: %s", uri);
		expect(line, n, "a", uri, len <= 253 ? NULL : "host");
	}
	for (size_t len = TARGETFILE_URI - 1; len <= TARGETFILE_URI + 1; len++) {
		size_t n = (size_t)sprintf(line, "a: unix:%0*d", (int)(len - 5), 0);
		expect(line, n, NULL, NULL, len < TARGETFILE_URI ? "path" : "too long");
	}
}

/* Cuts a text into lines, and fails unless they are these. */
static void expect_lines(const char *text, size_t len, const char *const *want)
{
	struct guard guard = guard_new(len + 1);
	struct text rest = { (const char *)guard_put(&guard, text, len), len }, line;

	for (size_t i = 0; want[i] != NULL; i++) {
		assert_true(targetfile_next(&rest, &line));
		assert_true(text_is(line, want[i]));
	}
	assert_false(targetfile_next(&rest, &line));
	guard_free(&guard);
}

#define LINES(text, ...) expect_lines(text, sizeof(text) - 1, (const char *const[]){ __VA_ARGS__, NULL })

static void test_lines(void **state)
{
	(void)state;
	expect_lines("", 0, (const char *const[]){ NULL });
	LINES("\n", "");
	LINES("a", "a");
	LINES("a\n", "a");
	LINES("a\nb", "a", "b");
	LINES("a\r\n\r\nb\r", "a", "", "b");
	LINES("\r", "");
	LINES("a\rb\n", "a\rb");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
