/*
 * Tests of the command line: each option, the forms, what is printed where, and the exit statuses.
 */
#include "test_cli.h"

#include <unistd.h>

/* What a bare command means. */
static void test_command(void **state)
{
	struct run run = GOOD("cat", "-n", "--port=1");
	const struct config *config = run.cli.config;
	const struct route_conf *route = &config->routes[0];

	(void)state;
	assert_int_equal(config->n_listens, 1);
	assert_string_equal(config->listens[0].name, "default");
	assert_int_equal(config->listens[0].address.n, 1);
	assert_string_equal(config->listens[0].address.items[0], "127.0.0.1:8080");
	assert_int_equal(config->n_routes, 1);
	assert_string_equal(route->pattern, "/*");
	assert_true(route->prefix);
	assert_true(route->console);
	assert_int_equal(route->framing, FRAMING_LINES);
	assert_int_equal(route->exec.n, 3);
	assert_string_equal(route->exec.items[2], "--port=1");
	assert_string_equal(route->origins.items[0], "same");
	assert_int_equal(route->ping_interval_ms, 30000);
	run_done(&run);
}

/* The words of a command arrive as they were, whatever is in them. */
static void test_command_words(void **state)
{
	static const char *const words[] = { "--", "sh", "-c", "echo ${HOME} $${x} %d %%; a | b\n\t'\"\\", "",
		" ", "\x7f\x01\xff\xc3\xa9", "$'", NULL };
	struct run run = run_good(words);

	(void)state;
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(run.cli.config->routes[0].exec.items[i], words[i + 1]);
	assert_int_equal(run.cli.config->routes[0].exec.n, 7);
	run_done(&run);
}

static void test_addresses(void **state)
{
	(void)state;
	check_addresses(GOOD("--port=0", "cat"), "127.0.0.1:0");
	check_addresses(GOOD("--port", "65535", "cat"), "127.0.0.1:65535");
	check_addresses(GOOD("-port=9", "cat"), "127.0.0.1:9");
	check_addresses(GOOD("--port=1", "--port=2", "cat"), "127.0.0.1:2");
	check_addresses(GOOD("--address=*", "--address", "h:1", "--port=9", "cat"), "*:9 h:1");
	check_addresses(GOOD("--address=::1", "--address=[::3]", "--address=[::2]:5", "cat"),
		"[::1]:8080 [::3]:8080 [::2]:5");
	check_addresses(GOOD("--unixsocket=/tmp/a b", "cat"), "127.0.0.1:8080 unix:/tmp/a b");
	check_addresses(GOOD("--address=unix:/x", "cat"), "unix:/x");
	check_addresses(GOOD("--set", "address=h:7", "cat"), "h:7");
	check_addresses(
		GOOD("--set", "address=h:7", "--address=i", "--unixsocket=/x", "cat"), "i:8080 h:7 unix:/x");
	BAD(2, "wsluice: --port: must be a port from 0 to 65535, not \"65536\"\n", "--port=65536", "cat");
	BAD(2, "wsluice: --port: must be a port from 0 to 65535, not \"-1\"\n", "--port=-1", "cat");
	BAD(2, "wsluice: --port: must be a port from 0 to 65535, not \"http\"\n", "--port", "http", "cat");
	BAD(2, "wsluice: --address: \"h:x\" has a port that is not a number from 0 to 65535\n",
		"--address=h:x", "cat");
	BAD(2, "wsluice: --address: \"h:x\" has a port that is not a number from 0 to 65535\n", "--port=9",
		"--address=h:x", "cat");
	for (int i = 0; i < 4; i++) {
		static const char *const taken[] = { "--address=h:1", "--address=[::1]:1",
			"--address=unix:/x", "--set=address=h:7" };

		BAD(2, "wsluice: --port: is for an address without a port, and there is none\n", "--port=9",
			taken[i], "cat");
	}
}

