/*
 * Tests the header of the PROXY protocol: the specification's examples whole, byte by byte and at the end of
 * what is readable; each length at n-1, n and n+1; what other programs send; what is broken.
 */
#include "net/proxyhdr.h"
#include "net/proxyhdr_internal.h"

#include "guard.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define LIT(s)	  (s), sizeof(s) - 1

static struct guard guard;

/* Decodes every beginning of it, each up to a guard page: the verdict stands once it is there, and before it
 * all that came belongs to the header. */
static int decode(struct proxyhdr *out, const void *data, size_t len)
{
	int n = 0;

	for (size_t have = 0; have <= len; have++) {
		int before = n;
		n = proxyhdr_decode(out, guard_put(&guard, data, have), have);
		if (before != 0)
			assert_int_equal(n, before);
		else if (n > 0)
			assert_int_equal(n, have);
		assert_true(n > 0 || !out->relayed);
	}
	return n;
}

static int decode_line(const char *line)
{
	struct proxyhdr header;
	return decode(&header, line, strlen(line));
}

static void check_pair(const struct proxyhdr *header, const char *from, const char *to)
{
	char text[ADDR_TEXT];

	assert_true(header->relayed);
	assert_string_equal(addr_format(&header->from, text), from);
	assert_string_equal(addr_format(&header->to, text), to);
}

