/*
 * proxyhdr_internal: what decoding and encoding share, and tests need: the numbers on the wire.
 */
#ifndef NET_PROXYHDR_INTERNAL_H
#define NET_PROXYHDR_INTERNAL_H

#include "net/proxyhdr.h"

#include <stddef.h>
#include <stdint.h>

enum { PROXYHDR_SIGNATURE = 12 };
extern const uint8_t proxyhdr_signature[PROXYHDR_SIGNATURE];

extern const char proxyhdr_word[]; /* what a line begins with */

/* The 13th byte: version and command; the 14th: family and protocol. */
enum { PROXYHDR_VERSION_2 = 0x20, PROXYHDR_LOCAL = 0x0, PROXYHDR_PROXY = 0x1 };
enum {
	PROXYHDR_UNSPEC = 0x00,
	PROXYHDR_TCP4 = 0x11,
	PROXYHDR_UDP4 = 0x12,
	PROXYHDR_TCP6 = 0x21,
	PROXYHDR_UDP6 = 0x22,
	PROXYHDR_UNIX = 0x31,
	PROXYHDR_UNIX_DGRAM = 0x32
};

/* Bytes of addresses and ports. */
enum {
	PROXYHDR_V4_LEN = 12,
	PROXYHDR_V6_LEN = 36,
	PROXYHDR_PATH = 108,
	PROXYHDR_UNIX_LEN = 2 * PROXYHDR_PATH
};

enum {
	PROXYHDR_TLV_HEAD = 3,
	PROXYHDR_TLV_AUTHORITY = 0x02,
	PROXYHDR_TLV_CRC32C = 0x03,
	PROXYHDR_TLV_ID = 0x05,
	PROXYHDR_TLV_SSL = 0x20,
	PROXYHDR_TLV_SSL_VERSION = 0x21,
	PROXYHDR_TLV_SSL_NAME = 0x22,
	PROXYHDR_TLV_SSL_CIPHER = 0x23,
	PROXYHDR_SSL_HEAD = 5 /* client and verify, before its TLVs */
};

/* proxyhdr.c: an address of IP from its bytes; AF_INET or AF_INET6. */
void proxyhdr_set_ip(struct addr *out, sa_family_t family, const uint8_t *bytes, uint16_t port);

/* proxyhdr_line.c: proxyhdr_decode() for what begins with the word. `out` is zeroed. */
int proxyhdr_decode_v1(struct proxyhdr *out, const uint8_t *buf, size_t len);

/* The sum of a header (2.2.3), as if the four bytes at `at` were zero. */
uint32_t proxyhdr_crc32c(const uint8_t *buf, size_t len, size_t at);

#endif
