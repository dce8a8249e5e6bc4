/*
 * outbox: TLS records on their way to a socket: OpenSSL writes them here, the stream takes them from here.
 * One a thread; empty but within a call of a stream. What comes the other way OpenSSL reads from the
 * socket itself, by the same BIO.
 */
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox {
	BIO_METHOD *method;
	uint8_t *bytes;
	size_t len, size;
};

struct outbox *outbox_new(void); /* NULL when memory is short */
void outbox_free(struct outbox *outbox);

/* What the BIO of one connection knows; its owner's. */
struct outbox_wire {
	struct outbox *outbox;
	int fd;	      /* a non-blocking socket */
	bool drained; /* the socket gave less than it could: it has no more. Whoever comes for more sets it to
		       * false, else it is not asked. */
};

/*
 * A BIO that takes whatever is written, unless memory is short: then it asks to be tried again. It must not
 * outlive the outbox and the wire. NULL when memory is short; the caller frees.
 */
BIO *outbox_bio(struct outbox_wire *wire);

#endif
