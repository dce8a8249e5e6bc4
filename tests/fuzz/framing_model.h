/*
 * framing_model: the framings as they are described, for who has all bytes and all messages at once. Slow and
 * without states; what is checked against it is backend/framing.
 */
#ifndef TESTS_FUZZ_FRAMING_MODEL_H
#define TESTS_FUZZ_FRAMING_MODEL_H

#include "backend/framing.h"
#include "heard.h"

/* Hears a part of a text as it must come out; nothing of it may be left but what waits for its end. */
static inline void model_text(struct heard *heard, const uint8_t *bytes, size_t len, bool first, bool last)
{
	struct evbuffer *clean = evbuffer_new();
	size_t tail = last ? 0 : utf8_tail(bytes, len);

	must(clean != NULL && utf8_replace(clean, bytes, len - tail) == 0);
	size_t n = evbuffer_get_length(clean);
	if (n > 0 || last)
		heard_piece(heard, &(struct piece){ evbuffer_pullup(clean, -1), n, true, first, last });
	evbuffer_free(clean);
}

/* Cuts at newlines; the last line needs none. */
static inline int model_lines(struct heard *heard, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		const uint8_t *newline = memchr(bytes, '\n', len);
		size_t n = newline != NULL ? (size_t)(newline - bytes) : len;

		model_text(heard, bytes, newline != NULL && n > 0 && bytes[n - 1] == '\r' ? n - 1 : n, true,
			true);
		n += newline != NULL;
		bytes += n;
		len -= n;
	}
	return 0;
}

/*
 * Reads the records of one message and gathers its payload. A record that is not whole counts if it is too
 * long to be held. Returns how many bytes it has, or an error.
 */
static inline long model_gather(
	const uint8_t *bytes, size_t len, uint8_t *payload, size_t *n_payload, bool *text)
{
	size_t at = 0;

	for (bool more = true; more;) {
		if (at == len)
			return FRAMING_CUT_RECORD;
		const char *type = memchr("tTbB", bytes[at], 4);
		if (type == NULL || (at > 0 && *text != (*type == 't' || *type == 'T')))
			return FRAMING_BAD_RECORD;
		*text = *type == 't' || *type == 'T';
		more = *type == 'T' || *type == 'B';
		if (len - at < 5)
			return FRAMING_CUT_RECORD;
		size_t n = (size_t)bytes[at + 1] << 24 | (size_t)bytes[at + 2] << 16 |
			   (size_t)bytes[at + 3] << 8 | bytes[at + 4];
		at += 5;
		size_t here = n < len - at ? n : len - at;
		if (here == n || n > FRAMING_HOLD) {
			memcpy(payload + *n_payload, bytes + at, here);
			*n_payload += here;
		}
		if (here < n)
			return FRAMING_CUT_RECORD;
		at += n;
	}
	return (long)at;
}

/* Reads messages until their end or a mistake; what was whole before it has been heard. */
static inline int model_records(struct heard *heard, const uint8_t *bytes, size_t len)
{
	uint8_t *payload = malloc(len + 1);
	long used = 1;

	must(payload != NULL);
	while (len > 0 && used > 0) {
		size_t n = 0;
		bool text = false;
		used = model_gather(bytes, len, payload, &n, &text);
		if (text)
			model_text(heard, payload, n, true, used > 0);
		else if (n > 0 || used > 0)
			heard_piece(heard, &(struct piece){ payload, n, false, true, used > 0 });
		bytes += used > 0 ? used : 0;
		len -= used > 0 ? (size_t)used : 0;
	}
	free(payload);
	return used > 0 ? 0 : (int)used;
}

/* What a backend that said all this has said. Streams have no messages: theirs is one. */
static inline int model_decode(struct heard *heard, enum framing framing, const uint8_t *bytes, size_t len)
{
	if (framing == FRAMING_LINES)
		return model_lines(heard, bytes, len);
	if (framing == FRAMING_RECORDS)
		return model_records(heard, bytes, len);
	if (framing == FRAMING_TEXT_STREAM)
		model_text(heard, bytes, len, true, true);
	else
		heard_piece(heard, &(struct piece){ (uint8_t *)(uintptr_t)bytes, len, false, true, true });
	return 0;
}

/* What a backend gets of one message, into out: as long as the payload, and 5 bytes for each 64 KiB of it and
 * what is left. Returns how many. */
static inline size_t model_encode(
	uint8_t *out, enum framing framing, const uint8_t *message, size_t len, bool text)
{
	size_t n = 0;

	if (framing == FRAMING_RECORDS) {
		must(len <= FRAMING_HOLD); /* a longer one may be cut in more than one way */
		out[n++] = text ? 't' : 'b';
		for (int shift = 24; shift >= 0; shift -= 8)
			out[n++] = (uint8_t)(len >> shift);
	}
	memcpy(out + n, message, len);
	n += len;
	if (framing == FRAMING_LINES)
		out[n++] = '\n';
	return n;
}

#endif
