/*
 * Accept-Encoding: who is sent gzip.
 */
#include "heads.h"
#include "http/encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool prefers(const struct guard *guard, const char *lines)
{
	struct http_request request;

	heads_parse(guard, &request, lines);
	return encoding_prefers_gzip(&request);
}

static const struct {
	const char *value;
	bool want;
} vectors[] = {
	{ "gzip", true },
	{ "gzip, deflate, br, zstd", true },
	{ "br;q=1.0, gzip;q=0.8, *;q=0.1", true },
	{ "GZip", true },
	{ "x-gzip", true },
	{ "*", true },
	{ "deflate, *;q=0.001", true },
	{ ", ,gzip,,", true },
	{ "gzip;q=1", true },
	{ "gzip;q=1.", true },
	{ "gzip;q=1.000", true },
	{ "gzip;Q=0.001", true },
	{ "gzip ; \t q=0.5", true },
	{ "gzip;q=0.5, identity;q=0.5", true },
	{ "identity;q=0, gzip", true },
	{ "gzip;q=0.009", true },
	/* what is no weight does not take away what was said before */
	{ "gzip, gzip;q=/", true },
	{ "gzip, gzip;q=05", true },
	{ "gzip, gzip;q=00", true },
	{ "gzip, gzip;q=0x", true },
	{ "gzip, gzip;q=", true },
	{ "gzip, *;q=0", true },
	{ "gzip;q=0.1, deflate;q=0.9", true },
	{ "", false },
	{ "deflate", false },
	{ "identity", false },
	{ "gzipped", false },
	{ "gzi", false },
	{ "xgzip", false },
	{ "gzip/1", false },
	{ "\"gzip\"", false },
	{ "gzip;q=0", false },
	{ "gzip;q=0.", false },
	{ "gzip;q=0.0", false },
	{ "gzip;q=0.000", false },
	{ "gzip;q=0, *", false },
	{ "*;q=0", false },
	{ "identity;q=0", false },
	{ "identity;q=0, deflate", false },
	{ "gzip;q=0.499, identity;q=0.5", false },
	{ "gzip;q=0.5, identity", false },
	{ "*;q=0.5, identity", false },
	{ "gzip, gzip;q=0", false },
	{ "gzip;q=0, x-gzip", false },
	/* no weights */
	{ "gzip;q=1.001", false },
	{ "gzip;q=2", false },
	{ "gzip;q=0.0000", false },
	{ "gzip;q=1.0000", false },
	{ "gzip;q=0.5000", false },
	{ "gzip;q=0.a", false },
	{ "gzip;q=0.5x", false },
	{ "gzip;q=0./", false },
	{ "gzip;q=0.:", false },
	{ "gzip;q=0.50-", false },
	{ "gzip;q=/", false },
	{ "gzip;q=.5", false },
	{ "gzip;q=05", false },
	{ "gzip;q=-1", false },
	{ "gzip;q=", false },
	{ "gzip;q", false },
	{ "gzip;", false },
	{ "gzip;level=9", false },
	{ "gzip;q=1;a=b", false },
	{ "gzip q=1", false },
	{ ";q=1", false },
};

static void test_vectors(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "accept-encoding:%s\r\n", vectors[i].value);
		if (prefers(&guard, line) != vectors[i].want)
			fail_msg("%s", vectors[i].value);
	}
	guard_free(&guard);
}

/* No header says nothing; several are one list. */
static void test_headers(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);

	(void)state;
	assert_false(prefers(&guard, ""));
	assert_false(prefers(&guard, "Accept: gzip\r\nContent-Encoding: gzip\r\n"));
	assert_true(prefers(&guard, "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n"));
	assert_false(prefers(&guard, "Accept-Encoding: gzip\r\nAccept-Encoding: identity;q=1, gzip;q=0\r\n"));
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors), cmocka_unit_test(test_headers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
