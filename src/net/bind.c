/*
 * bind: makes listening sockets (the second half of net/listener.h). Accepts nothing.
 * Runs at start, on the main thread; resolving a host name may block there.
 */
#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Closes what was opened so far and keeps the first error. */
static int bind_undo(int *fds, size_t n, int error)
{
	while (n > 0)
		close(fds[--n]);
	return -error;
}

/* One listening socket on one address. Returns it or -errno. */
static int bind_one(const struct addrinfo *at, bool shared, int backlog)
{
	int on = 1;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	/* "*:80" is two sockets; the v6 one must leave v4 to the other. */
	if (at->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, backlog) == 0)
		return fd;
	return bind_undo(&fd, 1, errno);
}

/* The port that a socket was given. */
static uint16_t bind_port(int fd)
{
	struct addr addr = { .len = sizeof(addr.u) };
	return getsockname(fd, &addr.u.sa, &addr.len) == 0 ? addr_port(&addr) : 0;
}

/* getaddrinfo for a place to listen on. */
static struct addrinfo *bind_resolve(const struct addr_name *name, uint16_t port)
{
	char service[8];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found = NULL;

	snprintf(service, sizeof(service), "%u", port);
	const char *host = strcmp(name->host, "*") == 0 ? NULL : name->host;
	return getaddrinfo(host, service, &hints, &found) == 0 ? found : NULL;
}

/* Port 0 must give every address of a name the same port: the one that the first socket got. */
static void bind_set_port(struct addrinfo *at, uint16_t port)
{
	if (at->ai_family == AF_INET)
		((struct sockaddr_in *)(void *)at->ai_addr)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)(void *)at->ai_addr)->sin6_port = htons(port);
}

/* Binds every address of a name. */
int listener_bind_tcp(const struct addr_name *name, uint16_t port, bool shared, int backlog, int *fds,
	size_t max, size_t *n)
{
	if (port == 0)
		port = name->port;
	*n = 0;
	struct addrinfo *found = bind_resolve(name, port);
	if (found == NULL)
		return -EADDRNOTAVAIL;
	int error = 0;
	for (struct addrinfo *at = found; at != NULL && *n < max; at = at->ai_next) {
		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		if (port == 0 && *n > 0)
			bind_set_port(at, bind_port(fds[0]));
		int fd = bind_one(at, shared, backlog);
		/* A machine without IPv6 still listens on "*" and "localhost". */
		if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) {
			error = -fd;
			continue;
		}
		if (fd < 0) {
			freeaddrinfo(found);
			return bind_undo(fds, *n, -fd);
		}
		fds[(*n)++] = fd;
	}
	freeaddrinfo(found);
	return *n > 0 ? 0 : -(error != 0 ? error : EADDRNOTAVAIL);
}

/* Does somebody answer on this unix socket? */
static bool bind_is_live(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true;
	bool live = connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno != ECONNREFUSED;
	close(fd);
	return live;
}

/* Removes the socket file of a gateway that is gone. Anything that is not a socket stays. */
static int bind_remove_stale(const struct sockaddr_un *at)
{
	struct stat st;
	if (lstat(at->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode) || bind_is_live(at))
		return -EADDRINUSE;
	return unlink(at->sun_path) == 0 ? 0 : -errno;
}

/* Binds a unix socket with its mode and owner in place before listen() lets anybody in. */
int listener_bind_unix(const char *path, mode_t mode, uid_t uid, gid_t gid, int backlog)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);

	int error = bind_remove_stale(&at);
	if (error != 0)
		return error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return bind_undo(&fd, 1, errno);
	if (chmod(path, mode) == 0 &&
		((uid == (uid_t)-1 && gid == (gid_t)-1) || chown(path, uid, gid) == 0) &&
		listen(fd, backlog) == 0)
		return fd;
	error = errno;
	unlink(path);
	return bind_undo(&fd, 1, error);
}
