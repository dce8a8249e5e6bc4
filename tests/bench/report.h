/*
 * report: what the load generator answers, for people and for scripts.
 */
#ifndef TESTS_BENCH_REPORT_H
#define TESTS_BENCH_REPORT_H

#include "histogram.h"
#include "load.h"

struct load_report {
	uint64_t n_messages, n_bytes, cpu_ns, children_ns, elapsed_ns, opening_ns;
	uint64_t n_resumed, n_cut; /* TLS sessions that were resumed; ends without close_notify */
	struct usage_memory before, during, after;
	struct histogram latency;
};

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
		printf(", \"cpu_seconds\": %.6f, \"children_cpu_seconds\": %.2f, \"rss_kib\": [%ju, %ju, "
		       "%ju], \"pss_kib\": [%ju, %ju, %ju], "
		       "\"fds\": [%ju, %ju, %ju]",
			(double)r->cpu_ns / 1e9, (double)r->children_ns / 1e9, (uintmax_t)r->before.rss_kib,
			(uintmax_t)r->during.rss_kib, (uintmax_t)r->after.rss_kib,
			(uintmax_t)r->before.pss_kib, (uintmax_t)r->during.pss_kib,
			(uintmax_t)r->after.pss_kib, (uintmax_t)r->before.n_fds, (uintmax_t)r->during.n_fds,
			(uintmax_t)r->after.n_fds);
	if (o->tls)
		printf(", \"resumed\": %ju, \"cut\": %ju", (uintmax_t)r->n_resumed, (uintmax_t)r->n_cut);
	printf("}\n");
}

/* What the report counts. */
static inline const char *load_unit(const struct load_options *o)
{
	return o->mode == LOAD_RUN ? "start" : load_counts_sessions(o) ? "session" : "message";
}

/* What the watched processes have cost, for people. */
static inline void load_print_usage(const struct load_options *o, const struct load_report *r)
{
	double cpu_us = (double)r->cpu_ns / 1e3, mib = (double)r->n_bytes / 1048576;
	printf("  cpu    %.1f %% of a core", 100 * (double)r->cpu_ns / (double)r->elapsed_ns);
	if (r->n_messages > 0 && o->mode != LOAD_FLOOD_FROM)
		printf(", %.2f us/%s", cpu_us / (double)r->n_messages, load_unit(o));
	if (r->n_messages > 0 && r->children_ns > 0)
		printf(", %.0f us with the programs that they waited for",
			(cpu_us + (double)r->children_ns / 1e3) / (double)r->n_messages);
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
	printf("\n  rate   %.0f %ss/s, %.1f MiB/s in %.3f s; opened in %.3f s\n",
		(double)r->n_messages / seconds, load_unit(o), (double)r->n_bytes / 1048576 / seconds,
		seconds, (double)r->opening_ns / 1e9);
	if (o->tls)
		printf("  TLS    %ju sessions resumed, %ju ends without close_notify\n",
			(uintmax_t)r->n_resumed, (uintmax_t)r->n_cut);
	if (h->n > 0)
		printf("  time   p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n",
			(double)histogram_at(h, 0.5) / 1e3, (double)histogram_at(h, 0.99) / 1e3,
			(double)histogram_at(h, 0.999) / 1e3, (double)h->max / 1e3);
	if (o->group.n > 0)
		load_print_usage(o, r);
}

#endif
