/*
 * ttymessage: reads what clients of `tty` say, and writes what they are told.
 *
 * Owns at most one message of JSON that is not whole yet. What is to be done about it is
 * backend/terminal.c's. Pure; on every thread.
 */
#include "backend/ttymessage.h"

#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What the first byte of a client's message says. */
enum {
	TTYMESSAGE_IN = '0',
	TTYMESSAGE_SIZE = '1',
	TTYMESSAGE_STOP = '2',
	TTYMESSAGE_GO = '3',
	TTYMESSAGE_DONE = '4',
	TTYMESSAGE_JSON = '{'
};

/* Begins. */
void ttymessage_reader_init(struct ttymessage_reader *reader)
{
	*reader = (struct ttymessage_reader){ 0 };
}

/* Drops what is not whole. */
void ttymessage_reader_done(struct ttymessage_reader *reader)
{
	free(reader->held);
	reader->held = NULL;
}

/* A number of columns or rows: *out stays as it was when it is left out. Returns whether it is not wrong. */
static bool ttymessage_read_number(const json_t *object, const char *key, uint16_t *out)
{
	const json_t *value = json_object_get(object, key);
	double number = json_number_value(value); /* 0 when it is none */

	if (value == NULL)
		return true;
	if (!(number >= 1 && number < UINT16_MAX + 1))
		return false;
	*out = (uint16_t)number;
	return true;
}

/* The size in an object of JSON. Returns whether nothing is wrong with it. */
static bool ttymessage_read_size(const json_t *object, struct ttymessage_size *size)
{
	bool good = json_is_object(object);

	good &= ttymessage_read_number(object, "columns", &size->columns);
	good &= ttymessage_read_number(object, "rows", &size->rows);
	return good;
}

/* The window in the first message; one that is no such number is none. */
static uint32_t ttymessage_read_window(const json_t *object)
{
	double number = json_number_value(json_object_get(object, "window"));

	return number >= 1 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

/* The whole first message. */
static enum ttymessage ttymessage_greet(struct ttymessage_reader *reader, const uint8_t *text, size_t len)
{
	json_t *object = json_loadb((const char *)text, len, 0, NULL);

	reader->greeted = json_is_object(object);
	ttymessage_read_size(object, &reader->size);
	reader->window = ttymessage_read_window(object);
	json_decref(object);
	return reader->greeted ? TTYMESSAGE_HELLO : TTYMESSAGE_NO_HELLO;
}

/* The whole text of a size. */
static enum ttymessage ttymessage_resize(struct ttymessage_reader *reader, const uint8_t *text, size_t len)
{
	struct ttymessage_size size = reader->size;
	json_t *object = json_loadb((const char *)text, len, 0, NULL);
	bool good = ttymessage_read_size(object, &size);

	json_decref(object);
	if (!good)
		return TTYMESSAGE_NOTHING;
	reader->size = size;
	return TTYMESSAGE_RESIZE;
}

/* The whole number of bytes that were seen. */
static enum ttymessage ttymessage_see(struct ttymessage_reader *reader, const uint8_t *text, size_t len)
{
	struct text digits = { .ptr = (const char *)text, .len = len };
	uint64_t seen;

	if (!text_to_u64(digits, UINT32_MAX, &seen))
		return TTYMESSAGE_NOTHING;
	reader->seen = (uint32_t)seen;
	return TTYMESSAGE_SEEN;
}

/* A message that is whole and no input. */
static enum ttymessage ttymessage_take(struct ttymessage_reader *reader, const uint8_t *data, size_t len)
{
	if (!reader->greeted)
		return ttymessage_greet(reader, data, len);
	switch (reader->command) {
	case TTYMESSAGE_SIZE:
		return ttymessage_resize(reader, data + 1, len - 1);
	case TTYMESSAGE_STOP:
		return TTYMESSAGE_PAUSE;
	case TTYMESSAGE_GO:
		return TTYMESSAGE_RESUME;
	case TTYMESSAGE_DONE:
		return ttymessage_see(reader, data + 1, len - 1);
	default:
		return TTYMESSAGE_NOTHING;
	}
}

/* Keeps of a message that is not whole what will be looked at. */
static enum ttymessage ttymessage_hold(struct ttymessage_reader *reader, const uint8_t *data, size_t len)
{
	if (reader->greeted && reader->command != TTYMESSAGE_SIZE && reader->command != TTYMESSAGE_DONE)
		return TTYMESSAGE_NOTHING;
	if (reader->held == NULL && (reader->held = malloc(TTYMESSAGE_MAX)) == NULL)
		return TTYMESSAGE_NO_MEMORY;
	if (len > 0)
		memcpy(reader->held + reader->len, data, len);
	return TTYMESSAGE_NOTHING;
}

/* A piece of a message that is no input; one that is empty is not the first. */
static enum ttymessage ttymessage_gather(struct ttymessage_reader *reader, const struct piece *piece)
{
	if (piece->len > TTYMESSAGE_MAX - reader->len)
		return TTYMESSAGE_TOO_BIG;
	if (piece->last && reader->len == 0)
		return ttymessage_take(reader, piece->data, piece->len);
	enum ttymessage rc = ttymessage_hold(reader, piece->data, piece->len);
	reader->len += piece->len;
	if (rc == TTYMESSAGE_NOTHING && piece->last)
		rc = ttymessage_take(reader, reader->held, reader->len);
	if (piece->last)
		ttymessage_reader_done(reader);
	return rc;
}

/* What a piece means. */
enum ttymessage ttymessage_read(
	struct ttymessage_reader *reader, const struct piece *piece, struct piece *input)
{
	if (piece->first) {
		reader->begun = false;
		reader->len = 0;
	}
	bool begins = !reader->begun && piece->len > 0;
	if (begins) {
		reader->begun = true;
		reader->command = piece->data[0];
	}
	if (!reader->begun)
		return piece->last && !reader->greeted ? TTYMESSAGE_NO_HELLO : TTYMESSAGE_NOTHING;
	if (!reader->greeted && reader->command != TTYMESSAGE_JSON)
		return TTYMESSAGE_NO_HELLO;
	if (reader->greeted && reader->command == TTYMESSAGE_IN) {
		*input = *piece;
		input->data += begins;
		input->len -= begins;
		input->first = begins;
		return TTYMESSAGE_INPUT;
	}
	return ttymessage_gather(reader, piece);
}

/* Writes a command and what follows it, as much as there is room for. */
static size_t ttymessage_write(uint8_t out[static TTYMESSAGE_MAX], uint8_t command, const char *rest)
{
	size_t len = strlen(rest) < TTYMESSAGE_MAX - 1 ? strlen(rest) : TTYMESSAGE_MAX - 1;

	out[0] = command;
	memcpy(out + 1, rest, len);
	return 1 + len;
}

/* The last component of its path. */
size_t ttymessage_title(const char *program, uint8_t out[static TTYMESSAGE_MAX])
{
	const char *slash = strrchr(program, '/');

	return ttymessage_write(out, TTYMESSAGE_TITLE, slash != NULL ? slash + 1 : program);
}

/* In ttyd's words, which are xterm.js's. */
size_t ttymessage_preferences(bool may_write, uint8_t out[static TTYMESSAGE_MAX])
{
	return ttymessage_write(out, TTYMESSAGE_PREFERENCES, may_write ? "{}" : "{\"disableStdin\":true}");
}
