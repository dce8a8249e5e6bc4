/*
 * addr: reads the names of places and writes socket addresses in words. Resolves nothing and owns nothing:
 * what a host name stands for is the resolver's business. An IPv4 address that came in over a v6 socket
 * (RFC 4291 2.5.5.2) is treated as the IPv4 address that it is, everywhere. Any thread.
 */
#include "base/addr.h"

#include "base/chars.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* The longest host name (RFC 1035 2.3.4, in its written form). */
enum { ADDR_HOST_NAME = 253 };

/* The prefix under which addr_visitor() keeps IPv4: no v6 network begins with 0:ffff. */
static const uint64_t ADDR_V4_VISITORS = UINT64_C(0x0000ffff00000000);

/* Stores the port; 0 or an error. */
static int addr_parse_port(struct addr_name *out, struct text port)
{
	uint64_t number;

	if (port.len == 0)
		return ADDR_NO_PORT;
	if (!text_to_u64(port, UINT16_MAX, &number))
		return ADDR_BAD_PORT;
	out->port = (uint16_t)number;
	return ADDR_OK;
}

/* Whether the host is "*", an IPv4 address, or could be a name; "127.1" and "0x7f.1" are neither. */
static bool addr_check_host(const char *host)
{
	size_t len = strlen(host);
	struct in_addr v4;

	if (strcmp(host, "*") == 0 || inet_pton(AF_INET, host, &v4) == 1)
		return true;
	if (inet_aton(host, &v4) || strspn(host, "0123456789.") == len)
		return false;
	return len <= ADDR_HOST_NAME && host[0] != '-' && host[0] != '.' && strstr(host, "..") == NULL &&
	       chars_all(text_of(host), CHARS_HOST);
}

/* Whether the bytes are an IPv6 address and nothing else; inet_pton() would stop at a NUL. */
bool addr_is_v6(struct text in)
{
	char word[INET6_ADDRSTRLEN];
	struct in6_addr v6;

	if (in.len == 0 || in.len >= sizeof(word))
		return false;
	memcpy(word, in.ptr, in.len);
	word[in.len] = '\0';
	return strlen(word) == in.len && inet_pton(AF_INET6, word, &v6) == 1;
}

/* Whether the host is an IPv6 address, perhaps with the zone of a link-local one ("fe80::1%eth0"). */
static bool addr_check_v6(const char *host)
{
	const char *zone = strchrnul(host, '%');
	struct text name = text_slice(text_of(zone), 1);

	if (*zone != '\0' && (name.len >= IF_NAMESIZE || !chars_all(name, CHARS_HOST)))
		return false;
	return addr_is_v6((struct text){ host, (size_t)(zone - host) });
}

/* Stores the host as it is written; false when there is no room, and nothing so long is a host. */
static bool addr_copy_host(struct addr_name *out, const char *host, size_t len)
{
	if (len >= sizeof(out->host))
		return false;
	memcpy(out->host, host, len);
	out->host[len] = '\0';
	return true;
}

/* Parses what follows "unix:". */
static int addr_parse_unix(struct addr_name *out, const char *path)
{
	if (!path[0])
		return ADDR_EMPTY;
	if (strlen(path) >= sizeof(out->path))
		return ADDR_LONG_PATH;
	out->kind = ADDR_UNIX;
	strcpy(out->path, path);
	return ADDR_OK;
}

/* Parses what follows "systemd:" (systemd.socket(5), FileDescriptorName). */
static int addr_parse_systemd(struct addr_name *out, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || !addr_copy_host(out, name, len))
		return ADDR_BAD_FDNAME;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < ' ' || name[i] > '~' || name[i] == ':')
			return ADDR_BAD_FDNAME;
	}
	out->kind = ADDR_SYSTEMD;
	return ADDR_OK;
}

