/*
 * outbox: TLS records on their way to a socket: OpenSSL writes them here, the stream takes them from here.
 * One a thread; empty but within a call of net/stream.c.
 */
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include <openssl/bio.h>
#include <stddef.h>
#include <stdint.h>

struct outbox {
	BIO_METHOD *method;
	uint8_t *bytes;
	size_t len, size;
};

struct outbox *outbox_new(void); /* NULL when memory is short */
void outbox_free(struct outbox *outbox);

/* A BIO that takes whatever is written, unless memory is short: then it asks to be tried again. It must not
 * outlive the outbox. NULL when memory is short; the caller frees. */
BIO *outbox_bio(struct outbox *outbox);

#endif
