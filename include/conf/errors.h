/*
 * errors: collects the mistakes of a configuration, so that all of them are told at once.
 */
#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include "conf/config.h"

/* Whether what was written is wrong, or the machine lacks what it asks for (a command, a directory). */
enum errors_kind { ERRORS_USAGE, ERRORS_FAILED };

/* Adds the line "ORIGIN: message", or the message alone when origin is NULL. */
void errors_add(struct conf_errors *errors, enum errors_kind kind, const char *origin, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* The end of a sentence about an unknown name: `; did you mean "NAME"?`, or nothing. Returns out. */
char *errors_hint(char out[96], const char *name, const char *const *names, size_t n);

#endif
