/*
 * bind: makes listening sockets, and looks at those made by others. Accepts nothing, keeps no descriptor.
 * Runs at start, on the main thread; resolving a host name may block there.
 */
#include "net/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BIND_TRIES = 16 }; /* for a port that is free at all addresses of a name */

/* Closes a socket that came to nothing and passes the error on. */
static int bind_undo(int fd, int error)
{
	close(fd);
	return -error;
}

/* A TCP socket that is bound. Returns it or -errno. */
static int bind_socket(const struct addr *at, bool shared)
{
	int on = 1, family = at->u.sa.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	/* "*:80" is two sockets; the v6 one must leave v4 to the other. */
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return bind(fd, &at->u.sa, at->len) == 0 ? fd : bind_undo(fd, errno);
}

/* Binds and listens. */
int bind_addr(const struct addr *at, bool shared, int backlog)
{
	int fd = bind_socket(at, shared);
	if (fd < 0)
		return fd;
	return listen(fd, backlog) == 0 ? fd : bind_undo(fd, errno);
}

/* getaddrinfo for a place to listen on. Returns NULL and says why when the name has no address. */
static struct addrinfo *bind_resolve(const struct addr_name *name, const char **why)
{
	char service[8];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found = NULL;

	snprintf(service, sizeof(service), "%u", name->port);
	const char *host = strcmp(name->host, "*") == 0 ? NULL : name->host;
	int error = getaddrinfo(host, service, &hints, &found);
	if (error == 0)
		return found;
	*why = error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
	return NULL;
}

/* Port 0 must give every address of a name the same port: the one that the first was given. */
static void bind_set_port(struct addr *at, uint16_t port)
{
	if (at->u.sa.sa_family == AF_INET)
		at->u.in.sin_port = htons(port);
	else
		at->u.in6.sin6_port = htons(port);
}

/* An address that was found, with the port that those before it have got; 0: it is the first. */
static struct addr bind_place(const struct addrinfo *found, uint16_t port)
{
	struct addr at = { .len = found->ai_addrlen };

	memcpy(&at.u, found->ai_addr, found->ai_addrlen);
	if (port != 0)
		bind_set_port(&at, port);
	return at;
}

/* Do we listen there already? Two lines of /etc/hosts may give a name the same address. */
static bool bind_has(const struct bound *bound, size_t n, const struct addr *at)
{
	for (size_t i = 0; i < n; i++)
		if (bound[i].at.len == at->len && memcmp(&bound[i].at.u, &at->u, at->len) == 0)
			return true;
	return false;
}

/* Listens at one address and writes down where that is. Returns 0 or -errno. */
static int bind_one(const struct addr *at, int backlog, struct bound *out)
{
	out->at = *at;
	out->fd = bind_addr(at, false, backlog);
	if (out->fd < 0)
		return out->fd;
	out->at.len = sizeof(out->at.u);
	return getsockname(out->fd, &out->at.u.sa, &out->at.len) == 0 ? 0 : bind_undo(out->fd, errno);
}

/* Listens at every address that was found, or at none. */
static int bind_all(const struct addrinfo *found, int backlog, struct bound *out, size_t max, size_t *n)
{
	int error = 0, missing = -EADDRNOTAVAIL;

	*n = 0;
	for (const struct addrinfo *at = found; error == 0 && at != NULL && *n < max; at = at->ai_next) {
		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		struct addr place = bind_place(at, *n == 0 ? 0 : addr_port(&out[0].at));
		if (bind_has(out, *n, &place))
			continue;
		error = bind_one(&place, backlog, &out[*n]);
		/* A machine without IPv6 still listens on "*" and "localhost". */
		if (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL) {
			missing = error;
			error = 0;
		} else if (error == 0)
			(*n)++;
	}
	while (error != 0 && *n > 0)
		close(out[--*n].fd);
	return error == 0 && *n == 0 ? missing : error;
}

/* Finds the addresses of a name and takes them. */
int bind_name(
	const struct addr_name *name, int backlog, struct bound *out, size_t max, size_t *n, const char **why)
{
	struct addrinfo *found = bind_resolve(name, why);
	int error = -EADDRNOTAVAIL;

	*n = 0;
	if (found == NULL)
		return error;
	/* Somebody else may have, at the next address, the port that the kernel chose at the first one. */
	for (int tries = name->port == 0 ? BIND_TRIES : 1; tries > 0; tries--) {
		error = bind_all(found, backlog, out, max, n);
		if (error != -EADDRINUSE)
			break;
	}
	freeaddrinfo(found);
	return error;
}

/* Linux asks a socket for its option when another one is bound to the same address, not when it was bound
 * itself. */
int bind_share(int fd)
{
	int on = 1;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 ? 0 : -errno;
}

/* Knows the mistakes that many make at their first start. */
const char *bind_error(const struct addr_name *name, int error)
{
	if (error == -EACCES && name->kind == ADDR_TCP && name->port > 0 && name->port < IPPORT_RESERVED)
		return "a port below 1024 needs a start as root (with user in [gateway]), "
		       "CAP_NET_BIND_SERVICE "
		       "or a socket of systemd; ports from 1024 need nothing";
	if (error == -EPERM && name->kind == ADDR_UNIX)
		return "its owner can't be set without root, nor in the sandbox of the unit: a .socket unit "
		       "can (SocketUser=, SocketGroup=), or mode lets others in";
	return strerror(-error);
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

/* Gives a socket file to somebody, unless it is theirs already: a sandbox may refuse the call as such.
 * Returns 0 or -1 and errno. */
static int bind_give(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return -1;
	if ((uid == (uid_t)-1 || uid == st.st_uid) && (gid == (gid_t)-1 || gid == st.st_gid))
		return 0;
	return lchown(path, uid, gid);
}

/* Binds a unix socket with its mode and owner in place before listen() lets anybody in. */
int bind_unix(const char *path, mode_t mode, uid_t uid, gid_t gid, int backlog)
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
		return bind_undo(fd, errno);
	if (chmod(path, mode) == 0 && bind_give(path, uid, gid) == 0 && listen(fd, backlog) == 0)
		return fd;
	error = errno;
	unlink(path);
	return bind_undo(fd, error);
}

/* A number that the kernel knows of a socket; -1 when it is none. */
static int bind_ask(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* Looks at what it was given. */
const char *bind_adopt(int fd, struct addr *at)
{
	*at = (struct addr){ .len = sizeof(at->u) };
	if (getsockname(fd, &at->u.sa, &at->len) != 0)
		return strerror(errno);
	if (at->u.sa.sa_family != AF_INET && at->u.sa.sa_family != AF_INET6 && at->u.sa.sa_family != AF_UNIX)
		return "it is a socket of neither TCP nor unix";
	if (bind_ask(fd, SO_TYPE) != SOCK_STREAM)
		return "it is not a stream socket (ListenStream=)";
	if (bind_ask(fd, SO_ACCEPTCONN) != 1)
		return "it does not listen (Accept=no)";
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? NULL : strerror(errno);
}
