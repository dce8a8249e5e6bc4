/*
 * Tests of the kinds of values: what each takes, what it refuses and how it says so, its limits at n-1, n and
 * n+1, and that it is written back as it was read.
 */
#include "test_conf.h"

#include <unistd.h>

/* One value of a key, and what --dump writes for it, or, after "!", the end of the mistake. */
struct value_case {
	const char *key, *value, *expected;
};

/* Tries values of keys in one section that is otherwise complete. */
static void check_values(const char *heading, const char *more, const struct value_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct value_case *c = &cases[i];

		if (c->expected[0] != '!') {
			char *shown = conf_shown(heading, more, c->key, c->value);

			assert_string_equal(shown, c->expected);
			free(shown);
		} else {
			char text[1024], expected[1024];
			unsigned line = more[0] ? 3 : 2;

			snprintf(text, sizeof(text), "[%s]\n%s%s = %s\n", heading, more, c->key, c->value);
			snprintf(expected, sizeof(expected), "t.ini:%u: %s: %s\n", line, c->key,
				c->expected + 1);
			conf_bad(text, expected);
		}
	}
}

#define CHECK(heading, more, cases) check_values(heading, more, cases, sizeof(cases) / sizeof(cases[0]))

#define WORKERS	 "!must be auto or a number from 1 to 1024, not "
#define GRACE	 "!must be a time (500ms, 10s, 5m, 1h) from 0 to 1000h, not "
#define TIMEOUT	 "!must be a time (500ms, 10s, 5m, 1h) from 1ms to 1000h, not "
#define BUFFER	 "!must be a size (4096, 64k, 1M) from 16k to 1G, not "
#define YESNO	 "!must be yes or no, not "
#define MODE	 "!must be an octal file mode (0660), not "
#define SIGNALS	 "!must be TERM, HUP, INT, QUIT, USR1, USR2, ALRM, ABRT or KILL, not "
#define CONNECT	 " must be tcp://HOST:PORT, tls://HOST:PORT or unix:PATH"
#define CIDRS	 "!must be blocks of addresses (192.0.2.0/24, 2001:db8::/32), or unix, separated by spaces, not "
#define HEADER	 "!must be a header: \"Name: value\", not "
#define PROTOCOL "!must be names, each perhaps with =FRAMING, separated by spaces, not "
#define ORIGIN \
	"!must be same, any, null, or SCHEME://HOST[:PORT], HOST[:PORT], *.HOST, separated by spaces, not "
#define REDIRECT "!must be a base URL (https://example.org, https://*:8443), not "
#define HOSTS	 "!must be host names (*.example.org is any below), separated by spaces, not "

static void test_gateway(void **state)
{
	static const struct value_case cases[] = {
		{ "workers", "", "auto" },
		{ "workers", "auto", "auto" },
		{ "workers", "1", "1" },
		{ "workers", "1024", "1024" },
		{ "workers", "0", WORKERS "\"0\"" },
		{ "workers", "1025", WORKERS "\"1025\"" },
		{ "workers", "-1", WORKERS "\"-1\"" },
		{ "workers", "0x10", WORKERS "\"0x10\"" },
		{ "workers", "18446744073709551617", WORKERS "\"18446744073709551617\"" },
		{ "log_level", "trace", "trace" },
		{ "log_level", "WARNING", "warning" },
		{ "log_level", "access", "!must be error, warning, info, debug or trace, not \"access\"" },
		{ "log_format", "logfmt", "logfmt" },
		{ "log_format", "xml", "!must be text, logfmt or json, not \"xml\"" },
		{ "max_sessions", "10000000", "10000000" },
		{ "max_sessions", "10000001", "!must be a number from 1 to 10000000, not \"10000001\"" },
		{ "max_sessions", "0", "!must be a number from 1 to 10000000, not \"0\"" },
		{ "max_sessions_per_ip", "0", "0" },
		{ "max_pending", "5 0", "!must be a number from 1 to 10000000, not \"5 0\"" },
		{ "shutdown_grace", "0", "0" },
		{ "shutdown_grace", "0s", "0" },
		{ "shutdown_grace", "1500ms", "1500ms" },
		{ "shutdown_grace", "120S", "2m" },
		{ "shutdown_grace", "60m", "1h" },
		{ "shutdown_grace", "1000h", "1000h" },
		{ "shutdown_grace", "3600001s", GRACE "\"3600001s\"" },
		{ "shutdown_grace", "5", GRACE "\"5\"" },
		{ "shutdown_grace", "00", GRACE "\"00\"" },
		{ "shutdown_grace", "1.5s", GRACE "\"1.5s\"" },
		{ "shutdown_grace", "10 s", GRACE "\"10 s\"" },
		{ "shutdown_grace", "s", GRACE "\"s\"" },
		{ "shutdown_grace", "-1s", GRACE "\"-1s\"" },
		{ "shutdown_grace", "18446744073709551615h", GRACE "\"18446744073709551615h\"" },
	};

	(void)state;
	CHECK("gateway", "", cases);
}

