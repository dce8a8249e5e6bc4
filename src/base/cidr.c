/*
 * cidr: parses blocks of addresses and looks for addresses in them. No state.
 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { CIDR_MAPPED = 96 }; /* bits in front of the v4 address in a v4-mapped one (RFC 4291 2.5.5.2) */

/* Reads the address; NULL-terminated for inet_pton(). */
static bool cidr_parse_address(struct cidr *out, struct text in)
{
	char text[INET6_ADDRSTRLEN];

	if (in.len == 0 || in.len >= sizeof(text) || memchr(in.ptr, '\0', in.len) != NULL)
		return false;
	memcpy(text, in.ptr, in.len);
	text[in.len] = '\0';
	out->family = memchr(text, ':', in.len) != NULL ? AF_INET6 : AF_INET;
	return inet_pton(out->family, text, out->bytes) == 1;
}

/* Do the first `bits` agree? */
static bool cidr_agrees(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

/* Is everything behind the bits that count 0? */
static bool cidr_is_clean(const struct cidr *cidr, unsigned max)
{
	for (unsigned bit = cidr->bits; bit < max; bit++)
		if (cidr->bytes[bit / 8] & 0x80 >> bit % 8)
			return false;
	return true;
}

/* A v4-mapped block becomes v4. */
static void cidr_unmap(struct cidr *cidr)
{
	struct in6_addr addr;

	memcpy(&addr, cidr->bytes, sizeof(addr));
	if (cidr->family != AF_INET6 || cidr->bits < CIDR_MAPPED || !IN6_IS_ADDR_V4MAPPED(&addr))
		return;
	cidr->family = AF_INET;
	cidr->bits -= CIDR_MAPPED;
	memmove(cidr->bytes, cidr->bytes + CIDR_MAPPED / 8, 4);
	memset(cidr->bytes + 4, 0, sizeof(cidr->bytes) - 4);
}

/* Splits at the slash; what stands behind the bits is not looked at. */
static bool cidr_read(struct cidr *out, struct text in)
{
	const char *slash = in.len > 0 ? memchr(in.ptr, '/', in.len) : NULL;
	struct text address = { in.ptr, slash != NULL ? (size_t)(slash - in.ptr) : in.len };
	uint64_t bits;

	memset(out, 0, sizeof(*out));
	out->family = AF_UNIX;
	if (text_is(in, "unix"))
		return true;
	if (!cidr_parse_address(out, address))
		return false;
	unsigned max = out->family == AF_INET ? 32 : 128;
	bits = max;
	if (slash != NULL && !text_to_u64(text_slice(in, address.len + 1), max, &bits))
		return false;
	out->bits = (unsigned)bits;
	return true;
}

/* How many bits an address of the block has. */
static unsigned cidr_max(const struct cidr *cidr)
{
	return cidr->family == AF_INET ? 32 : cidr->family == AF_INET6 ? 128 : 0;
}

/* Nothing may stand behind the bits: that is rather a mistake. */
bool cidr_parse(struct cidr *out, struct text in)
{
	if (!cidr_read(out, in) || !cidr_is_clean(out, cidr_max(out)))
		return false;
	cidr_unmap(out);
	return true;
}

/* Clears what stands behind the bits. */
bool cidr_suggest(struct text in, char out[static CIDR_TEXT])
{
	char address[INET6_ADDRSTRLEN];
	struct cidr cidr;

	if (!cidr_read(&cidr, in) || cidr_is_clean(&cidr, cidr_max(&cidr)))
		return false;
	for (unsigned bit = cidr.bits; bit < cidr_max(&cidr); bit++)
		cidr.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	inet_ntop(cidr.family, cidr.bytes, address, sizeof(address));
	snprintf(out, CIDR_TEXT, "%s/%u", address, cidr.bits);
	return true;
}

/* The bytes of an address, v4 where it is that underneath. */
static sa_family_t cidr_bytes_of(const struct addr *addr, const uint8_t **bytes)
{
	const struct in6_addr *in6 = &addr->u.in6.sin6_addr;
	bool mapped = addr->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(in6);

	if (addr->u.sa.sa_family == AF_INET)
		*bytes = (const uint8_t *)&addr->u.in.sin_addr;
	else
		*bytes = in6->s6_addr + (mapped ? CIDR_MAPPED / 8 : 0);
	return mapped ? AF_INET : addr->u.sa.sa_family;
}

/* Compares with each. */
bool cidr_has(const struct cidr *list, size_t n, const struct addr *addr)
{
	const uint8_t *bytes = NULL;
	sa_family_t family = cidr_bytes_of(addr, &bytes);

	for (size_t i = 0; i < n; i++) {
		if (list[i].family == family &&
			(family == AF_UNIX || cidr_agrees(list[i].bytes, bytes, list[i].bits)))
			return true;
	}
	return false;
}
