/*
 * load: a load generator for a WebSocket gateway, or for a plain TCP relay with the same work.
 *
 * It opens sessions, moves the pattern through them as --mode says, checks every byte that comes back, and
 * reports throughput, latency and what the watched processes spent on it. One thread, one epoll set. This
 * file leads the run through its phases: opening, warm-up, measure (only here counters count), drain (all
 * that was sent must come back), close. Options are in load.h, the report in report.h, what a
 * connection does in session.h and receive.h, how its bytes travel in conn.h.
 */
#include "receive.h"

#include <sys/prctl.h>

/* Does the work end by itself? Then it is measured from the first connect. */
static bool load_is_finite(const struct load *load)
{
	return load->options.mode == LOAD_FLOOD_FROM && load->options.bytes > 0;
}

/* Whether the phase's work is done, whatever the clock says. */
static bool load_phase_complete(const struct load *load)
{
	bool finite = load_is_finite(load);
	switch (load->phase) {
	case LOAD_OPENING:
		if (load->options.mode == LOAD_IDLE &&
			load->total_received < load->options.n_sessions * load->options.size)
			return false;
		return load->n_opened >= load->options.n_sessions || load_counts_sessions(&load->options);
	case LOAD_WARMUP:
		return finite || load->options.count > 0 ||
		       usage_now() - load->phase_ns >= (uint64_t)(load->options.warmup * 1e9);
	case LOAD_MEASURE:
		if (load->options.count > 0)
			return load->n_done == load->options.count;
		if (finite)
			return load->n_done == load->options.n_sessions;
		return usage_now() - load->phase_ns >= (uint64_t)(load->options.seconds * 1e9);
	case LOAD_DRAIN:
		if (load_counts_sessions(&load->options))
			return load->n_done == load->n_begun;
		return load->options.mode == LOAD_FLOOD_FROM || load->total_sent == load->total_received;
	case LOAD_CLOSE:
		break;
	}
	return load->n_done == load->n_begun;
}

/* Do sessions begin and end while it is measured? Then their processes count when they were waited for. */
static bool load_forks_end(const struct load *load)
{
	return load_is_finite(load) || load_counts_sessions(&load->options);
}

/* Remembers where the counters stand when measuring begins. */
static void load_note_begin(struct load *load)
{
	bool add = load->options.forks && load->phase == LOAD_MEASURE && !load_forks_end(load);
	if (add && usage_add_children(&load->options.group) != 0)
		load_usage("too many processes:", "--forks");
	load->measure_ns = usage_now();
	load->messages_at = load->n_messages;
	load->bytes_at = load->total_received;
	load->cpu_at = usage_cpu(&load->options.group);
	load->children_at = usage_children_cpu(&load->options.group);
}

/* Lets the processes of sessions that are over be waited for, which takes them a moment. */
static void load_await_forks(const struct load *load)
{
	uint64_t begin = usage_now();
	while (usage_has_children(&load->options.group) && usage_now() - begin < 2000000000u)
		usleep(1000);
}

/* Writes into the report what was measured. */
static void load_note_end(struct load *load)
{
	struct load_report *report = &load->report;
	report->elapsed_ns = usage_now() - load->measure_ns;
	if (load->options.forks && load_is_finite(load))
		load_await_forks(load);
	report->cpu_ns = usage_cpu(&load->options.group) - load->cpu_at;
	report->children_ns = usage_children_cpu(&load->options.group) - load->children_at;
	report->n_bytes = load->total_received - load->bytes_at;
	report->n_messages = load->n_messages - load->messages_at;
	if (load->options.mode == LOAD_FLOOD_TO || load->options.mode == LOAD_FLOOD_FROM)
		report->n_messages = report->n_bytes / load->options.size;
	report->during = usage_memory(&load->options.group);
}

