/*
 * load: what the load generator is asked: its options. What it answers is in report.h, the work in load.c.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "sock.h"
#include "usage.h"

#include <getopt.h>
#include <limits.h>

enum load_mode { LOAD_ECHO, LOAD_FLOOD_TO, LOAD_FLOOD_FROM, LOAD_CONNECT, LOAD_RUN, LOAD_IDLE, LOAD_MODES };

static const char *const load_mode_names[LOAD_MODES] = { "echo", "flood-to", "flood-from", "connect", "run",
	"idle" };

struct load_options {
	enum load_mode mode;
	struct sock_addr addr;
	bool ws; /* WebSocket, else the bare bytes */
	bool tls, tls12, resume;
	char host[128];	  /* of a WebSocket address: HOST:PORT */
	const char *path; /* from the slash */
	const char *to;	  /* as given, for the report */
	uint64_t n_sessions, n_inflight, n_opening;
	uint64_t size, bytes; /* of a message; of a source that ends, 0: it does not */
	uint64_t count;	      /* of runs or connects, 0: for the time that is measured */
	double rate; /* messages, or runs, a second over all sessions, 0: as fast as they come back */
	double seconds, warmup, patience;
	bool text, boundaries; /* send text; every message must come back with its own length */
	bool bare_end;	       /* a program's session may end without a close frame */
	bool any_end;	       /* once all has come, a peer may end as it likes */
	bool children, forks, json;
	struct usage_group group;
};

static const char load_help[] =
	"usage: load "
	"--to=ws://HOST:PORT/PATH|wss://HOST:PORT/PATH|tcp://HOST:PORT|tls://HOST:PORT|unix:PATH\n"
	"            [OPTION...]\n"
	"  HOST is a numeric address, 127.0.0.1 or [::1]; names are not looked up\n"
	"  --mode=MODE      echo, flood-to (a sink), flood-from (a source), connect, idle, or run: a "
	"backend\n"
	"                   that says --bytes=N bytes, whichever, and ends by itself; one run after the "
	"other\n"
	"  --sessions=N     connections, 1\n"
	"  --size=BYTES     of a message, 64\n"
	"  --inflight=N     messages of a session on their way at most, 1 (64 with --rate)\n"
	"  --rate=N         messages, or runs, a second over all sessions; latency counts from when each was "
	"due\n"
	"  --count=N        so many runs, or connects, instead of --seconds\n"
	"  --seconds=S      how long to measure (idle: to hold), 1\n"
	"  --warmup=S       how long to run before that, 0.2\n"
	"  --bytes=N        the source sends N bytes and ends: measure until all sessions have them\n"
	"  --opening=N      connections that are being opened at once, 128\n"
	"  --text           send text messages\n"
	"  --boundaries     each message must come back as one of its kind\n"
	"  --bare-end       run: a session may end without a close frame, as websocketd's do\n"
	"  --any-end        once all has come a session may end in any way: another code, no close frame, a "
	"reset\n"
	"  --tls1.2         speak TLS 1.2, else it is 1.3; no certificate is looked at\n"
	"  --resume         resume the TLS session of an earlier connection; else each is a full handshake\n"
	"  --patience=S     how long without any progress is a failure, 10\n"
	"  --pid=PID        whose CPU time and memory to report; repeatable\n"
	"  --children       the children of these processes too\n"
	"  --forks          those too that they have only when measuring begins: a process for each session\n"
	"  --json           report as one line of JSON\n"
	"Every byte that comes back is checked. Exit status 1: something was wrong, said on stderr.\n";

/* Is a session what is measured, from its connect to its end? */
static inline bool load_counts_sessions(const struct load_options *options)
{
	return options->mode == LOAD_CONNECT || options->mode == LOAD_RUN;
}

/* Says what is wrong with the call and ends. */
static inline _Noreturn void load_usage(const char *what, const char *value)
{
	fprintf(stderr, "load: %s '%s'; see --help\n", what, value);
	exit(2);
}

/* Says what is wrong with an option and ends. */
static inline _Noreturn void load_refuse(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "load: --%s=%s: %s; see --help\n", option, value, why);
	exit(2);
}

/* Reads a number that is not negative, or ends the program. */
static inline double load_parse_number(const char *option, const char *text)
{
	char *end;
	double number = strtod(text, &end);
	if (end == text || *end != '\0' || !(number >= 0) || number > 1e15)
		load_refuse(option, text, "not a number");
	return number;
}

/* Reads a number that counts, or ends the program. */
static inline uint64_t load_parse_count(const char *option, const char *text)
{
	double number = load_parse_number(option, text);
	if (number != (double)(uint64_t)number)
		load_refuse(option, text, "not a whole number");
	return (uint64_t)number;
}

/* Adds a process that is there: of another one all figures would be 0. */
static inline void load_parse_pid(struct load_options *options, const char *option, const char *text)
{
	char stat[512];
	uint64_t pid = load_parse_count(option, text);
	if (pid == 0 || pid > INT_MAX || !usage_stat((pid_t)pid, stat))
		load_refuse(option, text, "no such process");
	if (usage_add(&options->group, (pid_t)pid) != 0)
		load_refuse(option, text, "too many processes");
}

/* Takes HOST:PORT and the path apart; returns the first. */
static inline const char *load_parse_ws(struct load_options *options, const char *where)
{
	const char *slash = strchr(where, '/');
	size_t len = slash != NULL ? (size_t)(slash - where) : strlen(where);
	options->ws = true;
	options->path = slash != NULL ? slash : "/";
	snprintf(options->host, sizeof(options->host), "%.*s", (int)len, where);
	return options->host;
}