/* Parses "[V6]:PORT". */
static int addr_parse_v6(struct addr_name *out, const char *word)
{
	const char *end = strchr(word, ']');

	if (end == NULL || !addr_copy_host(out, word + 1, (size_t)(end - word - 1)) ||
		!addr_check_v6(out->host))
		return ADDR_BAD_V6;
	if (end[1] == '\0')
		return ADDR_NO_PORT;
	return end[1] == ':' ? addr_parse_port(out, text_of(end + 2)) : ADDR_BAD_PORT;
}

/* Parses "HOST:PORT" and "*:PORT". */
static int addr_parse_host(struct addr_name *out, const char *word)
{
	const char *colon = strrchr(word, ':');

	if (colon == NULL)
		return ADDR_NO_PORT;
	if (memchr(word, ':', (size_t)(colon - word)) != NULL)
		return ADDR_BAD_V6;
	if (!addr_copy_host(out, word, (size_t)(colon - word)) || !addr_check_host(out->host))
		return ADDR_BAD_HOST;
	return addr_parse_port(out, text_of(colon + 1));
}

/* Tells the four ways of writing a place apart; on an error the name is empty. */
int addr_parse(struct addr_name *out, const char *word)
{
	static const struct addr_name empty;
	struct addr_name name = empty;
	int error;

	if (word == NULL || !word[0])
		error = ADDR_EMPTY;
	else if (text_starts_with(text_of(word), "unix:"))
		error = addr_parse_unix(&name, word + strlen("unix:"));
	else if (text_starts_with(text_of(word), "systemd:"))
		error = addr_parse_systemd(&name, word + strlen("systemd:"));
	else if (word[0] == '[')
		error = addr_parse_v6(&name, word);
	else
		error = addr_parse_host(&name, word);
	*out = error ? empty : name;
	return error;
}

/* Completes "address X: ..." for a mistake in a configuration. */
const char *addr_error(int error)
{
	switch ((enum addr_error)error) {
	case ADDR_OK:
		return "ok";
	case ADDR_EMPTY:
		return "is empty";
	case ADDR_NO_PORT:
		return "has no port (HOST:PORT)";
	case ADDR_BAD_PORT:
		return "has a port that is not a number from 0 to 65535";
	case ADDR_BAD_HOST:
		return "has a host that is neither a name nor an IPv4 address (* is every address)";
	case ADDR_LONG_PATH:
		return "has a path of more than 107 bytes, which a unix socket can't have";
	case ADDR_BAD_V6:
		return "is not an IPv6 address in brackets with a port ([::1]:80)";
	case ADDR_BAD_FDNAME:
		return "is not the name of a descriptor: 1 to 255 printable characters of ASCII, no colon";
	}
	return "is not an address";
}

/* Tries the one family, then the other. */
bool addr_set(struct addr *out, struct text host, uint16_t port)
{
	char word[INET6_ADDRSTRLEN];

	if (host.len == 0 || host.len >= sizeof(word))
		return false;
	memcpy(word, host.ptr, host.len);
	word[host.len] = '\0';
	*out = (struct addr){ 0 };
	if (strlen(word) != host.len)
		return false;
	if (inet_pton(AF_INET, word, &out->u.in.sin_addr) == 1) {
		out->len = sizeof(out->u.in);
		out->u.in.sin_family = AF_INET;
		out->u.in.sin_port = htons(port);
		return true;
	}
	out->len = sizeof(out->u.in6);
	out->u.in6.sin6_family = AF_INET6;
	out->u.in6.sin6_port = htons(port);
	return inet_pton(AF_INET6, word, &out->u.in6.sin6_addr) == 1;
}

/* Finds the IPv4 address, also within a v4-mapped v6 one; false when there is none. */
static bool addr_get_v4(const struct addr *addr, struct in_addr *out)
{
	if (addr->u.sa.sa_family == AF_INET)
		*out = addr->u.in.sin_addr;
	else if (addr->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr->u.in6.sin6_addr))
		memcpy(out, &addr->u.in6.sin6_addr.s6_addr[12], sizeof(*out));
	else
		return false;
	return true;
}

