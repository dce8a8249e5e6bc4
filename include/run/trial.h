/*
 * trial: what --check does: looks whether the gateway could start, and leaves no trace.
 */
#ifndef RUN_TRIAL_H
#define RUN_TRIAL_H

#include "conf/config.h"

/*
 * Reads the certificates and keys that a configuration names, and looks whether the log could be opened.
 * Prints "ok", or on stderr a line for each mistake; what the start would warn of, too. What can't be known
 * is no mistake: whoever asks may have other rights than who starts the gateway. Returns the exit status.
 */
int trial_run(const struct config *config);

#endif