/* Options that are keys, by their dump. */
static void test_keys(void **state)
{
	static const struct {
		const char *option, *value, *line;
	} cases[] = {
		{ "--binary", NULL, "\nframing = stream\n" },
		{ "--binary=true", NULL, "\nframing = stream\n" },
		{ "--binary=false", NULL, "\nframing = lines\n" },
		{ "--binary=0", NULL, "\nframing = lines\n" },
		{ "--binary", NULL, "\nmessages =\n" },
		{ "--maxframesize", "1048576", "\nmax_message = 1M\n" },
		{ "--maxframesize", "0", "\nmax_message = 0\n" },
		{ "--pingms", "0", "\nping_interval = 0\nping_timeout = 20s\n" },
		{ "--pingms", "1500", "\nping_interval = 1500ms\nping_timeout = 1500ms\n" },
		{ "--passenv", "A", "\npass_env = A\n" },
		{ "--passenv", "B_1,PATH", "\npass_env = B_1\npass_env = PATH\n" },
		{ "--passenv", "HTTPS,,HOME,", "\npass_env = HOME\n" },
		{ "--passenv", "", "\npass_env = none\n" },
		{ "--passenv=", NULL, "\npass_env = none\n" },
		{ "--passenv", "HTTPS", "\npass_env = none\n" },
		{ "--passstderr", NULL, "\nstderr = tagged\n" },
		{ "--passstderr=false", NULL, "\nstderr = log\n" },
		{ "--maxforks", "1",
			"\nmax_sessions = 10000\nmax_sessions_per_ip = 0\nmax_pending = 512\n"
			"max_processes = 1\n" },
		{ "--maxforks", "10000",
			"\nmax_sessions = 10000\nmax_sessions_per_ip = 0\n"
			"max_pending = 512\nmax_processes = 10000\n" },
		{ "--maxforks", "10001",
			"\nmax_sessions = 10001\nmax_sessions_per_ip = 0\n"
			"max_pending = 512\nmax_processes = 10001\n" },
		{ "--maxforks", "0",
			"\nmax_sessions = 10000000\nmax_sessions_per_ip = 0\n"
			"max_pending = 512\nmax_processes = 10000000\n" },
		{ "--maxforks", "-1", "\nmax_processes = 10000000\n" },
		{ "--maxforks=10000000", NULL, "\nmax_processes = 10000000\n" },
		{ "--closems", "0", "\nstop_grace = 5s\nclosing_wait = 100ms\n" },
		{ "--closems", "2125", "\nstop_grace = 5s\nclosing_wait = 2225ms\n" },
		{ "--closems", "2126", "\nstop_grace = 5002ms\nclosing_wait = 2226ms\n" },
		{ "--header", "A: b=c", "\nheader = A: b=c\n" },
		{ "--header-ws", "A: b", "\nheader_ws = A: b\n" },
		{ "--header-http", "A: b", "\nheader_http = A: b\n" },
		{ "--loglevel", "debug", "\nlog_level = debug\n" },
		{ "--loglevel", "access", "\nlog_level = info\n" },
		{ "--loglevel", "fatal", "\nlog_level = error\n" },
		{ "--subprotocol", "mqtt", "\nsubprotocols = mqtt\n" },
		{ "--staticdir", "/tmp", "\nstatic = /tmp\nconsole = no\n" },
		{ "--cgidir", "/tmp", "\ncgi = /tmp\n" },
		{ "--devconsole", NULL, "\nstatic =\nconsole = yes\n" },
		{ "--devconsole=false", NULL, "\nstatic =\nconsole = no\n" },
		{ "--sameorigin", NULL, "\norigins = same\n" },
		{ "--sameorigin=false", NULL, "\norigins = any\n" },
		{ "--origin", "a.org:80,b.org", "\norigins = a.org:80\norigins = b.org\n" },
		{ "--set", "framing=records", "\nframing = records\n" },
		{ "--set", "buffer=1M", "\nbuffer = 1M\n" },
		{ "--set", "backlog=7", "\nbacklog = 7\n" },
		{ "--set", "workers=2", "\nworkers = 2\n" },
		{ "--set", "gateway.workers=2", "\nworkers = 2\n" },
		{ "--set", "route.buffer=2M", "\nbuffer = 2M\n" },
		{ "--set", "route /*.buffer=2M", "\nbuffer = 2M\n" },
		{ "--set", "listen default.backlog=3", "\nbacklog = 3\n" },
		{ "--set", "defaults.buffer=2M", "\nbuffer = 2M\n" },
		{ "--set", "console=no", "\nconsole = no\n" },
		{ "--set", "header=A: ${HOME}", "\nheader = A: $${HOME}\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run run = cases[i].value ? GOOD(cases[i].option, cases[i].value, "cat")
						: GOOD(cases[i].option, "cat");
		char *dump = conf_dump(run.cli.config);

		if (!strstr(dump, cases[i].line))
			fail_msg("%s: no line \"%s\" in\n%s", cases[i].option, cases[i].line, dump);
		free(dump);
		run_done(&run);
	}
}

/* What comes of several options together. */
static void test_combinations(void **state)
{
	struct run run = GOOD("--header=A: 1", "--set=header=B: 2", "--header", "C: 3", "--binary",
		"--set=framing=records", "--staticdir=/tmp", "--devconsole", "cat");
	const struct route_conf *route = &run.cli.config->routes[0];

	(void)state;
	assert_int_equal(route->header.n, 3);
	assert_string_equal(route->header.items[2].name, "B");
	assert_int_equal(route->framing, FRAMING_RECORDS);
	assert_true(route->console);
	run_done(&run);

	run = GOOD("--connect=tcp://h:1");
	assert_int_equal(run.cli.config->routes[0].framing, FRAMING_STREAM);
	assert_true(run.cli.config->routes[0].console);
	run_done(&run);

	run = GOOD("--staticdir=/tmp");
	assert_false(run.cli.config->routes[0].console);
	run_done(&run);

	run = GOOD("--set", "targets=/etc/passwd");
	assert_string_equal(run.cli.config->routes[0].targets, "/etc/passwd");
	assert_true(run.cli.config->routes[0].is_service);
	run_done(&run);

	run = GOOD("--set", "exec=sh -c 'a b'");
	assert_int_equal(run.cli.config->routes[0].exec.n, 3);
	run_done(&run);

	/* The later one counts, and a --set more than any. */
	run = GOOD("--maxforks=20000", "--maxforks=5", "--passenv=A", "--passenv=B", "--closems=1",
		"--set=closing_wait=3s", "--reverselookup", "--passstderr", "--passstderr=false", "cat");
	route = &run.cli.config->routes[0];
	assert_int_equal(run.cli.config->gateway.max_sessions, 10000);
	assert_int_equal(run.cli.config->gateway.max_processes, 5);
	assert_int_equal(route->pass_env.n, 2);
	assert_int_equal(route->closing_wait_ms, 3000);
	assert_int_equal(route->stderr_to, STDERR_LOG);
	assert_true(run.cli.config->reverse_lookup);
	assert_ptr_equal(run.cli.config->manners, &manners_own);
	assert_int_equal(run.cli.config->log_websocketd, LOG_WEBSOCKETD_OFF);
	run_done(&run);

	run = GOOD("--dir=/tmp", "--reverselookup=false", "--binary");
	route = &run.cli.config->routes[0];
	assert_string_equal(route->dir, "/tmp");
	assert_int_equal(route->exec.n, 0);
	assert_int_equal(route->framing, FRAMING_STREAM);
	assert_true(route->console);
	assert_false(run.cli.config->reverse_lookup);
	run_done(&run);
	run = GOOD("--dir=/tmp", "--staticdir=/tmp");
	assert_int_equal(run.cli.config->routes[0].framing, FRAMING_LINES);
	run_done(&run);

	BAD(2, "wsluice: give a COMMAND or --dir=DIR, not both\n", "--dir=/tmp", "cat");
	BAD(2, "wsluice: give --connect=URI or --dir=DIR, not both\n", "--dir=/tmp", "--connect=tcp://h:1");
	BAD(2, "wsluice: give --binary or --passstderr, not both: what is tagged are lines\n", "--binary",
		"--passstderr", "cat");
	run = GOOD("--binary=false", "--passstderr", "cat");
	run_done(&run);
	BAD(2, "wsluice: --sameorigin and --origin exclude each other (--origin=same adds to a list)\n",
		"--origin=a", "--sameorigin", "cat");
	BAD(2, "wsluice: give a COMMAND or --connect=URI, not both\n", "--connect=tcp://h:1", "cat");
}

static void test_mistakes(void **state)
{
	static const char nothing[] =
		"wsluice: nothing to serve: give a COMMAND, --dir=DIR, --connect=URI or "
		"--config=FILE (see --help)\n";

	(void)state;
	BAD(2, nothing, NULL);
	BAD(2, nothing, "--");
	BAD(2, nothing, "--port=1");
	BAD(2, nothing, "--devconsole");
	BAD(1, "wsluice: exec: no-such-command: command not found\n", "no-such-command");
	BAD(1, "wsluice: exec: ./no-such: No such file or directory\n", "./no-such");
	BAD(1, "wsluice: --staticdir: /no/such: No such file or directory\n", "--staticdir=/no/such");
	BAD(1, "wsluice: exec: -: command not found\n", "-");
	BAD(2, "wsluice: unknown option --prot; did you mean --port?\n", "--prot=1", "cat");
	BAD(2, "wsluice: unknown option --zzzzzzzz\n", "--zzzzzzzz", "cat");
	BAD(2, "wsluice: unknown option --framing, but it is a key: use --set framing=VALUE\n",
		"--framing=lines", "cat");
	BAD(2, "wsluice: unknown option --\n", "--=1", "cat");
	BAD(2, "wsluice: unknown option -p; did you mean --port?\n", "-p", "80", "cat");
	BAD(2, "wsluice: unknown option -prot; did you mean --port?\n", "-prot=1", "cat");
	BAD(2, "wsluice: unknown option -framing, but it is a key: use --set framing=VALUE\n",
		"-framing=lines", "cat");
	BAD(2, "wsluice: --port: needs a value: --port=PORT\n", "--port");
	BAD(2, "wsluice: --header: needs a value: --header=HEADER\n", "--header=", "cat");
	BAD(2, "wsluice: --binary: must be true or false, not \"maybe\"\n", "--binary=maybe", "cat");
	BAD(2, "wsluice: unknown option --maxfork; did you mean --maxforks?\n", "--maxfork=1", "cat");
	BAD(2, "wsluice: unknown option --passevn; did you mean --passenv?\n", "--passevn=A", "cat");
	BAD(2, "wsluice: unknown option --directory, but it is a key: use --set directory=VALUE\n",
		"--directory=/", "cat");
	BAD(2, "wsluice: --dir: needs a value: --dir=DIR\n", "--dir=");
	BAD(1, "wsluice: --dir: /no/such: No such file or directory\n", "--dir=/no/such");
	BAD(1, "wsluice: --dir: /etc/passwd: Not a directory\n", "--dir=/etc/passwd");
	BAD(2,
		"wsluice: --passenv: must be names of variables (LC_* is all that begin so), separated by "
		"spaces, or none, not \"A-B\"\n",
		"--passenv=A-B", "cat");
	BAD(2, "wsluice: --passenv: needs a value: --passenv=VAR[,VAR...]\n", "--passenv");
	BAD(2, "wsluice: --passstderr: must be true or false, not \"2\"\n", "--passstderr=2", "cat");
	BAD(2, "wsluice: --reverselookup: must be true or false, not \"2\"\n", "--reverselookup=2", "cat");
	BAD(2, "wsluice: --maxforks: must be a number up to 10000000, not \"10000001\"\n",
		"--maxforks=10000001", "cat");
	BAD(2, "wsluice: --maxforks: must be a number up to 10000000, not \"-\"\n", "--maxforks=-", "cat");
	BAD(2, "wsluice: --maxframesize: must be 0 (no limit) or more, not \"-1\"\n", "--maxframesize=-1",
		"cat");
	BAD(2, "wsluice: --closems: must be a number of milliseconds, not \"1s\"\n", "--closems=1s", "cat");
	BAD(2, "wsluice: --closems: must be a number of milliseconds, not \"-1\"\n", "--closems=-1", "cat");
	BAD(2, "wsluice: --closems: must be a number of milliseconds, not \"1000000001\"\n",
		"--closems=1000000001", "cat");
	BAD(2, "wsluice: --pingms: must be a number of milliseconds, not \"1s\"\n", "--pingms=1s", "cat");
	BAD(2, "wsluice: --loglevel: must be error, warning, info, debug or trace, not \"x\"\n",
		"--loglevel=x", "cat");
	BAD(2, "wsluice: --connect: \"h:1\" must be tcp://HOST:PORT, tls://HOST:PORT or unix:PATH\n",
		"--connect=h:1");
	BAD(2, "wsluice: --header: must be a header: \"Name: value\", not \"x\"\n", "--header=x", "cat");
	BAD(2, "wsluice: --header: holds a control character\n", "--header=A: b\r\nC: d", "cat");
	BAD(2, "wsluice: --set: needs a value: --set=KEY=VALUE\n", "--set=", "cat");
	BAD(2, "wsluice: --set x: must be KEY=VALUE\n", "--set=x", "cat");
	BAD(2, "wsluice: --set x: unknown key \"x\" in [route /*]\n", "--set=x=1", "cat");
	BAD(2,
		"wsluice: --set auth_realm: unknown key \"auth_realm\" in [route /*]; this version does not "
		"have it yet\n",
		"--set=auth_realm=none", "cat");
	BAD(2,
		"wsluice: --set gateway.admin: unknown key \"admin\" in [gateway]; this version does not "
		"have it yet\n",
		"--set=gateway.admin=unix:/x", "cat");
	BAD(2,
		"wsluice: --set bufer: unknown key \"bufer\" in [route /*]; did you mean \"buffer\"?\n"
		"wsluice: --set gateway.x: unknown key \"x\" in [gateway]\n",
		"--set=bufer=1", "--set=gateway.x=1", "cat");
	BAD(2, "wsluice: --set include: only a file can have this key\n", "--set=include=x", "cat");
	BAD(2, "wsluice: --set route /y.buffer: there is no section [route /y], or more than one\n",
		"--set=route /y.buffer=1M", "cat");
}

static void test_ssl(void **state)
{
	struct run run = GOOD(SSL, "cat");
	const struct listen_conf *listen = &run.cli.config->listens[0];

	(void)state;
	assert_int_equal(run.cli.config->n_listens, 1);
	assert_string_equal(listen->address.items[0], "127.0.0.1:8443");
	assert_int_equal(listen->tls_certificate.n, 1);
	assert_string_equal(listen->tls_certificate.items[0], "/etc/passwd");
	assert_string_equal(listen->tls_key.items[0], "/etc/group");
	assert_null(listen->tls_client_ca);
	run_done(&run);

	check_addresses(GOOD(SSL, "--address=h", "--address=::1", "cat"), "h:8443 [::1]:8443");
	check_addresses(GOOD("--port=1", SSL, "--unixsocket=/x", "cat"), "127.0.0.1:1 unix:/x");
	check_addresses(GOOD("--ssl=false", "cat"), "127.0.0.1:8080");

	run = GOOD(SSL, "--sslcert", "/etc/hosts", "--sslkey", "/etc/hosts", "--sslca=/etc/passwd", "cat");
	listen = &run.cli.config->listens[0];
	assert_int_equal(listen->tls_certificate.n, 2);
	assert_string_equal(listen->tls_key.items[1], "/etc/hosts");
	assert_string_equal(listen->tls_client_ca, "/etc/passwd");
	assert_int_equal(listen->tls_client, TLS_CLIENT_REQUIRE);
	run_done(&run);
	run = GOOD("--ssl", "--set=tls_certificate=/etc/passwd", "--set=listen.tls_key=/etc/group", "cat");
	run_done(&run);
}

static void test_ssl_mistakes(void **state)
{
	(void)state;
	BAD(2, "wsluice: --ssl: needs --sslcert=FILE and --sslkey=FILE\n", "--ssl", "cat");
	BAD(2, "wsluice: --ssl: needs --sslkey=FILE\n", "--ssl", "--sslcert=/etc/passwd", "cat");
	BAD(2, "wsluice: --ssl: needs --sslcert=FILE\n", "--ssl", "--sslkey=/etc/passwd", "cat");
	BAD(2, "wsluice: --sslcert: needs --ssl\n", "--sslcert=/etc/passwd", "cat");
	BAD(2, "wsluice: --sslcert: needs --ssl\nwsluice: --sslkey: needs --ssl\n", "--ssl=false",
		"--sslcert=/etc/passwd", "--sslkey=/etc/passwd", "cat");
	BAD(2, "wsluice: --sslca: needs --ssl\n", "--sslca=/etc/passwd", "cat");
	BAD(2, "wsluice: --set tls_certificate: needs --ssl\n", "--set=tls_certificate=/etc/passwd", "cat");
	BAD(2, "wsluice: --set tls_key: does nothing with exec\n", "--set=tls_key=/etc/passwd", "cat");
	BAD(2, "wsluice: --ssl: must be true or false, not \"x\"\n", "--ssl=x", "cat");
	BAD(2, "wsluice: --sslkey: needs a value: --sslkey=FILE\n", "--sslkey=", "cat");
	BAD(1, "wsluice: --sslcert: /no/such: No such file or directory\n", "--ssl", "--sslcert=/no/such",
		"--sslkey=/etc/passwd", "cat");
	BAD(1, "wsluice: --sslkey: /: Is a directory\n", "--ssl", "--sslcert=/etc/passwd", "--sslkey=/",
		"cat");
	BAD(2, "wsluice: [listen default] has 2 tls_certificate and 1 tls_key; they are pairs\n", SSL,
		"--sslcert=/etc/passwd", "cat");
	BAD(2, "wsluice: --ssl does not go with --config (--set SECTION.KEY=VALUE does)\n",
		"--config=/no/such", "--ssl");
}

static void test_redirport(void **state)
{
	struct run run;

	(void)state;
	check_redirect(GOOD(SSL, "--redirport=80", "cat"), "127.0.0.1:80", "https://*:8443");
	check_redirect(GOOD("--redirport", "1", "--port=443", SSL, "cat"), "127.0.0.1:1", "https://*");
	check_redirect(GOOD("--redirport=81", "cat"), "127.0.0.1:81", "http://*:8080");
	check_redirect(GOOD("--redirport=81", "--port=80", "cat"), "127.0.0.1:81", "http://*");
	check_redirect(GOOD("--redirport=81", "--port=443", "cat"), "127.0.0.1:81", "http://*:443");
	check_redirect(
		GOOD(SSL, "--redirport=65535", "--port=444", "cat"), "127.0.0.1:65535", "https://*:444");
	check_redirect(GOOD(SSL, "--redirport=80", "--address=*", "--address=::1", "--address=h:8443",
			       "--unixsocket=/x", "cat"),
		"*:80 [::1]:80 h:80", "https://*:8443");
	check_redirect(GOOD(SSL, "--redirport=80", "--set=address=h:7", "--set=backlog=3", "cat"), "h:80",
		"https://*:7");
	run = GOOD(SSL, "--redirport=80", "--set=server_names=a b", "--set=server_names=c", "cat");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(run.cli.config->listens[i].server_names.n, 3);
		assert_string_equal(run.cli.config->listens[i].server_names.items[2], "c");
	}
	run_done(&run);
	BAD(2, "wsluice: --redirport: must be a port from 1 to 65535, not \"0\"\n", "--redirport=0", "cat");
	BAD(2, "wsluice: --redirport: must be a port from 1 to 65535, not \"65536\"\n", "--redirport=65536",
		"cat");
	BAD(2, "wsluice: --redirport: needs a port to lead to that is known: --port=PORT, not 0\n", SSL,
		"--port=0", "--redirport=80", "cat");
	BAD(2, "wsluice: --redirport: needs addresses that have one port\n", SSL, "--address=a:1",
		"--address=b:2", "--redirport=80", "cat");
	BAD(2, "wsluice: --redirport: is the port that it leads to\n", SSL, "--redirport=8443", "cat");
	BAD(2, "wsluice: --redirport: needs a TCP address\n", SSL, "--address=unix:/x", "--redirport=80",
		"cat");
	BAD(2, "wsluice: --address: \"h:x\" has a port that is not a number from 0 to 65535\n", SSL,
		"--address=h:x", "--redirport=80", "cat");
}

