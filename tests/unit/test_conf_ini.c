/*
 * Tests of the file's form: sections, comments, continued lines, limits, variables, includes, and every
 * mistake with its place. Among them what the packaged inih would do wrong by itself.
 */
#include "test_conf.h"

#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* The value of the header "A" of the only route. */
static const char *header_a(const struct config *config)
{
	assert_int_equal(config->n_routes, 1);
	assert_int_equal(config->routes[0].header.n, 1);
	assert_string_equal(config->routes[0].header.items[0].name, "A");
	return config->routes[0].header.items[0].value;
}

/* Reads a text whose route has one header A, and compares it. */
static void check_header(const char *text, const char *expected)
{
	const struct config *config = conf_good(text);

	assert_string_equal(header_a(config), expected);
	config_unref(config);
}

/* A file without a route would answer nothing. */
static void test_empty(void **state)
{
	static const char *const texts[] = { "", "\n", "# only\n; comments\n", "[gateway]\n", "\xef\xbb\xbf",
		"[defaults]\nbuffer = 64k\n", "[listen a]\naddress = *:1\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		conf_bad(texts[i], "t.ini: there is no [route PATH] section, so nothing would be answered\n");
	/* A listener that leads elsewhere needs none. */
	const struct config *config =
		conf_good("# no route\n[listen a]\naddress = *:1\nredirect_to = https://*\n");
	assert_int_equal(config->n_routes, 0);
	config_unref(config);
}

/* A file with a route only: the default listener. */
static void test_little(void **state)
{
	const struct config *config = conf_good(ROUTE_X);

	(void)state;
	assert_int_equal(config->n_routes, 1);
	assert_int_equal(config->n_listens, 1);
	assert_string_equal(config->listens[0].name, "default");
	assert_string_equal(config->listens[0].address.items[0], "127.0.0.1:8080");
	assert_int_equal(config->listens[0].max_header, 16384);
	assert_int_equal(config->gateway.max_sessions, 10000);
	config_unref(config);
}

/* No place can be listened on twice. */
static void test_addresses(void **state)
{
	static const char *const same[][2] = { { "*:80", "*:80" }, { "h:80", "H:080" },
		{ "[::1]:1", "[::1]:1" }, { "unix:/a", "unix:/a" }, { "systemd:web", "systemd:web" } };
	static const char *const others[][2] = { { "*:80", "*:81" }, { "h:80", "i:80" }, { "h:0", "h:0" },
		{ "*:0", "*:0" }, { "unix:/a", "unix:/A" }, { "systemd:web", "systemd:Web" },
		{ "systemd:a", "unix:a" }, { "*:80", "[::1]:80" } };
	char text[256], wrong[256];
	(void)state;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		snprintf(text, sizeof(text),
			"[listen a]\naddress = x:1\naddress = %s\n[listen b]\naddress = %s\n" ROUTE_X,
			same[i][0], same[i][1]);
		snprintf(wrong, sizeof(wrong), "t.ini:5: address: %s is there already (t.ini:3)\n",
			same[i][1]);
		conf_bad(text, wrong);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(text, sizeof(text),
			"[listen a]\naddress = x:1\naddress = %s\n[listen b]\naddress = %s\n" ROUTE_X,
			others[i][0], others[i][1]);
		config_unref(conf_good(text));
	}
	conf_bad("[listen a]\naddress = *:1\naddress = *:1\naddress = *:1\n" ROUTE_X,
		"t.ini:3: address: *:1 is there already (t.ini:2)\n"
		"t.ini:4: address: *:1 is there already (t.ini:2)\n");
}

static void test_comments(void **state)
{
	(void)state;
	check_header("# c\n[route /x] \n;c\nconsole=yes\nheader=A: b ; c # d\n", "b ; c # d");
	check_header("\xef\xbb\xbf[route /x]\r\nconsole = yes\r\nheader = A: b\r\n", "b");
	check_header("[route /x]\nconsole = yes\nheader = A: b = c [d]", "b = c [d]");
	check_header("\t \n[ route   /x ]\nconsole = yes\nheader\t=\tA: b \t\n", "b");
}

static void test_continuation(void **state)
{
	(void)state;
	check_header(ROUTE_X "header = A: b\n  c\n\td  \n# no\n e\n", "b c d e");
	check_header(ROUTE_X "header =\n  A: b\n", "b");
	check_header(ROUTE_X "header = A: b\n # part of it\n", "b # part of it");
	conf_bad("  [gateway]\n", "t.ini:1: this line begins with a space, and there is no value above that "
				  "it could continue\n");
	conf_bad("[route /x]\n console = yes\n",
		"t.ini:2: this line begins with a space, and there is no value above that it could continue\n"
		"t.ini:1: [route /x] has none of exec, connect, dir, targets, cgi, static and console\n");
	conf_bad(ROUTE_X "\n  x\n", "t.ini:4: this line begins with a space, and there is no value above "
				    "that it could continue\n");
}

