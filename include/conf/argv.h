/*
 * argv: the options of the command line: what each is, what is remembered of them until all are known, and
 * how they are taken under our own name. Under which name: conf/guise.h.
 */
#ifndef CONF_ARGV_H
#define CONF_ARGV_H

#include "conf/draft.h"
#include "conf/guise.h"

enum { ARGV_OPTIONS_MAX = 96 }; /* of one name, with those of all */

/* What the command line said. */
struct argv_state {
	struct conf_errors errors;
	struct draft draft; /* of the forms without a file */
	struct draft_section *listen, *route;
	const struct guise *guise;
	const char *origin; /* "--port", of the option being taken */

	const char *file;	  /* of --config */
	const char *without_file; /* an option that --config excludes */
	const char *port, *redirport;
	bool port_taken; /* an address has none of its own, or is none */
	bool ssl;
	bool binary, tagged; /* --binary, --passstderr */
	bool passenv;	     /* --passenv: when it names nothing that may be passed on, nothing is */
	bool dashes;	     /* "--" ended the options */
	struct conf_list addresses, sockets, sets;
	const char *same_origin;   /* "yes", "no" or NULL */
	enum log_websocketd least; /* of --loglevel there */
	int status;		   /* of the mistake, where it has one of its own; see websocketd_status() */
	const char *given[ARGV_OPTIONS_MAX]; /* argv_given()'s own, by row */
	bool check, dump;
};

/*
 * How an option takes its value. ARGV_NOT is one of another program that we won't have: `help` says what
 * there is instead.
 */
enum argv_kind { ARGV_VALUE, ARGV_FLAG, ARGV_PRINT, ARGV_NOT };

/* A row of a table of options. Without key, take and print its value is only remembered, for argv_given(). */
struct argv_option {
	const char *name;
	enum argv_kind kind;
	char letter;	 /* its short form, where the program has such; never of one with a value */
	bool file;	 /* also with --config */
	bool empty;	 /* its value may be empty */
	const char *arg; /* what its value is called in the help */
	const char *key; /* the key of the route that it sets */
	void (*take)(struct argv_state *state, const char *value);
	void (*print)(const struct argv_state *state, FILE *out);
	const char *help;
	const char *there; /* the help under the name websocketd, or NULL: the same */
};

/* Those that there are under every name; ends with a row that has no name. */
extern const struct argv_option argv_shared[];

/*
 * Takes all options; stops at the first mistake, which is then in `errors`. Returns the index of the first
 * word that is none, or -1 when something was printed to `out` (websocketd's --help: to `err`) that was asked
 * for (--help, --version, ...). Words are in their order, but may have changed places with options.
 */
int argv_scan(struct argv_state *state, int argc, char **argv, FILE *out, FILE *err);

/* Takes one option with its value; NULL: there was none. Never one that prints. */
void argv_take(struct argv_state *state, const struct argv_option *option, const char *value);

/* Prints for an option that prints. */
void argv_print(const struct argv_state *state, const struct argv_option *option, FILE *out, FILE *err);

/* Finds an option by its whole name, among the name's own and those of all. NULL when there is none. */
const struct argv_option *argv_find(const struct argv_state *state, struct text name);

/* Adds the mistake that there is no such option, as it was typed, and which one was probably meant. */
void argv_reject_unknown(struct argv_state *state, struct text name, struct text typed);

/* Adds the mistake that the option being taken "must be ..., not VALUE". */
void argv_reject(struct argv_state *state, const char *must_be, const char *value);

/* The last value of an option of this name, which is remembered ("yes" of a flag); NULL: it was not given. */
const char *argv_given(const struct argv_state *state, const char *name);

#endif