/* CGI programs, beside a program or alone: then there is nothing that the console could connect to. */
static void test_cgidir(void **state)
{
	struct run run = GOOD("--cgidir=/tmp", "cat");
	struct route_conf *route = &run.cli.config->routes[0];

	(void)state;
	assert_string_equal(route->cgi_dir, "/tmp");
	assert_int_equal(route->exec.n, 1);
	assert_true(route->prefix);
	assert_true(route->console);
	run_done(&run);
	run = GOOD("--cgidir", "/tmp");
	assert_string_equal(run.cli.config->routes[0].cgi_dir, "/tmp");
	assert_false(run.cli.config->routes[0].console);
	run_done(&run);
	run = GOOD("--cgidir=/tmp", "--devconsole");
	assert_true(run.cli.config->routes[0].console);
	run_done(&run);
	run = GOOD("--cgidir=/tmp", "--set", "targets=/etc/passwd");
	assert_true(run.cli.config->routes[0].console);
	run_done(&run);
	run = GOOD("--cgidir=/tmp", "--staticdir=/usr", "cat");
	assert_false(run.cli.config->routes[0].console);
	run_done(&run);
	run = GOOD("--dir=/tmp", "--cgidir=/tmp");
	assert_true(run.cli.config->routes[0].console);
	run_done(&run);
	BAD(2, "wsluice: --cgidir: needs a value: --cgidir=DIR\n", "--cgidir=", "cat");
	BAD(1, "wsluice: --cgidir: /no/such: No such file or directory\n", "--cgidir=/no/such");
	BAD(1, "wsluice: --cgidir: /etc/passwd: Not a directory\n", "--cgidir=/etc/passwd");
}

