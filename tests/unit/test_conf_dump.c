/*
 * Tests that --dump reads back to the same snapshot, that --help-config is right about every key, and that
 * references keep a snapshot alive.
 */
#include "test_conf.h"

#include "conf/options.h"

#include <pthread.h>

/* Compares every field that the table knows, and those that were derived from them. */
static void check_same(const struct config *a, const struct config *b)
{
	char *dump_a = conf_dump(a), *dump_b = conf_dump(b);

	assert_string_equal(dump_a, dump_b);
	assert_int_equal(a->n_listens, b->n_listens);
	assert_int_equal(a->n_routes, b->n_routes);
	assert_memory_equal(&a->gateway, &b->gateway, sizeof(a->gateway));
	for (size_t i = 0; i < a->n_routes; i++) {
		const struct route_conf *x = &a->routes[i], *y = &b->routes[i];

		assert_string_equal(x->path, y->path);
		assert_int_equal(x->prefix, y->prefix);
		assert_true(text_is(text_of(x->host), y->host ? y->host : ""));
		assert_int_equal(x->framing, y->framing);
		assert_int_equal(x->is_service, y->is_service);
		assert_int_equal(x->connect.n, y->connect.n);
		for (size_t k = 0; k < x->connect.n; k++) {
			assert_memory_equal(&x->connect.items[k].name, &y->connect.items[k].name,
				sizeof(x->connect.items[k].name));
			assert_int_equal(x->connect.items[k].tls, y->connect.items[k].tls);
		}
		assert_int_equal(x->exec.n, y->exec.n);
		for (size_t word = 0; word < x->exec.n; word++)
			assert_string_equal(x->exec.items[word], y->exec.items[word]);
		assert_true(text_is(text_of(x->exec_path), y->exec_path ? y->exec_path : ""));
	}
	free(dump_a);
	free(dump_b);
}

/* Reads, dumps, reads again. */
static void check_round_trip(const char *text)
{
	const struct config *first = conf_good(text), *second;
	char *dump = conf_dump(first);

	second = conf_good(dump);
	check_same(first, second);
	config_unref(first);
	config_unref(second);
	free(dump);
}

static void test_round_trips(void **state)
{
	(void)state;
	setenv("CONF_DOLLAR", "${x} $${y} %d %%", 1);
	check_round_trip("");
	check_round_trip("[gateway]\nworkers = 7\nlog_level = trace\nlog_format = json\nmax_sessions = 1\n"
			 "max_sessions_per_ip = 5\nmax_pending = 9\nshutdown_grace = 1234ms\n");
	check_round_trip(
		"[listen a]\naddress = [::1]:0\naddress = unix:/tmp/a %% b\nmode = 7\nowner = root:0\n"
		"server_names = A.b *.c.d\nbacklog = 1\nhandshake_timeout = 1h\nmax_header = 1025\n"
		"[listen b]\naddress = *:1\n");
	check_round_trip("[listen tls]\naddress = *:1\ntls_certificate = /dev/null\ntls_key = /dev/null\n");
	check_round_trip("[listen tls]\naddress = *:1\ntls_certificate = /dev/null\ntls_key = /dev/null\n"
			 "tls_client_ca = /dev/null\ntls_client = accept\ntls_min_version = 1.3\n"
			 "[listen tls2]\naddress = *:2\ntls_certificate = /dev/null\ntls_key = /dev/null\n"
			 "tls_client_ca = /dev/null\n");
	check_round_trip(
		"[route Example.org/a%20b/*]\nexec = cat\norigins = any null\nsubprotocols = b a\n"
		"header = A: ${CONF_DOLLAR}\nheader = B:\nheader_ws = C: d\nheader_http = E: f\n"
		"stop_signal = SIGHUP\nstop_grace = 0\nclosing_wait = 1s\nmax_message = 5G\nbuffer = 16k\n"
		"send_timeout = 90s\nidle_timeout = 61m\nping_interval = 0\nping_timeout = 1ms\n"
		"framing = records\ndeflate = yes\ndeflate_level = 9\n"
		"deflate_threshold = 2M\ndeflate_window = 15\ndeflate_context = yes\n");
	check_round_trip(
		"[defaults]\nstderr = merge\nnewlines = space\nmessages = text\n[route /v]\nexec = cat\n"
		"framing = records\n[route /w]\nconnect = unix:/a\nconnect_timeout = 999ms\n");
	check_round_trip("[route /t]\nconnect = tcp://[fe80::1%eth0]:1\n[route /u]\nconnect = unix:/a %%d\n"
			 "framing = text-stream\n[route /s]\nstatic = /tmp\nconsole = yes\n");
	check_round_trip("[route /t/*]\ndir = /tmp\nterminal = yes\nwrite = no\nauth = none\ncgi = /\n"
			 "[route /u]\nexec = cat\nunbuffer = yes\n");
	check_round_trip("[gateway]\nmax_processes = 7\n[route /p/*]\ndir = /tmp\nframing = netstring\n"
			 "messages = binary\nnewlines = space\ninvalid_utf8 = binary\nrefuse_as = close\n"
			 "subprotocols = a=nul b\nstderr = merge\nenv = A=b  c\nenv = B=\npass_env = X*\n"
			 "directory = /\numask = 27\nrun_as = 7:8\nlimit_cpu = 3s\nlimit_memory = 1G\n"
			 "limit_files = 9\nlimit_processes = 8\nspawn_rate = 5\neof_message = yes\n"
			 "max_sessions = 3\n");
	check_round_trip(
		"[route /q]\nexec = sh -c 'a  b' \"c\\\"d\" e\\ f '' $'\\n\\x01\\'' ${CONF_DOLLAR} ' '\n");
}

