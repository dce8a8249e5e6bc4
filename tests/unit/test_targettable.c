/*
 * test_targettable: what is found in files of targets, what is wrong with them, that nothing outside a
 * directory is read, and that no change is missed.
 */
#include "gate/targettable.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing.h"

static char dir[64];

/* Writes a file beneath the directory of this test. */
static void put(const char *name, const char *text)
{
	FILE *out = fopen(name, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* A time long ago for a file, so that what it looks like is sure. */
static void age(const char *name)
{
	const struct timespec times[2] = { { 1000, 5 }, { 1000, 5 } };
	assert_int_equal(utimensat(AT_FDCWD, name, times, 0), 0);
}

/* Reads, which must work. */
static struct targettable *table_of(const char *path)
{
	struct targettable *table;

	assert_int_equal(targettable_new(&table, path, false), 0);
	return table;
}

/* Fails unless the token stands for that URI; NULL: for none. */
static void expect(const struct targettable *table, const char *token, const char *uri)
{
	const char *got = targettable_find(table, text_of(token));

	if (uri == NULL)
		assert_null(got);
	else
		assert_string_equal(got, uri);
}

/* Fails unless the i-th mistake is this one. */
static void expect_note(
	const struct targettable *table, size_t i, const char *file, unsigned line, const char *words)
{
	assert_true(i < table->n_notes);
	assert_string_equal(table->files[table->notes[i].file].path, file);
	assert_int_equal(table->notes[i].line, line);
	assert_non_null(strstr(table->notes[i].words, words));
}

static void test_file(void **state)
{
	(void)state;
	put("f", "# x\na: h:1\nbroken\nb: unix:/x\r\n\na: h:2\nc: h:3");
	struct targettable *table = table_of("f");

	expect(table, "a", "tcp://h:2");
	expect(table, "b", "unix:/x");
	expect(table, "c", "tcp://h:3");
	expect(table, "broken", NULL);
	expect(table, "", NULL);
	expect(table, "A", NULL);
	expect(table, "a ", NULL);
	assert_null(targettable_find(table, (struct text){ "a\0", 2 }));
	assert_int_equal(table->n, 3);
	assert_int_equal(table->n_notes, 2);
	expect_note(table, 0, "f", 3, "has no target");
	expect_note(table, 1, "f", 6, "before");
	targettable_free(table);
}

/* Names of hosts: their case does not matter, on either side. */
static void test_fold(void **state)
{
	struct targettable *table;
	char name[300];

	(void)state;
	put("f", "A.Example: h:1\nb.example: h:2\nB.EXAMPLE: h:3\n");
	assert_int_equal(targettable_new(&table, "f", true), 0);
	expect(table, "a.eXample", "tcp://h:1");
	expect(table, "b.example", "tcp://h:3");
	assert_int_equal(table->n_notes, 1);
	for (size_t len = 254; len <= 257; len++) { /* no host is as long */
		memset(name, 'A', len);
		name[len] = '\0';
		expect(table, name, NULL);
	}
	targettable_free(table);
}

static void test_missing(void **state)
{
	struct targettable *table = (void *)1;

	(void)state;
	assert_int_equal(targettable_new(&table, "nothing", false), -ENOENT);
	assert_null(table);
	assert_int_equal(targettable_new(&table, "f/x", false), -ENOTDIR);
}

static void test_directory(void **state)
{
	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(mkdir("d/sub", 0700), 0);
	put("d/2", "both: h:2\ntwo: h:2\nbad\n");
	put("d/1", "both: h:1\none: h:1\n");
	put("d/.hidden", "hidden: h:1\n");
	put("d/1~", "backup: h:1\n");
	put("d/sub/x", "deep: h:1\n");
	put("outside", "outside: h:1\n");
	assert_int_equal(symlink("../outside", "d/out"), 0);
	assert_int_equal(symlink("sub/x", "d/in"), 0);
	assert_int_equal(symlink("nothing", "d/dangling"), 0);
	assert_int_equal(symlink("loop", "d/loop"), 0);
	assert_int_equal(mkfifo("d/fifo", 0600), 0);
	struct targettable *table = table_of("d");

	expect(table, "one", "tcp://h:1");
	expect(table, "two", "tcp://h:2");
	expect(table, "both", "tcp://h:2");
	expect(table, "deep", "tcp://h:1");
	expect(table, "hidden", NULL);
	expect(table, "backup", NULL);
	expect(table, "outside", NULL);
	assert_int_equal(table->n_notes, 4);
	expect_note(table, 0, "d/2", 3, "has no target");
	expect_note(table, 1, "d/loop", 0, "symbolic links");
	expect_note(table, 2, "d/out", 0, "leads out");
	expect_note(table, 3, "d/2", 1, "before");
	targettable_free(table);
}

/* More mistakes than are kept are counted. */
static void test_many_mistakes(void **state)
{
	FILE *out = fopen("f", "w");

	(void)state;
	for (int i = 0; i < TARGETTABLE_NOTES + 5; i++)
		fputs("x\n", out);
	fputs("a: h:1\n", out);
	fclose(out);
	struct targettable *table = table_of("f");
	assert_int_equal(table->n_notes, TARGETTABLE_NOTES + 5);
	expect_note(table, TARGETTABLE_NOTES - 1, "f", TARGETTABLE_NOTES, "has no target");
	expect(table, "a", "tcp://h:1");
	targettable_free(table);
}

/* At the limit all is read; beyond it, the lines that were whole before it. */
static void test_large(void **state)
{
	static const char last[] = "last: h:9\n";

	(void)state;
	for (int more = -1; more <= 1; more++) {
		size_t len = (size_t)(TARGETTABLE_BYTES + more);
		char *text = malloc(len);
		assert_non_null(text);
		memset(text, '#', len);
		memcpy(text, "first: h:1\n", 11);
		text[len - sizeof(last)] = '\n';
		memcpy(text + len - sizeof(last) + 1, last, sizeof(last) - 1);
		FILE *out = fopen("f", "w");
		assert_int_equal(fwrite(text, 1, len, out), len);
		fclose(out);
		free(text);
		struct targettable *table = table_of("f");
		expect(table, "first", "tcp://h:1");
		expect(table, "last", more <= 0 ? "tcp://h:9" : NULL);
		assert_int_equal(table->n_notes, more > 0);
		if (more > 0)
			expect_note(table, 0, "f", 0, "2 MiB");
		targettable_free(table);
	}
	truncate("f", 0);
}

/* Of all files together; a comment is a line too. */
static void test_many_lines(void **state)
{
	(void)state;
	assert_int_equal(mkdir("long", 0700), 0);
	for (int more = -1; more <= 1; more++) {
		FILE *out = fopen("long/1", "w");
		for (int i = 0; i < TARGETTABLE_LINES - 2 + more; i++)
			fputs(i % 2 ? "#\n" : "a: h:1\n", out);
		fclose(out);
		put("long/2", "b: h:1\nc: h:1\n");
		struct targettable *table = table_of("long");
		expect(table, "b", "tcp://h:1");
		expect(table, "c", more <= 0 ? "tcp://h:1" : NULL);
		size_t twice = (size_t)(TARGETTABLE_LINES - 2 + more + 1) / 2 - 1;
		assert_int_equal(table->n_notes, twice + (more > 0));
		if (more > 0)
			expect_note(table, 0, "long/2", 2, "20,000 lines");
		targettable_free(table);
	}
}

static void test_many_files(void **state)
{
	char name[32];

	(void)state;
	assert_int_equal(mkdir("many", 0700), 0);
	for (int i = 0; i < TARGETTABLE_FILES; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		assert_int_equal(link("f", name), 0);
	}
	put("many/x.new", "a: h:1\n");
	assert_int_equal(rename("many/x.new", "many/17"), 0);
	struct targettable *table = table_of("many");
	assert_int_equal(table->n_files, TARGETTABLE_FILES + 1);
	assert_int_equal(table->n_notes, 0);
	expect(table, "a", "tcp://h:1");
	targettable_free(table);
	put("many/x", "");
	table = table_of("many");
	assert_int_equal(table->n_files, TARGETTABLE_FILES + 1);
	expect_note(table, 0, "many", 0, "5,000");
	targettable_free(table);
}

/* Reads until what was read is sure, which must be within a second or so. */
static struct targettable *sure_table_of(const char *path)
{
	struct targettable *table = table_of(path);

	for (int i = 0; i < 1000 && !targettable_is_sure(table); i++) {
		targettable_free(table);
		usleep(2000);
		table = table_of(path);
	}
	assert_true(targettable_is_sure(table));
	assert_false(targettable_has_changed(table));
	return table;
}

/* What was read when the file had just been touched stays unsure, however long nobody looks. */
static void test_sure(void **state)
{
	(void)state;
	put("f", "a: h:1\n");
	age("f"); /* that, too, is a change */
	struct targettable *early = table_of("f");
	struct targettable *table = sure_table_of("f");

	assert_false(targettable_has_changed(early));
	assert_false(targettable_is_sure(early));
	targettable_free(early);
	targettable_free(table);
}

static void test_changed(void **state)
{
	(void)state;
	struct targettable *table = sure_table_of("f");
	put("f", "a: h:2\n");
	assert_true(targettable_has_changed(table));
	targettable_free(table);

	table = sure_table_of("d");
	put("d/sub/x", "deep: h:2\n"); /* behind a symlink */
	assert_true(targettable_has_changed(table));
	targettable_free(table);
	table = sure_table_of("d");
	put("d/new", "");
	assert_true(targettable_has_changed(table));
	targettable_free(table);
}

/* With few descriptors left a directory can't be read, or lacks files; that is not theirs. */
static void test_shortage(void **state)
{
	struct rlimit had, few;
	struct targettable *table;
	int first = open(".", O_RDONLY), failed = 0, lacking = 0;

	(void)state;
	close(first);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
	for (int more = 0; more <= 4; more++) {
		few = (struct rlimit){ (rlim_t)(first + more), had.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		int error = targettable_new(&table, "d", false);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &had), 0);
		if (error != 0) {
			assert_int_equal(error, -EMFILE);
			failed++;
			continue;
		}
		assert_true(table->short_of == 0 || table->short_of == EMFILE);
		assert_int_equal(table->short_of != 0, targettable_find(table, text_of("one")) == NULL);
		lacking += table->short_of != 0;
		if (table->short_of != 0)
			assert_ptr_equal(strstr(table->files[table->short_file].path, "d/"),
				table->files[table->short_file].path);
		targettable_free(table);
	}
	assert_int_equal(failed, 3); /* the directory, twice, and where its search begins */
	assert_int_equal(lacking, 1);
}

/* Wherever memory runs out, that is said, and nothing stays behind. */
static void test_no_memory(void **state)
{
	static const char *const paths[] = { "f", "d" };

	(void)state;
	put("f", "a: h:1\nb: h:2\nx\n");
	for (size_t i = 0; i < 2; i++) {
		struct targettable *table;
		int error = -ENOMEM;

		for (failing_at = 1; error != 0; failing_at++) {
			failing_count = 0;
			failing_on = true;
			error = targettable_new(&table, paths[i], false);
			failing_on = false;
			assert_true(error == 0 || error == -ENOMEM);
			assert_int_equal(error == 0, failing_count < failing_at);
			assert_true(error == 0 || table == NULL);
		}
		assert_true(failing_at > 5);
		targettable_free(table);
	}
}

static void test_same(void **state)
{
	struct targettable *one, *other;
	static const char *const others[] = { "a: h:1\nb: h:3\nx\n", "b: h:2\na: h:1\nx\n",
		"a: h:1\nb: h:2\n", "a: h:1\nb: h:2\nx\ny\n", "a: h:1\nb: h:2\nc: h:2\nx\n", "",
		"a: h:1\nb: h:2\n\nx\n", "a: h:1\nb: h:2\n: x\n" }; /* as many mistakes, but others */

	(void)state;
	put("f", "a: h:1\nb: h:2\nx\n");
	one = table_of("f");
	other = table_of("f");
	assert_true(targettable_is_same(one, other));
	targettable_free(other);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		put("f", others[i]);
		other = table_of("f");
		assert_false(targettable_is_same(one, other));
		targettable_free(other);
	}
	targettable_free(one);
	targettable_free(NULL);

	assert_int_equal(mkdir("same", 0700), 0);
	put("same/1", "x\n");
	one = table_of("same");
	assert_int_equal(rename("same/1", "same/2"), 0);
	other = table_of("same"); /* the same mistake of another file */
	assert_false(targettable_is_same(one, other));
	targettable_free(one);
	targettable_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_many_mistakes),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_many_files),
		cmocka_unit_test(test_sure),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_shortage),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_no_memory),
	};

	snprintf(dir, sizeof(dir), "/tmp/wsluice-targettable-XXXXXX");
	if (mkdtemp(dir) == NULL || chdir(dir) != 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return chdir("/") != 0 || system(command) != 0 ? 1 : failed;
}
