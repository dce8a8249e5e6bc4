/*
 * test_targets: where the token of a request is, and that it is the only way to a service; how often the
 * files are looked at.
 */
#include "gate/targets.h"

#include "base/filestate.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

/* The token of a request with this query, path behind the route's, and host. */
static long token_of(char out[TARGETS_TOKEN], enum target_by by, struct text part)
{
	struct route_conf route = { .target_by = by };
	struct http_request request = { .query = by == TARGET_BY_QUERY ? part : text_of("token=q"),
		.host = by == TARGET_BY_HOST ? part : text_of("h") };
	struct route_match match = { .route = &route,
		.path_info = by == TARGET_BY_PATH ? part : text_of("/p") };

	return targets_token(out, &request, &match);
}

/* Fails unless it is this; of an error token is NULL. */
static void expect(enum target_by by, const char *part, const char *token, long error)
{
	char out[TARGETS_TOKEN];
	long len = token_of(out, by, text_of(part));

	if (token == NULL) {
		assert_int_equal(len, error);
	} else {
		assert_int_equal(len, strlen(token));
		assert_memory_equal(out, token, strlen(token));
	}
}

static void test_query(void **state)
{
	(void)state;
	expect(TARGET_BY_QUERY, "token=a", "a", 0);
	expect(TARGET_BY_QUERY, "x=1&token=a%2Fb%3a+c&y", "a/b: c", 0);
	expect(TARGET_BY_QUERY, "token=a=b", "a=b", 0);
	expect(TARGET_BY_QUERY, "token=a;b", "a;b", 0);
	expect(TARGET_BY_QUERY, "t%6fken=a", "a", 0);
	expect(TARGET_BY_QUERY, "%74%6f%6b%65%6e=a", "a", 0);
	expect(TARGET_BY_QUERY, "&&token=a&&", "a", 0);
	expect(TARGET_BY_QUERY, "token=a&token=%61", "a", 0);
	expect(TARGET_BY_QUERY, "token=&token=a&token", "a", 0);
	expect(TARGET_BY_QUERY, "", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_QUERY, "token", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_QUERY, "token=", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_QUERY, "=token=a", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_QUERY, "TOKEN=a&atoken=b&tokena=c", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_QUERY, "%74%6f%6b%65%6e%20=a", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_QUERY, "%74%6f%6b%65%6=a", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_QUERY, "token=a&token=b", NULL, TARGETS_TWO);
	expect(TARGET_BY_QUERY, "token=a&token=aa", NULL, TARGETS_TWO);
	expect(TARGET_BY_QUERY, "token=a&token=a&token=b", NULL, TARGETS_TWO);
	expect(TARGET_BY_QUERY, "token=a%", NULL, TARGETS_BAD);
	expect(TARGET_BY_QUERY, "token=a%0a", NULL, TARGETS_BAD);
	expect(TARGET_BY_QUERY, "token=%00", NULL, TARGETS_BAD);
	expect(TARGET_BY_QUERY, "token=a&token=%7f", NULL, TARGETS_BAD);
}

static void test_path(void **state)
{
	(void)state;
	expect(TARGET_BY_PATH, "/a", "a", 0);
	expect(TARGET_BY_PATH, "/a b:..%+", "a b:..%+", 0);
	expect(TARGET_BY_PATH, "/..", "..", 0);
	expect(TARGET_BY_PATH, "", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_PATH, "/", NULL, TARGETS_NO_TOKEN);
	expect(TARGET_BY_PATH, "//", NULL, TARGETS_UNKNOWN);
	expect(TARGET_BY_PATH, "/a/", NULL, TARGETS_UNKNOWN);
	expect(TARGET_BY_PATH, "//a", NULL, TARGETS_UNKNOWN);
	expect(TARGET_BY_PATH, "/a/b", NULL, TARGETS_UNKNOWN);
}

