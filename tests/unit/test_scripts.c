/*
 * Tests of directories of programs: which file a path leads to, and that nothing else is ever found.
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
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gate/scripts.h"

/* BASE/bin is the directory of the programs, BASE/outside is not. */
static char base[64], bin[80];

/* A path below the base; in a buffer of its own until the fourth call from now. */
static const char *at(const char *path)
{
	static char texts[4][PATH_MAX];
	static unsigned next;
	char *text = texts[next++ % 4];
	snprintf(text, PATH_MAX, "%s/%s", base, path);
	return text;
}

static void put(const char *path, mode_t mode)
{
	int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void directory(const char *path)
{
	assert_int_equal(mkdir(at(path), 0755), 0);
}

static void link_to(const char *target, const char *path)
{
	assert_int_equal(symlink(target, at(path)), 0);
}

/* The path leads to this program and this PATH_INFO. */
static void leads(const char *path, const char *entry, const char *info)
{
	struct text text = text_of(path), found = { 0 };
	assert_int_equal(scripts_find(bin, text, &found), 0);
	assert_true(text_is(found, entry));
	assert_true(text_is(text_slice(text, 1 + found.len), info));
}

/* The path leads nowhere, or to what is no program. */
static void leads_nowhere(const char *path)
{
	struct text found = { 0 };
	int error = scripts_find(bin, text_of(path), &found);
	assert_true(error == SCRIPTS_NONE || error == SCRIPTS_NOT_EXECUTABLE);
}

/* The path leads to a file that nobody may run. */
static void leads_to_no_program(const char *path)
{
	struct text found = { 0 };
	assert_int_equal(scripts_find(bin, text_of(path), &found), SCRIPTS_NOT_EXECUTABLE);
}

static int make_place(void **state)
{
	(void)state;
	strcpy(base, "/tmp/wsluice-XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(bin, sizeof(bin), "%s/bin", base);
	directory("bin");
	directory("bin/sub");
	directory("bin/sub/deep");
	directory("bin/.hidden");
	directory("bin/empty");
	directory("outside");
	directory("binary"); /* begins like bin */
	put("bin/count.sh", 0755);
	put("bin/sub/tail", 0755);
	put("bin/sub/deep/er.py", 0755);
	put("bin/a b", 0755);
	put("bin/caf\xc3\xa9", 0755);
	put("bin/...", 0755);
	put("bin/.dot", 0755);
	put("bin/.hidden/x", 0755);
	put("bin/sub/.dot", 0755);
	put("bin/back\\slash", 0755);
	put("bin/latin\xe9", 0755);
	put("bin/text", 0644);
	put("outside/canary", 0755);
	put("binary/canary", 0755);
	return 0;
}

static int remove_place(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

/* Directories are descended until there is a file; the rest is for the program. */
static void test_found(void **state)
{
	(void)state;
	leads("/count.sh", "count.sh", "");
	leads("/count.sh/", "count.sh", "/");
	leads("/count.sh/a/b", "count.sh", "/a/b");
	leads("/count.sh//a", "count.sh", "//a");
	leads("/count.sh/.dot/a\\b/\xff", "count.sh", "/.dot/a\\b/\xff");
	leads("/count.sh/..a/b..", "count.sh", "/..a/b..");
	leads("/count.sh/count.sh", "count.sh", "/count.sh");
	leads("/sub/tail", "sub/tail", "");
	leads("/sub/tail/tail", "sub/tail", "/tail");
	leads("/sub/deep/er.py/x", "sub/deep/er.py", "/x");
	leads("/a b", "a b", "");
	leads("/caf\xc3\xa9/\xc3\xa9", "caf\xc3\xa9", "/\xc3\xa9");
}

/* What is not there, is no program, or has a name that is not looked for. */
static void test_not_found(void **state)
{
	static const char *const paths[] = { "", "/", "//", "/nothing", "/nothing/count.sh", "/sub", "/sub/",
		"/sub//tail", "//count.sh", "/sub/deep", "/empty/", "/empty/x", "/text", "/text/x", "/.dot",
		"/.hidden/x", "/sub/.dot", "/...", "/.", "/./count.sh", "/sub/./tail", "/back\\slash",
		"/latin\xe9", "count.sh", "/count.shx", "/COUNT.SH", "/count.sh ", "/sub/tai", "/dev/null" };
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		leads_nowhere(paths[i]);
}

/* Upwards is refused wherever it stands. */
static void test_upwards(void **state)
{
	static const char *const paths[] = { "/..", "/../", "/../outside/canary", "/../bin/count.sh",
		"/sub/../count.sh", "/sub/../../outside/canary", "/count.sh/..", "/count.sh/../count.sh",
		"/count.sh/a/../../b", "/sub/tail/..", "/sub/..", "/..\\outside\\canary", "/../binary/canary",
		"/....//outside/canary", "/sub/deep/../../../outside/canary" };
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		leads_nowhere(paths[i]);
}

/* A NUL ends no name. */
static void test_nul(void **state)
{
	static const char with[] = "/count.sh\0x";
	struct text found;
	(void)state;
	assert_int_equal(scripts_find(bin, (struct text){ with, sizeof(with) - 1 }, &found), SCRIPTS_NONE);
	assert_int_equal(scripts_find(bin, (struct text){ with, 10 }, &found), SCRIPTS_NONE);
	assert_int_equal(scripts_find(bin, (struct text){ with, 9 }, &found), 0);
}

/* A name of 254 and of 255 bytes is one, of 256 none; a path of any length has an answer. */
static void test_long(void **state)
{
	static char name[NAME_MAX + 16], path[8192];
	(void)state;

	for (size_t len = NAME_MAX - 1; len <= NAME_MAX + 1; len++) {
		memset(name, 'n', len);
		name[len] = '\0';
		snprintf(path, sizeof(path), "bin/%s", name);
		if (len <= NAME_MAX)
			put(path, 0755);
		snprintf(path, sizeof(path), "/%s", name);
		if (len <= NAME_MAX)
			leads(path, name, "");
		else
			leads_nowhere(path);
	}
	for (size_t i = 0; i + 1 < sizeof(path); i += 2)
		memcpy(path + i, "/s", 2);
	path[sizeof(path) - 1] = '\0';
	leads_nowhere(path);
	memset(path, 's', sizeof(path) - 1);
	path[0] = '/';
	leads_nowhere(path);
	memcpy(path, "/count.sh/", 10);
	leads(path, "count.sh", path + 9);
	/* A loop of directories ends where the kernel stops following links. */
	link_to(".", "bin/self");
	for (size_t i = 0; i + 5 < sizeof(path); i += 5)
		memcpy(path + i, "/self", 6);
	leads_nowhere(path);
	leads("/self/self/count.sh", "self/self/count.sh", "");
	assert_int_equal(unlink(at("bin/self")), 0);
}

/* Whoever may run it: its owner, group or others; what nobody may is none. */
static void test_modes(void **state)
{
	static const struct {
		mode_t mode;
		bool program;
	} modes[] = { { 0755, true }, { 0700, true }, { 0010, true }, { 0001, true }, { 0100, true },
		{ 0644, false }, { 0666, false }, { 0, false }, { 04644, false } };
	(void)state;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		put("bin/mode", modes[i].mode);
		if (modes[i].program)
			leads("/mode", "mode", "");
		else
			leads_to_no_program("/mode");
		assert_int_equal(unlink(at("bin/mode")), 0);
	}
}

/* Links are followed inside, however they are written, and never out; hidden names can be linked to. */
static void test_links(void **state)
{
	static const char *const inside[] = { "count.sh", "sub/tail", "sub/../count.sh", "../bin/count.sh",
		".dot", "sub/deep/../../count.sh" };
	static const char *const outside[] = { "../outside/canary", "/bin/sh", "../binary/canary", "nowhere",
		"link", "/proc/self/exe", "/dev/null", "text", "..", "/" };
	(void)state;

	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		link_to(inside[i], "bin/link");
		/* Through the name of the directory itself is out of it and in again. */
		leads("/link/x", "link", "/x");
		assert_int_equal(unlink(at("bin/link")), 0);
	}
	link_to(at("bin/sub/tail"), "bin/link");
	leads("/link", "link", "");
	assert_int_equal(unlink(at("bin/link")), 0);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		link_to(outside[i], "bin/link");
		leads_nowhere("/link");
		leads_nowhere("/link/canary");
		leads_nowhere("/link/outside/canary");
		assert_int_equal(unlink(at("bin/link")), 0);
	}
	link_to("sub", "bin/link");
	leads("/link/tail/x", "link/tail", "/x");
	leads("/link/deep/er.py", "link/deep/er.py", "");
	assert_int_equal(unlink(at("bin/link")), 0);
}

