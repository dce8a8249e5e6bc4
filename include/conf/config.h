/*
 * config: the configuration as an immutable snapshot, shared by reference.
 *
 * Built by conf/ini.c (a file) or conf/cli.c (a command line) through the table of conf/options.c, then
 * frozen: nobody changes a snapshot after it was built. Sessions hold the one that they began with. Strings
 * belong to the snapshot.
 */
#ifndef CONF_CONFIG_H
#define CONF_CONFIG_H

#include "base/addr.h"
#include "base/cidr.h"
#include "base/log.h"
#include "base/text.h"
#include "conf/errors.h"
#include "conf/manners.h"
#include "conf/pool.h"
#include "conf/upstream.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* How messages map to the bytes of a backend: backend/framing.h. */
enum framing {
	FRAMING_LINES,
	FRAMING_STREAM,
	FRAMING_TEXT_STREAM,
	FRAMING_NUL,
	FRAMING_LENGTH8,
	FRAMING_LENGTH16,
	FRAMING_LENGTH16_LE,
	FRAMING_LENGTH32,
	FRAMING_LENGTH32_LE,
	FRAMING_LENGTH64,
	FRAMING_LENGTH64_LE,
	FRAMING_NETSTRING,
	FRAMING_RECORDS,
	FRAMING_BASE64,
	FRAMING_UNSET /* of a subprotocol: the route's */
};

/* The type of messages to the client. MESSAGES_UNSET: text for lines, nul and text-stream, else binary;
 * records say it themselves, base64 is text. */
enum messages { MESSAGES_UNSET, MESSAGES_TEXT, MESSAGES_BINARY };

/* A newline within a message from the client, in lines framing; a NUL, in nul framing. */
enum newlines { NEWLINES_PASS, NEWLINES_SPACE, NEWLINES_REJECT };

/* Output that is not UTF-8 in a text message. */
enum invalid_utf8 { INVALID_UTF8_REPLACE, INVALID_UTF8_BINARY, INVALID_UTF8_CLOSE };

/* How a client hears that a session can't start: by an HTTP status, or 101 and a close frame. */
enum refuse_as { REFUSE_AS_HTTP, REFUSE_AS_CLOSE };

/* Where a program's stderr goes. */
enum stderr_to { STDERR_LOG, STDERR_MERGE, STDERR_TAGGED, STDERR_DISCARD };

/* Which of several services is tried first. */
enum balance { BALANCE_FIRST, BALANCE_ROUND_ROBIN, BALANCE_LEAST_SESSIONS, BALANCE_HASH_IP };

/* Whether a service that could not be reached is left alone for a while. */
enum health { HEALTH_PASSIVE, HEALTH_NONE };

/* The PROXY header that a service gets first of all: backend/tcp.h. */
enum send_proxy { SEND_PROXY_NO, SEND_PROXY_V1, SEND_PROXY_V2 };

/* Where the token is that picks one of `targets`: ?token=, the path behind the route's, or Host. */
enum target_by { TARGET_BY_QUERY, TARGET_BY_PATH, TARGET_BY_HOST };

/* Who may use a route. AUTH_UNSET: everybody, but a terminal is not given to a network (run/exposure.h). */
enum auth { AUTH_UNSET, AUTH_NONE };

/* Whether a client without a certificate of tls_client_ca is turned away. */
enum tls_client { TLS_CLIENT_REQUIRE, TLS_CLIENT_ACCEPT };

enum { CONFIG_WORKERS_MAX = 1024 };

struct gateway_conf {
	unsigned workers;   /* at most CONFIG_WORKERS_MAX; 0 is auto */
	char *user, *group; /* as written, or NULL */
	uid_t uid;	    /* what to become; (uid_t)-1 and (gid_t)-1: stay */
	gid_t gid;	    /* of `group`, else the user's own */
	enum log_level log_level;
	enum log_format log_format;
	enum log_target log_target;
	char *log_file; /* of LOG_TARGET_FILE, else NULL */
	unsigned max_sessions;
	unsigned max_sessions_per_ip; /* 0 is no limit */
	unsigned max_pending;
	unsigned max_processes;
	unsigned shutdown_grace_ms;
};