/* Every quoted form splits back, also after the file's own rules were applied. */
static void test_words(void **state)
{
	const struct config *config = conf_good("[route /q]\nexec = sh 'a  b' \"c\\\"\\d\\$\" e\\ f '' "
						"$'\\n\\t\\x41\\e\\'\\\\' a'b'\"c\" $x ; # '~' |\n");
	static const char *const expected[] = { "sh", "a  b", "c\"\\d$", "e f", "", "\n\tA\033'\\", "abc",
		"$x", ";", "#", "~", "|" };
	const struct conf_list *exec = &config->routes[0].exec;

	(void)state;
	assert_int_equal(exec->n, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < exec->n; i++)
		assert_string_equal(exec->items[i], expected[i]);
	assert_null(exec->items[exec->n]);
	config_unref(config);
}

static void test_broken_words(void **state)
{
	static const char *const texts[] = { "sh 'a", "sh \"a", "sh \"a\\\"", "sh a\\", "sh $'a", "sh $'\\q'",
		"sh $'\\x4'", "sh $'\\x00'", "sh $'\\", "'" };
	char text[128], expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(text, sizeof(text), "[route /q]\nexec = %s\n", texts[i]);
		snprintf(expected, sizeof(expected),
			"t.ini:2: exec: a quote or a backslash is not ended in %s\n", texts[i]);
		conf_bad(text, expected);
	}
}

/* Commands are looked for when the file is read. */
static void test_commands(void **state)
{
	char *old = strdup(getenv("PATH"));

	(void)state;
	conf_bad("[route /q]\nexec = no-such-command x\n",
		"t.ini:2: exec: no-such-command: command not found\n");
	conf_bad("[route /q]\nexec = 'no-such-command x'\n",
		"t.ini:2: exec: no-such-command x: command not found; no shell reads it, and words in one "
		"pair of quotes are one word\n");
	conf_bad("[route /q]\nexec = /no/such\n", "t.ini:2: exec: /no/such: No such file or directory\n");
	conf_bad("[route /q]\nexec = /tmp\n", "t.ini:2: exec: /tmp: Is a directory\n");
	conf_bad("[route /q]\nexec = /etc/passwd\n",
		"t.ini:2: exec: /etc/passwd: not executable (chmod +x)\n");
	conf_bad("[route /q]\nexec = /dev/null\n", "t.ini:2: exec: /dev/null: Permission denied\n");
	conf_bad("[route /q]\nexec = ''\n", "t.ini:2: exec: : command not found\n");
	setenv("PATH", "/no/such:/etc", 1);
	conf_bad("[route /q]\nexec = passwd\n", "t.ini:2: exec: passwd: not executable (chmod +x)\n");
	setenv("PATH", "/etc::/bin", 1);
	config_unref(conf_good("[route /q]\nexec = sh\n"));
	unsetenv("PATH");
	config_unref(conf_good("[route /q]\nexec = sh\n"));
	setenv("PATH", old, 1);
	free(old);
}

/* The file of all options has each key once, and every default in it is what is used without it. */
static void test_help(void **state)
{
	char *bytes = NULL, *line, *rest;
	const struct config *plain, *spelled;
	const char *said;
	char *text;
	size_t len, keys = 0;
	FILE *out = open_memstream(&bytes, &len);

	(void)state;
	dump_help(out);
	fclose(out);
	text = calloc(1, len + 256);
	for (line = strtok_r(bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		assert_true(strlen(line) <= 92);
		if (line[0] == '#' && line[1] == ' ')
			continue;
		if (line[0] == '#')
			line++;
		keys += line[0] >= 'a' && line[0] <= 'z';
		said = line;
		if (strcmp(line, "address =") == 0)
			said = "address = *:1";
		else if (strcmp(line, "tls_client = require") == 0)
			said = "tls_client ="; /* for those that have tls_client_ca */
		else if (strcmp(line, "tls_min_version = 1.2") == 0)
			said = "tls_min_version ="; /* for those that have tls_certificate */
		else if (strcmp(line, "terminal = no") == 0 || strcmp(line, "write = yes") == 0 ||
			 strcmp(line, "unbuffer = no") == 0 || strcmp(line, "eof_message = no") == 0)
			said = ""; /* for those that have a program */
		else if (strcmp(line, "console = no") == 0)
			said = "console = yes";
		else if (strcmp(line, "[route PATH]") == 0)
			said = "[route /x]";
		strcat(strcat(text, said), "\n");
	}
	assert_int_equal(keys, options_n);
	spelled = conf_good(text);
	plain = conf_good("[listen NAME]\naddress = *:1\n" ROUTE_X);
	check_same(plain, spelled);
	config_unref(plain);
	config_unref(spelled);
	free(bytes);
	free(text);
}

/* What the table must be for the code around it. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < options_n; i++) {
		char what[VALUE_DESCRIBE];

		assert_ptr_equal(options_find(options[i].section, text_of(options[i].key)), &options[i]);
		assert_true(i == 0 || options[i].section >= options[i - 1].section);
		assert_non_null(strchr(options[i].help, '.'));
		assert_true(strlen(value_describe(&options[i], what)) >= strlen("text"));
		assert_true((options[i].flags & OPTION_FILE_ONLY) || options[i].type->format != NULL);
	}
}

/* Takes and drops references as sessions do. */
static void *hold(void *arg)
{
	for (int i = 0; i < 10000; i++) {
		const struct config *config = config_ref(arg);

		assert_int_equal(config->n_routes, 1);
		config_unref(config);
	}
	config_unref(arg);
	return NULL;
}

static void test_references(void **state)
{
	const struct config *config = conf_good(ROUTE_X);
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		config_ref(config);
		assert_int_equal(pthread_create(&threads[i], NULL, hold, (void *)(uintptr_t)config), 0);
	}
	config_unref(config);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_broken_words),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
