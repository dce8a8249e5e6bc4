/*
 * Who the client is behind proxies: the examples of RFC 7239, what nginx, HAProxy and others write, and what
 * clients write into these headers who want to be somebody else. Heads end at the end of a readable page.
 */
#include "heads.h"
#include "http/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define F(value) "Forwarded: " value "\r\n"
#define X(value) "X-Forwarded-For: " value "\r\n"
#define P(value) "X-Forwarded-Proto: " value "\r\n"
#define NOBODY	 "10.0.0.1:1000 unsaid"

static struct guard guard;
static struct cidr trusted[4];
static struct addr peer;

static int setup(void **state)
{
	static const char *const blocks[] = { "10.0.0.0/8", "2001:db8:ffff::/48", "unix", "192.0.2.200" };

	(void)state;
	guard = guard_new(HEADS_ROOM);
	for (size_t i = 0; i < 4; i++)
		assert_true(cidr_parse(&trusted[i], text_of(blocks[i])));
	assert_true(addr_set(&peer, text_of("10.0.0.1"), 1000));
	return 0;
}

static bool told, doubted;

/* What is found, in words. */
static char *found(const char *lines)
{
	static const char *const schemes[] = { "unsaid", "plain", "secure" };
	static char words[ADDR_TEXT + 16];
	struct http_request request;
	struct forwarded out;
	char text[ADDR_TEXT];

	heads_parse(&guard, &request, lines);
	memset(&out, 0x5a, sizeof(out));
	doubted = !forwarded_find(&out, &request, &peer, trusted, 4);
	told = out.told;
	snprintf(words, sizeof(words), "%s %s", addr_format(&out.addr, text), schemes[out.scheme]);
	return words;
}