/* The line of 2.1, with a request behind it that is not looked at; the longest ones. */
static void test_lines(void **state)
{
	static const char request[] = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n";
	static const char longest6[] = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
				       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
	static const char worst[] = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
				    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
	struct proxyhdr header;

	(void)state;
	assert_int_equal(decode(&header, LIT(request)), 47);
	check_pair(&header, "192.168.0.1:56324", "192.168.0.11:443");
	assert_int_equal(header.from.len, sizeof(struct sockaddr_in));
	assert_int_equal(
		decode(&header, LIT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n")), 56);
	check_pair(&header, "255.255.255.255:65535", "255.255.255.255:65535");
	assert_int_equal(decode(&header, LIT(longest6)), 104);
	assert_int_equal(decode(&header, LIT("PROXY TCP6 2001:DB8::1 ::1 0 1\r\n")), 32);
	check_pair(&header, "2001:db8::1", "[::1]:1");
	assert_int_equal(decode(&header, LIT("PROXY TCP6 ::ffff:192.0.2.1 ::1 5 6\r\n")), 37);
	check_pair(&header, "192.0.2.1:5", "[::1]:6");
	assert_int_equal(decode(&header, LIT("PROXY UNKNOWN\r\n")), 15);
	assert_false(header.relayed);
	assert_int_equal(decode(&header, LIT(worst)), PROXYHDR_V1_MAX);
	assert_false(header.relayed);
}

/* CRLF within the first 107 bytes, not behind them. */
static void test_line_length(void **state)
{
	char line[128];

	(void)state;
	for (int len = PROXYHDR_V1_MAX - 1; len <= PROXYHDR_V1_MAX + 1; len++) {
		snprintf(line, sizeof(line), "PROXY UNKNOWN %0*d\r\n", len - 16, 0);
		assert_int_equal(strlen(line), len);
		assert_int_equal(decode_line(line), len <= PROXYHDR_V1_MAX ? len : PROXYHDR_LONG);
	}
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY ", 6);
	line[PROXYHDR_V1_MAX - 1] = '\0';
	assert_int_equal(decode_line(line), 0);
	line[PROXYHDR_V1_MAX - 1] = 'x';
	line[PROXYHDR_V1_MAX] = '\0';
	assert_int_equal(decode_line(line), PROXYHDR_LONG);
}

static void test_broken_lines(void **state)
{
	static const struct {
		const char *line;
		int error;
	} cases[] = {
		{ "PROXY \r\n", PROXYHDR_BAD_LINE },
		{ "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1  2\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 \r\n", PROXYHDR_BAD_LINE },
		{ "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY UNKNOWNS\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX", PROXYHDR_BAD_LINE },
		{ "PROXY UNKNOWN \r \r\n", PROXYHDR_BAD_LINE },
		{ "PROXY UNKNOWN \n \r\n", PROXYHDR_BAD_LINE },
		{ "PROXY UNKNOWN \r\r\n", PROXYHDR_BAD_LINE },
		{ "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP4 1.2.3.4 0x5.6.7.8 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP4 ::1 ::2 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP6 1::2::3 ::2 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP6 1:2:3:4:5:6:7 ::2 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP6 [::1] ::2 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP4 example.org 5.6.7.8 1 2\r\n", PROXYHDR_BAD_ADDRESS },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", PROXYHDR_BAD_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", PROXYHDR_BAD_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", PROXYHDR_BAD_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 00 2\r\n", PROXYHDR_BAD_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", PROXYHDR_BAD_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", PROXYHDR_BAD_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1\t 2\r\n", PROXYHDR_BAD_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 http 2\r\n", PROXYHDR_BAD_PORT },
	};
	struct proxyhdr header;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (decode_line(cases[i].line) != cases[i].error)
			fail_msg("%s", cases[i].line);
	}
	assert_int_equal(decode(&header, LIT("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n")), PROXYHDR_BAD_ADDRESS);
	assert_int_equal(decode(&header, LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1\0 2\r\n")), PROXYHDR_BAD_PORT);
}

/* Neither version: known at the first byte that tells. */
static void test_something_else(void **state)
{
	struct proxyhdr header;

	(void)state;
	assert_int_equal(proxyhdr_decode(&header, (const uint8_t *)"", 0), 0);
	assert_int_equal(decode_line("G"), PROXYHDR_NONE);
	assert_int_equal(decode_line("PROX"), 0);
	assert_int_equal(decode_line("PROXI"), PROXYHDR_NONE);
	assert_int_equal(decode_line("PROXYX"), PROXYHDR_NONE);
	assert_int_equal(decode_line("proxy "), PROXYHDR_NONE);
	assert_int_equal(decode_line(" PROXY "), PROXYHDR_NONE);
	assert_int_equal(decode(&header, LIT("\r\n\r\n\0\r\nQUI")), 0);
	assert_int_equal(decode(&header, LIT("\r\n\r\n\0\r\nQUIX")), PROXYHDR_NONE);
	assert_int_equal(decode(&header, LIT("\r\nGET")), PROXYHDR_NONE);
	assert_int_equal(decode(&header, LIT("\x16\x03\x01")), PROXYHDR_NONE);
	for (int error = PROXYHDR_BAD_SUM; error <= PROXYHDR_NONE; error++)
		assert_string_not_equal(proxyhdr_error(error), "unknown");
}

/* A header of version 2 in the making. */
struct maker {
	uint8_t bytes[2048];
	size_t len;
};

static void maker_put(struct maker *maker, const void *data, size_t len)
{
	assert_true(maker->len + len <= sizeof(maker->bytes));
	memcpy(maker->bytes + maker->len, data, len);
	maker->len += len;
}

/* Its length follows from what is there. */
static void maker_seal(struct maker *maker)
{
	maker->bytes[14] = (uint8_t)((maker->len - 16) >> 8);
	maker->bytes[15] = (uint8_t)(maker->len - 16);
}

static struct maker maker_of(uint8_t command, uint8_t family, const void *rest, size_t len)
{
	struct maker maker = { .len = 0 };
	uint8_t head[4] = { command, family };

	maker_put(&maker, SIGNATURE, 12);
	maker_put(&maker, head, 4);
	maker_put(&maker, rest, len);
	maker_seal(&maker);
	return maker;
}

static void maker_put_tlv(struct maker *maker, uint8_t type, const void *value, size_t len)
{
	uint8_t head[3] = { type, (uint8_t)(len >> 8), (uint8_t)len };

	maker_put(maker, head, 3);
	maker_put(maker, value, len);
	maker_seal(maker);
}

static int maker_decode(const struct maker *maker, struct proxyhdr *header)
{
	return decode(header, maker->bytes, maker->len);
}

static const char pair4[] = "\xc0\0\2\1\xc6\x33\x64\7\x12\x34\x01\xbb";
#define V6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
static const char pair6[] = V6 "\1" V6 "\2\x12\x34\x01\xbb";

static struct maker maker_v4(void)
{
	return maker_of(0x21, 0x11, pair4, 12);
}

static void test_families(void **state)
{
	uint8_t paths[216] = "/run/client";
	struct maker maker = maker_v4();
	struct proxyhdr header;

	(void)state;
	assert_int_equal(maker_decode(&maker, &header), 28);
	check_pair(&header, "192.0.2.1:4660", "198.51.100.7:443");
	maker = maker_of(0x21, 0x12, pair4, 12);
	assert_int_equal(maker_decode(&maker, &header), 28);
	check_pair(&header, "192.0.2.1:4660", "198.51.100.7:443");
	for (uint8_t family = 0x21; family <= 0x22; family++) {
		maker = maker_of(0x21, family, pair6, 36);
		assert_int_equal(maker_decode(&maker, &header), 52);
		check_pair(&header, "[2001:db8::1]:4660", "[2001:db8::2]:443");
	}
	memset(paths + 108, 'x', 108); /* all of it, without a zero */
	for (uint8_t family = 0x31; family <= 0x32; family++) {
		maker = maker_of(0x21, family, paths, 216);
		assert_int_equal(maker_decode(&maker, &header), 232);
		assert_true(header.relayed);
		assert_string_equal(header.from.u.un.sun_path, "/run/client");
		assert_int_equal(header.from.len, offsetof(struct sockaddr_un, sun_path) + 11);
		assert_int_equal(header.to.len, sizeof(struct sockaddr_un));
	}
}

/* LOCAL, and a family that is not said: only the length counts. */
static void test_not_relayed(void **state)
{
	struct proxyhdr header;
	struct maker maker = maker_of(0x20, 0, "", 0);

	(void)state;
	assert_int_equal(maker_decode(&maker, &header), 16);
	assert_false(header.relayed);
	maker = maker_of(0x20, 0x11, pair4, 12);
	assert_int_equal(maker_decode(&maker, &header), 28);
	assert_false(header.relayed);
	maker = maker_of(0x20, 0xff, "not even a TLV", 14);
	assert_int_equal(maker_decode(&maker, &header), 30);
	maker = maker_of(0x21, 0x00, "some address", 12);
	assert_int_equal(maker_decode(&maker, &header), 28);
	assert_false(header.relayed);
}

/* Every 13th and 14th byte. */
static void test_bytes_13_and_14(void **state)
{
	uint8_t paths[216] = { 0 };
	struct proxyhdr header;

	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		struct maker maker = maker_of((uint8_t)byte, 0x11, pair4, 12);
		int error = byte >> 4 != 2 ? PROXYHDR_BAD_VERSION : PROXYHDR_BAD_COMMAND;
		assert_int_equal(maker_decode(&maker, &header), byte == 0x20 || byte == 0x21 ? 28 : error);
		maker = maker_of(0x21, (uint8_t)byte, paths, 216);
		bool known = byte == 0 ||
			     (byte >> 4 >= 1 && byte >> 4 <= 3 && (byte & 15) >= 1 && (byte & 15) <= 2);
		assert_int_equal(maker_decode(&maker, &header), known ? 232 : PROXYHDR_BAD_FAMILY);
	}
}

static void test_lengths(void **state)
{
	static const struct {
		uint8_t family;
		size_t len;
	} families[] = { { 0x11, 12 }, { 0x21, 36 }, { 0x31, 216 } };
	uint8_t zeros[PROXYHDR_V2_REST + 8] = { 0 };
	struct proxyhdr header;
	struct maker maker;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t len = families[i].len;
		maker = maker_of(0x21, families[i].family, zeros, len - 1);
		assert_int_equal(maker_decode(&maker, &header), PROXYHDR_SHORT);
		maker = maker_of(0x21, families[i].family, zeros, len);
		assert_int_equal(maker_decode(&maker, &header), 16 + len);
		for (size_t more = 1; more <= 2; more++) { /* less than a TLV */
			maker = maker_of(0x21, families[i].family, zeros, len + more);
			assert_int_equal(maker_decode(&maker, &header), PROXYHDR_BAD_TLV);
		}
		maker = maker_of(0x21, families[i].family, zeros, len + 3);
		assert_int_equal(maker_decode(&maker, &header), 16 + len + 3);
	}
	for (size_t len = PROXYHDR_V2_REST - 1; len <= PROXYHDR_V2_REST + 1; len++) {
		maker = maker_of(0x20, 0, zeros, len);
		assert_int_equal(maker_decode(&maker, &header),
			len <= PROXYHDR_V2_REST ? (int)len + 16 : PROXYHDR_LONG);
	}
	memcpy(maker.bytes + 14, "\xff\xff", 2);
	assert_int_equal(proxyhdr_decode(&header, maker.bytes, 16), PROXYHDR_LONG);
}

