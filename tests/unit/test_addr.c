/*
 * test_addr: names of places, good and bad, and socket addresses in words.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct addr v4(const char *host, uint16_t port)
{
	struct addr addr = { .len = sizeof(addr.u.in) };

	addr.u.in.sin_family = AF_INET;
	addr.u.in.sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, host, &addr.u.in.sin_addr), 1);
	return addr;
}

static struct addr v6(const char *host, uint16_t port)
{
	struct addr addr = { .len = sizeof(addr.u.in6) };

	addr.u.in6.sin6_family = AF_INET6;
	addr.u.in6.sin6_port = htons(port);
	assert_int_equal(inet_pton(AF_INET6, host, &addr.u.in6.sin6_addr), 1);
	return addr;
}

/* A unix address whose path has `len` bytes and no NUL of its own. */
static struct addr unix_path(const char *path, size_t len)
{
	struct addr addr = { .len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len) };

	addr.u.un.sun_family = AF_UNIX;
	memcpy(addr.u.un.sun_path, path, len);
	return addr;
}

static void check_name(
	const char *word, enum addr_kind kind, const char *host, uint16_t port, const char *path)
{
	struct addr_name name, again;
	char out[300];

	assert_int_equal(addr_parse(&name, word), ADDR_OK);
	assert_int_equal(name.kind, kind);
	assert_string_equal(name.host, host);
	assert_int_equal(name.port, port);
	assert_string_equal(name.path, path);
	assert_ptr_equal(addr_name_format(&name, out), out);
	assert_int_equal(addr_parse(&again, out), ADDR_OK);
	assert_memory_equal(&again, &name, sizeof(name));
}

static void test_parse(void **state)
{
	(void)state;
	check_name("127.0.0.1:8080", ADDR_TCP, "127.0.0.1", 8080, "");
	check_name("0.0.0.0:0", ADDR_TCP, "0.0.0.0", 0, "");
	check_name("*:65535", ADDR_TCP, "*", 65535, "");
	check_name("localhost:1", ADDR_TCP, "localhost", 1, "");
	check_name("a-b.Example_1.org.:80", ADDR_TCP, "a-b.Example_1.org.", 80, "");
	check_name("3com:80", ADDR_TCP, "3com", 80, "");
	check_name("[::]:80", ADDR_TCP, "::", 80, "");
	check_name("[2001:db8::1]:443", ADDR_TCP, "2001:db8::1", 443, "");
	check_name("[::ffff:192.0.2.1]:443", ADDR_TCP, "::ffff:192.0.2.1", 443, "");
	check_name("[fe80::1%eth0]:80", ADDR_TCP, "fe80::1%eth0", 80, "");
	check_name("unix:/run/x.sock", ADDR_UNIX, "", 0, "/run/x.sock");
	check_name("unix:relative:80", ADDR_UNIX, "", 0, "relative:80");
	check_name("systemd:web", ADDR_SYSTEMD, "web", 0, "");
	check_name("systemd: ~[a b]/*", ADDR_SYSTEMD, " ~[a b]/*", 0, "");
	check_name("systemd:wsluice.socket", ADDR_SYSTEMD, "wsluice.socket", 0, "");
}