/* Blocks of addresses. */
struct cidr_list {
	struct cidr *items;
	size_t n;
};

struct listen_conf {
	char *name;
	bool implied;		  /* no section of a file says it: keys for it can only be set with --set */
	struct conf_list address; /* as written; each has been checked by addr_parse() */
	mode_t mode;
	char *owner; /* USER or USER:GROUP of a unix socket, as written, or NULL */
	uid_t uid;   /* of that; (uid_t)-1 and (gid_t)-1: as it is */
	gid_t gid;
	struct conf_list server_names; /* lower case */
	unsigned backlog;
	unsigned handshake_timeout_ms;
	size_t max_header; /* bytes */

	/* TLS, if there is a certificate: as many keys as certificates, the i-th belongs to the i-th. */
	struct conf_list tls_certificate, tls_key; /* PEM files */
	char *tls_client_ca;			   /* PEM file, or NULL: clients have no certificates */
	enum tls_client tls_client;
	unsigned tls_min_version;	      /* 12 or 13, for 1.2 or 1.3 */
	char *tls_ciphers, *tls_ciphersuites; /* as OpenSSL writes them, or NULL for our own */

	/* With TLS: a connection without it is served too. No key says it, only the name websockify. */
	bool tls_optional;

	/* Proxies in front of it. */
	bool proxy_protocol;		  /* each connection begins with a PROXY header, of one of these */
	struct cidr_list trusted_proxies; /* only these are believed who their client is */

	/* It only answers 308 to this base URL, which has no slash at its end. NULL: it answers itself. */
	char *redirect_to;
	bool redirect_star; /* the URL's host is "*", the request's own */
};

/* One header to add: split at the first colon when the configuration is read. */
struct header_conf {
	char *name, *value;
};

struct header_list {
	struct header_conf *items;
	size_t n;
};

/* Subprotocols, best first. Some have a framing of their own. */
struct subprotocol_list {
	struct conf_list names;
	enum framing *framings; /* of each; FRAMING_UNSET: the route's */
};

struct route_conf {
	/* Where it answers. */
	char *pattern; /* as written, for the log and the dump */
	char *host;    /* lower case, or NULL for every host */
	char *path;    /* decoded, without the "*" of a prefix: "/files/" */
	bool prefix;
	struct conf_list listen; /* names; empty is all */

	/* What an upgrade reaches: at most one. */
	struct conf_list exec; /* argv; exec_path is the file found by PATH */
	char *exec_path;
	bool is_service;	      /* connect or targets: no program */
	struct upstream_list connect; /* in the order written */
	char *dir;		      /* of executables */
	char *targets;		      /* file or directory of "token: URI" lines */

	/* What a plain request gets, in this order. */
	char *cgi_dir; /* of CGI programs */
	char *static_dir;
	bool console;

	enum framing framing;
	enum messages messages;
	enum newlines newlines;
	enum invalid_utf8 invalid_utf8;
	enum refuse_as refuse_as;
	struct subprotocol_list subprotocols;
	struct conf_list origins; /* as written, lower case; "same" by default */
	struct header_list header, header_ws, header_http;

	/* A program on a pseudo-terminal (exec, dir; not cgi). */
	bool terminal; /* on 0, 1 and 2, as its controlling terminal */
	bool write;    /* ... and the client may type */
	bool unbuffer; /* on 1 only, and it is not its controlling one */
	enum auth auth;

