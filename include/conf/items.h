/*
 * items: the kinds of values that are lists, for the rows of conf/options.c.
 */
#ifndef CONF_ITEMS_H
#define CONF_ITEMS_H

#include "conf/value.h"

extern const struct value_type items_listeners, items_hosts, items_origins, items_tokens, items_address,
	items_headers;

#endif
