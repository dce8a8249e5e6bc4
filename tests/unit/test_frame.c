/*
 * test_frame: headers of every shape, whole, in parts, broken; the mask against one that goes byte by byte.
 */
#include "ws/frame.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Fails when what one header says is not what the other says. */
static void assert_header_equal(const struct frame_header *a, const struct frame_header *b)
{
	assert_int_equal(a->fin, b->fin);
	assert_int_equal(a->rsv, b->rsv);
	assert_int_equal(a->opcode, b->opcode);
	assert_int_equal(a->masked, b->masked);
	assert_memory_equal(a->key, b->key, 4);
	assert_int_equal(a->len, b->len);
}

static void test_encode_decode(void **unused)
{
	static const uint64_t lengths[] = { 0, 1, 125, 126, 127, 255, 256, 65535, 65536, 0xffffffff,
		0x100000000, INT64_MAX - 1, INT64_MAX };
	static const uint8_t opcodes[] = { FRAME_CONTINUATION, FRAME_TEXT, FRAME_BINARY, FRAME_CLOSE,
		FRAME_PING, FRAME_PONG };
	struct guard guard = guard_new(FRAME_HEADER_MAX);

	(void)unused;
	for (unsigned i = 0; i < 13 * 6 * 2 * 2 * 8; i++) {
		struct frame_header in = { .fin = (i & 1) != 0,
			.masked = (i & 2) != 0,
			.rsv = i >> 2 & 7,
			.opcode = opcodes[i / 32 % 6],
			.len = lengths[i / 192] };
		struct frame_header out = { 0 };
		uint8_t buf[FRAME_HEADER_MAX];

		if (in.masked)
			memcpy(in.key, "\x12\x34\x56\x78", 4);
		if (frame_is_control(in.opcode) && (!in.fin || in.len > FRAME_CONTROL_MAX))
			continue;
		size_t n = frame_encode(&in, buf);
		assert_int_equal(n, 2 + (in.len > 65535 ? 8 : in.len > 125 ? 2 : 0) + (in.masked ? 4 : 0));
		for (size_t have = 0; have < n; have++)
			assert_int_equal(frame_decode(&out, guard_put(&guard, buf, have), have), 0);
		assert_int_equal(frame_decode(&out, guard_put(&guard, buf, n), n), n);
		assert_header_equal(&in, &out);
	}
	guard_free(&guard);
}

