/*
 * test_message: conversations of frames written as a few letters, each read whole, split at every position,
 * and byte by byte, from a buffer that ends at a guard page; what is told must not depend on how it came.
 */
#include "ws/message.h"

#include "aborts.h"
#include "deflated.h"
#include "failing.h"
#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What was said and heard in one conversation. */
struct talk {
	uint8_t *wire;
	size_t len;
	char heard[4096]; /* pieces of one message merged: "t[abc]b[]" */
	bool open;	  /* the last piece was not the last of its message */
};

/* Appends raw bytes to the wire. */
static void talk_raw(struct talk *talk, const void *bytes, size_t len)
{
	talk->wire = realloc(talk->wire, talk->len + len + 1);
	assert_non_null(talk->wire);
	memcpy(talk->wire + talk->len, bytes, len);
	talk->len += len;
}

/* Appends a masked frame; `head` is the first byte. */
static void talk_frame(struct talk *talk, uint8_t head, const void *payload, size_t len)
{
	struct frame_header header = { .fin = head >> 7,
		.rsv = head >> 4 & 7,
		.opcode = head & 0xf,
		.masked = true,
		.key = { 0x5a, 0x01, 0xfe, 0x80 },
		.len = len };
	uint8_t buf[FRAME_HEADER_MAX];

	talk_raw(talk, buf, frame_encode(&header, buf));
	talk_raw(talk, payload, len);
	frame_mask(talk->wire + talk->len - len, len, header.key, 0);
}

/* Notes some letters of what was heard. */
static void talk_note(struct talk *talk, const void *text, size_t len)
{
	size_t had = strlen(talk->heard);

	assert_true(had + len < sizeof(talk->heard));
	if (len > 0)
		memcpy(talk->heard + had, text, len);
	talk->heard[had + len] = '\0';
}

/* Notes one event. */
static void talk_hear(struct talk *talk, const struct message_event *event)
{
	char code[16];

	switch (event->kind) {
	case MESSAGE_NEED_MORE:
		return;
	case MESSAGE_DATA:
		assert_int_equal(event->first, !talk->open);
		assert_true(event->len > 0 || event->last);
		if (event->first)
			talk_note(talk, event->text ? "t[" : "b[", 2);
		talk_note(talk, event->data, event->len);
		if (event->last)
			talk_note(talk, "]", 1);
		talk->open = !event->last;
		return;
	case MESSAGE_PING:
	case MESSAGE_PONG:
		talk_note(talk, event->kind == MESSAGE_PING ? "<ping " : "<pong ", 6);
		talk_note(talk, event->data, event->len);
		talk_note(talk, ">", 1);
		return;
	case MESSAGE_CLOSE:
	case MESSAGE_ERROR:
		snprintf(code, sizeof(code), "%s%u ", event->kind == MESSAGE_CLOSE ? "<" : "!", event->code);
		talk_note(talk, code, strlen(code));
		talk_note(talk, event->reason.ptr, event->reason.len);
		talk_note(talk, ">", 1);
		return;
	}
	fail();
}

/* Gives the reader bytes until it wants more. */
static void talk_read(struct talk *talk, struct message_reader *reader, uint8_t *buf, size_t len)
{
	struct message_event event;

	do {
		size_t used = message_read(reader, buf, len, &event);
		assert_true(used <= len);
		talk_hear(talk, &event);
		buf += used;
		len -= used;
		if (event.kind != MESSAGE_NEED_MORE && len == 0 && !message_reader_has_more(reader)) {
			message_read(reader, buf, 0, &event);
			assert_int_equal(event.kind, MESSAGE_NEED_MORE);
		}
	} while (event.kind != MESSAGE_NEED_MORE);
	assert_int_equal(len, 0);
	assert_false(message_reader_has_more(reader));
}

struct limits {
	uint64_t max_message;
	bool deflate;
};

/* What one reading of the wire needs; input and output both end at a guard page. */
struct reading {
	struct message_reader reader;
	struct inflater inflater;
	struct guard in, out;
};

