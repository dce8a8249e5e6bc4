/*
 * wire: queues messages to one end of a stream socket and cuts what arrives into messages again.
 *
 * Owns the socket, the queue and the descriptors in it. Used by the spawner and by each worker, always on one
 * thread. How descriptors travel on a stream socket: they are bound to the first byte of the sendmsg() that
 * carries them; a recvmsg() returns the bytes before, then the bytes of that sendmsg(), and stops there. So
 * one recvmsg() brings at most one set, and sets arrive in the order of their messages.
 */
#include "spawn/wire.h"
#include "base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire_message {
	struct wire_message *next;
	size_t len, sent;
	int fds[WIRE_FDS]; /* the first n_fds; -1 when they have been sent */
	unsigned n_fds;
	uint8_t bytes[];
};

/* Room for one set of descriptors, aligned as the kernel wants it. */
union wire_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int[WIRE_FDS]))];
};

enum { WIRE_READ_MIN = 4096 };

/* Marks all descriptors as absent. */
static void wire_clear_fds(int fds[WIRE_FDS])
{
	for (int i = 0; i < WIRE_FDS; i++)
		fds[i] = -1;
}

/* Closes those descriptors that are there. */
void wire_close_fds(int fds[WIRE_FDS])
{
	for (int i = 0; i < WIRE_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	wire_clear_fds(fds);
}

/* Prepares one end of the socket. */
int wire_init(struct wire *wire, int fd, size_t max_body, bool takes_fds)
{
	*wire = (struct wire){ .fd = fd, .takes_fds = takes_fds };
	wire->last = &wire->first;
	wire->in_size = sizeof(struct wire_header) + max_body;
	if (wire->in_size < WIRE_READ_MIN)
		wire->in_size = WIRE_READ_MIN;
	wire->in = malloc(wire->in_size);
	return wire->in != NULL ? 0 : -ENOMEM;
}

/* Closes the socket and drops everything that waits. */
void wire_done(struct wire *wire)
{
	while (wire->first != NULL) {
		struct wire_message *message = wire->first;
		wire->first = message->next;
		wire_message_free(message);
	}
	for (unsigned i = 0; i < wire->n_sets; i++)
		wire_close_fds(wire->sets[i].fds);
	free(wire->in);
	close(wire->fd);
	*wire = (struct wire){ .fd = -1 };
	wire->last = &wire->first;
}

/* Says how many descriptors come with a message that has not begun to be sent. */
static void wire_message_set_n_fds(struct wire_message *message, unsigned n_fds)
{
	struct wire_header header;
	message->n_fds = n_fds;
	memcpy(&header, message->bytes, sizeof(header));
	header.n_fds = n_fds;
	memcpy(message->bytes, &header, sizeof(header));
}

/* Makes a message of a header, its body and its descriptors. */
struct wire_message *wire_message_new(
	const struct wire_header *header, const void *body, const int fds[WIRE_FDS])
{
	unsigned n_fds = 0;
	while (fds != NULL && n_fds < WIRE_FDS && fds[n_fds] >= 0)
		n_fds++;
	struct wire_message *message = malloc(sizeof(*message) + sizeof(*header) + header->len);
	if (message == NULL) {
		for (unsigned i = 0; i < n_fds; i++)
			close(fds[i]);
		return NULL;
	}
	*message = (struct wire_message){ .len = sizeof(*header) + header->len };
	memcpy(message->bytes, header, sizeof(*header));
	if (header->len > 0)
		memcpy(message->bytes + sizeof(*header), body, header->len);
	wire_message_set_n_fds(message, n_fds);
	wire_clear_fds(message->fds);
	for (unsigned i = 0; i < n_fds; i++)
		message->fds[i] = fds[i];
	return message;
}

/* Frees a message with the descriptors that it still has. */
void wire_message_free(struct wire_message *message)
{
	if (message != NULL)
		wire_close_fds(message->fds);
	free(message);
}

/* Appends a message to the queue. */
void wire_push(struct wire *wire, struct wire_message *message)
{
	message->next = NULL;
	*wire->last = message;
	wire->last = &message->next;
	wire->queued += sizeof(*message) + message->len;
}

/* Frees the message at the head of the queue. */
static void wire_pop(struct wire *wire)
{
	struct wire_message *message = wire->first;
	wire->first = message->next;
	if (wire->first == NULL)
		wire->last = &wire->first;
	wire->queued -= sizeof(*message) + message->len;
	wire_message_free(message);
}

/* Sends as much of one message as the socket takes. Returns the bytes sent or -errno. */
static ssize_t wire_send(int fd, struct wire_message *message)
{
	union wire_control control = { .bytes = { 0 } };
	struct iovec iov = { message->bytes + message->sent, message->len - message->sent };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (message->fds[0] >= 0) {
		size_t len = message->n_fds * sizeof(int);
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(len);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(cmsg), message->fds, len);
	}
	ssize_t n;
	do
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Sends queued messages until the queue is empty or the socket full. */
int wire_flush(struct wire *wire)
{
	while (wire->first != NULL) {
		struct wire_message *message = wire->first;
		ssize_t n = wire_send(wire->fd, message);
		/* The kernel being short of memory is no reason to give the other side up either: the socket
		 * is tried again. */
		if (n == -EAGAIN || n == -ENOBUFS || n == -ENOMEM)
			return 0;
		if (n < 0 && message->fds[0] >= 0) {
			/* ETOOMANYREFS: more descriptors in flight than this user may have, and nothing
			 * says when that is over. */
			wire_close_fds(message->fds);
			wire_message_set_n_fds(message, 0);
			continue;
		}
		if (n < 0)
			return (int)n;
		wire_close_fds(message->fds); /* they left with the first byte */
		message->sent += (size_t)n;
		if (message->sent == message->len)
			wire_pop(wire);
	}
	return 0;
}

/* Copies the descriptors out of a control message; a set of which some are missing is none. */
static void wire_parse_set(struct msghdr *msg, struct wire_set *set)
{
	*set = (struct wire_set){ .n = 0 };
	wire_clear_fds(set->fds);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return;
	size_t len = cmsg->cmsg_len - CMSG_LEN(0);
	must(len <= sizeof(set->fds)); /* there was no more room */
	memcpy(set->fds, CMSG_DATA(cmsg), len);
	if (msg->msg_flags & MSG_CTRUNC)
		wire_close_fds(set->fds);
	else
		set->n = (unsigned)(len / sizeof(int));
}

/* Keeps the descriptors that a recvmsg() brought, or the fact that they were lost. Returns 0 or -EPROTO. */
static int wire_keep_set(struct wire *wire, struct msghdr *msg)
{
	if (!wire->takes_fds || (msg->msg_controllen == 0 && !(msg->msg_flags & MSG_CTRUNC)))
		return 0;
	struct wire_set set;
	wire_parse_set(msg, &set);
	if (wire->n_sets == sizeof(wire->sets) / sizeof(wire->sets[0])) {
		wire_close_fds(set.fds);
		return -EPROTO;
	}
	wire->sets[wire->n_sets++] = set;
	return 0;
}

/* Receives into the free part of the buffer, which starts with the message that is not complete yet. */
int wire_read(struct wire *wire)
{
	memmove(wire->in, wire->in + wire->in_start, wire->in_end - wire->in_start);
	wire->in_end -= wire->in_start;
	wire->in_start = 0;
	must(wire->in_end < wire->in_size);

	union wire_control control;
	struct iovec iov = { wire->in + wire->in_end, wire->in_size - wire->in_end };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (wire->takes_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_LEN(sizeof(int[WIRE_FDS])); /* its padding has room for another */
	}
	ssize_t n;
	do
		n = recvmsg(wire->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 ? -ECONNRESET : errno == EAGAIN ? 0 : -errno;
	wire->in_end += (size_t)n;
	int rc = wire_keep_set(wire, &msg);
	return rc < 0 ? rc : (int)n;
}

/* Moves the oldest set of descriptors to its message. Returns 0 or -EPROTO. */
static int wire_take_set(struct wire *wire, struct wire_received *out)
{
	wire_clear_fds(out->fds);
	if (out->header.n_fds == 0)
		return 0;
	if (out->header.n_fds > WIRE_FDS || wire->n_sets == 0)
		return -EPROTO;
	if (wire->sets[0].n > 0 && wire->sets[0].n != out->header.n_fds)
		return -EPROTO; /* wire_done() closes them */
	memcpy(out->fds, wire->sets[0].fds, sizeof(out->fds));
	wire->sets[0] = wire->sets[1];
	wire->n_sets--;
	return 0;
}

/* Cuts the next message off what was received. */
int wire_next(struct wire *wire, struct wire_received *out)
{
	size_t have = wire->in_end - wire->in_start;
	const uint8_t *at = wire->in + wire->in_start;
	if (have < sizeof(out->header))
		return 0;
	memcpy(&out->header, at, sizeof(out->header));
	if (out->header.len > wire->in_size - sizeof(out->header))
		return -EPROTO;
	if (have - sizeof(out->header) < out->header.len)
		return 0;
	out->body = (struct text){ (const char *)at + sizeof(out->header), out->header.len };
	wire->in_start += sizeof(out->header) + out->header.len;
	return wire_take_set(wire, out) < 0 ? -EPROTO : 1;
}
