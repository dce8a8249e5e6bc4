/*
 * authority: host[:port] as it stands in Host, in Origin and in the configuration's rules about them (RFC
 * 3986 3.2, narrower: no userinfo, no escapes, no scope ids). Pure; any thread.
 */
#ifndef BASE_AUTHORITY_H
#define BASE_AUTHORITY_H

#include "base/text.h"

enum { AUTHORITY_HOST_MAX = 255 }; /* bytes of a host name */

/* Both point into what was parsed. */
struct authority {
	struct text host; /* a name, an IPv4 address, or an IPv6 address WITHOUT its brackets: only that has
			     colons */
	struct text port; /* one to five digits, at most 65535; empty when none was given */
};

/*
 * Parses a name or IPv4 address (letters, digits, "-", "_" and single dots, none in front), or an IPv6
 * address in brackets, then perhaps a colon and a port. False when it is anything else, and then *out is
 * undefined.
 */
bool authority_parse(struct authority *out, struct text in);

/* Is it a host alone, an IPv6 address in its brackets? */
bool authority_is_host(struct text in);

/* The port as a number, `fallback` when none was given. */
unsigned authority_port(struct text port, unsigned fallback);

#endif
