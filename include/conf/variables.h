/*
 * variables: names in a program's environment: which are meant, and which are not the administrator's to
 * give. Pure.
 */
#ifndef CONF_VARIABLES_H
#define CONF_VARIABLES_H

#include "base/text.h"

#include <stdbool.h>

/* Is it this name, or one that begins as the pattern does before the star at its end? */
bool variables_match(struct text name, const char *pattern);

/* Does the gateway give programs a variable of this name itself, with some requests at least (RFC 3875 4.1,
 * Apache's SSL_*, ours)? */
bool variables_is_own(struct text name);

/* Is it one by which a service manager talks to the gateway (sd_listen_fds(3), sd_notify(3),
 * systemd.exec(5)), which no program of its may take for its own? */
bool variables_is_managers(struct text name);

#endif