static void test_listen(void **state)
{
	static const struct value_case cases[] = {
		{ "mode", "0", "0000" },
		{ "mode", "660", "0660" },
		{ "mode", "0777", "0777" },
		{ "mode", "1000", MODE "\"1000\"" },
		{ "mode", "0668", MODE "\"0668\"" },
		{ "mode", "77777777777777777777777", MODE "\"77777777777777777777777\"" },
		{ "owner", "root", "root" },
		{ "owner", "root:root", "root:root" },
		{ "owner", "0:0", "0:0" },
		{ "owner", "no-such-user", "!there is no user \"no-such-user\"" },
		{ "owner", "root:no-such", "!there is no group \"no-such\"" },
		{ "owner", "root:", "!there is no group \"\"" },
		{ "owner", "4294967295", "!there is no user \"4294967295\"" },
		{ "server_names", "Example.ORG", "example.org" },
		{ "server_names", "*.example.org", "*.example.org" },
		{ "server_names", "192.0.2.1", "192.0.2.1" },
		{ "server_names", "[::1]", "[::1]" },
		{ "server_names", "", "" },
		{ "server_names", "ex*mple.org", HOSTS "\"ex*mple.org\"" },
		{ "server_names", "*.*.org", HOSTS "\"*.*.org\"" },
		{ "server_names", "*.", HOSTS "\"*.\"" },
		{ "server_names", "a:80", HOSTS "\"a:80\"" },
		{ "server_names", "[]", HOSTS "\"[]\"" },
		{ "server_names", "[::g]", HOSTS "\"[::g]\"" },
		{ "server_names", "*.[::1]", HOSTS "\"*.[::1]\"" },
		{ "server_names", "a..b", HOSTS "\"a..b\"" },
		{ "server_names", "a:", HOSTS "\"a:\"" },
		{ "server_names", "https://a", HOSTS "\"https://a\"" },
		{ "trusted_proxies", "192.0.2.0/24", "192.0.2.0/24" },
		{ "trusted_proxies", "192.0.2.1", "192.0.2.1/32" },
		{ "trusted_proxies", "::ffff:192.0.2.0/120", "192.0.2.0/24" },
		{ "trusted_proxies", "2001:db8::/32", "2001:db8::/32" },
		{ "trusted_proxies", "unix", "unix" },
		{ "trusted_proxies", "192.0.2.1/24",
			"!\"192.0.2.1/24\" has bits behind those that count; did you mean 192.0.2.0/24?" },
		{ "trusted_proxies", "2001:db8::1/33",
			"!\"2001:db8::1/33\" has bits behind those that count; did you mean 2001:db8::/33?" },
		{ "trusted_proxies", "192.0.2.1/33", CIDRS "\"192.0.2.1/33\"" },
		{ "trusted_proxies", "localhost", CIDRS "\"localhost\"" },
		{ "redirect_to", "https://example.org/", "https://example.org" },
		{ "redirect_to", "http://[::1]:1/a", "http://[::1]:1/a" },
		{ "redirect_to", "https://example.org:65535", "https://example.org:65535" },
		{ "redirect_to", "https://example.org:65536", REDIRECT "\"https://example.org:65536\"" },
		{ "redirect_to", "https://example.org:0", REDIRECT "\"https://example.org:0\"" },
		{ "redirect_to", "https://example.org:", REDIRECT "\"https://example.org:\"" },
		{ "redirect_to", "https://example.org//*", "https://example.org//*" },
		{ "redirect_to", "https://*", "https://*" },
		{ "redirect_to", "https://*/", "https://*" },
		{ "redirect_to", "https://*/*", "https://*/*" },
		{ "redirect_to", "http://*:1/a", "http://*:1/a" },
		{ "redirect_to", "https://*:65535", "https://*:65535" },
		{ "redirect_to", "https://*:65536", REDIRECT "\"https://*:65536\"" },
		{ "redirect_to", "https://*:0", REDIRECT "\"https://*:0\"" },
		{ "redirect_to", "https://*:", REDIRECT "\"https://*:\"" },
		{ "redirect_to", "https://*:x", REDIRECT "\"https://*:x\"" },
		{ "redirect_to", "https://*foo", REDIRECT "\"https://*foo\"" },
		{ "redirect_to", "https://*.foo.org", REDIRECT "\"https://*.foo.org\"" },
		{ "redirect_to", "https://**", REDIRECT "\"https://**\"" },
		{ "redirect_to", "https://", REDIRECT "\"https://\"" },
		{ "redirect_to", "https:///a", REDIRECT "\"https:///a\"" },
		{ "redirect_to", "https://a?b", REDIRECT "\"https://a?b\"" },
		{ "redirect_to", "https://*?b", REDIRECT "\"https://*?b\"" },
		{ "redirect_to", "https://u@a", REDIRECT "\"https://u@a\"" },
		{ "redirect_to", "ftp://a", REDIRECT "\"ftp://a\"" },
		{ "backlog", "65535", "65535" },
		{ "backlog", "65536", "!must be a number from 1 to 65535, not \"65536\"" },
		{ "handshake_timeout", "1ms", "1ms" },
		{ "handshake_timeout", "0", TIMEOUT "\"0\"" },
		{ "max_header", "1023", "!must be a size (4096, 64k, 1M) from 1k to 1M, not \"1023\"" },
		{ "max_header", "1024", "1k" },
		{ "max_header", "1025", "1025" },
		{ "max_header", "1M", "1M" },
		{ "max_header", "1025k", "!must be a size (4096, 64k, 1M) from 1k to 1M, not \"1025k\"" },
		{ "address", "h:1", "127.0.0.1:1" }, /* the one before is shown first */
		{ "address", "nohost", "!\"nohost\" has no port (HOST:PORT)" },
		{ "address", "systemd:x", "127.0.0.1:1" },
		{ "address", "systemd:",
			"!\"systemd:\" is not the name of a descriptor: 1 to 255 printable characters of "
			"ASCII, no colon" },
		{ "address", "systemd:a:b",
			"!\"systemd:a:b\" is not the name of a descriptor: 1 to 255 printable characters of "
			"ASCII, no colon" },
	};

	(void)state;
	CHECK("listen a", "address = 127.0.0.1:1\n", cases);
}