/* Reads ws:// or wss://HOST:PORT/PATH, tcp:// or tls://HOST:PORT, or unix:PATH. */
static inline void load_parse_to(struct load_options *options, const char *to)
{
	const char *where = to;
	options->to = to;
	options->tls = strncmp(to, "wss://", 6) == 0 || strncmp(to, "tls://", 6) == 0;
	options->ws = false;
	if (strncmp(to, "ws://", 5) == 0)
		where = load_parse_ws(options, to + 5);
	else if (strncmp(to, "wss://", 6) == 0)
		where = load_parse_ws(options, to + 6);
	else if (options->tls || strncmp(to, "tcp://", 6) == 0)
		where = to + 6;
	if (sock_parse(&options->addr, where) != 0)
		load_refuse("to", to, "not a numeric address with a port");
}

/* Reads the name of a mode. */
static inline enum load_mode load_parse_mode(const char *text)
{
	for (int i = 0; i < LOAD_MODES; i++)
		if (strcmp(text, load_mode_names[i]) == 0)
			return (enum load_mode)i;
	load_refuse("mode", text, "no such mode");
}

/* Takes one option; `name` is what the table of load_parse() has for it. */
static inline void load_parse_option(
	struct load_options *options, char name, const char *option, const char *value)
{
	switch (name) {
	case 'm':
		options->mode = load_parse_mode(value);
		break;
	case 'T':
		load_parse_to(options, value);
		break;
	case 'n':
		options->n_sessions = load_parse_count(option, value);
		break;
	case 's':
		options->size = load_parse_count(option, value);
		break;
	case 'k':
		options->n_inflight = load_parse_count(option, value);
		break;
	case 'r':
		options->rate = load_parse_number(option, value);
		break;
	case 'd':
		options->seconds = load_parse_number(option, value);
		break;
	case 'w':
		options->warmup = load_parse_number(option, value);
		break;
	case 'b':
		options->bytes = load_parse_count(option, value);
		break;
	case 'N':
		options->count = load_parse_count(option, value);
		break;
	case 'o':
		options->n_opening = load_parse_count(option, value);
		break;
	case 'P':
		options->patience = load_parse_number(option, value);
		break;
	case 't':
		options->text = true;
		break;
	case 'B':
		options->boundaries = true;
		break;
	case 'c':
		options->children = true;
		break;
	case 'a':
		options->any_end = true;
		break;
	case 'f':
		options->forks = true;
		break;
	case 'j':
		options->json = true;
		break;
	case 'e':
		options->bare_end = true;
		break;
	case '2':
		options->tls12 = true;
		break;
	case 'R':
		options->resume = true;
		break;
	case 'p':
		load_parse_pid(options, option, value);
		break;
	case 'h':
		fputs(load_help, stdout);
		exit(0);
	default:
		exit(2); /* getopt has said it */
	}
}

/* Reads the command line; ends the program on a mistake. */
static inline struct load_options load_parse(int argc, char **argv)
{
	static const struct option table[] = { { "mode", 1, NULL, 'm' }, { "to", 1, NULL, 'T' },
		{ "sessions", 1, NULL, 'n' }, { "size", 1, NULL, 's' }, { "inflight", 1, NULL, 'k' },
		{ "rate", 1, NULL, 'r' }, { "seconds", 1, NULL, 'd' }, { "warmup", 1, NULL, 'w' },
		{ "bytes", 1, NULL, 'b' }, { "count", 1, NULL, 'N' }, { "opening", 1, NULL, 'o' },
		{ "patience", 1, NULL, 'P' }, { "text", 0, NULL, 't' }, { "boundaries", 0, NULL, 'B' },
		{ "children", 0, NULL, 'c' }, { "forks", 0, NULL, 'f' }, { "json", 0, NULL, 'j' },
		{ "pid", 1, NULL, 'p' }, { "bare-end", 0, NULL, 'e' }, { "any-end", 0, NULL, 'a' },
		{ "tls1.2", 0, NULL, '2' }, { "resume", 0, NULL, 'R' }, { "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	struct load_options options = {
		.n_sessions = 1, .n_opening = 128, .size = 64, .seconds = 1, .warmup = 0.2, .patience = 10
	};
	int name, i = 0;
	while ((name = getopt_long(argc, argv, "", table, &i)) != -1)
		load_parse_option(&options, (char)name, table[i].name, optarg);
	if (optind != argc)
		load_usage("what is", argv[optind]);
	if (options.to == NULL)
		load_usage("missing:", "--to");
	if (options.n_sessions == 0 || options.size == 0 || options.n_opening == 0)
		load_usage("can't be 0:", "sessions, size, opening");
	if (options.mode == LOAD_RUN && !options.ws)
		load_usage("can't be run without WebSocket:", options.to);
	if (options.count > 0 && !load_counts_sessions(&options))
		load_usage("can't be counted:", load_mode_names[options.mode]);
	if (options.count > 0 && options.count < options.n_sessions)
		options.n_sessions = options.count;
	if (options.n_inflight == 0)
		options.n_inflight = options.rate > 0 ? 64 : 1;
	if (options.children && usage_add_children(&options.group) != 0)
		load_usage("too many processes:", "--children");
	return options;
}

#endif