/* Values that the packaged inih alone would cut at 200 bytes, and the limit of ours. */
static void test_long_values(void **state)
{
	static const size_t lens[] = { 190, 200, 300, 61440, 65535, 65536, 65537 };
	char *text = malloc(200000), *value = malloc(70000);

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		memset(value, 'v', lens[i]);
		memcpy(value, "A: ", 3);
		value[lens[i]] = '\0';
		sprintf(text, ROUTE_X "header =   %s  \n", value);
		if (lens[i] <= 65536)
			check_header(text, value + 3);
		else
			conf_bad(text, "t.ini:3: header: longer than 64 KiB\n");
		/* The same in two lines, joined by a space. */
		value[lens[i] / 2] = '\0';
		sprintf(text, ROUTE_X "header = %s\n  %s\n", value, value + lens[i] / 2 + 1);
		value[lens[i] / 2] = ' ';
		if (lens[i] <= 65536)
			check_header(text, value + 3);
		else
			conf_bad(text, "t.ini:3: header: longer than 64 KiB\n");
	}
	memset(text, 'x', 199999);
	memcpy(text, "#", 1);
	text[199999] = '\0';
	config_unref(conf_good(text)); /* a comment may be as long as it likes */
	text[0] = 'x';
	conf_bad(text, "t.ini:1: this line is longer than 128 KiB\n");
	free(value);
	free(text);
}

/* More lines than fit, none of them too long by itself. */
static void test_long_continuation(void **state)
{
	char *text = malloc(400000), line[1002];
	size_t len = (size_t)sprintf(text, ROUTE_X "header = A:\n");

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[0] = ' ';
	line[1000] = '\n';
	line[1001] = '\0';
	for (int i = 0; i < 200; i++, len += 1001)
		memcpy(text + len, line, 1002);
	conf_bad(text, "t.ini:3: header: longer than 64 KiB\n");
	free(text);
}

/* Section names longer than inih's 49 bytes, and sections that it does not mention since they are empty. */
static void test_sections(void **state)
{
	char text[1024], path[201];
	const struct config *config;

	(void)state;
	memset(path, 'p', 200);
	path[0] = '/';
	path[200] = '\0';
	sprintf(text, "[route %s]\nconsole = yes\n[route %.199s]\nconsole = yes\n", path, path);
	config = conf_good(text);
	assert_int_equal(config->n_routes, 2);
	assert_string_equal(config->routes[0].path, path);
	assert_int_equal(strlen(config->routes[1].path), 199);
	config_unref(config);

	conf_bad("[listen a]\n[route /x]\n[route /y]\n",
		"t.ini:1: [listen a] has no address\n"
		"t.ini:2: [route /x] has none of exec, connect, dir, targets, cgi, static and console\n"
		"t.ini:3: [route /y] has none of exec, connect, dir, targets, cgi, static and console\n");
	conf_bad("[gatway]\nworkers = x\n",
		"t.ini:1: unknown section [gatway]; did you mean \"[gateway]\"?\n");
	conf_bad("[routes /x]\n", "t.ini:1: unknown section [routes /x]; did you mean \"[route /x]\"?\n");
	conf_bad("[nothing like it]\n", "t.ini:1: unknown section [nothing like it]\n");
	conf_bad("[]\n", "t.ini:1: unknown section []\n");
	conf_bad("[gateway x]\n[defaults y]\n", "t.ini:1: [gateway x]: this section has no name\n"
						"t.ini:2: [defaults y]: this section has no name\n");
	conf_bad("[route]\n[listen]\n",
		"t.ini:1: [route]: this section needs a name: [listen NAME], [route PATH]\n"
		"t.ini:2: [listen]: this section needs a name: [listen NAME], [route PATH]\n");
	conf_bad("[gateway]\n[route /x\nconsole = yes\n[route /y\x01]\nbufer = 1\n[no]\nbufer = 1\n",
		"t.ini:2: a section is [NAME], with nothing after it\n"
		"t.ini:4: this line holds a control character\n"
		"t.ini:6: unknown section [no]\n");
	conf_bad("[route /x\n", "t.ini:1: a section is [NAME], with nothing after it\n");
	conf_bad("[gateway] # c\n", "t.ini:1: a section is [NAME], with nothing after it\n");
	conf_bad("workers = 1\n", "t.ini:1: workers: stands before any [section]\n");
}

