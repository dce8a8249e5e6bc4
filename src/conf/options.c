/*
 * options: the table of all keys: where each is stored, how it is read, its default and its help text. The
 * file's reader, --set, --dump, --help-config, etc/wsluice.ini and "did you mean" all come from here. Owns no
 * parser (conf/value.h). Constant; any thread.
 */
#include "conf/options.h"

#include "conf/command.h"
#include "conf/config.h"
#include "conf/items.h"
#include "conf/lists.h"
#include "conf/place.h"
#include "conf/upstream.h"
#include "conf/who.h"

#include <signal.h>
#include <string.h>

#define KIB	 UINT64_C(1024)
#define GIB	 (KIB * KIB * KIB)
#define LONGEST	 (UINT64_C(1000) * 3600 * 1000) /* a time-out of 1000h, in ms */
#define MILLIONS UINT64_C(10000000)

#define FIELD(conf, field) .offset = offsetof(struct conf, field), .size = sizeof(((struct conf *)0)->field)
#define GATEWAY(field)	   .section = OPTION_GATEWAY, FIELD(gateway_conf, field)
#define LISTEN(field)	   .section = OPTION_LISTEN, FIELD(listen_conf, field)
#define ROUTE(field)	   .section = OPTION_ROUTE, FIELD(route_conf, field)

static const struct option_word options_auto[] = { { "auto", 0 }, { NULL, 0 } };

static const struct option_word options_log_levels[] = { { "error", LOG_ERROR }, { "warning", LOG_WARNING },
	{ "info", LOG_INFO }, { "debug", LOG_DEBUG }, { "trace", LOG_TRACE }, { NULL, 0 } };

static const struct option_word options_log_formats[] = { { "text", LOG_FORMAT_TEXT },
	{ "logfmt", LOG_FORMAT_LOGFMT }, { "json", LOG_FORMAT_JSON }, { NULL, 0 } };

static const struct option_word options_tls_client[] = { { "require", TLS_CLIENT_REQUIRE },
	{ "accept", TLS_CLIENT_ACCEPT }, { NULL, 0 } };

static const struct option_word options_tls_versions[] = { { "1.2", 12 }, { "1.3", 13 }, { NULL, 0 } };

const struct option_word options_framings[] = { { "lines", FRAMING_LINES }, { "stream", FRAMING_STREAM },
	{ "text-stream", FRAMING_TEXT_STREAM }, { "nul", FRAMING_NUL }, { "length8", FRAMING_LENGTH8 },
	{ "length16", FRAMING_LENGTH16 }, { "length16le", FRAMING_LENGTH16_LE },
	{ "length32", FRAMING_LENGTH32 }, { "length32le", FRAMING_LENGTH32_LE },
	{ "length64", FRAMING_LENGTH64 }, { "length64le", FRAMING_LENGTH64_LE },
	{ "netstring", FRAMING_NETSTRING }, { "records", FRAMING_RECORDS }, { "base64", FRAMING_BASE64 },
	{ NULL, 0 } };

static const struct option_word options_messages[] = { { "text", MESSAGES_TEXT },
	{ "binary", MESSAGES_BINARY }, { NULL, 0 } };

static const struct option_word options_newlines[] = { { "pass", NEWLINES_PASS }, { "space", NEWLINES_SPACE },
	{ "reject", NEWLINES_REJECT }, { NULL, 0 } };

static const struct option_word options_invalid_utf8[] = { { "replace", INVALID_UTF8_REPLACE },
	{ "binary", INVALID_UTF8_BINARY }, { "close", INVALID_UTF8_CLOSE }, { NULL, 0 } };

static const struct option_word options_refuse_as[] = { { "http", REFUSE_AS_HTTP },
	{ "close", REFUSE_AS_CLOSE }, { NULL, 0 } };

static const struct option_word options_stderr[] = { { "log", STDERR_LOG }, { "merge", STDERR_MERGE },
	{ "tagged", STDERR_TAGGED }, { "discard", STDERR_DISCARD }, { NULL, 0 } };

static const struct option_word options_auths[] = { { "none", AUTH_NONE }, { NULL, 0 } };

static const struct option_word options_balances[] = { { "first", BALANCE_FIRST },
	{ "round-robin", BALANCE_ROUND_ROBIN }, { "least-sessions", BALANCE_LEAST_SESSIONS },
	{ "hash-ip", BALANCE_HASH_IP }, { NULL, 0 } };