static void reading_begin(struct reading *reading, struct talk *talk, struct limits limits, size_t out_len)
{
	reading->in = guard_new(talk->len + 1);
	reading->out = guard_new(out_len);
	inflater_init(&reading->inflater, 15, false);
	message_reader_init(&reading->reader, limits.max_message, limits.deflate ? &reading->inflater : NULL);
	reading->reader.out = guard_put(&reading->out, NULL, 0) - out_len;
	reading->reader.out_len = out_len;
	talk->heard[0] = '\0';
	talk->open = false;
}

static void reading_end(struct reading *reading, const struct talk *talk, const char *want)
{
	assert_string_equal(talk->heard, want);
	inflater_done(&reading->inflater);
	guard_free(&reading->in);
	guard_free(&reading->out);
}

/* Reads the wire in parts of `first`, then `step` bytes and compares. */
static void talk_expect_parts(
	struct talk *talk, struct limits limits, size_t first, size_t step, const char *want)
{
	struct reading reading;

	reading_begin(&reading, talk, limits, 1 + step % 7);
	for (size_t at = 0, n = first; at < talk->len; n = step) {
		if (n > talk->len - at)
			n = talk->len - at;
		talk_read(talk, &reading.reader, guard_put(&reading.in, talk->wire + at, n), n);
		at += n;
	}
	reading_end(&reading, talk, want);
}

/* The same, but with `step` bytes more at each call behind those that were not used by the one before. */
static void talk_expect_growing(struct talk *talk, struct limits limits, size_t step, const char *want)
{
	struct reading reading;
	struct message_event event;
	size_t at = 0, end = 0;

	reading_begin(&reading, talk, limits, step);
	uint8_t *buf = guard_put(&reading.in, talk->wire, talk->len);
	do {
		end = talk->len - end < step ? talk->len : end + step;
		at += message_read(&reading.reader, buf + at, end - at, &event);
		talk_hear(talk, &event);
	} while (event.kind != MESSAGE_NEED_MORE || end < talk->len);
	assert_int_equal(at, talk->len);
	reading_end(&reading, talk, want);
}

/* Reads the wire whole, at every split, byte by byte, and as it grows; frees it. */
static void talk_expect(struct talk *talk, struct limits limits, const char *want)
{
	for (size_t split = 0; split <= talk->len; split++)
		talk_expect_parts(talk, limits, split, talk->len, want);
	talk_expect_parts(talk, limits, 1, 1, want);
	talk_expect_parts(talk, limits, 3, 2, want);
	for (size_t step = 1; step <= 5; step++)
		talk_expect_growing(talk, limits, step, want);
	free(talk->wire);
	*talk = (struct talk){ 0 };
}

#define FRAME(talk, head, text) talk_frame(talk, head, text, sizeof(text) - 1)

static const struct limits none = { 0, false };

static void test_messages(void **unused)
{
	struct talk talk = { 0 };
	char big[300];

	(void)unused;
	FRAME(&talk, 0x81, "Hello");
	FRAME(&talk, 0x82, "");
	FRAME(&talk, 0x81, "");
	FRAME(&talk, 0x82, "\x01\xff");
	talk_expect(&talk, none, "t[Hello]b[]t[]b[\x01\xff]");
	/* Fragments, empty ones too, with control frames between them. */
	FRAME(&talk, 0x01, "Hel");
	FRAME(&talk, 0x89, "p1");
	FRAME(&talk, 0x00, "");
	FRAME(&talk, 0x8a, "");
	FRAME(&talk, 0x00, "l");
	FRAME(&talk, 0x80, "o");
	FRAME(&talk, 0x02, "");
	FRAME(&talk, 0x00, "");
	FRAME(&talk, 0x80, "");
	FRAME(&talk, 0x02, "x");
	FRAME(&talk, 0x80, "");
	talk_expect(&talk, none, "t[Hel<ping p1><pong >lo]b[]b[x]");
	/* The 16-bit length. */
	memset(big, 'z', sizeof(big));
	talk_frame(&talk, 0x81, big, sizeof(big));
	FRAME(&talk, 0x82, "after");
	char want[400];
	snprintf(want, sizeof(want), "t[%.300s]b[after]", big);
	talk_expect(&talk, none, want);
}

