/*
 * Tests of the command line under the name websockify: what its options and words come to, how they are
 * taken, and what is refused with which words.
 */
#include "test_cli.h"

#include <sys/stat.h>
#include <unistd.h>

/* Files that only have to be there. */
#define CERT "--cert=/etc/passwd"
#define CA   "--cafile=/etc/group"

/* Where the tests are: a directory of their own. */
static char directory[] = "/tmp/wsluice-websockify-XXXXXX";

/* One service, as it is written. */
static const char *service(const struct run *run)
{
	const struct route_conf *route = &run->cli.config->routes[0];

	assert_int_equal(route->connect.n, 1);
	return route->connect.items[0].uri;
}

/* Compares where these two words lead. */
static void check_words(const char *source, const char *target, const char *address, const char *uri)
{
	struct run run = GOOD(source, target);

	assert_string_equal(service(&run), uri);
	check_addresses(run, address);
}

/* What a port and a target mean. */
static void test_defaults(void **state)
{
	struct run run;
	const struct config *config;
	const struct route_conf *route;

	(void)state;
	program = "/usr/bin/websockify";
	run = GOOD("6080", "localhost:5900");
	config = run.cli.config;
	route = &config->routes[0];
	assert_ptr_equal(config->manners, &manners_websockify);
	assert_true(config->manners->any_host);
	assert_int_equal(config->n_listens, 1);
	assert_int_equal(config->n_routes, 1);
	assert_string_equal(config->listens[0].address.items[0], "*:6080");
	assert_int_equal(config->listens[0].tls_certificate.n, 0);
	assert_false(config->listens[0].tls_optional);
	assert_string_equal(route->pattern, "/*");
	assert_string_equal(service(&run), "tcp://localhost:5900");
	assert_int_equal(route->framing, FRAMING_STREAM);
	assert_string_equal(route->origins.items[0], "any");
	assert_int_equal(route->subprotocols.names.n, 2);
	assert_string_equal(route->subprotocols.names.items[0], "binary");
	assert_string_equal(route->subprotocols.names.items[1], "base64");
	assert_int_equal(route->refuse_as, REFUSE_AS_CLOSE);
	assert_false(route->console);
	assert_null(route->static_dir);
	assert_int_equal(route->ping_interval_ms, 30000);
	assert_int_equal(config->gateway.max_sessions, 10000);
	assert_int_equal(config->gateway.log_level, LOG_INFO);
	assert_false(config->run_once || config->background);
	assert_int_equal(config->end_after_ms + config->end_idle_ms, 0);
	run_done(&run);
	program = "wsluice";
}

/* Addresses are split at the last colon. */
static void test_words(void **state)
{
	(void)state;
	program = "websockify";
	check_words("6080", "h:1", "*:6080", "tcp://h:1");
	check_words(":6080", "h:65535", "*:6080", "tcp://h:65535");
	check_words("127.0.0.1:0", "192.0.2.1:1", "127.0.0.1:0", "tcp://192.0.2.1:1");
	check_words("[::1]:6080", "[2001:db8::1]:5900", "[::1]:6080", "tcp://[2001:db8::1]:5900");
	check_words("::1:6080", "2001:db8::1:5900", "[::1]:6080", "tcp://[2001:db8::1]:5900");
	check_words("localhost:65535", "h:1", "localhost:65535", "tcp://h:1");
	BAD(2, "websockify: [SOURCE_ADDR:]SOURCE_PORT is what comes first, not \"65536\"\n", "65536", "h:1");
	BAD(2, "websockify: [SOURCE_ADDR:]SOURCE_PORT is what comes first, not \"a:b\"\n", "a:b", "h:1");
	BAD(2, "websockify: TARGET_ADDR:TARGET_PORT is what is needed, not \"5900\"\n", "6080", "5900");
	BAD(2, "websockify: TARGET_ADDR:TARGET_PORT is what is needed, not \":5900\"\n", "6080", ":5900");
	BAD(2, "websockify: TARGET_ADDR:TARGET_PORT is what is needed, not \"h:x\"\n", "6080", "h:x");
	BAD(2, "websockify: TARGET_ADDR:TARGET_PORT is what is needed, not \"h:65536\"\n", "6080", "h:65536");
	BAD(2, "websockify: TARGET_ADDR:TARGET_PORT is what is needed, not \"tcp://h:5900\"\n", "6080",
		"tcp://h:5900");
	BAD(2, "websockify: TARGET_ADDR:TARGET_PORT is what is needed, not \"h:0\"\n", "6080", "h:0");
	BAD(2,
		"websockify: something is missing: give [SOURCE_ADDR:]SOURCE_PORT and "
		"TARGET_ADDR:TARGET_PORT "
		"(see --help)\n",
		NULL);
	BAD(2,
		"websockify: something is missing: give [SOURCE_ADDR:]SOURCE_PORT and "
		"TARGET_ADDR:TARGET_PORT "
		"(see --help)\n",
		"6080");
	BAD(2,
		"websockify: there is a word too many: give [SOURCE_ADDR:]SOURCE_PORT and "
		"TARGET_ADDR:TARGET_PORT (see --help)\n",
		"6080", "h:1", "x");
	program = "wsluice";
}

