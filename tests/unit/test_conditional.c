/*
 * Preconditions: entity tags and dates, which of them counts, and whether a part may be sent.
 */
#include "heads.h"
#include "http/conditional.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SEND CONDITIONAL_SEND
#define SAME CONDITIONAL_NOT_MODIFIED
#define FAIL CONDITIONAL_FAILED

/* Modified on Sun, 06 Nov 1994 08:49:37 GMT; it is now a day later. */
enum { MODIFIED = 784111777, NOW = MODIFIED + 86400 };
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define EXACT  "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"
#define TODAY  "Mon, 07 Nov 1994 08:49:37 GMT"
#define FUTURE "Mon, 07 Nov 1994 08:49:38 GMT"

static const struct conditional_validators validators = { .etag = "\"a,b\"", .modified = MODIFIED };

static const struct {
	const char *lines;
	enum conditional_verdict want;
} vectors[] = {
	{ "", SEND },
	/* If-None-Match: weak comparison, lists, "*" */
	{ "If-None-Match: \"a,b\"\r\n", SAME },
	{ "If-None-Match: W/\"a,b\"\r\n", SAME },
	{ "If-None-Match: *\r\n", SAME },
	{ "If-None-Match: \"x\", \"a,b\"\r\n", SAME },
	{ "If-None-Match: \"x\",W/\"y\" , ,\t\"a,b\",\"z\"\r\n", SAME },
	{ "If-None-Match: ,,\"a,b\"\r\n", SAME },
	{ "If-None-Match: \"x\"\r\nIf-None-Match: \"a,b\"\r\n", SAME },
	{ "If-None-Match: \"x\"\r\n", SEND },
	{ "If-None-Match: \"a,\"\r\n", SEND },
	{ "If-None-Match: \"a,b,\"\r\n", SEND },
	{ "If-None-Match: \"A,B\"\r\n", SEND },
	{ "If-None-Match: \"a\", \"b\"\r\n", SEND },
	{ "If-None-Match: \"\"\r\n", SEND },
	/* what is no list of tags matches nothing behind its mistake */
	{ "If-None-Match:\r\n", SEND },
	{ "If-None-Match: a,b\r\n", SEND },
	{ "If-None-Match: \"a,b\r\n", SEND },
	{ "If-None-Match: a,b\"\r\n", SEND },
	{ "If-None-Match: 'a,b'\r\n", SEND },
	{ "If-None-Match: w/\"a,b\"\r\n", SEND },
	{ "If-None-Match: W/ \"a,b\"\r\n", SEND },
	{ "If-None-Match: W\"a,b\"\r\n", SEND },
	{ "If-None-Match: \"x\" \"a,b\"\r\n", SEND },
	{ "If-None-Match: \"x y\", \"a,b\"\r\n", SEND },
	{ "If-None-Match: **\r\n", SEND },
	{ "If-None-Match: \"*\"\r\n", SEND },
	{ "If-None-Match: \"a,b\" \"x\"\r\n", SAME },
	/* If-Modified-Since, to the second */
	{ "If-Modified-Since: " BEFORE "\r\n", SEND },
	{ "If-Modified-Since: " EXACT "\r\n", SAME },
	{ "If-Modified-Since: " AFTER "\r\n", SAME },
	{ "If-Modified-Since: " TODAY "\r\n", SAME },
	{ "If-Modified-Since: " FUTURE "\r\n", SEND },
	{ "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", SAME },
	{ "If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT\r\n", SEND },
	{ "If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", SAME },
	{ "If-Modified-Since: Sun Nov  6 08:49:36 1994\r\n", SEND },
	{ "If-Modified-Since: yesterday\r\n", SEND },
	{ "If-Modified-Since:\r\n", SEND },
	{ "If-Modified-Since: " EXACT "; length=5\r\n", SEND },
	{ "If-Modified-Since: " EXACT "\r\nIf-Modified-Since: " EXACT "\r\n", SEND },
	/* which counts for nothing beside If-None-Match */
	{ "If-None-Match: \"x\"\r\nIf-Modified-Since: " TODAY "\r\n", SEND },
	{ "If-None-Match: nonsense\r\nIf-Modified-Since: " TODAY "\r\n", SEND },
	{ "If-Modified-Since: " BEFORE "\r\nIf-None-Match: \"a,b\"\r\n", SAME },
	/* If-Match: strong comparison */
	{ "If-Match: \"a,b\"\r\n", SEND },
	{ "If-Match: *\r\n", SEND },
	{ "If-Match: \"x\", \"a,b\"\r\n", SEND },
	{ "If-Match: \"x\"\r\nIf-Match: \"a,b\"\r\n", SEND },
	{ "If-Match: W/\"a,b\"\r\n", FAIL },
	{ "If-Match: W/\"a,b\", \"a,b\"\r\n", SEND },
	{ "If-Match: \"x\"\r\n", FAIL },
	{ "If-Match: nonsense\r\n", FAIL },
	{ "If-Match:\r\n", FAIL },
	/* If-Unmodified-Since, which counts for nothing beside If-Match */
	{ "If-Unmodified-Since: " BEFORE "\r\n", FAIL },
	{ "If-Unmodified-Since: " EXACT "\r\n", SEND },
	{ "If-Unmodified-Since: " AFTER "\r\n", SEND },
	{ "If-Unmodified-Since: " FUTURE "\r\n", SEND },
	{ "If-Unmodified-Since: yesterday\r\n", SEND },
	{ "If-Unmodified-Since: " BEFORE "\r\nIf-Unmodified-Since: " BEFORE "\r\n", SEND },
	{ "If-Match: \"a,b\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", SEND },
	{ "If-Match: \"x\"\r\nIf-Unmodified-Since: " EXACT "\r\n", FAIL },
	/* the order of 13.2.2 */
	{ "If-None-Match: \"a,b\"\r\nIf-Match: \"x\"\r\n", FAIL },
	{ "If-None-Match: \"a,b\"\r\nIf-Match: \"a,b\"\r\n", SAME },
	{ "If-Modified-Since: " EXACT "\r\nIf-Unmodified-Since: " BEFORE "\r\n", FAIL },
	{ "If-Modified-Since: " EXACT "\r\nIf-Unmodified-Since: " EXACT "\r\n", SAME },
	/* If-Range is none of these */
	{ "If-Range: \"x\"\r\n", SEND },
};

