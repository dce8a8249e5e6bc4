/*
 * websockify: what the command line of a program started under this name means: the options of websockify in
 * terms of our keys, and its defaults.
 */
#ifndef CONF_WEBSOCKIFY_H
#define CONF_WEBSOCKIFY_H

#include "conf/argv.h"

extern const struct argv_option websockify_options[]; /* ends with a row that has no name */

/* What there is instead of a command that is wrapped. */
extern const char websockify_no_wrapping[];

/* Completes the draft; `words` are [SOURCE_ADDR:]SOURCE_PORT and TARGET_ADDR:TARGET_PORT. */
void websockify_complete(struct argv_state *state, char **words, int n);

#endif