static void test_host(void **state)
{
	(void)state;
	expect(TARGET_BY_HOST, "a.example", "a.example", 0);
	expect(TARGET_BY_HOST, "::1", "::1", 0);
	expect(TARGET_BY_HOST, "", NULL, TARGETS_NO_TOKEN);
}

/* A token as long as a request line, and longer than there is room for. */
static void test_long(void **state)
{
	static char in[TARGETS_TOKEN + 16], out[TARGETS_TOKEN];

	(void)state;
	memset(in, 'a', sizeof(in));
	memcpy(in, "token=", 6);
	for (size_t len = TARGETS_TOKEN - 1; len <= TARGETS_TOKEN + 1; len++) {
		long want = len <= TARGETS_TOKEN ? (long)len : TARGETS_BAD;
		assert_int_equal(token_of(out, TARGET_BY_QUERY, (struct text){ in, len + 6 }), want);
		want = len <= TARGETS_TOKEN ? (long)len : TARGETS_UNKNOWN;
		assert_int_equal(token_of(out, TARGET_BY_HOST, (struct text){ in, len }), want);
	}
}

/* Writes a file in the directory of this test. */
static void put(const char *name, const char *text)
{
	FILE *out = fopen(name, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* A route whose targets are at a path, and somebody who asks there. */
struct asker {
	struct route_conf route;
	struct config config;
	struct targets *targets;
	struct log *log;
	struct target target;
	int error;
};

static void asker_init(struct asker *asker, char *path)
{
	*asker = (struct asker){ .route = { .pattern = (char *)"/x", .targets = path } };
	asker->config = (struct config){ .routes = &asker->route, .n_routes = 1 };
	asker->targets = targets_new(&asker->config);
	asker->log =
		log_new(open("log", O_WRONLY | O_CREAT | O_TRUNC, 0600), LOG_DEBUG, LOG_FORMAT_TEXT, 65536);
	assert_non_null(asker->targets);
	assert_non_null(asker->log);
}

static void asker_done(struct asker *asker)
{
	targets_free(asker->targets);
	log_free(asker->log, 0);
}

/* Asks for a token: its URI, or the error. */
static void ask(struct asker *asker, uint64_t now, const char *query, const char *uri, int error)
{
	struct http_request request = { .query = text_of(query) };
	struct route_match match = { .route = &asker->route };
	int got = targets_choose(
		asker->targets, asker->log, now, &asker->target, &request, &match, &asker->error);

	assert_int_equal(got, uri != NULL ? 0 : error);
	if (uri == NULL)
		return;
	assert_string_equal(asker->target.uri, uri);
	assert_int_equal(asker->target.list.n, 1);
	assert_ptr_equal(asker->target.list.items, &asker->target.upstream);
	assert_ptr_equal(asker->target.upstream.uri, asker->target.uri);
}

/* How often the log says something. */
static int logged(const char *words)
{
	char text[16384], *at = text;
	FILE *in = fopen("log", "r");
	int n = 0;

	assert_non_null(in);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	for (; (at = strstr(at, words)) != NULL; at++)
		n++;
	return n;
}

static void test_choose(void **state)
{
	struct asker asker;

	(void)state;
	asker_init(&asker, (char *)"f");
	ask(&asker, 0, "token=a", NULL, TARGETS_UNREAD);
	assert_int_equal(asker.error, ENOENT);
	put("f", "a: tls://h:1\nb: unix:/x\n");
	ask(&asker, 0, "token=a", "tls://h:1", 0);
	assert_true(asker.target.upstream.tls);
	assert_int_equal(asker.target.upstream.name.port, 1);
	ask(&asker, 0, "token=b", "unix:/x", 0);
	assert_false(asker.target.upstream.tls);
	ask(&asker, 0, "token=c", NULL, TARGETS_UNKNOWN);
	ask(&asker, 0, "", NULL, TARGETS_NO_TOKEN);
	put("f", "c: h:2\n");
	ask(&asker, 0, "token=c", "tcp://h:2", 0);
	ask(&asker, 0, "token=a", NULL, TARGETS_UNKNOWN);
	assert_int_equal(unlink("f"), 0);
	ask(&asker, 0, "token=c", NULL, TARGETS_UNREAD);
	asker_done(&asker);
	targets_free(NULL);
}

/* A small directory is looked at each time, a large one less often. */
static void test_looks(void **state)
{
	struct asker asker;
	char name[32];

	(void)state;
	put("f", "");
	assert_int_equal(mkdir("d", 0700), 0);
	for (int i = 0; i < 2 * TARGETS_LOOKS - 2; i++) {
		snprintf(name, sizeof(name), "d/%03d", i);
		assert_int_equal(link("f", name), 0);
	}
	asker_init(&asker, (char *)"d");
	ask(&asker, 1000, "token=a", NULL, TARGETS_UNKNOWN);
	put("d/new", "a: h:1\n"); /* with the directory itself, these are 200 */
	ask(&asker, 1000, "token=a", NULL, TARGETS_UNKNOWN);
	ask(&asker, 1001, "token=a", "tcp://h:1", 0);
	put("d/new", "a: h:22\n");
	ask(&asker, 1002, "token=a", "tcp://h:1", 0);
	ask(&asker, 1003, "token=a", "tcp://h:22", 0);
	asker_done(&asker);
}

/* So many descriptors may be opened from now on; -1: as many as before. */
static void set_descriptors_left(int n)
{
	static struct rlimit had;
	struct rlimit few;
	int first = open(".", O_RDONLY);

	close(first);
	if (had.rlim_cur == 0)
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
	few = (struct rlimit){ n < 0 ? had.rlim_cur : (rlim_t)(first + n), had.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

/* Without descriptors what was known stays known, what is new is not refused for good, and one line says it.
 */
static void test_shortage(void **state)
{
	struct asker asker;
	uint64_t now = 1000;

	(void)state;
	assert_int_equal(mkdir("s", 0700), 0);
	put("s/1", "a: h:1\n");
	put("s/2", "b: h:1\n");
	asker_init(&asker, (char *)"s");
	for (int left = 0; left <= 3; left++) {
		ask(&asker, now, "token=a", "tcp://h:1", 0);
		ask(&asker, now, "token=c", NULL, TARGETS_UNKNOWN);
		put("s/3", "c: h:1\n");
		set_descriptors_left(left);
		ask(&asker, now, "token=a", "tcp://h:1", 0);
		ask(&asker, now, "token=b", "tcp://h:1", 0);
		ask(&asker, now, "token=c", NULL, TARGETS_UNREAD);
		assert_int_equal(asker.error, EMFILE);
		ask(&asker, now + TARGETS_AGAIN_MS, "token=b", "tcp://h:1", 0);
		set_descriptors_left(-1);
		now += TARGETS_AGAIN_MS;
		ask(&asker, now + TARGETS_AGAIN_MS - 1, "token=c", NULL, TARGETS_UNREAD);
		ask(&asker, now + TARGETS_AGAIN_MS, "token=c", "tcp://h:1", 0);
		assert_int_equal(asker.error, 0);
		assert_int_equal(unlink("s/3"), 0);
		now += TARGETS_AGAIN_MS;
	}
	ask(&asker, now, "token=c", NULL, TARGETS_UNKNOWN);
	asker_done(&asker);
	assert_int_equal(logged("targets can't be read for now"), 4);
	assert_int_equal(logged("mistake"), 0);
}

/* The first time there is nothing to keep: what could be read counts, and the rest is looked for again. */
static void test_shortage_at_first(void **state)
{
	struct asker asker;

	(void)state;
	asker_init(&asker, (char *)"s");
	set_descriptors_left(0);
	ask(&asker, 0, "token=a", NULL, TARGETS_UNREAD);
	assert_int_equal(asker.error, EMFILE);
	set_descriptors_left(-1);
	ask(&asker, TARGETS_AGAIN_MS - 1, "token=a", NULL, TARGETS_UNREAD);
	ask(&asker, TARGETS_AGAIN_MS, "token=a", "tcp://h:1", 0);
	asker_done(&asker);

	/* A disk that fails, of which one file is. */
	assert_int_equal(symlink("/proc/self/mem", "bad"), 0);
	asker_init(&asker, (char *)"bad");
	ask(&asker, 0, "token=a", NULL, TARGETS_UNREAD);
	assert_int_equal(asker.error, EIO);
	put("good", "a: h:1\n");
	assert_int_equal(rename("good", "bad"), 0);
	ask(&asker, TARGETS_AGAIN_MS, "token=a", "tcp://h:1", 0);
	assert_int_equal(symlink("/proc/self/mem", "new"), 0);
	assert_int_equal(rename("new", "bad"), 0);
	ask(&asker, TARGETS_AGAIN_MS + 1, "token=a", "tcp://h:1", 0);
	ask(&asker, TARGETS_AGAIN_MS + 1, "token=b", NULL, TARGETS_UNREAD);
	assert_int_equal(unlink("bad"), 0); /* that does not pass */
	ask(&asker, TARGETS_AGAIN_MS * 3, "token=a", NULL, TARGETS_UNREAD);
	assert_int_equal(asker.error, ENOENT);
	asker_done(&asker);
	assert_int_equal(logged("targets can't be read for now"), 2);
	assert_int_equal(logged("targets can't be read"), 3);
}

/* Makes a name lead elsewhere, in one step. */
static void lead(const char *name, const char *to)
{
	assert_int_equal(symlink(to, "lead"), 0);
	assert_int_equal(rename("lead", name), 0);
}

/* Of a directory in which a file lasts to be unreadable, what can be read counts: what was taken back is
 * gone. Such a directory is that of a process: `mem` fails with EIO, and `comm` is what we say. */
static void test_failing_file(void **state)
{
	struct asker asker;

	(void)state;
	assert_int_equal(mkdir("whole", 0700), 0);
	put("whole/1", "a: h:1\nb: h:1\n");
	lead("part", "whole");
	asker_init(&asker, (char *)"part");
	ask(&asker, 0, "token=a", "tcp://h:1", 0);
	assert_int_equal(prctl(PR_SET_NAME, "b: h:2"), 0);
	lead("part", "/proc/self");
	ask(&asker, 1, "token=a", NULL, TARGETS_UNREAD);
	assert_int_equal(asker.error, EIO);
	ask(&asker, 1, "token=b", "tcp://h:2", 0);
	assert_int_equal(prctl(PR_SET_NAME, "c: h:3"), 0);
	ask(&asker, TARGETS_AGAIN_MS, "token=b", "tcp://h:2", 0);
	ask(&asker, 1 + TARGETS_AGAIN_MS, "token=b", NULL, TARGETS_UNREAD);
	ask(&asker, 1 + TARGETS_AGAIN_MS, "token=c", "tcp://h:3", 0);
	ask(&asker, 2 * TARGETS_KEEP_MS, "token=c", "tcp://h:3", 0);
	lead("part", "whole");
	ask(&asker, 3 * TARGETS_KEEP_MS, "token=a", "tcp://h:1", 0);
	ask(&asker, 3 * TARGETS_KEEP_MS, "token=c", NULL, TARGETS_UNKNOWN);
	asker_done(&asker);
	assert_int_equal(logged("targets can't be read for now"), 1);
}

/* When nothing can be read what was known counts for a minute from the first failure on, not longer; a
 * shortage of ours does not count for that. */
static void test_failing_for_long(void **state)
{
	struct asker asker;

	(void)state;
	put("fine", "a: h:1\n");
	lead("only", "fine");
	asker_init(&asker, (char *)"only");
	for (uint64_t now = 1000; now < 10 * TARGETS_KEEP_MS; now += 3 * TARGETS_KEEP_MS) {
		ask(&asker, now - 1, "token=a", "tcp://h:1", 0);
		lead("only", "gone-soon");
		put("gone-soon", "a: h:1\n");
		set_descriptors_left(0);
		ask(&asker, now, "token=a", "tcp://h:1", 0);
		now += 2 * TARGETS_KEEP_MS;
		ask(&asker, now, "token=a", "tcp://h:1", 0);
		set_descriptors_left(-1);
		now += TARGETS_AGAIN_MS;
		lead("only", "/proc/self/mem");
		ask(&asker, now, "token=a", "tcp://h:1", 0);
		ask(&asker, now + TARGETS_KEEP_MS / 2, "token=a", "tcp://h:1", 0);
		ask(&asker, now + TARGETS_KEEP_MS - 1, "token=a", "tcp://h:1", 0);
		ask(&asker, now + TARGETS_KEEP_MS - 1 + TARGETS_AGAIN_MS, "token=a", NULL, TARGETS_UNREAD);
		assert_int_equal(asker.error, EIO);
		ask(&asker, now + 2 * TARGETS_KEEP_MS, "token=a", NULL, TARGETS_UNREAD);
		lead("only", "fine");
	}
	asker_done(&asker);
	assert_int_equal(logged("targets can't be read for now"), 4);
	assert_int_equal(logged("targets can't be read"), 6);
}

/* Writes a file of that size, with one token, and asks for it. Returns with a file of which it is not sure
 * that it was seen as it is. */
static void ask_unsure(struct asker *asker, size_t len)
{
	do {
		FILE *out = fopen("large", "w");
		assert_non_null(out);
		fputs("a: h:1\n", out);
		while ((size_t)ftell(out) < len)
			fputc('\n', out);
		fclose(out);
		ask(asker, 1000, "token=a", "tcp://h:1", 0);
	} while (filestate_of("large").sure);
}

/* Without descriptors, is the file tried to be read? */
static void expect_reading(struct asker *asker, uint64_t now, bool reads)
{
	set_descriptors_left(0);
	ask(asker, now, "token=b", NULL, reads ? TARGETS_UNREAD : TARGETS_UNKNOWN);
	set_descriptors_left(-1);
}

/* What was touched just now is read again, in case it was written twice in one moment; if it is large, not
 * each time. A time to come makes no difference. */
static void test_reading_again(void **state)
{
	const struct timespec to_come[2] = { { 4000000000, 5 }, { 4000000000, 5 } };
	struct asker asker;

	(void)state;
	asker_init(&asker, (char *)"large");
	ask_unsure(&asker, TARGETS_BYTES - 1);
	expect_reading(&asker, 1000, true);
	asker_done(&asker);

	asker_init(&asker, (char *)"large");
	ask_unsure(&asker, 2 * TARGETS_BYTES);
	expect_reading(&asker, 1001, false);
	expect_reading(&asker, 1002, true);
	asker_done(&asker);

	assert_int_equal(utimensat(AT_FDCWD, "large", to_come, 0), 0);
	for (int i = 0; i < 1000 && !filestate_of("large").sure; i++)
		usleep(2000);
	asker_init(&asker, (char *)"large");
	ask(&asker, 1000, "token=a", "tcp://h:1", 0);
	expect_reading(&asker, 1000000, false);
	put("large", "a: h:2\n");
	ask(&asker, 1000000, "token=a", "tcp://h:2", 0);
	asker_done(&asker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_shortage),
		cmocka_unit_test(test_shortage_at_first),
		cmocka_unit_test(test_failing_file),
		cmocka_unit_test(test_failing_for_long),
		cmocka_unit_test(test_reading_again),
	};

	snprintf(dir, sizeof(dir), "/tmp/wsluice-targets-XXXXXX");
	if (mkdtemp(dir) == NULL || chdir(dir) != 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return chdir("/") != 0 || system(command) != 0 ? 1 : failed;
}