/* Who owns a socket is known once the configuration was read: a name or a number, whether or not somebody has
 * it, and nothing where nothing is said. */
static void test_owner(void **state)
{
	static const struct {
		const char *owner;
		uid_t uid;
		gid_t gid;
	} cases[] = {
		{ "", (uid_t)-1, (gid_t)-1 },
		{ "root", 0, (gid_t)-1 },
		{ "root:root", 0, 0 },
		{ "root:4294967294", 0, 4294967294 },
		{ "0:0", 0, 0 },
		{ "123456:root", 123456, 0 },
		{ "4294967294", 4294967294, (gid_t)-1 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "[listen a]\naddress = unix:/x\nowner = %s\n", cases[i].owner);
		const struct config *config = conf_good(text);
		assert_int_equal(config->listens[0].uid, cases[i].uid);
		assert_int_equal(config->listens[0].gid, cases[i].gid);
		config_unref(config);
	}
}

static void test_route(void **state)
{
	static const struct value_case cases[] = {
		{ "framing", "text-stream", "text-stream" },
		{ "framing", "nul", "nul" },
		{ "framing", "length16le", "length16le" },
		{ "framing", "LENGTH64", "length64" },
		{ "framing", "length24",
			"!must be lines, stream, text-stream, nul, length8, length16, length16le, length32, "
			"length32le, length64, length64le, netstring, records or base64, not \"length24\"" },
		{ "auth", "", "" },
		{ "auth", "none", "none" },
		{ "auth", "basic:/x", "!must be none, not \"basic:/x\"" },
		{ "stop_signal", "SIGINT", "INT" },
		{ "stop_signal", "usr1", "USR1" },
		{ "stop_signal", "SIG", SIGNALS "\"SIG\"" },
		{ "stop_signal", "15", SIGNALS "\"15\"" },
		{ "max_message", "0", "0" },
		{ "max_message", "1024G", "1024G" },
		{ "max_message", "1025G", "!must be a size (4096, 64k, 1M) from 0 to 1024G, not \"1025G\"" },
		{ "max_message", "1T", "!must be a size (4096, 64k, 1M) from 0 to 1024G, not \"1T\"" },
		{ "buffer", "16383", BUFFER "\"16383\"" },
		{ "buffer", "16384", "16k" },
		{ "buffer", "16385", "16385" },
		{ "buffer", "1g", "1G" },
		{ "buffer", "1073741823", "1073741823" },
		{ "buffer", "1073741825", BUFFER "\"1073741825\"" },
		{ "buffer", "18014398509481984k", BUFFER "\"18014398509481984k\"" },
		{ "send_timeout", "0", TIMEOUT "\"0\"" },
		{ "idle_timeout", "0", "0" },
		{ "ping_interval", "0", "0" },
		{ "ping_timeout", "0", TIMEOUT "\"0\"" },
		{ "connect_timeout", "0", TIMEOUT "\"0\"" },
		{ "deflate", "on", "yes" },
		{ "deflate_level", "0", "!must be a number from 1 to 9, not \"0\"" },
		{ "deflate_level", "9", "9" },
		{ "deflate_level", "10", "!must be a number from 1 to 9, not \"10\"" },
		{ "deflate_threshold", "0", "0" },
		{ "deflate_threshold", "1G", "1G" },
		{ "deflate_threshold", "1048577k",
			"!must be a size (4096, 64k, 1M) from 0 to 1G, not \"1048577k\"" },
		{ "deflate_window", "8", "!must be a number from 9 to 15, not \"8\"" },
		{ "deflate_window", "9", "9" },
		{ "deflate_window", "15", "15" },
		{ "deflate_window", "16", "!must be a number from 9 to 15, not \"16\"" },
		{ "deflate_context", "yes", "yes" },
		{ "connect", "tcp://[::1]:5900", "tcp://[::1]:5900" },
		{ "connect", "unix:/run/x y.sock", "unix:/run/x y.sock" },
		{ "connect", "tls://h:1", "tls://h:1" },
		{ "connect", "tls://h:0", "!\"tls://h:0\" needs a port from 1 to 65535" },
		{ "max_lifetime", "1h", "1h" },
		{ "send_proxy", "v1", "v1" },
		{ "send_proxy", "v2", "v2" },
		{ "send_proxy", "yes", "!must be no, v1 or v2, not \"yes\"" },
		{ "balance", "hash-ip", "hash-ip" },
		{ "health", "none", "none" },
		{ "target_by", "host", "host" },
		{ "tls_verify", "no", "no" },
		{ "tls_name", "a.example", "a.example" },
		{ "tls_name", "::1", "::1" },
		{ "tls_name", "192.0.2.1", "192.0.2.1" },
		{ "tls_name", "https://a", "!must be a host name or an address, not \"https://a\"" },
		{ "tls_name", "a b", "!must be a host name or an address, not \"a b\"" },
		{ "tls_name", "a:443", "!must be a host name or an address, not \"a:443\"" },
		{ "tls_name", "[::1]", "!must be a host name or an address, not \"[::1]\"" },
		{ "connect", "http://h:1", "!\"http://h:1\"" CONNECT },
		{ "connect", "h:1", "!\"h:1\"" CONNECT },
		{ "connect", "tcp://unix:/x", "!\"tcp://unix:/x\"" CONNECT },
		{ "connect", "tcp://*:1", "!\"tcp://*:1\"" CONNECT },
		{ "connect", "tcp://h:0", "!\"tcp://h:0\" needs a port from 1 to 65535" },
		{ "connect", "tcp://h:65535", "tcp://h:65535" },
		{ "connect", "tcp://h:65536", "!\"tcp://h:65536\" needs a port from 1 to 65535" },
		{ "connect", "tcp://h:1/",
			"!\"tcp://h:1/\" has a slash behind HOST:PORT, where nothing may follow" },
		{ "connect", "tcp://h:1x", "!\"tcp://h:1x\" needs a port from 1 to 65535" },
		{ "connect", "tcp://-h:1",
			"!\"tcp://-h:1\" has a host that is neither a name nor an IPv4 address" },
		{ "connect", "tcp://a:1 tcp://b:2",
			"!\"tcp://a:1 tcp://b:2\" is more than one service; repeat the key for each" },
		{ "connect", "unix:/a,unix:/b",
			"!\"unix:/a,unix:/b\" is more than one service; repeat the key for each" },
		{ "connect", "unix://run/x",
			"!\"unix://run/x\" needs unix:/PATH: two slashes begin a host, and a socket has "
			"none" },
		{ "connect", "unix:///run/x", "unix:///run/x" },
		{ "connect", "tcp://h", "!\"tcp://h\" has no port (HOST:PORT)" },
		{ "cgi", "/dev/null", "!/dev/null: Not a directory" },
		{ "static", "/", "/" },
		{ "static", "/dev/null", "!/dev/null: Not a directory" },
		{ "static", "/no/such", "!/no/such: No such file or directory" },
		{ "subprotocols", "mqtt", "mqtt" },
		{ "subprotocols", "mqtt=lines", "mqtt=lines" },
		{ "subprotocols", "mqtt=", "!\"mqtt=\" names no framing; see framing" },
		{ "subprotocols", "mqtt=line", "!\"mqtt=line\" names no framing; see framing" },
		{ "subprotocols", "a=lines=nul", "!\"a=lines=nul\" names no framing; see framing" },
		{ "subprotocols", "=nul", PROTOCOL "\"\"" },
		{ "subprotocols", "m(tt", PROTOCOL "\"m(tt\"" },
		{ "origins", "SAME", "same" },
		{ "origins", "*", "*" },
		{ "origins", "", "same" },
		{ "origins", "HTTPS://App.Example.org:8443", "https://app.example.org:8443" },
		{ "origins", "chrome-extension://abc", "chrome-extension://abc" },
		{ "origins", "*.example.org", "*.example.org" },
		{ "origins", "[::1]:80", "[::1]:80" },
		{ "origins", "[::1]", "[::1]" },
		{ "origins", "http://[::1]", "http://[::1]" },
		{ "origins", "https://a/", ORIGIN "\"https://a/\"" },
		{ "origins", "://a", ORIGIN "\"://a\"" },
		{ "origins", "a:b", ORIGIN "\"a:b\"" },
		{ "origins", "a:", ORIGIN "\"a:\"" },
		{ "origins", "a:65536", ORIGIN "\"a:65536\"" },
		{ "origins", "https://", ORIGIN "\"https://\"" },
		{ "origins", "a@b", ORIGIN "\"a@b\"" },
		{ "header", "X-A:  b ; c # d", "X-A: b ; c # d" },
		{ "header", "X-Empty:", "X-Empty: " },
		{ "header", "no colon", HEADER "\"no colon\"" },
		{ "header", "A B: c", HEADER "\"A B: c\"" },
		{ "header", ": c", HEADER "\": c\"" },
		{ "header", "content-length: 5", "!content-length is a header that the gateway sets itself" },
		{ "header_ws", "Upgrade: x", "!Upgrade is a header that the gateway sets itself" },
	};

	(void)state;
	CHECK("route /x", "console = yes\n", cases);
}

