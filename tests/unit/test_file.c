/*
 * Tests of static files: what is found, what must not be (a canary outside of the directory is never read),
 * and files that change while they are sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gate/file.h"

/* The place: BASE/root is served, BASE/canary and BASE/rootless are not. */
static char base[PATH_MAX], root[PATH_MAX + 8];

/* A path below the base. */
static const char *at(const char *path)
{
	static char text[2 * PATH_MAX];
	snprintf(text, sizeof(text), "%s/%s", base, path);
	return text;
}

static void put(const char *path, const char *content)
{
	FILE *file = fopen(at(path), "we");
	if (file == NULL || fputs(content, file) < 0 || fclose(file) != 0)
		abort();
}

static void link_to(const char *target, const char *path)
{
	if (symlink(target, at(path)) != 0)
		abort();
}

/* One name becomes another; the two paths need a place each. */
static int move(const char *from, const char *to, int (*how)(const char *, const char *))
{
	char path[2 * PATH_MAX];
	snprintf(path, sizeof(path), "%s", at(from));
	return how(path, at(to));
}

static void make_dir(const char *path)
{
	if (mkdir(at(path), 0755) != 0)
		abort();
}

static int make_place(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char target[2 * PATH_MAX];
	(void)state;

	strcpy(base, "/tmp/wsluice-XXXXXX");
	if (mkdtemp(base) == NULL)
		abort();
	snprintf(root, sizeof(root), "%s/root", base);
	make_dir("root");
	make_dir("rootless");
	make_dir("root/sub");
	make_dir("root/bare");
	make_dir("root/.git");
	put("canary", "CANARY");
	put("rootless/canary", "CANARY");
	put("root/index.html", "index");
	put("root/sub/index.html", "sub");
	put("root/plain.txt", "plain");
	put("root/empty.css", "");
	put("root/.git/config", "CANARY");
	put("root/.hidden", "CANARY");
	put("root/...", "CANARY");
	put("root/a b&c;d.txt", "odd");
	put("root/caf\xc3\xa9.html", "cafe");
	put("root/bad\xff.txt", "CANARY");
	put("root/back\\slash", "CANARY");
	put("root/..\\up", "CANARY");
	put("root/UPPER.HTML", "upper");
	put("root/none", "none");
	put("root/.html", "CANARY");

	link_to("plain.txt", "root/inside");
	link_to("../plain.txt", "root/sub/inside-up");
	link_to("sub", "root/dir-inside");
	link_to("../canary", "root/outside");
	link_to("..", "root/up");
	link_to("../rootless/canary", "root/sibling");
	link_to("/etc/passwd", "root/absolute-outside");
	link_to("loop", "root/loop");
	link_to("nowhere", "root/dangling");
	link_to("/proc/self/root/etc/passwd", "root/magic");
	link_to("../root/plain.txt", "root/out-and-in");
	snprintf(target, sizeof(target), "%s/plain.txt", root);
	link_to(target, "root/absolute-inside");
	snprintf(target, sizeof(target), "%s/sub", root);
	link_to(target, "root/absolute-dir");
	snprintf(target, sizeof(target), "%s/rootless/canary", base);
	link_to(target, "root/absolute-sibling");

	if (mkfifo(at("root/fifo"), 0644) != 0)
		abort();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.60s/root/socket", base);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		abort();
	close(fd);
	return 0;
}

