/*
 * outlet: writes to one descriptor, with a queue for what the kernel does not take.
 *
 * Owns the queue, which exists only while there is something in it: an idle connection holds none. Knows no
 * events and no states. Runs on its loop's thread.
 */
#include "net/outlet.h"

#include "base/buffer.h"
#include "net/transfer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { OUTLET_WINDOW_MAX = 65536 }; /* a TCP window without scale is less */

/* Appends all but the first `skip` bytes. */
static int outlet_append(struct outlet *outlet, const struct iovec *iov, int n, size_t skip)
{
	if (outlet->queue == NULL && (outlet->queue = evbuffer_new()) == NULL)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len;
		size_t cut = skip < len ? skip : len;
		skip -= cut;
		if (buffer_append(outlet->queue, (uint8_t *)iov[i].iov_base + cut, len - cut) != 0)
			return -ENOMEM;
	}
	return 0;
}

/* Behind what waits already, or to the kernel first. */
int outlet_put(struct outlet *outlet, const struct iovec *iov, int n, size_t len)
{
	ssize_t done = 0;

	if (outlet->queue == NULL) {
		do
			done = transfer_write(outlet->fd, &outlet->is_socket, iov, n, outlet->corked);
		while (done < 0 && errno == EINTR);
		if (done < 0 && errno != EAGAIN)
			return -errno;
		if (done < 0)
			done = 0;
		outlet->n_written += (uint64_t)done;
	}
	return (size_t)done < len ? outlet_append(outlet, iov, n, (size_t)done) : 0;
}

/* Writes once. */
int outlet_retry(struct outlet *outlet)
{
	int n = evbuffer_write(outlet->queue, outlet->fd);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	outlet->n_written += (uint64_t)n;
	if (evbuffer_get_length(outlet->queue) == 0)
		outlet_drop(outlet);
	return 1;
}

/* Leaves the copying to the kernel. */
long outlet_put_file(struct outlet *outlet, int file, uint64_t offset, size_t len)
{
	off_t at = (off_t)offset;
	ssize_t n;

	do
		n = sendfile(outlet->fd, file, &at, len);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		outlet->n_written += (uint64_t)n;
	return n > 0 ? n : n == 0 ? -ENODATA : -errno;
}

/*
 * Asks TCP. Its peer chose the scale of its windows for the largest buffer that it may ever come to by
 * itself, which is less than that window; one that its program asks for later may be twice as large
 * (SO_RCVBUF doubles).
 */
void outlet_ask_peer(const struct outlet *outlet, struct outlet_peer *out)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	*out = (struct outlet_peer){ 0 };
	if (getsockopt(outlet->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return;
	out->is_gone = info.tcpi_state == TCP_CLOSE;
	if ((info.tcpi_options & TCPI_OPT_WSCALE) != 0)
		out->unread_max = (uint64_t)2 * OUTLET_WINDOW_MAX << info.tcpi_snd_wscale;
}

/* By default that is as much as the send buffer has room for, which grows to megabytes. */
void outlet_limit_unsent(const struct outlet *outlet, int max)
{
	setsockopt(outlet->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &max, sizeof(max));
}

/* What the queue costs. */
size_t outlet_cost(const struct outlet *outlet)
{
	return outlet->queue == NULL ? 0 : buffer_cost(outlet->queue);
}

/* Frees the queue. */
void outlet_drop(struct outlet *outlet)
{
	if (outlet->queue != NULL)
		evbuffer_free(outlet->queue);
	outlet->queue = NULL;
}
