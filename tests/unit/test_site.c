/*
 * Tests of HTTP on static files: which status, which bytes, which headers, and that nothing is left open. The
 * rules by themselves are in test_conditional.c, test_range.c and test_encoding.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/site.h"
#include "heads.h"

/* BASE/text.txt "0123456789", BASE/empty.txt "", BASE/page.html "page" and its gzip form "gz". */
static char base[32];
static struct guard guard;
static struct route_conf route = { .static_dir = base };

/* A request, and what came of it. */
struct ask {
	struct http_request request;
	struct site site;
	int error;
	char got[64];
	long n_got; /* -1: no file */
};

/* Asks, reads what is to be sent, closes. */
static void ask(struct ask *ask, const char *method, const char *path, const char *lines)
{
	char head[2048];
	int len = snprintf(head, sizeof(head), "%s / HTTP/1.1\r\nHost: gw\r\n%s\r\n", method, lines);
	const char *at = (const char *)guard_put(&guard, head, (size_t)len);
	int next = dup(0);

	close(next);
	assert_int_equal(http_request_parse(&ask->request, at, (size_t)len), 0);
	memset(&ask->site, 0x5a, sizeof(ask->site));
	ask->error = site_find(&ask->site, &ask->request, &route, text_of(path));
	ask->n_got = -1;
	if (ask->error == 0 && ask->site.file.fd >= 0) {
		struct file *file = &ask->site.file;
		size_t n = (size_t)(file->end - file->at);
		assert_in_range(n, 1, sizeof(ask->got) - 1);
		ask->n_got = pread(file->fd, ask->got, n, (off_t)file->at);
		assert_int_equal(ask->n_got, n);
		ask->got[n] = '\0';
		file_close(file);
	}
	int now = dup(0);
	close(now);
	assert_int_equal(now, next);
}

/* Asks with GET and expects a status and these bytes; NULL: no file. */
static void gets(struct ask *it, const char *path, const char *lines, int status, const char *bytes)
{
	ask(it, "GET", path, lines);
	assert_int_equal(it->error, 0);
	if (it->site.reply.status != status)
		fail_msg("%s %s: %d", path, lines, it->site.reply.status);
	if (bytes == NULL) {
		assert_int_equal(it->n_got, -1);
		return;
	}
	assert_int_equal(it->site.reply.len, strlen(bytes));
	assert_int_equal(it->n_got, strlen(bytes));
	assert_string_equal(it->got, bytes);
}

static void put(const char *name, const char *bytes, time_t modified)
{
	struct timespec times[2] = { { modified, 0 }, { modified, 0 } };
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	FILE *file = fopen(path, "we");
	if (file == NULL || fputs(bytes, file) < 0 || fclose(file) != 0 ||
		utimensat(AT_FDCWD, path, times, 0) != 0)
		abort();
}

static int make_place(void **state)
{
	(void)state;
	guard = guard_new(HEADS_ROOM);
	strcpy(base, "/tmp/wsluice-XXXXXX");
	if (mkdtemp(base) == NULL)
		abort();
	put("text.txt", "0123456789", 784111777);
	put("empty.txt", "", 784111777);
	put("page.html", "page", 784111777);
	put("page.html.gz", "gz", 784111778);
	return 0;
}

