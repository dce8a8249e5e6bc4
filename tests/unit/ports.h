/*
 * ports: addresses of the loopback with a service, without one, and with one that does not answer. cmocka.h
 * comes before.
 */
#ifndef TESTS_UNIT_PORTS_H
#define TESTS_UNIT_PORTS_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"
#include "rig.h"

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

/* Nobody else has these ports: not the kernel, which gives away those above, nor the tests in tests/e2e,
 * which take those below, nor another program of these. */
enum { PORTS_FIRST = 30000, PORTS_EACH = 128, PORTS_PARTS = 21 };

static uint16_t ports_first;

/* Takes a part of them as long as this process lives; before any descriptors are counted. */
__attribute__((constructor)) static void ports_take(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (unsigned i = 0; i < PORTS_PARTS; i++) {
		unsigned part = ((unsigned)getpid() + i) % PORTS_PARTS;
		struct sockaddr_un at = { .sun_family = AF_UNIX };
		int len = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "wsluice-unit-ports-%u", part);
		if (bind(fd, (struct sockaddr *)&at,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + len) == 0) {
			ports_first = (uint16_t)(PORTS_FIRST + PORTS_EACH * part);
			return;
		}
	}
	abort();
}

/* A socket that is bound there, or -1. Connections that were closed a while ago are no hindrance. */
static inline int ports_bind(const struct addr *addr, int flags)
{
	int on = 1;
	int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &addr->u.sa, addr->len) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A port that is free on all the addresses of the tests. */
static inline uint16_t free_port(void)
{
	static const char *const all[] = { "127.0.0.1", "127.0.0.2", "::1" };
	static unsigned next;

	for (unsigned tries = 0; tries < PORTS_EACH; tries++) {
		uint16_t port = (uint16_t)(ports_first + next++ % PORTS_EACH);
		bool is_free = true;
		for (size_t i = 0; i < 3; i++) {
			struct addr addr = addr_of(all[i], port);
			int fd = ports_bind(&addr, 0);
			is_free = is_free && fd >= 0;
			if (fd >= 0)
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
	struct addr addr = addr_of(digits, port != 0 ? port : free_port());
	int fd = ports_bind(&addr, SOCK_NONBLOCK);
	rig_has_tcp = true;
	assert_true(fd >= 0);
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
	int fd = ports_bind(&addr, 0);
	rig_has_tcp = true;
	assert_true(fd >= 0);
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
