/*
 * Tests of what stands around a chunk: lengths at every number of digits, and what would end the body.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/chunk.h"

static void expect_head(size_t len)
{
	char out[CHUNK_HEAD_MAX + 1], wanted[CHUNK_HEAD_MAX + 1];

	memset(out, '#', sizeof(out));
	size_t n = chunk_head(out, len);
	snprintf(wanted, sizeof(wanted), "%zx\r\n", len);
	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(out, wanted, n);
	assert_int_equal(out[n], '#');
}

/* Around each power of 16 there is one digit more, and the largest number fills the room. */
static void test_lengths(void **state)
{
	(void)state;
	for (size_t len = 1; len != 0; len <<= 4) {
		if (len > 1)
			expect_head(len - 1);
		expect_head(len);
		expect_head(len + 1);
	}
	expect_head(0xabcdef);
	expect_head(SIZE_MAX);
	char out[CHUNK_HEAD_MAX];
	assert_int_equal(chunk_head(out, SIZE_MAX), CHUNK_HEAD_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_lengths) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
