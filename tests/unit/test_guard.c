/*
 * Tests of who is kept from terminals: which addresses are a network's, which listeners ask, which routes
 * matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "names.h"
#include "run/guard.h"
#include "test_conf.h"

/* The one route of most tests. */
#define TERMINAL "[route /t]\nexec = true\nterminal = yes\n"

static const struct name hosts[] = { { .host = "inside", .addrs = "127.0.0.1 ::1" },
	{ .host = "outside", .addrs = "127.0.0.1 192.0.2.1" }, { .host = "nobody" }, { .host = NULL } };

/* What --check says of a configuration. */
static const char *tried(const char *text)
{
	static char said[4096];
	const struct config *config = conf_good(text);
	FILE *out = fmemopen(said, sizeof(said), "w");

	said[0] = '\0';
	int error = guard_try(config, out);
	fclose(out);
	assert_true((error != 0) == (said[0] != '\0'));
	config_unref(config);
	return said;
}

/* What a start logs, where the i-th listener is bound to the i-th of these addresses ("" is a unix socket).
 */
static const char *started_as(const struct config *config, const char *const *bound, size_t n, bool check)
{
	static char said[4096];
	struct entrance entrances[4] = { 0 };
	int fd = memfd_create("log", MFD_CLOEXEC), error = 0;
	struct log *log = log_new(fd, LOG_INFO, LOG_FORMAT_LOGFMT, 4096);

	for (size_t i = 0; i < n; i++) {
		entrances[i].listen = i;
		if (bound[i][0] == '\0')
			entrances[i].local.u.sa.sa_family = AF_UNIX;
		else
			assert_true(addr_set(&entrances[i].local, text_of(bound[i]), 8080));
	}
	if (check)
		error = guard_check(log, config, entrances, n);
	else
		guard_warn(log, config, entrances, n);
	log_free(log, 100);
	ssize_t len = pread(fd, said, sizeof(said) - 1, 0);
	assert_true(len >= 0);
	said[len] = '\0';
	close(fd);
	assert_true(!check || (error != 0) == (len > 0));
	return said;
}

static const char *started(const char *text, const char *bound, bool check)
{
	const struct config *config = conf_good(text);
	const char *said = started_as(config, &bound, 1, check);

	config_unref(config);
	return said;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;
	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

/* An ini file with one listener, at this address, and one terminal. */
static const char *at(const char *address)
{
	static char text[512];

	snprintf(text, sizeof(text), "[listen main]\naddress = %s\n" TERMINAL, address);
	return text;
}

static void test_written(void **state)
{
	static const char *const network[] = { "*:80", "0.0.0.0:80", "192.0.2.1:80", "[::]:80",
		"[2001:db8::1]:80", "[fe80::1]:80", "[::ffff:192.0.2.1]:80", "128.0.0.1:80",
		"126.255.255.255:80", "outside:80" };
	static const char *const local[] = { "127.0.0.1:80", "127.0.0.0:80", "127.255.255.255:80", "[::1]:80",
		"[::ffff:127.1.2.3]:80", "localhost:80", "LocalHost:80", "unix:/tmp/x", "inside:80",
		/* Not known before the start. */
		"systemd:web", "nobody:80" };
	(void)state;

	names_use(hosts);
	for (size_t i = 0; i < sizeof(network) / sizeof(network[0]); i++)
		assert_int_equal(lines(tried(at(network[i]))), 1);
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		assert_string_equal(tried(at(local[i])), "");
	assert_string_equal(tried(at("127.0.0.1:80\naddress = *:81")),
		"[route /t] terminal: *:81: a terminal would be open to everybody who reaches this address: "
		"listen on a loopback address or a unix socket, have the listener require certificates "
		"(tls_client_ca), or say with auth = none in the route that it is meant ([listen main])\n");
}

static void test_bound(void **state)
{
	static const char *const network[] = { "0.0.0.0", "192.0.2.1", "::", "2001:db8::1", "128.0.0.1",
		"126.255.255.255" };
	static const char *const local[] = { "127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "" };
	(void)state;

	for (size_t i = 0; i < sizeof(network) / sizeof(network[0]); i++)
		assert_int_equal(lines(started(at("systemd:x"), network[i], true)), 1);
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		assert_string_equal(started(at("systemd:x"), local[i], true), "");
	const char *said = started(at("systemd:x"), "192.0.2.1", true);
	assert_non_null(strstr(said, "level=error"));
	assert_non_null(strstr(said, "auth = none"));
	assert_non_null(strstr(said, "route=/t listen=main address=192.0.2.1:8080"));
	/* What counts is where it is, not what was written. */
	assert_string_equal(started(at("*:80"), "127.0.0.1", true), "");
}

/* Which listeners ask who somebody is. */
static void test_asks(void **state)
{
	static const char tls[] = "tls_certificate = /dev/null\ntls_key = /dev/null\n";
	static const struct {
		const char *keys;
		bool open;
	} rows[] = { { "", true }, { "tls_client_ca = /dev/null\n", false },
		{ "tls_client_ca = /dev/null\ntls_client = require\n", false },
		{ "tls_client_ca = /dev/null\ntls_client = accept\n", true },
		{ "trusted_proxies = 192.0.2.7\n", true }, { "redirect_to = https://*\n", false } };
	char text[512];
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "[listen main]\naddress = *:80\n%s%s" TERMINAL, tls,
			rows[i].keys);
		assert_int_equal(lines(tried(text)), rows[i].open);
		assert_int_equal(lines(started(text, "0.0.0.0", true)), rows[i].open);
	}
}