static void test_examples(void **unused)
{
	struct frame_header header;

	(void)unused;
	/* RFC 6455 section 5.7. */
	assert_int_equal(frame_decode(&header, (const uint8_t *)"\x81\x05Hello", 7), 2);
	assert_true(header.fin && header.opcode == FRAME_TEXT && !header.masked && header.len == 5);
	assert_int_equal(
		frame_decode(&header, (const uint8_t *)"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11),
		6);
	assert_true(header.masked && header.len == 5);
	uint8_t hello[] = { 0x7f, 0x9f, 0x4d, 0x51, 0x58 };
	frame_mask(hello, 5, header.key, 0);
	assert_memory_equal(hello, "Hello", 5);
	assert_int_equal(frame_decode(&header, (const uint8_t *)"\x82\x7f\0\0\0\0\0\1\0\0", 10), 10);
	assert_true(header.opcode == FRAME_BINARY && header.len == 65536);
	/* A key that was there before is not kept. */
	assert_memory_equal(header.key, "\0\0\0\0", 4);
}

static void test_errors(void **unused)
{
	static const struct {
		const char *bytes;
		size_t certain; /* after this many bytes */
		int error;
	} rows[] = {
		{ "\x83\x80", 1, FRAME_BAD_OPCODE },
		{ "\x87\x80", 1, FRAME_BAD_OPCODE },
		{ "\x8b\x80", 1, FRAME_BAD_OPCODE },
		{ "\x8f\x80", 1, FRAME_BAD_OPCODE },
		{ "\x0b\x80", 1, FRAME_BAD_OPCODE },
		{ "\x08\x80", 1, FRAME_BAD_CONTROL },
		{ "\x09\x80", 1, FRAME_BAD_CONTROL },
		{ "\x0a\x80", 1, FRAME_BAD_CONTROL },
		{ "\x89\xfe\x00\x7e", 2, FRAME_BAD_CONTROL },
		{ "\x88\x7f\x00\x7e", 2, FRAME_BAD_CONTROL },
		{ "\x82\xfe\x00\x05....", 4, FRAME_BAD_LENGTH },
		{ "\x82\xfe\x00\x7d....", 4, FRAME_BAD_LENGTH },
		{ "\x82\xff\x80\0\0\0\0\0\0\0....", 3, FRAME_BAD_LENGTH },
		{ "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff....", 3, FRAME_BAD_LENGTH },
		{ "\x82\xff\0\0\0\0\0\0\xff\xff....", 8, FRAME_BAD_LENGTH },
		{ "\x82\x7f\0\0\0\0\0\0\0\x01", 8, FRAME_BAD_LENGTH },
	};
	struct guard guard = guard_new(FRAME_HEADER_MAX);
	struct frame_header header;

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = rows[i].certain;
		for (size_t have = 0; have < n; have++)
			assert_int_equal(
				frame_decode(&header, guard_put(&guard, rows[i].bytes, have), have), 0);
		assert_int_equal(
			frame_decode(&header, guard_put(&guard, rows[i].bytes, n), n), rows[i].error);
		assert_int_equal(frame_decode(&header, (const uint8_t *)rows[i].bytes, n + 1), rows[i].error);
	}
	guard_free(&guard);
	/* The smallest that each form may say. */
	assert_int_equal(frame_decode(&header, (const uint8_t *)"\x82\x7e\0\x7e", 4), 4);
	assert_int_equal(
		frame_decode(&header, (const uint8_t *)"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10), 10);
	assert_int_equal(header.len, INT64_MAX);
}

/* 5.3: any 32 bits may be a key. */
static void test_any_key(void **unused)
{
	static const char *const heads[] = { "\x81\x80", "\x81\xfd", "\x82\xfe\x00\x7e",
		"\x82\xff\0\0\0\0\0\1\0\0", "\x89\xfd" };
	static const size_t sizes[] = { 2, 2, 4, 10, 2 };
	struct guard guard = guard_new(FRAME_HEADER_MAX);

	(void)unused;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		for (unsigned value = 0; value <= 0xff; value++) {
			const uint8_t key[4] = { (uint8_t)value, (uint8_t)~value, (uint8_t)value, 0 };
			struct frame_header header;
			uint8_t buf[FRAME_HEADER_MAX];

			memcpy(buf, heads[i], sizes[i]);
			memcpy(buf + sizes[i], key, sizeof(key));
			for (size_t have = sizes[i]; have < sizes[i] + 4; have++)
				assert_int_equal(
					frame_decode(&header, guard_put(&guard, buf, have), have), 0);
			assert_int_equal(frame_decode(&header, buf, sizes[i] + 4), sizes[i] + 4);
			assert_memory_equal(header.key, key, sizeof(key));
		}
	}
	guard_free(&guard);
}

static void test_mask(void **unused)
{
	static const uint8_t key[4] = { 0x12, 0xa5, 0x00, 0xff };
	struct guard guard = guard_new(256);
	uint8_t plain[200], want[200];

	(void)unused;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 37);
	/* The guard page shifts the alignment with the length; every offset within a word comes on top. */
	for (size_t len = 0; len <= sizeof(plain); len++) {
		for (uint64_t phase = 0; phase < 5; phase++) {
			for (size_t i = 0; i < len; i++)
				want[i] = plain[i] ^ key[(i + phase) % 4];
			uint8_t *at = guard_put(&guard, plain, len);
			frame_mask(at, len, key, phase);
			assert_memory_equal(at, want, len);
			for (size_t offset = 0; offset < 8; offset++) {
				uint8_t buf[256] = { 0 };
				memcpy(buf + offset, plain, len);
				frame_mask(buf + offset, len, key, phase + (UINT64_MAX & ~7ULL));
				assert_memory_equal(buf + offset, want, len);
				assert_int_equal(buf[offset + len], 0);
			}
		}
	}
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode_decode),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_any_key),
		cmocka_unit_test(test_mask),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
