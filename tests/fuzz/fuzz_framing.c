/*
 * fuzz_framing: both directions of each framing under each rule against what framing_model.h says of the
 * whole: however the bytes of a backend or the pieces of a client are cut, the same messages and bytes come
 * out, no more waits than may, and text is UTF-8. What a framing with messages encodes it decodes again.
 * Input: framing; rules; which call or allocation fails; what comes first, up to where things stream; a seed
 * for the cuts; then the bytes of a backend, and once more as a client's messages.
 */
#include "backend/framing_internal.h"
#include "faults.h"
#include "framing_model.h"

#include <openssl/evp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_STOPPED = -99 };

/* Where what comes out goes: a client or a backend that may break off. These live as long as the process,
 * since large blocks cost more than all else. */
struct fuzz_sink {
	struct heard heard;
	unsigned stop_at; /* the call that breaks off; 0 is none */
	unsigned n_calls;
	bool stopped;
};

static struct fuzz_sink fuzz_there, fuzz_back;
static struct heard fuzz_want;

/* Begins anew. */
static struct fuzz_sink *fuzz_empty(struct fuzz_sink *sink, unsigned stop_at)
{
	heard_clear(&sink->heard);
	heard_reserve(&sink->heard, 8 * FRAMING_HOLD, FRAMING_HOLD);
	sink->stop_at = stop_at;
	sink->n_calls = 0;
	sink->stopped = false;
	return sink;
}

/* Counts a call; returns what it answers. */
static int fuzz_call(struct fuzz_sink *sink)
{
	must(!sink->stopped);
	sink->stopped = ++sink->n_calls == sink->stop_at;
	return sink->stopped ? FUZZ_STOPPED : 0;
}

/* Takes a piece for the client. */
static int fuzz_piece(void *arg, const struct piece *piece)
{
	struct fuzz_sink *sink = arg;
	struct utf8 utf8 = { 0 };

	must(piece->len > 0 || piece->last);
	if (piece->text)
		must(utf8_check(&utf8, piece->data, piece->len) == piece->len && utf8_complete(&utf8));
	heard_piece(&sink->heard, piece);
	if (piece->len > 0)
		memset(piece->data, '#', piece->len); /* it may */
	return fuzz_call(sink);
}

/* Takes bytes for the backend. */
static int fuzz_bytes(void *arg, const uint8_t *data, size_t len)
{
	struct fuzz_sink *sink = arg;
	struct heard *heard = &sink->heard;

	must(len > 0 && heard->n + len <= heard->room);
	memcpy(heard->bytes + heard->n, data, len);
	heard->n += len;
	return fuzz_call(sink);
}

/* Returns the size of the next part: seed 0 is whole, 1 byte by byte, others at random. All but whole reach
 * the size from which things stream in one leap. */
static size_t fuzz_cut(uint32_t *seed, size_t at, size_t left)
{
	size_t n = *seed == 0 ? left : *seed == 1 ? 1 : 1 + (*seed >> 16) % 13;

	if (*seed != 0 && at == 0 && left > FRAMING_HOLD / 2)
		n = FRAMING_HOLD - 16 + *seed % 32;
	if (*seed > 1)
		*seed = *seed * 1103515245 + 12345;
	return n < left ? n : left;
}

/* Decodes bytes, cut by the seed. Returns what the decoder said in the end. */
static int fuzz_decode(struct fuzz_sink *sink, const struct framing_rules *rules, const uint8_t *bytes,
	size_t len, uint32_t seed)
{
	struct framing_decoder decoder;
	uint8_t *part = faults_alloc(len + 1);
	size_t n;
	int rc = 0;

	framing_decoder_init(&decoder, rules);
	for (size_t at = 0; at < len && rc == 0; at += n) {
		n = fuzz_cut(&seed, at, len - at);
		/* To the end of the block, so that the sanitizer sees a read past it. */
		memcpy(part + len + 1 - n, bytes + at, n);
		rc = framing_decode(&decoder, part + len + 1 - n, n, fuzz_piece, sink);
		must(framing_hold_cost(decoder.held) <= 2 * FRAMING_HOLD);
		must(decoder.held == NULL || evbuffer_get_length(decoder.held) <= FRAMING_HOLD);
	}
	if (rc == 0)
		rc = framing_decode_end(&decoder, fuzz_piece, sink);
	must(rc != 0 || !sink->heard.open);
	framing_decoder_done(&decoder);
	free(part);
	return rc;
}

