/*
 * Tests of the response that a program's document becomes: every framing, what is beyond a length, and
 * documents that are not whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "gate/cgi_reply.h"
#include "rig.h"
#include "test_conf.h"

/* A response, and who reads it. */
struct reader {
	struct rig rig;
	struct stream stream;
	const struct config *config;
	struct cgi_reply reply;
	int fd;
	char got[4096];
};

static const struct stream_hooks reader_hooks;

/* Begins to answer with this head. */
static void reader_init(struct reader *reader, const char *text, bool only_head, bool old)
{
	struct cgihead head;
	int fds[2];

	rig_init(&reader->rig);
	reader->config = conf_good("[route /x]\nexec = cat\n");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	reader->fd = fds[1];
	stream_open(&reader->stream, &reader->rig.loop, fds[0], fds[0], &reader_hooks, NULL);
	reader->reply = (struct cgi_reply){ .only_head = only_head, .old = old };
	/* Before its head: nothing. */
	assert_false(cgi_reply_add(&reader->reply, &reader->stream, (const uint8_t *)"early", 5));
	assert_false(cgi_reply_is_whole(&reader->reply));
	assert_int_equal(cgihead_parse(&head, text, strlen(text)), 0);
	assert_int_equal(cgi_reply_needs_close(&reader->reply, &head), old && !only_head && !head.has_length);
	assert_int_equal(
		cgi_reply_begin(&reader->reply, &reader->stream, &head, &reader->config->routes[0], false),
		0);
}

/* What was sent behind the head, or the head itself. */
static const char *reader_got(struct reader *reader, bool head)
{
	stream_flush(&reader->stream);
	ssize_t n = read(reader->fd, reader->got, sizeof(reader->got) - 1);
	assert_true(n > 0);
	reader->got[n] = '\0';
	char *end = strstr(reader->got, "\r\n\r\n");
	assert_non_null(end);
	if (!head)
		return end + 4;
	end[2] = '\0';
	return reader->got;
}

static void reader_done(struct reader *reader)
{
	stream_close(&reader->stream);
	close(reader->fd);
	config_unref(reader->config);
	rig_done(&reader->rig);
}

static const struct vector {
	const char *head;
	bool only_head, old;
	const char *parts[3];
	bool cut;
	bool whole, whole_before; /* before its end */
	const char *said, *body;  /* in the head; behind it */
} vectors[] = {
	{ "Content-Type: a\n\n", false, false, { "abc", "0123456789abcdef" }, false, true, false,
		"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n" },
	{ "Content-Type: a\n\n", false, false, { "abc", "" }, true, false, false,
		"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n" },
	{ "Content-Type: a\n\n", false, false, { NULL }, false, true, false, "Transfer-Encoding: chunked\r\n",
		"0\r\n\r\n" },
	{ "Content-Type: a\nContent-Length: 4\n\n", false, false, { "abc" }, false, false, false,
		"Content-Length: 4\r\n", "abc" },
	{ "Content-Type: a\nContent-Length: 4\n\n", false, false, { "abc", "d" }, true, true, true,
		"Content-Length: 4\r\n", "abcd" },
	{ "Content-Type: a\nContent-Length: 4\n\n", false, false, { "abc", "de", "f" }, false, true, true,
		"Content-Length: 4\r\n", "abcd" },
	{ "Content-Type: a\nContent-Length: 0\n\n", false, true, { "abc" }, false, true, true,
		"Content-Length: 0\r\n", "" },
	{ "Status: 205\n\n", false, false, { "abc" }, true, true, true, "Content-Length: 0\r\n", "" },
	{ "Status: 204\n\n", false, false, { "abc" }, true, true, true, "HTTP/1.1 204 No Content\r\n", "" },
	{ "Status: 304\nContent-Length: 4\n\n", false, false, { "abc" }, false, true, true,
		"HTTP/1.1 304 Not Modified\r\n", "" },
	{ "Content-Type: a\n\n", false, true, { "abc", "d" }, false, true, false, "HTTP/1.1 200 OK\r\n",
		"abcd" },
	{ "Content-Type: a\n\n", false, true, { "abc" }, true, false, false, "HTTP/1.1 200 OK\r\n", "abc" },
	{ "Content-Type: a\n\n", true, false, { "abc" }, true, true, true, "HTTP/1.1 200 OK\r\n", "" },
	{ "Content-Type: a\nContent-Length: 4\n\n", true, true, { "abc" }, false, true, true,
		"Content-Length: 4\r\n", "" },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct reader reader;
		size_t sent = 0;

		for (int head = 0; head < 2; head++) {
			reader_init(&reader, v->head, v->only_head, v->old);
			for (int j = 0; j < 3 && v->parts[j] != NULL; j++)
				cgi_reply_add(&reader.reply, &reader.stream, (const uint8_t *)v->parts[j],
					strlen(v->parts[j]));
			assert_int_equal(cgi_reply_is_whole(&reader.reply), v->whole_before);
			assert_int_equal(cgi_reply_end(&reader.reply, &reader.stream, v->cut), v->whole);
			const char *got = reader_got(&reader, head);
			if (head)
				assert_non_null(strstr(got, v->said));
			else
				assert_string_equal(got, v->body);
			if (head && strstr(v->said, "Content-Length") == NULL)
				assert_null(strstr(got, "Content-Length"));
			if (head && strstr(v->said, "Transfer") == NULL)
				assert_null(strstr(got, "Transfer-Encoding"));
			sent = (size_t)reader.reply.sent;
			reader_done(&reader);
		}
		assert_true(sent <= strlen(v->body));
	}
}

/* That there was more than the length is known. */
static void test_overlong(void **state)
{
	struct reader reader;
	(void)state;

	reader_init(&reader, "Content-Type: a\nContent-Length: 3\n\n", false, false);
	assert_true(cgi_reply_add(&reader.reply, &reader.stream, (const uint8_t *)"ab", 2));
	assert_true(cgi_reply_add(&reader.reply, &reader.stream, (const uint8_t *)"c", 1));
	assert_true(cgi_reply_add(&reader.reply, &reader.stream, (const uint8_t *)"", 0));
	assert_false(reader.reply.overlong);
	assert_false(cgi_reply_add(&reader.reply, &reader.stream, (const uint8_t *)"d", 1));
	assert_true(reader.reply.overlong);
	assert_int_equal(reader.reply.sent, 3);
	reader_done(&reader);
	reader_init(&reader, "Content-Type: a\nContent-Length: 3\n\n", true, false);
	assert_true(cgi_reply_add(&reader.reply, &reader.stream, (const uint8_t *)"", 0));
	assert_false(cgi_reply_add(&reader.reply, &reader.stream, (const uint8_t *)"abc", 3));
	assert_false(reader.reply.overlong);
	reader_done(&reader);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_overlong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
