/*
 * who: the kinds of values that name users and groups, for the rows of conf/options.c.
 */
#ifndef CONF_WHO_H
#define CONF_WHO_H

#include "conf/value.h"

/* `owner` of a unix socket; `user` and `group` of the gateway; `run_as` of a program. */
extern const struct value_type who_owner, who_user, who_group, who_run_as;

#endif