static void test_control(void **unused)
{
	struct talk talk = { 0 };
	char payload[125], want[300];

	(void)unused;
	memset(payload, 'p', sizeof(payload));
	talk_frame(&talk, 0x89, payload, 125);
	talk_frame(&talk, 0x8a, payload, 124);
	FRAME(&talk, 0x89, "");
	snprintf(want, sizeof(want), "<ping %.125s><pong %.124s><ping >", payload, payload);
	talk_expect(&talk, none, want);
	talk_frame(&talk, 0x89, payload, 0);
	talk_raw(&talk, "\x89\xfe\x00\x7e....", 8);
	talk_expect(&talk, none, "<ping >!1002 fragmented or oversized control frame>");
	FRAME(&talk, 0x09, "");
	talk_expect(&talk, none, "!1002 fragmented or oversized control frame>");
}

static void test_close(void **unused)
{
	struct talk talk = { 0 };

	(void)unused;
	FRAME(&talk, 0x88, "");
	FRAME(&talk, 0x81, "ignored");
	talk_expect(&talk, none, "<1005 >");
	FRAME(&talk, 0x88, "\x03\xe8");
	FRAME(&talk, 0x83, "ignored");
	talk_expect(&talk, none, "<1000 >");
	FRAME(&talk, 0x01, "half");
	FRAME(&talk, 0x88, "\x0f\xa0good \xc3\xa4");
	talk_expect(&talk, none, "t[half<4000 good \xc3\xa4>");
	FRAME(&talk, 0x88, "\x03");
	talk_expect(&talk, none, "!1002 close frame of one byte>");
	FRAME(&talk, 0x88, "\x03\xed");
	talk_expect(&talk, none, "!1002 bad close code>");
	FRAME(&talk, 0x88, "\x03\xe8\xc3\x28");
	talk_expect(&talk, none, "!1007 close reason is not UTF-8>");
	FRAME(&talk, 0x88, "\x03\xe8\xe2\x82");
	FRAME(&talk, 0x81, "ignored");
	talk_expect(&talk, none, "!1007 close reason is not UTF-8>");
}

static void test_broken_frames(void **unused)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *want;
	} rows[] = {
		{ "\x81\x05hello", 7, "!1002 unmasked frame>" },
		{ "\x89\x00", 2, "!1002 unmasked frame>" },
		{ "\x88\x02\x03\xe8", 4, "!1002 unmasked frame>" },
		{ "\xc1\x80mask", 6, "!1002 reserved bits>" },
		{ "\xa1\x80mask", 6, "!1002 reserved bits>" },
		{ "\x91\x80mask", 6, "!1002 reserved bits>" },
		{ "\xc9\x80mask", 6, "!1002 reserved bits>" },
		{ "\xa9\x80mask", 6, "!1002 reserved bits>" },
		{ "\x99\x80mask", 6, "!1002 reserved bits>" },
		{ "\x9a\x80mask", 6, "!1002 reserved bits>" },
		{ "\x98\x80mask", 6, "!1002 reserved bits>" },
		{ "\x83\x80mask", 6, "!1002 reserved opcode>" },
		{ "\x8b", 1, "!1002 reserved opcode>" },
		{ "\x80\x80mask", 6, "!1002 continuation of no message>" },
		{ "\x00\x80mask", 6, "!1002 continuation of no message>" },
		{ "\x82\xfe\x00\x05mask", 8, "!1002 bad frame length>" },
		{ "\x82\xff\x80\0\0\0\0\0\0\0mask", 14, "!1002 bad frame length>" },
		{ "\x82\xff\0\0\0\0\0\0\xff\xffmask", 14, "!1002 bad frame length>" },
	};
	struct talk talk = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[100];
		FRAME(&talk, 0x82, "ok");
		talk_raw(&talk, rows[i].bytes, rows[i].len);
		snprintf(want, sizeof(want), "b[ok]%s", rows[i].want);
		talk_expect(&talk, none, want);
	}
	FRAME(&talk, 0x01, "a");
	FRAME(&talk, 0x81, "b");
	talk_expect(&talk, none, "t[a!1002 message within a message>");
	FRAME(&talk, 0x02, "a");
	FRAME(&talk, 0x80, "b");
	FRAME(&talk, 0x80, "c");
	talk_expect(&talk, none, "b[ab]!1002 continuation of no message>");
	/* Each reserved bit of a continuation. */
	for (unsigned rsv = 1; rsv <= 7; rsv++) {
		FRAME(&talk, 0x02, "a");
		FRAME(&talk, (uint8_t)(0x80 | rsv << 4), "b");
		talk_expect(&talk, none, "b[a!1002 reserved bits>");
	}
}