static void test_keys(void **state)
{
	(void)state;
	conf_bad("[gateway]\nwokers = 1\n",
		"t.ini:2: unknown key \"wokers\" in [gateway]; did you mean \"workers\"?\n");
	/* The beginning of a key is that key, however much of it is missing. */
	conf_bad("[listen a]\naddress = *:1\ntls_cert = x\n",
		"t.ini:3: unknown key \"tls_cert\" in [listen a]; did you mean \"tls_certificate\"?\n");
	conf_bad("[listen a]\naddress = *:1\nport = 80\n",
		"t.ini:3: unknown key \"port\" in [listen a]; the port is part of address (127.0.0.1:80)\n");
	conf_bad("[listen a]\naddress = *:1\nser = x\nse = x\n",
		"t.ini:3: unknown key \"ser\" in [listen a]; did you mean \"server_names\"?\n"
		"t.ini:4: unknown key \"se\" in [listen a]\n");
	conf_bad(ROUTE_X "max_pending = 1\n",
		"t.ini:3: unknown key \"max_pending\" in [route /x]; it belongs in [gateway]\n");
	conf_bad("[gateway]\nbuffer = 1M\n",
		"t.ini:2: unknown key \"buffer\" in [gateway]; it belongs in [route] or [defaults]\n");
	conf_bad("[listen a]\naddress = *:1\ndeflate = yes\n",
		"t.ini:3: unknown key \"deflate\" in [listen a]; it belongs in [route] or [defaults]\n");
	conf_bad("[defaults]\nbufer = 1M\n",
		"t.ini:2: unknown key \"bufer\" in [defaults]; did you mean \"buffer\"?\n");
	conf_bad(ROUTE_X "auth_realm = x\n",
		"t.ini:3: unknown key \"auth_realm\" in [route /x]; this version does not have it yet\n");
	conf_bad(ROUTE_X "console = no\n", "t.ini:3: console: given twice (first at t.ini:2)\n");
	conf_bad("[gateway]\nworkers = 1\n[gateway]\nworkers = 2\n",
		"t.ini:4: workers: given twice (first at t.ini:2)\n");
	conf_bad(ROUTE_X "nothing\n", "t.ini:3: expected KEY = VALUE or [SECTION]\n");
	conf_bad(ROUTE_X "console: yes\n", "t.ini:3: expected KEY = VALUE or [SECTION]\n");
	conf_bad(ROUTE_X "= yes\n", "t.ini:3: expected KEY = VALUE or [SECTION]\n");
	conf_bad(ROUTE_X "a:b = yes\n", "t.ini:3: expected KEY = VALUE or [SECTION]\n");
	conf_bad(ROUTE_X "a ;b = yes\n", "t.ini:3: expected KEY = VALUE or [SECTION]\n");
	conf_bad(ROUTE_X "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd = 1\n",
		"t.ini:3: unknown key \"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd\" in [route /x]\n");
	conf_bad(ROUTE_X "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde = 1\n",
		"t.ini:3: expected KEY = VALUE or [SECTION]\n");
	conf_bad(ROUTE_X "header = A: b\x01\n", "t.ini:3: this line holds a control character\n");
	conf_bad(ROUTE_X "header = A: b\rc\n", "t.ini:3: this line holds a control character\n");
	conf_bad(ROUTE_X "header = A: b\n  \x7f\n", "t.ini:4: this line holds a control character\n");
}

/* A NUL does not end anything quietly. */
static void test_nul(void **state)
{
	static const char text[] = ROUTE_X "header = A: b\0c\n[gateway]\nworkers = 0\n";
	struct conf_errors errors = { 0 };

	(void)state;
	assert_null(conf_parse(text, sizeof(text) - 1, NULL, &errors));
	assert_int_equal(errors.lines.n, 2);
	assert_string_equal(errors.lines.items[0], "t.ini:3: this line holds a control character");
	errors_done(&errors);
}

/* All mistakes are told, in one run. */
static void test_all_errors(void **state)
{
	(void)state;
	conf_bad("[gateway]\nworkers = x\nlog_level = loud\n[listen a]\naddress = x\n[route y]\n[route /x]\n"
		 "listen = b\nbuffer = 1\n",
		"t.ini:2: workers: must be auto or a number from 1 to 1024, not \"x\"\n"
		"t.ini:3: log_level: must be error, warning, info, debug or trace, not \"loud\"\n"
		"t.ini:5: address: \"x\" has no port (HOST:PORT)\n"
		"t.ini:6: [route y] the path begins with a slash (/x, /x/*, example.org/x)\n"
		"t.ini:6: [route y] has none of exec, connect, dir, targets, cgi, static and console\n"
		"t.ini:9: buffer: must be a size (4096, 64k, 1M) from 16k to 1G, not \"1\"\n"
		"t.ini:7: [route /x] has none of exec, connect, dir, targets, cgi, static and console\n"
		"t.ini:8: listen: there is no [listen b]; did you mean \"a\"?\n");
}

static void test_cross_checks(void **state)
{
	(void)state;
	conf_bad(ROUTE_X "[route //x]\nconsole=yes\n" ROUTE_X,
		"t.ini:5: [route /x] answers the same as [route /x] above\n");
	conf_bad("[route /a%20b]\nconsole = yes\n[route /a b]\nconsole = yes\n",
		"t.ini:3: [route /a b] answers the same as [route /a%20b] above\n");
	conf_bad("[route H.org/x]\nconsole = yes\n[route h.ORG/x]\nconsole = yes\n",
		"t.ini:3: [route h.ORG/x] answers the same as [route H.org/x] above\n");
	config_unref(
		conf_good("[route /x]\nconsole=yes\n[route h/x]\nconsole=yes\n[route /x/*]\nconsole=yes\n"
			  "[route /x/]\nconsole=yes\n[route /*]\nconsole=yes\n[route /]\nconsole=yes\n"));
	conf_bad("[route /x]\nexec = cat\nconnect = tcp://h:1\n",
		"t.ini:1: [route /x] has exec and connect; a route has only one of them\n");
	conf_bad("[route /x/*]\nexec = cat\ndir = /\n",
		"t.ini:1: [route /x/*] has exec and dir; a route has only one of them\n");
	conf_bad("[route /x]\ndir = /\n", "t.ini:1: [route /x] has dir, so its path ends in /*\n");
	conf_bad("[listen web]\naddress = *:1\n" ROUTE_X "listen = wbe\n",
		"t.ini:5: listen: there is no [listen wbe]; did you mean \"web\"?\n");
	conf_bad("[listen a]\naddress = *:1\n[listen a]\naddress = *:2\n",
		"t.ini:3: [listen a] is there twice\n");
	conf_bad("[listen a b]\naddress = *:1\n",
		"t.ini:1: [listen a b] has a name with a space or a comma in it\n");
	conf_bad("[route /a*]\nconsole = yes\n", "t.ini:1: [route /a*] a * can only be the last part of the "
						 "path (/x/*); write %2A for a plain one\n");
}

