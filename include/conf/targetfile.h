/*
 * targetfile: the lines "token: URI" of the files that say which service a token stands for. What websockify
 * reads in its token files is read in the same way. Pure.
 */
#ifndef CONF_TARGETFILE_H
#define CONF_TARGETFILE_H

#include "conf/upstream.h"

enum { TARGETFILE_URI = 320 }; /* room for any URI of a service, with its NUL */

struct targetfile_line {
	struct text token; /* in what was read; empty: the line says nothing (blank, or begins with #) */
	struct upstream upstream; /* its uri is below */
	char uri[TARGETFILE_URI]; /* as `connect` has it, whatever way it was written in */
};

/* Cuts the next line off `rest`, without its end ("\n" or "\r\n"; of the last line there may be none). False
 * when there is none left. */
bool targetfile_next(struct text *rest, struct text *line);

/*
 * Reads a line: a token, a colon, blanks, and tcp://HOST:PORT, tls://HOST:PORT, unix:PATH, HOST:PORT (tcp) or
 * unix_socket:PATH; of an IPv6 address in the last but one the brackets may be missing, and no host is
 * localhost. Returns NULL, or what is wrong in words without a token: "has no target".
 * The upstream points into *out, which must not be moved.
 */
const char *targetfile_read(struct targetfile_line *out, struct text line);

#endif