/* Which routes matter. */
static void test_routes(void **state)
{
	static const char two[] = "[listen in]\naddress = 127.0.0.1:80\n[listen out]\naddress = *:81\n";
	static const struct {
		const char *route;
		unsigned n, warned;
	} rows[] = { { TERMINAL, 1, 1 }, { TERMINAL "listen = in\n", 0, 0 },
		{ TERMINAL "listen = out\n", 1, 1 }, { TERMINAL "listen = in out\n", 1, 1 },
		{ TERMINAL "auth = none\n", 0, 0 }, { TERMINAL "write = no\n", 1, 1 },
		{ "[route /t/*]\ndir = /bin\nterminal = yes\n", 1, 1 },
		{ TERMINAL "[route /u]\nexec = true\nterminal = yes\n", 2, 1 },
		{ TERMINAL "auth = none\n[route /u]\nexec = true\n", 0, 1 },
		{ "[defaults]\nauth = none\n" TERMINAL "[route /u]\nexec = true\n", 0, 0 },
		{ "[route /t]\nexec = true\nunbuffer = yes\n", 0, 1 }, { "[route /t/*]\ncgi = /bin\n", 0, 1 },
		{ "[route /t/*]\ndir = /bin\n[route /u]\nexec = true\n", 0, 1 },
		{ "[route /t]\nexec = true\nlisten = in\n", 0, 0 },
		{ "[route /t]\nconnect = tcp://h:1\n[route /u]\nconsole = yes\n", 0, 0 } };
	static const char *const bound[] = { "127.0.0.1", "0.0.0.0" };
	char text[512];
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", two, rows[i].route);
		assert_int_equal(lines(tried(text)), rows[i].n);
		const struct config *config = conf_good(text);
		assert_int_equal(lines(started_as(config, bound, 2, true)), rows[i].n);
		assert_int_equal(lines(started_as(config, bound, 2, false)), rows[i].warned);
		config_unref(config);
	}
	const char *said =
		started("[listen main]\naddress = *:80\n[route /u]\nexec = true\n", "0.0.0.0", false);
	assert_non_null(strstr(said, "level=warning"));
	assert_non_null(strstr(said, "route=/u listen=main address=0.0.0.0:8080"));
}

/* A terminal that two listeners let a network to is said twice, since both may have to change. */
static void test_listeners(void **state)
{
	(void)state;
	assert_int_equal(
		lines(tried("[listen a]\naddress = *:80\naddress = *:81\n"
			    "[listen b]\naddress = 127.0.0.1:82\n[listen c]\naddress = *:83\n" TERMINAL)),
		2);
}

/* Under another name a terminal is refused alike, but programs are not warned of. */
static void test_names(void **state)
{
	const struct config *config = conf_good(at("*:80"));
	struct config other = *config;
	const char *bound = "0.0.0.0";
	(void)state;

	other.manners = &manners_websocketd;
	other.command_line = true;
	assert_non_null(strstr(started_as(&other, &bound, 1, true), "--set auth=none"));
	assert_string_equal(started_as(&other, &bound, 1, false), "");
	other.manners = &manners_own;
	assert_non_null(strstr(started_as(&other, &bound, 1, false), "--set auth=none"));
	/* Without TLS nobody shows a certificate. */
	struct listen_conf listen = config->listens[0];
	listen.tls_client_ca = listen.name;
	other.listens = &listen;
	assert_string_equal(started_as(&other, &bound, 1, true), "");
	listen.tls_optional = true;
	assert_int_equal(lines(started_as(&other, &bound, 1, true)), 1);
	config_unref(config);
}

/* A page of anybody's in a browser on this host is let in by what origins says, and by that alone. */
static void test_pages(void **state)
{
	static const struct {
		const char *origins;
		bool refused;
	} rows[] = { { "", false }, { "origins = same\n", false }, { "origins = a.example\n", false },
		{ "origins = any\n", true }, { "origins = *\n", true }, { "origins = null\n", true },
		{ "origins = a.example Any\n", true }, { "origins = *.example\n", false },
		{ "origins = any\nauth = none\n", false } };
	char text[512];
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), TERMINAL "%s[route /u]\nexec = true\norigins = any\n",
			rows[i].origins);
		assert_int_equal(lines(started(text, "127.0.0.1", true)), rows[i].refused);
		assert_int_equal(lines(tried(text)), rows[i].refused);
		assert_string_equal(started(text, "127.0.0.1", false), "");
	}
	const struct config *config = conf_good(TERMINAL "origins = any\n");
	struct config other = *config;
	const char *bound = "127.0.0.1";
	other.manners = &manners_websocketd;
	other.command_line = true;
	assert_non_null(strstr(started_as(&other, &bound, 1, true), "--set auth=none"));
	assert_non_null(strstr(started_as(&other, &bound, 1, true), "route=/t origins=any"));
	/* Who has shown a certificate is somebody. */
	struct listen_conf listen = config->listens[0];
	listen.tls_client_ca = listen.name;
	other.listens = &listen;
	assert_string_equal(started_as(&other, &bound, 1, true), "");
	listen.tls_client = TLS_CLIENT_ACCEPT;
	assert_int_equal(lines(started_as(&other, &bound, 1, true)), 1);
	other.same_origin = true;
	assert_string_equal(started_as(&other, &bound, 1, true), "");
	config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_written), cmocka_unit_test(test_bound),
		cmocka_unit_test(test_asks), cmocka_unit_test(test_routes), cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_names), cmocka_unit_test(test_pages) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
