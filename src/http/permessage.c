/*
 * permessage: reads offers of permessage-deflate, takes up the first one that can be met, and words the
 * answer. Compresses nothing, and does not know whether the route wants it. Pure; any thread.
 */
#include "http/permessage.h"
#include "http/extension.h"

#include <stdio.h>

enum permessage_param {
	PERMESSAGE_SERVER_CONTEXT,
	PERMESSAGE_CLIENT_CONTEXT,
	PERMESSAGE_SERVER_BITS,
	PERMESSAGE_CLIENT_BITS,
	PERMESSAGE_PARAMS
};

static const char *const permessage_params[PERMESSAGE_PARAMS] = {
	[PERMESSAGE_SERVER_CONTEXT] = "server_no_context_takeover",
	[PERMESSAGE_CLIENT_CONTEXT] = "client_no_context_takeover",
	[PERMESSAGE_SERVER_BITS] = "server_max_window_bits",
	[PERMESSAGE_CLIENT_BITS] = "client_max_window_bits",
};

/* An offer, by parameter. */
struct permessage_offer {
	bool given[PERMESSAGE_PARAMS];
	uint8_t bits[PERMESSAGE_PARAMS]; /* of the two that have some; PERMESSAGE_WINDOW_MAX when not given */
};

/* The parameter of that name, or PERMESSAGE_PARAMS. */
static enum permessage_param permessage_find(struct text name)
{
	unsigned i = 0;

	while (i < PERMESSAGE_PARAMS && !text_is(name, permessage_params[i]))
		i++;
	return (enum permessage_param)i;
}

/* Reads 8 to 15, written without leading zeros (7.1.2). */
static bool permessage_read_bits(const char *value, uint8_t *out)
{
	uint64_t bits;

	if (value[0] == '0' || !text_to_u64(text_of(value), PERMESSAGE_WINDOW_MAX, &bits) || bits < 8)
		return false;
	*out = (uint8_t)bits;
	return true;
}

/* Adds a parameter to the offer; false when the offer must be declined for it (7). */
static bool permessage_read_param(struct permessage_offer *offer, const struct extension_param *param)
{
	enum permessage_param which = permessage_find(param->name);

	if (which == PERMESSAGE_PARAMS || offer->given[which])
		return false;
	offer->given[which] = true;
	if (which == PERMESSAGE_SERVER_CONTEXT || which == PERMESSAGE_CLIENT_CONTEXT)
		return !param->has_value;
	if (!param->has_value)
		return which == PERMESSAGE_CLIENT_BITS;
	return permessage_read_bits(param->value, &offer->bits[which]);
}

/* Reads an extension of the list; false when it is not one that can be met. */
static bool permessage_read_offer(struct permessage_offer *offer, const struct extension *extension)
{
	struct text rest = extension->params;
	struct extension_param param;

	*offer = (struct permessage_offer){ 0 };
	offer->bits[PERMESSAGE_SERVER_BITS] = offer->bits[PERMESSAGE_CLIENT_BITS] = PERMESSAGE_WINDOW_MAX;
	if (!text_is(extension->name, "permessage-deflate"))
		return false;
	while (extension_next_param(&rest, &param) > 0) {
		if (!permessage_read_param(offer, &param))
			return false;
	}
	return offer->bits[PERMESSAGE_SERVER_BITS] >= PERMESSAGE_WINDOW_MIN;
}

/* Finds the first offer that can be met; the headers are one list. */
static bool permessage_find_offer(struct permessage_offer *offer, const struct http_request *request)
{
	for (size_t i = 0; i < request->n_headers; i++) {
		struct text rest = request->headers[i].value;
		struct extension extension;

		if (!text_is_nocase(request->headers[i].name, "Sec-WebSocket-Extensions"))
			continue;
		while (extension_next(&rest, &extension) > 0) {
			if (permessage_read_offer(offer, &extension))
				return true;
		}
	}
	return false;
}

/* The smaller of what was offered and what we allow. */
static uint8_t permessage_min(uint8_t offered, unsigned ours)
{
	return offered < ours ? offered : (uint8_t)ours;
}

/* Takes from the offer what it asks for, and adds what we ask for and may. */
bool permessage_negotiate(
	struct permessage *out, const struct http_request *request, unsigned window_bits, bool context)
{
	struct permessage_offer offer;

	*out = (struct permessage){ 0 };
	if (!permessage_find_offer(&offer, request))
		return false;
	out->on = true;
	out->server_no_context_takeover = offer.given[PERMESSAGE_SERVER_CONTEXT] || !context;
	out->client_no_context_takeover = offer.given[PERMESSAGE_CLIENT_CONTEXT] || !context;
	out->server_bits_offered = offer.given[PERMESSAGE_SERVER_BITS];
	out->server_max_window_bits = permessage_min(offer.bits[PERMESSAGE_SERVER_BITS], window_bits);
	out->client_max_window_bits = offer.bits[PERMESSAGE_CLIENT_BITS];
	if (offer.given[PERMESSAGE_CLIENT_BITS])
		out->client_max_window_bits = permessage_min(out->client_max_window_bits, window_bits);
	return true;
}

/* Adds "; name" to a text of `len` bytes, with bits unless they are 0. Returns the new length. */
static int permessage_add(char *out, int len, enum permessage_param param, unsigned bits)
{
	const char *name = permessage_params[param];
	size_t room = (size_t)(PERMESSAGE_TEXT - len);

	if (bits == 0)
		return len + snprintf(out + len, room, "; %s", name);
	return len + snprintf(out + len, room, "; %s=%u", name, bits);
}

/* Fewer bits for the client than 15 were offered by it; for the server they need no offer (7.1.2.1). */
const char *permessage_format(const struct permessage *agreed, char out[PERMESSAGE_TEXT])
{
	int len = snprintf(out, PERMESSAGE_TEXT, "permessage-deflate");

	if (agreed->server_no_context_takeover)
		len = permessage_add(out, len, PERMESSAGE_SERVER_CONTEXT, 0);
	if (agreed->client_no_context_takeover)
		len = permessage_add(out, len, PERMESSAGE_CLIENT_CONTEXT, 0);
	if (agreed->server_bits_offered || agreed->server_max_window_bits < PERMESSAGE_WINDOW_MAX)
		len = permessage_add(out, len, PERMESSAGE_SERVER_BITS, agreed->server_max_window_bits);
	if (agreed->client_max_window_bits < PERMESSAGE_WINDOW_MAX)
		permessage_add(out, len, PERMESSAGE_CLIENT_BITS, agreed->client_max_window_bits);
	return out;
}
