/*
 * The grammar of Sec-WebSocket-Extensions: the examples of RFC 6455 9.1 and RFC 7692, every kind of white
 * space and quoting, and what is none. Inputs end at the end of a readable page.
 */
#include "guard.h"
#include "http/extension.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROOM = 16384, DUMP = 512 };

#define X31 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* What is read is written as NAME(PARAM,PARAM=[VALUE]) for each offer, with a space between two. */
static const struct vector {
	const char *value, *want; /* NULL: an error */
} vectors[] = {
	/* RFC 6455 9.1 */
	{ "foo", "foo()" },
	{ "bar; baz=2", "bar(baz=[2])" },
	{ "foo, bar; baz=2", "foo() bar(baz=[2])" },
	{ "deflate-stream", "deflate-stream()" },
	{ "mux; max-channels=4; flow-control, deflate-stream",
		"mux(max-channels=[4],flow-control) deflate-stream()" },
	{ "private-extension", "private-extension()" },
	/* RFC 7692 5 and 7.1 */
	{ "permessage-foo; x=10", "permessage-foo(x=[10])" },
	{ "permessage-foo; x=\"10\"", "permessage-foo(x=[10])" },
	{ "permessage-foo; use_y, permessage-foo", "permessage-foo(use_y) permessage-foo()" },
	{ "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
		"permessage-deflate(client_max_window_bits,server_max_window_bits=[10])" },
	{ "permessage-deflate; client_max_window_bits; server_max_window_bits=10, "
	  "permessage-deflate; client_max_window_bits",
		"permessage-deflate(client_max_window_bits,server_max_window_bits=[10]) "
		"permessage-deflate(client_max_window_bits)" },
	/* every character of a token, and nothing else */
	{ "!#$%&'*+-.^_`|~09AZaz", "!#$%&'*+-.^_`|~09AZaz()" },
	{ "a; !#$%&'*+-.^_`|~09AZaz=!#$%&'*+-.^_`|~09AZaz",
		"a(!#$%&'*+-.^_`|~09AZaz=[!#$%&'*+-.^_`|~09AZaz])" },
	{ "a(", NULL },
	{ "a)b", NULL },
	{ "<a", NULL },
	{ "a>", NULL },
	{ "a@b", NULL },
	{ "a:b", NULL },
	{ "a\\b", NULL },
	{ "a/b", NULL },
	{ "[a", NULL },
	{ "a]", NULL },
	{ "a?", NULL },
	{ "{a", NULL },
	{ "a}", NULL },
	{ "a\x7f", NULL },
	{ "a\x01", NULL },
	{ "caf\xc3\xa9", NULL },
	/* white space between any two words, and none */
	{ "a;b=1,c;d", "a(b=[1]) c(d)" },
	{ "  a  ;  b  =  1  ,  c  ;  d  ", "a(b=[1]) c(d)" },
	{ "\ta\t;\tb\t=\t\"1\"\t,\tc\t", "a(b=[1]) c()" },
	{ "a b", NULL },
	{ "a; b c", NULL },
	{ "a; b=1 2", NULL },
	{ "a; b=\"1\" 2", NULL },
	{ "a; b=\"1\" \"2\"", NULL },
	/* empty elements are passed over; that a list has one at all is not said here */
	{ "", "" },
	{ "  \t ", "" },
	{ ",", "" },
	{ " , ,, ", "" },
	{ ",a", "a()" },
	{ "a,", "a()" },
	{ "a, , ,b", "a() b()" },
	{ ",,a;b,,c ,,", "a(b) c()" },
	/* parameters are none of such a list */
	{ ";", NULL },
	{ "a;", NULL },
	{ "a; ", NULL },
	{ "a;;b", NULL },
	{ "a; ;b", NULL },
	{ "a;b;", NULL },
	{ "a;,b", NULL },
	{ ";a", NULL },
	{ ",;a", NULL },
	/* values */
	{ "a; b=", NULL },
	{ "a; b= ", NULL },
	{ "a; b=,c", NULL },
	{ "a; b=;c", NULL },
	{ "a; =1", NULL },
	{ "a; b==1", NULL },
	{ "a; b=1=2", NULL },
	{ "a=1", NULL },
	{ "a=1; b", NULL },
	{ "=", NULL },
	{ "a; \"b\"", NULL },
	{ "\"a\"", NULL },
	{ "a; b=/", NULL },
	{ "a; b=1/2", NULL },
	{ "a; b; b=1; b", "a(b,b=[1],b)" },
	/* quoted values; one that is no token is read too */
	{ "a; b=\"c\"", "a(b=[c])" },
	{ "a; b=\"c\"; d=\"e\", f; g=\"h\"", "a(b=[c],d=[e]) f(g=[h])" },
	{ "a; b=\"\"", "a(b=[])" },
	{ "a; b=\"\", c", "a(b=[]) c()" },
	{ "a; b=\"c d\"", "a(b=[c d])" },
	{ "a; b=\"c, d; e=f\", g", "a(b=[c, d; e=f]) g()" },
	{ "a; b=\"\\c\\\"\\\\\"", "a(b=[c\"\\])" },
	{ "a; b=\"\\,\"", "a(b=[,])" },
	{ "a; b=\"\t\xc3\xa9\"", "a(b=[\t\xc3\xa9])" },
	{ "a; b=\"", NULL },
	{ "a; b=\"c", NULL },
	{ "a; b=\"c\\", NULL },
	{ "a; b=\"c\\\"", NULL },
	{ "a; b=\"\\c\\c\\c", NULL },
	{ "a; b=\"c\"\"", NULL },
	{ "a; b=\"c\"d", NULL },
	{ "a; b=c\"d\"", NULL },
	{ "a; b=\"\x01\"", NULL },
	{ "a; b=\"\\\x01\"", NULL },
	{ "a; b=\"\x7f\"", NULL },
	{ "a; b='c d'", NULL },
	/* a value that nobody knows is cut at the room for it */
	{ "a; b=" X31, "a(b=[" X31 "])" },
	{ "a; b=" X31 "y", "a(b=[" X31 "])" },
	{ "a; b=" X31 "yz; c", "a(b=[" X31 "],c)" },
	{ "a; b=\"" X31 "\"", "a(b=[" X31 "])" },
	{ "a; b=\"" X31 "y\"", "a(b=[" X31 "])" },
	{ "a; b=\"" X31 "\\y\\z\"; c", "a(b=[" X31 "],c)" },
	/* what goes wrong behind good offers */
	{ "a, b; c=1, d e", NULL },
	{ "a, b; c=1; d=\"", NULL },
	{ "constructor; __proto__=1", "constructor(__proto__=[1])" },
};