static void test_compressed(void **unused)
{
	const struct limits deflate = { 0, true };
	struct talk talk = { 0 };

	(void)unused;
	/* RFC 7692 7.2.3.1 and 7.2.3.2: in one frame, in two with a ping between; 7.2.3.6: an empty one. */
	FRAME(&talk, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00");
	FRAME(&talk, 0x42, "\xf2\x48\xcd");
	FRAME(&talk, 0x89, "p");
	FRAME(&talk, 0x00, "");
	FRAME(&talk, 0x80, "\xc9\xc9\x07\x00");
	FRAME(&talk, 0xc1, "\x00");
	FRAME(&talk, 0x81, "plain");
	FRAME(&talk, 0x41, "\xf2\x48\xcd\xc9\xc9\x07\x00");
	FRAME(&talk, 0x80, "");
	talk_expect(&talk, deflate, "t[Hello]b[He<ping p>llo]t[]t[plain]t[Hello]");
	/* Only the first frame of a message says that it is compressed, and only of data. */
	FRAME(&talk, 0x41, "\xf2\x48\xcd");
	FRAME(&talk, 0xc0, "\xc9\xc9\x07\x00");
	talk_expect(&talk, deflate, "t[He!1002 reserved bits>");
	FRAME(&talk, 0xc9, "");
	talk_expect(&talk, deflate, "!1002 reserved bits>");
	FRAME(&talk, 0xe1, "\x00");
	talk_expect(&talk, deflate, "!1002 reserved bits>");
	FRAME(&talk, 0xc1, "\x00");
	talk_expect(&talk, none, "!1002 reserved bits>");
}

static void test_compressed_badly(void **unused)
{
	const struct limits deflate = { 0, true };
	struct talk talk = { 0 };

	(void)unused;
	/* A reserved block type; the end within a block; both behind what was good. */
	FRAME(&talk, 0xc2, "\x07");
	talk_expect(&talk, deflate, "!1007 bad compressed data>");
	FRAME(&talk, 0x42,
		"\x00\x05\x00\xfa\xff"
		"Hello");
	FRAME(&talk, 0x80, "\x07");
	talk_expect(&talk, deflate, "b[Hello!1007 bad compressed data>");
	FRAME(&talk, 0xc2,
		"\x00\x06\x00\xf9\xff"
		"Hello");
	talk_expect(&talk, deflate, "b[Hello!1007 bad compressed data>");
	/* Text that is none, inflated: within the message and at its end. */
	FRAME(&talk, 0xc1,
		"\x00\x05\x00\xfa\xff"
		"He\xfflo\x00");
	talk_expect(&talk, deflate, "t[He!1007 text is not UTF-8>");
	FRAME(&talk, 0xc1,
		"\x00\x03\x00\xfc\xff"
		"H\xc3\xa4\x00");
	FRAME(&talk, 0xc1,
		"\x00\x02\x00\xfd\xff"
		"H\xc3\x00");
	talk_expect(&talk, deflate, "t[H\xc3\xa4]t[H\xc3!1007 text is not UTF-8>");
}

static void test_compressed_limit(void **unused)
{
	const struct limits many = { 1000, true }, long_one = { 305, true }, five = { 5, true },
			    four = { 4, true }, one = { 1, true };
	struct talk talk = { 0 };

	(void)unused;
	/* What counts is the inflated size, here of Hello; as much as is allowed is passed on. */
	FRAME(&talk, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00");
	FRAME(&talk, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00");
	talk_expect(&talk, five, "t[Hello]t[Hello]");
	FRAME(&talk, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00");
	talk_expect(&talk, four, "t[Hell!1009 message too big>");
	FRAME(&talk, 0x41, "\xf2\x48");
	FRAME(&talk, 0x80, "\xcd\xc9\xc9\x07\x00");
	talk_expect(&talk, one, "t[H!1009 message too big>");
	/* Far away, or near: it makes no room. The last bytes wait until there is some for the first ones. */
	char text[310 + 1], want[400];
	memset(text, 'a', 300);
	memcpy(text + 300, "0123456789", 11);
	struct bytes payload = zlib_payload(text, 310, 9, 15);
	snprintf(want, sizeof(want), "b[%s]", text);
	talk_frame(&talk, 0xc2, payload.data, payload.len);
	talk_expect(&talk, many, want);
	snprintf(want, sizeof(want), "b[%.305s!1009 message too big>", text);
	talk_frame(&talk, 0xc2, payload.data, payload.len);
	talk_expect(&talk, long_one, want);
	bytes_free(&payload);
}

/* When memory is short the connection ends, with what came before; no end is told that was none. */
static void test_compressed_memory(void **unused)
{
	unsigned at = 0, n_begun = 0;

	(void)unused;
	do {
		struct talk talk = { 0 };
		struct inflater inflater;
		struct message_reader reader;
		uint8_t out[16];

		inflater_init(&inflater, 15, true);
		message_reader_init(&reader, 0, &inflater);
		reader.out = out;
		reader.out_len = sizeof(out);
		FRAME(&talk, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00");
		failing_at = ++at;
		failing_count = 0;
		failing_on = true;
		talk_read(&talk, &reader, talk.wire, talk.len);
		failing_on = false;
		inflater_done(&inflater);
		free(talk.wire);
		assert_string_equal(talk.heard, failing_count < at ? "t[Hello]"
						: talk.open	   ? "t[Hello!1011 out of memory>"
								   : "!1011 out of memory>");
		n_begun += talk.open;
	} while (failing_count == at);
	assert_true(at > 3 && n_begun > 0);
}

static void test_text(void **unused)
{
	struct talk talk = { 0 };

	(void)unused;
	FRAME(&talk, 0x01, "\xf0");
	FRAME(&talk, 0x00, "\x9f");
	FRAME(&talk, 0x89, "");
	FRAME(&talk, 0x00, "\x98");
	FRAME(&talk, 0x80, "\x80");
	talk_expect(&talk, none, "t[\xf0\x9f<ping >\x98\x80]");
	FRAME(&talk, 0x81, "good\xffnot seen");
	talk_expect(&talk, none, "t[good!1007 text is not UTF-8>");
	FRAME(&talk, 0x01, "\xff");
	talk_expect(&talk, none, "!1007 text is not UTF-8>");
	FRAME(&talk, 0x81, "\xed\xa0\x80");
	talk_expect(&talk, none, "t[\xed!1007 text is not UTF-8>");
	FRAME(&talk, 0x81, "ab\xe2\x82");
	FRAME(&talk, 0x81, "not seen");
	talk_expect(&talk, none, "t[ab\xe2\x82!1007 text is not UTF-8>");
	FRAME(&talk, 0x01, "ab\xe2\x82");
	FRAME(&talk, 0x80, "");
	talk_expect(&talk, none, "t[ab\xe2\x82!1007 text is not UTF-8>");
	/* What one message left open does not reach into the next. */
	FRAME(&talk, 0x82, "\xe2\x82");
	FRAME(&talk, 0x81, "\xac");
	talk_expect(&talk, none, "b[\xe2\x82]!1007 text is not UTF-8>");
}

static void test_bad_text_is_half_a_message(void **unused)
{
	static const struct {
		const char *text;
		bool half;
	} rows[] = { { "good", false }, { "", false }, { "bad\xff", true }, { "bad\xe2", true },
		{ "\xff", true } };

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk talk = { 0 };
		struct message_reader reader;

		message_reader_init(&reader, 0, NULL);
		talk_frame(&talk, 0x81, rows[i].text, strlen(rows[i].text));
		talk_read(&talk, &reader, talk.wire, talk.len);
		assert_int_equal(reader.in_message, rows[i].half);
		free(talk.wire);
	}
}

static void test_limit(void **unused)
{
	const struct limits ten = { 10, false }, one = { 1, false };
	struct talk talk = { 0 };

	(void)unused;
	FRAME(&talk, 0x82, "123456789");
	FRAME(&talk, 0x82, "1234567890");
	talk_expect(&talk, ten, "b[123456789]b[1234567890]");
	FRAME(&talk, 0x82, "12345678901");
	talk_expect(&talk, ten, "!1009 message too big>");
	FRAME(&talk, 0x82, "1");
	FRAME(&talk, 0x82, "12");
	talk_expect(&talk, one, "b[1]!1009 message too big>");
	/* Cumulative, with a control frame between. */
	FRAME(&talk, 0x02, "123456789");
	FRAME(&talk, 0x89, "0123456789012345");
	FRAME(&talk, 0x80, "0");
	FRAME(&talk, 0x02, "123456789");
	FRAME(&talk, 0x89, "");
	FRAME(&talk, 0x80, "01");
	talk_expect(
		&talk, ten, "b[123456789<ping 0123456789012345>0]b[123456789<ping >!1009 message too big>");
	/* Said with the header, before a byte of payload. */
	talk_raw(&talk, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 14);
	talk_expect(&talk, ten, "!1009 message too big>");
	FRAME(&talk, 0x02, "1");
	talk_raw(&talk, "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 14);
	talk_expect(&talk, ten, "b[1!1009 message too big>");
}

static void test_sum_does_not_go_round(void **unused)
{
	struct talk talk = { 0 };
	struct message_reader reader;
	struct message_event event;

	(void)unused;
	FRAME(&talk, 0x02, "1");
	size_t first = talk.len;
	talk_raw(&talk, "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 14);
	for (uint64_t max = 0; max <= 1; max++) {
		message_reader_init(&reader, max ? UINT64_MAX : 0, NULL);
		message_read(&reader, talk.wire, first, &event);
		assert_int_equal(event.kind, MESSAGE_DATA);
		/* As if so much had come already. */
		reader.message_len = (uint64_t)INT64_MAX + 2;
		message_read(&reader, talk.wire + first, 14, &event);
		assert_int_equal(event.kind, MESSAGE_ERROR);
		assert_int_equal(event.code, CLOSE_TOO_BIG);
	}
	free(talk.wire);
}

static void test_long_frame_streams(void **unused)
{
	struct message_reader reader;
	struct message_event event;
	uint8_t head[] = { 0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x02, 0x03,
		0x04 };
	uint8_t buf[1001];

	(void)unused;
	message_reader_init(&reader, 0, NULL);
	assert_int_equal(message_read(&reader, head, sizeof(head), &event), sizeof(head));
	assert_int_equal(event.kind, MESSAGE_NEED_MORE);
	for (unsigned i = 0; i < 1000; i++) {
		for (size_t j = 0; j < sizeof(buf); j++)
			buf[j] = (uint8_t)((i * sizeof(buf) + j) % 4 + 1);
		assert_int_equal(message_read(&reader, buf, sizeof(buf), &event), sizeof(buf));
		assert_int_equal(event.kind, MESSAGE_DATA);
		assert_int_equal(event.first, i == 0);
		assert_false(event.last);
		assert_ptr_equal(event.data, buf);
		assert_int_equal(event.len, sizeof(buf));
		for (size_t j = 0; j < sizeof(buf); j++)
			assert_int_equal(buf[j], 0);
	}
	assert_true(sizeof(reader) <= 232);
}

/* Where the caller has nothing there is nothing to read, whatever came before: no byte is touched. */
static void test_nothing_to_read(void **unused)
{
	static const char *const before[] = { "", "\x81", "\x81\x83ma", "\x81\x83mask", "\x01\x81mask,",
		"\x89\x82mask", "\x88\x80mask", "\x83" };
	static const size_t sizes[] = { 0, 1, 4, 6, 7, 6, 6, 1 };

	(void)unused;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct talk talk = { 0 };
		struct message_reader reader;
		struct message_event event;

		message_reader_init(&reader, 0, NULL);
		talk_raw(&talk, before[i], sizes[i]);
		talk_read(&talk, &reader, talk.wire, talk.len);
		assert_int_equal(message_read(&reader, NULL, 0, &event), 0);
		assert_int_equal(event.kind, MESSAGE_NEED_MORE);
		free(talk.wire);
	}
}

static void test_close_codes(void **unused)
{
	(void)unused;
	for (uint32_t code = 0; code <= UINT16_MAX; code++) {
		bool valid = (code >= 3000 && code < 5000) ||
			     (code >= 1000 && code < 1015 && code != 1004 && code != 1005 && code != 1006);
		assert_int_equal(message_close_code_valid((uint16_t)code), valid);
	}
}

/* Builds a close frame and reads what a client would. */
static void expect_close_frame(uint16_t code, const char *reason, const char *want, size_t want_len)
{
	uint8_t out[2 + FRAME_CONTROL_MAX];

	memset(out, 0xee, sizeof(out));
	size_t n = message_close_frame(out, code, (struct text){ reason, reason ? strlen(reason) : 0 });
	assert_int_equal(n, want_len);
	assert_memory_equal(out, want, want_len);
}

static void test_close_frame(void **unused)
{
	char reason[200], want[200];

	(void)unused;
	expect_close_frame(0, "not sent", "\x88\x00", 2);
	expect_close_frame(CLOSE_NO_STATUS, NULL, "\x88\x00", 2);
	expect_close_frame(1000, NULL, "\x88\x02\x03\xe8", 4);
	expect_close_frame(1011, "", "\x88\x02\x03\xf3", 4);
	expect_close_frame(1000, "x", "\x88\x03\x03\xe8x", 5);
	expect_close_frame(4001, "bye",
		"\x88\x05\x0f\xa1"
		"bye",
		7);
	expect_close_frame(1000, "\xc3\xa4", "\x88\x04\x03\xe8\xc3\xa4", 6);
	/* Invalid from somewhere on: cut there. */
	expect_close_frame(1000,
		"ab\xff"
		"cd",
		"\x88\x04\x03\xe8"
		"ab",
		6);
	expect_close_frame(1000, "ab\xe2\x82",
		"\x88\x04\x03\xe8"
		"ab",
		6);
	/* 122, 123, 124 bytes, and a character of three over the edge. */
	for (size_t len = 120; len <= 126; len++) {
		for (size_t wide = 0; wide <= 3; wide += 3) {
			size_t fits = wide == 0 ? (len < 123 ? len : 123)
						: (len + 3 <= 123     ? len + 3
							  : len < 123 ? len
								      : 123);
			memset(reason, 'r', len);
			strcpy(reason + len, wide ? "\xe2\x82\xac" : "");
			memcpy(want, "\x88\x00\x03\xe8", 4);
			want[1] = (char)(2 + fits);
			memcpy(want + 4, reason, fits);
			expect_close_frame(1000, reason, want, 4 + fits);
		}
	}
}

static void close_with(const void *code)
{
	uint8_t out[2 + FRAME_CONTROL_MAX];

	message_close_frame(out, *(const uint16_t *)code, (struct text){ NULL, 0 });
}

/* 7.4.1: what must never be on the wire is never asked for, so it is a bug of ours. */
static void test_close_frame_of_no_code(void **unused)
{
	static const uint16_t codes[] = { 1, 999, 1004, CLOSE_ABNORMAL, 1015, 2999, 5000 };

	(void)unused;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_true(aborts(close_with, &codes[i]));
	assert_false(aborts(close_with, &(uint16_t){ CLOSE_NORMAL }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_broken_frames),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_compressed_badly),
		cmocka_unit_test(test_compressed_limit),
		cmocka_unit_test(test_compressed_memory),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_text_is_half_a_message),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_sum_does_not_go_round),
		cmocka_unit_test(test_long_frame_streams),
		cmocka_unit_test(test_nothing_to_read),
		cmocka_unit_test(test_close_codes),
		cmocka_unit_test(test_close_frame),
		cmocka_unit_test(test_close_frame_of_no_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
