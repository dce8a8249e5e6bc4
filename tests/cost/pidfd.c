/*
 * pidfd: pidfd_open() for a gateway under valgrind 3.19, which does not know that system call. A preloaded
 * library, linked with nothing of the gateway: it asks whoever listens at the unix socket COST_PIDFD
 * (tests/cost/running.py) to open the descriptor, and takes it from there by SCM_RIGHTS. Once for each
 * program, never for a message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Takes the descriptor that came with one byte; -1 and errno when there was none. */
static int pidfd_take(int from)
{
	char byte, space[CMSG_SPACE(sizeof(int))];
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)
	};
	int fd = -1;

	errno = ESRCH;
	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	if (head)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* In the place of the C library's. */
int pidfd_open(pid_t pid, unsigned flags)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;

	(void)flags;
	if (to < 0)
		return -1;
	strncpy(addr.sun_path, getenv("COST_PIDFD"), sizeof(addr.sun_path) - 1);
	if (connect(to, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		write(to, &pid, sizeof(pid)) == sizeof(pid))
		fd = pidfd_take(to);
	int error = errno;
	close(to);
	errno = error;
	return fd;
}
