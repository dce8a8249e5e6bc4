/*
 * framing_model: the framings and their rules as they are described, for who has all bytes and all messages
 * at once. Slow and without states; what is checked against it is backend/framing.
 */
#ifndef TESTS_FUZZ_FRAMING_MODEL_H
#define TESTS_FUZZ_FRAMING_MODEL_H

#include "backend/framing.h"
#include "heard.h"

#include <stdio.h>

/* Is the type of each message in its record? */
static inline bool model_is_records(const struct framing_rules *rules)
{
	return rules->framing == FRAMING_RECORDS;
}

/* Are bytes written as base64 towards the client, and by it? */
static inline bool model_is_base64(const struct framing_rules *rules)
{
	return rules->framing == FRAMING_BASE64;
}

/* Are there messages, or only bytes? */
static inline bool model_is_stream(const struct framing_rules *rules)
{
	return rules->framing == FRAMING_STREAM || rules->framing == FRAMING_TEXT_STREAM ||
	       model_is_base64(rules);
}

/* Does a delimiter end each message? */
static inline bool model_is_delimited(const struct framing_rules *rules)
{
	return rules->framing == FRAMING_LINES || rules->framing == FRAMING_NUL;
}

/* The byte that does. */
static inline uint8_t model_delimiter(const struct framing_rules *rules)
{
	return rules->framing == FRAMING_LINES ? '\n' : '\0';
}

/* Are messages to the client text, where they do not say so themselves? */
static inline bool model_is_text(const struct framing_rules *rules)
{
	if (model_is_base64(rules)) /* what it says is bytes */
		return false;
	if (rules->messages != MESSAGES_UNSET)
		return rules->messages == MESSAGES_TEXT;
	return model_is_delimited(rules) || rules->framing == FRAMING_TEXT_STREAM;
}

/* Bytes of a length in front, 0 when there is none or it is in digits; *little: the lowest first. */
static inline size_t model_length_bytes(enum framing framing, bool *little)
{
	static const uint8_t bytes[] = { [FRAMING_LENGTH8] = 1,
		[FRAMING_LENGTH16] = 2,
		[FRAMING_LENGTH16_LE] = 2,
		[FRAMING_LENGTH32] = 4,
		[FRAMING_LENGTH32_LE] = 4,
		[FRAMING_LENGTH64] = 8,
		[FRAMING_LENGTH64_LE] = 8,
		[FRAMING_BASE64] = 0 };

	*little = framing == FRAMING_LENGTH16_LE || framing == FRAMING_LENGTH32_LE ||
		  framing == FRAMING_LENGTH64_LE;
	return bytes[framing];
}

/* Writes what stands before a payload that can be told. Returns how many bytes, 24 at most. */
static inline size_t model_head(uint8_t *out, enum framing framing, uint64_t len, bool text)
{
	bool little;
	size_t n = 0, bytes = model_length_bytes(framing, &little);

	if (framing == FRAMING_NETSTRING)
		return (size_t)sprintf((char *)out, "%llu:", (unsigned long long)len);
	if (framing == FRAMING_RECORDS) {
		out[n++] = text ? 't' : 'b';
		bytes = 4;
	}
	for (size_t i = 0; i < bytes; i++)
		out[n++] = (uint8_t)(len >> 8 * (little ? i : bytes - 1 - i));
	return n;
}

/* How many bytes are whole characters before the first that is none. */
static inline size_t model_good(const uint8_t *bytes, size_t len)
{
	struct utf8 utf8 = { 0 };
	size_t n = utf8_check(&utf8, bytes, len);

	while (n > 0) {
		struct utf8 again = { 0 };
		utf8_check(&again, bytes, n);
		if (utf8_complete(&again))
			break;
		n--;
	}
	return n;
}

/* Hears a text as it must come out when what is bad is replaced; nothing of it may be left but what waits for
 * its end. */
static inline void model_replace(struct heard *heard, const uint8_t *bytes, size_t len, bool first, bool last)
{
	struct evbuffer *clean = evbuffer_new();
	size_t tail = last ? 0 : utf8_tail(bytes, len);

	must(clean != NULL && utf8_replace(clean, bytes, len - tail) == 0);
	size_t n = evbuffer_get_length(clean);
	if (n > 0 || last)
		heard_piece(heard, &(struct piece){ evbuffer_pullup(clean, -1), n, true, first, last });
	evbuffer_free(clean);
}

