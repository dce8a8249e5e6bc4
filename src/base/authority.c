/*
 * authority: takes host[:port] apart. Host names are not resolved, folded or judged here; who compares them
 * folds their case. No state, any thread.
 */
#include "base/authority.h"

#include "base/addr.h"
#include "base/chars.h"

#include <string.h>

enum { AUTHORITY_PORT_DIGITS = 5 };

/* Whether it may be a host name or an IPv4 address. */
static bool authority_is_name(struct text in)
{
	if (in.len > AUTHORITY_HOST_MAX || !chars_all(in, CHARS_HOST))
		return false;
	return in.ptr[0] != '.' && memmem(in.ptr, in.len, "..", 2) == NULL;
}

/* Whether it is a colon with a port, or nothing. */
static bool authority_take_port(struct authority *out, struct text in)
{
	uint64_t number;

	out->port = text_slice(in, 1);
	if (in.len == 0)
		return true;
	return in.ptr[0] == ':' && out->port.len <= AUTHORITY_PORT_DIGITS &&
	       text_to_u64(out->port, UINT16_MAX, &number);
}

/* Finds where the host ends: at the bracket when it began with one, else at the first byte no name may have.
 */
bool authority_parse(struct authority *out, struct text in)
{
	size_t len;
	const char *bracket;

	if (in.len == 0 || in.ptr[0] != '[') {
		len = chars_span(in, CHARS_HOST);
		out->host = (struct text){ in.ptr, len };
		return authority_is_name(out->host) && authority_take_port(out, text_slice(in, len));
	}
	bracket = memchr(in.ptr, ']', in.len);
	if (bracket == NULL)
		return false;
	len = (size_t)(bracket - in.ptr);
	out->host = (struct text){ in.ptr + 1, len - 1 };
	return addr_is_v6(out->host) && authority_take_port(out, text_slice(in, len + 1));
}

/* Parses it and sees no port; a colon without one is refused anyway. */
bool authority_is_host(struct text in)
{
	struct authority authority;

	return authority_parse(&authority, in) && authority.port.len == 0;
}

/* Reads digits that authority_parse() has seen; anything else counts as no port. */
unsigned authority_port(struct text port, unsigned fallback)
{
	uint64_t number;

	return text_to_u64(port, UINT16_MAX, &number) ? (unsigned)number : fallback;
}