static void test_booleans(void **state)
{
	static const struct value_case cases[] = {
		{ "console", "yes", "yes" },
		{ "console", "true", "yes" },
		{ "console", "on", "yes" },
		{ "console", "No", "no" },
		{ "console", "false", "no" },
		{ "console", "off", "no" },
		{ "console", "1", YESNO "\"1\"" },
		{ "console", "yes please", YESNO "\"yes please\"" },
	};

	(void)state;
	CHECK("route /x", "exec = cat\n", cases);
}

/* A path of a unix socket at its limit of 107 bytes. */
static void test_unix_path(void **state)
{
	char path[110], text[256];

	(void)state;
	for (size_t len = 106; len <= 108; len++) {
		memset(path, 'p', len);
		path[0] = '/';
		path[len] = '\0';
		snprintf(text, sizeof(text), "[listen a]\naddress = unix:%s\n", path);
		if (len <= 107) {
			config_unref(conf_good(text));
		} else {
			char expected[512];

			snprintf(expected, sizeof(expected),
				"t.ini:2: address: \"unix:%s\" has a path of more than 107 bytes, which a "
				"unix "
				"socket can't have\n",
				path);
			conf_bad(text, expected);
		}
	}
}

/* What concerns a program, with its limits. */
static void test_program(void **state)
{
	static const struct value_case cases[] = {
		{ "messages", "", "" },
		{ "messages", "text", "text" },
		{ "messages", "both", "!must be text or binary, not \"both\"" },
		{ "newlines", "", "pass" },
		{ "newlines", "reject", "reject" },
		{ "newlines", "drop", "!must be pass, space or reject, not \"drop\"" },
		{ "invalid_utf8", "", "replace" },
		{ "invalid_utf8", "close", "close" },
		{ "refuse_as", "close", "close" },
		{ "refuse_as", "1011", "!must be http or close, not \"1011\"" },
		{ "stderr", "", "log" },
		{ "stderr", "tagged", "tagged" },
		{ "stderr", "stdout", "!must be log, merge, tagged or discard, not \"stdout\"" },
		{ "env", "A=", "A=" },
		{ "env", "A_1=b c=d # e", "A_1=b c=d # e" },
		{ "env", "A", "!must be NAME=VALUE, not \"A\"" },
		{ "env", "=b", "!must be NAME=VALUE, not \"=b\"" },
		{ "env", "1A=b", "!must be NAME=VALUE, not \"1A=b\"" },
		{ "env", "A-B=c", "!must be NAME=VALUE, not \"A-B=c\"" },
		{ "env", "REMOTE_ADDR=1", "!REMOTE_ADDR is a variable that the gateway sets itself" },
		{ "env", "HTTP_X=1", "!HTTP_X is a variable that the gateway sets itself" },
		{ "pass_env", "", "PATH" }, /* the first of the default is shown */
		{ "pass_env", "*", "*" },
		{ "pass_env", "none", "none" },
		{ "pass_env", "None", "None" },
		{ "pass_env", "none A", "!none stands alone" },
		{ "pass_env", "A,none", "!none stands alone" },
		{ "pass_env", "LC_*", "LC_*" },
		{ "pass_env", "REMOTE_USER", "!REMOTE_USER is a variable that the gateway sets itself" },
		{ "pass_env", "LISTEN_FDS",
			"!LISTEN_FDS is a variable that is between the gateway and its service manager" },
		{ "pass_env", "LISTEN_*", "LISTEN_*" },
		{ "pass_env", "LISTEN", "LISTEN" },
		{ "env", "NOTIFY_SOCKET=",
			"!NOTIFY_SOCKET is a variable that is between the gateway and its service manager" },
		{ "env", "NOTIFY_SOCKETS=", "NOTIFY_SOCKETS=" },
		{ "pass_env", "A*B",
			"!must be names of variables (LC_* is all that begin so), separated by spaces, or "
			"none, not "
			"\"A*B\"" },
		{ "pass_env", "A=1",
			"!must be names of variables (LC_* is all that begin so), separated by spaces, or "
			"none, not "
			"\"A=1\"" },
		{ "directory", "/", "/" },
		{ "directory", "/no/such", "!/no/such: No such file or directory" },
		{ "umask", "", "" },
		{ "umask", "0", "0000" },
		{ "umask", "777", "0777" },
		{ "umask", "1000", "!must be an octal file mode (0027), not \"1000\"" },
		{ "umask", "028", "!must be an octal file mode (0027), not \"028\"" },
		{ "run_as", "", "" },
		{ "run_as", "root", "root" },
		{ "run_as", "root:0", "root:0" },
		{ "run_as", "no-such-user", "!there is no user \"no-such-user\"" },
		{ "run_as", "root:no-such-group", "!there is no group \"no-such-group\"" },
		{ "run_as", "4294967294",
			"!4294967294 is nobody's number, so it needs a group: "
			"4294967294:GROUP" },
		{ "run_as", "4294967294:0", "4294967294:0" },
		{ "limit_cpu", "1s", "1s" },
		{ "limit_cpu", "0", "0" },
		{ "limit_memory", "1G", "1G" },
		{ "limit_files", "10000000", "10000000" },
		{ "limit_files", "10000001", "!must be a number from 0 to 10000000, not \"10000001\"" },
		{ "limit_processes", "7", "7" },
		{ "terminal", "on", "yes" },
		{ "terminal", "maybe", YESNO "\"maybe\"" },
		{ "unbuffer", "on", "yes" },
		{ "spawn_rate", "1000000", "1000000" },
		{ "spawn_rate", "1000001", "!must be a number from 0 to 1000000, not \"1000001\"" },
		{ "eof_message", "yes", "yes" },
		{ "max_sessions", "0", "0" },
	};
	(void)state;

	CHECK("route /x", "exec = cat\n", cases);
}

