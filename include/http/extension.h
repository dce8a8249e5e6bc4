/*
 * extension: the grammar of Sec-WebSocket-Extensions (RFC 6455 section 9.1): a list of offers, each an
 * extension's name and its parameters, whose values are tokens or quoted. Knows no extension by name. Pure;
 * any thread.
 *
 * White space may stand between any two words and separators (9.1 has RFC 2616's implied *LWS). A quoted
 * value that is no token is read like any other: no extension knows it, so that the offer is declined and the
 * handshake goes on. What can't be read at all is an error, and fails the handshake.
 */
#ifndef HTTP_EXTENSION_H
#define HTTP_EXTENSION_H

#include "base/text.h"

enum { EXTENSION_VALUE = 32 }; /* bytes of a value with its NUL; a longer one, that nobody knows, is cut */

/* One offer. Both texts point into the header's value. */
struct extension {
	struct text name;
	struct text params; /* for extension_next_param(): from the first ";" on, empty when there are none */
};

struct extension_param {
	struct text name;
	bool has_value;
	char value[EXTENSION_VALUE]; /* NUL-terminated; a quoted one without its quotes and backslashes */
};

/*
 * Takes the next offer off a header's value, and checks its parameters too; empty elements of the list are
 * passed over (RFC 9110 5.6.1). Returns 1, 0 at the end, or -1 when what follows is not as 9.1 says. All
 * calls for a value together are linear in its length. That there must be an offer at all is the caller's to
 * see: several headers are one list.
 */
int extension_next(struct text *rest, struct extension *out);

/* Takes the next parameter off extension.params. Returns 1, 0 at the end, or -1, which params that
 * extension_next() gave never lead to. */
int extension_next_param(struct text *params, struct extension_param *out);

#endif
