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

/* Is the last piece the end of the small bytes, so that more of them lengthen it? */
static bool batch_ends_small(const struct batch *batch)
{
	if (batch->n == 0)
		return false;
	const struct iovec *last = &batch->iov[batch->n - 1];
	return batch->n_small > 0 &&
	       (uint8_t *)last->iov_base + last->iov_len == batch->small + batch->n_small;
}

/* Counts both limits as if the piece could not lengthen the last one. */
bool batch_has_room(const struct batch *batch, size_t len)
{
	if (len <= BATCH_COPY_MAX && len > BATCH_SMALL - batch->n_small)
		return false;
	return batch->n < BATCH_IOV;
}

/* Copies a small piece behind the others, or points at a large one. */
void batch_add(struct batch *batch, const void *data, size_t len)
{
	must(len > 0 && batch_has_room(batch, len));
	bool copy = len <= BATCH_COPY_MAX;
	bool lengthen = copy && batch_ends_small(batch);

	if (copy) {
		data = memcpy(batch->small + batch->n_small, data, len);
		batch->n_small += len;
	}
	if (lengthen)
		batch->iov[batch->n - 1].iov_len += len;
	else
		batch->iov[batch->n++] = (struct iovec){ .iov_base = (void *)data, .iov_len = len };
	batch->len += len;
}