static int remove_place(void **state)
{
	char command[64];
	(void)state;
	guard_free(&guard);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

/* The whole file, and all that is said of it. */
static void test_whole(void **state)
{
	struct ask it;
	(void)state;

	gets(&it, "/text.txt", "", 200, "0123456789");
	assert_string_equal(it.site.reply.type, "text/plain; charset=utf-8");
	assert_string_equal(it.site.reply.modified, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_string_equal(it.site.reply.etag, it.site.facts.etag);
	assert_null(it.site.reply.encoding);
	assert_null(it.site.reply.range);
	assert_true(it.site.reply.is_file);
	assert_ptr_equal(it.site.reply.route, &route);
	assert_string_equal(it.site.reason, "file");
	gets(&it, "/empty.txt", "", 200, NULL);
	assert_int_equal(it.site.reply.len, 0);
	ask(&it, "GET", "/nothing", "");
	assert_int_equal(it.error, FILE_NONE);
}

/* HEAD says what GET would of the whole, and ignores Range. */
static void test_head(void **state)
{
	static const char *const lines[] = { "", "Range: bytes=2-3\r\n", "Range: bytes=99-\r\n" };
	struct ask it;
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		ask(&it, "HEAD", "/text.txt", lines[i]);
		assert_int_equal(it.site.reply.status, 200);
		assert_int_equal(it.site.reply.len, 10);
		assert_int_equal(it.n_got, -1);
		assert_null(it.site.reply.range);
	}
	ask(&it, "HEAD", "/text.txt", "If-None-Match: *\r\n");
	assert_int_equal(it.site.reply.status, 304);
	ask(&it, "HEAD", "/text.txt", "If-Match: \"x\"\r\n");
	assert_int_equal(it.site.reply.status, 412);
	assert_null(it.site.reply.body);
	assert_true(it.site.reply.len > 0);
}

/* Parts, whole ranges, and what is beyond. */
static void test_range(void **state)
{
	struct ask it;
	(void)state;

	gets(&it, "/text.txt", "Range: bytes=0-0\r\n", 206, "0");
	assert_string_equal(it.site.reply.range, "bytes 0-0/10");
	gets(&it, "/text.txt", "Range: bytes=8-\r\n", 206, "89");
	assert_string_equal(it.site.reply.range, "bytes 8-9/10");
	gets(&it, "/text.txt", "Range: bytes=-3\r\n", 206, "789");
	assert_string_equal(it.site.reply.range, "bytes 7-9/10");
	gets(&it, "/text.txt", "Range: bytes=0-\r\n", 206, "0123456789");
	gets(&it, "/text.txt", "Range: bytes=0-99999999999999999999\r\n", 206, "0123456789");
	gets(&it, "/text.txt", "Range: bytes=0-1,3-4\r\n", 200, "0123456789");
	assert_null(it.site.reply.range);
	gets(&it, "/text.txt", "Range: lines=1-2\r\n", 200, "0123456789");
	gets(&it, "/text.txt", "Range: bytes=10-\r\n", 416, NULL);
	assert_string_equal(it.site.reply.range, "bytes */10");
	assert_int_equal(it.site.reply.len, strlen(it.site.reply.body));
	assert_null(it.site.reply.etag);
	assert_null(it.site.reply.route);
	gets(&it, "/empty.txt", "Range: bytes=0-0\r\n", 200, NULL);
}

/* A part only of what the client has the rest of. */
static void test_if_range(void **state)
{
	struct ask it;
	char line[160];
	(void)state;

	gets(&it, "/text.txt", "", 200, "0123456789");
	snprintf(line, sizeof(line), "Range: bytes=1-2\r\nIf-Range: %s\r\n", it.site.facts.etag);
	gets(&it, "/text.txt", line, 206, "12");
	gets(&it, "/text.txt", "Range: bytes=1-2\r\nIf-Range: \"x\"\r\n", 200, "0123456789");
	gets(&it, "/text.txt", "Range: bytes=1-2\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 206, "12");
	gets(&it, "/text.txt", "Range: bytes=1-2\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 200,
		"0123456789");
	gets(&it, "/text.txt", "Range: bytes=99-\r\nIf-Range: \"x\"\r\n", 200, "0123456789");
}

/* 304 keeps what a cache needs, and nothing of a body; conditions come before Range. */
static void test_conditions(void **state)
{
	struct ask it;
	char line[160];
	(void)state;

	gets(&it, "/text.txt", "", 200, "0123456789");
	snprintf(line, sizeof(line), "Range: bytes=99-\r\nIf-None-Match: W/%s\r\n", it.site.facts.etag);
	gets(&it, "/text.txt", line, 304, NULL);
	assert_null(it.site.reply.type);
	assert_null(it.site.reply.body);
	assert_null(it.site.reply.range);
	assert_int_equal(it.site.reply.len, 0);
	assert_non_null(it.site.reply.etag);
	assert_non_null(it.site.reply.modified);
	assert_ptr_equal(it.site.reply.route, &route);
	gets(&it, "/empty.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, NULL);
	gets(&it, "/text.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200, "0123456789");
	gets(&it, "/text.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412, NULL);
	assert_int_equal(it.site.reply.len, strlen(it.site.reply.body));
	gets(&it, "/text.txt", "If-Match: \"x\"\r\nRange: bytes=1-2\r\n", 412, NULL);
}

/* The gzip form has a tag and a date of its own; ranges and conditions are about it. */
static void test_gzip(void **state)
{
	struct ask it;
	char plain[FILE_ETAG_SIZE], line[200];
	(void)state;

	gets(&it, "/page.html", "", 200, "page");
	assert_null(it.site.reply.encoding);
	strcpy(plain, it.site.facts.etag);
	gets(&it, "/page.html", "Accept-Encoding: br, gzip\r\n", 200, "gz");
	assert_string_equal(it.site.reply.encoding, "gzip");
	assert_string_equal(it.site.reply.type, "text/html; charset=utf-8");
	assert_string_equal(it.site.reply.modified, "Sun, 06 Nov 1994 08:49:38 GMT");
	assert_string_not_equal(it.site.facts.etag, plain);
	snprintf(line, sizeof(line), "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", it.site.facts.etag);
	gets(&it, "/page.html", line, 304, NULL);
	assert_null(it.site.reply.encoding);
	snprintf(line, sizeof(line), "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", plain);
	gets(&it, "/page.html", line, 200, "gz");
	gets(&it, "/page.html", "Accept-Encoding: gzip\r\nRange: bytes=1-\r\n", 206, "z");
	assert_string_equal(it.site.reply.range, "bytes 1-1/2");
	assert_string_equal(it.site.reply.encoding, "gzip");
	gets(&it, "/page.html", "Accept-Encoding: gzip\r\nRange: bytes=2-\r\n", 416, NULL);
	assert_string_equal(it.site.reply.range, "bytes */2");
	assert_null(it.site.reply.encoding);
	gets(&it, "/page.html", "Range: bytes=2-\r\n", 206, "ge");
}

/* A file of tomorrow is said to be of now, and is always sent to who asks by date. */
static void test_future(void **state)
{
	struct ask it;
	char line[160], date[HTTP_DATE_SIZE];
	time_t before = time(NULL);
	(void)state;

	put("late.txt", "late", before + 86400);
	gets(&it, "/late.txt", "", 200, "late");
	assert_in_range(it.site.facts.modified, before, time(NULL));
	snprintf(line, sizeof(line), "If-Modified-Since: %s\r\n", http_date(time(NULL) + 90000, date));
	gets(&it, "/late.txt", line, 200, "late");
}

/* Beyond 4 GiB: positions and lengths are whole. */
static void test_large(void **state)
{
	struct ask it;
	char path[64];
	(void)state;

	put("large.bin", "", 784111777);
	snprintf(path, sizeof(path), "%s/large.bin", base);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "end", 3, (5L << 30) - 3), 3);
	close(fd);
	gets(&it, "/large.bin", "Range: bytes=5368709117-5368709118\r\n", 206, "en");
	assert_string_equal(it.site.reply.range, "bytes 5368709117-5368709118/5368709120");
	gets(&it, "/large.bin", "Range: bytes=-1\r\n", 206, "d");
	gets(&it, "/large.bin", "Range: bytes=5368709119-\r\n", 206, "d");
	gets(&it, "/large.bin", "Range: bytes=5368709120-\r\n", 416, NULL);
	ask(&it, "HEAD", "/large.bin", "");
	assert_true(it.site.reply.len == 5ULL << 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_if_range),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_future),
		cmocka_unit_test(test_large),
	};
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
