/*
 * proxyhdr_encode: writes the header of the PROXY protocol. Holds nothing. Any thread.
 */
#include "net/proxyhdr.h"
#include "net/proxyhdr_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Two addresses as a header has them. */
struct proxyhdr_pair {
	sa_family_t family; /* AF_INET: the last four bytes; AF_UNIX; AF_UNSPEC: they can't be told */
	struct in6_addr from, to;
	uint16_t from_port, to_port;
};

/* The address as one of v6; false when it is not one of IP. */
static bool proxyhdr_get_ip(struct in6_addr *out, const struct addr *addr)
{
	memset(out, 0, sizeof(*out));
	if (addr->u.sa.sa_family == AF_INET6) {
		*out = addr->u.in6.sin6_addr;
		return true;
	}
	if (addr->u.sa.sa_family != AF_INET)
		return false;
	out->s6_addr[10] = out->s6_addr[11] = 0xff;
	memcpy(out->s6_addr + 12, &addr->u.in.sin_addr, 4);
	return true;
}

/* Brings both to one family. */
static struct proxyhdr_pair proxyhdr_pair_of(const struct proxyhdr *header)
{
	struct proxyhdr_pair pair = { .from_port = addr_port(&header->from),
		.to_port = addr_port(&header->to) };
	bool from = proxyhdr_get_ip(&pair.from, &header->from), to = proxyhdr_get_ip(&pair.to, &header->to);
	bool both_unix = header->from.u.sa.sa_family == AF_UNIX && header->to.u.sa.sa_family == AF_UNIX;
	bool v4 = IN6_IS_ADDR_V4MAPPED(&pair.from) && (!to || IN6_IS_ADDR_V4MAPPED(&pair.to));

	if (!header->relayed)
		return pair;
	if (from)
		pair.family = v4 ? AF_INET : AF_INET6;
	else if (both_unix)
		pair.family = AF_UNIX;
	return pair;
}

/* An address in digits: of v6 in hexadecimal ones only (2.1), where inet_ntop() ends some like v4. */
static const char *proxyhdr_format_ip(
	const struct in6_addr *ip, sa_family_t family, char out[INET6_ADDRSTRLEN])
{
	const uint8_t *v4 = ip->s6_addr + 12;

	if (family == AF_INET)
		return inet_ntop(AF_INET, v4, out, INET6_ADDRSTRLEN);
	inet_ntop(AF_INET6, ip, out, INET6_ADDRSTRLEN);
	if (strchr(out, '.') != NULL)
		snprintf(out, INET6_ADDRSTRLEN, "::%s%x:%x", IN6_IS_ADDR_V4MAPPED(ip) ? "ffff:" : "",
			(unsigned)v4[0] << 8 | v4[1], (unsigned)v4[2] << 8 | v4[3]);
	return out;
}

/* Version 1. */
static size_t proxyhdr_encode_v1(const struct proxyhdr_pair *pair, uint8_t out[static PROXYHDR_MAX])
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	int n;

	if (pair->family != AF_INET && pair->family != AF_INET6)
		n = snprintf((char *)out, PROXYHDR_MAX, "PROXY UNKNOWN\r\n");
	else
		n = snprintf((char *)out, PROXYHDR_MAX, "PROXY TCP%c %s %s %u %u\r\n",
			pair->family == AF_INET ? '4' : '6',
			proxyhdr_format_ip(&pair->from, pair->family, from),
			proxyhdr_format_ip(&pair->to, pair->family, to), pair->from_port, pair->to_port);
	return (size_t)n;
}

/* What is written so far. */
struct proxyhdr_sink {
	uint8_t *out;
	size_t len;
};

/* Adds bytes, for which there is room. */
static void proxyhdr_put(struct proxyhdr_sink *sink, const void *data, size_t len)
{
	if (len > 0)
		memcpy(sink->out + sink->len, data, len);
	sink->len += len;
}