	/* The world of a program (exec, dir, cgi). */
	enum stderr_to stderr_to;
	struct conf_list env;	    /* NAME=VALUE */
	struct conf_list pass_env;  /* names; a star at the end of one stands for any end; "" is none */
	char *directory;	    /* or NULL: the gateway's */
	mode_t umask;		    /* (mode_t)-1: the gateway's */
	char *run_as, *run_as_user; /* USER or USER:GROUP as written, and its first part; or NULL */
	uid_t run_as_uid;
	gid_t run_as_gid;	  /* of that group, else the user's own */
	unsigned limit_cpu_ms;	  /* of RLIMIT_CPU, whole seconds; 0, here and below: as the gateway's */
	uint64_t limit_memory;	  /* of RLIMIT_AS, bytes */
	unsigned limit_files;	  /* of RLIMIT_NOFILE */
	unsigned limit_processes; /* of RLIMIT_NPROC */
	unsigned spawn_rate;	  /* starts a second; 0 is no limit */
	bool eof_message;	  /* an empty message ends the backend's input */
	unsigned max_sessions;	  /* of this route; 0 is no limit */

	int stop_signal; /* 0: HUP for a session's program on a terminal, else TERM */
	unsigned stop_grace_ms;
	unsigned closing_wait_ms;
	uint64_t max_message; /* bytes, 0 is no limit */
	size_t buffer;	      /* bytes for each direction */
	unsigned send_timeout_ms;
	unsigned idle_timeout_ms; /* 0 is never */
	unsigned ping_interval_ms, ping_timeout_ms;
	unsigned max_lifetime_ms; /* 0 is for ever */

	/* The service (connect, targets). */
	unsigned connect_timeout_ms;
	enum balance balance;
	enum health health;
	enum send_proxy send_proxy;
	enum target_by target_by;
	bool tls_verify;			  /* of tls:// */
	char *tls_ca, *tls_name;		  /* or NULL: the system's authorities, the URI's host */
	char *tls_service_cert, *tls_service_key; /* of ours, or NULL */

	bool deflate; /* permessage-deflate is agreed to */
	unsigned deflate_level;
	size_t deflate_threshold; /* bytes */
	unsigned deflate_window;  /* bits */
	bool deflate_context;	  /* contexts may be taken over */
};

struct config {
	bool command_line;   /* comes of a command line without a file: what to advise differs */
	bool same_origin;    /* besides what the origins of a route say: only pages of this host and port */
	bool reverse_lookup; /* REMOTE_HOST is the client's name where it has one */
	/* Not OFF: the log is that of websocketd, on stdout; log_format and log_target don't count. */
	enum log_websocketd log_websocketd;
	const struct manners *manners; /* ours, or those of the name that it was started under; never NULL */
	/* When it stops by itself: run/bounds.h. */
	bool run_once;		/* after one session */
	unsigned end_after_ms;	/* so long after the start, once nobody is connected; 0 is never */
	unsigned end_idle_ms;	/* after so long without a connection; 0 is never */
	bool background;	/* serves in a process without a terminal, once all was opened */
	struct conf_list files; /* that it was read from, by the names that they were opened with */
	struct gateway_conf gateway;
	struct listen_conf *listens;
	size_t n_listens;
	struct route_conf *routes; /* in the order written */
	size_t n_routes;
};

/* Takes and drops a reference; any thread. */
const struct config *config_ref(const struct config *config);
void config_unref(const struct config *config);

/*
 * Reads an ini file (and its includes) into a new snapshot with one reference. NULL when anything is wrong,
 * and then `errors` (zeroed by the caller) has at least one line. `sets` are SECTION.KEY=VALUE words that win
 * over the file, or NULL. The caller frees with errors_done().
 */
const struct config *config_read(const char *file, const struct conf_list *sets, struct conf_errors *errors);

/* The same from a stream, which stays open; `name` is what the errors call it and includes are beside. */
const struct config *config_read_stream(
	FILE *stream, const char *name, const struct conf_list *sets, struct conf_errors *errors);

/* Builds a snapshot of what was written; mistakes go to the draft's errors. NULL when it has any. */
struct draft;
const struct config *config_build(struct draft *draft);

#endif
