/*
 * The head that a CGI program writes: for each rule of RFC 3875 section 6 heads that are taken and heads that
 * are not, each of them whole, cut at every position and byte by byte, always ending at a page that can't be
 * read; limits at n-1, n and n+1; and what comes out.
 */
#include "guard.h"
#include "http/cgihead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROOM = 65536 };

/* clang-format off */
#define BYTES(s) { "" s, sizeof(s) - 1 }
#define TYPE     "Content-Type: text/plain\n"
#define WITH(l)  BYTES(TYPE l "\n")              /* a good head with these lines too */
#define ALONE(l) BYTES(l "\n\n")                 /* one line */

static const struct vector {
	const char *rule;
	struct text head;
	int want; /* 0 or an error */
} vectors[] = {
	/* 2.2, 6.1: NL is LF or CR LF, each line for itself */
	{ "2.2 NL", BYTES("Content-Type: a/b\n\n"), 0 },
	{ "2.2 NL", BYTES("Content-Type: a/b\r\n\r\n"), 0 },
	{ "2.2 NL", BYTES("Content-Type: a/b\n\r\n"), 0 },
	{ "2.2 NL", BYTES("Content-Type: a/b\r\n\n"), 0 },
	{ "2.2 NL", BYTES("A: b\nContent-Type: a/b\r\nC: d\n\n"), 0 },
	{ "2.2 NL", BYTES("Content-Type: a/b\r\r\n\r\n"), CGIHEAD_BAD_BYTE },
	{ "2.2 NL", BYTES("Content-Type: a/b\r\n\r\r\n"), CGIHEAD_BAD_BYTE },
	{ "2.2 NL", BYTES("Content-Type: a\rb\n\n"), CGIHEAD_BAD_BYTE },
	{ "2.2 NL", BYTES("Content-Type: a/b\n\rA: b\n\n"), CGIHEAD_BAD_BYTE },
	{ "2.2 NL", BYTES("Content-Type: a/b\r\rA: b\n\n"), CGIHEAD_BAD_BYTE },
	{ "2.2 NL", BYTES("\rContent-Type: a/b\n\n"), CGIHEAD_BAD_BYTE },
	/* 6.3: NAME ":" VALUE on a line of its own */
	{ "6.3 line", WITH("A:b\n"), 0 },
	{ "6.3 line", WITH("A: \t b \t \n"), 0 },
	{ "6.3 line", WITH("A:\n"), 0 },
	{ "6.3 line", WITH("A: b: c\n"), 0 },
	{ "6.3 line", WITH("a!#$%&'*+-.^_`|~9Z: b\n"), 0 },
	{ "6.3 line", WITH("A: \x80\xff\tb\n"), 0 },
	{ "6.3 line", WITH("A : b\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", WITH("A\t: b\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", WITH("A b: c\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", WITH("A(: b\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", WITH("\xc3\xa9: b\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", WITH(": b\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", WITH("novalue\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", BYTES("Hello, world!\n\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", BYTES("HTTP/1.1 200 OK\n" TYPE "\n"), CGIHEAD_BAD_LINE },
	{ "6.3 line", WITH("A: b\0c\n"), CGIHEAD_BAD_BYTE },
	{ "6.3 line", WITH("A: b\x01\n"), CGIHEAD_BAD_BYTE },
	{ "6.3 line", WITH("A: b\x1b[m\n"), CGIHEAD_BAD_BYTE },
	{ "6.3 line", WITH("A: b\x7f\n"), CGIHEAD_BAD_BYTE },
	{ "6.3 line", WITH("\0\n"), CGIHEAD_BAD_BYTE },
	/* 6.3: no continuation lines */
	{ "6.3 fold", WITH("A: b\nC: d\n"), 0 },
	{ "6.3 fold", WITH("A: b\n c\n"), CGIHEAD_BAD_FOLD },
	{ "6.3 fold", WITH("A: b\n\tc\n"), CGIHEAD_BAD_FOLD },
	{ "6.3 fold", BYTES(" Content-Type: a/b\n\n"), CGIHEAD_BAD_FOLD },
	{ "6.3 fold", WITH(" \n"), CGIHEAD_BAD_FOLD },
	/* 6.3: at least one of CGI's own, and none twice */
	{ "6.3 one", ALONE("Content-Type: a/b"), 0 },
	{ "6.3 one", ALONE("Location: /a"), 0 },
	{ "6.3 one", ALONE("Status: 204"), 0 },
	{ "6.3 one", ALONE("sTATUS: 204"), 0 },
	{ "6.3 one", BYTES("\n"), CGIHEAD_NO_FIELD },
	{ "6.3 one", BYTES("\r\n"), CGIHEAD_NO_FIELD },
	{ "6.3 one", ALONE("A: b"), CGIHEAD_NO_FIELD },
	{ "6.3 one", ALONE("Content-Length: 5"), CGIHEAD_NO_FIELD },
	{ "6.3 one", ALONE("Transfer-Encoding: chunked"), CGIHEAD_NO_FIELD },
	{ "6.3 once", WITH("Set-Cookie: a=1\nSet-Cookie: b=2\n"), 0 },
	{ "6.3 once", WITH("A: 1\nA: 1\n"), 0 },
	{ "6.3 once", WITH(TYPE), CGIHEAD_BAD_REPEAT },
	{ "6.3 once", WITH("content-type: a/b\n"), CGIHEAD_BAD_REPEAT },
	{ "6.3 once", WITH("Status: 200\nStatus: 200\n"), CGIHEAD_BAD_REPEAT },
	{ "6.3 once", WITH("Status: 200\nA: b\nSTATUS: 404\n"), CGIHEAD_BAD_REPEAT },
	{ "6.3 once", WITH("Location: /a\nLocation: /a\n"), CGIHEAD_BAD_REPEAT },
	{ "6.3 once", WITH("Content-Length: 1\nContent-Length: 1\n"), CGIHEAD_BAD_REPEAT },
	/* 6.3.1: Content-Type is passed on as it is */
	{ "6.3.1", ALONE("Content-Type:text/html; charset=\"utf-8\""), 0 },
	{ "6.3.1", ALONE("Content-Type: text"), 0 },
	{ "6.3.1", ALONE("Content-Type:"), CGIHEAD_BAD_TYPE },
	{ "6.3.1", ALONE("Content-Type: \t "), CGIHEAD_BAD_TYPE },
	/* 6.3.2: Location is a path or absolute */
	{ "6.3.2", ALONE("Location: /"), 0 },
	{ "6.3.2", ALONE("Location: /a/b%20c?d=e&f"), 0 },
	{ "6.3.2", ALONE("Location: /a#b"), 0 },
	{ "6.3.2", ALONE("Location: http://a.example/b?c#d"), 0 },
	{ "6.3.2", ALONE("Location: a+1-.z:x"), 0 },
	{ "6.3.2", ALONE("Location: mailto:a@b.example"), 0 },
	{ "6.3.2", ALONE("Location:"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: a"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: a/b:c"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: ?a"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: ../a"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: http:"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: :a"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: 1http://a/"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: +a:b"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: h_t:b"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: [a:b"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: `a:b"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: {a:b"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: /a b"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: /a\tb"), CGIHEAD_BAD_LOCATION },
	{ "6.3.2", ALONE("Location: /\xc3\xa9"), CGIHEAD_BAD_LOCATION },
	/* 6.3.3: Status */
	{ "6.3.3", ALONE("Status: 200"), 0 },
	{ "6.3.3", ALONE("Status: 599"), 0 },
	{ "6.3.3", ALONE("Status:404 Not Found"), 0 },
	{ "6.3.3", ALONE("Status: 404  "), 0 },
	{ "6.3.3", ALONE("Status: 299 \xe9 \t b"), 0 },
	{ "6.3.3", ALONE("Status:"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: OK"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 20"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 2000"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 20x"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: +20"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 200OK"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 200\tOK"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 199"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 600"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 100 Continue"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 101 Switching Protocols"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: 000"), CGIHEAD_BAD_STATUS },
	{ "6.3.3", ALONE("Status: HTTP/1.1 200 OK"), CGIHEAD_BAD_STATUS },
	/* 6.3.4: a length is one */
	{ "6.3.4 length", WITH("Content-Length: 0\n"), 0 },
	{ "6.3.4 length", WITH("Content-Length: 9007199254740992\n"), 0 },
	{ "6.3.4 length", WITH("Content-Length: 9007199254740993\n"), CGIHEAD_BAD_LENGTH },
	{ "6.3.4 length", WITH("Content-Length:\n"), CGIHEAD_BAD_LENGTH },
	{ "6.3.4 length", WITH("Content-Length: -1\n"), CGIHEAD_BAD_LENGTH },
	{ "6.3.4 length", WITH("Content-Length: 5, 5\n"), CGIHEAD_BAD_LENGTH },
	{ "6.3.4 length", WITH("Content-Length: 0x5\n"), CGIHEAD_BAD_LENGTH },
};
/* clang-format on */

/* The result of a scan that is first given `cut` bytes and then all of them. */
static long scan_cut(const struct guard *guard, struct text in, size_t cut)
{
	struct cgihead_scan scan = { 0 };
	long early = cgihead_scan(&scan, (char *)guard_put(guard, in.ptr, cut), cut);

	if (early != 0)
		return early;
	return cgihead_scan(&scan, (char *)guard_put(guard, in.ptr, in.len), in.len);
}

/* The result of a scan that is given one byte more each time. */
static long scan_bytes(const struct guard *guard, struct text in)
{
	struct cgihead_scan scan = { 0 };
	long result = 0;

	for (size_t len = 0; result == 0 && len <= in.len; len++)
		result = cgihead_scan(&scan, (char *)guard_put(guard, in.ptr, len), len);
	return result;
}

/* The result of a scan, however the bytes come. Long inputs are cut at fewer places. */
static long scan_all(const struct guard *guard, struct text in)
{
	long whole = scan_cut(guard, in, 0);
	size_t step = in.len < 1024 ? 1 : in.len / 64;

	assert_int_equal(scan_bytes(guard, in), whole);
	for (size_t cut = 1; cut < in.len; cut += step)
		assert_int_equal(scan_cut(guard, in, cut), whole);
	return whole;
}

/* Scans, then parses what the scan found; the head stays at the guard page. */
static int judge(const struct guard *guard, struct cgihead *out, struct text in)
{
	long len = scan_all(guard, in);

	if (len == 0)
		fail_msg("the scan of %zu bytes wants more", in.len);
	if (len < 0) {
		assert_int_equal(cgihead_parse(out, (char *)guard_put(guard, in.ptr, in.len), in.len), len);
		return (int)len;
	}
	assert_int_equal(len, in.len);
	return cgihead_parse(out, (char *)guard_put(guard, in.ptr, in.len), in.len);
}

static void test_vectors(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct cgihead head;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		int got = judge(&guard, &head, v->head);

		if (got != v->want)
			fail_msg("%s: %d, not %d, for:\n%.*s", v->rule, got, v->want, TEXT_ARG(v->head));
	}
	guard_free(&guard);
}

/* Nobody removes the last vector of a rule unseen. */
static void test_every_rule_has_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		int n[2] = { 0, 0 };

		for (size_t j = 0; j < sizeof(vectors) / sizeof(vectors[0]); j++)
			if (strcmp(vectors[j].rule, vectors[i].rule) == 0)
				n[vectors[j].want < 0]++;
		assert_true(n[0] > 0 && n[1] > 0);
	}
}

/* Every control character is refused in a name and in a value, but a tab in a value; so nothing that a
 * program passes on makes a second line of the response. */
static void test_no_injection(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct cgihead head;

	(void)state;
	for (int c = 0; c < 256; c++) {
		char value[] = TYPE "A: b?Set-Cookie: evil\n\n", name[] = TYPE "A?: b\n\n";
		bool control = (c < 0x20 && c != '\t') || c == 0x7f;

		*strchr(value, '?') = (char)c;
		*strchr(name, '?') = (char)c;
		if (c == '\n')
			continue; /* there it ends a line */
		struct text in = { value, sizeof(value) - 1 };
		assert_int_equal(judge(&guard, &head, in), control ? CGIHEAD_BAD_BYTE : 0);
		in = (struct text){ name, sizeof(name) - 1 };
		assert_int_equal(judge(&guard, &head, in) == CGIHEAD_BAD_BYTE, control);
	}
	guard_free(&guard);
}

/* A good head of `len` bytes in `n` lines, at least two; what ends its last line and the empty one is `end`.
 * The caller frees. */
static struct text filled(size_t len, size_t n, const char *end)
{
	char *head = malloc(len + 1), *at = head;
	size_t tail = 2 * strlen(end);

	at += sprintf(at, TYPE);
	for (size_t i = 2; i < n; i++)
		at += sprintf(at, "H: i\n");
	at += sprintf(at, "F:");
	memset(at, 'v', len - tail - (size_t)(at - head));
	sprintf(head + len - tail, "%s%s", end, end);
	return (struct text){ head, len };
}

/* Judges a filled() head and frees it. */
static int judge_filled(struct text in)
{
	struct guard guard = guard_new(ROOM);
	struct cgihead head;
	int verdict = judge(&guard, &head, in);

	free((char *)in.ptr);
	guard_free(&guard);
	return verdict;
}

/* 16 KiB, the empty line included, whatever ends the lines. */
static void test_largest(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *end = i == 0 ? "\n" : "\r\n";
		assert_int_equal(judge_filled(filled(CGIHEAD_MAX - 1, 2, end)), 0);
		assert_int_equal(judge_filled(filled(CGIHEAD_MAX, 2, end)), 0);
		assert_int_equal(judge_filled(filled(CGIHEAD_MAX + 1, 2, end)), CGIHEAD_TOO_LARGE);
	}
}

/* The refusal comes with the last byte that there may be, and what is behind a head that is whole does not
 * count. */
static void test_largest_scan(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct cgihead_scan scan = { 0 };
	struct text in = filled(CGIHEAD_MAX + 1, 2, "\n");

	(void)state;
	assert_int_equal(
		cgihead_scan(&scan, (char *)guard_put(&guard, in.ptr, CGIHEAD_MAX - 1), CGIHEAD_MAX - 1), 0);
	assert_int_equal(cgihead_scan(&scan, (char *)guard_put(&guard, in.ptr, CGIHEAD_MAX), CGIHEAD_MAX),
		CGIHEAD_TOO_LARGE);
	free((char *)in.ptr);
	in = filled(2 * CGIHEAD_MAX, 2, "\n");
	memcpy((char *)in.ptr, "Status: 200\n\n", 13);
	assert_int_equal(scan_all(&guard, in), 13);
	free((char *)in.ptr);
	guard_free(&guard);
}

/* 64 lines, those of the connection counted; the 65th is refused at its first byte. */
static void test_most(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct cgihead_scan scan = { 0 };
	struct cgihead head;
	struct text in;

	(void)state;
	assert_int_equal(judge_filled(filled(1000, CGIHEAD_HEADERS_MAX - 1, "\n")), 0);
	assert_int_equal(judge_filled(filled(1000, CGIHEAD_HEADERS_MAX, "\n")), 0);
	assert_int_equal(judge_filled(filled(1000, CGIHEAD_HEADERS_MAX + 1, "\n")), CGIHEAD_TOO_MANY);
	in = filled(1000, CGIHEAD_HEADERS_MAX + 1, "\n");
	size_t last = (size_t)(strstr(in.ptr, "F:") - in.ptr);
	assert_int_equal(cgihead_scan(&scan, (char *)guard_put(&guard, in.ptr, last), last), 0);
	assert_int_equal(
		cgihead_scan(&scan, (char *)guard_put(&guard, in.ptr, last + 1), last + 1), CGIHEAD_TOO_MANY);
	free((char *)in.ptr);
	in = filled(1000, CGIHEAD_HEADERS_MAX, "\n");
	assert_int_equal(judge(&guard, &head, in), 0);
	assert_int_equal(head.n_headers, CGIHEAD_HEADERS_MAX - 1);
	free((char *)in.ptr);
	guard_free(&guard);
}

/* What is behind the head is not looked at, and a head without its end is none yet. */
static void test_scan(void **state)
{
	struct guard guard = guard_new(ROOM);
	static const struct {
		struct text in;
		long want;
	} scans[] = {
		{ BYTES(""), 0 },
		{ BYTES("\n\n\n"), 1 },
		{ BYTES("\r\n\0"), 2 },
		{ BYTES("\r"), 0 },
		{ BYTES("A: b\n\nC: d\n\n"), 6 },
		{ BYTES("A: b\r\n\r\n\0\x01\x02\r"), 8 },
		{ BYTES("A: b\n\n C"), 6 },
		{ BYTES("A: b\n"), 0 },
		{ BYTES("A: b\r\n\r"), 0 },
		{ BYTES("A: b\r"), 0 },
		{ BYTES("A"), 0 },
		{ BYTES("\x89PNG"), 0 }, /* not yet wrong */
		{ BYTES("\x7f"
			"ELF"),
			CGIHEAD_BAD_BYTE },
		{ BYTES("\t"), CGIHEAD_BAD_FOLD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scans) / sizeof(scans[0]); i++)
		assert_int_equal(scan_all(&guard, scans[i].in), scans[i].want);
	guard_free(&guard);
}

/* Parse refuses bytes that are not one whole head: too few, too many, none. */
static void test_parse_wants_one_head(void **state)
{
	struct guard guard = guard_new(ROOM);
	struct text in = BYTES("Status: 200\r\n\r\nmore");
	struct cgihead head;

	(void)state;
	for (size_t len = 0; len <= in.len; len++) {
		const char *at = (char *)guard_put(&guard, in.ptr, len);

		assert_int_equal(cgihead_parse(&head, at, len), len == in.len - 4 ? 0 : CGIHEAD_BAD_LINE);
	}
	guard_free(&guard);
}

#define assert_text(t, s)                                                   \
	do {                                                                \
		if (!text_is(t, s))                                         \
			fail_msg("\"%.*s\" is not \"%s\"", TEXT_ARG(t), s); \
	} while (0)

/* Parses a head that must be good. */
static struct cgihead parsed(const char *in)
{
	struct cgihead head;

	assert_int_equal(cgihead_parse(&head, in, strlen(in)), 0);
	return head;
}

/* 6.2.1, a document. */
static void test_document(void **state)
{
	struct cgihead head =
		parsed("content-type:  text/html; charset=x \r\nSTATUS: 404  Not \t There \n"
		       "X-A:  b c \nContent-Length: 0012\nSet-Cookie: a\nX-Empty:\nset-cookie: b\n\n");

	(void)state;
	assert_int_equal(head.status, 404);
	assert_text(head.reason, "Not \t There");
	assert_text(head.type, "text/html; charset=x");
	assert_text(head.location, "");
	assert_false(head.local);
	assert_true(head.has_content);
	assert_true(head.has_length);
	assert_int_equal(head.length, 12);
	assert_int_equal(head.n_headers, 4);
	assert_text(head.headers[0].name, "X-A");
	assert_text(head.headers[0].value, "b c");
	assert_text(head.headers[1].name, "Set-Cookie");
	assert_text(head.headers[1].value, "a");
	assert_text(head.headers[2].value, "");
	assert_text(head.headers[3].name, "set-cookie");
	assert_text(head.headers[3].value, "b");

	head = parsed(TYPE "\n");
	assert_int_equal(head.status, 200);
	assert_text(head.reason, "");
	assert_false(head.has_length);
	assert_int_equal(head.n_headers, 0);
}

/* 6.2.2: a path, and nothing else. */
static void test_local_redirect(void **state)
{
	static const char *const local[] = { "Location: /a/b?c=d\n\n", "location:/\r\n\r\n",
		"Location: //a/b\n\n", "Location: /%41\n\n" };
	static const char *const remote[] = { "Location: /a\n" TYPE "\n", "Location: /a\nStatus: 302\n\n",
		"Location: /a\nSet-Cookie: b\n\n", "Location: /a\nConnection: close\n\n",
		"Location: /a\nContent-Length: 0\n\n", "Location: /a#b\n\n", "Location: /%4\n\n",
		"Location: /%00\n\n", "Location: http://a/\n\n", TYPE "\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		assert_true(parsed(local[i]).local);
	assert_text(parsed(local[0]).location, "/a/b?c=d");
	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		assert_false(parsed(remote[i]).local);
}

/* RFC 3986 3.1: which byte begins a scheme, and which goes on with one. */
static void test_scheme(void **state)
{
	struct cgihead head;

	(void)state;
	for (int c = '!'; c < 0x7f; c++) {
		char first[] = "Location: ?x:y\n\n", second[] = "Location: x?:y\n\n";
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';

		*strchr(first, '?') = *strchr(second, '?') = (char)c;
		assert_int_equal(cgihead_parse(&head, first, sizeof(first) - 1),
			letter || c == '/' ? 0 : CGIHEAD_BAD_LOCATION);
		assert_int_equal(cgihead_parse(&head, second, sizeof(second) - 1),
			letter || other || c == ':' ? 0 : CGIHEAD_BAD_LOCATION);
	}
}

/* 6.2.3 and 6.2.4: the client is sent elsewhere, with a document or without. */
static void test_client_redirect(void **state)
{
	struct cgihead head = parsed("Location: https://a.example/b#c\n\n");

	(void)state;
	assert_int_equal(head.status, 302);
	assert_text(head.location, "https://a.example/b#c");
	assert_true(head.has_content);
	head = parsed("Status: 303 See\nLocation: /b\n" TYPE "\n");
	assert_int_equal(head.status, 303);
	assert_text(head.reason, "See");
	assert_text(head.location, "/b");
	assert_text(head.type, "text/plain");
	head = parsed("Status: 201 Created\nLocation: /b\n\n");
	assert_int_equal(head.status, 201);
}

/* What belongs to the connection is left out (6.3.4, 6.3.5). */
static void test_left_out(void **state)
{
	struct cgihead head =
		parsed(TYPE "Connection: close\nConnection: X-A\nKEEP-ALIVE: a\nProxy-Connection: a\n"
			    "proxy-authenticate: Basic\nProxy-: a\nTE: a\nTrailer: a\n"
			    "transfer-encoding: chunked\nUpgrade: websocket\nDate: never\nX-A: b\n\n");

	(void)state;
	assert_int_equal(head.n_headers, 1);
	assert_text(head.headers[0].name, "X-A");
	head = parsed(TYPE
		"Proxy: a\nConnections: b\nTEA: c\nT: d\nUpgrade-Insecure: e\nX-Date: f\nXProxy-A: g\n\n");
	assert_int_equal(head.n_headers, 7);
}

/* Where there is never a document. */
static void test_no_content(void **state)
{
	static const int without[] = { 204, 205, 304 };
	char in[64];

	(void)state;
	for (int status = 200; status < 600; status++) {
		bool expected = true;
		for (size_t i = 0; i < 3; i++)
			expected = expected && status != without[i];
		snprintf(in, sizeof(in), "Status: %d\n\n", status);
		assert_int_equal(parsed(in).status, status);
		assert_int_equal(parsed(in).has_content, expected);
	}
}

static void test_reasons(void **state)
{
	(void)state;
	for (int error = CGIHEAD_BAD_BYTE; error >= CGIHEAD_NO_FIELD; error--) {
		assert_non_null(strstr(cgihead_reason(error), "rogram"));
		for (int other = error - 1; other >= CGIHEAD_NO_FIELD; other--)
			assert_string_not_equal(cgihead_reason(error), cgihead_reason(other));
	}
	assert_string_equal(cgihead_reason(CGIHEAD_NO_FIELD - 1), cgihead_reason(0));
	assert_string_equal(cgihead_reason(1), cgihead_reason(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_rule_has_vectors),
		cmocka_unit_test(test_no_injection),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_largest_scan),
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_parse_wants_one_head),
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_local_redirect),
		cmocka_unit_test(test_scheme),
		cmocka_unit_test(test_client_redirect),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_no_content),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