/* Does a message that was heard, and is open or not, say the raw text? Bad text goes out as binary, or, of a
 * long one whose first fragment was good, is replaced. */
static void fuzz_check_either(const struct heard *heard, size_t mark, const struct heard *raw, bool single)
{
	static struct heard replaced;
	size_t at = heard->marks[mark].at, raw_at = raw->marks[mark].at;
	bool open = mark + 1 == raw->n_marks;
	size_t n = (open ? heard->n : heard->marks[mark + 1].at) - at;
	size_t raw_n = (open ? raw->n : raw->marks[mark + 1].at) - raw_at;
	const uint8_t *bytes = raw->bytes + raw_at;

	if (heard->marks[mark].what == HEARD_BINARY) {
		must(n == raw_n && (n == 0 || memcmp(heard->bytes + at, bytes, n) == 0));
		must(raw->marks[mark].what == HEARD_BINARY ||
			model_good(bytes, raw_n) + (open ? utf8_tail(bytes, raw_n) : 0) < raw_n);
		return;
	}
	must(raw->marks[mark].what == HEARD_TEXT);
	must(!single || open || raw_n > FRAMING_HOLD || model_good(bytes, raw_n) == raw_n);
	heard_clear(&replaced);
	model_replace(&replaced, bytes, raw_n, true, !open);
	must(n == replaced.n && (n == 0 || memcmp(heard->bytes + at, replaced.bytes, n) == 0));
}

/* The same of all messages. */
static void fuzz_check_each(
	const struct framing_rules *rules, const struct heard *heard, const struct heard *raw)
{
	/* Of an open one nothing may have been sure yet: then it was not heard of. */
	must(heard->n_marks == raw->n_marks || (heard->n_marks + 1 == raw->n_marks && raw->open));
	for (size_t i = 0; i < heard->n_marks; i += 2)
		fuzz_check_either(heard, i, raw, !model_is_records(rules));
}

/* Each message is base64 by itself; all of them say these bytes. */
static void fuzz_check_base64(const struct heard *heard, const struct heard *want)
{
	uint8_t *bytes = malloc(heard->n + 1);
	size_t n = 0;
	bool good = true;

	must(bytes != NULL && !heard->open);
	for (size_t i = 0; i < heard->n_marks; i += 2) {
		size_t at = heard->marks[i].at, end = heard->marks[i + 1].at;
		must(heard->marks[i].what == HEARD_TEXT && end > at);
		n += model_from_base64(bytes + n, heard->bytes + at, end - at, &good);
		must(good);
	}
	must(n == want->n && (n == 0 || memcmp(bytes, want->bytes, n) == 0));
	free(bytes);
}

/* Is what a decoder said what the model did? A stream has no messages, only bytes. */
static void fuzz_check_decoded(
	const struct framing_rules *rules, const struct heard *heard, const struct heard *want)
{
	if (model_is_base64(rules))
		fuzz_check_base64(heard, want);
	else if (model_is_stream(rules))
		must(heard->n == want->n &&
			(want->n == 0 || memcmp(heard->bytes, want->bytes, want->n) == 0));
	else if (rules->invalid_utf8 == INVALID_UTF8_BINARY)
		fuzz_check_each(rules, heard, want);
	else
		must(heard_is_same(heard, want));
}