/* Writes the parameters of an offer. */
static int dump_params(char *at, struct text params)
{
	struct extension_param param;
	int more, n = 0;

	assert_true(params.len == 0 || params.ptr[0] == ';');
	while ((more = extension_next_param(&params, &param)) == 1) {
		n += sprintf(at + n, "%s%.*s", n > 0 ? "," : "", TEXT_ARG(param.name));
		if (param.has_value)
			n += sprintf(at + n, "=[%s]", param.value);
		else
			assert_int_equal(param.value[0], '\0');
	}
	assert_int_equal(more, 0); /* since extension_next() has looked at them */
	assert_int_equal(params.len, 0);
	return n;
}

/* Writes what a value says; NULL for an error. */
static const char *dump(const struct guard *guard, const char *value, size_t len, char out[DUMP])
{
	struct text rest = { (char *)guard_put(guard, value, len), len };
	struct extension extension;
	int more;
	char *at = out;

	*out = '\0';
	while ((more = extension_next(&rest, &extension)) == 1) {
		at += sprintf(at, "%s%.*s(", at > out ? " " : "", TEXT_ARG(extension.name));
		at += dump_params(at, extension.params);
		at += sprintf(at, ")");
	}
	assert_true(more == -1 || (more == 0 && rest.len == 0));
	return more < 0 ? NULL : out;
}

static void test_vectors(void **state)
{
	struct guard guard = guard_new(ROOM);
	char out[DUMP];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		const char *got = dump(&guard, v->value, strlen(v->value), out);

		if ((got == NULL) != (v->want == NULL) || (got != NULL && strcmp(got, v->want) != 0))
			fail_msg("%s, not %s, for: %s", got != NULL ? got : "an error",
				v->want != NULL ? v->want : "an error", v->value);
	}
	guard_free(&guard);
}

