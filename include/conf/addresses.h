/*
 * addresses: the places that all listeners of a configuration listen on, compared with each other.
 */
#ifndef CONF_ADDRESSES_H
#define CONF_ADDRESSES_H

#include "conf/draft.h"

/* Adds a mistake for each address that is there twice as it is written; port 0 is another one each time. That
 * two names are one host, or that "*" has room for no other, is seen when they are opened. */
void addresses_check(struct draft *draft);

#endif