/* A program's world as the spawner sees it. */
static void test_program_fields(void **state)
{
	const struct config *config = conf_good("[route /x]\nexec = cat\nsubprotocols = a b=nul c=records\n"
						"run_as = 7:8\nenv = A=1\nenv = B=2 3\n"
						"[route /y/*]\ndir = /\n");
	const struct route_conf *route = &config->routes[0];
	(void)state;

	assert_int_equal(route->subprotocols.names.n, 3);
	assert_string_equal(route->subprotocols.names.items[1], "b");
	assert_int_equal(route->subprotocols.framings[0], FRAMING_UNSET);
	assert_int_equal(route->subprotocols.framings[1], FRAMING_NUL);
	assert_int_equal(route->subprotocols.framings[2], FRAMING_RECORDS);
	assert_int_equal(route->run_as_uid, 7);
	assert_int_equal(route->run_as_gid, 8);
	assert_string_equal(route->run_as_user, "7");
	assert_int_equal(route->env.n, 2);
	assert_string_equal(route->env.items[1], "B=2 3");
	assert_int_equal(route->pass_env.n, 4);
	assert_int_equal(route->umask, (mode_t)-1);
	assert_int_equal(route[1].framing, FRAMING_LINES);
	assert_int_equal(route[1].run_as_uid, (uid_t)-1);
	assert_int_equal(route[1].run_as_gid, (gid_t)-1);
	assert_string_equal(route[1].dir, "/");
	config_unref(config);
}

