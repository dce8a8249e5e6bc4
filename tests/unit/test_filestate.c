/*
 * Every way in which a file becomes another one is seen, and nothing else is.
 */
#include "base/filestate.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

/* What the time of day is, in milliseconds. */
static int64_t test_now_ms;

/* Takes the place of libc's. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_REALTIME)
		return (int)syscall(SYS_clock_gettime, clock, now);
	*now = (struct timespec){ test_now_ms / 1000, test_now_ms % 1000 * 1000000 };
	return 0;
}

static void put(const char *name, const char *text)
{
	FILE *out = fopen(name, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* The file was another one until now, and stays as it is. */
static void expect_change(struct filestate *state, const char *name)
{
	assert_false(filestate_is(state, name));
	*state = filestate_of(name);
	assert_true(filestate_is(state, name));
}

/* A time before any of this, to the nanosecond: a clock may be too coarse to tell two writes apart. */
static void age(const char *name, long ns)
{
	const struct timespec times[2] = { { 1000, ns }, { 1000, ns } };
	assert_int_equal(utimensat(AT_FDCWD, name, times, 0), 0);
}

static void test_changes(void **state)
{
	struct filestate seen = filestate_of("a");
	char byte;
	(void)state;

	assert_int_equal(seen.error, ENOENT);
	assert_true(filestate_is(&seen, "a"));
	put("a", "one");
	expect_change(&seen, "a");
	int fd = open("a", O_RDONLY);
	assert_int_equal(read(fd, &byte, 1), 1);
	close(fd);
	assert_true(filestate_is(&seen, "a"));
	put("a", "longer");
	expect_change(&seen, "a");
	age("a", 0);
	expect_change(&seen, "a");
	age("a", 1);
	expect_change(&seen, "a");
	assert_int_equal(chmod("a", 0600), 0);
	assert_int_equal(chmod("a", 0640), 0);
	expect_change(&seen, "a");

	put("b", "longer");
	age("b", 1);
	assert_int_equal(rename("b", "a"), 0);
	expect_change(&seen, "a");
	assert_int_equal(unlink("a"), 0);
	expect_change(&seen, "a");
	assert_int_equal(seen.error, ENOENT);
}

/* What a link leads to counts, not the link. */
static void test_links(void **state)
{
	(void)state;
	put("1", "x");
	put("2", "x");
	age("1", 0);
	age("2", 0);
	assert_int_equal(symlink("1", "live"), 0);
	struct filestate seen = filestate_of("live");
	assert_true(filestate_is(&seen, "1"));
	assert_false(filestate_is(&seen, "2"));
	assert_int_equal(symlink("2", "new"), 0);
	assert_int_equal(rename("new", "live"), 0);
	expect_change(&seen, "live");
	assert_true(filestate_is(&seen, "2"));
	assert_int_equal(symlink("nothing", "dangling"), 0);
	seen = filestate_of("dangling");
	assert_int_equal(seen.error, ENOENT);
	seen = filestate_of("1/x");
	assert_int_equal(seen.error, ENOTDIR);
	assert_false(filestate_is(&seen, "dangling"));
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/wsluice-filestate-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : chdir(dir);
}

static int teardown(void **state)
{
	char command[96];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

/* When a state is sure, and not a millisecond sooner. One that was not sure stays that. */
static void expect_sure(const char *name)
{
	struct filestate early, seen;
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	test_now_ms = (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000;
	early = filestate_of(name);
	assert_false(early.sure);
	test_now_ms += FILESTATE_UNSURE_MS;
	assert_false(filestate_of(name).sure);
	test_now_ms++;
	seen = filestate_of(name);
	assert_true(seen.sure);
	assert_true(filestate_is(&early, name));
	assert_true(filestate_is(&seen, name));
}

/* What was touched just now may be touched again without a trace; whatever its time says. */
static void test_sure(void **state)
{
	const struct timespec to_come[2] = { { 4000000000, 5 }, { 4000000000, 5 } };
	struct filestate seen;
	(void)state;

	put("fresh", "one");
	expect_sure("fresh");
	age("fresh", 7); /* that, too, is a change */
	expect_sure("fresh");
	assert_int_equal(utimensat(AT_FDCWD, "fresh", to_come, 0), 0);
	expect_sure("fresh");
	seen = filestate_of("nothing");
	assert_int_equal(seen.error, ENOENT);
	assert_true(seen.sure);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_sure),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