static const struct vector {
	const char *lines, *want;
} vectors[] = {
	{ "", NOBODY },
	/* RFC 7239 4 and 7: for these, obfuscated is all that is known */
	{ F("for=\"_gazonk\""), NOBODY },
	{ F("For=\"[2001:db8:cafe::17]:4711\""), "[2001:db8:cafe::17]:4711 unsaid" },
	{ F("for=192.0.2.60;proto=http;by=203.0.113.43"), "192.0.2.60 plain" },
	{ F("for=192.0.2.43, for=198.51.100.17"), "198.51.100.17 unsaid" },
	{ F("for=192.0.2.43,for=\"[2001:db8:ffff::17]\",for=unknown"), NOBODY },
	{ F("for=192.0.2.43, for=\"[2001:db8:ffff::17]\""), "192.0.2.43 unsaid" },
	{ F("for=_hidden, for=_SEVKISEK"), NOBODY },
	{ F("for=\"_hidden:_a-b.c\""), NOBODY },
	{ F("for=192.0.2.43") F("for=10.0.0.2, for=\"10.0.0.3:_x\""), "192.0.2.43 unsaid" },
	/* names and values */
	{ F("FOR=192.0.2.1;PROTO=HTTPS"), "192.0.2.1 secure" },
	{ F("for=192.0.2.1;proto=wss"), "192.0.2.1 secure" },
	{ F("for=192.0.2.1;proto=ws"), "192.0.2.1 plain" },
	{ F("for=192.0.2.1;proto=\"ht\\tps\""), "192.0.2.1 secure" },
	{ F("for=192.0.2.1;proto=ftp"), NOBODY },
	{ F("for=192.0.2.1;proto=\"\""), NOBODY },
	{ F("for=\"192.0.2.1\""), "192.0.2.1 unsaid" },
	{ F("for=\"192.0.2.1:80\""), "192.0.2.1:80 unsaid" },
	{ F("for=\"192.0.2.1:0\""), "192.0.2.1 unsaid" },
	{ F("for=\"192.0.2.1:65535\""), "192.0.2.1:65535 unsaid" },
	{ F("for=\"192.0.2.1:65536\""), NOBODY },
	{ F("for=\"192.0.2.1:000080\""), NOBODY },
	{ F("for=\"192.0.2.1:\""), NOBODY },
	{ F("for=\"192.0.2.1:_\""), NOBODY },
	{ F("for=\"192.0.2.1:_a\""), "192.0.2.1 unsaid" },
	{ F("for=\"192.0.2.1:_a:\""), NOBODY },
	{ F("for=192.0.2.1:80"), NOBODY }, /* a colon is no part of a token */
	{ F("for=\"192.0.2.01\""), NOBODY },
	{ F("for=\"192.0.2\""), NOBODY },
	{ F("for=localhost"), NOBODY },
	{ F("for=\"[192.0.2.1]\""), NOBODY },
	{ F("for=\"2001:db8::1\""), NOBODY }, /* no brackets */
	{ F("for=\"[2001:db8::1\""), NOBODY },
	{ F("for=\"[2001:db8::1]80\""), NOBODY },
	{ F("for=\"[fe80::1%eth0]\""), NOBODY },
	{ F("for=\"[::ffff:192.0.2.1]:7\""), "192.0.2.1:7 unsaid" },
	{ F("for=\"[::ffff:10.0.0.2]\", for=10.0.0.3"), "10.0.0.2 unsaid" },
	{ F("for=\"[unknown]\""), NOBODY },
	{ F("for=\"\""), NOBODY },
	{ F("for=\"_\""), NOBODY },
	{ F("for=\"_a b\""), NOBODY },
	/* the same, when something known is on the right of it: it ends what is known, or nothing is */
	{ F("for=192.0.2.9, for=unknown;proto=https, for=\"10.0.0.2:22\""), "10.0.0.2:22 secure" },
	{ F("for=192.0.2.9, for=UNKNOWN, for=10.0.0.2"), "10.0.0.2 unsaid" },
	{ F("for=192.0.2.9, for=\"unknown:80\", for=10.0.0.2"), "10.0.0.2 unsaid" },
	{ F("for=192.0.2.9, for=_x;proto=http, for=10.0.0.2"), "10.0.0.2 plain" },
	{ F("for=192.0.2.9, proto=https, for=10.0.0.2"), "10.0.0.2 secure" }, /* an element without for */
	{ F("for=192.0.2.9, for=\"_a b\", for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, for=\"_!\", for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, for, for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, =a, for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, by=\"a, for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, for=\"192.0.2.1:x\", for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, for=\"192.0.2.1:65536\", for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, for=\"[2001:db8::1\", for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, for=\"[unknown]\", for=10.0.0.2"), NOBODY },
	{ F("for=192.0.2.9, for=unknown:, for=10.0.0.2"), NOBODY },
	/* grammar */
	{ F("for=192.0.2.1;"), "192.0.2.1 unsaid" },
	{ F(";;for=192.0.2.1;;proto=https;"), "192.0.2.1 secure" },
	{ F("for=192.0.2.1 ;\tproto=https"), "192.0.2.1 secure" },
	{ F("for=192.0.2.1 proto=https"), NOBODY },
	{ F("for =192.0.2.1"), NOBODY },
	{ F("for= 192.0.2.1"), NOBODY },
	{ F("for="), NOBODY },
	{ F("for"), NOBODY },
	{ F("=192.0.2.1"), NOBODY },
	{ F("192.0.2.1"), NOBODY },
	{ F("for=\"192.0.2.1"), NOBODY },
	{ F("for=192.0.2.1\""), NOBODY },
	{ F("for=\"192.0.2.1\"x"), NOBODY },
	{ F("for=\"192.0.2.1\\\""), NOBODY },
	{ F("for=\"192.0.2.1\\"), NOBODY },
	{ F("for=192.0.2.1;for=192.0.2.1"), NOBODY },
	{ F("for=192.0.2.1;For=192.0.2.1"), NOBODY },
	{ F("for=192.0.2.1;proto=http;proto=http"), NOBODY },
	{ F("for=192.0.2.1;by=_a;by=_a"), NOBODY },
	{ F("for=192.0.2.1;host=a;host=a"), NOBODY },
	{ F("for=192.0.2.1;secret=egah2CGj55fSJFs4;x=1;x=2"), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1;host=\"a,b;for=192.0.2.2\""), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1;host=\"\\\",for=192.0.2.2\""), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1;host=\"\\\\\",for=192.0.2.2"), "192.0.2.2 unsaid" },
	{ F("for=192.0.2.1;host=\"a,\\\"b\""), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1;host=\"a,\\\\\\\"b\""), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.2,host=\"\\\\\";for=192.0.2.1"), "192.0.2.1 unsaid" },
	{ F(", for=192.0.2.1, , ,"), "192.0.2.1 unsaid" },
	{ F(""), NOBODY },
	{ F(", ,"), NOBODY },
	{ F(";"), NOBODY },
	/* what is left of the client is not looked at, whatever it does to quotes */
	{ F("for=\"x, for=192.0.2.1"), "192.0.2.1 unsaid" },
	{ F("\\\", for=\"192.0.2.1\""), "192.0.2.1 unsaid" },
	{ F("for=\"a\\, for=\"[2001:db8::1]\";host=\"h\""), "2001:db8::1 unsaid" },
	{ F("for=\"x") F("for=192.0.2.1"), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1, for=10.0.0.2, for=\"x"), NOBODY },
	/* the rightmost that is not trusted; the leftmost when all are */
	{ F("for=192.0.2.1, for=10.0.0.2, for=10.0.0.3"), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1, for=192.0.2.2, for=10.0.0.3"), "192.0.2.2 unsaid" },
	{ F("for=192.0.2.1, for=192.0.2.200, for=10.0.0.3"), "192.0.2.1 unsaid" },
	{ F("for=\"10.0.0.4:4\", for=10.0.0.2, for=10.0.0.3"), "10.0.0.4:4 unsaid" },
	{ F("for=192.0.2.1;proto=https, for=10.0.0.2;proto=http"), "192.0.2.1 secure" },
	{ F("for=192.0.2.1, for=10.0.0.2;proto=https"), "192.0.2.1 unsaid" },
	/* X-Forwarded-For */
	{ X("192.0.2.1"), "192.0.2.1 unsaid" },
	{ X("192.0.2.1:80"), "192.0.2.1:80 unsaid" },
	{ X("192.0.2.1:"), NOBODY },
	{ X("2001:db8::1"), "2001:db8::1 unsaid" },
	{ X("[2001:db8::1]"), "2001:db8::1 unsaid" },
	{ X("[2001:db8::1]:8"), "[2001:db8::1]:8 unsaid" },
	{ X("2001:db8:1111:2222:3333:4444:5555:6666"), "2001:db8:1111:2222:3333:4444:5555:6666 unsaid" },
	{ X("\"192.0.2.1\""), NOBODY },
	{ X("192.0.2.1 192.0.2.2"), NOBODY },
	{ X("192.0.2.1;"), NOBODY },
	{ X("a.example"), NOBODY },
	{ X("unknown"), NOBODY },
	{ X("192.0.2.1, unknown, 10.0.0.2"), "10.0.0.2 unsaid" },
	{ X("192.0.2.1, unix:"), "192.0.2.1 unsaid" },
	{ X("unix:"), "unix: unsaid" },
	{ X("unix:/x"), NOBODY },
	{ X("1.2.3.4, 192.0.2.1"), "192.0.2.1 unsaid" },
	{ X("evil, 192.0.2.1"), "192.0.2.1 unsaid" },
	{ X("\", 192.0.2.1"), "192.0.2.1 unsaid" },
	{ X("192.0.2.1, evil"), NOBODY },
	{ X("192.0.2.1, evil, 10.0.0.2"), NOBODY },
	{ X(",,192.0.2.1,,10.0.0.2,,"), "192.0.2.1 unsaid" },
	{ X("1.2.3.4") X("192.0.2.1") "x-FORWARDED-for:10.0.0.2\r\n", "192.0.2.1 unsaid" },
	{ X("192.0.2.1") X(""), "192.0.2.1 unsaid" },
	{ X("10.0.0.2, 10.0.0.3"), "10.0.0.2 unsaid" },
	/* X-Forwarded-Proto: the only one, or the client's */
	{ P("https"), "10.0.0.1:1000 secure" },
	{ P("http"), "10.0.0.1:1000 plain" },
	{ P("http, https"), "10.0.0.1:1000 secure" },
	{ P("https, http"), "10.0.0.1:1000 plain" },
	{ P("HTTPS") X("192.0.2.1"), "192.0.2.1 secure" },
	{ P("wss") X("192.0.2.1"), "192.0.2.1 secure" },
	{ P("https") X("192.0.2.1, 10.0.0.2"), "192.0.2.1 secure" },
	{ P("https,http") X("192.0.2.1, 10.0.0.2"), "192.0.2.1 secure" },
	{ P("http,https") X("192.0.2.1, 10.0.0.2"), "192.0.2.1 plain" },
	{ P("https,http,http") X("192.0.2.1, 10.0.0.2"), "192.0.2.1 plain" },
	{ P("https,http") X("192.0.2.1, 10.0.0.2, 10.0.0.3"), "192.0.2.1 unsaid" },
	{ P("https,http") X("1.2.3.4, 192.0.2.1"), "192.0.2.1 plain" },
	{ P("https") P("http") X("192.0.2.1") X("10.0.0.2"), "192.0.2.1 secure" },
	{ P("https, ") X("192.0.2.1, 10.0.0.2"), "192.0.2.1 secure" },
	{ P("ftp, http") X("1.2.3.4, 192.0.2.1"), "192.0.2.1 plain" },
	{ P("\", http") X("1.2.3.4, 192.0.2.1"), "192.0.2.1 plain" },
	{ P("http, ftp") X("192.0.2.1"), "192.0.2.1 unsaid" },
	{ P("https, ftp") X("192.0.2.1, 10.0.0.2"), "192.0.2.1 unsaid" },
	{ P("ftp") X("192.0.2.1, 10.0.0.2"), "192.0.2.1 unsaid" },
	{ P("https") X("192.0.2.1, evil"), NOBODY },
	{ P("https") X("unknown"), "10.0.0.1:1000 secure" },
	/* both kinds */
	{ F("for=192.0.2.1") X("192.0.2.1"), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1;proto=https") X("192.0.2.1") P("https"), "192.0.2.1 secure" },
	{ F("for=192.0.2.1;proto=http") X("192.0.2.1") P("http"), "192.0.2.1 plain" },
	{ F("for=192.0.2.1;proto=https") X("192.0.2.1") P("http"), NOBODY },
	{ F("for=192.0.2.1;proto=http") X("192.0.2.1") P("https"), NOBODY },
	{ F("for=192.0.2.1") X("192.0.2.1") P("https"), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1;proto=https") X("192.0.2.1"), "192.0.2.1 unsaid" },
	{ F("for=\"192.0.2.1:7\"") X("192.0.2.1:7"), "192.0.2.1:7 unsaid" },
	{ F("for=\"192.0.2.1:7\"") X("192.0.2.1"), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1") X("192.0.2.1:7"), "192.0.2.1 unsaid" },
	{ F("for=\"192.0.2.1:7\"") X("192.0.2.1:8"), NOBODY },
	{ F("for=192.0.2.2;proto=https") X("192.0.2.1") P("https"), NOBODY },
	{ F("for=\"[::ffff:192.0.2.1]\"") X("192.0.2.1"), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1;proto=https") P("https"), NOBODY },
	{ F("proto=https") P("https"), "10.0.0.1:1000 secure" },
	{ F("proto=https") X("192.0.2.1") P("https"), NOBODY },
	{ F("broken") X("192.0.2.1"), NOBODY },
	{ F("for=192.0.2.1") X("broken"), NOBODY },
	{ F("for=192.0.2.1") P("broken"), NOBODY },
	{ F("") X("192.0.2.1"), "192.0.2.1 unsaid" },
	{ F("for=192.0.2.1;proto=https") X(", ") P(""), "192.0.2.1 secure" },
	/* others are none of our business */
	{ "X-Real-IP: 192.0.2.1\r\nX-Forwarded-Host: a\r\nX-Forwarded: for=192.0.2.1\r\nVia: 1.1 a\r\n",
		NOBODY },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const char *got = found(vectors[i].lines);

		if (strcmp(got, vectors[i].want) != 0)
			fail_msg("%s: %s, not %s", vectors[i].lines, got, vectors[i].want);
		if (strcmp(got, NOBODY) != 0)
			assert_true(told);
	}
}

/* Whether somebody was spoken for. */
static void test_told(void **state)
{
	static const char *const yes[] = { F("for=unknown"), F("by=_x"), X("unknown"), P("https"),
		F("for=_a") X("unknown") },
				 *const no[] = { "", F(""), F("for=\"x"), X("evil"), P("ftp"),
					 F("for=192.0.2.1") X("192.0.2.2"),
					 F("for=192.0.2.1;proto=https") P("http") };

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		found(yes[i]);
		assert_true(told && !doubted);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		assert_string_equal(found(no[i]), NOBODY);
		assert_false(told);
		assert_true(doubted == (i > 1));
	}
}

/* A peer that has no port, or is on a unix socket, stays what it is. */
static void test_peers(void **state)
{
	struct addr kept = peer;

	(void)state;
	peer = (struct addr){ .len = sizeof(sa_family_t), .u.sa.sa_family = AF_UNIX };
	assert_string_equal(found(F("for=unknown;proto=https")), "unix: secure");
	assert_string_equal(found(X("192.0.2.1, 10.0.0.1")), "192.0.2.1 unsaid");
	assert_true(addr_set(&peer, text_of("2001:db8:ffff::1"), 0));
	assert_string_equal(found(F("for=unknown")), "2001:db8:ffff::1 unsaid");
	/* one that is not trusted: nothing is looked at */
	assert_true(addr_set(&peer, text_of("192.0.2.9"), 9));
	assert_string_equal(found(F("for=192.0.2.1") X("192.0.2.1")), "192.0.2.9:9 unsaid");
	peer = kept;
}

/* A list of n hops whose leftmost is the client. */
static const char *list_of(char out[HEADS_ROOM], const char *name, const char *each, size_t n, bool lines)
{
	size_t len = (size_t)snprintf(out, HEADS_ROOM, "%s: %s192.0.2.1", name, each);

	for (size_t i = 1; i < n; i++)
		len += (size_t)snprintf(out + len, HEADS_ROOM - len, "%s%s%s%s10.0.0.2",
			lines ? "\r\n" : ", ", lines ? name : "", lines ? ": " : "", each);
	snprintf(out + len, HEADS_ROOM - len, "\r\n");
	return out;
}

static void test_hops(void **state)
{
	static const char *const names[] = { "Forwarded", "X-Forwarded-For" }, *const each[] = { "for=", "" };
	char lines[HEADS_ROOM];

	(void)state;
	for (int i = 0; i < 4; i++) {
		for (size_t n = 1; n <= FORWARDED_HOPS_MAX; n++)
			assert_string_equal(found(list_of(lines, names[i / 2], each[i / 2], n, i % 2)),
				"192.0.2.1 unsaid");
		assert_string_equal(
			found(list_of(lines, names[i / 2], each[i / 2], FORWARDED_HOPS_MAX + 1, i % 2)),
			NOBODY);
	}
}

/* A header with n bytes of which the first are a hop, and the rest what pads it. */
static const char *long_of(
	char out[HEADS_ROOM], const char *start, const char *end, size_t n, const char *fill)
{
	const char *value = strchr(start, ' ') + 1;
	size_t len = (size_t)sprintf(out, "%s", start);

	while (len - (size_t)(value - start) + strlen(end) < n)
		out[len++] = fill[0];
	sprintf(out + len, "%s\r\n", end);
	return out;
}

static void test_bytes(void **state)
{
	char lines[HEADS_ROOM], other[HEADS_ROOM];

	(void)state;
	for (int more = -1; more <= 1; more++) {
		const char *want = more <= 0 ? "192.0.2.1 unsaid" : NOBODY;
		size_t n = (size_t)(FORWARDED_MAX + more);

		assert_string_equal(
			found(long_of(lines, "X-Forwarded-For: 192.0.2.1", ",10.0.0.2", n, ",")), want);
		assert_string_equal(
			found(long_of(lines, "X-Forwarded-For: 192.0.2.1,", "10.0.0.2", n, " ")), want);
		assert_string_equal(
			found(long_of(lines, "Forwarded: for=192.0.2.1;host=", "", n, "a")), want);
		assert_string_equal(
			found(long_of(lines, "Forwarded: for=192.0.2.1;host=\"", "\"", n, ",")), want);
		/* the limit holds for all headers of the list together */
		long_of(lines, "Forwarded: for=192.0.2.1;host=", "", n / 2, "a");
		long_of(other, "Forwarded: for=10.0.0.2;host=", "", n - n / 2, "a");
		strcat(lines, other);
		assert_string_equal(found(lines), want);
		/* but only as far as it is read */
		long_of(lines, "X-Forwarded-For: 192.0.2.1,", ",192.0.2.1", n + 100, ",");
		assert_string_equal(found(lines), "192.0.2.1 unsaid");
		/* and of X-Forwarded-Proto alone it is the scheme that is not said */
		long_of(lines, "X-Forwarded-Proto: https", ",http", n, ",");
		strcat(lines, X("192.0.2.1, 10.0.0.2"));
		assert_string_equal(found(lines), more <= 0 ? "192.0.2.1 secure" : "192.0.2.1 unsaid");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_bytes),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