static const struct option_word options_healths[] = { { "passive", HEALTH_PASSIVE }, { "none", HEALTH_NONE },
	{ NULL, 0 } };

static const struct option_word options_send_proxy[] = { { "no", SEND_PROXY_NO }, { "v1", SEND_PROXY_V1 },
	{ "v2", SEND_PROXY_V2 }, { NULL, 0 } };

static const struct option_word options_target_by[] = { { "query", TARGET_BY_QUERY },
	{ "path", TARGET_BY_PATH }, { "host", TARGET_BY_HOST }, { NULL, 0 } };

static const struct option_word options_signals[] = { { "TERM", SIGTERM }, { "HUP", SIGHUP },
	{ "INT", SIGINT }, { "QUIT", SIGQUIT }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "ALRM", SIGALRM },
	{ "ABRT", SIGABRT }, { "KILL", SIGKILL }, { NULL, 0 } };

/* clang-format off */
const struct option options[] = {
	{ GATEWAY(workers), .key = "workers", .type = &value_number, .otherwise = "auto", .min = 1, .max = CONFIG_WORKERS_MAX, .words = options_auto,
	  .help = "Worker threads; auto is one for each CPU that the process may use." },
	{ GATEWAY(user), .key = "user", .type = &who_user, .otherwise = "",
	  .help = "The user to become once sockets are bound and files are opened; programs run as this user too. Another than the one that the gateway is started as needs a start as root." },
	{ GATEWAY(group), .key = "group", .type = &who_group, .otherwise = "",
	  .help = "The group to become; when empty, the user's own. Without user only the group changes." },
	{ GATEWAY(log_level), .key = "log_level", .type = &value_word, .otherwise = "info", .words = options_log_levels,
	  .help = "How much is logged." },
	{ GATEWAY(log_format), .key = "log_format", .type = &value_word, .otherwise = "text", .words = options_log_formats,
	  .help = "text is for people, logfmt and json are for machines." },
	{ GATEWAY(log_target), .key = "log_target", .type = &place_log_target, .otherwise = "stderr", .flags = OPTION_PATH,
	  .help = "Where log lines go: stderr, syslog, or file:PATH, which is opened again on SIGUSR1." },
	{ GATEWAY(max_sessions), .key = "max_sessions", .type = &value_number, .otherwise = "10000", .min = 1, .max = MILLIONS,
	  .help = "Sessions in all; the next one gets 503 and Retry-After." },
	{ GATEWAY(max_sessions_per_ip), .key = "max_sessions_per_ip", .type = &value_number, .otherwise = "0", .max = MILLIONS,
	  .help = "Sessions from one address; IPv6 counts by /64, 0 is no limit." },
	{ GATEWAY(max_pending), .key = "max_pending", .type = &value_number, .otherwise = "512", .min = 1, .max = MILLIONS,
	  .help = "Connections that have not been upgraded yet, or only to be told by a close frame why there is no session for them (refuse_as = close), without those that a CGI program answers (max_processes); more wait in the kernel's backlog." },
	{ GATEWAY(max_processes), .key = "max_processes", .type = &value_number, .otherwise = "1024", .min = 1, .max = MILLIONS,
	  .help = "Programs in all; the next one gets 503 and Retry-After." },
	{ GATEWAY(shutdown_grace_ms), .key = "shutdown_grace", .type = &value_time, .otherwise = "30s", .max = LONGEST,
	  .help = "After SIGTERM or SIGINT: stop accepting, tell the clients (close code 1001), wait this long, then cut. A second signal cuts now." },
	{ .section = OPTION_GATEWAY, .key = "include", .type = &place_include, .otherwise = "", .flags = OPTION_LIST | OPTION_PATH | OPTION_FILE_ONLY,
	  .help = "Files to read at this place, in alphabetical order; relative to the file that includes them." },

	{ LISTEN(address), .key = "address", .type = &items_address, .otherwise = "", .flags = OPTION_LIST | OPTION_PATH,
	  .help = "Where to listen; port 0 takes a free one, systemd:FDNAME are the sockets that systemd passes under this name (FileDescriptorName= of the .socket unit). Without any [listen] section it is 127.0.0.1:8080." },
	{ LISTEN(mode), .key = "mode", .type = &value_mode, .otherwise = "0660", .max = 0777,
	  .help = "Permissions of a unix socket." },
	{ LISTEN(owner), .key = "owner", .type = &who_owner, .otherwise = "",
	  .help = "Owner of a unix socket." },
	{ LISTEN(tls_certificate), .key = "tls_certificate", .type = &place_files, .otherwise = "", .flags = OPTION_LIST | OPTION_PATH,
	  .help = "PEM file with the certificate and its chain; with it the listener speaks TLS. Several (repeat tls_key too) are chosen by the name that the client asks for (SNI), the first one when none fits. Read again when the file changes." },
	{ LISTEN(tls_key), .key = "tls_key", .type = &place_files, .otherwise = "", .flags = OPTION_LIST | OPTION_PATH,
	  .help = "PEM file with the private key of the certificate, in the same order." },
	{ LISTEN(tls_client_ca), .key = "tls_client_ca", .type = &place_file, .otherwise = "", .flags = OPTION_PATH,
	  .help = "PEM file with the authorities whose certificates clients show." },
	{ LISTEN(tls_client), .key = "tls_client", .type = &value_tls_client, .otherwise = "require", .words = options_tls_client,
	  .help = "With tls_client_ca: whether a client must show a certificate (require) or may (accept). One of another authority is refused either way." },
	{ LISTEN(tls_min_version), .key = "tls_min_version", .type = &value_tls_word, .otherwise = "1.2", .words = options_tls_versions,
	  .help = "Lowest version of TLS." },
	{ LISTEN(tls_ciphers), .key = "tls_ciphers", .type = &value_string, .otherwise = "",
	  .help = "Ciphers of TLS 1.2, as OpenSSL writes them; when empty, those with forward secrecy and authenticated encryption." },
	{ LISTEN(tls_ciphersuites), .key = "tls_ciphersuites", .type = &value_string, .otherwise = "",
	  .help = "Ciphers of TLS 1.3, as OpenSSL writes them; when empty, AES-128-GCM, AES-256-GCM and ChaCha20." },
	{ LISTEN(proxy_protocol), .key = "proxy_protocol", .type = &value_bool, .otherwise = "no",
	  .help = "Whether each connection begins with a PROXY header (v1 or v2), in front of TLS too, that says who the client is, within 3 s. It is only taken from trusted_proxies, nobody else may connect." },
	{ LISTEN(trusted_proxies), .key = "trusted_proxies", .type = &lists_cidrs, .otherwise = "", .flags = OPTION_LIST,
	  .help = "Proxies in front, as blocks of addresses (192.0.2.0/24), or unix for whoever connects by a unix socket. Only these are believed who their client is, by Forwarded or X-Forwarded-For and -Proto; the last hop that is none of them is the client." },
	{ LISTEN(redirect_to), .key = "redirect_to", .type = &place_redirect, .otherwise = "",
	  .help = "Only answer 308 to this base URL, with the request's path behind it. https://*:8443 keeps the host that was asked for." },
	{ LISTEN(server_names), .key = "server_names", .type = &items_hosts, .otherwise = "", .flags = OPTION_LIST,
	  .help = "Host values that are answered, others get 421. When empty: any, but on a loopback address only localhost and IP literals (against DNS rebinding)." },
	{ LISTEN(backlog), .key = "backlog", .type = &value_number, .otherwise = "4096", .min = 1, .max = 65535,
	  .help = "Connections that the kernel holds until they are accepted." },
	{ LISTEN(handshake_timeout_ms), .key = "handshake_timeout", .type = &value_time, .otherwise = "10s", .min = 1, .max = LONGEST,
	  .help = "From accept to the end of the request head, TLS included." },
	{ LISTEN(max_header), .key = "max_header", .type = &value_size, .otherwise = "16k", .min = KIB, .max = KIB * KIB,
	  .help = "Size of a request head; a larger one gets 431." },

	{ ROUTE(exec), .key = "exec", .type = &command_value, .otherwise = "",
	  .help = "The program that an upgrade reaches. No shell runs it; it is found by PATH when the configuration is read." },
	{ ROUTE(connect), .key = "connect", .type = &upstream_values, .otherwise = "", .flags = OPTION_LIST | OPTION_PATH,
	  .help = "The service that an upgrade reaches, instead of exec: it is connected to before the client is answered. Several: see balance." },
	{ ROUTE(dir), .key = "dir", .type = &place_directory, .otherwise = "", .flags = OPTION_PATH,
	  .help = "A directory of programs that an upgrade reaches, instead of exec: the path descends directories until it meets an executable file, the rest is PATH_INFO. Never outside it." },
	{ ROUTE(targets), .key = "targets", .type = &place_targets, .otherwise = "", .flags = OPTION_PATH,
	  .help = "A file of lines \"token: URI\", or a directory of such files, that picks the service by the token that a client shows (see target_by), instead of connect. What websockify reads in its token files is read too. Looked at for each session, and read again when it has changed: at most 2 MiB, 20,000 lines and 5,000 files. A token that is not in it is 404, and 502 when it can't be read; while it can't for want of descriptors or memory, what it said before counts." },
	{ ROUTE(cgi_dir), .key = "cgi", .type = &place_directory, .otherwise = "", .flags = OPTION_PATH,
	  .help = "What a plain request gets: the output of a CGI/1.1 program (RFC 3875) of this directory. The path descends directories until it meets an executable file, the rest is PATH_INFO. Never outside it." },
	{ ROUTE(static_dir), .key = "static", .type = &place_directory, .otherwise = "", .flags = OPTION_PATH,
	  .help = "What a plain request gets (after cgi): files of this directory." },
	{ ROUTE(console), .key = "console", .type = &value_bool, .otherwise = "no",
	  .help = "What a plain request gets (after cgi and static): the built-in test page; where the program runs on a terminal, a page with a terminal." },
	{ ROUTE(listen), .key = "listen", .type = &items_listeners, .otherwise = "", .flags = OPTION_LIST,
	  .help = "The listeners that the route answers on; when empty, all." },
	{ ROUTE(framing), .key = "framing", .type = &value_word, .otherwise = "", .words = options_framings,
	  .help = "How messages map to bytes; when empty, lines for exec and dir, stream for connect and with terminal = yes, which takes stream, text-stream and base64 only. lines: a message is a line. stream, text-stream: payload as it is, each chunk that comes is a message. nul: ends with a NUL. length8 to length64: the length in so many bits in front, le for little endian. netstring. records: a type byte (t text, b binary; T and B: more of this message follows), four bytes of length, payload. base64: as stream, but each message is base64 text, both ways; what is none closes with 1007. With a length in front a message is held until it is whole: what is more than the length can say, or than 16 MiB, closes with 1009." },
	{ ROUTE(messages), .key = "messages", .type = &value_choice, .otherwise = "", .flags = OPTION_TYPE, .words = options_messages,
	  .help = "Type of the messages sent to the client; when empty, text for lines, nul and text-stream, binary for the others. records have types of their own, base64 is text. Both types are accepted from the client and treated alike." },
	{ ROUTE(newlines), .key = "newlines", .type = &value_word, .otherwise = "pass", .flags = OPTION_SEPARATOR, .words = options_newlines,
	  .help = "A newline within a message from the client, in lines framing, or a NUL, in nul framing: pass (the program sees several messages), space, or reject (closes with 1008; messages are then held whole, and more than 64 KiB closes with 1009)." },
	{ ROUTE(refuse_as), .key = "refuse_as", .type = &value_word, .otherwise = "http", .words = options_refuse_as,
	  .help = "When a session can't start (limits, backend down): http answers 429, 502, 503 or 504; close answers 101 and then closes with 1013, 1014 or 1011 and the reason, since a browser's script can't see an HTTP status. A path that leads nowhere is 404 either way." },
	{ ROUTE(invalid_utf8), .key = "invalid_utf8", .type = &value_word, .otherwise = "replace", .words = options_invalid_utf8,
	  .help = "Output that is not UTF-8 in a text message: replace (by U+FFFD), binary (that message goes out as binary; decided on its first fragment, later ones are replaced), or close (1011)." },
	{ ROUTE(subprotocols), .key = "subprotocols", .type = &lists_subprotocols, .otherwise = "", .flags = OPTION_LIST,
	  .help = "Subprotocols that are answered, best first; NAME=FRAMING also sets the framing for that choice; where a service has stream, base64 has the framing of that name without saying so, and text.ircv3.net and binary.ircv3.net have lines, of the type that their names say. When empty, the first one that the client offers." },
	{ ROUTE(origins), .key = "origins", .type = &items_origins, .otherwise = "same", .flags = OPTION_LIST,
	  .help = "Web pages that may connect, and POST to a CGI program. same: those that came from this host and port, by https where clients speak TLS; any (or *): all; null: pages opened from disk. Giving any value replaces the default. A client without an Origin header is no browser and may always." },
	{ ROUTE(stderr_to), .key = "stderr", .type = &value_word, .otherwise = "log", .flags = OPTION_PROGRAM | OPTION_PIPES, .words = options_stderr,
	  .help = "A program's stderr: log (a line of the log for each of its lines), merge (into stdout), tagged (to the client and the log; each text message is JSON then, as websocketd's --passstderr has it: {\"stream\":\"stderr\",\"data\":\"a line\"}, or stdout; binary messages are stdout as it is), or discard." },
	{ ROUTE(env), .key = "env", .type = &items_env, .otherwise = "", .flags = OPTION_PROGRAM | OPTION_LIST,
	  .help = "NAME=VALUE: a variable that the program gets; one on a line." },
	{ ROUTE(pass_env), .key = "pass_env", .type = &items_pass_env, .otherwise = "PATH LANG LC_* TZ", .flags = OPTION_PROGRAM | OPTION_LIST,
	  .help = "Names of the gateway's own variables that are passed on; a star at the end stands for any end, but never for what the gateway sets itself or has of its service manager (LISTEN_FDS, NOTIFY_SOCKET). Giving any replaces the default, and none, which stands alone, passes nothing on. A program gets nothing else but the variables of CGI." },
	{ ROUTE(directory), .key = "directory", .type = &place_directory, .otherwise = "", .flags = OPTION_PROGRAM | OPTION_PATH,
	  .help = "Working directory of the program; when empty, the gateway's." },
	{ ROUTE(umask), .key = "umask", .type = &value_umask, .otherwise = "", .flags = OPTION_PROGRAM, .max = 0777,
	  .help = "File mode creation mask of the program (0027); when empty, the gateway's." },
	{ ROUTE(run_as), .key = "run_as", .type = &who_run_as, .otherwise = "", .flags = OPTION_PROGRAM,
	  .help = "USER or USER:GROUP that the program runs as, with that user's groups; when empty, as the gateway's user. Another than the one that the gateway is started as, with that group, needs a start as root." },
	{ ROUTE(limit_cpu_ms), .key = "limit_cpu", .type = &value_time, .otherwise = "0", .flags = OPTION_PROGRAM, .max = LONGEST,
	  .help = "CPU time of each of its processes, rounded up to seconds (RLIMIT_CPU): it gets XCPU then, and is killed a second later; 0, here and below, leaves the gateway's own limit." },
	{ ROUTE(limit_memory), .key = "limit_memory", .type = &value_size, .otherwise = "0", .flags = OPTION_PROGRAM, .max = 1024 * GIB,
	  .help = "Address space of each of its processes (RLIMIT_AS)." },
	{ ROUTE(limit_files), .key = "limit_files", .type = &value_number, .otherwise = "0", .flags = OPTION_PROGRAM, .max = MILLIONS,
	  .help = "Descriptors of each of its processes (RLIMIT_NOFILE)." },
	{ ROUTE(limit_processes), .key = "limit_processes", .type = &value_number, .otherwise = "0", .flags = OPTION_PROGRAM, .max = MILLIONS,
	  .help = "Processes and threads (RLIMIT_NPROC): the kernel counts all of the user, so it is of use with a run_as of its own, and does not bind root." },
	{ ROUTE(terminal), .key = "terminal", .type = &value_bool, .otherwise = "no", .flags = OPTION_PROGRAM | OPTION_SESSION,
	  .help = "Run the program on a pseudo-terminal: shells, editors, whatever draws on a screen. Clients that choose the subprotocol tty speak ttyd's protocol; to others it is a stream of bytes. A listener on another address than loopback needs tls_client_ca, or auth = none in the route." },
	{ ROUTE(write), .key = "write", .type = &value_bool, .otherwise = "yes", .flags = OPTION_PROGRAM | OPTION_SESSION | OPTION_TERMINAL,
	  .help = "Whether what a client types reaches the terminal. If not, it can still resize, pause and resume it." },
	{ ROUTE(unbuffer), .key = "unbuffer", .type = &value_bool, .otherwise = "no", .flags = OPTION_PROGRAM | OPTION_SESSION | OPTION_PIPES,
	  .help = "Give the program a pseudo-terminal as its stdout only, which changes no byte, so that it prints each line at once. Programs hold output back that goes to a pipe." },
	{ ROUTE(spawn_rate), .key = "spawn_rate", .type = &value_number, .otherwise = "0", .flags = OPTION_PROGRAM, .max = 1000000,
	  .help = "Program starts a second on this route, and so many at once; the next one gets 503 and Retry-After. 0 is no limit." },
	{ ROUTE(eof_message), .key = "eof_message", .type = &value_bool, .otherwise = "no", .flags = OPTION_SESSION | OPTION_PIPES,
	  .help = "Whether an empty message from the client ends the program's input (or half-closes TCP), while its output goes on; what is sent after it is dropped." },
	{ ROUTE(max_sessions), .key = "max_sessions", .type = &value_number, .otherwise = "0", .max = MILLIONS,
	  .help = "Sessions of this route; the next one gets 503 and Retry-After. 0 is no limit." },
	{ ROUTE(stop_signal), .key = "stop_signal", .type = &value_signal, .otherwise = "", .flags = OPTION_PROGRAM, .words = options_signals,
	  .help = "When empty, TERM, and HUP on a terminal (CGI programs have none). Sent to the program's process group after closing_wait, when the client has gone or the program goes on after it closed its stdout." },
	{ ROUTE(stop_grace_ms), .key = "stop_grace", .type = &value_time, .otherwise = "5s", .flags = OPTION_PROGRAM, .max = LONGEST,
	  .help = "From that signal to KILL." },
	{ ROUTE(closing_wait_ms), .key = "closing_wait", .type = &value_time, .otherwise = "100ms", .max = LONGEST,
	  .help = "How long a program may go on after its stdin closed, its output still forwarded; then a client that has closed is answered. As long may what it started hold its stdout open once it has ended and its output was read." },
	{ ROUTE(max_message), .key = "max_message", .type = &value_size, .otherwise = "0", .max = 1024 * GIB,
	  .help = "Largest message from the client, counted as it is when inflated; a larger one closes with 1009. 0 is no limit: set one with deflate = yes where a program or service can't take any amount, since a thousand times what was sent may come of it." },
	{ ROUTE(buffer), .key = "buffer", .type = &value_size, .otherwise = "256k", .min = 16 * KIB, .max = GIB,
	  .help = "Memory held for each direction before the faster side is stopped. A line or record that waits for its end comes on top: up to 64k, as it is sent up to 192k (bad bytes become U+FFFD) or, with stderr = tagged, 384k." },
	{ ROUTE(send_timeout_ms), .key = "send_timeout", .type = &value_time, .otherwise = "60s", .min = 1, .max = LONGEST,
	  .help = "A client that accepts no byte for this long while bytes wait is cut. So is a service: its client is closed with 1011. The body of a request to a CGI program that does not come on for this long ends the run, with 408 if nothing was answered yet. A program may take its time." },
	{ ROUTE(idle_timeout_ms), .key = "idle_timeout", .type = &value_time, .otherwise = "0", .max = LONGEST,
	  .help = "A session without a message for this long is closed with 1001; 0 is never. A client that has not taken that, and all that waits before it, within send_timeout is cut." },
	{ ROUTE(max_lifetime_ms), .key = "max_lifetime", .type = &value_time, .otherwise = "0", .max = LONGEST,
	  .help = "A session that has lasted for this long, since its handshake came, is closed with 1001; 0 is never. A client that has not taken that, and all that waits before it, within send_timeout is cut." },
	{ ROUTE(ping_interval_ms), .key = "ping_interval", .type = &value_time, .otherwise = "30s", .max = LONGEST,
	  .help = "A client that was silent for this long gets a ping; 0 is never. A client that is reset is found without one, also while nothing is read from it since its service or program takes nothing." },
	{ ROUTE(ping_timeout_ms), .key = "ping_timeout", .type = &value_time, .otherwise = "20s", .min = 1, .max = LONGEST,
	  .help = "No frame for this long after a ping ends the session." },
	{ ROUTE(deflate), .key = "deflate", .type = &value_bool, .otherwise = "no",
	  .help = "Compress messages for clients that can (permessage-deflate), and take compressed ones. The client is asked to keep to deflate_window and deflate_context as well. Where secrets and what others may choose are in one message its size tells of them." },
	{ ROUTE(deflate_level), .key = "deflate_level", .type = &value_number, .otherwise = "1", .min = 1, .max = 9,
	  .help = "With deflate = yes: 1 is fast, 9 is small." },
	{ ROUTE(deflate_threshold), .key = "deflate_threshold", .type = &value_size, .otherwise = "1k", .max = GIB,
	  .help = "With deflate = yes: messages that are smaller go out as they are. 0 compresses all, which makes tiny ones longer and takes tens of times as long: of a program that writes many lines it delays other sessions." },
	{ ROUTE(deflate_window), .key = "deflate_window", .type = &value_number, .otherwise = "12", .min = 9, .max = 15,
	  .help = "With deflate = yes: how far back, as a power of two of bytes, repetitions are looked for. While a message goes out it takes about 8 * 2^window bytes and 6 KiB: 38 KiB for 12, 262 KiB for 15; while one comes, about 40 KiB." },
	{ ROUTE(deflate_context), .key = "deflate_context", .type = &value_bool, .otherwise = "no",
	  .help = "With deflate = yes: whether a message may refer to those before it (context takeover): smaller, but each session keeps about 42 KiB all the time with a window of 12, up to 294 KiB with 15. When no, memory is only held during a message." },
	{ ROUTE(connect_timeout_ms), .key = "connect_timeout", .type = &value_time, .otherwise = "5s", .flags = OPTION_SERVICE, .min = 1, .max = LONGEST,
	  .help = "For connecting to a service, all addresses of its name together, and TLS; of several connect each has as much." },
	{ ROUTE(balance), .key = "balance", .type = &value_word, .otherwise = "first", .flags = OPTION_SERVICE | OPTION_SEVERAL, .words = options_balances,
	  .help = "Which of several connect is tried first: first (in their order), round-robin, least-sessions, or hash-ip (the same one for the same client address, of IPv6 its /64). When it can't be reached the others are tried, all of them before the client is refused." },
	{ ROUTE(health), .key = "health", .type = &value_word, .otherwise = "passive", .flags = OPTION_SERVICE | OPTION_SEVERAL, .words = options_healths,
	  .help = "passive: a service that could not be reached is left alone for 10 s, and then tried by one session before the others. none: each session tries anew." },
	{ ROUTE(send_proxy), .key = "send_proxy", .type = &value_word, .otherwise = "no", .flags = OPTION_SERVICE, .words = options_send_proxy,
	  .help = "Whether the service is told who the client is by a PROXY header, before all else: v1 or v2. v2 also tells the request's host, the session's id, and of a client with TLS its version and certificate." },
	{ ROUTE(tls_verify), .key = "tls_verify", .type = &value_bool, .otherwise = "yes", .flags = OPTION_SERVICE | OPTION_TLS,
	  .help = "Of a tls:// service: whether its certificate must be valid for its name." },
	{ ROUTE(tls_ca), .key = "tls_ca", .type = &place_file, .otherwise = "", .flags = OPTION_SERVICE | OPTION_TLS | OPTION_PATH,
	  .help = "PEM file with the authorities that are believed for tls:// services; when empty, the system's." },
	{ ROUTE(tls_name), .key = "tls_name", .type = &upstream_tls_name, .otherwise = "", .flags = OPTION_SERVICE | OPTION_TLS,
	  .help = "The name that a tls:// service is asked for (SNI) and that its certificate must have; when empty, the host of connect." },
	{ ROUTE(tls_service_cert), .key = "tls_cert", .type = &place_file, .otherwise = "", .flags = OPTION_SERVICE | OPTION_TLS | OPTION_PATH,
	  .help = "PEM file with the certificate, and its chain, that a tls:// service is shown when it asks for one." },
	{ ROUTE(tls_service_key), .key = "tls_key", .type = &place_file, .otherwise = "", .flags = OPTION_SERVICE | OPTION_TLS | OPTION_PATH,
	  .help = "PEM file with the private key of tls_cert." },
	{ ROUTE(target_by), .key = "target_by", .type = &value_word, .otherwise = "query", .flags = OPTION_SERVICE | OPTION_TARGETS, .words = options_target_by,
	  .help = "Where the token for targets is: query (?token=), path (the one segment behind the route's), or host (the Host header, without its port, in any case; names are no secrets, and the log may show them). With path the log shows nothing of paths that no route has, or that may be meant for this one." },
	{ ROUTE(auth), .key = "auth", .type = &value_choice, .otherwise = "", .words = options_auths,
	  .help = "none: everybody who reaches the listener may use the route, also a terminal on an address that is not loopback, which is refused without it." },
	{ ROUTE(header), .key = "header", .type = &lists_headers, .otherwise = "", .flags = OPTION_LIST,
	  .help = "Added to every response." },
	{ ROUTE(header_ws), .key = "header_ws", .type = &lists_headers, .otherwise = "", .flags = OPTION_LIST,
	  .help = "Added to the responses that upgrade." },
	{ ROUTE(header_http), .key = "header_http", .type = &lists_headers, .otherwise = "", .flags = OPTION_LIST,
	  .help = "Added to all other responses." },
};
/* clang-format on */