static void test_parse_errors(void **state)
{
	static const struct {
		const char *word;
		int error;
	} vectors[] = {
		{ NULL, ADDR_EMPTY },
		{ "", ADDR_EMPTY },
		{ "unix:", ADDR_EMPTY },
		{ "localhost", ADDR_NO_PORT },
		{ "localhost:", ADDR_NO_PORT },
		{ "8080", ADDR_NO_PORT },
		{ "[::1]", ADDR_NO_PORT },
		{ "[::1]:", ADDR_NO_PORT },
		{ "localhost:65536", ADDR_BAD_PORT },
		{ "localhost:-1", ADDR_BAD_PORT },
		{ "localhost:+1", ADDR_BAD_PORT },
		{ "localhost:http", ADDR_BAD_PORT },
		{ "localhost: 80", ADDR_BAD_PORT },
		{ "localhost:80 ", ADDR_BAD_PORT },
		{ "[::1]80", ADDR_BAD_PORT },
		{ "[::1]:x", ADDR_BAD_PORT },
		{ ":80", ADDR_BAD_HOST },
		{ "**:80", ADDR_BAD_HOST },
		{ "*.org:80", ADDR_BAD_HOST },
		{ "a b:80", ADDR_BAD_HOST },
		{ "a/b:80", ADDR_BAD_HOST },
		{ "user@host:80", ADDR_BAD_HOST },
		{ "-a:80", ADDR_BAD_HOST },
		{ ".a:80", ADDR_BAD_HOST },
		{ "a..b:80", ADDR_BAD_HOST },
		{ "caf\xc3\xa9:80", ADDR_BAD_HOST },
		{ "\xc1:80", ADDR_BAD_HOST },
		{ "127.1:80", ADDR_BAD_HOST },
		{ "127.0.0.256:80", ADDR_BAD_HOST },
		{ "127.0.0.0.1:80", ADDR_BAD_HOST },
		{ "2130706433:80", ADDR_BAD_HOST },
		{ "0x7f.1:80", ADDR_BAD_HOST },
		{ "0177.0.0.1:80", ADDR_BAD_HOST },
		{ "::1", ADDR_BAD_V6 },
		{ "::1:80", ADDR_BAD_V6 },
		{ "2001:db8::1:80", ADDR_BAD_V6 },
		{ "http://x:80", ADDR_BAD_V6 },
		{ "[::1:80", ADDR_BAD_V6 },
		{ "[]:80", ADDR_BAD_V6 },
		{ "[::g]:80", ADDR_BAD_V6 },
		{ "[127.0.0.1]:80", ADDR_BAD_V6 },
		{ "[localhost]:80", ADDR_BAD_V6 },
		{ "[fe80::1%]:80", ADDR_BAD_V6 },
		{ "[fe80::1%a b]:80", ADDR_BAD_V6 },
		{ "[fe80::1%sixteenletterifs]:80", ADDR_BAD_V6 },
		{ "systemd:", ADDR_BAD_FDNAME },
		{ "systemd::", ADDR_BAD_FDNAME },
		{ "systemd:a:b", ADDR_BAD_FDNAME },
		{ "systemd:a\tb", ADDR_BAD_FDNAME },
		{ "systemd:a\x7f", ADDR_BAD_FDNAME },
		{ "systemd:caf\xc3\xa9", ADDR_BAD_FDNAME },
		{ "systemd", ADDR_NO_PORT },
	};
	static const struct addr_name empty;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct addr_name name;
		int error = addr_parse(&name, vectors[i].word);

		if (error != vectors[i].error)
			fail_msg("%s: %s", vectors[i].word, addr_error(error));
		assert_memory_equal(&name, &empty, sizeof(name));
		assert_true(strlen(addr_error(error)) > 0);
	}
	for (int error = ADDR_BAD_FDNAME; error < ADDR_OK; error++)
		assert_string_not_equal(addr_error(error), addr_error(error + 1));
}

/* A word with n letters in the middle. */
static char *word_of(char out[400], const char *head, size_t n, const char *tail)
{
	strcpy(out, head);
	memset(out + strlen(head), 'a', n);
	strcpy(out + strlen(head) + n, tail);
	return out;
}

static void test_parse_limits(void **state)
{
	struct addr_name name;
	char word[400], out[300];

	(void)state;
	assert_int_equal(addr_parse(&name, word_of(word, "", 252, ":1")), ADDR_OK);
	assert_int_equal(addr_parse(&name, word_of(word, "", 253, ":65535")), ADDR_OK);
	assert_string_equal(addr_name_format(&name, out), word);
	assert_int_equal(addr_parse(&name, word_of(word, "", 254, ":1")), ADDR_BAD_HOST);
	assert_int_equal(addr_parse(&name, word_of(word, "", 255, ":1")), ADDR_BAD_HOST);
	assert_int_equal(addr_parse(&name, word_of(word, "", 256, ":1")), ADDR_BAD_HOST);
	assert_int_equal(addr_parse(&name, word_of(word, "", 300, ":1")), ADDR_BAD_HOST);
	assert_int_equal(addr_parse(&name, word_of(word, "[", 300, "]:1")), ADDR_BAD_V6);
	assert_int_equal(addr_parse(&name, word_of(word, "unix:", 106, "")), ADDR_OK);
	assert_int_equal(addr_parse(&name, word_of(word, "unix:", 107, "")), ADDR_OK);
	assert_string_equal(addr_name_format(&name, out), word);
	assert_int_equal(addr_parse(&name, word_of(word, "unix:", 108, "")), ADDR_LONG_PATH);
	assert_int_equal(addr_parse(&name, word_of(word, "systemd:", 1, "")), ADDR_OK);
	assert_int_equal(addr_parse(&name, word_of(word, "systemd:", 254, "")), ADDR_OK);
	assert_int_equal(addr_parse(&name, word_of(word, "systemd:", 255, "")), ADDR_OK);
	assert_string_equal(addr_name_format(&name, out), word);
	assert_int_equal(addr_parse(&name, word_of(word, "systemd:", 256, "")), ADDR_BAD_FDNAME);
	assert_int_equal(addr_parse(&name, word_of(word, "[fe80::1%", 15, "]:1")), ADDR_OK);
	assert_int_equal(addr_parse(&name, word_of(word, "[fe80::1%", 16, "]:1")), ADDR_BAD_V6);
}

static void check_format(struct addr addr, const char *text, const char *host)
{
	char out[ADDR_TEXT];

	assert_string_equal(addr_format(&addr, out), text);
	assert_string_equal(addr_format_host(&addr, out), host);
}

