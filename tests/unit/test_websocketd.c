/*
 * Tests of the command line under the name websocketd: defaults, exit statuses, levels of the log, what is
 * printed where.
 */
#include "test_cli.h"

#include <unistd.h>

/* What a bare command means. */
static void test_websocketd(void **state)
{
	struct run run;
	const struct config *config;
	const struct route_conf *route;

	(void)state;
	program = "/usr/bin/websocketd";
	run = GOOD("cat");
	config = run.cli.config;
	route = &config->routes[0];
	assert_ptr_equal(config->manners, &manners_websocketd);
	assert_int_equal(config->log_websocketd, LOG_WEBSOCKETD_ACCESS);
	assert_int_equal(config->gateway.log_level, LOG_INFO);
	assert_int_equal(config->gateway.max_processes, 1024);
	assert_false(config->reverse_lookup);
	assert_int_equal(config->listens[0].address.n, 1);
	assert_string_equal(config->listens[0].address.items[0], "*:80");
	assert_false(route->console);
	assert_int_equal(route->origins.n, 1);
	assert_string_equal(route->origins.items[0], "any");
	assert_int_equal(route->max_message, 1048576);
	assert_int_equal(route->pass_env.n, 2);
	assert_string_equal(route->pass_env.items[1], "LD_LIBRARY_PATH");
	run_done(&run);
	program = "wsluice";
}

/* ... and what others change of that. */
static void test_websocketd_options(void **state)
{
	struct run run;

	(void)state;
	program = "./websocketd";
	check_addresses(GOOD("--port=0", "cat"), "*:80");
	check_addresses(GOOD("--port=81", "cat"), "*:81");
	check_addresses(GOOD(SSL, "cat"), "*:443");
	check_addresses(GOOD(SSL, "--address=::1", "--address=h", "cat"), "[::1]:443 h:443");
	check_addresses(GOOD("--unixsocket=/x", "cat"), "unix:/x");
	check_addresses(GOOD("--unixsocket=/x", "--port=0", "--redirport=0", "cat"), "unix:/x");
	check_addresses(GOOD("--unixsocket=/x", "--port=1", "cat"), "*:1 unix:/x");
	check_addresses(GOOD("--unixsocket=/x", "--address=h", "cat"), "h:80 unix:/x");
	check_addresses(GOOD("--unixsocket=/x", "--redirport=1", "cat"), "*:80 unix:/x");
	check_redirect(GOOD("--redirport=81", "cat"), "*:81", "http://*");
	check_redirect(GOOD(SSL, "--redirport=80", "cat"), "*:80", "https://*");

	run = GOOD("--devconsole", "--sameorigin", "--maxframesize=0", "--passenv=A", "--maxforks=-7",
		"--set=ping_interval=7s", "cat");
	assert_true(run.cli.config->routes[0].console);
	assert_string_equal(run.cli.config->routes[0].origins.items[0], "same");
	assert_int_equal(run.cli.config->routes[0].max_message, 0);
	assert_int_equal(run.cli.config->routes[0].pass_env.n, 1);
	assert_int_equal(run.cli.config->gateway.max_processes, 10000000);
	assert_int_equal(run.cli.config->routes[0].ping_interval_ms, 7000);
	run_done(&run);
	run = GOOD("--origin=a", "--devconsole=false", "--staticdir=/tmp", "cat");
	assert_int_equal(run.cli.config->routes[0].origins.n, 1);
	assert_string_equal(run.cli.config->routes[0].origins.items[0], "a");
	assert_false(run.cli.config->routes[0].console);
	assert_false(run.cli.config->same_origin);
	run_done(&run);
	run = GOOD("--sameorigin", "--origin=a", "cat");
	assert_int_equal(run.cli.config->routes[0].origins.n, 1);
	assert_true(run.cli.config->same_origin);
	run_done(&run);
	run = GOOD("--devconsole=false", "--cgidir=/tmp", "--staticdir=/usr");
	assert_string_equal(run.cli.config->routes[0].cgi_dir, "/tmp");
	assert_int_equal(run.cli.config->routes[0].exec.n, 0);
	assert_false(run.cli.config->routes[0].console);
	run_done(&run);
	run = GOOD("--sameorigin=false", "cat");
	assert_string_equal(run.cli.config->routes[0].origins.items[0], "any");
	run_done(&run);
	program = "wsluice";
}