/* Ends every session; a raw source without end can only be cut. */
static void load_close_all(struct load *load)
{
	bool cut = load->options.mode == LOAD_FLOOD_FROM && !load->options.ws;
	for (uint64_t i = 0; i < load->options.n_sessions; i++) {
		struct session *session = &load->sessions[i];
		if (session->state == SESSION_OPEN && cut)
			session_done(load, session);
		else if (session->state == SESSION_OPEN)
			session_finish(load, session);
	}
}

/* Lets every session do what the new phase asks of it. */
static void load_pump_all(struct load *load)
{
	uint64_t now = usage_now();
	for (uint64_t i = 0; i < load->options.n_sessions; i++)
		session_pump(load, &load->sessions[i], now);
}

/* Goes to the next phase. */
static void load_next_phase(struct load *load)
{
	load->phase++;
	load->phase_ns = usage_now();
	if (load->phase == LOAD_WARMUP) {
		load->paced_ns = load->phase_ns;
		load->report.opening_ns = load->phase_ns - load->began_ns;
		load_pump_all(load);
	} else if (load->phase == LOAD_MEASURE && !load_is_finite(load)) {
		load_note_begin(load);
	} else if (load->phase == LOAD_DRAIN) {
		load_note_end(load);
		load_pump_all(load);
	} else if (load->phase == LOAD_CLOSE) {
		load_close_all(load);
	}
}

/* Begins the sessions that may be begun now; paced runs are load_pace_runs()'s. */
static void load_begin_sessions(struct load *load)
{
	const struct load_options *options = &load->options;
	uint64_t window = load_counts_sessions(options) ? UINT64_MAX : options->n_opening;
	if (options->mode == LOAD_RUN && options->rate > 0)
		return;
	while (load->phase == LOAD_OPENING && load->n_begun < load->options.n_sessions &&
		load->n_begun - load->n_opened < window) {
		struct session *session = &load->sessions[load->n_begun++];
		session_begin(load, session, usage_now());
	}
}

/* A session that is free for the next run, NULL when all are running. */
static struct session *load_free_session(struct load *load)
{
	for (uint64_t i = 0; i < load->options.n_sessions; i++)
		if (load->sessions[i].state == SESSION_NEW || load->sessions[i].state == SESSION_DONE)
			return &load->sessions[i];
	return NULL;
}

enum { LOAD_LONGEST_NS = 100000000 }; /* without a look at the clock */

/* Begins the paced runs that are due; says how long until the next, in nanoseconds. */
static uint64_t load_pace_runs(struct load *load)
{
	const struct load_options *options = &load->options;
	struct session *session;
	while ((session = load_free_session(load)) != NULL) {
		if (options->count > 0 && load->n_begun == options->count)
			return LOAD_LONGEST_NS;
		uint64_t due = load->paced_ns + (uint64_t)((double)load->next_due * 1e9 / options->rate);
		uint64_t now = usage_now();
		if (due > now)
			return due - now < LOAD_LONGEST_NS ? due - now : LOAD_LONGEST_NS;
		load->next_due++;
		load->n_begun++;
		session_begin(load, session, due);
	}
	return LOAD_LONGEST_NS; /* one has to end first */
}

/* Sends the paced messages that are due; says how long until the next, in nanoseconds. */
static uint64_t load_pace(struct load *load)
{
	const uint64_t longest = LOAD_LONGEST_NS;
	bool running = load->phase == LOAD_WARMUP || load->phase == LOAD_MEASURE;
	if (load->options.rate <= 0 || !running)
		return longest;
	if (load->options.mode == LOAD_RUN)
		return load_pace_runs(load);
	for (;;) {
		uint64_t n = load->options.n_sessions, now = usage_now();
		struct session *session = &load->sessions[load->next_due % n];
		uint64_t due = load_due(load, session, load->next_due / n);
		if (due > now)
			return due - now < longest ? due - now : longest;
		session_pump(load, session, now);
		load->next_due++;
	}
}

