/*
 * tag: writes pieces of text as pieces of JSON objects (RFC 8259). Pure, on every thread.
 */
#include "backend/tag.h"

#include <stdlib.h>
#include <string.h>

#define TAG_BEGIN "{\"stream\":\""
#define TAG_DATA  "\",\"data\":\""
#define TAG_END	  "\"}"

/* The second byte of an escape; 'u' where four digits follow; 0: none is needed. */
static char tag_escape(uint8_t byte)
{
	switch (byte) {
	case '"':
	case '\\':
		return (char)byte;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return byte < 0x20 ? 'u' : '\0';
	}
}

/* How long text is when it is escaped. */
static size_t tag_escaped_len(const uint8_t *data, size_t len)
{
	size_t escaped = len;

	for (size_t i = 0; i < len; i++) {
		char escape = tag_escape(data[i]);
		escaped += escape == 'u' ? sizeof("\\u0000") - 2 : escape != '\0';
	}
	return escaped;
}

/* Writes text escaped. Returns where it ends. */
static uint8_t *tag_put_escaped(uint8_t *to, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		char escape = tag_escape(data[i]);
		if (escape != '\0') {
			*to++ = '\\';
			*to++ = (uint8_t)escape;
		} else {
			*to++ = data[i];
		}
		if (escape == 'u') {
			*to++ = '0';
			*to++ = '0';
			*to++ = (uint8_t)digits[data[i] >> 4];
			*to++ = (uint8_t)digits[data[i] & 15];
		}
	}
	return to;
}

/* Writes a word of ours. Returns where it ends. */
static uint8_t *tag_put(uint8_t *to, const char *word)
{
	size_t len = strlen(word);
	memcpy(to, word, len);
	return to + len;
}

/* Makes JSON of a piece of text, and passes that on in one piece. */
static int tag_text(const struct tag *tag, const struct piece *piece, framing_piece_fn out, void *arg)
{
	enum { AROUND = sizeof(TAG_BEGIN TAG_DATA TAG_END) };
	uint8_t *json = malloc(AROUND + strlen(tag->stream) + tag_escaped_len(piece->data, piece->len));
	uint8_t *end = json;

	if (json == NULL)
		return FRAMING_NO_MEMORY;
	if (piece->first)
		end = tag_put(tag_put(tag_put(end, TAG_BEGIN), tag->stream), TAG_DATA);
	end = tag_put_escaped(end, piece->data, piece->len);
	if (piece->last)
		end = tag_put(end, TAG_END);

	struct piece part = *piece;
	part.data = json;
	part.len = (size_t)(end - json);
	int rc = out(arg, &part);
	free(json);
	return rc;
}

/* Passes a piece on in the form of its type. */
int tag_piece(struct tag *tag, const struct piece *piece, framing_piece_fn out, void *arg)
{
	struct piece part = *piece;

	part.first = !tag->open;
	tag->open = !piece->last;
	tag->text = piece->text;
	return piece->text ? tag_text(tag, &part, out, arg) : out(arg, &part);
}

/* Ends the open message with an empty piece. */
int tag_end(struct tag *tag, framing_piece_fn out, void *arg)
{
	uint8_t nothing[1] = { 0 };
	struct piece piece = { .data = nothing, .text = tag->text, .last = true };

	return tag->open ? tag_piece(tag, &piece, out, arg) : 0;
}
