/*
 * batch: gathers the pieces that one callback writes to one stream. Writes nothing itself.
 * Runs on its loop's thread.
 */
#include "net/batch.h"

#include "base/must.h"

#include <stdlib.h>
#include <string.h>

/* An empty batch. */
struct batch *batch_new(void)
{
	struct batch *batch = malloc(sizeof(*batch));
	if (batch != NULL)
		batch_clear(batch);
	return batch;
}

/* Frees it; NULL is allowed. */
void batch_free(struct batch *batch)
{
	free(batch);
}

/* Forgets all pieces. */
void batch_clear(struct batch *batch)
{
	batch->owner = NULL;
	batch->n = 0;
	batch->len = 0;
	batch->n_small = 0;
}

/* Counts both limits as if the piece could not lengthen the last one. */
bool batch_has_room(const struct batch *batch, size_t len)
{
	if (len <= BATCH_COPY_MAX && len > BATCH_SMALL - batch->n_small)
		return false;
	return batch->n < BATCH_IOV;
}

/* Does the last piece end where this one begins? */
static bool batch_ends_at(const struct batch *batch, const void *data)
{
	if (batch->n == 0)
		return false;
	const struct iovec *last = &batch->iov[batch->n - 1];
	return (uint8_t *)last->iov_base + last->iov_len == data;
}

/* Puts a piece behind the others, as a part of the last one where it can be. */
static void batch_point(struct batch *batch, const void *data, size_t len)
{
	if (batch_ends_at(batch, data))
		batch->iov[batch->n - 1].iov_len += len;
	else
		batch->iov[batch->n++] = (struct iovec){ .iov_base = (void *)data, .iov_len = len };
}

/* Puts a copy of a small piece behind the others. */
static void batch_copy(struct batch *batch, const void *data, size_t len)
{
	uint8_t *at = memcpy(batch->small + batch->n_small, data, len);

	batch->n_small += len;
	batch_point(batch, at, len);
}

/* A small piece that was pointed at, with nothing before it, is copied too when more small ones follow: so
 * that they are one piece. */
static void batch_gather(struct batch *batch)
{
	if (batch->n != 1 || batch->n_small > 0 || batch->iov[0].iov_len > BATCH_COPY_MAX)
		return;
	struct iovec first = batch->iov[0];
	batch->n = 0;
	batch_copy(batch, first.iov_base, first.iov_len);
}

/* Points at a piece or copies it. */
void batch_add(struct batch *batch, const void *data, size_t len, bool stays)
{
	must(len > 0 && batch_has_room(batch, len));
	if (len > BATCH_COPY_MAX || (stays && (batch->n == 0 || batch_ends_at(batch, data)))) {
		batch_point(batch, data, len);
	} else {
		batch_gather(batch);
		batch_copy(batch, data, len);
	}
	batch->len += len;
}