static void test_defaults(void **state)
{
	const struct config *config = conf_good(
		"[route /a]\nconsole = yes\n"
		"[defaults]\nconsole = yes\nbuffer = 1M\nheader = A: 1\nheader = B: 2\norigins = any\n"
		"[route /b]\n"
		"[route /c]\nbuffer = 2M\nheader = C: 3\norigins =\n"
		"[defaults]\nbuffer = 4M\n"
		"[route /d]\n"
		"[route /e]\nheader =\nbuffer =\n");
	const struct route_conf *routes = config->routes;

	(void)state;
	assert_int_equal(routes[0].buffer, 256 << 10);
	assert_int_equal(routes[0].header.n, 0);
	assert_int_equal(routes[1].buffer, 1 << 20);
	assert_int_equal(routes[1].header.n, 2);
	assert_string_equal(routes[1].origins.items[0], "any");
	assert_int_equal(routes[2].buffer, 2 << 20);
	assert_int_equal(routes[2].header.n, 1);
	assert_string_equal(routes[2].header.items[0].name, "C");
	assert_string_equal(routes[2].origins.items[0], "same");
	assert_int_equal(routes[3].buffer, 4 << 20);
	assert_int_equal(routes[3].header.n, 2);
	assert_int_equal(routes[4].buffer, 256 << 10);
	assert_int_equal(routes[4].header.n, 0);
	config_unref(config);
	/* A mistake there is told once, and also when no route comes after it. */
	conf_bad("[defaults]\nconsole = yes\nbuffer = 1\n[route /a]\n[route /b]\n",
		"t.ini:3: buffer: must be a size (4096, 64k, 1M) from 16k to 1G, not \"1\"\n");
	conf_bad("[defaults]\nbuffer = 1\n",
		"t.ini:2: buffer: must be a size (4096, 64k, 1M) from 16k to 1G, not \"1\"\n");
}

static void test_variables(void **state)
{
	(void)state;
	setenv("CONF_A", "va lue", 1);
	setenv("CONF_E", "", 1);
	setenv("CONF_N", "a\nb", 1);
	unsetenv("CONF_U");
	check_header(ROUTE_X "header = A: <${CONF_A}> ${CONF_E}.\n", "<va lue> .");
	check_header(ROUTE_X "header = A: $${CONF_A} $CONF_A $ $$ $$${x} 100%d %%\n",
		"${CONF_A} $CONF_A $ $$ $${x} 100%d %%");
	setenv("CONF_R", "${CONF_A}", 1);
	check_header(ROUTE_X "header = A: ${CONF_R}\n", "${CONF_A}");
	conf_bad(ROUTE_X "header = A: ${CONF_U}\nheader = B: ${}\nheader = C: ${X\n",
		"t.ini:3: the environment has no variable CONF_U; $${ is a plain ${\n"
		"t.ini:4: ${ begins the name of a variable, and } ends it; $${ is a plain ${\n"
		"t.ini:5: ${ begins the name of a variable, and } ends it; $${ is a plain ${\n");
	conf_bad(ROUTE_X "header = A: ${CONF_N}\n", "t.ini:3: header: holds a control character\n");
}

/* What a variable holds counts to the length of the value. */
static void test_long_variable(void **state)
{
	char *value = malloc(100001), *text = malloc(100100);

	(void)state;
	memset(value, 'v', 100000);
	value[65536 - 3] = '\0';
	setenv("CONF_L", value, 1);
	sprintf(text, "%s", value);
	check_header(ROUTE_X "header = A: ${CONF_L}\n", text);
	conf_bad(ROUTE_X "header = A: ${CONF_L}v\n", "t.ini:3: header: longer than 64 KiB\n");
	conf_bad(
		ROUTE_X "header = A: ${CONF_L}${CONF_L}${CONF_L}\n", "t.ini:3: header: longer than 64 KiB\n");
	unsetenv("CONF_L");
	free(value);
	free(text);
}

