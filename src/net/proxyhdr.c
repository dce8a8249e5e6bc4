/*
 * proxyhdr: decodes the header of the PROXY protocol, of version 2 here, of version 1 in proxyhdr_line.c.
 *
 * Strict: what the specification does not allow is an error, and nothing in it is read before all of it is
 * there. Holds nothing. Any thread.
 */
#include "net/proxyhdr.h"

#include "net/proxyhdr_internal.h"

#include <arpa/inet.h>
#include <string.h>

const uint8_t proxyhdr_signature[PROXYHDR_SIGNATURE] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I',
	'T', '\n' };

const char proxyhdr_word[] = "PROXY ";

/* Completes "no PROXY header: ...". */
const char *proxyhdr_error(int error)
{
	switch ((enum proxyhdr_error)error) {
	case PROXYHDR_NONE:
		return "something else came";
	case PROXYHDR_LONG:
		return "it is too long";
	case PROXYHDR_BAD_LINE:
		return "its line is broken";
	case PROXYHDR_BAD_ADDRESS:
		return "it has no valid address";
	case PROXYHDR_BAD_PORT:
		return "it has no valid port";
	case PROXYHDR_BAD_VERSION:
		return "it is of an unknown version";
	case PROXYHDR_BAD_COMMAND:
		return "its command is unknown";
	case PROXYHDR_BAD_FAMILY:
		return "its family is unknown";
	case PROXYHDR_SHORT:
		return "it is too short for its addresses";
	case PROXYHDR_BAD_TLV:
		return "what is behind its addresses is broken";
	case PROXYHDR_BAD_SUM:
		return "its checksum is wrong";
	}
	return "unknown";
}

/* From the bytes on the wire. */
void proxyhdr_set_ip(struct addr *out, sa_family_t family, const uint8_t *bytes, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		out->len = sizeof(out->u.in);
		out->u.in.sin_family = AF_INET;
		out->u.in.sin_port = htons(port);
		memcpy(&out->u.in.sin_addr, bytes, sizeof(out->u.in.sin_addr));
		return;
	}
	out->len = sizeof(out->u.in6);
	out->u.in6.sin6_family = AF_INET6;
	out->u.in6.sin6_port = htons(port);
	memcpy(&out->u.in6.sin6_addr, bytes, sizeof(out->u.in6.sin6_addr));
}

/* An address of a unix socket: a path, an abstract name, or none. */
static void proxyhdr_set_unix(struct addr *out, const uint8_t bytes[PROXYHDR_PATH])
{
	size_t len = PROXYHDR_PATH;

	memset(out, 0, sizeof(*out));
	while (len > 0 && bytes[len - 1] == 0)
		len--;
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	out->u.un.sun_family = AF_UNIX;
	memcpy(out->u.un.sun_path, bytes, len);
}

/* A number of two bytes. */
static unsigned proxyhdr_get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* A number of four. */
static uint32_t proxyhdr_get32(const uint8_t *at)
{
	return (uint32_t)proxyhdr_get16(at) << 16 | proxyhdr_get16(at + 2);
}

