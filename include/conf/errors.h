/*
 * errors: collects the mistakes of a configuration, so that all of them are told at once.
 */
#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include "conf/pool.h"

#include <stdbool.h>

/*
 * The mistakes found while a configuration is read, all of them, each one line: "FILE:LINE: message" or, for
 * a command line, the message alone.
 */
struct conf_errors {
	struct conf_list lines;
	unsigned n;  /* how many were met; 0 is none (a line that would come twice is there once) */
	bool usage;  /* one of them at least is in what was written, not in what the machine lacks */
	bool listen; /* one of them at least would keep a listener from starting: ERRORS_LISTEN */
	struct pool pool;
};

/* Whether what was written is wrong, or the machine lacks what it asks for (a command, a directory), or what
 * a listener begins with (a certificate). */
enum errors_kind { ERRORS_USAGE, ERRORS_FAILED, ERRORS_LISTEN };

/* Adds the line "ORIGIN: message", or the message alone when origin is NULL. */
void errors_add(struct conf_errors *errors, enum errors_kind kind, const char *origin, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* The same about a key: "ORIGIN: KEY: message"; an option of the command line says itself which key it is. */
void errors_add_key(struct conf_errors *errors, enum errors_kind kind, const char *origin, const char *key,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The end of a sentence about an unknown name: `; did you mean "NAME"?`, or nothing. Returns out. */
char *errors_hint(char out[96], const char *name, const char *const *names, size_t n);

/* Gives the lines back; there are none then. */
void errors_done(struct conf_errors *errors);

#endif
