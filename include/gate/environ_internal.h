/*
 * environ_internal: what the parts of environ share.
 */
#ifndef GATE_ENVIRON_INTERNAL_H
#define GATE_ENVIRON_INTERNAL_H

#include "http/request.h"

/* Strings that become more, of malloc; all zero: none yet. */
struct environ_list {
	char *bytes;
	size_t len, size;
	int error; /* 0, or -errno: then nothing more is added, -E2BIG when it would be more than
		      SPAWN_ENV_MAX */
};

/* Room for so many more bytes, which the caller fills; NULL when there is an error. */
char *environ_room(struct environ_list *list, size_t len);

/* Adds bytes. Returns 0 or less. */
int environ_put(struct environ_list *list, struct text text);

/*
 * Adds NAME=value and its NUL; a value that a bash without the corrections of CVE-2014-6271 would run, since
 * it begins like a function, is left out with its name. Returns 0 or less.
 */
int environ_add(struct environ_list *list, const char *name, struct text value);

/* Would it be left out? */
bool environ_is_function(struct text value);

/*
 * Adds each header that programs may be told as HTTP_NAME (RFC 3875 4.1.18), those that came several times
 * joined by ", ", cookies by "; " (RFC 6265 4.2.1). Left out are Proxy, every name that holds more than
 * letters, digits and dashes, so that no two names become one, and values that are left out above;
 * Content-Type and Content-Length, which have variables of their own, unless `all`. Returns the same.
 *
 * Authorization is told, though 4.1.18 would rather not: the gateway knows nobody by it, so if anybody asks
 * who a client is, it is the program.
 */
int environ_add_headers(struct environ_list *list, const struct http_request *request, bool all);

#endif