static int remove_place(void **state)
{
	char command[PATH_MAX + 16];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static struct text text_from(const char *bytes, size_t len)
{
	return (struct text){ .ptr = bytes, .len = len };
}

/* Opens without its gzip form. */
static int open_plain(struct file *file, struct text path)
{
	struct file_facts facts;
	return file_open(file, &facts, root, path, false);
}

/* What is left to be sent is `content`; closes it. */
static void holds(struct file *file, const char *content)
{
	char got[256];
	assert_int_equal(file->end - file->at, strlen(content));
	assert_int_equal(pread(file->fd, got, sizeof(got), (off_t)file->at), strlen(content));
	assert_memory_equal(got, content, strlen(content));
	file_close(file);
	assert_int_equal(file->fd, -1);
}

/* Opens and compares; nothing may be left open. */
static void serves(const char *path, const char *content, const char *type)
{
	struct file file;
	struct file_facts facts;
	int error = file_open(&file, &facts, root, text_of(path), false);
	if (error != 0)
		fail_msg("%s: %d", path, error);
	assert_int_equal(facts.len, strlen(content));
	assert_int_equal(file.at, 0);
	assert_true(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
	assert_string_equal(facts.type, type);
	assert_false(facts.gzip);
	holds(&file, content);
}

static const char text_type[] = "text/plain; charset=utf-8", html_type[] = "text/html; charset=utf-8",
		  any_type[] = "application/octet-stream";

/* What there is, and what it is called. */
static void test_found(void **state)
{
	(void)state;
	serves("/plain.txt", "plain", text_type);
	serves("/", "index", html_type);
	serves("///", "index", html_type);
	serves("//plain.txt", "plain", text_type);
	serves("/sub/", "sub", html_type);
	serves("/sub//index.html", "sub", html_type);
	serves("/a b&c;d.txt", "odd", text_type);
	serves("/caf\xc3\xa9.html", "cafe", html_type);
	serves("/UPPER.HTML", "upper", html_type);
	serves("/none", "none", any_type);
	serves("/empty.css", "", "text/css; charset=utf-8");
}

/* Symlinks work when they end inside, however they are written. */
static void test_links_inside(void **state)
{
	(void)state;
	serves("/inside", "plain", any_type);
	serves("/sub/inside-up", "plain", any_type);
	serves("/dir-inside/", "sub", html_type);
	serves("/absolute-inside", "plain", any_type);
	serves("/absolute-dir/", "sub", html_type);
	serves("/absolute-dir/index.html", "sub", html_type);
	serves("/out-and-in", "plain", any_type);
	serves("/up/root/plain.txt", "plain", text_type);
}

/* Nothing of all this is there. */
static void test_not_found(void **state)
{
	static const char *const paths[] = { "", "plain.txt", "/..", "/../", "/../canary",
		"/sub/../../canary", "/sub/../plain.txt", "/./plain.txt", "/.", "/sub/.", "/....//canary",
		"/...", "/.../", "/.git/config", "/.git", "/.git/", "/.hidden", "/.html", "/back\\slash",
		"/..\\up", "\\..\\canary", "/%2e%2e/canary", "/..%2fcanary", "/%252e",
		"/\xc0\xae\xc0\xae/canary", "/bad\xff.txt", "/\xed\xa0\x80", "/outside", "/up/canary", "/up/",
		"/sibling", "/absolute-outside", "/absolute-sibling", "/magic", "/loop", "/dangling", "/fifo",
		"/socket", "/plain.txt/", "/plain.txt/x", "/nothing", "/bare/", "/sub/nothing",
		"/../rootless/canary", "/sub//../../canary" };
	struct file file;
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int error = open_plain(&file, text_of(paths[i]));
		if (error != FILE_NONE && error != FILE_OUTSIDE)
			fail_msg("%s: %d", paths[i], error);
	}
	assert_int_equal(open_plain(&file, text_from("/plain.txt\0.html", 16)), FILE_NONE);
	assert_int_equal(open_plain(&file, text_from("/plain.txt\0", 11)), FILE_NONE);
	/* Only the first len bytes are the path. */
	assert_int_equal(open_plain(&file, text_from("/plain.txtx", 10)), 0);
	file_close(&file);
}

/* A path longer than any file's, and one name of 255 and 256 bytes. */
static void test_long(void **state)
{
	struct file file;
	char path[PATH_MAX + 100];
	(void)state;

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	assert_int_equal(open_plain(&file, text_from(path, sizeof(path))), FILE_NONE);
	for (size_t len = PATH_MAX - 12; len < PATH_MAX + 3; len++)
		assert_int_equal(open_plain(&file, text_from(path, len)), FILE_NONE);
	path[PATH_MAX - 1] = '/';
	assert_int_equal(open_plain(&file, text_from(path, PATH_MAX)), FILE_NONE);
	assert_int_equal(open_plain(&file, text_from(path, 257)), FILE_NONE);
}

/* A directory named without its slash is told apart, through a symlink too; there is no listing. */
static void test_directory(void **state)
{
	struct file file;
	(void)state;

	assert_int_equal(open_plain(&file, text_of("/sub")), FILE_DIRECTORY);
	assert_int_equal(open_plain(&file, text_of("/bare")), FILE_DIRECTORY);
	assert_int_equal(open_plain(&file, text_of("/dir-inside")), FILE_DIRECTORY);
	assert_int_equal(open_plain(&file, text_of("/absolute-dir")), FILE_DIRECTORY);
	assert_int_equal(open_plain(&file, text_of("/up")), FILE_OUTSIDE);
	assert_int_equal(open_plain(&file, text_of("/bare/")), FILE_NONE);
}

/* An index.html that is a directory is no file. */
static void test_index_is_directory(void **state)
{
	struct file file;
	(void)state;
	make_dir("root/odd");
	make_dir("root/odd/index.html");
	assert_int_equal(open_plain(&file, text_of("/odd/")), FILE_NONE);
}

/* The directory itself: behind a symlink it works, gone or no directory it is an error of ours. */
static void test_root(void **state)
{
	struct file file;
	struct file_facts facts;
	char path[PATH_MAX + 32];
	(void)state;

	link_to("root", "alias");
	snprintf(path, sizeof(path), "%s/alias", base);
	assert_int_equal(file_open(&file, &facts, path, text_of("/absolute-inside"), false), 0);
	file_close(&file);
	assert_int_equal(file_open(&file, &facts, path, text_of("/outside"), false), FILE_OUTSIDE);
	assert_int_equal(file_open(&file, &facts, at("gone"), text_of("/plain.txt"), false), FILE_FAILED);
	assert_int_equal(file_open(&file, &facts, at("canary"), text_of("/plain.txt"), false), FILE_FAILED);
}

/* What may not be read is not there; what can't be opened for want of descriptors is our failure. */
static void test_errors(void **state)
{
	struct file file;
	struct rlimit old, now;
	int highest = dup(0);
	(void)state;

	close(highest);
	getrlimit(RLIMIT_NOFILE, &old);
	for (int left = 0; left < 2; left++) {
		now = old;
		now.rlim_cur = (rlim_t)(highest + left);
		setrlimit(RLIMIT_NOFILE, &now);
		int error = open_plain(&file, text_of("/plain.txt"));
		setrlimit(RLIMIT_NOFILE, &old);
		assert_int_equal(error, FILE_FAILED);
	}
	put("root/secret", "CANARY");
	chmod(at("root/secret"), 0);
	chmod(base, 0755);
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	int error = open_plain(&file, text_of("/secret"));
	assert_int_equal(seteuid(getuid()), 0);
	assert_int_equal(error, FILE_NONE);
}

/* A file that grows is sent as long as it was; one that is replaced or deleted goes on. */
static void test_changes(void **state)
{
	struct file file;
	(void)state;

	put("root/grows", "0123456789");
	assert_int_equal(open_plain(&file, text_of("/grows")), 0);
	put("root/grows.new", "new");
	assert_int_equal(move("root/grows.new", "root/grows", rename), 0);
	holds(&file, "0123456789");
	assert_int_equal(open_plain(&file, text_of("/grows")), 0);
	put("root/grows", "new and longer");
	assert_int_equal(file.end, 3);
	assert_int_equal(unlink(at("root/grows")), 0);
	file_close(&file);
}

/* The bytes come in order, whatever the size of a read, from where it begins to where it ends. */
static void test_read(void **state)
{
	struct file file;
	char got[64];
	size_t n_got = 0;
	long n;
	(void)state;

	put("root/read", "0123456789");
	assert_int_equal(open_plain(&file, text_of("/read")), 0);
	file.at = 1;
	file.end = 9;
	while ((n = file_read(&file, got + n_got, 3)) > 0) {
		assert_in_range(n, 1, 3);
		n_got += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(n_got, 8);
	assert_memory_equal(got, "12345678", 8);
	file_close(&file);
}

/* A file that becomes shorter while it is sent is an error, not a shorter or padded body. */
static void test_truncated(void **state)
{
	struct file file;
	char got[64];
	(void)state;

	put("root/shrinks", "0123456789");
	assert_int_equal(open_plain(&file, text_of("/shrinks")), 0);
	assert_int_equal(file_read(&file, got, 4), 4);
	assert_int_equal(truncate(at("root/shrinks"), 6), 0);
	assert_int_equal(file_read(&file, got, 64), 2);
	assert_int_equal(file_read(&file, got, 64), -1);
	file_close(&file);
}

/* More than 4 GiB (of nothing). */
static void test_large(void **state)
{
	struct file file;
	struct file_facts facts;
	(void)state;

	put("root/large", "");
	assert_int_equal(truncate(at("root/large"), 5L << 30), 0);
	assert_int_equal(file_open(&file, &facts, root, text_of("/large"), false), 0);
	assert_true(file.end == 5ULL << 30);
	assert_true(facts.len == 5ULL << 30);
	file.at = file.end - 10;
	char got[64];
	assert_int_equal(file_read(&file, got, 64), 10);
	assert_int_equal(file_read(&file, got, 64), 0);
	file_close(&file);
}

/* Types go by the last ending, whatever its case; text has a charset. */
static void test_types(void **state)
{
	static const struct {
		const char *name, *type;
	} types[] = {
		{ "a.js", "text/javascript; charset=utf-8" },
		{ "a.MJS", "text/javascript; charset=utf-8" },
		{ "a.csv", "text/csv; charset=utf-8" },
		{ "a.json", "application/json" },
		{ "a.webmanifest", "application/manifest+json" },
		{ "a.avif", "image/avif" },
		{ "a.ttf", "font/ttf" },
		{ "a.otf", "font/otf" },
		{ "a.woff2", "font/woff2" },
		{ "a.webm", "video/webm" },
		{ "a.ogg", "audio/ogg" },
		{ "a.wasm", "application/wasm" },
		{ "a.gz", "application/gzip" },
		{ "a.html.gz", "application/gzip" },
		{ "a.gz.html", "text/html; charset=utf-8" },
		{ "a.htmlx", "application/octet-stream" },
		{ "ahtml", "application/octet-stream" },
		{ "a.", "application/octet-stream" },
		{ "html", "application/octet-stream" },
	};
	char path[64];
	(void)state;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		snprintf(path, sizeof(path), "root/%s", types[i].name);
		put(path, "x");
		serves(path + 4, "x", types[i].type);
		assert_int_equal(unlink(at(path)), 0);
	}
}

/* Sets a file's time of modification. */
static void set_time(const char *path, time_t sec, long nsec)
{
	struct timespec times[2] = { { sec, nsec }, { sec, nsec } };
	assert_int_equal(utimensat(AT_FDCWD, at(path), times, 0), 0);
}

/* Opens with its gzip form allowed. */
static struct file_facts opens(const char *path, const char *content)
{
	struct file file;
	struct file_facts facts;
	assert_int_equal(file_open(&file, &facts, root, text_of(path), true), 0);
	holds(&file, content);
	return facts;
}

/* The gzip form is taken when it is wanted, there, a file, inside, and not older, which is in seconds. */
static void test_gzip(void **state)
{
	struct file file;
	struct file_facts facts;
	(void)state;

	put("root/z.css", "plain");
	assert_false(opens("/z.css", "plain").gzip);
	put("root/z.css.gz", "packed");
	set_time("root/z.css", 1000, 999999999);
	set_time("root/z.css.gz", 1001, 0);
	facts = opens("/z.css", "packed");
	assert_true(facts.gzip);
	assert_int_equal(facts.len, 6);
	assert_int_equal(facts.modified, 1001);
	assert_string_equal(facts.type, "text/css; charset=utf-8");
	serves("/z.css", "plain", "text/css; charset=utf-8");
	serves("/z.css.gz", "packed", "application/gzip");
	set_time("root/z.css.gz", 1000, 0);
	assert_true(opens("/z.css", "packed").gzip);
	set_time("root/z.css.gz", 999, 999999999);
	assert_false(opens("/z.css", "plain").gzip);

	put("root/sub/index.html.gz", "packed index");
	assert_true(opens("/sub/", "packed index").gzip);
	assert_int_equal(unlink(at("root/sub/index.html.gz")), 0);

	/* Alone it is nothing but itself. */
	assert_int_equal(unlink(at("root/z.css")), 0);
	assert_int_equal(file_open(&file, &facts, root, text_of("/z.css"), true), FILE_NONE);
}

/* What may not be sent may not be sent as a gzip form either. */
static void test_gzip_elsewhere(void **state)
{
	static const char *const targets[] = { "../canary", "/etc/passwd", "nowhere", "up/canary", "sub" };
	(void)state;

	put("root/y.css", "plain");
	set_time("root/y.css", 1000, 0); /* nothing is refused for its age */
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		link_to(targets[i], "root/y.css.gz");
		assert_false(opens("/y.css", "plain").gzip);
		assert_int_equal(unlink(at("root/y.css.gz")), 0);
	}
	assert_int_equal(mkfifo(at("root/y.css.gz"), 0644), 0);
	assert_false(opens("/y.css", "plain").gzip);
	assert_int_equal(unlink(at("root/y.css.gz")), 0);
	link_to("plain.txt", "root/y.css.gz");
	assert_true(opens("/y.css", "plain").gzip);
	assert_int_equal(unlink(at("root/y.css.gz")), 0);
}