const size_t options_n = sizeof(options) / sizeof(options[0]);
_Static_assert(sizeof(options) / sizeof(options[0]) <= OPTIONS_MAX, "OPTIONS_MAX is too small");

static const char *const options_sections[] = {
	[OPTION_GATEWAY] = "gateway",
	[OPTION_LISTEN] = "listen",
	[OPTION_ROUTE] = "route",
	[OPTION_DEFAULTS] = "defaults",
};

/* [defaults] takes the keys of a route. */
enum option_section options_section_keys(enum option_section section)
{
	return section == OPTION_DEFAULTS ? OPTION_ROUTE : section;
}

/* Looks through the rows. */
const struct option *options_find(enum option_section section, struct text key)
{
	section = options_section_keys(section);
	for (size_t i = 0; i < options_n; i++) {
		if (options[i].section == section && text_is(key, options[i].key))
			return &options[i];
	}
	return NULL;
}

/* Names a section without its brackets. */
const char *options_section_name(enum option_section section)
{
	return options_sections[section];
}

/* Compares with the four names. */
int options_section_find(struct text name, enum option_section *out)
{
	for (size_t i = 0; i < sizeof(options_sections) / sizeof(options_sections[0]); i++) {
		if (text_is(name, options_sections[i])) {
			*out = (enum option_section)i;
			return 0;
		}
	}
	return -1;
}

