/*
 * framing_hold: half a message or half a line that waits for the other half. The buffer exists only while
 * there is something in it, so that an idle session has none. Pure, on every thread.
 */
#include "backend/framing_internal.h"
#include "base/buffer.h"

/* Copies bytes behind those that wait. */
int framing_hold_add(struct evbuffer **held, const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	if (*held == NULL)
		*held = evbuffer_new();
	if (*held == NULL || buffer_append(*held, data, len) != 0)
		return FRAMING_NO_MEMORY;
	return 0;
}

/* Returns how many bytes wait. */
size_t framing_hold_len(const struct evbuffer *held)
{
	return held != NULL ? evbuffer_get_length(held) : 0;
}

/* Returns what the bytes that wait take. */
size_t framing_hold_cost(const struct evbuffer *held)
{
	return held != NULL ? buffer_cost(held) : 0;
}

/* Makes one run of what waits. */
uint8_t *framing_hold_data(struct evbuffer *held)
{
	return evbuffer_pullup(held, -1);
}

/* Lets go of what waits. */
void framing_hold_drop(struct evbuffer **held)
{
	if (*held != NULL)
		evbuffer_free(*held);
	*held = NULL;
}

/* Hands over chain by chain, without making one run of them. */
int framing_hold_flush(struct evbuffer **held, const struct framing_bytes_sink *sink)
{
	int rc = 0;

	while (rc == 0 && framing_hold_len(*held) > 0) {
		size_t len = evbuffer_get_contiguous_space(*held);
		rc = framing_put_bytes(sink, evbuffer_pullup(*held, (ev_ssize_t)len), len);
		evbuffer_drain(*held, len);
	}
	framing_hold_drop(held);
	return rc;
}
