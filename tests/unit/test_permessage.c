/*
 * permessage-deflate: which offers are met, with what, and how the answer is worded. Requests go through the
 * real parser, at the end of a readable page.
 */
#include "heads.h"
#include "http/permessage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* clang-format off */
#define NAME   "Sec-WebSocket-Extensions: "
#define PMD    "permessage-deflate"
#define SCT    "; server_no_context_takeover"
#define CCT    "; client_no_context_takeover"
#define SB     "; server_max_window_bits"
#define CB     "; client_max_window_bits"
#define ALL    SCT CCT SB "=12" CB "=12"

static const struct vector {
	const char *value;
	const char *free; /* the answer of one who allows 15 bits and contexts, NULL for none */
	const char *tight; /* ... of one who allows 12 bits and no contexts */
} vectors[] = {
	/* RFC 7692 7.1.3 and the sections before it */
	{ PMD, PMD, PMD SCT CCT SB "=12" },
	{ PMD CB SB "=10", PMD SB "=10", PMD SCT CCT SB "=10" CB "=12" },
	{ PMD CB SB "=10, " PMD CB, PMD SB "=10", PMD SCT CCT SB "=10" CB "=12" },
	{ PMD CB, PMD, PMD ALL },
	{ PMD SB "=10", PMD SB "=10", PMD SCT CCT SB "=10" },
	{ PMD CB "=10", PMD CB "=10", PMD SCT CCT SB "=12" CB "=10" },
	{ PMD SCT, PMD SCT, PMD SCT CCT SB "=12" },
	{ PMD CCT, PMD CCT, PMD SCT CCT SB "=12" },
	/* what browsers and libraries send */
	{ PMD "; client_max_window_bits", PMD, PMD ALL },
	{ PMD CB "=15", PMD, PMD ALL },
	{ PMD SCT CCT, PMD SCT CCT, PMD SCT CCT SB "=12" },
	{ PMD CB CCT SCT SB "=15", PMD SCT CCT SB "=15", PMD ALL },
	{ PMD ";client_max_window_bits=\"15\" ; server_no_context_takeover", PMD SCT, PMD ALL },
	{ "x-webkit-deflate-frame, " PMD, PMD, PMD SCT CCT SB "=12" },
	{ "x-webkit-deflate-frame", NULL, NULL },
	{ PMD ", client_max_window_bits", PMD, PMD SCT CCT SB "=12" },            /* a comma for a semicolon */
	/* every number of bits for the server; zlib has none of 8 */
	{ PMD SB "=15", PMD SB "=15", PMD SCT CCT SB "=12" },
	{ PMD SB "=14", PMD SB "=14", PMD SCT CCT SB "=12" },
	{ PMD SB "=13", PMD SB "=13", PMD SCT CCT SB "=12" },
	{ PMD SB "=12", PMD SB "=12", PMD SCT CCT SB "=12" },
	{ PMD SB "=11", PMD SB "=11", PMD SCT CCT SB "=11" },
	{ PMD SB "=9", PMD SB "=9", PMD SCT CCT SB "=9" },
	{ PMD SB "=\"9\"", PMD SB "=9", PMD SCT CCT SB "=9" },
	{ PMD SB "=\"1\\0\"", PMD SB "=10", PMD SCT CCT SB "=10" },
	{ PMD SB "=8", NULL, NULL },
	{ PMD SB "=8, " PMD, PMD, PMD SCT CCT SB "=12" },
	/* ... and for the client */
	{ PMD CB "=14", PMD CB "=14", PMD ALL },
	{ PMD CB "=13", PMD CB "=13", PMD ALL },
	{ PMD CB "=12", PMD CB "=12", PMD ALL },
	{ PMD CB "=11", PMD CB "=11", PMD SCT CCT SB "=12" CB "=11" },
	{ PMD CB "=9", PMD CB "=9", PMD SCT CCT SB "=12" CB "=9" },
	{ PMD CB "=8", PMD CB "=8", PMD SCT CCT SB "=12" CB "=8" },
	{ PMD CB "=\"8\"", PMD CB "=8", PMD SCT CCT SB "=12" CB "=8" },
	/* no such number */
	{ PMD SB, NULL, NULL },
	{ PMD SB "=\"\"", NULL, NULL },
	{ PMD SB "=0", NULL, NULL },
	{ PMD SB "=7", NULL, NULL },
	{ PMD SB "=16", NULL, NULL },
	{ PMD SB "=09", NULL, NULL },
	{ PMD SB "=015", NULL, NULL },
	{ PMD SB "=1e1", NULL, NULL },
	{ PMD SB "=+10", NULL, NULL },
	{ PMD SB "=-10", NULL, NULL },
	{ PMD SB "=10.0", NULL, NULL },
	{ PMD SB "=0x0a", NULL, NULL },
	{ PMD SB "=\" 10\"", NULL, NULL },
	{ PMD SB "=\"10 \"", NULL, NULL },
	{ PMD SB "=266", NULL, NULL },                                           /* 10, in eight bits */
	{ PMD SB "=4294967306", NULL, NULL },                                    /* ... in 32 */
	{ PMD SB "=18446744073709551626", NULL, NULL },                          /* ... in 64 */
	{ PMD SB "=10xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL, NULL },
	{ PMD CB "=\"\"", NULL, NULL },
	{ PMD CB "=0", NULL, NULL },
	{ PMD CB "=7", NULL, NULL },
	{ PMD CB "=16", NULL, NULL },
	{ PMD CB "=08", NULL, NULL },
	{ PMD CB "=true", NULL, NULL },
	/* values where none may be */
	{ PMD SCT "=1", NULL, NULL },
	{ PMD SCT "=true", NULL, NULL },
	{ PMD SCT "=\"\"", NULL, NULL },
	{ PMD CCT "=1", NULL, NULL },
	{ PMD CCT "=\"\"", NULL, NULL },
	/* a parameter twice, the same or another value */
	{ PMD SCT SCT, NULL, NULL },
	{ PMD CCT CCT, NULL, NULL },
	{ PMD SB "=10" SB "=10", NULL, NULL },
	{ PMD SB "=10" SB "=11", NULL, NULL },
	{ PMD CB CB, NULL, NULL },
	{ PMD CB CB "=10", NULL, NULL },
	{ PMD CB "=10" SCT CB, NULL, NULL },
	/* unknown ones, and names compared exactly */
	{ PMD "; bogus", NULL, NULL },
	{ PMD "; bogus=1", NULL, NULL },
	{ PMD SCT "; x", NULL, NULL },
	{ PMD "; x" SCT, NULL, NULL },
	{ PMD "; max_window_bits=10", NULL, NULL },
	{ PMD "; server_max_window_bit=10", NULL, NULL },
	{ PMD "; server_max_window_bitss=10", NULL, NULL },
	{ PMD "; Server_Max_Window_Bits=10", NULL, NULL },
	{ "Permessage-Deflate", NULL, NULL },
	{ "permessage-deflat", NULL, NULL },
	{ "permessage-deflatee", NULL, NULL },
	{ "permessage-bzip2", NULL, NULL },
	{ "constructor", NULL, NULL },
	/* the first that can be met, declined ones before and behind it */
	{ PMD "; bogus, " PMD SB "=16, " PMD SB "=11, " PMD SCT, PMD SB "=11", PMD SCT CCT SB "=11" },
	{ PMD SCT ", " PMD "; bogus", PMD SCT, PMD SCT CCT SB "=12" },
	{ PMD SB "=10" SB "=10, " PMD CB, PMD, PMD ALL },                         /* nothing of a declined one stays */
	{ PMD SCT CCT CB "=9; bogus, " PMD, PMD, PMD SCT CCT SB "=12" },
	{ ",, foo; x=\"" PMD "\", ," PMD ",", PMD, PMD SCT CCT SB "=12" },
	{ "foo; x=\", " PMD "\"", NULL, NULL },
};
/* clang-format on */

/* Negotiates with those header lines. Returns the answer, or NULL for none. */
static const char *negotiate(const struct guard *guard, const char *lines, unsigned window_bits, bool context,
	struct permessage *agreed, char out[PERMESSAGE_TEXT])
{
	struct http_request request;

	heads_parse(guard, &request, lines);
	memset(agreed, 0xff, sizeof(*agreed));
	if (permessage_negotiate(agreed, &request, window_bits, context))
		return permessage_format(agreed, out);
	assert_memory_equal(agreed, &(struct permessage){ 0 }, sizeof(*agreed));
	return NULL;
}

/* Compares an answer with what is wanted. */
static void compare(const char *got, const char *want, const char *lines)
{
	if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0))
		fail_msg("%s, not %s, to:\n%s", got != NULL ? got : "none", want != NULL ? want : "none",
			lines);
}

