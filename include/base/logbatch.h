/*
 * logbatch: what the log's writer thread writes in one go: whole lines, the last of which may say how many
 * were lost. Counts what a target that fails has not taken. Of one thread.
 */
#ifndef BASE_LOGBATCH_H
#define BASE_LOGBATCH_H

#include "base/logtarget.h"

#include <stdint.h>

enum {
	LOG_LINE = 4096,   /* a line and its newline */
	LOG_BATCH = 65536, /* the lines of others at most */
	LOG_OWN = 2	   /* lines of the writer's own at most */
};

struct logbatch {
	size_t len;
	uint64_t told; /* what the last line says was lost; 0: there is no such line */
	bool failed;   /* it was not written whole */
	bool torn;     /* the target ends in the middle of a line, which is ended before anything else */
	char lines[LOG_BATCH + LOG_OWN * LOG_LINE];
};

/*
 * Writes the batch; returns how many of its lines the target has not got whole. The one about losses is not
 * counted: what it told is still to be told.
 */
uint64_t logbatch_write(struct logbatch *batch, const struct logtarget *target);

#endif