static void test_tlvs(void **state)
{
	struct maker maker = maker_v4();
	struct proxyhdr header;

	(void)state;
	maker_put_tlv(&maker, 0x01, LIT("http/1.1"));
	maker_put_tlv(&maker, 0x02, LIT("example.org"));
	maker_put_tlv(&maker, 0x04, LIT(""));
	maker_put_tlv(&maker, 0x05, LIT("id\0with a zero"));
	maker_put_tlv(&maker, 0x20, LIT("\7\0\0\0\0\x21\0\7TLSv1.3\x24\0\2xx\x22\0\5alice\x23\0\3AES"));
	maker_put_tlv(&maker, 0xea, LIT("aws"));
	assert_int_equal(maker_decode(&maker, &header), maker.len);
	assert_true(text_is(header.authority, "example.org"));
	assert_true(text_equal(header.id, (struct text){ LIT("id\0with a zero") }));
	assert_int_equal(header.tls, 7);
	assert_true(header.verified);
	assert_true(text_is(header.tls_version, "TLSv1.3"));
	assert_true(text_is(header.tls_name, "alice"));
	assert_true(text_is(header.tls_cipher, "AES"));
}

/* What HAProxy says of a client without TLS, and of one without a certificate: verify alone says nothing. */
static void test_tls_bits(void **state)
{
	static const struct {
		const char *value;
		uint8_t tls;
		bool verified;
	} cases[] = { { "\0\0\0\0\0", 0, false }, { "\1\0\0\0\0", 1, false }, { "\3\0\0\0\0", 3, true },
		{ "\5\0\0\0\0", 5, true }, { "\7\0\0\0\1", 7, false }, { "\7\1\0\0\0", 7, false },
		{ "\xff\0\0\0\0", 7, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct maker maker = maker_v4();
		struct proxyhdr header;
		maker_put_tlv(&maker, 0x20, cases[i].value, 5);
		assert_int_equal(maker_decode(&maker, &header), maker.len);
		assert_int_equal(header.tls, cases[i].tls);
		assert_int_equal(header.verified, cases[i].verified);
	}
}

/* One TLV behind the addresses of v4. */
static int decode_tlv(uint8_t type, const void *value, size_t len)
{
	struct maker maker = maker_v4();
	struct proxyhdr header;

	maker_put_tlv(&maker, type, value, len);
	return maker_decode(&maker, &header);
}

static void test_broken_tlvs(void **state)
{
	char id[PROXYHDR_ID_MAX + 1] = "";
	struct maker maker = maker_v4();
	struct proxyhdr header;

	(void)state;
	maker_put_tlv(&maker, 0x04, LIT("abc"));
	for (int claims = 2; claims <= 4; claims++) { /* less leaves one byte, more is not there */
		maker.bytes[30] = (uint8_t)claims;
		assert_int_equal(maker_decode(&maker, &header), claims == 3 ? 34 : PROXYHDR_BAD_TLV);
	}
	maker.bytes[29] = 0xff;
	assert_int_equal(maker_decode(&maker, &header), PROXYHDR_BAD_TLV);
	for (size_t len = PROXYHDR_ID_MAX - 1; len <= PROXYHDR_ID_MAX + 1; len++)
		assert_int_equal(
			decode_tlv(0x05, id, len), len <= PROXYHDR_ID_MAX ? (int)len + 31 : PROXYHDR_BAD_TLV);
	assert_int_equal(decode_tlv(0x20, "\1\0\0\0", 4), PROXYHDR_BAD_TLV);
	assert_int_equal(decode_tlv(0x20, "\1\0\0\0\0", 5), 36);
	assert_int_equal(decode_tlv(0x20, "\1\0\0\0\0\x21", 6), PROXYHDR_BAD_TLV);
	assert_int_equal(decode_tlv(0x20, "\1\0\0\0\0\x21\0\1", 8), PROXYHDR_BAD_TLV);
	assert_int_equal(decode_tlv(0x20, "\1\0\0\0\0\x21\0\0", 8), 39);
	assert_int_equal(decode_tlv(0x20, "\1\0\0\0\0\x21\0\0\x21\0\0", 11), PROXYHDR_BAD_TLV);
	static const uint8_t once[] = { 0x02, 0x05, 0x20 };
	for (size_t i = 0; i < sizeof(once); i++) {
		maker = maker_v4();
		maker_put_tlv(&maker, once[i], "\1\0\0\0\0", 5);
		maker_put_tlv(&maker, once[i], "\1\0\0\0\0", 5);
		assert_int_equal(maker_decode(&maker, &header), PROXYHDR_BAD_TLV);
	}
}

/* The check value of CRC-32C, and a header that has one. */
static void test_sum(void **state)
{
	uint8_t zeros[32] = { 0 }, digits[] = { 0, 0, 0, 0, '1', '2', '3', '4', '5', '6', '7', '8', '9' };
	struct maker maker = maker_v4();
	struct proxyhdr header;

	(void)state;
	assert_int_equal(proxyhdr_crc32c(zeros, 32, 28), 0x8a9136aa); /* RFC 3720 B.4 */
	assert_int_equal(proxyhdr_crc32c(digits, 13, 0), 0xe4b85fc4);
	maker_put_tlv(&maker, 0x03, "\0\0\0\0", 4);
	maker_put_tlv(&maker, 0x02, LIT("example.org"));
	uint32_t sum = htonl(proxyhdr_crc32c(maker.bytes, maker.len, 31));
	memcpy(maker.bytes + 31, &sum, 4);
	assert_int_equal(maker_decode(&maker, &header), maker.len);
	for (size_t i = 16; i < maker.len; i++) {
		maker.bytes[i] ^= 0x10;
		int n = proxyhdr_decode(&header, maker.bytes, maker.len);
		if (i < 28 || i >= 31) /* else it is another TLV */
			assert_true(n == PROXYHDR_BAD_SUM || n == PROXYHDR_BAD_TLV);
		maker.bytes[i] ^= 0x10;
	}
	assert_int_equal(decode_tlv(0x03, "\0\0\0\0", 4), PROXYHDR_BAD_SUM);
	assert_int_equal(decode_tlv(0x03, "\0\0\0", 3), PROXYHDR_BAD_TLV);
	assert_int_equal(decode_tlv(0x03, "\0\0\0\0\0", 5), PROXYHDR_BAD_TLV);
}

static struct addr ip(const char *digits, uint16_t port)
{
	struct addr addr = { .len = sizeof(addr.u.in6) };

	if (strchr(digits, ':') != NULL) {
		addr.u.in6.sin6_family = AF_INET6;
		addr.u.in6.sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, digits, &addr.u.in6.sin6_addr), 1);
	} else {
		addr.len = sizeof(addr.u.in);
		addr.u.in.sin_family = AF_INET;
		addr.u.in.sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, digits, &addr.u.in.sin_addr), 1);
	}
	return addr;
}

