/*
 * addr: names of the places that one listens on or connects to, and socket addresses in words.
 * Pure: nothing is resolved here. Safe on every thread.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/text.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum addr_kind { ADDR_TCP, ADDR_UNIX, ADDR_SYSTEMD };

/* A place as it is written: HOST:PORT, [V6]:PORT, *:PORT, unix:PATH, systemd:FDNAME. Strings are within the
 * struct; copy it freely. */
struct addr_name {
	enum addr_kind kind;
	char host[256]; /* without brackets; "*" is every address; of systemd the name of what it passes, 1 to
			   255 bytes; empty for unix */
	uint16_t port;	/* 0 to 65535; 0 but for TCP */
	char path[sizeof(
		((struct sockaddr_un *)0)->sun_path)]; /* of unix, NUL-terminated, so at most 107 bytes */
};

/* Why a name can't be parsed; each has its words in addr_error(). */
enum addr_error {
	ADDR_OK = 0,
	ADDR_EMPTY = -1,
	ADDR_NO_PORT = -2,
	ADDR_BAD_PORT = -3,
	ADDR_BAD_HOST = -4,
	ADDR_LONG_PATH = -5,
	ADDR_BAD_V6 = -6,
	ADDR_BAD_FDNAME = -7
};

/* Parses `word`. Returns 0 or a negative enum addr_error. */
int addr_parse(struct addr_name *out, const char *word);
const char *addr_error(int error);

/* Is it an IPv6 address, without brackets and without a zone? */
bool addr_is_v6(struct text in);

/* A socket address as the kernel gives it. */
struct addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	} u;
};

/* Makes one of an IPv4 address, or an IPv6 one without brackets and zone, and a port in host byte order.
 * False when `host` is neither. */
bool addr_set(struct addr *out, struct text host, uint16_t port);

/* Room for any formatted address with its NUL. */
enum { ADDR_TEXT = 128 };

/* "192.0.2.1:80", "[2001:db8::1]:80", "unix:/run/x.sock" or "unix:". A v4-mapped v6 address is written as v4.
 * Port 0 is none: only the host is written. Returns out. */
char *addr_format(const struct addr *addr, char out[ADDR_TEXT]);
/* Only the host part, without brackets and port: "192.0.2.1", "2001:db8::1", "unix". Returns out. */
char *addr_format_host(const struct addr *addr, char out[ADDR_TEXT]);
/* A place in words, as addr_parse() takes it. Returns out, which has room for 300 bytes. */
char *addr_name_format(const struct addr_name *name, char out[300]);
uint16_t addr_port(const struct addr *addr);	/* host byte order; 0 for unix */
bool addr_is_loopback(const struct addr *addr); /* 127.0.0.0/8, ::1, v4-mapped; unix is not */

/* What counts as one visitor for max_sessions_per_ip: the v4 address, or the /64 of a v6 one. 0 for unix. */
uint64_t addr_visitor(const struct addr *addr);

#endif
