/*
 * ports: addresses of the loopback with a service, without one, and with one that does not answer. cmocka.h
 * and rig.h come before.
 */
#ifndef TESTS_UNIT_PORTS_H
#define TESTS_UNIT_PORTS_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"

static inline struct addr addr_of(const char *digits, uint16_t port)
{
	struct addr addr = { .len = sizeof(addr.u.in) };
	addr.u.in.sin_family = AF_INET;
	addr.u.in.sin_port = htons(port);
	if (inet_pton(AF_INET, digits, &addr.u.in.sin_addr) == 1)
		return addr;
	addr = (struct addr){ .len = sizeof(addr.u.in6) };
	addr.u.in6.sin6_family = AF_INET6;
	addr.u.in6.sin6_port = htons(port);
	assert_int_equal(inet_pton(AF_INET6, digits, &addr.u.in6.sin6_addr), 1);
	return addr;
}

/* A port that is free on all the addresses of the tests, and that the kernel gives to nobody meanwhile: below
 * its own range. */
static inline uint16_t free_port(void)
{
	static const char *const all[] = { "127.0.0.1", "127.0.0.2", "::1" };
	static uint16_t next;

	for (int tries = 0; tries < 1000; tries++) {
		uint16_t port = (uint16_t)(10000 + (unsigned)(getpid() * 7 + next++) % 20000);
		bool is_free = true;
		for (size_t i = 0; i < 3; i++) {
			struct addr addr = addr_of(all[i], port);
			int fd = socket(addr.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
			is_free = is_free && bind(fd, &addr.u.sa, addr.len) == 0;
			close(fd);
		}
		if (is_free)
			return port;
	}
	fail_msg("no port is free");
	return 0;
}

/* A service on an address; with port 0 on a port that no other address has. */
static inline int serve(const char *digits, uint16_t port, int backlog)
{
	int on = 1;
	struct addr addr = addr_of(digits, port != 0 ? port : free_port());
	int fd = socket(addr.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, &addr.u.sa, addr.len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static inline uint16_t port_of(int fd)
{
	struct addr addr = { .len = sizeof(addr.u) };
	assert_int_equal(getsockname(fd, &addr.u.sa, &addr.len), 0);
	return addr_port(&addr);
}

/* A port of an address on which nobody listens: bound, so that nobody else takes it meanwhile. */
static inline int closed_port(const char *digits, uint16_t port)
{
	struct addr addr = addr_of(digits, port != 0 ? port : free_port());
	int fd = socket(addr.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, &addr.u.sa, addr.len), 0);
	return fd;
}

/* A service whose backlog is full: the kernel drops further SYNs, so connecting to it stays without any
 * answer. */
struct hole {
	int listener, fillers[4];
};

static inline struct hole hole_new(const char *digits, uint16_t port)
{
	struct hole hole = { .listener = serve(digits, port, 0) };
	struct addr addr = addr_of(digits, port_of(hole.listener));
	for (int i = 0; i < 4; i++) {
		hole.fillers[i] = socket(addr.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(hole.fillers[i], &addr.u.sa, addr.len);
	}
	return hole;
}

static inline void hole_free(struct hole *hole)
{
	close(hole->listener);
	for (int i = 0; i < 4; i++)
		close(hole->fillers[i]);
}

#endif