/* The other forms. */
static void test_targets(void **state)
{
	struct run run;

	(void)state;
	program = "websockify";
	run = GOOD("6080", "--unix-target=/x/y");
	assert_string_equal(service(&run), "unix:/x/y");
	check_addresses(run, "*:6080");
	run = GOOD("--ssl-target", "6080", "h:1");
	assert_string_equal(service(&run), "tls://h:1");
	assert_true(run.cli.config->routes[0].connect.items[0].tls);
	assert_true(run.cli.config->routes[0].tls_verify);
	run_done(&run);
	run = GOOD("--ssl-target", "--set", "tls_verify=no", "6080", "h:1");
	assert_false(run.cli.config->routes[0].tls_verify);
	run_done(&run);

	run = GOOD("--unix-listen=/s", "h:1");
	assert_int_equal(run.cli.config->listens[0].mode, 0600);
	check_addresses(run, "unix:/s");
	run = GOOD("--unix-listen=/s", "--unix-listen-mode=0660", "--unix-target=/t");
	assert_int_equal(run.cli.config->listens[0].mode, 0660);
	assert_string_equal(service(&run), "unix:/t");
	check_addresses(run, "unix:/s");

	run = GOOD("--token-plugin=TokenFile", "--token-source=/etc/passwd", "6080");
	assert_string_equal(run.cli.config->routes[0].targets, "/etc/passwd");
	assert_int_equal(run.cli.config->routes[0].target_by, TARGET_BY_QUERY);
	assert_int_equal(run.cli.config->routes[0].connect.n, 0);
	run_done(&run);
	run = GOOD("--token-plugin", "websockify.token_plugins.ReadOnlyTokenFile", "--token-source", "/etc",
		"--host-token", "6080");
	assert_string_equal(run.cli.config->routes[0].targets, "/etc");
	assert_int_equal(run.cli.config->routes[0].target_by, TARGET_BY_HOST);
	run_done(&run);
	run = GOOD("--target-config=/etc/group", "--host-token", "6080");
	assert_string_equal(run.cli.config->routes[0].targets, "/etc/group");
	run_done(&run);
	program = "wsluice";
}

/* ... and what is wrong about them. */
static void test_targets_mistakes(void **state)
{
	(void)state;
	program = "websockify";
	BAD(2, "websockify: there is a word too many: give [SOURCE_ADDR:]SOURCE_PORT (see --help)\n",
		"--unix-target=/x", "6080", "h:1");
	BAD(2, "websockify: something is missing: give [SOURCE_ADDR:]SOURCE_PORT (see --help)\n",
		"--unix-target=/x");
	BAD(2, "websockify: something is missing: give TARGET_ADDR:TARGET_PORT (see --help)\n",
		"--unix-listen=/x");
	BAD(2, "websockify: there is a word too many: give options only (see --help)\n", "--unix-listen=/x",
		"--unix-target=/y", "6080");
	BAD(2, "websockify: give one of --unix-target, --token-source and --target-config, not several\n",
		"--unix-target=/x", "--target-config=/etc/group", "6080");
	BAD(2, "websockify: --ssl-target: does not go with --unix-target\n", "--unix-target=/x",
		"--ssl-target", "6080");
	BAD(2,
		"websockify: --ssl-target: does not go with tokens: write \"TOKEN: tls://HOST:PORT\" in the "
		"file\n",
		"--target-config=/etc/group", "--ssl-target", "6080");
	BAD(2,
		"websockify: --token-plugin: must be TokenFile or ReadOnlyTokenFile (no Python code is run), "
		"not "
		"\"JSONTokenApi\"\n",
		"--token-plugin=JSONTokenApi", "--token-source=/etc/group", "6080");
	BAD(2, "websockify: --token-source: needs --token-plugin=TokenFile\n", "--token-source=/etc/group",
		"6080");
	BAD(2,
		"websockify: --token-plugin: needs --token-source=FILE\n"
		"websockify: something is missing: give [SOURCE_ADDR:]SOURCE_PORT and "
		"TARGET_ADDR:TARGET_PORT "
		"(see --help)\n",
		"--token-plugin=TokenFile", "6080");
	BAD(2, "websockify: --host-token: needs --token-plugin=TokenFile\n", "--host-token", "6080", "h:1");
	BAD(2, "websockify: --unix-listen-mode: needs --unix-listen=PATH\n", "--unix-listen-mode=600", "6080",
		"h:1");
	BAD(2, "websockify: --unix-listen-mode: must be an octal file mode (0660), not \"0888\"\n",
		"--unix-listen=/s", "--unix-listen-mode=888", "h:1");
	BAD(1, "websockify: --token-source: /no/such: No such file or directory\n",
		"--token-plugin=TokenFile", "--token-source=/no/such", "6080");
	program = "wsluice";
}

