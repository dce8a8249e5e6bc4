/*
 * load: what the load generator is asked and what it answers: its options and its report. The work is in
 * load.c.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "histogram.h"
#include "sock.h"
#include "usage.h"

#include <getopt.h>

enum load_mode { LOAD_ECHO, LOAD_FLOOD_TO, LOAD_FLOOD_FROM, LOAD_CONNECT, LOAD_RUN, LOAD_IDLE, LOAD_MODES };

static const char *const load_mode_names[LOAD_MODES] = { "echo", "flood-to", "flood-from", "connect", "run",
	"idle" };

struct load_options {
	enum load_mode mode;
	struct sock_addr addr;
	bool ws;	  /* WebSocket, else the bare bytes */
	char host[128];	  /* of a WebSocket address: HOST:PORT */
	const char *path; /* from the slash */
	const char *to;	  /* as given, for the report */
	uint64_t n_sessions, n_inflight, n_opening;
	uint64_t size, bytes; /* of a message; of a source that ends, 0: it does not */
	uint64_t count;	      /* of runs, 0: for the time that is measured */
	double rate; /* messages, or runs, a second over all sessions, 0: as fast as they come back */
	double seconds, warmup, patience;
	bool text, boundaries; /* send text; every message must come back with its own length */
	bool children, json;
	struct usage_group group;
};

struct load_report {
	uint64_t n_messages, n_bytes, cpu_ns, elapsed_ns, opening_ns;
	struct usage_memory before, during, after;
	struct histogram latency;
};

static const char load_help[] =
	"usage: load --to=ws://HOST:PORT/PATH|tcp://HOST:PORT|unix:PATH [OPTION...]\n"
	"  --mode=MODE      echo, flood-to (a sink), flood-from (a source), connect, idle, or run: a "
	"backend\n"
	"                   that says --bytes=N bytes, whichever, and ends by itself; one run after the "
	"other\n"
	"  --sessions=N     connections, 1\n"
	"  --size=BYTES     of a message, 64\n"
	"  --inflight=N     messages of a session on their way at most, 1 (64 with --rate)\n"
	"  --rate=N         messages, or runs, a second over all sessions; latency counts from when each was "
	"due\n"
	"  --count=N        so many runs, instead of --seconds\n"
	"  --seconds=S      how long to measure (idle: to hold), 1\n"
	"  --warmup=S       how long to run before that, 0.2\n"
	"  --bytes=N        the source sends N bytes and ends: measure until all sessions have them\n"
	"  --opening=N      connections that are being opened at once, 128\n"
	"  --text           send text messages\n"
	"  --boundaries     each message must come back as one message\n"
	"  --patience=S     how long without any progress is a failure, 10\n"
	"  --pid=PID        whose CPU time and memory to report; repeatable\n"
	"  --children       the children of these processes too\n"
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

/* Reads a number that is not negative, or ends the program. */
static inline double load_parse_number(const char *text)
{
	char *end;
	double number = strtod(text, &end);
	if (end == text || *end != '\0' || !(number >= 0) || number > 1e15)
		load_usage("not a number:", text);
	return number;
}

/* Reads ws://HOST:PORT/PATH, tcp://HOST:PORT or unix:PATH. */
static inline void load_parse_to(struct load_options *options, const char *to)
{
	const char *where = to;
	options->to = to;
	options->path = "/";
	options->ws = strncmp(to, "ws://", 5) == 0;
	if (options->ws) {
		where = to + 5;
		const char *slash = strchr(where, '/');
		options->path = slash != NULL ? slash : "/";
		size_t len = slash != NULL ? (size_t)(slash - where) : strlen(where);
		snprintf(options->host, sizeof(options->host), "%.*s", (int)len, where);
		where = options->host;
	} else if (strncmp(to, "tcp://", 6) == 0) {
		where = to + 6;
	}
	if (sock_parse(&options->addr, where) != 0)
		load_usage("not a numeric address:", to);
}

/* Reads the name of a mode. */
static inline enum load_mode load_parse_mode(const char *text)
{
	for (int i = 0; i < LOAD_MODES; i++)
		if (strcmp(text, load_mode_names[i]) == 0)
			return (enum load_mode)i;
	load_usage("no such mode:", text);
}

