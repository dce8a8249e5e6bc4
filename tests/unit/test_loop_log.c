/*
 * test_loop_log: what libevent says is a line of our log, also when it is the last thing that it says.
 */
#include "net/loop.h"

#include <event2/event_struct.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Everything in a file. */
static const char *read_all(FILE *file)
{
	static char text[4096];

	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	return text;
}

/* Has libevent warn: of no event can both be asked for. */
static void provoke_warning(void)
{
	struct event_base *base = event_base_new();
	struct event event;

	assert_non_null(base);
	assert_int_equal(event_assign(&event, base, 0, EV_SIGNAL | EV_READ, NULL, NULL), -1);
	event_base_free(base);
}

static void test_warning(void **state)
{
	static const char line[] = "level=warning msg=libevent message=\"event_assign: EV_SIGNAL is not ";
	FILE *file = tmpfile();
	struct log *log = log_new(fileno(file), LOG_WARNING, LOG_FORMAT_LOGFMT, 4096);
	const char *text, *found;

	(void)state;
	loop_log_to(log);
	provoke_warning();
	log_set_level(log, LOG_ERROR);
	provoke_warning();
	loop_log_to(NULL);
	text = read_all(file);
	found = strstr(text, line);
	assert_non_null(found);
	assert_null(strstr(found + 1, line));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	log_free(log, 0);
	fclose(file);
}

/* Has libevent end the process: this is too late for it. */
static void die(int fd)
{
	struct log *log = log_new(fd, LOG_WARNING, LOG_FORMAT_LOGFMT, 4096);

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if (log == NULL || log_start(log) != 0)
		_exit(3);
	loop_log_to(log);
	if (event_base_new() != NULL)
		event_enable_debug_mode();
	_exit(2);
}

static void test_fatal(void **state)
{
	FILE *file = tmpfile();
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		die(fileno(file));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1); /* the status that libevent gives */
	assert_non_null(strstr(
		read_all(file), "level=error msg=libevent message=\"event_enable_debug_mode must be "));
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warning),
		cmocka_unit_test(test_fatal),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
