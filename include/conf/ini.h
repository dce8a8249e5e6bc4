/*
 * ini: reads configuration files into a draft. `wsluice --help-config` explains their form.
 */
#ifndef CONF_INI_H
#define CONF_INI_H

#include "conf/draft.h"

enum {
	INI_DEPTH_MAX = 8,   /* files that include each other */
	INI_FILES_MAX = 1000 /* files in all */
};

/* Reads a file and what it includes. Every mistake goes to draft->errors. */
void ini_read(struct draft *draft, const char *file);

/* The same from a stream, which stays open; `name` is what errors call it and where includes are beside. */
void ini_read_stream(struct draft *draft, FILE *stream, const char *name);

#endif
