/*
 * Range: which bytes are meant, at every edge; what is beyond the end, and what is not understood.
 */
#include "heads.h"
#include "http/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MAX  "18446744073709551615"
#define HALF "9223372036854775808" /* 2^63 */

static const struct {
	const char *value;
	uint64_t whole;
	enum range_kind kind;
	uint64_t first, len;
} vectors[] = {
	/* the edges of a representation of 10 bytes */
	{ "bytes=0-9", 10, RANGE_PART, 0, 10 },
	{ "bytes=0-8", 10, RANGE_PART, 0, 9 },
	{ "bytes=0-10", 10, RANGE_PART, 0, 10 },
	{ "bytes=0-0", 10, RANGE_PART, 0, 1 },
	{ "bytes=1-1", 10, RANGE_PART, 1, 1 },
	{ "bytes=8-8", 10, RANGE_PART, 8, 1 },
	{ "bytes=9-9", 10, RANGE_PART, 9, 1 },
	{ "bytes=9-10", 10, RANGE_PART, 9, 1 },
	{ "bytes=10-10", 10, RANGE_BEYOND, 0, 0 },
	{ "bytes=10-", 10, RANGE_BEYOND, 0, 0 },
	{ "bytes=11-", 10, RANGE_BEYOND, 0, 0 },
	{ "bytes=9-", 10, RANGE_PART, 9, 1 },
	{ "bytes=8-", 10, RANGE_PART, 8, 2 },
	{ "bytes=1-", 10, RANGE_PART, 1, 9 },
	{ "bytes=0-", 10, RANGE_PART, 0, 10 },
	{ "bytes=-0", 10, RANGE_BEYOND, 0, 0 },
	{ "bytes=-1", 10, RANGE_PART, 9, 1 },
	{ "bytes=-9", 10, RANGE_PART, 1, 9 },
	{ "bytes=-10", 10, RANGE_PART, 0, 10 },
	{ "bytes=-11", 10, RANGE_PART, 0, 10 },
	{ "bytes=5-4", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=11-10", 10, RANGE_WHOLE, 0, 0 },
	/* of one byte, and of none */
	{ "bytes=0-0", 1, RANGE_PART, 0, 1 },
	{ "bytes=0-", 1, RANGE_PART, 0, 1 },
	{ "bytes=1-", 1, RANGE_BEYOND, 0, 0 },
	{ "bytes=-1", 1, RANGE_PART, 0, 1 },
	{ "bytes=0-0", 0, RANGE_WHOLE, 0, 0 },
	{ "bytes=1-", 0, RANGE_WHOLE, 0, 0 },
	{ "bytes=-1", 0, RANGE_WHOLE, 0, 0 },
	{ "bytes=-0", 0, RANGE_WHOLE, 0, 0 },
	/* beyond 4 GiB, at 2^63, at and beyond 2^64 */
	{ "bytes=4294967295-4294967296", 1ULL << 40, RANGE_PART, 4294967295, 2 },
	{ "bytes=9223372036854775807-" HALF, UINT64_MAX, RANGE_PART, INT64_MAX, 2 },
	{ "bytes=" HALF "-", 1ULL << 63, RANGE_BEYOND, 0, 0 },
	{ "bytes=9223372036854775807-", 1ULL << 63, RANGE_PART, INT64_MAX, 1 },
	{ "bytes=-" HALF, 1ULL << 63, RANGE_PART, 0, 1ULL << 63 },
	{ "bytes=0-18446744073709551614", UINT64_MAX, RANGE_PART, 0, UINT64_MAX },
	{ "bytes=0-" MAX, UINT64_MAX, RANGE_PART, 0, UINT64_MAX },
	{ "bytes=18446744073709551614-" MAX, UINT64_MAX, RANGE_PART, UINT64_MAX - 1, 1 },
	{ "bytes=" MAX "-" MAX, UINT64_MAX, RANGE_BEYOND, 0, 0 },
	{ "bytes=5-" MAX, 10, RANGE_PART, 5, 5 },
	{ "bytes=5-18446744073709551616", 10, RANGE_PART, 5, 5 },
	{ "bytes=5-99999999999999999999999999999999", 10, RANGE_PART, 5, 5 },
	{ "bytes=18446744073709551616-", 10, RANGE_BEYOND, 0, 0 },
	{ "bytes=99999999999999999999999999999999-", UINT64_MAX, RANGE_BEYOND, 0, 0 },
	{ "bytes=-99999999999999999999999999999999", 10, RANGE_PART, 0, 10 },
	{ "bytes=18446744073709551616-5", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=000000000000000000000000000000000001-0000002", 10, RANGE_PART, 1, 2 },
	/* the grammar */
	{ "BYTES=1-2", 10, RANGE_PART, 1, 2 },
	{ "bytes= 1-2", 10, RANGE_PART, 1, 2 },
	{ "bytes=,1-2", 10, RANGE_PART, 1, 2 },
	{ "bytes=1-2,", 10, RANGE_PART, 1, 2 },
	{ "bytes= , ,\t1-2 , ", 10, RANGE_PART, 1, 2 },
	{ "bytes=1-2,4-5", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1-2,1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=0-,0-,0-,0-,0-,0-,0-,0-", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=20-,30-", 10, RANGE_WHOLE, 0, 0 },
	{ "", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=,", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=-", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=--1", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1--2", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1-2-3", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1 -2", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1- 2", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=+1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=0x1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=a-b", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=1-b", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=-b", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes=*", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes =1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "bytes:1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "byte=1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "items=1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "=1-2", 10, RANGE_WHOLE, 0, 0 },
	{ "1-2", 10, RANGE_WHOLE, 0, 0 },
};

static void test_vectors(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct http_request request;
		struct range range = { 0 };
		char line[256];

		snprintf(line, sizeof(line), "rANGE: %s\r\n", vectors[i].value);
		heads_parse(&guard, &request, line);
		enum range_kind kind = range_select(&range, &request, vectors[i].whole);
		if (kind != vectors[i].kind)
			fail_msg("%s of %ju: %d", vectors[i].value, (uintmax_t)vectors[i].whole, kind);
		if (kind == RANGE_PART && (range.first != vectors[i].first || range.len != vectors[i].len))
			fail_msg("%s: %ju+%ju", vectors[i].value, (uintmax_t)range.first,
				(uintmax_t)range.len);
	}
	guard_free(&guard);
}

/* Without the header, and with two of them, it is the whole. */
static void test_count(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);
	struct http_request request;
	struct range range;

	(void)state;
	heads_parse(&guard, &request, "X-Range: bytes=1-2\r\nContent-Range: bytes=1-2\r\n");
	assert_int_equal(range_select(&range, &request, 10), RANGE_WHOLE);
	heads_parse(&guard, &request, "Range: bytes=1-2\r\nRange: bytes=1-2\r\n");
	assert_int_equal(range_select(&range, &request, 10), RANGE_WHOLE);
	guard_free(&guard);
}

/* Every range of every short representation, beside what counting says. */
static void test_all_short(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);

	(void)state;
	for (uint64_t whole = 1; whole < 6; whole++) {
		for (uint64_t first = 0; first < 7; first++) {
			for (uint64_t last = first; last < 8; last++) {
				struct http_request request;
				struct range range = { 0 };
				char line[64];
				uint64_t n = 0;

				for (uint64_t at = 0; at < whole; at++)
					n += at >= first && at <= last;
				snprintf(line, sizeof(line), "Range: bytes=%ju-%ju\r\n", (uintmax_t)first,
					(uintmax_t)last);
				heads_parse(&guard, &request, line);
				assert_int_equal(range_select(&range, &request, whole),
					n > 0 ? RANGE_PART : RANGE_BEYOND);
				if (n > 0) {
					assert_int_equal(range.first, first);
					assert_int_equal(range.len, n);
				}
			}
		}
	}
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_all_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
