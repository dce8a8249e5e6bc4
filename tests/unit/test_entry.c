/*
 * Which file a worker's path names in a directory of programs, and that it is never one outside.
 */
#include "spawn/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The world: DIR/programs with what is to be found, DIR/outside beside it. */
static char base[PATH_MAX], dir[PATH_MAX + 16];

static void make(const char *name)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof path, "%s/%s", base, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	close(fd);
}

static void make_dir(const char *name)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof path, "%s/%s", base, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_link(const char *to, const char *name)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof path, "%s/%s", base, name);
	assert_int_equal(symlink(to, path), 0);
}

static int setup(void **state)
{
	char template[] = "/tmp/test_entry.XXXXXX";
	(void)state;
	if (mkdtemp(template) == NULL || realpath(template, base) == NULL)
		return -1;
	snprintf(dir, sizeof dir, "%s/programs", base);
	make_dir("programs");
	make_dir("programs/sub");
	make_dir("programs-2");
	make("programs/a");
	make("programs/..b");
	make("programs/sub/c");
	make("programs-2/d");
	make("outside");
	make_link("a", "programs/to-a");
	make_link("../programs/sub", "programs/to-sub");
	make_link("../outside", "programs/to-outside");
	make_link("../programs-2", "programs/to-other");
	make_link("..", "programs/sub/up");
	make_link("../..", "programs/sub/up-up");
	make_link("nowhere", "programs/broken");
	make_link("loop", "programs/loop");
	make_link("programs", "link");
	return 0;
}

static int teardown(void **state)
{
	char command[PATH_MAX + 32];
	(void)state;
	snprintf(command, sizeof command, "rm -r '%s'", base);
	return system(command);
}

static void check(const char *entry, size_t len, int expected, const char *found)
{
	char *path = NULL, wanted[PATH_MAX + 64];
	int rc = entry_resolve(dir, (struct text){ entry, len }, &path);
	if (rc != expected)
		print_error("%.*s: %d\n", (int)len, entry, rc);
	assert_int_equal(rc, expected);
	if (expected == 0) {
		snprintf(wanted, sizeof wanted, "%s/%s", dir, found);
		assert_string_equal(path, wanted);
	} else {
		assert_null(path);
	}
	free(path);
}

static void test_entries(void **state)
{
	static const struct {
		const char *entry;
		int rc;
		const char *found;
	} cases[] = {
		{ "a", 0, "a" },
		{ "..b", 0, "..b" },
		{ "sub/c", 0, "sub/c" },
		{ "sub", 0, "sub" }, /* execve says EACCES */
		{ "to-a", 0, "a" },
		{ "to-sub/c", 0, "sub/c" },
		{ "sub/up/a", 0, "a" },
		{ "sub/up/sub/c", 0, "sub/c" },
		{ "to-outside", -EACCES, NULL },
		{ "to-other/d", -EACCES, NULL }, /* its name begins with the directory's */
		{ "to-other", -EACCES, NULL },
		{ "sub/up-up", -EACCES, NULL },
		{ "sub/up-up/outside", -EACCES, NULL },
		{ "sub/up", -EACCES, NULL }, /* the directory itself */
		{ "none", -ENOENT, NULL },
		{ "broken", -ENOENT, NULL },
		{ "loop", -ELOOP, NULL },
		{ "a/b", -ENOTDIR, NULL },
		{ "", -EINVAL, NULL },
		{ "/", -EINVAL, NULL },
		{ "/a", -EINVAL, NULL },
		{ "a/", -EINVAL, NULL },
		{ "sub//c", -EINVAL, NULL },
		{ ".", -EINVAL, NULL },
		{ "..", -EINVAL, NULL },
		{ "./a", -EINVAL, NULL },
		{ "../programs/a", -EINVAL, NULL },
		{ "sub/./c", -EINVAL, NULL },
		{ "sub/../a", -EINVAL, NULL },
		{ "sub/..", -EINVAL, NULL },
		{ "sub/.", -EINVAL, NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check(cases[i].entry, strlen(cases[i].entry), cases[i].rc, cases[i].found);
	check("a\0", 2, -EINVAL, NULL);
	check("\0", 1, -EINVAL, NULL);
	check("sub\0/c", 6, -EINVAL, NULL);
	check("sub/c\0x", 7, -EINVAL, NULL);
	check("ax", 1, 0, "a"); /* not a byte behind its end */
}

static void test_directory(void **state)
{
	char link[PATH_MAX + 16], *path;
	(void)state;
	snprintf(link, sizeof link, "%s/link", base);
	assert_int_equal(entry_resolve(link, text_of("sub/c"), &path), 0); /* may itself be a symlink */
	assert_true(strncmp(path, dir, strlen(dir)) == 0);
	free(path);
	snprintf(link, sizeof link, "%s/nowhere", base);
	assert_int_equal(entry_resolve(link, text_of("a"), &path), -ENOENT);
	assert_int_equal(entry_resolve("/", text_of("dev/null"), &path), 0);
	assert_string_equal(path, "/dev/null");
	free(path);
}

static void test_length(void **state)
{
	static char entry[PATH_MAX + 1];
	char *path;
	(void)state;
	memset(entry, 'x', sizeof entry);
	for (size_t i = 100; i < sizeof entry; i += 100)
		entry[i] = '/';
	size_t most = PATH_MAX - 1 - strlen(dir) - 1; /* with the slash between them and the NUL behind */
	for (size_t len = most - 1; len <= most + 1; len++) {
		int rc = entry_resolve(dir, (struct text){ entry, len }, &path);
		assert_int_equal(rc, len <= most ? -ENOENT : -ENAMETOOLONG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_length),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
