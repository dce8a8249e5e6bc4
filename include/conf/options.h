/*
 * options: THE table. One row for each key; whatever reads, writes, checks or explains keys goes through it.
 * A new key is a field in conf/config.h and a row here.
 */
#ifndef CONF_OPTIONS_H
#define CONF_OPTIONS_H

#include "conf/value.h"

/* The sections of the file. OPTION_DEFAULTS takes the keys of OPTION_ROUTE and has no rows of its own. */
enum option_section { OPTION_GATEWAY, OPTION_LISTEN, OPTION_ROUTE, OPTION_DEFAULTS };

enum option_flags {
	OPTION_LIST = 1,      /* may be given several times */
	OPTION_PATH = 2,      /* %d is the credentials directory */
	OPTION_FILE_ONLY = 4, /* is about the file itself: not in a snapshot, not in --set */
	/* What it is about; in a route that has none of that it does nothing (conf/check.h). */
	OPTION_PROGRAM = 8,	/* exec, dir, cgi */
	OPTION_SERVICE = 16,	/* connect, targets */
	OPTION_SEPARATOR = 32,	/* messages that end with a byte: lines, nul */
	OPTION_TYPE = 64,	/* messages whose framing does not say if they are text: all but records */
	OPTION_SEVERAL = 128,	/* several services to choose from */
	OPTION_TARGETS = 256,	/* targets */
	OPTION_TLS = 512,	/* services that speak TLS */
	OPTION_TERMINAL = 1024, /* terminal = yes */
	OPTION_PIPES = 2048,	/* programs without one */
	OPTION_SESSION = 4096,	/* what an upgrade reaches; with OPTION_PROGRAM: exec, dir */
};

/* A name for a number. A list ends with a NULL word. */
struct option_word {
	const char *word;
	int value;
};

struct option {
	enum option_section section;
	const char *key;
	const struct value_type *type;
	const char *otherwise; /* the default as text; "" is unset */
	unsigned flags;
	size_t offset, size;		 /* of the field in the section's struct */
	uint64_t min, max;		 /* of numbers, times (ms) and sizes (bytes) */
	const struct option_word *words; /* of enums; also beside a number: "auto" */
	const char *help;		 /* sentences, without a newline */
};

enum { OPTIONS_MAX = 112 };
extern const struct option options[];
extern const size_t options_n; /* at most OPTIONS_MAX */

/* The names of the framings. */
extern const struct option_word options_framings[];

/* The section whose rows hold for this one. */
enum option_section options_section_keys(enum option_section section);

/* The row of a key, or NULL. */
const struct option *options_find(enum option_section section, struct text key);

/* A section's name as it is written: "gateway", "listen", ... */
const char *options_section_name(enum option_section section);
/* Finds it by that name: 0, or -1. */
int options_section_find(struct text name, enum option_section *out);

/* What to say after "unknown key": `; did you mean "buffer"?`, `; it belongs in [route] or [defaults]`, or
 * "". Returns out. */
char *options_hint(enum option_section section, const char *key, char out[96]);

#endif
