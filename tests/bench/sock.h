/*
 * sock: numeric addresses and the non-blocking sockets of the test programs.
 *
 * HOST:PORT, [V6]:PORT or unix:PATH; no names are looked up. Functions return 0 or a descriptor, or -errno.
 */
#ifndef TESTS_BENCH_SOCK_H
#define TESTS_BENCH_SOCK_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct sock_addr {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	};
	socklen_t len;
};

/* Reads HOST and PORT into an address. */
static inline int sock_parse_inet(struct sock_addr *addr, const char *host, const char *port)
{
	char *end;
	unsigned long number = strtoul(port, &end, 10);
	if (end == port || *end != '\0' || number > 65535)
		return -EINVAL;
	in_port_t wire = htons((uint16_t)number);
	if (inet_pton(AF_INET, host, &addr->v4.sin_addr) == 1) {
		addr->v4.sin_family = AF_INET;
		addr->v4.sin_port = wire;
		addr->len = sizeof(addr->v4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &addr->v6.sin6_addr) == 1) {
		addr->v6.sin6_family = AF_INET6;
		addr->v6.sin6_port = wire;
		addr->len = sizeof(addr->v6);
		return 0;
	}
	return -EINVAL;
}

/* Reads HOST:PORT, [V6]:PORT or unix:PATH. */
static inline int sock_parse(struct sock_addr *addr, const char *text)
{
	char host[128];
	memset(addr, 0, sizeof(*addr));
	if (strncmp(text, "unix:", 5) == 0) {
		if (strlen(text + 5) >= sizeof(addr->local.sun_path))
			return -ENAMETOOLONG;
		addr->local.sun_family = AF_UNIX;
		memcpy(addr->local.sun_path, text + 5, strlen(text + 5));
		addr->len = sizeof(addr->local);
		return 0;
	}
	const char *colon = strrchr(text, ':');
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	bool bracketed = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * bracketed, text + bracketed);
	return sock_parse_inet(addr, host, colon + 1);
}

/* Writes an address as sock_parse() reads it. */
static inline void sock_format(const struct sock_addr *addr, char *text, size_t len)
{
	char host[INET6_ADDRSTRLEN] = "";
	if (addr->any.sa_family == AF_UNIX)
		snprintf(text, len, "unix:%s", addr->local.sun_path);
	else if (addr->any.sa_family == AF_INET)
		snprintf(text, len, "%s:%u", inet_ntop(AF_INET, &addr->v4.sin_addr, host, sizeof(host)),
			ntohs(addr->v4.sin_port));
	else
		snprintf(text, len, "[%s]:%u", inet_ntop(AF_INET6, &addr->v6.sin6_addr, host, sizeof(host)),
			ntohs(addr->v6.sin6_port));
}

/* Lets small messages leave at once; says nothing about a unix socket. */
static inline void sock_nodelay(int fd)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

/* Listens, replacing a stale unix socket; writes the address that it got (port 0) back to `addr`. */
static inline int sock_listen(struct sock_addr *addr)
{
	int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (addr->any.sa_family == AF_UNIX)
		unlink(addr->local.sun_path);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, &addr->any, addr->len) != 0 || listen(fd, 4096) != 0 ||
		(addr->any.sa_family != AF_UNIX && getsockname(fd, &addr->any, &addr->len) != 0)) {
		int error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

/* Begins to connect; the descriptor becomes writable when that has ended. */
static inline int sock_connect(const struct sock_addr *addr)
{
	int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &addr->any, addr->len) != 0 && errno != EINPROGRESS) {
		int error = errno;
		close(fd);
		return -error;
	}
	sock_nodelay(fd);
	return fd;
}

/* What became of a connect, as 0 or -errno. */
static inline int sock_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return -errno;
	return -error;
}

/* Takes as many descriptors as the system lets us have. */
static inline void sock_raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

#endif