static void test_vectors(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);
	struct permessage agreed;
	char lines[1024], out[PERMESSAGE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];

		snprintf(lines, sizeof(lines), NAME "%s\r\n", v->value);
		compare(negotiate(&guard, lines, 15, true, &agreed, out), v->free, lines);
		compare(negotiate(&guard, lines, 12, false, &agreed, out), v->tight, lines);
	}
	guard_free(&guard);
}

/* Several headers are one list, in their order, with others between them and any case in their name. */
static void test_several_headers(void **state)
{
	static const struct {
		const char *lines, *want;
	} rows[] = {
		{ "", NULL },
		{ "X: " PMD "\r\n", NULL },
		{ "Sec-WebSocket-Extension: " PMD "\r\n", NULL },
		{ "sec-websocket-EXTENSIONS: " PMD "\r\n", PMD },
		{ NAME "foo\r\n" NAME PMD SB "=10\r\n", PMD SB "=10" },
		{ NAME PMD SB "=10\r\nCookie: a\r\n" NAME PMD SB "=11\r\n", PMD SB "=10" },
		{ NAME PMD SB "=8\r\nCookie: a\r\n" NAME PMD SB "=11\r\n", PMD SB "=11" },
		{ NAME "\r\n" NAME PMD CB "=11\r\n", PMD CB "=11" },
		{ NAME PMD "; bogus\r\n" NAME PMD SCT "=0\r\n", NULL },
	};
	struct guard guard = guard_new(HEADS_ROOM);
	struct permessage agreed;
	char out[PERMESSAGE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		compare(negotiate(&guard, rows[i].lines, 15, true, &agreed, out), rows[i].want,
			rows[i].lines);
	guard_free(&guard);
}

/* Every window of ours against every one that a client may ask for, on both sides. */
static void test_windows(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);
	struct permessage agreed;
	char lines[256], out[PERMESSAGE_TEXT];

	(void)state;
	for (unsigned ours = PERMESSAGE_WINDOW_MIN; ours <= PERMESSAGE_WINDOW_MAX; ours++) {
		for (unsigned offered = 9; offered <= 15; offered++) {
			unsigned less = ours < offered ? ours : offered;

			snprintf(lines, sizeof(lines), NAME PMD SB "=%u" CB "=%u\r\n", offered, offered);
			assert_non_null(negotiate(&guard, lines, ours, true, &agreed, out));
			assert_int_equal(agreed.server_max_window_bits, less);
			assert_int_equal(agreed.client_max_window_bits, less);
		}
		assert_non_null(negotiate(&guard, NAME PMD "\r\n", ours, true, &agreed, out));
		assert_int_equal(agreed.server_max_window_bits, ours);
		assert_int_equal(agreed.client_max_window_bits, 15); /* it can't be told */
		assert_non_null(negotiate(&guard, NAME PMD CB "\r\n", ours, true, &agreed, out));
		assert_int_equal(agreed.server_max_window_bits, ours);
		assert_int_equal(agreed.client_max_window_bits, ours);
	}
	guard_free(&guard);
}

