/*
 * websockify_options: the table of its options, and those of them that mean something by themselves; the
 * others are remembered for websockify.c. Runs once, before anything else.
 */
#include "conf/websockify.h"

#include <string.h>

enum { WEBSOCKIFY_SECONDS_MAX = 3600 * 1000 }; /* as many as a key takes at most */

/* clang-format off */
const char websockify_no_wrapping[] =
	"no program is wrapped; start the server by itself and name its port, or, when it talks on standard input and output: wsluice --port=PORT COMMAND";
static const char websockify_no_auth[] =
	"nobody is asked for a password; pages are told apart by --set origins=ORIGIN, clients with certificates by --verify-client";
/* clang-format on */

/* Logs more. */
static void websockify_take_verbose(struct argv_state *state, const char *value)
{
	(void)value;
	draft_put(&state->draft, state->draft.gateway, "log_level", "debug", state->origin);
}

/* Logs to a file. */
static void websockify_take_log_file(struct argv_state *state, const char *value)
{
	draft_put(&state->draft, state->draft.gateway, "log_target",
		pool_printf(&state->draft.pool, "file:%s", value), state->origin);
}

/* Logs to the one syslog that we know. */
static void websockify_take_syslog(struct argv_state *state, const char *value)
{
	if (strcmp(value, "/dev/log") != 0)
		argv_reject(state, "/dev/log: the log goes to the syslog of this machine or nowhere", value);
	else
		draft_put(&state->draft, state->draft.gateway, "log_target", "syslog", state->origin);
}

/* Reads a number of seconds. */
static bool websockify_parse_seconds(struct argv_state *state, const char *value, unsigned *ms)
{
	uint64_t seconds;

	if (!text_to_u64(text_of(value), WEBSOCKIFY_SECONDS_MAX, &seconds)) {
		argv_reject(state, "a number of seconds up to 3600000", value);
		return false;
	}
	*ms = (unsigned)seconds * 1000;
	return true;
}

/* Pings who is silent. */
static void websockify_take_heartbeat(struct argv_state *state, const char *value)
{
	unsigned ms;

	if (websockify_parse_seconds(state, value, &ms))
		draft_put(&state->draft, state->route, "ping_interval",
			pool_printf(&state->draft.pool, "%ums", ms), state->origin);
}

/* When it ends by itself. */
static void websockify_take_timeout(struct argv_state *state, const char *value)
{
	websockify_parse_seconds(state, value, &state->draft.config.end_after_ms);
}

/* ... when nobody comes. */
static void websockify_take_idle_timeout(struct argv_state *state, const char *value)
{
	websockify_parse_seconds(state, value, &state->draft.config.end_idle_ms);
}

/* One session; who comes meanwhile is told that all are taken. */
static void websockify_take_run_once(struct argv_state *state, const char *value)
{
	(void)value;
	state->draft.config.run_once = true;
	draft_put(&state->draft, state->draft.gateway, "max_sessions", "1", state->origin);
}

/* Serves in the background. */
static void websockify_take_daemon(struct argv_state *state, const char *value)
{
	(void)value;
	state->draft.config.background = true;
}

/* Takes the least version of TLS. */
static void websockify_take_ssl_version(struct argv_state *state, const char *value)
{
	static const char *const versions[][2] = { { "default", "" }, { "tlsv1_2", "1.2" },
		{ "tlsv1_3", "1.3" } };

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(value, versions[i][0]) == 0) {
			draft_put(&state->draft, state->listen, "tls_min_version", versions[i][1],
				state->origin);
			return;
		}
	}
	argv_reject(state, "default, tlsv1_2 or tlsv1_3: TLS 1.1 is not spoken here (RFC 8996)", value);
}

/* Takes the ciphers of TLS 1.2. */
static void websockify_take_ssl_ciphers(struct argv_state *state, const char *value)
{
	draft_put(&state->draft, state->listen, "tls_ciphers", value, state->origin);
}