/* Takes one option; `name` is the index in the table of load_parse(). */
static inline void load_parse_option(struct load_options *options, char name, const char *value)
{
	switch (name) {
	case 'm':
		options->mode = load_parse_mode(value);
		break;
	case 'T':
		load_parse_to(options, value);
		break;
	case 'n':
		options->n_sessions = (uint64_t)load_parse_number(value);
		break;
	case 's':
		options->size = (uint64_t)load_parse_number(value);
		break;
	case 'k':
		options->n_inflight = (uint64_t)load_parse_number(value);
		break;
	case 'r':
		options->rate = load_parse_number(value);
		break;
	case 'd':
		options->seconds = load_parse_number(value);
		break;
	case 'w':
		options->warmup = load_parse_number(value);
		break;
	case 'b':
		options->bytes = (uint64_t)load_parse_number(value);
		break;
	case 'N':
		options->count = (uint64_t)load_parse_number(value);
		break;
	case 'o':
		options->n_opening = (uint64_t)load_parse_number(value);
		break;
	case 'P':
		options->patience = load_parse_number(value);
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
	case 'j':
		options->json = true;
		break;
	case 'p':
		if (usage_add(&options->group, (pid_t)load_parse_number(value)) != 0)
			load_usage("too many processes:", value);
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
		{ "children", 0, NULL, 'c' }, { "json", 0, NULL, 'j' }, { "pid", 1, NULL, 'p' },
		{ "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	struct load_options options = {
		.n_sessions = 1, .n_opening = 128, .size = 64, .seconds = 1, .warmup = 0.2, .patience = 10
	};
	int name;
	while ((name = getopt_long(argc, argv, "", table, NULL)) != -1)
		load_parse_option(&options, (char)name, optarg);
	if (optind != argc)
		load_usage("what is", argv[optind]);
	if (options.to == NULL)
		load_usage("missing:", "--to");
	if (options.n_sessions == 0 || options.size == 0 || options.n_opening == 0)
		load_usage("can't be 0:", "sessions, size, opening");
	if (options.mode == LOAD_RUN && !options.ws)
		load_usage("can't be run without WebSocket:", options.to);
	if (options.count > 0 && options.count < options.n_sessions)
		options.n_sessions = options.count;
	if (options.n_inflight == 0)
		options.n_inflight = options.rate > 0 ? 64 : 1;
	if (options.children && usage_add_children(&options.group) != 0)
		load_usage("too many processes:", "--children");
	return options;
}

/* One line of JSON with all there is; scripts read it. */
static inline void load_print_json(const struct load_options *o, const struct load_report *r)
{
	const struct histogram *h = &r->latency;
	printf("{\"mode\": \"%s\", \"to\": \"%s\", \"sessions\": %ju, \"size\": %ju, \"inflight\": %ju, "
	       "\"rate\": %.0f, \"seconds\": %.6f, \"opening_seconds\": %.6f, \"messages\": %ju, "
	       "\"bytes\": %ju, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f",
		load_mode_names[o->mode], o->to, (uintmax_t)o->n_sessions, (uintmax_t)o->size,
		(uintmax_t)o->n_inflight, o->rate, (double)r->elapsed_ns / 1e9, (double)r->opening_ns / 1e9,
		(uintmax_t)r->n_messages, (uintmax_t)r->n_bytes, (double)histogram_at(h, 0.5) / 1e3,
		(double)histogram_at(h, 0.99) / 1e3, (double)histogram_at(h, 0.999) / 1e3,
		(double)h->max / 1e3);
	if (o->group.n > 0)
		printf(", \"cpu_seconds\": %.6f, \"rss_kib\": [%ju, %ju, %ju], \"pss_kib\": [%ju, %ju, %ju], "
		       "\"fds\": [%ju, %ju, %ju]",
			(double)r->cpu_ns / 1e9, (uintmax_t)r->before.rss_kib, (uintmax_t)r->during.rss_kib,
			(uintmax_t)r->after.rss_kib, (uintmax_t)r->before.pss_kib,
			(uintmax_t)r->during.pss_kib, (uintmax_t)r->after.pss_kib, (uintmax_t)r->before.n_fds,
			(uintmax_t)r->during.n_fds, (uintmax_t)r->after.n_fds);
	printf("}\n");
}

/* What the watched processes have cost, for people. */
static inline void load_print_usage(const struct load_options *o, const struct load_report *r)
{
	double cpu_us = (double)r->cpu_ns / 1e3, mib = (double)r->n_bytes / 1048576;
	printf("  cpu    %.1f %% of a core", 100 * (double)r->cpu_ns / (double)r->elapsed_ns);
	if (r->n_messages > 0 && o->mode != LOAD_FLOOD_FROM)
		printf(", %.2f us/%s", cpu_us / (double)r->n_messages,
			load_counts_sessions(o) ? "session" : "message");
	if (mib > 0 && !load_counts_sessions(o))
		printf(", %.1f us/MiB", cpu_us / mib);
	printf("\n  memory pss %ju KiB before, %ju with the sessions, %ju after (rss %ju, %ju, %ju)",
		(uintmax_t)r->before.pss_kib, (uintmax_t)r->during.pss_kib, (uintmax_t)r->after.pss_kib,
		(uintmax_t)r->before.rss_kib, (uintmax_t)r->during.rss_kib, (uintmax_t)r->after.rss_kib);
	if (!load_counts_sessions(o))
		printf(", %.2f KiB/session",
			((double)r->during.pss_kib - (double)r->before.pss_kib) / (double)o->n_sessions);
	printf("\n  fds    %ju before, %ju with the sessions, %ju after\n", (uintmax_t)r->before.n_fds,
		(uintmax_t)r->during.n_fds, (uintmax_t)r->after.n_fds);
}

/* The report for people. */
static inline void load_print(const struct load_options *o, const struct load_report *r)
{
	const struct histogram *h = &r->latency;
	double seconds = (double)r->elapsed_ns / 1e9;
	printf("%s %s: %ju sessions, %ju bytes, %ju in flight", load_mode_names[o->mode], o->to,
		(uintmax_t)o->n_sessions, (uintmax_t)o->size, (uintmax_t)o->n_inflight);
	if (o->rate > 0)
		printf(", %.0f/s asked", o->rate);
	printf("\n  rate   %.0f %s/s, %.1f MiB/s in %.3f s; opened in %.3f s\n",
		(double)r->n_messages / seconds, load_counts_sessions(o) ? "sessions" : "messages",
		(double)r->n_bytes / 1048576 / seconds, seconds, (double)r->opening_ns / 1e9);
	if (h->n > 0)
		printf("  time   p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n",
			(double)histogram_at(h, 0.5) / 1e3, (double)histogram_at(h, 0.99) / 1e3,
			(double)histogram_at(h, 0.999) / 1e3, (double)h->max / 1e3);
	if (o->group.n > 0)
		load_print_usage(o, r);
}

#endif
