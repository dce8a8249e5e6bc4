/*
 * place: the kinds of values that are places on this machine or another, for the rows of conf/options.c.
 */
#ifndef CONF_PLACE_H
#define CONF_PLACE_H

#include "conf/value.h"

extern const struct value_type place_directory, place_file, place_files, place_log_target, place_redirect,
	place_targets;

/* Has neither reader nor writer: conf/ini.c follows includes itself. */
extern const struct value_type place_include;

#endif