/*
 * Hears a message, or what came of one that has no end. Returns 0 or FRAMING_BAD_UTF8. Bad text that goes out
 * as binary is heard as text that is bad: whether the first fragment of it had bad bytes only who knows the
 * fragments can say.
 */
static inline int model_message(struct heard *heard, const struct framing_rules *rules, const uint8_t *bytes,
	size_t len, bool text, bool whole)
{
	struct piece piece = { (uint8_t *)(uintptr_t)bytes, len, text, true, whole };
	size_t good = model_good(bytes, len);
	bool bad = text && good + (whole ? 0 : utf8_tail(bytes, len)) < len;

	if (bad && rules->invalid_utf8 == INVALID_UTF8_CLOSE) {
		piece.len = good;
		piece.last = false;
	} else if (text && rules->invalid_utf8 != INVALID_UTF8_BINARY) {
		model_replace(heard, bytes, len, true, whole);
		return 0;
	}
	if (piece.len > 0 || piece.last)
		heard_piece(heard, &piece);
	return bad && rules->invalid_utf8 == INVALID_UTF8_CLOSE ? FRAMING_BAD_UTF8 : 0;
}

/* Cuts at delimiters; the last line needs none. */
static inline int model_lines(
	struct heard *heard, const struct framing_rules *rules, const uint8_t *bytes, size_t len)
{
	int rc = 0;

	while (len > 0 && rc == 0) {
		const uint8_t *end = memchr(bytes, model_delimiter(rules), len);
		size_t n = end != NULL ? (size_t)(end - bytes) : len;
		bool cr = rules->framing == FRAMING_LINES && end != NULL && n > 0 && bytes[n - 1] == '\r';

		rc = model_message(heard, rules, bytes, n - cr, model_is_text(rules), true);
		n += end != NULL;
		bytes += n;
		len -= n;
	}
	return rc;
}

/* What is known of a record from its head. */
struct model_record {
	bool text, more;
	uint64_t len;
};

/* Reads digits and a colon. Returns how many bytes that is, or an error. */
static inline long model_read_digits(const uint8_t *bytes, size_t len, uint64_t *value)
{
	size_t n = 0;

	for (*value = 0; n < len && bytes[n] >= '0' && bytes[n] <= '9'; n++) {
		if (n == 19 || (n == 1 && bytes[0] == '0'))
			return FRAMING_BAD_RECORD;
		*value = *value * 10 + bytes[n] - '0';
	}
	if (n == len)
		return FRAMING_CUT_RECORD;
	return bytes[n] == ':' && n > 0 ? (long)n + 1 : FRAMING_BAD_RECORD;
}

/* Reads a head. Returns how many bytes it has, or an error. */
static inline long model_read_head(const struct framing_rules *rules, const uint8_t *bytes, size_t len,
	bool goes_on, struct model_record *record)
{
	bool little, text = record->text;
	size_t n = model_length_bytes(rules->framing, &little), at = 0;

	record->more = false;
	if (rules->framing == FRAMING_NETSTRING)
		return model_read_digits(bytes, len, &record->len);
	if (len == 0)
		return FRAMING_CUT_RECORD;
	if (model_is_records(rules)) {
		const char *type = memchr("tTbB", bytes[0], 4);
		if (type == NULL || (goes_on && text != (*type == 't' || *type == 'T')))
			return FRAMING_BAD_RECORD;
		record->text = *type == 't' || *type == 'T';
		record->more = *type == 'T' || *type == 'B';
		n = 4;
		at = 1;
	}
	if (len < at + n)
		return FRAMING_CUT_RECORD;
	record->len = 0;
	for (size_t i = 0; i < n; i++)
		record->len = record->len << 8 | bytes[at + (little ? n - 1 - i : i)];
	return (long)(at + n);
}

/*
 * Reads the records of one message and gathers its payload. A record that is not whole counts if it is too
 * long to be held. Returns how many bytes it has, or an error.
 */