static void test_credentials(void **state)
{
	const struct config *config;

	(void)state;
	setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
	config = conf_good("[route /x]\nstatic = %d/.\n[route /y]\nconnect = unix:%d/a%%d%e\n");
	assert_string_equal(config->routes[0].static_dir, "/tmp/.");
	assert_string_equal(config->routes[1].connect.items[0].name.path, "/tmp/a%d%e");
	config_unref(config);
	unsetenv("CREDENTIALS_DIRECTORY");
	conf_bad("[route /x]\nstatic = %d\n",
		"t.ini:2: %d is systemd's directory of credentials, and there is none; %% is a plain %\n"
		"t.ini:1: [route /x] has none of exec, connect, dir, targets, cgi, static and console\n");
}

/* --- includes, in a directory of their own --- */

static char tmp[64];

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", tmp, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int tmp_setup(void **state)
{
	char path[256];

	(void)state;
	strcpy(tmp, "/tmp/wsluice-conf-XXXXXX");
	if (!mkdtemp(tmp))
		return -1;
	snprintf(path, sizeof(path), "%s/d", tmp);
	return mkdir(path, 0700);
}

static int tmp_remove(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static int tmp_teardown(void **state)
{
	(void)state;
	return nftw(tmp, tmp_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* Reads main.ini of the directory; its mistakes, without the directory's name. */
static const struct config *read_main(char errors_out[4096])
{
	char path[256];
	struct conf_errors errors = { 0 };
	const struct config *config;

	snprintf(path, sizeof(path), "%s/main.ini", tmp);
	config = config_read(path, NULL, &errors);
	errors_out[0] = '\0';
	for (size_t i = 0; i < errors.lines.n && i < 20; i++) {
		const char *line = errors.lines.items[i], *at;

		while ((at = strstr(line, tmp))) {
			strncat(errors_out, line, (size_t)(at - line));
			line = at + strlen(tmp) + 1;
		}
		strcat(strcat(errors_out, line), "\n");
	}
	assert_true((config == NULL) == (errors.n > 0));
	errors_done(&errors);
	return config;
}

static void bad_main(const char *expected)
{
	char errors[4096];

	assert_null(read_main(errors));
	assert_string_equal(errors, expected);
}

static void test_include(void **state)
{
	const struct config *config;
	char errors[4096];

	(void)state;
	put("main.ini", "[gateway]\ninclude = d/*.conf\nworkers = 3\ninclude = none/*.conf\n" ROUTE_X);
	put("d/b.conf", "[route /b]\nconsole = yes\n");
	put("d/a.conf", "[route /a]\nconsole = yes\n[gateway]\ninclude = c.inc\n");
	put("d/c.inc", "[route /c]\nconsole = yes\n");
	config = read_main(errors);
	assert_string_equal(errors, "");
	assert_int_equal(config->gateway.workers, 3);
	assert_int_equal(config->n_routes, 4);
	assert_string_equal(config->routes[0].path, "/a");
	assert_string_equal(config->routes[1].path, "/c");
	assert_string_equal(config->routes[2].path, "/b");
	assert_string_equal(config->routes[3].path, "/x");
	config_unref(config);

	put("d/b.conf", "console = yes\n[route /b]\nbufer = 1\nconsole = yes\n");
	bad_main("d/b.conf:1: console: stands before any [section]\n"
		 "d/b.conf:3: unknown key \"bufer\" in [route /b]; did you mean \"buffer\"?\n");
	put("main.ini", "[gateway]\ninclude = no.ini\ninclude =\n");
	bad_main("main.ini:2: include: no.ini: No such file or directory\n");
	put("main.ini", "[gateway]\ninclude = d\n");
	bad_main("d: Is a directory\n");
	put("main.ini", ROUTE_X "include = d\n");
	bad_main("main.ini:3: unknown key \"include\" in [route /x]; it belongs in [gateway]\n");
}

static void test_include_loops(void **state)
{
	char errors[4096], text[64], name[16];

	(void)state;
	put("main.ini", "[gateway]\ninclude = main.ini\n");
	bad_main("main.ini:2: main.ini: includes itself\n");
	put("main.ini", "[gateway]\ninclude = d/x\n");
	put("d/x", "[gateway]\ninclude = ../main.ini\n");
	bad_main("d/x:2: d/../main.ini: includes itself\n");
	/* main.ini is the first of 8 files, then of 9. */
	for (int last = 7; last <= 8; last++) {
		put("main.ini", "[gateway]\ninclude = 1\n");
		for (int i = 1; i <= last; i++) {
			snprintf(name, sizeof(name), "%d", i);
			snprintf(text, sizeof(text), "[gateway]\ninclude = %d\n", i + 1);
			put(name, i == last ? ROUTE_X : text);
		}
		if (last == 7)
			config_unref(read_main(errors));
		else
			bad_main("7:2: include: more than 8 files deep\n");
	}
}

static void test_no_file(void **state)
{
	struct conf_errors errors = { 0 };

	(void)state;
	assert_null(config_read("/no/such.ini", NULL, &errors));
	assert_int_equal(errors.lines.n, 1);
	assert_string_equal(errors.lines.items[0], "/no/such.ini: No such file or directory");
	assert_false(errors.usage);
	errors_done(&errors);
}

/* What --set puts over a file. */
static void test_sets(void **state)
{
	static const char *good[] = { "gateway.workers=2", "route /x.buffer = 1M", "route /x.header=B: 2=3",
		"listen.backlog=7", "listen default.max_header=2k", "defaults.idle_timeout=1h", NULL };
	static const char text[] = "[gateway]\nworkers = 1\n[defaults]\nidle_timeout = 5s\n" ROUTE_X
				   "buffer = 64k\nheader = A: 1\n[defaults]\nidle_timeout = 6s\n"
				   "[route /a.b]\nconsole = yes\n";
	static const char *bad[] = { "workers=1", "nothing", "gateway.wrkers=1", "route /z.buffer=1M",
		"route.buffer=1M", "gateway.include=x", "lsten x.backlog=1", "defaults.bufer=1", NULL };
	struct conf_list sets = { (char **)(uintptr_t)good, 6 };
	struct conf_errors errors = { 0 };
	const struct config *config = conf_parse(text, sizeof(text) - 1, &sets, &errors);

	(void)state;
	assert_non_null(config);
	assert_int_equal(config->gateway.workers, 2);
	assert_int_equal(config->routes[0].buffer, 1 << 20);
	assert_int_equal(config->routes[0].header.n, 2);
	assert_string_equal(config->routes[0].header.items[1].value, "2=3");
	assert_int_equal(config->listens[0].backlog, 7);
	assert_int_equal(config->listens[0].max_header, 2048);
	assert_int_equal(config->routes[0].idle_timeout_ms, 3600000);
	assert_int_equal(config->routes[1].idle_timeout_ms, 3600000);
	config_unref(config);
	errors_done(&errors);

	sets = (struct conf_list){ (char **)(uintptr_t)bad, 8 };
	conf_bad_with(text, &sets,
		"--set workers: must be SECTION.KEY=VALUE, such as --set \"gateway.workers=VALUE\"\n"
		"--set nothing: must be SECTION.KEY=VALUE, such as --set gateway.workers=2\n"
		"--set gateway.wrkers: unknown key \"wrkers\" in [gateway]; did you mean \"workers\"?\n"
		"--set route /z.buffer: there is no section [route /z], or more than one\n"
		"--set route.buffer: there is no section [route], or more than one\n"
		"--set gateway.include: only a file can have this key\n"
		"--set lsten x.backlog: there is no section [lsten x], or more than one\n"
		"--set defaults.bufer: unknown key \"bufer\" in [defaults]; did you mean \"buffer\"?\n");
}

/* The word that passes nothing on stands alone, also over several lines, and replaces what [defaults] say. */
static void test_pass_nothing(void **state)
{
	const struct config *config;

	(void)state;
	conf_bad("[route /a]\nexec = cat\npass_env = none\npass_env = A\n",
		"t.ini:3: pass_env: none stands alone\n");
	config = conf_good("[defaults]\npass_env = A B\n[route /a]\nexec = cat\npass_env = none\n");
	assert_int_equal(config->routes[0].pass_env.n, 1);
	assert_string_equal(config->routes[0].pass_env.items[0], "");
	config_unref(config);
}

/* What does nothing in a route may not be written in it; [defaults] is for routes of all kinds. */
static void test_useless(void **state)
{
	static const char *const of_programs[] = { "stderr = log", "env = A=b", "pass_env = A",
		"directory = /", "umask = 27", "run_as = 7:8", "limit_cpu = 1s", "limit_memory = 1M",
		"limit_files = 9", "limit_processes = 9", "spawn_rate = 1", "stop_signal = TERM",
		"stop_grace = 5s" };
	char text[256], expected[128];

	(void)state;
	for (size_t i = 0; i < sizeof(of_programs) / sizeof(of_programs[0]); i++) {
		const char *line = of_programs[i];
		int len = (int)strcspn(line, " ");

		snprintf(text, sizeof(text), "[route /a]\nconnect = unix:/x\n%s\n", line);
		snprintf(expected, sizeof(expected), "t.ini:3: %.*s: does nothing with connect\n", len, line);
		conf_bad(text, expected);
		snprintf(text, sizeof(text), "[defaults]\n%s\n[route /a]\nconnect = unix:/x\n", line);
		config_unref(conf_good(text));
		snprintf(text, sizeof(text), "[route /a]\nexec = cat\n%s\n", line);
		config_unref(conf_good(text));
		snprintf(text, sizeof(text), "[route /a/*]\ndir = /\n%s\n", line);
		config_unref(conf_good(text));
	}
	config_unref(conf_good("[route /a]\nconnect = unix:/x\nstderr =\nenv =\n"));
	conf_bad("[route /a]\nconnect = unix:/x\nframing = base64\nmessages = binary\n",
		"t.ini:4: messages: does nothing with base64, which is text\n");
	config_unref(conf_good("[route /a]\nconnect = unix:/x\nsubprotocols = a=base64\nmessages = text\n"));
	config_unref(conf_good(
		"[route /a]\nconnect = unix:/x\nframing = base64\nsubprotocols = a=nul\nmessages = text\n"));
	conf_bad("[route /a]\nexec = cat\nconnect_timeout = 5s\n",
		"t.ini:3: connect_timeout: does nothing with exec\n");
	conf_bad("[route /a/*]\nconnect_timeout = 5s\ndir = /\n",
		"t.ini:2: connect_timeout: does nothing with dir\n");
	config_unref(conf_good("[defaults]\nconnect_timeout = 5s\n[route /a]\nexec = cat\n"));
	config_unref(conf_good("[route /a]\nconnect = unix:/x\nconnect_timeout = 5s\n"));
}

/* Services: several of them, by a token, behind a proxy. */
static void test_services(void **state)
{
	static const char *const of_pipes[] = { "stderr = merge", "eof_message = yes", "unbuffer = yes",
		NULL };
	const struct config *config =
		conf_good("[listen a]\naddress = 127.0.0.1:1\nproxy_protocol = yes\ntrusted_proxies = "
			  "127.0.0.0/8, unix\n"
			  "[route /a]\nconnect = tcp://a:1\nconnect = tls://[::1]:2\nconnect = unix:/x y\n"
			  "balance = least-sessions\nhealth = none\ntls_name = b.example\ntls_verify = "
			  "no\nsend_proxy = v2\n"
			  "[route /b/*]\ntargets = /dev/null\ntarget_by = path\n");
	const struct route_conf *route = &config->routes[0];

	(void)state;
	assert_int_equal(config->listens[0].trusted_proxies.n, 2);
	assert_int_equal(config->listens[0].trusted_proxies.items[0].bits, 8);
	assert_int_equal(config->listens[0].trusted_proxies.items[1].family, AF_UNIX);
	assert_int_equal(route->connect.n, 3);
	assert_string_equal(route->connect.items[2].uri, "unix:/x y");
	assert_false(route->connect.items[0].tls);
	assert_true(route->connect.items[1].tls);
	assert_string_equal(route->connect.items[1].name.host, "::1");
	assert_int_equal(route->balance, BALANCE_LEAST_SESSIONS);
	assert_false(route->tls_verify);
	assert_true(config->routes[1].is_service);
	assert_int_equal(config->routes[1].framing, FRAMING_STREAM);
	assert_int_equal(config->routes[1].target_by, TARGET_BY_PATH);
	config_unref(config);
	conf_bad("[route /a]\nconnect = tcp://a:1\ntargets = /dev/null\n",
		"t.ini:1: [route /a] has connect and targets; a route has only one of them\n");
	conf_bad("[route /a]\ntargets = /no/such\n",
		"t.ini:2: targets: /no/such: No such file or directory\n");
	conf_bad("[route /a]\ntargets = /dev/null\ntarget_by = path\n",
		"t.ini:1: [route /a] has target_by = path, so its path ends in /*\n");
	conf_bad("[route /a]\nconnect = tls://a:1\ntls_cert = /dev/null\n",
		"t.ini:1: [route /a] has one of tls_cert and tls_key; they are a pair\n");
	conf_bad("[route /a]\nconnect = tls://a:1\ntls_verify = no\ntls_ca = /dev/null\n",
		"t.ini:4: tls_ca: does nothing with tls_verify = no\n");
	conf_bad("[listen a]\naddress = 127.0.0.1:1\nproxy_protocol = yes\n[route /a]\nexec = cat\n",
		"t.ini:1: [listen a] has proxy_protocol but no trusted_proxies; nobody could connect\n");
	conf_bad(
		"[route /a]\nexec = cat\nsend_proxy = v1\n", "t.ini:3: send_proxy: does nothing with exec\n");
	conf_bad("[route /a]\ntargets = /dev/null\nenv = A=b\n", "t.ini:3: env: does nothing with targets\n");
	conf_bad("[route /a]\nexec = cat\nwrite = no\n",
		"t.ini:3: write: does nothing without terminal = yes\n");
	conf_bad("[route /a]\nconnect = tcp://127.0.0.1:1\nunbuffer = yes\n",
		"t.ini:3: unbuffer: does nothing with connect\n");
	for (const char *const *line = of_pipes; *line != NULL; line++) {
		char text[128], expected[128];

		snprintf(text, sizeof(text), "[route /a]\nexec = cat\nterminal = yes\n%s\n", *line);
		snprintf(expected, sizeof(expected), "t.ini:4: %.*s: does nothing with terminal = yes\n",
			(int)strcspn(*line, " "), *line);
		conf_bad(text, expected);
	}
}

/* The same of what only some framings have, whether they are the route's or a subprotocol's. */
static void test_terminal(void **state)
{
	(void)state;
	config_unref(conf_good("[route /a]\nexec = cat\nterminal = yes\nframing = base64\nsubprotocols = tty "
			       "x=text-stream\n"));
	conf_bad("[route /a]\nexec = cat\nterminal = yes\nframing = lines\n",
		"t.ini:1: [route /a] has terminal and a framing that is none of stream, text-stream and "
		"base64\n");
	conf_bad("[route /a]\nexec = cat\nterminal = yes\nsubprotocols = tty x=records\n",
		"t.ini:1: [route /a] has terminal and a framing that is none of stream, text-stream and "
		"base64\n");
	conf_bad("[route /a]\ncgi = /\n", "t.ini:1: [route /a] has cgi, so its path ends in /*\n");
}

/* What only the program of an upgrade has, and what its CGI programs have beside one on a terminal. */
static void test_terminal_beside_cgi(void **state)
{
	static const char *const of_sessions[] = { "terminal = yes", "write = no", "unbuffer = yes",
		"eof_message = yes" };
	static const char *const targets[] = { "cgi", "static" };
	const struct config *config;
	char text[160], expected[160];

	(void)state;
	for (size_t i = 0; i < 4 * 2; i++) {
		const char *line = of_sessions[i % 4], *target = targets[i / 4];
		bool of_services = strncmp(line, "eof", 3) == 0;

		snprintf(text, sizeof(text), "[route /a/*]\n%s = /\n%s\n", target, line);
		snprintf(expected, sizeof(expected), "t.ini:3: %.*s: does nothing without exec%s\n",
			(int)strcspn(line, " "), line, of_services ? ", dir, connect or targets" : " or dir");
		conf_bad(text, expected);
		snprintf(text, sizeof(text), "[defaults]\n%s\n[route /a/*]\n%s = /\n", line, target);
		config = conf_good(text);
		assert_false(config->routes[0].terminal);
		config_unref(config);
	}
	config = conf_good("[route /a/*]\ncgi = /\nexec = cat\nterminal = yes\nstderr = merge\n");
	assert_int_equal(config->routes[0].stderr_to, STDERR_MERGE);
	config_unref(config);
	conf_bad("[route /a/*]\ncgi = /\nexec = cat\nterminal = yes\nunbuffer = yes\n",
		"t.ini:5: unbuffer: does nothing with terminal = yes\n");
	conf_bad("[route /a/*]\ncgi = /\ndir = /\nterminal = yes\neof_message = yes\n",
		"t.ini:5: eof_message: does nothing with terminal = yes\n");
	conf_bad("[route /a/*]\ncgi = /\nconnect = unix:/x\nunbuffer = yes\n",
		"t.ini:4: unbuffer: does nothing without exec or dir\n");
	config_unref(conf_good("[route /a]\nconnect = unix:/x\neof_message = yes\n"));
}

/* A signal that is not written depends on which of a route's programs it is: none is put in its place. */
static void test_stop_signal(void **state)
{
	const struct config *config = conf_good("[route /a/*]\ncgi = /\nexec = cat\nterminal = yes\n[route "
						"/b]\nexec = cat\n[route /c]\nexec = cat\n"
						"terminal = yes\nstop_signal = TERM\n");
	char *dump = conf_dump(config);

	(void)state;
	assert_int_equal(config->routes[0].stop_signal, 0);
	assert_int_equal(config->routes[1].stop_signal, 0);
	assert_int_equal(config->routes[2].stop_signal, SIGTERM);
	assert_non_null(strstr(dump, "\nstop_signal =\n"));
	assert_non_null(strstr(dump, "\nstop_signal = TERM\n"));
	assert_null(strstr(dump, "HUP"));
	config_unref(config);
	free(dump);
}

static void test_useless_framing(void **state)
{
	static const char newlines[] =
		"t.ini:4: newlines: does nothing in this framing, only in lines and nul\n";
	static const char messages[] =
		"t.ini:4: messages: does nothing with records, which have types of their own\n";

	(void)state;
	conf_bad("[route /a]\nexec = cat\nframing = stream\nnewlines = pass\n", newlines);
	conf_bad("[route /a]\nexec = cat\nsubprotocols = a=records b\nnewlines = pass\nframing = length8\n",
		newlines);
	conf_bad("[route /a]\nconnect = unix:/x\n\nnewlines = space\n", newlines);
	config_unref(conf_good("[route /a]\nexec = cat\nnewlines = space\n"));
	config_unref(conf_good("[route /a]\nexec = cat\nnewlines = space\nframing = nul\n"));
	config_unref(conf_good("[route /a]\nexec = cat\nnewlines = space\nframing = stream\n"
			       "subprotocols = a b=nul\n"));
	config_unref(conf_good("[defaults]\nnewlines = space\n[route /a]\nexec = cat\nframing = stream\n"));
	conf_bad("[route /a]\nexec = cat\nframing = records\nmessages = text\n", messages);
	conf_bad("[route /a]\nexec = cat\nsubprotocols = a b=records\nmessages = text\nframing = records\n",
		messages);
	config_unref(conf_good("[route /a]\nexec = cat\nmessages = text\n"));
	config_unref(conf_good("[route /a]\nexec = cat\nmessages = text\nframing = records\n"
			       "subprotocols = a b=stream\n"));
	config_unref(conf_good("[route /a]\nexec = cat\nmessages = text\nsubprotocols = a=records\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_little),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_continuation),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_long_continuation),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_all_errors),
		cmocka_unit_test(test_cross_checks),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_long_variable),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test_setup_teardown(test_include, tmp_setup, tmp_teardown),
		cmocka_unit_test_setup_teardown(test_include_loops, tmp_setup, tmp_teardown),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_pass_nothing),
		cmocka_unit_test(test_useless),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_terminal_beside_cgi),
		cmocka_unit_test(test_stop_signal),
		cmocka_unit_test(test_useless_framing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
