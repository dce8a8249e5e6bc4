/*
 * command: the words of a command line, split and quoted as a shell does it, and the program that the first
 * one names. No shell runs anything, and nothing is expanded: no variables, no patterns, no "~".
 */
#ifndef CONF_COMMAND_H
#define CONF_COMMAND_H

#include "conf/pool.h"
#include "conf/value.h"

#include <stdio.h>

/*
 * Splits at spaces and tabs: 'x', "x" (where \ escapes " \ $ `), $'x' (\n \r \t \\ \' \" \e \xHH) and \x
 * quote. Returns 0, -EINVAL for a quote or escape that is not ended, or -ENOMEM.
 */
int command_split(struct pool *pool, const char *text, struct conf_list *words);

/* Writes a word so that command_split() reads it back, in printable ASCII and whatever is above 0x7f. */
void command_quote(const char *word, FILE *out);

/*
 * Finds the program that a word names: a path if it has a slash, else by PATH. Stores an absolute path in
 * the pool. Returns 0 or -errno (-ENOENT: none, -ENOEXEC: for nobody to execute, -EACCES: not for us, ...).
 */
int command_find(struct pool *pool, const char *word, char **path);

/* The kind of value that is a command (exec), for the rows of conf/options.c. */
extern const struct value_type command_value;

#endif