/* Decodes a backend's bytes, cut in three ways. */
static void fuzz_backend(const struct framing_rules *rules, const uint8_t *bytes, size_t len, uint32_t seed)
{
	uint32_t seeds[] = { 0, 1, seed };

	heard_clear(&fuzz_want);
	int rc = model_decode(&fuzz_want, rules, bytes, len);
	for (size_t i = 0; i < 3; i++) {
		struct fuzz_sink *sink = fuzz_empty(&fuzz_back, 0);
		must(fuzz_decode(sink, rules, bytes, len, seeds[i]) == rc);
		fuzz_check_decoded(rules, &sink->heard, &fuzz_want);
	}
}

/* A line or record that is not longer than what is held goes to the client in one piece: the input behind
 * letters. */
static void fuzz_whole(const struct framing_rules *rules, const uint8_t *bytes, size_t len, uint32_t seed)
{
	size_t room = FRAMING_HOLD - len % 3, tail = len < 100 ? len : 100;
	uint64_t max = framing_max_message(rules);
	struct fuzz_sink *sink = fuzz_empty(&fuzz_back, 0);
	uint8_t *message = malloc(room), *said = malloc(room + 24);

	must(message != NULL && said != NULL);
	room = max != 0 && max < room ? max : room;
	tail = tail < room ? tail : room;
	memset(message, 'a', room - tail);
	memcpy(message + room - tail, bytes, tail);
	for (size_t i = room - tail; model_is_delimited(rules) && i < room; i++)
		message[i] = message[i] == model_delimiter(rules) ? 'x' : message[i];
	size_t n = model_encode(said, rules, message, room, true);
	int rc = fuzz_decode(sink, rules, said, n, seed);
	if (rules->invalid_utf8 != INVALID_UTF8_CLOSE || rc == 0)
		must(rc == 0 && sink->heard.n_marks == 2 && sink->heard.n_pieces == 1);
	free(message);
	free(said);
}

/* While a message may still be whole for the backend, it is held; beyond that nothing is. */
static void fuzz_check_held(
	const struct framing_encoder *encoder, const struct fuzz_sink *sink, size_t before, size_t given)
{
	const struct framing_rules *rules = &encoder->rules;
	bool counted = framing_max_message(rules) != 0; /* it holds all */
	bool holds = counted || model_is_delimited(rules) || model_is_records(rules);
	size_t held = encoder->held != NULL ? evbuffer_get_length(encoder->held) : 0;

	must(held == (holds && (counted || given <= FRAMING_HOLD) ? given : 0));
	must(framing_hold_cost(encoder->held) <= given + given / 32 + 40000);
	must(held == 0 || sink->heard.n == before);
}

/* Encodes one message, cut by the seed. */
static int fuzz_encode(struct framing_encoder *encoder, struct fuzz_sink *sink, const uint8_t *message,
	size_t len, bool text, uint32_t seed)
{
	size_t at = 0, before = sink->heard.n, n;
	int rc = 0;

	do {
		n = len > at ? fuzz_cut(&seed, at, len - at) : 0;
		bool last = at + n == len && seed % 3 != 0; /* the end may come by itself */
		uint8_t *part = faults_alloc(n + !n);
		must(part != NULL);
		memcpy(part, message + at, n);
		struct piece piece = { part, n, text, at == 0, last };
		rc = framing_encode(encoder, &piece, fuzz_bytes, sink);
		free(part);
		at += n;
		if (rc == 0 && !last)
			fuzz_check_held(encoder, sink, before, at);
		if (rc == 0 && !last && at == len) {
			piece = (struct piece){ NULL, 0, text, false, true };
			rc = framing_encode(encoder, &piece, fuzz_bytes, sink);
		}
	} while (at < len && rc == 0);
	return rc;
}

