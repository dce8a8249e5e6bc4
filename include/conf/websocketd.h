/*
 * websocketd: what the command line owes to users of websocketd: its options whose values are not those of
 * our keys, and, for a program started under its name, its defaults and its exit statuses.
 */
#ifndef CONF_WEBSOCKETD_H
#define CONF_WEBSOCKETD_H

#include "conf/argv.h"

/* Options, as they are in the table of conf/argv.c. */
void websocketd_take_passenv(struct argv_state *state, const char *value);
void websocketd_take_passstderr(struct argv_state *state, const char *value);
void websocketd_take_reverselookup(struct argv_state *state, const char *value);
void websocketd_take_maxforks(struct argv_state *state, const char *value);
void websocketd_take_maxframesize(struct argv_state *state, const char *value);
void websocketd_take_closems(struct argv_state *state, const char *value);
void websocketd_take_pingms(struct argv_state *state, const char *value);

/* Our name for a level of --loglevel; under the name websocketd also remembers its own. `word` itself when it
 * has no other, or there is none. */
const char *websocketd_log_level(struct argv_state *state, const char *word);

/* Checks what it forbids; under its name only, fills in its defaults where nothing was given. */
void websocketd_complete(struct argv_state *state);

/* Under that name: the exit status for the mistakes. `scanned`: the options were understood, each by itself.
 */
int websocketd_status(const struct argv_state *state, bool scanned);

#endif