static void test_verdicts(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct http_request request;

		heads_parse(&guard, &request, vectors[i].lines);
		enum conditional_verdict got = conditional_check(&request, &validators, NOW);
		if (got != vectors[i].want)
			fail_msg("%s: %d", vectors[i].lines, got);
	}
	guard_free(&guard);
}

/* Every byte that a tag may hold, and every one that it may not; those that no header may hold are left out.
 */
static void test_tag_bytes(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);

	(void)state;
	for (int byte = 0x20; byte < 0x100; byte++) {
		char tag[] = { '"', 'a', (char)byte, 'b', '"', '\0' }, line[64];
		struct conditional_validators ours = { .etag = tag };
		struct http_request request;

		if (byte == 0x7f)
			continue;
		snprintf(line, sizeof(line), "If-None-Match: \"x\", %s\r\n", tag);
		heads_parse(&guard, &request, line);
		assert_int_equal(conditional_check(&request, &ours, NOW),
			byte == ' ' || byte == '"' ? CONDITIONAL_SEND : CONDITIONAL_NOT_MODIFIED);
	}
	guard_free(&guard);
}

static void test_if_range(void **state)
{
	static const struct {
		const char *lines;
		bool want;
	} ranges[] = {
		{ "", true },
		{ "If-Range: \"a,b\"\r\n", true },
		{ "If-Range: W/\"a,b\"\r\n", false },
		{ "If-Range: \"x\"\r\n", false },
		{ "If-Range: \"a,b\", \"x\"\r\n", false },
		{ "If-Range: *\r\n", false },
		{ "If-Range: " EXACT "\r\n", true },
		{ "If-Range: Sunday, 06-Nov-94 08:49:37 GMT\r\n", true },
		{ "If-Range: " BEFORE "\r\n", false },
		{ "If-Range: " AFTER "\r\n", false },
		{ "If-Range: " FUTURE "\r\n", false },
		{ "If-Range: nonsense\r\n", false },
		{ "If-Range:\r\n", false },
		{ "If-Range: \"a,b\"\r\nIf-Range: \"a,b\"\r\n", false },
	};
	struct guard guard = guard_new(HEADS_ROOM);
	struct http_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		heads_parse(&guard, &request, ranges[i].lines);
		if (conditional_allows_range(&request, &validators, NOW) != ranges[i].want)
			fail_msg("%s", ranges[i].lines);
	}
	/* A date counts from the second after it. */
	heads_parse(&guard, &request, "If-Range: " EXACT "\r\n");
	assert_false(conditional_allows_range(&request, &validators, MODIFIED - 1));
	assert_false(conditional_allows_range(&request, &validators, MODIFIED));
	assert_true(conditional_allows_range(&request, &validators, MODIFIED + 1));
	guard_free(&guard);
}

/* Lists as long as a line may be. */
static void test_long_lists(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);
	struct http_request request;
	char line[8192];
	size_t len;

	(void)state;
	len = (size_t)sprintf(line, "If-None-Match: ");
	while (len < 8000)
		len += (size_t)sprintf(line + len, len % 2 ? "W/\"\"," : ", ");
	sprintf(line + len, "\"a,b\"\r\n");
	heads_parse(&guard, &request, line);
	assert_int_equal(conditional_check(&request, &validators, NOW), CONDITIONAL_NOT_MODIFIED);
	sprintf(line + len, "\"a,b\r\n");
	heads_parse(&guard, &request, line);
	assert_int_equal(conditional_check(&request, &validators, NOW), CONDITIONAL_SEND);
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_tag_bytes),
		cmocka_unit_test(test_if_range),
		cmocka_unit_test(test_long_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
