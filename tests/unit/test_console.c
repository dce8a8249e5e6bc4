/* console: which file a query means, on a route with a terminal and on others, and in which form. */
#include "gate/console.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Finds what must be there. */
static struct console_file found(const char *query, bool terminal, bool gzip)
{
	struct console_file file;

	assert_true(console_find(&file, text_of(query), terminal, gzip));
	assert_true(file.bytes.len > 0);
	return file;
}

/* Are these the same bytes in the same place? */
static bool same(const struct console_file *a, const struct console_file *b)
{
	return a->bytes.ptr == b->bytes.ptr && a->bytes.len == b->bytes.len;
}

/* A page ends where its file does, and the byte behind it is a NUL. */
static void whole(const struct console_file *file, const char *begins, const char *ends)
{
	size_t begin_len = strlen(begins), end_len = strlen(ends);

	assert_true(file->bytes.len > begin_len + end_len);
	assert_memory_equal(file->bytes.ptr, begins, begin_len);
	assert_memory_equal(file->bytes.ptr + file->bytes.len - end_len, ends, end_len);
	assert_int_equal(file->bytes.ptr[file->bytes.len], '\0');
}

/* Without a terminal all but two names are the console's page, and there is nothing of the terminal page. */
static void test_without(void **state)
{
	static const char *const pages[] = { "", "console", "anything", "console.j", "console.jss",
		"terminal.", "terminal.j", "terminals", "Terminal", "token=1" };
	static const char *const missing[] = { "terminal", "terminal.js", "terminal.css" };
	struct console_file page = found("", false, false), file;
	(void)state;

	whole(&page, "<!doctype html>", "</html>\n");
	assert_string_equal(page.type, "text/html; charset=utf-8");
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		file = found(pages[i], false, false);
		assert_true(same(&file, &page));
	}
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		assert_false(console_find(&file, text_of(missing[i]), false, false));
		assert_false(console_find(&file, text_of(missing[i]), false, true));
	}
	file = found("console.js", false, false);
	whole(&file, "/*\n", "page.connect.focus();\n");
	const char *ends = strstr(file.bytes.ptr, "\nconst CODES = {"); /* page/ends.js, and then ... */
	assert_non_null(ends);
	assert_non_null(strstr(ends, "\nconst page = {};")); /* ... src/gate/console.js */
	assert_string_equal(file.type, "text/javascript; charset=utf-8");
	file = found("console.css", false, false);
	assert_string_equal(file.type, "text/css; charset=utf-8");
}

/* With one its page takes the place of the console's, which has a name. */
static void test_with(void **state)
{
	struct console_file console = found("", false, false), page = found("", true, false), file;
	(void)state;

	whole(&page, "<!doctype html>", "</html>\n");
	assert_string_equal(page.type, "text/html; charset=utf-8");
	assert_false(same(&page, &console));
	assert_non_null(strstr(page.bytes.ptr, "href=\"?console\""));
	file = found("terminal", true, false);
	assert_true(same(&file, &page));
	file = found("arg=1", true, false);
	assert_true(same(&file, &page));
	file = found("console", true, false);
	assert_true(same(&file, &console));
	struct console_file js = found("console.js", false, false);
	file = found("console.js", true, false);
	assert_true(same(&file, &js));
}

/* A form of its own has a tag of its own, and a file that has none is given as it is. What was built without
 * npm has one page instead of the three files. */
static void test_gzip(void **state)
{
	struct console_file page = found("", true, true), plain = found("terminal.js", true, false);
	struct console_file small = found("terminal.js", true, true);
	(void)state;

	assert_null(page.encoding);
	assert_null(plain.encoding);
	assert_string_equal(plain.etag, page.etag);
	assert_int_equal(plain.etag[0], '"');
	assert_int_equal(plain.etag[strlen(plain.etag) - 1], '"');
	assert_true(strlen(plain.etag) > 4);
	if (same(&plain, &page)) {
		assert_non_null(strstr(page.bytes.ptr, "make page"));
		return;
	}
	assert_string_equal(plain.type, "text/javascript; charset=utf-8");
	assert_string_equal(small.type, plain.type);
	assert_string_equal(small.encoding, "gzip");
	assert_string_not_equal(small.etag, plain.etag);
	assert_true(small.bytes.len < plain.bytes.len / 2);
	assert_memory_equal(small.bytes.ptr, "\x1f\x8b\x08", 3);
	small = found("terminal.css", true, true);
	assert_string_equal(small.encoding, "gzip");
	assert_string_equal(small.type, "text/css; charset=utf-8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_with),
		cmocka_unit_test(test_gzip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