static inline long model_gather(const struct framing_rules *rules, const uint8_t *bytes, size_t len,
	uint8_t *payload, size_t *n_payload, bool *text)
{
	struct model_record record = { .text = *text, .more = true };
	bool comma = rules->framing == FRAMING_NETSTRING;
	size_t at = 0;

	while (record.more) {
		long head = model_read_head(rules, bytes + at, len - at, at > 0, &record);
		if (head < 0)
			return head;
		*text = record.text;
		at += (size_t)head;
		size_t here = record.len < len - at ? (size_t)record.len : len - at;
		bool cut = here < record.len || (comma && here == len - at);
		bool bad = !cut && comma && bytes[at + here] != ',';
		if ((!cut && !bad) || record.len > FRAMING_HOLD) {
			memcpy(payload + *n_payload, bytes + at, here);
			*n_payload += here;
		}
		if (cut || bad)
			return cut ? FRAMING_CUT_RECORD : FRAMING_BAD_RECORD;
		at += here + comma;
	}
	return (long)at;
}

/* Reads messages until their end or a mistake; what was whole before it has been heard. */
static inline int model_records(
	struct heard *heard, const struct framing_rules *rules, const uint8_t *bytes, size_t len)
{
	uint8_t *payload = malloc(len + 1);
	long used = 1;
	int rc = 0;

	must(payload != NULL);
	while (len > 0 && used > 0 && rc == 0) {
		size_t n = 0;
		bool text = model_is_text(rules);
		used = model_gather(rules, bytes, len, payload, &n, &text);
		rc = model_message(heard, rules, payload, n, text, used > 0);
		bytes += used > 0 ? used : 0;
		len -= used > 0 ? (size_t)used : 0;
	}
	free(payload);
	return rc != 0 || used > 0 ? rc : (int)used;
}

/* What a backend that said all this has said. Streams have no messages: theirs is one. Returns 0 or what is
 * wrong with it. */
static inline int model_decode(
	struct heard *heard, const struct framing_rules *rules, const uint8_t *bytes, size_t len)
{
	if (model_is_stream(rules))
		return model_message(heard, rules, bytes, len, model_is_text(rules), true);
	if (model_is_delimited(rules))
		return model_lines(heard, rules, bytes, len);
	return model_records(heard, rules, bytes, len);
}

/*
 * Reads base64 (RFC 4648 section 4) as far as it is that; without out only how far. Returns how many bytes it
 * says; *good: it is base64 to the end.
 */
static inline size_t model_from_base64(uint8_t *out, const uint8_t *text, size_t len, bool *good)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;
	bool ended = false;

	*good = true;
	for (size_t at = 0; at < len; at += 4) {
		unsigned all = 0, n_digits = 0, n_pads = 0;
		for (size_t i = at; i < len && i < at + 4; i++) {
			const char *digit = memchr(digits, text[i], 64);
			if (digit != NULL && n_pads == 0)
				n_digits++;
			n_pads += digit == NULL && text[i] == '=';
			all = all * 64 + (digit != NULL ? (unsigned)(digit - digits) : 0);
		}
		*good = !ended && n_digits >= 2 && n_digits + n_pads == 4 &&
			all % (n_digits == 2	      ? 65536
				      : n_digits == 3 ? 256
						      : 1) ==
				0;
		if (!*good)
			return n;
		for (unsigned i = 0; i + 1 < n_digits; i++, n++)
			if (out != NULL)
				out[n] = (uint8_t)(all >> (16 - 8 * i));
		ended = n_pads > 0;
	}
	return n;
}

/* Does to a message what the rules say of delimiters. Returns whether it may go. */
static inline bool model_admit(const struct framing_rules *rules, uint8_t *message, size_t len)
{
	bool good = true;

	if (model_is_base64(rules))
		model_from_base64(NULL, message, len, &good);
	if (!model_is_delimited(rules) || rules->newlines == NEWLINES_PASS)
		return good;
	for (uint8_t *at; (at = memchr(message, model_delimiter(rules), len)) != NULL;) {
		if (rules->newlines == NEWLINES_REJECT)
			return false;
		*at = ' ';
	}
	return true;
}

/* What a backend gets of one message that may go, into out: 24 bytes longer than the payload at most. Returns
 * how many. A record longer than is held may be cut in more than one way. */
static inline size_t model_encode(
	uint8_t *out, const struct framing_rules *rules, const uint8_t *message, size_t len, bool text)
{
	bool good;

	if (model_is_base64(rules))
		return model_from_base64(out, message, len, &good);
	size_t n = model_head(out, rules->framing, len, text);

	must(!model_is_records(rules) || len <= FRAMING_HOLD);
	memcpy(out + n, message, len);
	n += len;
	if (model_is_delimited(rules))
		out[n++] = model_delimiter(rules);
	if (rules->framing == FRAMING_NETSTRING)
		out[n++] = ',';
	return n;
}

#endif
