/*
 * outbox: memory that OpenSSL writes into, by a BIO of our own.
 *
 * Owns the bytes and the BIO's method, not the BIOs. Grows to the most that one call has made and stays so,
 * since there is one a thread. Runs on its loop's thread.
 */
#include "net/outbox.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
	struct outbox *outbox = BIO_get_data(bio);

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

/* The only request that a BIO for writing must grant is to flush, and there is nothing to do for it. */
static long outbox_on_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

/* An empty outbox. */
struct outbox *outbox_new(void)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));
	if (outbox == NULL)
		return NULL;
	outbox->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "outbox");
	if (outbox->method == NULL || !BIO_meth_set_write_ex(outbox->method, outbox_on_write) ||
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

/* A BIO that writes into it. */
BIO *outbox_bio(struct outbox *outbox)
{
	BIO *bio = BIO_new(outbox->method);

	if (bio != NULL) {
		BIO_set_data(bio, outbox);
		BIO_set_init(bio, 1);
	}
	return bio;
}