/* TLS, and what is without it. */
static void test_tls(void **state)
{
	struct run run;
	const struct listen_conf *listen;

	(void)state;
	program = "websockify";
	run = GOOD(CERT, "6080", "h:1");
	listen = &run.cli.config->listens[0];
	assert_string_equal(listen->tls_certificate.items[0], "/etc/passwd");
	assert_string_equal(listen->tls_key.items[0], "/etc/passwd");
	assert_int_equal(listen->tls_min_version, 12);
	assert_null(listen->tls_client_ca);
	assert_true(listen->tls_optional);
	run_done(&run);
	run = GOOD(CERT, "--key=/etc/group", "--ssl-only", "--ssl-version=tlsv1_3", "6080", "h:1");
	listen = &run.cli.config->listens[0];
	assert_string_equal(listen->tls_key.items[0], "/etc/group");
	assert_int_equal(listen->tls_min_version, 13);
	assert_false(listen->tls_optional);
	run_done(&run);
	run = GOOD(CERT, "--verify-client", CA, "--ssl-ciphers=HIGH", "--ssl-version=default", "6080", "h:1");
	listen = &run.cli.config->listens[0];
	assert_string_equal(listen->tls_client_ca, "/etc/group");
	assert_int_equal(listen->tls_client, TLS_CLIENT_REQUIRE);
	assert_string_equal(listen->tls_ciphers, "HIGH");
	assert_false(listen->tls_optional);
	run_done(&run);

	BAD(2, "websockify: --ssl-only: needs --cert=FILE (there is no self.pem here)\n", "--ssl-only",
		"6080", "h:1");
	BAD(2, "websockify: --verify-client: needs --cert=FILE (there is no self.pem here)\n",
		"--verify-client", CA, "6080", "h:1");
	BAD(2, "websockify: --key: needs --cert=FILE (there is no self.pem here)\n", "--key=/etc/group",
		"6080", "h:1");
	BAD(2,
		"websockify: --verify-client: needs --cafile=FILE: no client is believed for a certificate "
		"that "
		"anybody can get\n",
		CERT, "--verify-client", "6080", "h:1");
	BAD(2, "websockify: --cafile: needs --verify-client\n", CERT, CA, "6080", "h:1");
	BAD(2,
		"websockify: --ssl-version: must be default, tlsv1_2 or tlsv1_3: TLS 1.1 is not spoken here "
		"(RFC "
		"8996), not \"tlsv1_1\"\n",
		CERT, "--ssl-version=tlsv1_1", "6080", "h:1");
	BAD(1, "websockify: --cert: /no/such: No such file or directory\n", "--cert=/no/such",
		"--key=/etc/group", "6080", "h:1");
	program = "wsluice";
}