/* Lists on one line and on several, and what a snapshot holds of them. */
static void test_lists(void **state)
{
	const struct config *config = conf_good("[listen a]\naddress = *:1\naddress = unix:/tmp/a b\n"
						"[listen b]\naddress = *:2\n"
						"[route /x]\nexec = cat\nlisten = a,b\n"
						"origins = same https://a.b\norigins = null\n"
						"subprotocols = Binary , mqtt\nheader = A: 1\nheader = B: 2\n"
						"header = C: 3\nheader =\n");
	const struct route_conf *route = &config->routes[0];

	(void)state;
	assert_int_equal(config->n_listens, 2);
	assert_int_equal(config->listens[0].address.n, 2);
	assert_string_equal(config->listens[0].address.items[1], "unix:/tmp/a b");
	assert_int_equal(route->listen.n, 2);
	assert_string_equal(route->listen.items[1], "b");
	assert_int_equal(route->origins.n, 3);
	assert_string_equal(route->origins.items[0], "same");
	assert_string_equal(route->origins.items[2], "null");
	assert_null(route->origins.items[3]);
	assert_int_equal(route->subprotocols.names.n, 2);
	assert_string_equal(route->subprotocols.names.items[0], "Binary");
	assert_int_equal(route->header.n, 3);
	assert_string_equal(route->header.items[2].name, "C");
	assert_string_equal(route->header.items[2].value, "3");
	config_unref(config);
}