/* clang-format off */
const struct argv_option websockify_options[] = {
	{ "verbose", ARGV_FLAG, 'v', .take = websockify_take_verbose, .help = "log more (--loglevel=debug)" },
	{ "daemon", ARGV_FLAG, 'D', .take = websockify_take_daemon, .help = "go to the background once all is open; the log goes nowhere then without --log-file or --syslog" },
	{ "run-once", ARGV_FLAG, .take = websockify_take_run_once, .help = "serve one session and exit; who comes meanwhile is closed with 1013" },
	{ "timeout", ARGV_VALUE, .arg = "SECONDS", .take = websockify_take_timeout, .help = "so long after the start let nobody in any more, and exit when nobody is connected" },
	{ "idle-timeout", ARGV_VALUE, .arg = "SECONDS", .take = websockify_take_idle_timeout, .help = "exit when nobody was connected for so long" },
	{ "cert", ARGV_VALUE, .arg = "FILE", .help = "certificate and its chain, PEM; self.pem by default, if that is there. Without --ssl-only TLS and plain connections are served on the same port" },
	{ "key", ARGV_VALUE, .arg = "FILE", .help = "the certificate's private key, PEM; by default it is in its file" },
	{ "ssl-only", ARGV_FLAG, .help = "serve no connections without TLS" },
	{ "ssl-version", ARGV_VALUE, .arg = "VERSION", .take = websockify_take_ssl_version, .help = "lowest version of TLS: default (which is tlsv1_2), tlsv1_2 or tlsv1_3" },
	{ "ssl-ciphers", ARGV_VALUE, .arg = "CIPHERS", .take = websockify_take_ssl_ciphers, .help = "ciphers of TLS 1.2, as OpenSSL writes them" },
	{ "verify-client", ARGV_FLAG, .help = "clients must show a certificate of --cafile; none is served without TLS then" },
	{ "cafile", ARGV_VALUE, .arg = "FILE", .help = "authorities of clients' certificates, PEM" },
	{ "ssl-target", ARGV_FLAG, .help = "the target speaks TLS. Its certificate must be valid for TARGET_ADDR: --set tls_ca=FILE for authorities other than the system's, --set tls_name=NAME for another name, --set tls_verify=no to believe any" },
	{ "unix-target", ARGV_VALUE, .arg = "PATH", .help = "the target is a unix socket" },
	{ "unix-listen", ARGV_VALUE, .arg = "PATH", .help = "listen on a unix socket, instead of a port" },
	{ "unix-listen-mode", ARGV_VALUE, .arg = "MODE", .help = "permissions of that socket, octal; 600 by default" },
	{ "web", ARGV_VALUE, .arg = "DIR", .key = "static", .help = "serve the files of a directory to plain requests; directories are not listed" },
	{ "file-only", ARGV_FLAG, .help = "don't list directories: they never are" },
	{ "token-plugin", ARGV_VALUE, .arg = "CLASS", .help = "TokenFile or ReadOnlyTokenFile, which are the same here" },
	{ "token-source", ARGV_VALUE, .arg = "FILE", .help = "file, or directory of files, of lines \"TOKEN: HOST:PORT\"; ?token=TOKEN picks the target. Read again when it changes" },
	{ "target-config", ARGV_VALUE, .arg = "FILE", .help = "the same as --token-plugin=TokenFile --token-source=FILE" },
	{ "host-token", ARGV_FLAG, .help = "the Host header is the token" },
	{ "heartbeat", ARGV_VALUE, .arg = "SECONDS", .take = websockify_take_heartbeat, .help = "ping a client that was silent for so long, 30 by default; 0 is never. One that does not answer for 20 s is cut" },
	{ "prefer-ipv6", ARGV_FLAG, '6', .help = "listen on IPv6: that of every address and name is listened on anyway" },
	{ "log-file", ARGV_VALUE, .arg = "FILE", .take = websockify_take_log_file, .help = "log to a file, instead of standard error" },
	{ "syslog", ARGV_VALUE, .arg = "SERVER", .take = websockify_take_syslog, .help = "log to /dev/log, the syslog of this machine, instead" },
	{ "legacy-syslog", ARGV_FLAG, .help = "in the form of RFC 3164, which it always has" },
	{ "port", ARGV_NOT, .help = "the port is the first word: websockify [SOURCE_ADDR:]SOURCE_PORT TARGET_ADDR:TARGET_PORT" },
	{ "traffic", ARGV_NOT, .help = "frames are not logged; the line of a session's end has how many bytes and messages there were" },
	{ "record", ARGV_NOT, .help = "sessions are not recorded; tcpdump(8) records the target's side" },
	{ "key-password", ARGV_NOT, .help = "give the key a file of its own without password: openssl pkey -in KEY -out FILE" },
	{ "inetd", ARGV_NOT, .help = "a socket of systemd's is passed with wsluice --address=systemd:NAME --connect=tcp://TARGET" },
	{ "wrap-mode", ARGV_NOT, .help = websockify_no_wrapping },
	{ "libserver", ARGV_NOT, .help = "there is one engine; leave it out" },
	{ "auth-plugin", ARGV_NOT, .help = websockify_no_auth },
	{ "auth-source", ARGV_NOT, .help = websockify_no_auth },
	{ "web-auth", ARGV_NOT, .help = websockify_no_auth },
	{ .name = NULL },
};
/* clang-format on */

_Static_assert(sizeof(websockify_options) / sizeof(websockify_options[0]) <= ARGV_OPTIONS_MAX / 2,
	"ARGV_OPTIONS_MAX is too small");
