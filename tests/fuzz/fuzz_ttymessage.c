/*
 * fuzz_ttymessage: any messages of a terminal's client, cut into any pieces, against a reader that has each
 * of them whole: the same sizes, pauses and input come of them, no more is held than may be, and what is
 * wrong is wrong in both. Input: a seed for the cuts; messages, each behind two bytes of length, the last
 * with what is left.
 */
#include "backend/ttymessage.h"
#include "base/must.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a message comes to. */
struct fuzz_result {
	enum ttymessage rc;
	size_t n_input;
};

/* The client, as the slow reader knows it. */
struct fuzz_model {
	bool greeted;
	struct ttymessage_size size;
	uint32_t window, seen;
};

/* The next number of a seed. */
static uint32_t fuzz_next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Gives a message in pieces; its input is put together in `input`. */
static struct fuzz_result fuzz_read(
	struct ttymessage_reader *reader, const uint8_t *data, size_t len, uint32_t *seed, uint8_t *input)
{
	struct fuzz_result result = { 0 };
	size_t at = 0;
	bool last = false, first = true;

	while (!last) {
		size_t most = fuzz_next(seed) % 4 == 0 ? len - at : fuzz_next(seed) % 40;
		size_t n = most < len - at ? most : len - at;
		last = at + n == len && fuzz_next(seed) % 4 != 0;
		uint8_t *exact = malloc(n + !n);
		must(exact != NULL);
		if (n > 0)
			memcpy(exact, data + at, n);
		struct piece piece = { .data = exact, .len = n, .first = first, .last = last }, part = { 0 };
		result.rc = ttymessage_read(reader, &piece, &part);
		if (result.rc == TTYMESSAGE_INPUT && part.len > 0) {
			must(part.data >= exact && part.data + part.len <= exact + n);
			memcpy(input + result.n_input, part.data, part.len);
			result.n_input += part.len;
		}
		free(exact);
		if (result.rc < 0)
			return result;
		must(reader->held == NULL || (reader->len <= TTYMESSAGE_MAX && !last));
		must(last || result.rc == TTYMESSAGE_NOTHING || result.rc == TTYMESSAGE_INPUT);
		at += n;
		first = false;
	}
	return result;
}

/* A number, 0 when it is wrong; as it was when it is left out. */
static uint16_t fuzz_number(const json_t *object, const char *key, uint16_t now)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value)) {
		json_int_t n = json_integer_value(value);
		return n >= 1 && n <= 65535 ? (uint16_t)n : 0;
	}
	if (json_is_real(value)) {
		double n = json_real_value(value);
		return n >= 1 && n < 65536 ? (uint16_t)n : 0;
	}
	return value == NULL ? now : 0;
}

/* A number from 1 on that a window may have, else 0. */
static uint32_t fuzz_window(const json_t *value)
{
	double n = json_number_value(value);

	return n >= 1 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

/* What a message of digits is, which need not fit into a number. */
static enum ttymessage fuzz_expect_seen(struct fuzz_model *model, const uint8_t *data, size_t len)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < len; i++) {
		if (data[i] < '0' || data[i] > '9')
			return TTYMESSAGE_NOTHING;
		seen = seen * 10 + data[i] - '0';
		if (seen > UINT32_MAX)
			return TTYMESSAGE_NOTHING;
	}
	if (len > 0)
		model->seen = (uint32_t)seen;
	return len > 0 ? TTYMESSAGE_SEEN : TTYMESSAGE_NOTHING;
}

/* What a whole message is, once the client has greeted. */
static enum ttymessage fuzz_expect_more(struct fuzz_model *model, const uint8_t *data, size_t len)
{
	if (len == 0)
		return TTYMESSAGE_NOTHING;
	if (data[0] == '0')
		return TTYMESSAGE_INPUT;
	if (len > TTYMESSAGE_MAX)
		return TTYMESSAGE_TOO_BIG;
	if (data[0] == '2' || data[0] == '3')
		return data[0] == '2' ? TTYMESSAGE_PAUSE : TTYMESSAGE_RESUME;
	if (data[0] == '4')
		return fuzz_expect_seen(model, data + 1, len - 1);
	json_t *object = data[0] == '1' ? json_loadb((const char *)data + 1, len - 1, 0, NULL) : NULL;
	struct ttymessage_size size = { fuzz_number(object, "columns", model->size.columns),
		fuzz_number(object, "rows", model->size.rows) };
	bool said = json_is_object(object);
	said = said &&
	       (size.columns > 0 || (model->size.columns == 0 && !json_object_get(object, "columns")));
	said = said && (size.rows > 0 || (model->size.rows == 0 && !json_object_get(object, "rows")));
	json_decref(object);
	if (said)
		model->size = size;
	return said ? TTYMESSAGE_RESIZE : TTYMESSAGE_NOTHING;
}

/* What a whole message is. */
static enum ttymessage fuzz_expect(struct fuzz_model *model, const uint8_t *data, size_t len)
{
	if (model->greeted)
		return fuzz_expect_more(model, data, len);
	if (len == 0 || data[0] != '{')
		return TTYMESSAGE_NO_HELLO;
	if (len > TTYMESSAGE_MAX)
		return TTYMESSAGE_TOO_BIG;
	json_t *object = json_loadb((const char *)data, len, 0, NULL);
	model->greeted = json_is_object(object);
	model->size.columns = fuzz_number(object, "columns", 0);
	model->size.rows = fuzz_number(object, "rows", 0);
	model->window = fuzz_window(json_object_get(object, "window"));
	json_decref(object);
	return model->greeted ? TTYMESSAGE_HELLO : TTYMESSAGE_NO_HELLO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ttymessage_reader reader;
	struct fuzz_model model = { 0 };
	uint8_t *input = malloc(size + 1);
	uint32_t seed = size > 0 ? data[0] : 0;
	size_t at = size > 0;
	enum ttymessage rc = TTYMESSAGE_NOTHING;

	must(input != NULL);
	ttymessage_reader_init(&reader);
	while (rc >= 0 && at + 2 <= size) {
		size_t len = (size_t)data[at] << 8 | data[at + 1];
		at += 2;
		len = len < size - at ? len : size - at;
		rc = fuzz_expect(&model, data + at, len);
		struct fuzz_result result = fuzz_read(&reader, data + at, len, &seed, input);
		must(result.rc == rc);
		must(rc != TTYMESSAGE_INPUT || result.n_input == len - 1);
		must(rc != TTYMESSAGE_INPUT || memcmp(input, data + at + 1, result.n_input) == 0);
		must(rc < 0 ||
			(reader.size.columns == model.size.columns && reader.size.rows == model.size.rows));
		must(rc < 0 || (reader.window == model.window && reader.seen == model.seen));
		at += len;
	}
	ttymessage_reader_done(&reader);
	free(input);
	return 0;
}
