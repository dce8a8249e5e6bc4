/*
 * lists: the kinds of values that are lists of more than words, for the rows of conf/options.c.
 */
#ifndef CONF_LISTS_H
#define CONF_LISTS_H

#include "conf/value.h"

extern const struct value_type lists_subprotocols, lists_cidrs, lists_headers;

#endif