static struct addr local(const char *path)
{
	struct addr addr = { .len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)) };

	addr.u.un.sun_family = AF_UNIX;
	memcpy(addr.u.un.sun_path, path, strlen(path));
	return addr;
}

static void check_v1(struct addr from, struct addr to, const char *line)
{
	struct proxyhdr header = { .relayed = true, .from = from, .to = to };
	uint8_t out[PROXYHDR_MAX];
	size_t n = proxyhdr_encode(&header, 1, out);

	assert_int_equal(n, strlen(line));
	assert_memory_equal(out, line, n);
	assert_int_equal(proxyhdr_decode(&header, out, n), n);
}

static void test_encode_lines(void **state)
{
	struct proxyhdr none = { .relayed = false };
	uint8_t out[PROXYHDR_MAX];

	(void)state;
	check_v1(ip("192.168.0.1", 56324), ip("192.168.0.11", 443),
		"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
	check_v1(ip("2001:DB8::1", 1), ip("::1", 65535), "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n");
	check_v1(ip("::ffff:192.0.2.1", 1), ip("::ffff:198.51.100.7", 2),
		"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\n");
	check_v1(ip("192.0.2.1", 1), ip("2001:db8::2", 2), "PROXY TCP6 ::ffff:c000:201 2001:db8::2 1 2\r\n");
	check_v1(ip("2001:db8::2", 1), ip("127.0.0.1", 2), "PROXY TCP6 2001:db8::2 ::ffff:7f00:1 1 2\r\n");
	check_v1(ip("::192.0.2.1", 1), ip("::2", 2), "PROXY TCP6 ::c000:201 ::2 1 2\r\n");
	check_v1(ip("192.0.2.1", 0), local("/run/s"), "PROXY TCP4 192.0.2.1 0.0.0.0 0 0\r\n");
	check_v1(ip("2001:db8::2", 0), local("/run/s"), "PROXY TCP6 2001:db8::2 :: 0 0\r\n");
	check_v1(local(""), local("/run/s"), "PROXY UNKNOWN\r\n");
	check_v1(local(""), ip("192.0.2.1", 1), "PROXY UNKNOWN\r\n");
	check_v1(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
		ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
		"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
	assert_int_equal(proxyhdr_encode(&none, 1, out), 15);
	assert_memory_equal(out, "PROXY UNKNOWN\r\n", 15);
}

static void test_encode_v2(void **state)
{
	struct proxyhdr header = {
		.relayed = true, .from = ip("192.0.2.1", 0x1234), .to = ip("198.51.100.7", 443)
	};
	uint8_t out[PROXYHDR_MAX];
	struct maker maker = maker_v4();

	(void)state;
	assert_int_equal(proxyhdr_encode(&header, 2, out), 28);
	assert_memory_equal(out, maker.bytes, 28);
	header.id = text_of("0123456789abcdef");
	header.authority = text_of("example.org");
	header.tls = PROXYHDR_TLS | PROXYHDR_TLS_CERT;
	header.verified = true;
	header.tls_version = text_of("TLSv1.3");
	header.tls_name = text_of("alice");
	header.tls_cipher = text_of("AES");
	maker_put_tlv(&maker, 0x05, LIT("0123456789abcdef"));
	maker_put_tlv(&maker, 0x20, LIT("\3\0\0\0\0\x21\0\7TLSv1.3\x22\0\5alice\x23\0\3AES"));
	maker_put_tlv(&maker, 0x02, LIT("example.org"));
	assert_int_equal(proxyhdr_encode(&header, 2, out), maker.len);
	assert_memory_equal(out, maker.bytes, maker.len);
	maker = maker_v4(); /* no certificate: verify is not 0 */
	header = (struct proxyhdr){
		.relayed = true, .from = header.from, .to = header.to, .tls = PROXYHDR_TLS
	};
	maker_put_tlv(&maker, 0x20, LIT("\1\0\0\0\1"));
	assert_int_equal(proxyhdr_encode(&header, 2, out), maker.len);
	assert_memory_equal(out, maker.bytes, maker.len);
	header.from = ip("2001:db8::1", 0x1234);
	header.to = ip("2001:db8::2", 443);
	header.tls = 0;
	maker = maker_of(0x21, 0x21, pair6, 36);
	assert_int_equal(proxyhdr_encode(&header, 2, out), 52);
	assert_memory_equal(out, maker.bytes, 52);
}

static void test_encode_v2_unix(void **state)
{
	struct proxyhdr header = {
		.relayed = true, .from = local(""), .to = local("/run/s"), .id = text_of("id")
	};
	struct proxyhdr again;
	uint8_t out[PROXYHDR_MAX], paths[216] = { 0 };
	struct maker maker;

	(void)state;
	memcpy(paths + 108, "/run/s", 6);
	maker = maker_of(0x21, 0x31, paths, 216);
	maker_put_tlv(&maker, 0x05, "id", 2);
	assert_int_equal(proxyhdr_encode(&header, 2, out), maker.len);
	assert_memory_equal(out, maker.bytes, maker.len);
	assert_int_equal(proxyhdr_decode(&again, out, maker.len), maker.len);
	assert_int_equal(again.to.len, header.to.len);
	assert_int_equal(again.from.len, header.from.len);
	header.to = ip("192.0.2.1", 1); /* LOCAL, with nothing behind it */
	assert_int_equal(proxyhdr_encode(&header, 2, out), 16);
	assert_memory_equal(out, SIGNATURE "\x20\0\0\0", 16);
	header.relayed = false;
	header.from = header.to;
	assert_int_equal(proxyhdr_encode(&header, 2, out), 16);
	assert_memory_equal(out, SIGNATURE "\x20\0\0\0", 16);
}

/* Whatever its texts are, no more than 536 bytes are behind its head; a long authority drives nothing out. */
static void test_encode_room(void **state)
{
	static char longer[70000];
	struct proxyhdr header = { .relayed = true, .from = ip("192.0.2.1", 1), .to = ip("192.0.2.2", 2) },
			again;
	uint8_t out[PROXYHDR_MAX];
	size_t room = PROXYHDR_V2_REST - 12 - 3;

	(void)state;
	memset(longer, 'x', sizeof(longer));
	for (size_t len = room - 1; len <= room + 1; len++) {
		header.authority = (struct text){ longer, len };
		assert_int_equal(proxyhdr_encode(&header, 2, out), len <= room ? 16 + 12 + 3 + len : 28);
	}
	header.authority.len = sizeof(longer);
	header.id = text_of("id");
	header.tls = 3;
	header.tls_version = text_of("TLSv1.2");
	header.tls_name = (struct text){ longer, sizeof(longer) };
	header.tls_cipher = text_of("AES");
	size_t n = proxyhdr_encode(&header, 2, out);
	assert_int_equal(proxyhdr_decode(&again, out, n), n);
	assert_true(text_is(again.id, "id") && text_is(again.tls_version, "TLSv1.2"));
	assert_true(text_is(again.tls_cipher, "AES"));
	assert_int_equal(again.tls_name.len + again.authority.len, 0);
	for (size_t len = 400; len < 540; len++) { /* no room for TLS behind it */
		header.id = (struct text){ longer, len };
		assert_in_range(proxyhdr_encode(&header, 2, out), 28, PROXYHDR_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_length),
		cmocka_unit_test(test_broken_lines),
		cmocka_unit_test(test_something_else),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_not_relayed),
		cmocka_unit_test(test_bytes_13_and_14),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_tlvs),
		cmocka_unit_test(test_tls_bits),
		cmocka_unit_test(test_broken_tlvs),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_encode_lines),
		cmocka_unit_test(test_encode_v2),
		cmocka_unit_test(test_encode_v2_unix),
		cmocka_unit_test(test_encode_room),
	};
	guard = guard_new(4096);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	guard_free(&guard);
	return failed;
}