static void test_format(void **state)
{
	char path[109], text[128];
	struct addr unknown = { .len = 0 };

	(void)state;
	check_format(v4("192.0.2.1", 80), "192.0.2.1:80", "192.0.2.1");
	check_format(v4("255.255.255.255", 65535), "255.255.255.255:65535", "255.255.255.255");
	check_format(v6("2001:db8::1", 80), "[2001:db8::1]:80", "2001:db8::1");
	check_format(v6("2001:db8:1111:2222:3333:4444:5555:6666", 65535),
		"[2001:db8:1111:2222:3333:4444:5555:6666]:65535", "2001:db8:1111:2222:3333:4444:5555:6666");
	check_format(v6("::ffff:192.0.2.1", 80), "192.0.2.1:80", "192.0.2.1");
	check_format(unix_path("/run/x.sock", 12), "unix:/run/x.sock", "unix");
	check_format(unix_path("/run/x.sock", 11), "unix:/run/x.sock", "unix");
	check_format(unix_path("", 0), "unix:", "unix");
	check_format(unix_path("\0name", 5), "unix:@name", "unix");
	memset(path, 'p', sizeof(path));
	snprintf(text, sizeof(text), "unix:%.108s", path);
	check_format(unix_path(path, 108), text, "unix"); /* the kernel allows 108 bytes and no NUL */
	check_format(unknown, "unknown", "unknown");
	check_format(v4("192.0.2.1", 0), "192.0.2.1", "192.0.2.1");
	check_format(v4("192.0.2.1", 1), "192.0.2.1:1", "192.0.2.1");
	check_format(v6("2001:db8::1", 0), "2001:db8::1", "2001:db8::1");
	check_format(v6("::ffff:192.0.2.1", 0), "192.0.2.1", "192.0.2.1");
}

static void test_set(void **state)
{
	static const char *const bad[] = { "", "192.0.2", "192.0.2.01", "192.0.2.1 ", "[2001:db8::1]",
		"fe80::1%lo", "2001:db8::1:", "localhost", "0000:0000:0000:0000:0000:0000:0000:0000:" };
	struct addr addr;

	(void)state;
	memset(&addr, 0x5a, sizeof(addr));
	assert_true(addr_set(&addr, text_of("192.0.2.1"), 80));
	assert_memory_equal(&addr, (struct addr[]){ v4("192.0.2.1", 80) }, sizeof(addr));
	memset(&addr, 0x5a, sizeof(addr));
	assert_true(addr_set(&addr, text_of("2001:db8::1"), 65535));
	assert_memory_equal(&addr, (struct addr[]){ v6("2001:db8::1", 65535) }, sizeof(addr));
	assert_true(addr_set(&addr, text_of("2001:db8:1111:2222:3333:4444:255.255.255.255"), 0));
	assert_int_equal(addr_port(&addr), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(addr_set(&addr, text_of(bad[i]), 80));
	assert_false(addr_set(&addr, (struct text){ "192.0.2.1\0", 10 }, 80));
}

static void test_port(void **state)
{
	struct addr addr = v4("192.0.2.1", 8080);

	(void)state;
	assert_int_equal(addr_port(&addr), 8080);
	addr = v6("::1", 443);
	assert_int_equal(addr_port(&addr), 443);
	addr = unix_path("/x", 3);
	assert_int_equal(addr_port(&addr), 0);
}

static bool is_loopback(struct addr addr)
{
	return addr_is_loopback(&addr);
}

static void test_loopback(void **state)
{
	(void)state;
	assert_true(is_loopback(v4("127.0.0.1", 1)));
	assert_true(is_loopback(v4("127.255.255.255", 1)));
	assert_false(is_loopback(v4("126.255.255.255", 1)));
	assert_false(is_loopback(v4("128.0.0.0", 1)));
	assert_false(is_loopback(v4("0.0.0.0", 1)));
	assert_true(is_loopback(v6("::1", 1)));
	assert_false(is_loopback(v6("::", 1)));
	assert_false(is_loopback(v6("::2", 1)));
	assert_true(is_loopback(v6("::ffff:127.0.0.1", 1)));
	assert_false(is_loopback(v6("::ffff:192.0.2.1", 1)));
	assert_false(is_loopback(unix_path("/x", 3)));
}

static uint64_t visitor(struct addr addr)
{
	return addr_visitor(&addr);
}

static void test_visitor(void **state)
{
	(void)state;
	assert_int_equal(visitor(unix_path("/x", 3)), 0);
	assert_true(visitor(v4("192.0.2.1", 1)) == visitor(v4("192.0.2.1", 2)));
	assert_true(visitor(v4("192.0.2.1", 1)) != visitor(v4("192.0.2.2", 1)));
	assert_true(visitor(v4("192.0.2.1", 1)) == visitor(v6("::ffff:192.0.2.1", 9)));
	assert_true(visitor(v6("2001:db8:0:1::1", 1)) == visitor(v6("2001:db8:0:1:ffff::2", 2)));
	assert_true(visitor(v6("2001:db8:0:1::1", 1)) != visitor(v6("2001:db8:0:2::1", 1)));
	assert_true(visitor(v6("::1", 1)) != 0);
	assert_true(visitor(v6("::1", 1)) != visitor(v4("127.0.0.1", 1)));
	assert_true(visitor(v4("0.0.0.0", 1)) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_errors),
		cmocka_unit_test(test_parse_limits),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_visitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