/* Ends the program when nothing has happened for too long, or the end of the run takes that long. */
static void load_check_progress(struct load *load, int n_events)
{
	bool quiet = load->options.mode == LOAD_IDLE && load->phase == LOAD_MEASURE;
	bool ending = load->phase == LOAD_DRAIN || load->phase == LOAD_CLOSE;
	uint64_t now = usage_now();
	if (ending)
		load->progress_ns = load->phase_ns;
	else if (n_events > 0 || quiet)
		load->progress_ns = now;
	if ((double)(now - load->progress_ns) < load->options.patience * 1e9)
		return;
	const char *what = load->phase == LOAD_CLOSE ? "not closed" : "not everything has come";
	for (uint64_t i = 0; i < load->options.n_sessions; i++) {
		const struct session *session = &load->sessions[i];
		bool idle = session->state == SESSION_OPEN && session_complete(load, session);
		if (session->state != SESSION_DONE && !idle)
			load_fail(load, session, "%s after %.0f s", what, load->options.patience);
	}
	load_fail(load, load->sessions, "nothing has happened for %.0f s", load->options.patience);
}

/* Runs all phases. */
static void load_run(struct load *load)
{
	struct epoll_event events[256];
	while (load->phase != LOAD_CLOSE || !load_phase_complete(load)) {
		load_begin_sessions(load);
		uint64_t wait = load_pace(load);
		struct timespec timeout = { .tv_sec = 0, .tv_nsec = (long)wait };
		int n = epoll_pwait2(load->epoll, events, 256, &timeout, NULL);
		for (int i = 0; i < n; i++)
			session_on_ready(load, events[i].data.ptr, events[i].events);
		load_check_progress(load, n);
		if (load->phase != LOAD_CLOSE && load_phase_complete(load))
			load_next_phase(load);
	}
}

/* Allocates the sessions; only saturated echo needs to remember when each message was sent. */
static int load_init(struct load *load)
{
	const struct load_options *options = &load->options;
	load->random = (uint64_t)getpid() << 32 | 1;
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->sessions = calloc(options->n_sessions, sizeof(*load->sessions));
	if (load->epoll < 0 || load->sessions == NULL)
		return -1;
	for (uint64_t i = 0; options->mode == LOAD_ECHO && options->rate <= 0 && i < options->n_sessions;
		i++) {
		load->sessions[i].sent_ns = calloc(options->n_inflight, sizeof(uint64_t));
		if (load->sessions[i].sent_ns == NULL)
			return -1;
	}
	if (options->tls && conn_tls_init(&load->tls, options->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION,
				    options->resume) != 0)
		return -1;
	pattern_init(&load->pattern);
	prctl(PR_SET_TIMERSLACK, 1000);
	sock_raise_limit();
	return 0;
}

/* Waits (not for long) until the watched processes have noticed that the sessions are over. */
static void load_settle(struct load *load)
{
	uint64_t begin = usage_now();
	do {
		load->report.after = usage_memory(&load->options.group);
		if (load->report.after.n_fds <= load->report.before.n_fds)
			return;
		usleep(20000);
	} while (usage_now() - begin < 2000000000u);
}

/* Frees what load_init() made. */
static void load_done(struct load *load)
{
	for (uint64_t i = 0; i < load->options.n_sessions; i++) {
		free(load->sessions[i].sent_ns);
		conn_release(&load->sessions[i].conn);
	}
	free(load->sessions);
	conn_tls_done(&load->tls);
	close(load->epoll);
}

int main(int argc, char **argv)
{
	static struct load load;
	load.options = load_parse(argc, argv);
	if (load_init(&load) != 0) {
		fprintf(stderr, "load: %s\n", strerror(errno));
		return 1;
	}
	load.report.before = usage_memory(&load.options.group);
	load.began_ns = load.progress_ns = usage_now();
	load_note_begin(&load);
	load_run(&load);
	load_settle(&load);
	load.report.n_resumed = load.tls.n_resumed;
	if (load.options.json)
		load_print_json(&load.options, &load.report);
	else
		load_print(&load.options, &load.report);
	load_done(&load);
	return 0;
}
