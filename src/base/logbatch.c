/*
 * logbatch: writes a batch of lines and counts what did not get through. Keeps from one batch to the next
 * only whether the target ends in the middle of a line. Runs on the log's writer thread.
 */
#include "base/logbatch.h"

#include <string.h>

/* Counts the ends of lines. */
static uint64_t logbatch_count(const char *bytes, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += bytes[i] == '\n';
	return n;
}

/* Ends the line that an earlier batch has begun; false: the target still fails. */
static bool logbatch_mend(struct logbatch *batch, const struct logtarget *target)
{
	if (batch->torn && logtarget_write(target, "\n", 1) == 1)
		batch->torn = false;
	return !batch->torn;
}

/* Writes it, and counts what was begun and not finished as lost. */
uint64_t logbatch_write(struct logbatch *batch, const struct logtarget *target)
{
	size_t done = logbatch_mend(batch, target) ? logtarget_write(target, batch->lines, batch->len) : 0;
	uint64_t n_lost = logbatch_count(batch->lines + done, batch->len - done);

	batch->failed = done < batch->len;
	if (done > 0)
		batch->torn = batch->lines[done - 1] != '\n';
	if (batch->failed && batch->told > 0)
		n_lost--;
	return n_lost;
}
