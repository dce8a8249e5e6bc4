/*
 * transfer: moves bytes to and from one descriptor by the system calls that cost least for its kind: recv(2)
 * and send(2) of a socket, which pass by what the kernel does for files. Used by streams and
 * net/outlet.c.
 */
#ifndef NET_TRANSFER_H
#define NET_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * As read(2) and writev(2) of a non-blocking descriptor, n of them at least 1. *is_socket: what the owner
 * takes it for; it is put right, and the call made again, when that was wrong. No SIGPIPE of a socket. more:
 * shutdown(2) or another write follows at once, and may go in the same segment.
 */
ssize_t transfer_read(int fd, bool *is_socket, void *data, size_t max);
ssize_t transfer_write(int fd, bool *is_socket, const struct iovec *iov, int n, bool more);

#endif
