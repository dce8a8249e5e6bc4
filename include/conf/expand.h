/*
 * expand: what a value of a file may refer to: the environment and systemd's credentials.
 */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include "conf/draft.h"

/*
 * ${NAME} becomes the environment variable, $${ a plain ${; in a path %d becomes the directory of
 * credentials, %% a plain %. Returns a string in the draft's pool, or NULL after a mistake that was added.
 */
char *expand_text(struct draft *draft, const char *text, bool path, const char *origin);

/* Writes a text so that expand_text() gives it back. */
void expand_quote(const char *text, bool path, FILE *out);

#endif