/* The tag stays while the file does, and is another one for each thing that may change of it; a nanosecond,
 * a byte, another inode, other bytes with the time set back. */
static void test_etag(void **state)
{
	char tags[6][FILE_ETAG_SIZE];
	struct file_facts facts;
	(void)state;

	put("root/tag", "12345");
	set_time("root/tag", 1000, 5);
	facts = opens("/tag", "12345");
	strcpy(tags[0], facts.etag);
	facts = opens("/tag", "12345");
	assert_string_equal(facts.etag, tags[0]);
	set_time("root/tag", 1000, 6);
	strcpy(tags[1], opens("/tag", "12345").etag);
	put("root/tag", "123456");
	set_time("root/tag", 1000, 6);
	strcpy(tags[2], opens("/tag", "123456").etag);
	put("root/tag.new", "654321");
	set_time("root/tag.new", 1000, 6);
	assert_int_equal(move("root/tag.new", "root/tag", rename), 0);
	strcpy(tags[3], opens("/tag", "654321").etag);
	assert_int_equal(move("root/tag", "root/tag.gz", link), 0);
	strcpy(tags[4], opens("/tag", "654321").etag);
	assert_int_equal(unlink(at("root/tag.gz")), 0);
	/* The clock of a file system ticks: until it has, the same length and time are the same tag. */
	do {
		put("root/tag", "654320");
		set_time("root/tag", 1000, 6);
		strcpy(tags[5], opens("/tag", "654320").etag);
	} while (strcmp(tags[5], tags[3]) == 0);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(tags[i][0], '"');
		assert_int_equal(tags[i][strlen(tags[i]) - 1], '"');
		assert_int_equal(strspn(tags[i] + 1, "0123456789abcdef-gz"), strlen(tags[i]) - 2);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(tags[i], tags[k]);
	}
}

/* Times before 1970 and far ahead have a tag that fits. */
static void test_odd_times(void **state)
{
	struct file_facts facts;
	(void)state;

	put("root/old", "x");
	set_time("root/old", -100, 1);
	facts = opens("/old", "x");
	assert_in_range(strlen(facts.etag), 5, FILE_ETAG_SIZE - 2);
	assert_true(facts.modified == -100);
	set_time("root/old", 4102444800, 999999999);
	facts = opens("/old", "x");
	assert_true(facts.modified == 4102444800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_links_inside),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_index_is_directory),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_gzip_elsewhere),
		cmocka_unit_test(test_etag),
		cmocka_unit_test(test_odd_times),
	};
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