/* What came out of one message is what should. */
static void fuzz_check_encoded(const struct framing_rules *rules, const uint8_t *out, size_t n,
	const uint8_t *message, size_t len, bool text, uint32_t seed)
{
	uint8_t *want = malloc(len + 24);

	must(want != NULL);
	if (!model_is_records(rules) || len <= FRAMING_HOLD)
		must(model_encode(want, rules, message, len, text) == n && memcmp(want, out, n) == 0);
	for (size_t at = 0, left = n; model_is_records(rules) && left > 0;) {
		size_t record = (size_t)out[at + 1] << 24 | (size_t)out[at + 2] << 16 |
				(size_t)out[at + 3] << 8 | out[at + 4];
		must(record <= FRAMING_HOLD && record + 5 <= left);
		left -= record + 5;
		at += record + 5;
		must((out[at - record - 5] & 0x20) == (left > 0 ? 0 : 0x20));
	}
	free(want);
	if (model_is_stream(rules))
		return;
	struct fuzz_sink *back = fuzz_empty(&fuzz_back, 0);
	struct piece piece = { (uint8_t *)(uintptr_t)message, len,
		model_is_records(rules) ? text : model_is_text(rules), true, true };
	heard_clear(&fuzz_want);
	heard_piece(&fuzz_want, &piece);
	must(fuzz_decode(back, rules, out, n, seed) == 0);
	must(heard_is_same(&back->heard, &fuzz_want));
}

/* Makes a message for the client to send: text is text, of base64 what the bytes are in it, and a delimiter
 * is in it only where the rules do not let it pass. Returns its length. */
static size_t fuzz_make_message(
	uint8_t *message, const struct framing_rules *rules, const uint8_t *bytes, size_t len, bool text)
{
	struct evbuffer *clean = evbuffer_new();
	uint64_t max = framing_max_message(rules);

	must(clean != NULL && utf8_replace(clean, bytes, len) == 0);
	if (model_is_base64(rules) && text)
		len = (size_t)EVP_EncodeBlock(message, bytes, (int)len);
	else if (text || model_is_text(rules))
		len = (size_t)evbuffer_remove(clean, message, 3 * len);
	else
		memcpy(message, bytes, len);
	evbuffer_free(clean);
	if (max != 0 && len > max)
		len = text || model_is_text(rules) ? model_good(message, max) : max;
	for (uint8_t *at; model_is_delimited(rules) && rules->newlines == NEWLINES_PASS &&
			  (at = memchr(message, model_delimiter(rules), len)) != NULL;)
		*at = ' ';
	if (rules->framing == FRAMING_LINES && len > 0 && message[len - 1] == '\r')
		message[len - 1] = ' ';
	return len;
}

/* Sends one message there and back. Returns whether more may be sent. */
static bool fuzz_client_says(struct framing_encoder *encoder, struct fuzz_sink *sink, uint8_t *message,
	size_t len, bool text, uint32_t seed)
{
	const struct framing_rules *rules = &encoder->rules;
	size_t before = sink->heard.n;
	int rc = fuzz_encode(encoder, sink, message, len, text, seed);

	must(framing_hold_cost(encoder->held) == 0);
	if (!model_admit(rules, message, len)) {
		must(rc == (model_is_base64(rules) ? FRAMING_NOT_BASE64 : FRAMING_NEWLINE));
		must(model_is_base64(rules) || sink->heard.n == before);
		if (model_is_base64(rules))
			fuzz_check_encoded(rules, sink->heard.bytes + before, sink->heard.n - before, message,
				len, text, 0);
		return false;
	}
	must(rc == 0);
	fuzz_check_encoded(
		rules, sink->heard.bytes + before, sink->heard.n - before, message, len, text, seed / 3);
	return true;
}

/* Makes messages of the bytes, cut at each 'M', and sends them. */
static void fuzz_client(const struct framing_rules *rules, const uint8_t *bytes, size_t len, uint32_t seed)
{
	struct framing_encoder encoder;
	struct fuzz_sink *sink = fuzz_empty(&fuzz_there, 0);
	uint8_t *message = malloc(3 * len + 8);
	bool text = true, goes_on = true;

	must(message != NULL);
	framing_encoder_init(&encoder, rules);
	for (size_t n; len > 0 && goes_on; bytes += n, len -= n, text = !text, seed = seed * 3 % 0xfffffu) {
		const uint8_t *mark = memchr(bytes, 'M', len);
		n = mark != NULL ? (size_t)(mark - bytes) : len;
		size_t n_message = fuzz_make_message(message, rules, bytes, n, text);
		n += mark != NULL;
		goes_on = fuzz_client_says(&encoder, sink, message, n_message, text, seed);
	}
	framing_encoder_done(&encoder);
	free(message);
}