/* The certificate that is taken when there is one of this name. */
static void test_default_certificate(void **state)
{
	struct run run;
	FILE *file = fopen("self.pem", "w");

	(void)state;
	program = "websockify";
	assert_non_null(file);
	fclose(file);
	run = GOOD("6080", "h:1");
	assert_string_equal(run.cli.config->listens[0].tls_certificate.items[0], "self.pem");
	assert_string_equal(run.cli.config->listens[0].tls_key.items[0], "self.pem");
	assert_true(run.cli.config->listens[0].tls_optional);
	run_done(&run);
	run = GOOD("6080", "h:1", "--ssl-only", "--key=/etc/group");
	assert_string_equal(run.cli.config->listens[0].tls_key.items[0], "/etc/group");
	assert_false(run.cli.config->listens[0].tls_optional);
	run_done(&run);
	assert_int_equal(unlink("self.pem"), 0);
	program = "wsluice";
}

/* Everything else that there is. */
static void test_options(void **state)
{
	struct run run;

	(void)state;
	program = "websockify";
	run = GOOD("--web=/tmp", "--file-only", "-6", "--heartbeat=7", "--verbose", "--log-file=/x", "6080",
		"h:1");
	assert_string_equal(run.cli.config->routes[0].static_dir, "/tmp");
	assert_int_equal(run.cli.config->routes[0].ping_interval_ms, 7000);
	assert_int_equal(run.cli.config->gateway.log_level, LOG_DEBUG);
	assert_int_equal(run.cli.config->gateway.log_target, LOG_TARGET_FILE);
	assert_string_equal(run.cli.config->gateway.log_file, "/x");
	run_done(&run);
	run = GOOD("--run-once", "--timeout=3600000", "--idle-timeout=1", "-D", "--syslog=/dev/log",
		"--legacy-syslog", "--heartbeat=0", "6080", "h:1");
	assert_true(run.cli.config->run_once);
	assert_int_equal(run.cli.config->gateway.max_sessions, 1);
	assert_int_equal(run.cli.config->end_after_ms, 3600000000u);
	assert_int_equal(run.cli.config->end_idle_ms, 1000);
	assert_true(run.cli.config->background);
	assert_int_equal(run.cli.config->gateway.log_target, LOG_TARGET_SYSLOG);
	assert_int_equal(run.cli.config->routes[0].ping_interval_ms, 0);
	run_done(&run);
	run = GOOD("--set=origins=same", "--set", "gateway.max_sessions=5", "--set=subprotocols=mqtt",
		"--run-once", "6080", "h:1");
	assert_string_equal(run.cli.config->routes[0].origins.items[0], "same");
	assert_int_equal(run.cli.config->gateway.max_sessions, 5);
	assert_int_equal(run.cli.config->routes[0].subprotocols.names.n, 1);
	run_done(&run);

	BAD(2, "websockify: --timeout: must be a number of seconds up to 3600000, not \"3600001\"\n",
		"--timeout=3600001", "6080", "h:1");
	BAD(2, "websockify: --idle-timeout: must be a number of seconds up to 3600000, not \"-1\"\n",
		"--idle-timeout", "-1", "6080", "h:1");
	BAD(2, "websockify: --heartbeat: must be a number of seconds up to 3600000, not \"x\"\n",
		"--heartbeat=x", "6080", "h:1");
	BAD(2,
		"websockify: --syslog: must be /dev/log: the log goes to the syslog of this machine or "
		"nowhere, "
		"not \"h:514\"\n",
		"--syslog=h:514", "6080", "h:1");
	BAD(2, "websockify: --legacy-syslog: needs --syslog=/dev/log\n", "--legacy-syslog", "6080", "h:1");
	BAD(1, "websockify: --web: /no/such: No such file or directory\n", "--web=/no/such", "6080", "h:1");
	program = "wsluice";
}

/* How words are taken: options anywhere, names shortened, letters together. */
static void test_scan(void **state)
{
	struct run run;

	(void)state;
	program = "websockify";
	run = GOOD("6080", "--web", "/tmp", "h:1", "--run-once");
	assert_string_equal(run.cli.config->routes[0].static_dir, "/tmp");
	assert_true(run.cli.config->run_once);
	check_addresses(run, "*:6080");
	run = GOOD("6080", "-vD6", "h:1", "--idle=9", "--run");
	assert_true(run.cli.config->background && run.cli.config->run_once);
	assert_int_equal(run.cli.config->gateway.log_level, LOG_DEBUG);
	assert_int_equal(run.cli.config->end_idle_ms, 9000);
	run_done(&run);
	run = GOOD("--cert", "/etc/passwd", "--key", "/etc/group", "6080",
		"h:1"); /* begins --key-password too */
	assert_string_equal(run.cli.config->listens[0].tls_key.items[0], "/etc/group");
	run_done(&run);
	BAD(2, "websockify: --ver may be --verbose or --verify-client: write more of it\n", "--ver", "6080",
		"h:1");
	program = "wsluice";
}

