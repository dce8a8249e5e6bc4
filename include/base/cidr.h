/*
 * cidr: blocks of addresses (RFC 4632, RFC 4291 2.3), and whether an address is in one. Pure; any thread.
 */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include "base/addr.h"

struct cidr {
	sa_family_t family; /* AF_INET, AF_INET6; AF_UNIX: whoever comes by a unix socket */
	uint8_t bytes[16];  /* the address, in network order; 4 of v4 */
	unsigned bits;	    /* of it that count: up to 32, 128; 0 of AF_UNIX */
};

/*
 * Parses 192.0.2.0/24, 2001:db8::/32, an address alone (all of its bits count), or "unix". A v4-mapped v6
 * block of 96 bits or more is the v4 one. Bits behind those that count must be 0: else what was written is
 * not what would be meant. Returns whether it is one.
 */
bool cidr_parse(struct cidr *out, struct text in);

/* Of a block that is refused only for the bits behind those that count: the one without them, "10.0.0.0/8".
 * Returns whether that is what is wrong. */
enum { CIDR_TEXT = INET6_ADDRSTRLEN + sizeof("/128") };
bool cidr_suggest(struct text in, char out[static CIDR_TEXT]);

/* Is the address in one of these? A v4-mapped v6 address is looked for as v4. */
bool cidr_has(const struct cidr *list, size_t n, const struct addr *addr);

#endif