/* A FIFO, a socket and a device are no programs, whatever their mode, and are not waited for. */
static void test_special(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)state;

	assert_int_equal(mkfifo(at("bin/fifo"), 0777), 0);
	leads_nowhere("/fifo");
	leads_nowhere("/fifo/x");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sock", bin);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(chmod(addr.sun_path, 0777), 0);
	leads_nowhere("/sock");
	close(fd);
	unlink(at("bin/fifo"));
	unlink(at("bin/sock"));
}

/* The directory itself: replaced is another, a link is as good, gone is our failure. */
static void test_root(void **state)
{
	struct text found;
	(void)state;

	link_to("bin", "alias");
	assert_int_equal(scripts_find(at("alias"), text_of("/sub/tail"), &found), 0);
	assert_int_equal(unlink(at("alias")), 0);
	assert_int_equal(scripts_find(at("alias"), text_of("/sub/tail"), &found), SCRIPTS_FAILED);
	assert_int_equal(scripts_find(at("bin/count.sh"), text_of("/x"), &found), SCRIPTS_FAILED);
	assert_int_equal(scripts_find("/", text_of("/etc/../bin/sh"), &found), SCRIPTS_NONE);
	assert_int_equal(scripts_find("/", text_of("/bin/sh/x"), &found), 0); /* through links */
	assert_true(text_is(found, "bin/sh"));
}

