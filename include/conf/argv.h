/*
 * argv: the words of the command line, up to the first that is no option: what --help lists.
 */
#ifndef CONF_ARGV_H
#define CONF_ARGV_H

#include "conf/draft.h"

/* What the command line said. */
struct argv_state {
	struct conf_errors errors;
	struct draft draft; /* of the forms without a file */
	struct draft_section *listen, *route;
	bool websocketd;    /* the program was started under that name, and is it in what follows */
	const char *origin; /* "--port", of the option being taken */

	const char *file;	  /* of --config */
	const char *without_file; /* an option that --config excludes */
	const char *port, *redirport;
	bool ssl;
	bool binary, tagged; /* --binary, --passstderr */
	bool passenv;	     /* --passenv: when it names nothing that may be passed on, nothing is */
	struct conf_list addresses, sockets, sets;
	const char *same_origin;   /* "yes", "no" or NULL */
	enum log_websocketd least; /* of --loglevel there */
	int status;		   /* of the mistake, where it has one of its own; see websocketd_status() */
	bool check, dump;
};

/*
 * Takes all options; stops at the first mistake, which is then in `errors`. Returns the index of the first
 * word that is none, or -1 when something was printed to `out` (websocketd's --help: to `err`) that was asked
 * for (--help, --version, ...).
 */
int argv_scan(struct argv_state *state, int argc, char **argv, FILE *out, FILE *err);

/* Adds the mistake that the option being taken "must be ..., not VALUE". */
void argv_reject(struct argv_state *state, const char *must_be, const char *value);

#endif
