/*
 * listener: sockets that wait for visitors.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/addr.h"
#include "net/loop.h"

struct listener_hooks {
	/* May another connection come in? When not, the rest waits in the kernel and this is asked again in a
	 * while. */
	bool (*has_room)(void *arg);
	/* A connection: a non-blocking, close-on-exec descriptor that is now the receiver's. */
	void (*on_accept)(void *arg, int fd, const struct addr *peer);
};

struct listener;

/*
 * Binds `name` (a host name gives every address that it has) and listens. Stores at most `max` descriptors in
 * fds and their number in *n. `port`: 0, or overrides the name's (for the second and later workers of a port
 * that the kernel chose). `shared`: SO_REUSEPORT, after a bind without it has shown that the address is free;
 * the caller binds once with it false to learn that. Returns 0 or -errno; on -errno nothing is open.
 */
int listener_bind_tcp(const struct addr_name *name, uint16_t port, bool shared, int backlog, int *fds,
	size_t max, size_t *n);

/* Binds a unix socket: a stale file is replaced, a live one is -EADDRINUSE. `mode` is set before anybody can
 * connect. */
int listener_bind_unix(const char *path, mode_t mode, uid_t uid, gid_t gid, int backlog);

/* Accepts on a listening descriptor, which it takes. Returns 0, or -errno with *out NULL and fd closed. */
int listener_new(
	struct listener **out, struct loop *loop, int fd, const struct listener_hooks *hooks, void *arg);
void listener_free(struct listener *listener); /* NULL is allowed; not from within its own hooks */

#endif
