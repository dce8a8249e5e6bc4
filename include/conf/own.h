/*
 * own: our own options of the command line, and those of websocketd, which are the same.
 */
#ifndef CONF_OWN_H
#define CONF_OWN_H

#include "conf/argv.h"

extern const struct argv_option own_options[]; /* ends with a row that has no name */

#endif
