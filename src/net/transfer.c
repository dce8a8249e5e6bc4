/*
 * transfer: reads and writes. Owns nothing. On any thread.
 */
#include "net/transfer.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Receives, or finds that it is no socket. */
ssize_t transfer_read(int fd, bool *is_socket, void *data, size_t max)
{
	if (*is_socket) {
		ssize_t n = recv(fd, data, max, 0);
		if (n >= 0 || errno != ENOTSOCK)
			return n;
		*is_socket = false;
	}
	return read(fd, data, max);
}

/* Sends pieces to a socket: a single one without having the kernel look at a list. */
static ssize_t transfer_send(int fd, const struct iovec *iov, int n, int flags)
{
	if (n == 1)
		return send(fd, iov->iov_base, iov->iov_len, flags);
	struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };
	return sendmsg(fd, &message, flags);
}

/* Sends, or finds that it is no socket. */
ssize_t transfer_write(int fd, bool *is_socket, const struct iovec *iov, int n, bool more)
{
	if (*is_socket) {
		ssize_t done = transfer_send(fd, iov, n, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
		if (done >= 0 || errno != ENOTSOCK)
			return done;
		*is_socket = false;
	}
	return n == 1 ? write(fd, iov->iov_base, iov->iov_len) : writev(fd, iov, n);
}
