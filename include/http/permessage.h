/*
 * permessage: the negotiation of permessage-deflate (RFC 7692 section 7.1), the server's side. Pure; any
 * thread.
 */
#ifndef HTTP_PERMESSAGE_H
#define HTTP_PERMESSAGE_H

#include "http/request.h"

enum {
	PERMESSAGE_TEXT = 160, /* the answer with its NUL */
	PERMESSAGE_WINDOW_MIN = 9,
	PERMESSAGE_WINDOW_MAX = 15
};

/* What was agreed. All zero: nothing. */
struct permessage {
	bool on;
	bool server_no_context_takeover, client_no_context_takeover; /* 7.1.1 */
	uint8_t server_max_window_bits; /* 7.1.2.1: 9 to 15, which is also what holds when nothing is said */
	uint8_t client_max_window_bits; /* 7.1.2.2: 8 to 15, likewise */
	bool server_bits_offered;	/* so that the answer must name them, even 15 */
};

/*
 * Agrees to the first offer in the request's Sec-WebSocket-Extensions headers that can be met, and returns
 * whether there was one. An offer with an unknown, repeated or ill-valued parameter, or with
 * server_max_window_bits=8 (for which zlib has no raw DEFLATE), is declined and the next one looked at (7,
 * 5). Names are compared exactly, case too: they are tokens, and no RFC says that these may be folded.
 *
 * `window_bits` (9 to 15) is the most that either side's window may have; a client that did not offer
 * client_max_window_bits can't be told, and has 15. `context`: whether contexts may be taken over from
 * message to message; when not, the answer forbids it to both sides, which needs no offer (7.1.1.1, 7.1.1.2).
 * The headers' grammar was checked by upgrade_check().
 */
bool permessage_negotiate(
	struct permessage *out, const struct http_request *request, unsigned window_bits, bool context);

/* Writes the Sec-WebSocket-Extensions of the answer to what was agreed (5, 7.1): both no_context_takeover,
 * then both max_window_bits, the server's first. Returns out. */
const char *permessage_format(const struct permessage *agreed, char out[PERMESSAGE_TEXT]);

#endif
