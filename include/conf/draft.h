/*
 * draft: what was written, in files and on the command line, before it is given a meaning: sections in their
 * order, and in each the texts of its keys with the place that they came from.
 *
 * Names of sections and keys are checked here; values are not.
 */
#ifndef CONF_DRAFT_H
#define CONF_DRAFT_H

#include "conf/config.h"
#include "conf/options.h"

enum { DRAFT_VALUE_MAX = 65536 }; /* bytes of one value */

/* One value. The texts of a list follow each other; a scalar has one. */
struct draft_text {
	struct draft_text *next;
	const char *text;   /* trimmed; empty means the default */
	const char *origin; /* "FILE:LINE", "--port", or NULL */
};

struct draft_section {
	struct draft_section *next;
	enum option_section kind;
	const char *name;   /* what follows the kind: a listener's name, a route's path, or "" */
	const char *origin; /* of its heading, or NULL */
	struct draft_text *texts[OPTIONS_MAX]; /* of options[i] */
};

struct draft {
	struct pool pool; /* owns everything here */
	struct conf_errors *errors;
	struct draft_section *defaults; /* the first section: a [defaults] that only --set fills */
	struct draft_section *gateway;	/* the second one */
	struct draft_section *last;
	unsigned files;		     /* read so far */
	struct conf_list file_names; /* of these */
	struct config config;	     /* only what no key says of it: the snapshot begins with this */
	bool tls_optional;	     /* of struct listen_conf, where it has TLS */
};

/* 0 or -ENOMEM; draft_done() is right after both. */
int draft_init(struct draft *draft, struct conf_errors *errors);
void draft_done(struct draft *draft);

/*
 * Opens a section by its heading, without brackets: "route /x". There is one [gateway], which may be opened
 * again. NULL after a mistake that has been added to the errors.
 */
struct draft_section *draft_open(struct draft *draft, const char *heading, const char *origin);

/* Adds a key of a file: a scalar that is there already is a mistake. */
void draft_add(struct draft *draft, struct draft_section *section, const char *key, const char *text,
	const char *origin);

/* Adds a key of the command line: a scalar replaces the one that is there, a list grows. */
void draft_put(struct draft *draft, struct draft_section *section, const char *key, const char *text,
	const char *origin);

/* Gives a key a value of nobody's, unless it was given one. */
void draft_fill(struct draft *draft, struct draft_section *section, const char *key, const char *text);

/*
 * Takes the word of a --set: SECTION.KEY=VALUE, where SECTION is a heading, or only its kind if there is but
 * one of that kind. `bare`: KEY=VALUE will do, and is the route's, else the listener's, else the gateway's.
 */
void draft_set(struct draft *draft, const char *word, bool bare);

/* Finds the first section of a kind, after `from` (or from the start). NULL when there is none. */
struct draft_section *draft_next(
	const struct draft *draft, const struct draft_section *from, enum option_section kind);

/*
 * The texts that count for an option of a section: its own, else for a route those of the nearest [defaults]
 * above it. NULL when nobody gave any.
 */
const struct draft_text *draft_lookup(
	const struct draft *draft, const struct draft_section *section, const struct option *option);

/* The first of these texts that is not empty, or NULL: was the key given a value? */
const struct draft_text *draft_given(
	const struct draft *draft, const struct draft_section *section, const char *key);

#endif
