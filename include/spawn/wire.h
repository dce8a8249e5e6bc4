/*
 * wire: the messages between workers and the spawner, and one end of the socket that they travel on.
 *
 * Fixed headers in host byte order over a stream socket pair between two processes of one program; lengths
 * are checked on both sides all the same. Both directions are queued and nothing blocks. Owns the socket, the
 * bytes and the descriptors that wait; knows nothing of event loops or of what the messages mean.
 */
#ifndef SPAWN_WIRE_H
#define SPAWN_WIRE_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_kind {
	WIRE_START,  /* worker: id, generation, route, kind of program, size of its terminal, value = bytes of
		      * the entry; entry and env follow */
	WIRE_SIGNAL, /* worker: id, value = signal */
	WIRE_RELEASE, /* worker: id */
	WIRE_STARTED, /* spawner: id, value = pid; carries the descriptors: one, where stdout is stdin's */
	WIRE_FAILED,  /* spawner: id, value = errno; the step's name follows; the spawner has forgotten id */
	WIRE_EXITED,  /* spawner: id, value = wait status */
	WIRE_STOPPED, /* spawner: the same, of a signal that WIRE_SIGNAL sent it while it lived */
};

/* Most descriptors that travel with one message: the gateway's ends of stdin, stdout, stderr. */
enum { WIRE_FDS = 3 };

/* The longest name of a step that failed, in WIRE_FAILED and wherever else one is kept. */
enum { WIRE_STEP_MAX = 47 };

struct wire_header {
	uint32_t len; /* of what follows this header */
	uint32_t kind;
	uint64_t id; /* of the child, chosen by the worker, unique on its socket */
	uint32_t generation, route;
	int32_t value;
	uint32_t n_fds;		/* descriptors that come with the first byte; at most WIRE_FDS */
	uint32_t program;	/* enum spawn_kind */
	uint16_t columns, rows; /* as in struct spawn_request */
};

/* A message that waits to be sent. */
struct wire_message;

/* A message as it came. The body is valid until the next wire_read(). */
struct wire_received {
	struct wire_header header;
	struct text body;
	/* The receiver's to close: n_fds of them, then -1; all -1 when some could not be received for want of
	 * descriptors. */
	int fds[WIRE_FDS];
};

/* One end of the socket. */
struct wire {
	int fd;
	bool takes_fds;
	struct wire_message *first, **last;
	size_t queued; /* bytes of memory held by what waits to be sent */
	uint8_t *in;
	size_t in_size, in_start, in_end;
	/* Descriptors whose messages are not complete yet. A set comes with the first byte of its message,
	 * behind at most one other message's last bytes, so there are at most two. */
	struct wire_set {
		int fds[WIRE_FDS];
		unsigned n; /* 0: they were lost */
	} sets[2];
	unsigned n_sets;
};

/*
 * Takes a non-blocking socket. Messages received are at most max_body bytes long behind their header;
 * descriptors are accepted if takes_fds, else a message that says it has some breaks the protocol. Returns 0
 * or -ENOMEM, and then the socket is still the caller's.
 */
int wire_init(struct wire *wire, int fd, size_t max_body, bool takes_fds);
void wire_done(struct wire *wire); /* closes the socket and every descriptor that waits */

/*
 * A message for wire_push(), with header->len bytes of body copied. It takes the descriptors in fds up to the
 * first -1 (all WIRE_FDS, if there is none; NULL has none); they are closed once they were sent, and also
 * when memory is short, which returns NULL.
 */
struct wire_message *wire_message_new(
	const struct wire_header *header, const void *body, const int fds[WIRE_FDS]);
void wire_message_free(struct wire_message *message); /* NULL is allowed */

/* Closes those of a set of descriptors that are there, and makes them -1. */
void wire_close_fds(int fds[WIRE_FDS]);

/* Queues a message and takes it. */
void wire_push(struct wire *wire, struct wire_message *message);

/*
 * Sends what the socket takes. Returns 0, also when some must wait, or -errno: the peer is lost. Descriptors
 * that the kernel refuses to pass are dropped: their message goes out with n_fds 0.
 */
int wire_flush(struct wire *wire);

/* Receives once. Returns the number of bytes, 0 when there are none yet, or -errno; -ECONNRESET is also the
 * end of file. All complete messages must have been taken by wire_next() before. */
int wire_read(struct wire *wire);

/* Takes the next complete message. Returns 1, 0 when there is none, or -EPROTO: the peer is not to be
 * trusted. */
int wire_next(struct wire *wire, struct wire_received *out);

#endif
