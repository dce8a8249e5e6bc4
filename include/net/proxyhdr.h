/*
 * proxyhdr: the header of the PROXY protocol, versions 1 and 2, in both directions. Section numbers are those
 * of its specification (haproxy.org, proxy-protocol.txt, 2020/03/05).
 *
 * Pure: bytes in, result out. It is only looked for where it is expected (5): nothing here guesses.
 */
#ifndef NET_PROXYHDR_H
#define NET_PROXYHDR_H

#include "base/addr.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROXYHDR_V1_MAX = 107,	/* bytes of a line with its CRLF (2.1) */
	PROXYHDR_V2_HEAD = 16,	/* before the addresses (2.2) */
	PROXYHDR_V2_REST = 536, /* at most behind these, of what is taken and of what is sent */
	PROXYHDR_MAX = PROXYHDR_V2_HEAD + PROXYHDR_V2_REST,
	PROXYHDR_ID_MAX = 128 /* bytes of an id (2.2.5) */
};

/* Why something is no header; each has its words in proxyhdr_error(). */
enum proxyhdr_error {
	PROXYHDR_NONE = -1, /* it does not begin like one */
	PROXYHDR_LONG = -2,
	PROXYHDR_BAD_LINE = -3, /* v1 */
	PROXYHDR_BAD_ADDRESS = -4,
	PROXYHDR_BAD_PORT = -5,
	PROXYHDR_BAD_VERSION = -6, /* v2, from here on */
	PROXYHDR_BAD_COMMAND = -7,
	PROXYHDR_BAD_FAMILY = -8,
	PROXYHDR_SHORT = -9, /* no room for what its family needs */
	PROXYHDR_BAD_TLV = -10,
	PROXYHDR_BAD_SUM = -11
};

/* What is known of the client's TLS (2.2.6). */
enum {
	PROXYHDR_TLS = 1,	      /* it came by TLS */
	PROXYHDR_TLS_CERT = 2,	      /* and showed a certificate in this connection */
	PROXYHDR_TLS_CERT_SESSION = 4 /* or in an earlier one of the same TLS session */
};

/* All that a header says. Texts are borrowed: of one that was decoded, from its bytes. */
struct proxyhdr {
	/* The addresses are those of a client. If not (LOCAL, UNKNOWN, UNSPEC) there is nothing else here,
	 * and the socket's own addresses hold. */
	bool relayed;
	struct addr from, to;
	/* Version 2 only; empty when it does not say. */
	struct text id, authority;
	uint8_t tls;		 /* PROXYHDR_TLS... */
	bool verified;		 /* its certificate was found good */
	struct text tls_version; /* "TLSv1.3" */
	struct text tls_cipher;
	struct text tls_name; /* the common name of its certificate */
};

/*
 * Decodes the header that `buf` begins with; what is behind it is not looked at. Returns its length (1 to
 * PROXYHDR_MAX), 0 when more is needed to know, and then all of `buf` belongs to it, or a negative enum
 * proxyhdr_error.
 */
int proxyhdr_decode(struct proxyhdr *out, const uint8_t *buf, size_t len);
const char *proxyhdr_error(int error);

/*
 * Encodes a header of version 1 or 2. Returns its length. Addresses of both IP families are both written as
 * v6; a v4-mapped pair is written as v4. Where the client's address is known and the other is not (it is none
 * of IP), that is all zeros; other pairs than these and two of unix sockets, which only version 2 can tell,
 * are UNKNOWN or LOCAL. A text for which there is no room left is left out: first of all authority.
 */
size_t proxyhdr_encode(const struct proxyhdr *header, unsigned version, uint8_t out[static PROXYHDR_MAX]);

#endif