/* Its levels, in their own order, and where the log is ours again. */
static void test_websocketd_log(void **state)
{
	static const struct {
		const char *option;
		enum log_websocketd least;
		enum log_level level;
	} cases[] = {
		{ "--loglevel=debug", LOG_WEBSOCKETD_DEBUG, LOG_TRACE },
		{ "--loglevel=trace", LOG_WEBSOCKETD_TRACE, LOG_DEBUG },
		{ "--loglevel=access", LOG_WEBSOCKETD_ACCESS, LOG_INFO },
		{ "--loglevel=info", LOG_WEBSOCKETD_INFO, LOG_INFO },
		{ "--loglevel=error", LOG_WEBSOCKETD_ERROR, LOG_INFO },
		{ "--loglevel=fatal", LOG_WEBSOCKETD_FATAL, LOG_ERROR },
		{ "--loglevel=none", LOG_WEBSOCKETD_NONE, LOG_ERROR },
		{ "--set=log_level=debug", LOG_WEBSOCKETD_ACCESS, LOG_DEBUG },
		{ "--set=log_format=text", LOG_WEBSOCKETD_OFF, LOG_INFO },
		{ "--set=log_target=stderr", LOG_WEBSOCKETD_OFF, LOG_INFO },
	};

	(void)state;
	program = "websocketd";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run run = GOOD(cases[i].option, "cat");

		assert_int_equal(run.cli.config->log_websocketd, cases[i].least);
		assert_int_equal(run.cli.config->gateway.log_level, cases[i].level);
		run_done(&run);
	}
	program = "wsluice";
}

/* Its exit statuses. */
static void test_websocketd_mistakes(void **state)
{
	(void)state;
	program = "websocketd";
	BAD(2, "websocketd: unknown option --prot; did you mean --port?\n", "--prot=1", "cat");
	BAD(2, "websocketd: --port: must be a port from 0 to 65535, not \"http\"\n", "--port=http", "cat");
	BAD(2, "websocketd: --ssl: must be true or false, not \"x\"\n", "--ssl=x", "cat");
	BAD(2, "websocketd: --maxforks: must be a number up to 10000000, not \"x\"\n", "--maxforks=x", "cat");
	BAD(2, "websocketd: --address: needs a value: --address=HOST[:PORT]\n", "--address");
	BAD(1,
		"websocketd: --loglevel: must be debug, trace, access, info, error, fatal or none, not "
		"\"warning\"\n",
		"--loglevel=warning", "cat");
	BAD(1, "websocketd: --maxframesize: must be 0 (no limit) or more, not \"-1\"\n", "--maxframesize=-1",
		"cat");
	BAD(1,
		"websocketd: nothing to serve: give a COMMAND, --dir=DIR, --staticdir=DIR or --cgidir=DIR "
		"(see --help)\n",
		NULL);
	BAD(1, "websocketd: give a COMMAND or --dir=DIR, not both\n", "--dir=/tmp", "cat");
	BAD(1, "websocketd: give --binary or --passstderr, not both: what is tagged are lines\n", "--binary",
		"--passstderr", "cat");
	BAD(1, "websocketd: exec: no-such-command: command not found\n", "no-such-command");
	BAD(1, "websocketd: --dir: /no/such: No such file or directory\n", "--dir=/no/such");
	BAD(1, "websocketd: --staticdir: /no/such: No such file or directory\n", "--staticdir=/no/such");
	BAD(1, "websocketd: --ssl: needs --sslcert=FILE and --sslkey=FILE\n", "--ssl", "cat");
	BAD(3, "websocketd: --sslca: /no/such: No such file or directory\n", "--ssl", "--sslcert=/etc/passwd",
		"--sslkey=/etc/group", "--sslca=/no/such", "cat");
	BAD(1, "websocketd: exec: no-such-command: command not found\n", "--ssl", "--sslcert=/etc/passwd",
		"--sslkey=/etc/group", "no-such-command");
	BAD(3, "websocketd: --set tls_certificate: /no/such: No such file or directory\n", "--ssl",
		"--set=tls_certificate=/no/such", "--sslkey=/etc/group", "cat");
	BAD(1, "websocketd: --sslcert: needs --ssl\n", "--sslcert=/etc/passwd", "cat");
	BAD(3, "websocketd: --sslkey: /no/such: No such file or directory\n", "--ssl",
		"--sslcert=/etc/passwd", "--sslkey=/no/such", "cat");
	BAD(4, "websocketd: give --devconsole or --staticdir, not both\n", "--devconsole", "--staticdir=/tmp",
		"cat");
	BAD(4, "websocketd: give --devconsole or --cgidir, not both\n", "--devconsole", "--cgidir=/tmp",
		"cat");
	BAD(1, "websocketd: --cgidir: /no/such: No such file or directory\n", "--cgidir=/no/such");
	program = "wsluice";
}