/* A peer that breaks off, or memory that runs out, is reported, and what came before was right. */
static void fuzz_trouble(
	const struct framing_rules *rules, const uint8_t *bytes, size_t len, uint32_t seed, unsigned when)
{
	uint64_t max = framing_max_message(rules);
	unsigned n = when / 2 + 1, stop_at = when & 1 ? n : 0, fail_at = when & 1 ? 0 : n;
	struct fuzz_sink *sink = fuzz_empty(&fuzz_back, stop_at);
	struct framing_encoder encoder;

	heard_clear(&fuzz_want);
	model_decode(&fuzz_want, rules, bytes, len);
	faults_n = 0;
	faults_arm(fail_at);
	int rc = fuzz_decode(sink, rules, bytes, len, seed);
	faults_arm(0);
	must(!sink->stopped || rc == FUZZ_STOPPED);
	must((faults_n == 0) == (rc != FRAMING_NO_MEMORY));
	if (!model_is_stream(rules) && rules->invalid_utf8 != INVALID_UTF8_BINARY)
		must(heard_is_prefix(&sink->heard, &fuzz_want));

	fuzz_empty(sink, stop_at);
	faults_n = 0;
	framing_encoder_init(&encoder, rules);
	faults_arm(fail_at);
	rc = fuzz_encode(&encoder, sink, bytes, max != 0 && max < len ? max : len, false, seed);
	faults_arm(0);
	must(!sink->stopped || rc == FUZZ_STOPPED);
	must((faults_n == 0) == (rc != FRAMING_NO_MEMORY));
	framing_encoder_done(&encoder);
}

/* What comes before the input, so that little of it is needed to reach where things stream: nothing, or
 * letters and perhaps characters of three bytes, after the head of a record. */
static size_t fuzz_fill(uint8_t *bytes, enum framing framing, uint8_t how)
{
	size_t len = how >= 0xe0 ? FRAMING_HOLD - 8 + how % 16 : 0;
	bool little;

	memset(bytes, 'a', len);
	for (size_t i = len - 30; how >= 0xe0 && how < 0xf0 && i < len; i++)
		bytes[i] = (uint8_t) "\xe2\x82\xac"[i % 3];
	if (len > 0 && (framing == FRAMING_RECORDS || framing == FRAMING_NETSTRING ||
			       model_length_bytes(framing, &little) > 2))
		model_head(bytes, framing, FRAMING_HOLD + (how & 1 ? 0 : 16), true);
	if (len > 0 && framing == FRAMING_RECORDS)
		bytes[0] = 'T';
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 6)
		return 0;
	struct framing_rules rules = { .framing = data[0] % FRAMING_UNSET,
		.messages = data[1] % 3,
		.newlines = data[1] / 3 % 3,
		.invalid_utf8 = data[1] / 9 % 3 };
	uint32_t seed = 2 + data[4] * 16777619u;
	uint8_t *bytes = malloc(FRAMING_HOLD + 16 + size);

	must(bytes != NULL);
	size_t len = fuzz_fill(bytes, rules.framing, data[3]);
	memcpy(bytes + len, data + 5, size - 5);
	len += size - 5;
	fuzz_backend(&rules, bytes, len, seed);
	fuzz_client(&rules, bytes, len, seed);
	if (!model_is_stream(&rules) && data[3] >= 0xd0)
		fuzz_whole(&rules, bytes, len, seed);
	if (data[2] >= 0x80)
		fuzz_trouble(&rules, bytes, len, seed, data[2] & 0x7f);
	free(bytes);
	return 0;
}
