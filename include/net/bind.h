/*
 * bind: listening sockets, made or looked at, at start. Finding the addresses of a host name may block.
 */
#ifndef NET_BIND_H
#define NET_BIND_H

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A socket that listens, and where. */
struct bound {
	struct addr at;
	int fd; /* non-blocking, close-on-exec */
};

/*
 * Listens at the addresses that a name of kind ADDR_TCP stands for: a host name has as many as it has, "*"
 * both families; with port 0 they all get one that the kernel chose. None is shared with anybody: with
 * SO_REUSEPORT a second gateway would share it silently. Stores at most `max` in out and their number in *n.
 * Returns 0 or -errno, and then nothing listens; of a name that has no address *why then says so in words,
 * else it stays as it is.
 */
int bind_name(const struct addr_name *name, int backlog, struct bound *out, size_t max, size_t *n,
	const char **why);

/* Lets more sockets of ours listen where one of bind_name() does (SO_REUSEPORT), which goes on to, so that
 * nobody else gets in between. Returns 0 or -errno. */
int bind_share(int fd);

/* Why the name can't be listened on, in words: strerror(), or better where the remedy is known. */
const char *bind_error(const struct addr_name *name, int error);

/* Listens at exactly this address. `shared`: SO_REUSEPORT, for several sockets at one address. Returns a
 * non-blocking, close-on-exec descriptor, or -errno. */
int bind_addr(const struct addr *at, bool shared, int backlog);

/* Listens on a unix socket: a stale file is replaced, a live one is -EADDRINUSE. Mode and owner ((uid_t)-1,
 * (gid_t)-1: as they are) are set before anybody can connect. Returns a descriptor as above, or -errno. */
int bind_unix(const char *path, mode_t mode, uid_t uid, gid_t gid, int backlog);

/*
 * Looks at a descriptor that somebody else made: a listening stream socket of TCP or unix. Makes it
 * non-blocking and stores where it is bound. Returns NULL, or what is wrong with it, in words.
 */
const char *bind_adopt(int fd, struct addr *at);

#endif