/* Each beginning of each vector: none is read past its end, and with a comma and a vector behind it a good
 * one says what the two say one after the other. */
static void test_prefixes(void **state)
{
	struct guard guard = guard_new(ROOM);
	char joined[DUMP], one[DUMP], both[DUMP], want[2 * DUMP];
	size_t n_good = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		for (size_t len = 0; len <= strlen(vectors[i].value); len++) {
			const char *first = dump(&guard, vectors[i].value, len, one);

			if (first == NULL)
				continue;
			n_good++;
			snprintf(want, sizeof(want), "%s%sz(y=[,])", one, *one != '\0' ? " " : "");
			snprintf(joined, sizeof(joined), "%.*s,z;y=\",\"", (int)len, vectors[i].value);
			assert_string_equal(dump(&guard, joined, strlen(joined), both), want);
		}
	}
	assert_true(n_good > 500);
	guard_free(&guard);
}

/* What extension_next() would refuse, extension_next_param() refuses too; a comma ends what it reads. */
static void test_params_alone(void **state)
{
	static const struct {
		const char *params;
		int want;
	} rows[] = { { "", 0 }, { " ", 0 }, { ",", 0 }, { ";b", 1 }, { " ; b=\"c\"", 1 }, { "b", -1 },
		{ ";", -1 }, { ";,", -1 }, { ";b=", -1 }, { ";b=\"", -1 }, { ";b=\"\x01\"", -1 } };
	struct guard guard = guard_new(ROOM);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].params);
		struct text params = { (char *)guard_put(&guard, rows[i].params, len), len };
		struct extension_param param;

		assert_int_equal(extension_next_param(&params, &param), rows[i].want);
	}
	guard_free(&guard);
}

/* A NUL is no part of a token nor of a quoted value, wherever the text came from. */
static void test_nul(void **state)
{
	static const char bare[] = "a; b\0", quoted[] = "a; b=\"c\0\"", escaped[] = "a; b=\"\\\0\"";
	struct guard guard = guard_new(ROOM);
	char out[DUMP];

	(void)state;
	assert_null(dump(&guard, bare, sizeof(bare) - 1, out));
	assert_null(dump(&guard, quoted, sizeof(quoted) - 1, out));
	assert_null(dump(&guard, escaped, sizeof(escaped) - 1, out));
	guard_free(&guard);
}

/* Reads `n` copies of a piece behind a start; returns how many offers there are, or -1. */
static int count(const struct guard *guard, const char *start, const char *piece, size_t n, const char *end)
{
	char value[ROOM];
	int len = sprintf(value, "%s", start), offers = 0, more;
	struct extension extension;
	struct text rest;

	for (size_t i = 0; i < n; i++)
		len += sprintf(value + len, "%s", piece);
	len += sprintf(value + len, "%s", end);
	rest = (struct text){ (char *)guard_put(guard, value, (size_t)len), (size_t)len };
	while ((more = extension_next(&rest, &extension)) > 0)
		offers++;
	return more < 0 ? -1 : offers;
}

/* As long as a line may be, of what has led others to go back and forth. */
static void test_hostile_lists(void **state)
{
	struct guard guard = guard_new(ROOM);

	(void)state;
	assert_int_equal(count(&guard, "a; b=\"", "\\c", 4000, ""), -1);
	assert_int_equal(count(&guard, "a; b=\"", "\\c", 4000, "\""), 1);
	assert_int_equal(count(&guard, "a; b=", "\"", 8000, ""), -1);
	assert_int_equal(count(&guard, "a; b=\"", "\\\"", 4000, "\""), 1);
	assert_int_equal(count(&guard, "", "a;b,", 2000, ""), 2000);
	assert_int_equal(count(&guard, "", ",", 8000, ""), 0);
	assert_int_equal(count(&guard, "a", ";b", 4000, ""), 1);
	assert_int_equal(count(&guard, "a", ";b", 4000, ";"), -1);
	assert_int_equal(count(&guard, "a", " ", 8000, "x"), -1);
	assert_int_equal(count(&guard, "a;b", "\t", 8000, "=1"), 1);
	assert_int_equal(count(&guard, "", "a", 8000, ""), 1);
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_params_alone),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_hostile_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
