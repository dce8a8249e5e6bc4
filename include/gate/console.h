/*
 * console: the built-in pages, files within the binary: the test page of every route, and the terminal page
 * of those whose programs run on terminals. The same bytes for every request.
 */
#ifndef GATE_CONSOLE_H
#define GATE_CONSOLE_H

#include "base/text.h"

/* What a page may do; sent with all its files. */
#define CONSOLE_POLICY                                                                                 \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' " \
	"data:; base-uri 'none'; "                                                                     \
	"form-action 'none'; frame-ancestors 'none'"

struct console_file {
	const char *type;
	const char *encoding; /* "gzip", or NULL */
	const char *etag;     /* other bytes have another one */
	struct text bytes;
};

/*
 * The file that a request's query names: "console", "console.js", "console.css", and on a route with a
 * `terminal` "terminal", "terminal.js", "terminal.css"; in its gzip form where the client prefers `gzip` and
 * there is one. Any other query is the page itself: the terminal where there is one, else the console.
 * Returns false for what only a terminal's route has.
 */
bool console_find(struct console_file *out, struct text query, bool terminal, bool gzip);

#endif