/* Places are parsed once, here. */
static void test_connect(void **state)
{
	const struct config *config =
		conf_good("[route /t]\nconnect = tcp://db.example:5432\n"
			  "[route /u]\nconnect = unix:/run/x\n[route /e]\nexec = cat -n\n");

	(void)state;
	assert_true(config->routes[0].is_service);
	assert_int_equal(config->routes[0].connect.items[0].name.kind, ADDR_TCP);
	assert_string_equal(config->routes[0].connect.items[0].name.host, "db.example");
	assert_int_equal(config->routes[0].connect.items[0].name.port, 5432);
	assert_int_equal(config->routes[0].framing, FRAMING_STREAM);
	assert_int_equal(config->routes[1].connect.items[0].name.kind, ADDR_UNIX);
	assert_string_equal(config->routes[1].connect.items[0].name.path, "/run/x");
	assert_false(config->routes[2].is_service);
	assert_int_equal(config->routes[2].framing, FRAMING_LINES);
	assert_int_equal(config->routes[2].exec.n, 2);
	assert_string_equal(config->routes[2].exec.items[1], "-n");
	assert_null(config->routes[2].exec.items[2]);
	assert_int_equal(config->routes[2].exec_path[0], '/');
	assert_int_equal(access(config->routes[2].exec_path, X_OK), 0);
	config_unref(config);
}

