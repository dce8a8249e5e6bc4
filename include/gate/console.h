/*
 * console: the built-in test page, three files within the binary. The same bytes for every request.
 */
#ifndef GATE_CONSOLE_H
#define GATE_CONSOLE_H

#include "base/text.h"

/* What the page may do; sent with all three files. */
#define CONSOLE_POLICY                                                                                 \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' " \
	"data:; base-uri 'none'; "                                                                     \
	"form-action 'none'; frame-ancestors 'none'"

struct console_file {
	const char *name; /* the query that asks for it; "" is the page */
	const char *type;
	struct text bytes;
};

/* The file that a request's query names: "console.js", "console.css", anything else is the page itself. */
struct console_file console_find(struct text query);

#endif