/* Writes "unix:PATH", "unix:@NAME" for an abstract name, "unix:" for a socket without one. */
static void addr_format_unix(const struct addr *addr, char out[ADDR_TEXT])
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t room = addr->len > head ? addr->len - head : 0;
	const char *path = addr->u.un.sun_path;

	if (room > sizeof(addr->u.un.sun_path))
		room = sizeof(addr->u.un.sun_path);
	if (room > 1 && path[0] == '\0')
		snprintf(out, ADDR_TEXT, "unix:@%.*s", (int)strnlen(path + 1, room - 1), path + 1);
	else
		snprintf(out, ADDR_TEXT, "unix:%.*s", (int)strnlen(path, room), path);
}

/* Writes a number in decimal. Returns where it ends. */
static char *addr_put_number(char *out, unsigned n)
{
	char digits[10];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	while (len > 0)
		*out++ = digits[--len];
	return out;
}

/* Writes an IPv4 address. By hand, as it is in a line of each session: inet_ntop() and printf take ten times
 * as long. Returns where it ends. */
static char *addr_put_v4(char *out, struct in_addr v4)
{
	const uint8_t *bytes = (const uint8_t *)&v4;

	for (int i = 0; i < 4; i++) {
		out = addr_put_number(out, bytes[i]);
		*out++ = i < 3 ? '.' : '\0';
	}
	return out - 1;
}

/* Writes address and port, or the path. */
char *addr_format(const struct addr *addr, char out[ADDR_TEXT])
{
	char host[ADDR_TEXT];
	struct in_addr v4;

	if (addr->u.sa.sa_family == AF_UNIX)
		addr_format_unix(addr, out);
	else if (addr_port(addr) == 0)
		addr_format_host(addr, out);
	else if (addr_get_v4(addr, &v4))
		*addr_put_number(stpcpy(addr_put_v4(out, v4), ":"), addr_port(addr)) = '\0';
	else
		snprintf(out, ADDR_TEXT, "[%.46s]:%u", addr_format_host(addr, host), addr_port(addr));
	return out;
}

/* Writes the address without its port. */
char *addr_format_host(const struct addr *addr, char out[ADDR_TEXT])
{
	struct in_addr v4;

	if (addr_get_v4(addr, &v4))
		addr_put_v4(out, v4);
	else if (addr->u.sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &addr->u.in6.sin6_addr, out, ADDR_TEXT);
	else
		strcpy(out, addr->u.sa.sa_family == AF_UNIX ? "unix" : "unknown");
	return out;
}

/* Writes a place so that it parses to the same. */
char *addr_name_format(const struct addr_name *name, char out[300])
{
	if (name->kind == ADDR_UNIX)
		snprintf(out, 300, "unix:%s", name->path);
	else if (name->kind == ADDR_SYSTEMD)
		snprintf(out, 300, "systemd:%s", name->host);
	else
		snprintf(out, 300, strchr(name->host, ':') != NULL ? "[%s]:%u" : "%s:%u", name->host,
			name->port);
	return out;
}

/* Reads the port of either family. */
uint16_t addr_port(const struct addr *addr)
{
	switch (addr->u.sa.sa_family) {
	case AF_INET:
		return ntohs(addr->u.in.sin_port);
	case AF_INET6:
		return ntohs(addr->u.in6.sin6_port);
	default:
		return 0;
	}
}

/* Whether the address never leaves this host. */
bool addr_is_loopback(const struct addr *addr)
{
	struct in_addr v4;

	if (addr_get_v4(addr, &v4))
		return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
	return addr->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&addr->u.in6.sin6_addr);
}

/* Packs what one visitor can't change into a number: v4 whole, v6 its network. */
uint64_t addr_visitor(const struct addr *addr)
{
	uint64_t network = 0;
	struct in_addr v4;

	if (addr_get_v4(addr, &v4))
		return ADDR_V4_VISITORS | ntohl(v4.s_addr);
	if (addr->u.sa.sa_family != AF_INET6)
		return 0;
	for (int i = 0; i < 8; i++)
		network = network << 8 | addr->u.in6.sin6_addr.s6_addr[i];
	return network ? network : 1; /* ::1 is a visitor too; nobody's network is 0:0:0:1 */
}