/* Goes on with some bytes of it (RFC 4960 appendix B, reflected). */
static uint32_t proxyhdr_crc_add(uint32_t crc, const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= buf[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* Sums what is before, four zeros, what is behind. */
uint32_t proxyhdr_crc32c(const uint8_t *buf, size_t len, size_t at)
{
	static const uint8_t zeros[4];
	uint32_t crc = proxyhdr_crc_add(UINT32_MAX, buf, at);

	crc = proxyhdr_crc_add(crc, zeros, sizeof(zeros));
	return ~proxyhdr_crc_add(crc, buf + at + sizeof(zeros), len - at - sizeof(zeros));
}

/* Cuts the next TLV off. Returns 1, 0 at the end, -1 when it is longer than what there is. */
static int proxyhdr_next_tlv(struct text *rest, unsigned *type, struct text *value)
{
	const uint8_t *at = (const uint8_t *)rest->ptr;

	if (rest->len == 0)
		return 0;
	if (rest->len < PROXYHDR_TLV_HEAD)
		return -1;
	*type = at[0];
	*value = text_slice(*rest, PROXYHDR_TLV_HEAD);
	if (proxyhdr_get16(at + 1) > value->len)
		return -1;
	value->len = proxyhdr_get16(at + 1);
	*rest = text_slice(*rest, PROXYHDR_TLV_HEAD + value->len);
	return 1;
}

/* Keeps a value that may come once. */
static bool proxyhdr_keep(struct text *out, struct text value)
{
	bool first = out->ptr == NULL;
	*out = value;
	return first;
}

/* What is known of TLS, which has TLVs of its own. */
static bool proxyhdr_decode_ssl(struct proxyhdr *out, struct text value)
{
	struct text rest = text_slice(value, PROXYHDR_SSL_HEAD), inner;
	const uint8_t *at = (const uint8_t *)value.ptr;
	unsigned type;
	bool good = value.len >= PROXYHDR_SSL_HEAD;
	int more = 0;

	while (good && (more = proxyhdr_next_tlv(&rest, &type, &inner)) > 0) {
		if (type == PROXYHDR_TLV_SSL_VERSION)
			good = proxyhdr_keep(&out->tls_version, inner);
		else if (type == PROXYHDR_TLV_SSL_NAME)
			good = proxyhdr_keep(&out->tls_name, inner);
		else if (type == PROXYHDR_TLV_SSL_CIPHER)
			good = proxyhdr_keep(&out->tls_cipher, inner);
	}
	if (!good || more < 0)
		return false;
	out->tls = at[0] & (PROXYHDR_TLS | PROXYHDR_TLS_CERT | PROXYHDR_TLS_CERT_SESSION);
	out->verified = out->tls > PROXYHDR_TLS && proxyhdr_get32(at + 1) == 0;
	return true;
}

/* What is behind the addresses, of a header of `len` bytes. What is unknown is skipped. Returns 0 or an
 * error. */
static int proxyhdr_decode_tlvs(struct proxyhdr *out, const uint8_t *buf, size_t len, struct text rest)
{
	struct text value, ssl = { 0 }, sum = { 0 };
	unsigned type;
	bool good = true;
	int more = 0;

	while (good && (more = proxyhdr_next_tlv(&rest, &type, &value)) > 0) {
		if (type == PROXYHDR_TLV_AUTHORITY)
			good = proxyhdr_keep(&out->authority, value);
		else if (type == PROXYHDR_TLV_ID)
			good = value.len <= PROXYHDR_ID_MAX && proxyhdr_keep(&out->id, value);
		else if (type == PROXYHDR_TLV_CRC32C)
			good = value.len == sizeof(uint32_t) && proxyhdr_keep(&sum, value);
		else if (type == PROXYHDR_TLV_SSL)
			good = proxyhdr_keep(&ssl, value) && proxyhdr_decode_ssl(out, value);
	}
	if (!good || more < 0)
		return PROXYHDR_BAD_TLV;
	const uint8_t *at = (const uint8_t *)sum.ptr;
	if (at != NULL && proxyhdr_crc32c(buf, len, (size_t)(at - buf)) != proxyhdr_get32(at))
		return PROXYHDR_BAD_SUM;
	return 0;
}

/* How many bytes the addresses of a family take, or an error. UDP's are taken too: a client of HTTP/3 is
 * relayed so. */
static int proxyhdr_addresses_len(uint8_t family)
{
	switch (family) {
	case PROXYHDR_UNSPEC:
		return 0;
	case PROXYHDR_TCP4:
	case PROXYHDR_UDP4:
		return PROXYHDR_V4_LEN;
	case PROXYHDR_TCP6:
	case PROXYHDR_UDP6:
		return PROXYHDR_V6_LEN;
	case PROXYHDR_UNIX:
	case PROXYHDR_UNIX_DGRAM:
		return PROXYHDR_UNIX_LEN;
	default:
		return PROXYHDR_BAD_FAMILY;
	}
}

/* Both addresses, which take `len` bytes. */
static void proxyhdr_decode_pair(struct proxyhdr *out, const uint8_t *at, size_t len)
{
	sa_family_t family = len == PROXYHDR_V4_LEN ? AF_INET : AF_INET6;
	size_t size = (len - 2 * sizeof(uint16_t)) / 2;

	out->relayed = true;
	if (len == PROXYHDR_UNIX_LEN) {
		proxyhdr_set_unix(&out->from, at);
		proxyhdr_set_unix(&out->to, at + PROXYHDR_PATH);
		return;
	}
	proxyhdr_set_ip(&out->from, family, at, (uint16_t)proxyhdr_get16(at + 2 * size));
	proxyhdr_set_ip(&out->to, family, at + size, (uint16_t)proxyhdr_get16(at + 2 * size + 2));
}

/* Is the 13th byte one of version 2? Returns 0 or an error. */
static int proxyhdr_check_command(uint8_t byte)
{
	if ((byte & 0xf0) != PROXYHDR_VERSION_2)
		return PROXYHDR_BAD_VERSION;
	return (byte & 0x0f) <= PROXYHDR_PROXY ? 0 : PROXYHDR_BAD_COMMAND;
}

/* Version 2 (2.2). Of LOCAL, and of a family that is not said, nothing counts but the length. */
static int proxyhdr_decode_v2(struct proxyhdr *out, const uint8_t *buf, size_t len)
{
	int error = len > PROXYHDR_SIGNATURE ? proxyhdr_check_command(buf[PROXYHDR_SIGNATURE]) : 0;
	bool local = len > PROXYHDR_SIGNATURE && (buf[PROXYHDR_SIGNATURE] & 0x0f) == PROXYHDR_LOCAL;

	if (error != 0 || len <= PROXYHDR_SIGNATURE + 1)
		return error;
	int addresses = local ? 0 : proxyhdr_addresses_len(buf[PROXYHDR_SIGNATURE + 1]);
	if (addresses < 0 || len < PROXYHDR_V2_HEAD)
		return addresses < 0 ? addresses : 0;
	size_t rest = proxyhdr_get16(buf + PROXYHDR_V2_HEAD - 2), whole = PROXYHDR_V2_HEAD + rest;
	if (rest > PROXYHDR_V2_REST)
		return PROXYHDR_LONG;
	if (rest < (size_t)addresses)
		return PROXYHDR_SHORT;
	if (len < whole)
		return 0;
	if (addresses == 0)
		return (int)whole;
	proxyhdr_decode_pair(out, buf + PROXYHDR_V2_HEAD, (size_t)addresses);
	struct text tlvs = { (const char *)buf + PROXYHDR_V2_HEAD + addresses, rest - (size_t)addresses };
	error = proxyhdr_decode_tlvs(out, buf, whole, tlvs);
	return error != 0 ? error : (int)whole;
}

/* Does it begin with these, as far as it goes? */
static bool proxyhdr_begins(const uint8_t *buf, size_t len, const void *with, size_t n)
{
	return memcmp(buf, with, len < n ? len : n) == 0;
}

/* Tells the versions apart (2.2); neither begins like the other. */
int proxyhdr_decode(struct proxyhdr *out, const uint8_t *buf, size_t len)
{
	int n = PROXYHDR_NONE;

	memset(out, 0, sizeof(*out));
	if (len == 0)
		return 0;
	if (proxyhdr_begins(buf, len, proxyhdr_word, strlen(proxyhdr_word)))
		n = len < strlen(proxyhdr_word) ? 0 : proxyhdr_decode_v1(out, buf, len);
	else if (proxyhdr_begins(buf, len, proxyhdr_signature, PROXYHDR_SIGNATURE))
		n = proxyhdr_decode_v2(out, buf, len);
	if (n <= 0)
		memset(out, 0, sizeof(*out));
	return n;
}
