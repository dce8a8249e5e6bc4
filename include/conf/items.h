/*
 * items: the kinds of values that are lists of words, for the rows of conf/options.c.
 */
#ifndef CONF_ITEMS_H
#define CONF_ITEMS_H

#include "conf/value.h"

extern const struct value_type items_listeners, items_hosts, items_origins, items_address;
/* `env` and `pass_env` of programs. */
extern const struct value_type items_env, items_pass_env;

/* The writer and the counter of every kind that is stored as a list of strings. */
void items_format(const struct option *option, const void *conf, size_t i, FILE *out);
size_t items_count(const struct option *option, const void *conf);

/* The next word of a value that is split at spaces and commas, as a copy; *at begins at value->text and moves
 * behind it. NULL when there is none, or no memory. */
char *items_next_word(const struct value *value, const char **at);

#endif
