/*
 * Heads of responses, compared as whole texts.
 */
#include "http/response.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/wait.h>

enum { RFC_DATE = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

/* Asserts what is in the buffer and empties it. */
static void assert_buffer(struct evbuffer *buffer, const char *want)
{
	size_t len = evbuffer_get_length(buffer);

	assert_int_equal(len, strlen(want));
	assert_memory_equal(evbuffer_pullup(buffer, -1), want, len);
	evbuffer_drain(buffer, len);
}

static void test_head(void **state)
{
	struct evbuffer *out = evbuffer_new();

	(void)state;
	assert_int_equal(http_response_begin(out, 426, RFC_DATE), 0);
	assert_int_equal(http_response_header(out, "Sec-WebSocket-Version", "13"), 0);
	assert_int_equal(http_response_header(out, "X-Empty", ""), 0);
	assert_int_equal(http_response_header_u64(out, "Content-Length", 0), 0);
	assert_int_equal(http_response_end(out), 0);
	assert_buffer(out, "HTTP/1.1 426 Upgrade Required\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			   "Sec-WebSocket-Version: 13\r\nX-Empty: \r\nContent-Length: 0\r\n\r\n");
	evbuffer_free(out);
}

static void test_numbers(void **state)
{
	struct evbuffer *out = evbuffer_new();

	(void)state;
	http_response_header_u64(out, "N", 4294967296);
	http_response_header_u64(out, "N", UINT64_MAX);
	assert_buffer(out, "N: 4294967296\r\nN: 18446744073709551615\r\n");
	evbuffer_free(out);
}

/* Statuses of programs: in their words, or in ours where they have none. */
static void test_others_words(void **state)
{
	static const char date[] = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
	struct evbuffer *out = evbuffer_new();
	char want[256];

	(void)state;
	http_response_begin_as(out, 299, text_of("It is done"), RFC_DATE);
	http_response_header_text(out, (struct text){ "X-Ab", 3 }, (struct text){ "cd", 1 });
	http_response_header_text(out, text_of("X-Empty"), (struct text){ 0 });
	snprintf(want, sizeof(want), "HTTP/1.1 299 It is done\r\n%sX-A: c\r\nX-Empty: \r\n", date);
	assert_buffer(out, want);
	http_response_begin_as(out, 303, (struct text){ 0 }, RFC_DATE);
	snprintf(want, sizeof(want), "HTTP/1.1 303 See Other\r\n%s", date);
	assert_buffer(out, want);
	evbuffer_free(out);
}

/* A value as long as configuration allows. */
static void test_long_value(void **state)
{
	struct evbuffer *out = evbuffer_new();
	char *value = malloc(65537);

	(void)state;
	memset(value, 'v', 65536);
	value[65536] = '\0';
	assert_int_equal(http_response_header(out, "X", value), 0);
	assert_int_equal(evbuffer_get_length(out), 65536 + strlen("X: \r\n"));
	free(value);
	evbuffer_free(out);
}

/* Lines about as long as what is joined before it goes into the buffer (256 bytes), name and value. */
static void test_every_length(void **state)
{
	struct evbuffer *out = evbuffer_new();
	char name[301], value[301], want[700];

	(void)state;
	memset(name, 'n', 300);
	memset(value, 'v', 300);
	for (size_t n = 1; n <= 300; n += n == 4 ? 246 : 1) {
		for (size_t len = 0; len <= 300; len++) {
			struct text head = { name, n }, body = { value, len };
			assert_int_equal(http_response_header_text(out, head, body), 0);
			snprintf(want, sizeof(want), "%.*s: %.*s\r\n", TEXT_ARG(head), TEXT_ARG(body));
			assert_buffer(out, want);
		}
	}
	evbuffer_free(out);
}

/* Short memory is told, not hidden: a buffer that takes nothing stands for it. */
static void test_failure_is_told(void **state)
{
	struct evbuffer *out = evbuffer_new();

	(void)state;
	assert_int_equal(evbuffer_freeze(out, 0), 0);
	assert_true(http_response_begin(out, 200, RFC_DATE) < 0);
	assert_true(http_response_header(out, "A", "b") < 0);
	assert_true(http_response_header_u64(out, "A", 1) < 0);
	assert_true(http_response_end(out) < 0);
	evbuffer_free(out);
}

static void test_phrases(void **state)
{
	static const int used[] = { 101, 200, 206, 301, 304, 308, 400, 403, 404, 405, 408, 412, 414, 416, 417,
		421, 426, 429, 431, 500, 501, 502, 503, 504, 505 };

	(void)state;
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		assert_string_not_equal(http_status_phrase(used[i]), "Unknown");
	assert_string_equal(http_status_phrase(101), "Switching Protocols");
	assert_string_equal(http_status_phrase(505), "HTTP Version Not Supported");
	assert_string_equal(http_status_phrase(299), "Unknown");
	assert_string_equal(http_status_phrase(-1), "Unknown");
}

/* The beginning of a 101 is what the parts of a response would make. */
static void test_switch(void **state)
{
	struct evbuffer *out = evbuffer_new();
	char head[HTTP_SWITCH_SIZE];

	(void)state;
	assert_int_equal(http_response_begin(out, 101, RFC_DATE), 0);
	assert_int_equal(http_response_header(out, "Upgrade", "websocket"), 0);
	assert_int_equal(http_response_header(out, "Connection", "Upgrade"), 0);
	assert_int_equal(
		http_response_header(out, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), 0);
	size_t len = http_response_switch(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", RFC_DATE);
	assert_int_equal(len, evbuffer_get_length(out));
	assert_memory_equal(head, evbuffer_pullup(out, -1), len);
	evbuffer_free(out);
}

static void test_dates(void **state)
{
	char out[HTTP_DATE_SIZE];

	(void)state;
	assert_string_equal(http_date(RFC_DATE, out), "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_string_equal(http_date(0, out), "Thu, 01 Jan 1970 00:00:00 GMT");
	assert_string_equal(http_date(-1, out), "Wed, 31 Dec 1969 23:59:59 GMT");
	assert_string_equal(http_date(951782400, out), "Tue, 29 Feb 2000 00:00:00 GMT");
	assert_string_equal(http_date(4102444799, out), "Thu, 31 Dec 2099 23:59:59 GMT");
	assert_string_equal(http_date(253402300799, out), "Fri, 31 Dec 9999 23:59:59 GMT");
	assert_string_equal(http_date(INT64_MAX, out), "Fri, 31 Dec 9999 23:59:59 GMT");
	assert_string_equal(http_date(INT64_MIN, out), "Sat, 01 Jan 0000 00:00:00 GMT");
}

/* Whether a response with this status and header aborts, in a child so that we live. */
static bool aborts(int status, const char *name, const char *value)
{
	int end;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct evbuffer *out = evbuffer_new();

		signal(SIGABRT, SIG_DFL); /* cmocka has taken it */
		close(STDERR_FILENO);
		http_response_begin(out, status, RFC_DATE);
		http_response_header(out, name, value);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &end, 0), pid);
	return WIFSIGNALED(end) && WTERMSIG(end) == SIGABRT;
}

static void test_split_responses_abort(void **state)
{
	(void)state;
	assert_false(aborts(200, "A", "b"));
	assert_true(aborts(200, "A", "b\r\nSet-Cookie: c"));
	assert_true(aborts(200, "A", "b\n"));
	assert_true(aborts(200, "A", "\r"));
	assert_true(aborts(200, "A: b\r\nC", "d"));
	assert_true(aborts(200, "A b", "c"));
	assert_true(aborts(200, "", "c"));
}

/* A status that is none would be read as anything. */
static void test_bad_statuses_abort(void **state)
{
	(void)state;
	assert_false(aborts(100, "A", "b"));
	assert_false(aborts(599, "A", "b"));
	assert_true(aborts(99, "A", "b"));
	assert_true(aborts(600, "A", "b"));
	assert_true(aborts(0, "A", "b"));
	assert_true(aborts(-200, "A", "b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_others_words),
		cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_failure_is_told),
		cmocka_unit_test(test_phrases),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_split_responses_abort),
		cmocka_unit_test(test_bad_statuses_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
