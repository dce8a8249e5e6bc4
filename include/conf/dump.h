/*
 * dump: a snapshot, and the table of options, as files that can be read back.
 */
#ifndef CONF_DUMP_H
#define CONF_DUMP_H

#include "conf/config.h"

#include <stdio.h>

/* Prints every key of every section in ini form, those that do nothing without a value; what it prints reads
 * back to the same snapshot, but for what no key says, of which there is a comment each. Returns 0, or
 * -ENOMEM when some values are missing. Whether `out` took it all is for the caller to see. */
int dump_config(const struct config *config, FILE *out);

/* Prints every key with its section, default and help text (--help-config). */
void dump_help(FILE *out);

#endif