/* Writes a number of two bytes. */
static void proxyhdr_set16(uint8_t *at, size_t number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

/* Adds a TLV that is not empty, if there is room. */
static void proxyhdr_put_tlv(struct proxyhdr_sink *sink, uint8_t type, struct text value)
{
	uint8_t head[PROXYHDR_TLV_HEAD] = { type };

	if (value.len == 0 || value.len > PROXYHDR_V2_REST ||
		sink->len + sizeof(head) + value.len > PROXYHDR_MAX)
		return;
	proxyhdr_set16(head + 1, value.len);
	proxyhdr_put(sink, head, sizeof(head));
	proxyhdr_put(sink, value.ptr, value.len);
}

/* Adds what is known of TLS: its own TLVs are behind the client's bits and "verify", which is 0 for a
 * certificate that was found good. */
static void proxyhdr_put_ssl(struct proxyhdr_sink *sink, const struct proxyhdr *header)
{
	bool good = header->tls > PROXYHDR_TLS && header->verified;
	uint8_t head[PROXYHDR_TLV_HEAD + PROXYHDR_SSL_HEAD] = { PROXYHDR_TLV_SSL, 0, 0, header->tls, 0, 0, 0,
		good ? 0 : 1 };
	size_t at = sink->len;

	if (header->tls == 0 || sink->len + sizeof(head) > PROXYHDR_MAX)
		return;
	proxyhdr_put(sink, head, sizeof(head));
	proxyhdr_put_tlv(sink, PROXYHDR_TLV_SSL_VERSION, header->tls_version);
	proxyhdr_put_tlv(sink, PROXYHDR_TLV_SSL_NAME, header->tls_name);
	proxyhdr_put_tlv(sink, PROXYHDR_TLV_SSL_CIPHER, header->tls_cipher);
	proxyhdr_set16(sink->out + at + 1, sink->len - at - PROXYHDR_TLV_HEAD);
}

/* Adds the address of a unix socket, filled up with zeros. */
static void proxyhdr_put_unix(struct proxyhdr_sink *sink, const struct addr *addr)
{
	size_t head = offsetof(struct sockaddr_un, sun_path), len = addr->len > head ? addr->len - head : 0;

	memset(sink->out + sink->len, 0, PROXYHDR_PATH);
	memcpy(sink->out + sink->len, addr->u.un.sun_path, len < PROXYHDR_PATH ? len : PROXYHDR_PATH);
	sink->len += PROXYHDR_PATH;
}

/* Adds addresses and ports of IP. */
static void proxyhdr_put_ip(struct proxyhdr_sink *sink, const struct proxyhdr_pair *pair)
{
	size_t skip = pair->family == AF_INET ? 12 : 0;
	uint8_t ports[4];

	proxyhdr_put(sink, pair->from.s6_addr + skip, sizeof(pair->from) - skip);
	proxyhdr_put(sink, pair->to.s6_addr + skip, sizeof(pair->to) - skip);
	proxyhdr_set16(ports, pair->from_port);
	proxyhdr_set16(ports + 2, pair->to_port);
	proxyhdr_put(sink, ports, sizeof(ports));
}

/* Version 2. LOCAL has nothing behind its head. */
static size_t proxyhdr_encode_v2(
	const struct proxyhdr *header, const struct proxyhdr_pair *pair, uint8_t out[static PROXYHDR_MAX])
{
	struct proxyhdr_sink sink = { out, PROXYHDR_V2_HEAD };
	uint8_t command = PROXYHDR_PROXY, family = pair->family == AF_INET ? PROXYHDR_TCP4 : PROXYHDR_TCP6;

	if (pair->family == AF_UNSPEC) {
		command = PROXYHDR_LOCAL;
		family = PROXYHDR_UNSPEC;
	} else if (pair->family == AF_UNIX) {
		family = PROXYHDR_UNIX;
		proxyhdr_put_unix(&sink, &header->from);
		proxyhdr_put_unix(&sink, &header->to);
	} else {
		proxyhdr_put_ip(&sink, pair);
	}
	if (command == PROXYHDR_PROXY) {
		proxyhdr_put_tlv(&sink, PROXYHDR_TLV_ID, header->id);
		proxyhdr_put_ssl(&sink, header);
		proxyhdr_put_tlv(&sink, PROXYHDR_TLV_AUTHORITY, header->authority);
	}
	memcpy(out, proxyhdr_signature, PROXYHDR_SIGNATURE);
	out[PROXYHDR_SIGNATURE] = PROXYHDR_VERSION_2 | command;
	out[PROXYHDR_SIGNATURE + 1] = family;
	proxyhdr_set16(out + PROXYHDR_V2_HEAD - 2, sink.len - PROXYHDR_V2_HEAD);
	return sink.len;
}

/* Writes either. */
size_t proxyhdr_encode(const struct proxyhdr *header, unsigned version, uint8_t out[static PROXYHDR_MAX])
{
	struct proxyhdr_pair pair = proxyhdr_pair_of(header);

	return version == 1 ? proxyhdr_encode_v1(&pair, out) : proxyhdr_encode_v2(header, &pair, out);
}
