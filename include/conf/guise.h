/*
 * guise: the names that the program may be started under (by a symbolic link), and what each makes another of
 * on the command line: its options and how they are taken, what they come to, the exit statuses. What else
 * differs later on, and is no default of a key, is in conf/manners.h.
 */
#ifndef CONF_GUISE_H
#define CONF_GUISE_H

#include <stdbool.h>
#include <stdio.h>

struct argv_option;
struct argv_state;

struct guise {
	const char *name;		   /* the last part of argv[0]; what mistakes begin with */
	const struct argv_option *options; /* ends with a row that has no name */
	const char *usage;		   /* what --help begins with */
	bool help_to_stderr;
	const char *address, *port, *port_tls; /* where it listens by default */

	int (*scan)(struct argv_state *state, int argc, char **argv, FILE *out, FILE *err); /* argv_scan() */
	/* Puts into the draft what the options mean together, and what nobody gave; `words` are those that
	 * are no options. What is wrong is added to the errors. */
	void (*complete)(struct argv_state *state, char **words, int n);
	/* The exit status for the mistakes; `scanned`: the options were understood, each by itself. NULL: 2
	 * for those in the use, 1 for what is not there. */
	int (*status)(const struct argv_state *state, bool scanned);
};

extern const struct guise guise_own, guise_websocketd, guise_websockify;

/* By argv[0], a path, which may be NULL. Our own when it is no other's. */
const struct guise *guise_find(const char *path);

#endif