/* Contexts: as offered when we allow them, never when we don't. */
static void test_contexts(void **state)
{
	static const char *const offers[] = { PMD, PMD SCT, PMD CCT, PMD SCT CCT };
	struct guard guard = guard_new(HEADS_ROOM);
	struct permessage agreed;
	char lines[256], out[PERMESSAGE_TEXT];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		snprintf(lines, sizeof(lines), NAME "%s\r\n", offers[i]);
		assert_string_equal(negotiate(&guard, lines, 15, true, &agreed, out), offers[i]);
		assert_true(agreed.on);
		assert_int_equal(agreed.server_no_context_takeover, i & 1);
		assert_int_equal(agreed.client_no_context_takeover, i >> 1);
		assert_string_equal(negotiate(&guard, lines, 15, false, &agreed, out), PMD SCT CCT);
		assert_true(
			agreed.on && agreed.server_no_context_takeover && agreed.client_no_context_takeover);
	}
	guard_free(&guard);
}

/* The longest answer there is, in its order, has room. */
static void test_the_longest_answer(void **state)
{
	struct permessage agreed = { .on = true,
		.server_no_context_takeover = true,
		.client_no_context_takeover = true,
		.server_max_window_bits = 10,
		.client_max_window_bits = 14 };
	char out[PERMESSAGE_TEXT];

	(void)state;
	assert_ptr_equal(permessage_format(&agreed, out), out);
	assert_string_equal(out, PMD SCT CCT SB "=10" CB "=14");
}

/* A head full of offers that are declined, and one that is met at its end. */
static void test_many_offers(void **state)
{
	struct guard guard = guard_new(HEADS_ROOM);
	struct permessage agreed;
	char lines[8192] = NAME, out[PERMESSAGE_TEXT];
	int len = sizeof(NAME) - 1;

	(void)state;
	while (len < 8000)
		len += sprintf(lines + len, PMD SB "=8,a;b=\"\\c\",");
	sprintf(lines + len, PMD CB "=9\r\n");
	assert_string_equal(negotiate(&guard, lines, 15, true, &agreed, out), PMD CB "=9");
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_several_headers),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_the_longest_answer),
		cmocka_unit_test(test_many_offers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