/* Without a descriptor left it says so, and none stays open. */
static void test_descriptors(void **state)
{
	struct rlimit was, few;
	struct text found;
	int next = dup(0);
	(void)state;

	leads("/sub/deep/er.py", "sub/deep/er.py", "");
	leads_nowhere("/sub/deep/nothing");
	int again = dup(0);
	assert_int_equal(again, next + 1);
	close(again);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	for (rlim_t room = 0; room < 3; room++) {
		few = (struct rlimit){ .rlim_cur = (rlim_t)again + room, .rlim_max = was.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		int got = scripts_find(bin, text_of("/sub/tail"), &found);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
		assert_int_equal(got, room < 2 ? SCRIPTS_FAILED : 0);
	}
	close(next);
}

static atomic_bool swapping;

/* Makes a directory a link to the outside and back, as fast as it can. */
static void *swap(void *arg)
{
	char here[PATH_MAX], real[PATH_MAX], trap[PATH_MAX];
	(void)arg;
	snprintf(here, sizeof(here), "%s/swap", bin);
	snprintf(real, sizeof(real), "%s/real", base);
	snprintf(trap, sizeof(trap), "%s/trap", base);
	while (atomic_load(&swapping)) {
		if (renameat2(AT_FDCWD, here, AT_FDCWD, trap, RENAME_EXCHANGE) != 0)
			abort();
	}
	return NULL;
}

/* While a directory is swapped for a link out of there, the canary behind the link is never found. */
static void test_swapped(void **state)
{
	struct text found;
	pthread_t thread;
	(void)state;

	directory("bin/swap");
	put("bin/swap/inner", 0755);
	link_to("../outside", "trap");
	atomic_store(&swapping, true);
	assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
	int inner = 0, none = 0;
	for (int i = 0; i < 20000 || ((inner == 0 || none == 0) && i < 2000000); i++) {
		assert_int_equal(scripts_find(bin, text_of("/swap/canary"), &found), SCRIPTS_NONE);
		if (scripts_find(bin, text_of("/swap/inner"), &found) == 0)
			inner++;
		else
			none++;
	}
	atomic_store(&swapping, false);
	pthread_join(thread, NULL);
	assert_true(inner > 0 && none > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_upwards),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_special),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_swapped),
	};
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
