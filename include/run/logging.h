/*
 * logging: the gateway's log as the configuration wants it.
 */
#ifndef RUN_LOGGING_H
#define RUN_LOGGING_H

#include "conf/config.h"

/* Makes it, to standard error (or output, with the words of websocketd). NULL when memory is short. */
struct log *logging_new(const struct config *config);

/* Opens what is logged to; until then it is that stream alone. Also has libevent's messages logged. What
 * fails is logged. Returns 0 or -errno. */
int logging_open(struct log *log, const struct config *config);

/* Writes what is left, for a while, and frees it. NULL is not allowed. */
void logging_close(struct log *log);

#endif
