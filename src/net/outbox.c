/*
 * outbox: the BIO of a TLS connection: OpenSSL writes into memory by it, and reads the socket.
 *
 * Owns the bytes and the BIO's method, not the BIOs. Grows to the most that one call has made and stays so,
 * since there is one a thread. Runs on its loop's thread.
 */
#include "net/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { OUTBOX_FIRST = 4096 };

/* Makes room for `more` bytes behind those that are there. Returns whether there is. */
static bool outbox_reserve(struct outbox *outbox, size_t more)
{
	size_t size = outbox->size == 0 ? OUTBOX_FIRST : outbox->size;

	while (size - outbox->len < more)
		size *= 2;
	if (size == outbox->size)
		return true;
	uint8_t *bytes = realloc(outbox->bytes, size);
	if (bytes == NULL)
		return false;
	outbox->bytes = bytes;
	outbox->size = size;
	return true;
}

/* OpenSSL writes: all of it, unless memory is short. */
static int outbox_on_write(BIO *bio, const char *data, size_t len, size_t *written)
{
	struct outbox *outbox = ((struct outbox_wire *)BIO_get_data(bio))->outbox;

	BIO_clear_retry_flags(bio);
	if (!outbox_reserve(outbox, len)) {
		BIO_set_retry_write(bio);
		return 0;
	}
	memcpy(outbox->bytes + outbox->len, data, len);
	outbox->len += len;
	*written = len;
	return 1;
}

/* OpenSSL reads: the socket, unless that is known to have nothing. */
static int outbox_on_read(BIO *bio, char *out, size_t size, size_t *got)
{
	struct outbox_wire *wire = BIO_get_data(bio);
	ssize_t n = -1;

	BIO_clear_retry_flags(bio);
	errno = EAGAIN;
	if (!wire->drained)
		do
			n = recv(wire->fd, out, size, 0);
		while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	if (n <= 0)
		return (int)n;
	wire->drained = (size_t)n < size;
	*got = (size_t)n;
	return 1;
}

/* What a BIO must grant: to flush, for which there is nothing to do, and to tell whether it is at its end. */
static long outbox_on_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;

	return command == BIO_CTRL_FLUSH ||
	       (command == BIO_CTRL_EOF && BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0);
}

/* An empty outbox. */
struct outbox *outbox_new(void)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));
	if (outbox == NULL)
		return NULL;
	outbox->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "outbox");
	if (outbox->method == NULL || !BIO_meth_set_write_ex(outbox->method, outbox_on_write) ||
		!BIO_meth_set_read_ex(outbox->method, outbox_on_read) ||
		!BIO_meth_set_ctrl(outbox->method, outbox_on_control)) {
		outbox_free(outbox);
		return NULL;
	}
	return outbox;
}

/* Frees it and its memory. */
void outbox_free(struct outbox *outbox)
{
	if (outbox == NULL)
		return;
	BIO_meth_free(outbox->method);
	free(outbox->bytes);
	free(outbox);
}

/* A BIO for both directions. */
BIO *outbox_bio(struct outbox_wire *wire)
{
	BIO *bio = BIO_new(wire->outbox->method);

	if (bio != NULL) {
		BIO_set_data(bio, wire);
		BIO_set_init(bio, 1);
	}
	return bio;
}