/* Under that name --help goes to stderr, and the rest to stdout; a file says itself what it is. */
static void test_websocketd_prints(void **state)
{
	struct run run;
	struct run file;
	char path[] = "/tmp/wsluice-cli-XXXXXX", option[64];
	int fd = mkstemp(path);

	(void)state;
	program = "/opt/websocketd";
	run = RUN("--help");
	assert_int_equal(run.cli.status, 0);
	assert_string_equal(run.out, "");
	assert_non_null(strstr(run.err, "TCP port, 80 by default"));
	assert_null(strstr(run.err, "8080"));
	run_done(&run);
	run = RUN("--version");
	assert_int_equal(run.cli.status, 0);
	assert_string_equal(run.err, "");
	assert_int_equal(strncmp(run.out, "websocketd ", 11), 0);
	assert_non_null(strstr(run.out, " (wsluice linux-"));
	assert_non_null(strstr(run.out, ") --\n"));
	run_done(&run);
	run = RUN("--license");
	assert_int_equal(strncmp(run.out, "websocketd ", 11), 0);
	assert_non_null(strstr(run.out, "\nBSD 2-Clause License\n"));
	run_done(&run);

	assert_int_equal(write(fd, ROUTE_X, strlen(ROUTE_X)), (ssize_t)strlen(ROUTE_X));
	close(fd);
	snprintf(option, sizeof(option), "--config=%s", path);
	file = GOOD(option);
	assert_ptr_equal(file.cli.config->manners, &manners_own);
	assert_string_equal(file.cli.config->listens[0].address.items[0], "127.0.0.1:8080");
	run_done(&file);
	unlink(path);
	program = "wsluice";
	run = RUN("--version");
	assert_int_equal(strncmp(run.out, "wsluice ", 8), 0);
	run_done(&run);
}

/* --dump says which options no key has, so that nobody takes what it prints for the same. */
static void test_websocketd_dump(void **state)
{
	static const char name[] = "# The name websocketd has no key: ",
			  same[] = "# --sameorigin has no key ", lookup[] = "# --reverselookup has no key: ";
	struct run run;

	(void)state;
	program = "websocketd";
	run = RUN("--sameorigin", "--origin=a.example", "--reverselookup", "--dump", "cat");
	assert_int_equal(run.cli.status, 0);
	assert_non_null(strstr(run.out, name));
	assert_non_null(strstr(run.out, same));
	assert_non_null(strstr(run.out, lookup));
	config_unref(conf_good(run.out));
	run_done(&run);
	run = RUN("--sameorigin", "--dump", "cat");
	assert_non_null(strstr(run.out, name));
	assert_null(strstr(run.out, same));
	assert_null(strstr(run.out, lookup));
	run_done(&run);
	program = "wsluice";
	run = RUN("--reverselookup", "--dump", "cat");
	assert_int_equal(strncmp(run.out, lookup, strlen(lookup)), 0);
	assert_null(strstr(run.out, name));
	run_done(&run);
	run = RUN("--dump", "cat");
	assert_int_equal(strncmp(run.out, "[gateway]\n", 10), 0);
	run_done(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_websocketd),
		cmocka_unit_test(test_websocketd_options),
		cmocka_unit_test(test_websocketd_log),
		cmocka_unit_test(test_websocketd_mistakes),
		cmocka_unit_test(test_websocketd_prints),
		cmocka_unit_test(test_websocketd_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