/* What only prints, and ends well. */
static void test_prints(void **state)
{
	static const struct {
		const char *option, *text;
	} prints[] = {
		{ "--help", "--port=PORT" },
		{ "-h", "--port=PORT" },
		{ "--h", "--port=PORT" },
		{ "--help-config", "#buffer = 256k" },
		{ "--version", "wsluice " },
		{ "--license", "Redistribution and use" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
		struct run run = RUN("--port=1", prints[i].option, "--unknown");

		assert_int_equal(run.cli.action, CLI_EXIT);
		assert_int_equal(run.cli.status, 0);
		assert_string_equal(run.err, "");
		assert_non_null(strstr(run.out, prints[i].text));
		run_done(&run);
	}
}

/* Runs with a file in place of "FILE". */
static struct run run_with_file(const char *text, const char *const *words)
{
	char path[] = "/tmp/wsluice-cli-XXXXXX", option[64];
	const char *mapped[WORDS];
	int fd = mkstemp(path), n = 0;
	struct run run;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(option, sizeof(option), "--config=%s", path);
	for (; *words; words++)
		mapped[n++] = strcmp(*words, "FILE") == 0 ? option : *words;
	mapped[n] = NULL;
	run = run_words(mapped);
	unlink(path);
	return run;
}

#define WITH_FILE(text, ...) run_with_file(text, (const char *const[]){ __VA_ARGS__, NULL })

static void test_config(void **state)
{
	struct run run = WITH_FILE(ROUTE_X, "FILE", "--set", "route /x.buffer=64k", "--loglevel=debug",
		"--set=gateway.workers=3");

	(void)state;
	assert_string_equal(run.err, "");
	assert_int_equal(run.cli.action, CLI_RUN);
	assert_int_equal(run.cli.config->routes[0].buffer, 65536);
	assert_int_equal(run.cli.config->gateway.log_level, LOG_DEBUG);
	assert_int_equal(run.cli.config->gateway.workers, 3);
	run_done(&run);

	run = WITH_FILE(ROUTE_X, "FILE", "--check");
	assert_int_equal(run.cli.action, CLI_CHECK); /* trial_run() says "ok" */
	assert_non_null(run.cli.config);
	assert_string_equal(run.out, "");
	run_done(&run);

	run = WITH_FILE(ROUTE_X, "--dump", "FILE");
	assert_int_equal(run.cli.status, 0);
	assert_non_null(strstr(run.out, "[route /x]\n"));
	run_done(&run);

	run = WITH_FILE("[gateway]\nworkers = x\nbufer = 1\n", "FILE", "--check");
	assert_int_equal(run.cli.action, CLI_EXIT);
	assert_int_equal(run.cli.status, 1);
	assert_string_equal(run.out, "");
	assert_non_null(strstr(run.err, ":2: workers: must be"));
	assert_non_null(strstr(run.err, ":3: unknown key \"bufer\" in [gateway]; did you mean \"user\"?\n"));
	assert_int_equal(strncmp(run.err, "/tmp/", 5), 0);
	run_done(&run);
}

/* A mistake in --set is one of the command line, though there is a file. */
static void test_config_sets(void **state)
{
	struct run run = WITH_FILE(ROUTE_X, "FILE", "--set=buffer");

	(void)state;
	assert_string_equal(run.err, "wsluice: --set buffer: must be SECTION.KEY=VALUE, such as --set "
				     "\"route /x.buffer=VALUE\", or --set defaults.buffer=VALUE for routes "
				     "without one\n");
	assert_int_equal(run.cli.status, 2);
	run_done(&run);
	run = WITH_FILE(ROUTE_X "bufer = 1\n", "FILE", "--set", "route /x.buffer=1");
	assert_non_null(strstr(run.err, ":3: unknown key"));
	assert_non_null(
		strstr(run.err, "\nwsluice: --set route /x.buffer: must be a size (4096, 64k, 1M) from 16k"));
	assert_int_equal(run.cli.status, 2);
	run_done(&run);
}

static void test_config_alone(void **state)
{
	(void)state;
	BAD(1, "/no/such: No such file or directory\n", "--config=/no/such");
	BAD(2, "wsluice: --port does not go with --config (--set SECTION.KEY=VALUE does)\n",
		"--config=/no/such", "--port=1");
	BAD(2, "wsluice: --header does not go with --config (--set SECTION.KEY=VALUE does)\n",
		"--header=A: b", "--config=/no/such");
	BAD(2, "wsluice: a COMMAND does not go with --config; exec in a [route] does\n", "--config=/no/such",
		"cat");
}

/* --check and --dump of the forms without a file; the dump reads back. */
static void test_check_and_dump(void **state)
{
	struct run run = RUN("--check", "cat");
	const struct config *config;
	char *dump;

	(void)state;
	assert_int_equal(run.cli.action, CLI_CHECK); /* trial_run() says "ok" */
	assert_non_null(run.cli.config);
	assert_string_equal(run.out, "");
	run_done(&run);

	run = RUN("--dump", "--header=A: ${x} %d", "--unixsocket=/tmp/%d", "sh", "-c", "a\nb 'c' ${d}", "");
	assert_int_equal(run.cli.status, 0);
	config = conf_good(run.out);
	assert_string_equal(config->routes[0].exec.items[2], "a\nb 'c' ${d}");
	assert_string_equal(config->routes[0].header.items[0].value, "${x} %d");
	assert_string_equal(config->listens[0].address.items[1], "unix:/tmp/%d");
	dump = conf_dump(config);
	assert_string_equal(dump, run.out);
	free(dump);
	config_unref(config);
	run_done(&run);
	BAD(1, "wsluice: exec: no-such: command not found\n", "--check", "no-such");
}

/* A disk that is full does not look like a success. */
static void test_full_output(void **state)
{
	char *argv[] = { strdup("wsluice"), strdup("--help-config"), NULL };
	FILE *full = fopen("/dev/full", "w");
	struct cli cli;

	(void)state;
	assert_non_null(full);
	cli = cli_parse(2, argv, full, stderr);
	assert_int_equal(cli.status, 1);
	fclose(full);
	free(argv[0]);
	free(argv[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_command_words),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_combinations),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_ssl),
		cmocka_unit_test(test_ssl_mistakes),
		cmocka_unit_test(test_redirport),
		cmocka_unit_test(test_cgidir),
		cmocka_unit_test(test_prints),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_sets),
		cmocka_unit_test(test_config_alone),
		cmocka_unit_test(test_check_and_dump),
		cmocka_unit_test(test_full_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