/* Keys about TLS need TLS, and the version that they are about. */
static void test_tls(void **state)
{
#define LISTEN "[listen a]\naddress = h:1\n"
#define PAIR   "tls_certificate = /dev/null\ntls_key = /dev/null\n"
	static const char *const who[] = { "require", "accept" };
	char text[512];
	(void)state;

	conf_bad(LISTEN "tls_min_version = 1.3\n" ROUTE_X,
		"t.ini:1: [listen a] has tls_min_version but no tls_certificate\n");
	conf_bad(LISTEN "tls_ciphers = HIGH\ntls_min_version = 1.2\n" ROUTE_X,
		"t.ini:1: [listen a] has tls_min_version but no tls_certificate\n"
		"t.ini:1: [listen a] has tls_ciphers but no tls_certificate\n");
	conf_bad(LISTEN "tls_client = require\n" ROUTE_X,
		"t.ini:1: [listen a] has tls_client but no tls_certificate\n");
	/* Also where it says what would be the default: whoever writes that wants it to hold. */
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), LISTEN PAIR "tls_client = %s\n" ROUTE_X, who[i]);
		conf_bad(text, "t.ini:1: [listen a] has tls_client but no tls_client_ca; nobody would be "
			       "asked for a certificate\n");
		snprintf(text, sizeof(text),
			LISTEN PAIR "tls_client_ca = /dev/null\ntls_client = %s\n" ROUTE_X, who[i]);
		config_unref(conf_good(text));
	}
	config_unref(conf_good(LISTEN "tls_client =\ntls_min_version =\n" ROUTE_X));
	conf_bad(LISTEN PAIR "tls_ciphers = HIGH\ntls_min_version = 1.3\n" ROUTE_X,
		"t.ini:1: [listen a] has tls_ciphers, which are of TLS 1.2, but tls_min_version is 1.3\n");
	config_unref(conf_good(LISTEN PAIR "tls_ciphers = HIGH\ntls_min_version = 1.2\n" ROUTE_X));
	config_unref(conf_good(LISTEN PAIR "tls_ciphers =\ntls_min_version = 1.3\n" ROUTE_X));
	config_unref(conf_good(
		LISTEN PAIR "tls_ciphersuites = TLS_AES_128_GCM_SHA256\ntls_min_version = 1.3\n" ROUTE_X));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_program_fields),
		cmocka_unit_test(test_booleans),
		cmocka_unit_test(test_unix_path),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