/* Keys that a later version has: whoever asks for one has not misspelled another. */
static const char *const options_later[] = { "admin", "auth_realm" };

/* Prefers a key of the section that begins so to the same key of another section, and that to one that is
 * only spelled alike. */
char *options_hint(enum option_section section, const char *key, char out[96])
{
	const char *names[OPTIONS_MAX];
	size_t n = 0;

	if (section == OPTION_LISTEN && strcmp(key, "port") == 0) {
		snprintf(out, 96, "; the port is part of address (127.0.0.1:80)");
		return out;
	}
	for (size_t i = 0; i < options_n; i++) {
		if (options[i].section == options_section_keys(section))
			names[n++] = options[i].key;
	}
	for (size_t i = 0; i < n; i++) {
		if (strlen(key) > 2 && strncmp(names[i], key, strlen(key)) == 0) {
			snprintf(out, 96, "; did you mean \"%s\"?", names[i]);
			return out;
		}
	}
	for (size_t i = 0; i < options_n; i++) {
		if (strcmp(options[i].key, key) == 0) {
			snprintf(out, 96, "; it belongs in [%s]%s", options_sections[options[i].section],
				options[i].section == OPTION_ROUTE ? " or [defaults]" : "");
			return out;
		}
	}
	for (size_t i = 0; i < sizeof(options_later) / sizeof(options_later[0]); i++) {
		if (strcmp(options_later[i], key) == 0) {
			snprintf(out, 96, "; this version does not have it yet");
			return out;
		}
	}
	return errors_hint(out, key, names, n);
}
