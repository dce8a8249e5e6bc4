/*
 * environ_internal: what the parts of environ share.
 */
#ifndef GATE_ENVIRON_INTERNAL_H
#define GATE_ENVIRON_INTERNAL_H

#include "http/request.h"

#include <event2/buffer.h>

/*
 * Adds NAME=value and its NUL; a value that a bash without the corrections of CVE-2014-6271 would run, since
 * it begins like a function, is left out with its name. Returns 0, or less than 0 when memory is short.
 */
int environ_add(struct evbuffer *out, const char *name, struct text value);

/* Would it be left out? */
bool environ_is_function(struct text value);

/*
 * Adds each header that programs may be told as HTTP_NAME (RFC 3875 4.1.18), those that came several times
 * joined by ", ". Left out are Proxy, every name that holds more than letters, digits and dashes, so that no
 * two names become one, and values that are left out above. Returns the same.
 */
int environ_add_headers(struct evbuffer *out, const struct http_request *request);

#endif