/* Mistakes in single options. */
static void test_scan_mistakes(void **state)
{
	(void)state;
	program = "websockify";
	BAD(2, "websockify: --verbose: takes no value\n", "--verbose=yes", "6080", "h:1");
	BAD(2, "websockify: unknown option -x\n", "-vx", "6080", "h:1");
	BAD(2, "websockify: unknown option --webb; did you mean --web?\n", "--webb=/tmp", "6080", "h:1");
	BAD(2, "websockify: unknown option --framing, but it is a key: use --set framing=VALUE\n",
		"--framing=x", "6080", "h:1");
	BAD(2, "websockify: --web: needs a value: --web=DIR\n", "6080", "h:1", "--web");
	BAD(2, "websockify: --web: needs a value: --web=DIR\n", "--web=", "6080", "h:1");
	program = "wsluice";
}

/* What there is none of is refused by its name, with or without a value. */
static void test_refused(void **state)
{
	static const char *const refused[][2] = {
		{ "--port=6080", "the port is the first word: " },
		{ "--traffic", "frames are not logged; " },
		{ "--record=FILE", "sessions are not recorded; " },
		{ "--key-password=x", "give the key a file of its own without password: " },
		{ "--inetd", "a socket of systemd's is passed with wsluice --address=systemd:NAME " },
		{ "--wrap-mode=ignore", "no program is wrapped; " },
		{ "--libserver", "there is one engine; " },
		{ "--auth-plugin=BasicHTTPAuth", "nobody is asked for a password; " },
		{ "--auth-source=a:b", "nobody is asked for a password; " },
		{ "--web-auth", "nobody is asked for a password; " },
	};

	(void)state;
	program = "websockify";
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct run run = RUN(refused[i][0], "6080", "h:1");
		char expected[128];

		snprintf(expected, sizeof(expected), "websockify: %.*s: is refused: %s",
			(int)strcspn(refused[i][0], "="), refused[i][0], refused[i][1]);
		assert_int_equal(strncmp(run.err, expected, strlen(expected)), 0);
		assert_int_equal(run.cli.status, 2);
		run_done(&run);
	}
	BAD(2,
		"websockify: --: no program is wrapped; start the server by itself and name its port, or, "
		"when it "
		"talks on standard input and output: wsluice --port=PORT COMMAND\n",
		"6080", "--", "vncserver", "-rfbport", "5900");
	program = "wsluice";
}

/* What is printed. */
static void test_prints(void **state)
{
	static const char name[] = "# The name websockify has no key: statuses, ";
	static const char *const lost[] = { "# --run-once has no key: ", "# --timeout has no key: ",
		"# --idle-timeout has no key: ", "# --daemon has no key: ",
		"# That TLS may be left out has no key: " };
	struct run run;

	(void)state;
	program = "websockify";
	run = RUN("-h");
	assert_int_equal(run.cli.status, 0);
	assert_string_equal(run.err, "");
	assert_non_null(strstr(run.out, "\n  -D, --daemon "));
	assert_non_null(strstr(run.out, "\n  --traffic "));
	assert_null(strstr(run.out, "--sslcert"));
	run_done(&run);
	run = RUN("--dump", "6080", "h:1");
	assert_int_equal(strncmp(run.out, name, strlen(name)), 0);
	for (size_t i = 0; i < 5; i++)
		assert_null(strstr(run.out, lost[i]));
	config_unref(conf_good(run.out));
	run_done(&run);
	run = RUN("--dump", "--run-once", "--timeout=1", "--idle-timeout=1", "--daemon", CERT, "6080", "h:1");
	for (size_t i = 0; i < 5; i++)
		assert_non_null(strstr(run.out, lost[i]));
	config_unref(conf_good(run.out));
	run_done(&run);
	program = "wsluice";
}

/* Begins in an empty directory: there is no self.pem. */
static int enter(void **state)
{
	(void)state;
	return mkdtemp(directory) == NULL || chdir(directory) != 0;
}

static int leave(void **state)
{
	(void)state;
	return chdir("/") != 0 || rmdir(directory) != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_targets_mistakes),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_default_certificate),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_mistakes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_prints),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
