/*
 * session: one connection of the load generator: connect, upgrade, send, check what comes back, close.
 *
 * What it sends and when follows from the mode and the phase of the whole run, which load.c leads. Anything
 * unexpected ends the program with a message and status 1.
 */
#ifndef TESTS_BENCH_SESSION_H
#define TESTS_BENCH_SESSION_H

#include "conn.h"
#include "load.h"
#include "pattern.h"
#include "report.h"
#include "wsclient.h"

#include <stdarg.h>
#include <sys/epoll.h>

enum load_phase { LOAD_OPENING, LOAD_WARMUP, LOAD_MEASURE, LOAD_DRAIN, LOAD_CLOSE };
enum session_state {
	SESSION_NEW,
	SESSION_CONNECT,
	SESSION_SHAKE,
	SESSION_UPGRADE,
	SESSION_OPEN,
	SESSION_CLOSING,
	SESSION_DONE
};

/* A batch of output ends above the first; a head may be as long as the second. */
enum { LOAD_OUTPUT = 262144, LOAD_HEAD = 4096, LOAD_SCRATCH = 262144 };

struct session {
	struct conn conn;
	enum session_state state;
	uint32_t polled;
	uint64_t offset;	     /* where in the pattern it begins */
	uint64_t sent, received;     /* payload bytes */
	uint64_t n_sent, n_received; /* whole messages */
	uint64_t partial;	     /* bytes of the message that is being received */
	uint64_t begun_ns;	     /* of this connect */
	uint64_t *sent_ns;	     /* of the n_inflight latest messages */
	char *head;
	size_t head_len;
	bool close_received;
	struct wsclient ws;
};

struct load {
	struct load_options options;
	struct load_report report;
	enum load_phase phase;
	int epoll;
	struct conn_tls tls;
	struct session *sessions;
	uint64_t n_begun, n_opened, n_done;
	uint64_t total_sent, total_received, n_messages;
	uint64_t began_ns, phase_ns, paced_ns, progress_ns, measure_ns;
	uint64_t next_due; /* paced: the first message, over all sessions, that was not due yet */
	uint64_t messages_at, bytes_at, cpu_at, children_at; /* when measuring began */
	uint64_t random;
	struct pattern pattern;
	uint8_t scratch[LOAD_SCRATCH];
};

/* Says what went wrong on which session and ends the program. */
__attribute__((format(printf, 3, 4))) static inline _Noreturn void load_fail(
	const struct load *load, const struct session *session, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "load: %s %s: session %td: ", load_mode_names[load->options.mode], load->options.to,
		session - load->sessions);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (%ju bytes sent, %ju received)\n", (uintmax_t)session->sent,
		(uintmax_t)session->received);
	exit(1);
}

/* When the k-th message of a session is due: all sessions take turns at the asked rate. */
static inline uint64_t load_due(const struct load *load, const struct session *session, uint64_t k)
{
	double turn = (double)(k * load->options.n_sessions + (uint64_t)(session - load->sessions));
	return load->paced_ns + (uint64_t)(turn * 1e9 / load->options.rate);
}

/* Waits for what the session needs now. */
static inline void session_poll(struct load *load, struct session *session)
{
	bool output = session->state == SESSION_CONNECT || conn_unsent(&session->conn) > 0;
	uint32_t want = EPOLLIN | (output ? EPOLLOUT : 0u);
	if (want == session->polled)
		return;
	struct epoll_event event = { .events = want, .data.ptr = session };
	int op = session->polled == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (epoll_ctl(load->epoll, op, session->conn.fd, &event) != 0)
		load_fail(load, session, "epoll_ctl: %s", strerror(errno));
	session->polled = want;
}

/* Makes room for `len` more bytes of output and says where they go. */
static inline uint8_t *session_reserve(struct load *load, struct session *session, size_t len)
{
	uint8_t *at = conn_queue_reserve(&session->conn.output, len);
	if (at == NULL)
		load_fail(load, session, "out of memory");
	return at;
}

/* Puts a frame with a payload of its own (not of the pattern) into the output. */
static inline void session_put_frame(
	struct load *load, struct session *session, uint8_t opcode, const void *data, size_t len)
{
	uint32_t key = (uint32_t)(pattern_random(&load->random) >> 32);
	uint8_t *at = session_reserve(load, session, WS_HEADER_MAX + len);
	size_t header = wsclient_header(at, opcode, len, key);
	wsclient_mask(at + header, data, len, key);
	session->conn.output.len += header + len;
}

/* Puts the next `len` bytes of the session's pattern into the output as one message. */
static inline void session_put_message(struct load *load, struct session *session, size_t len)
{
	bool ws = load->options.ws;
	uint32_t key = ws ? (uint32_t)(pattern_random(&load->random) >> 32) : 0;
	uint8_t *at = session_reserve(load, session, WS_HEADER_MAX + len);
	size_t header = ws ? wsclient_header(at, load->options.text ? WS_TEXT : WS_BINARY, len, key) : 0;
	at += header;
	session->conn.output.len += header + len;
	load->total_sent += len;
	while (len > 0) {
		size_t part = len < PATTERN_SPAN ? len : PATTERN_SPAN;
		const char *from = pattern_at(&load->pattern, session->offset + session->sent);
		if (ws)
			wsclient_mask(at, from, part, key);
		else
			memcpy(at, from, part);
		at += part, session->sent += part, len -= part;
	}
	session->n_sent++;
}

/* Sends what the socket takes. */
static inline void session_flush(struct load *load, struct session *session)
{
	int rc = conn_flush(&session->conn);
	if (rc < 0)
		load_fail(load, session, "send: %s", conn_reason(rc));
	session_poll(load, session);
}

/* The length of the message that the session should send now, 0 for none. */
static inline size_t session_next_len(const struct load *load, const struct session *session, uint64_t now)
{
	const struct load_options *options = &load->options;
	bool running = load->phase == LOAD_WARMUP || load->phase == LOAD_MEASURE;
	switch (options->mode) {
	case LOAD_ECHO:
		if (!running || session->n_sent - session->n_received >= options->n_inflight)
			return 0;
		return options->rate > 0 && load_due(load, session, session->n_sent) > now ? 0
											   : options->size;
	case LOAD_FLOOD_TO:
		if (running)
			return options->size;
		uint64_t over = session->sent % PATTERN_ACK_UNIT;
		uint64_t left = over == 0 ? 0 : PATTERN_ACK_UNIT - over;
		return left < options->size ? left : options->size;
	case LOAD_CONNECT:
	case LOAD_IDLE:
		return session->n_sent == 0 ? options->size : 0;
	case LOAD_FLOOD_FROM:
	case LOAD_RUN:
	case LOAD_MODES:
		break;
	}
	return 0;
}

/* Sends all that the session should send now, for a flood at most a few buffers full. */
static inline void session_pump(struct load *load, struct session *session, uint64_t now)
{
	for (int turn = 0; turn < 4 && session->state == SESSION_OPEN && conn_unsent(&session->conn) == 0;
		turn++) {
		size_t len;
		while (session->conn.output.len < LOAD_OUTPUT &&
			(len = session_next_len(load, session, now)) > 0) {
			if (session->sent_ns != NULL)
				session->sent_ns[session->n_sent % load->options.n_inflight] = now;
			session_put_message(load, session, len);
		}
		if (conn_unsent(&session->conn) == 0)
			return;
		session_flush(load, session);
	}
	if (load->options.mode == LOAD_FLOOD_TO && conn_unsent(&session->conn) == 0 &&
		session_next_len(load, session, now) > 0) {
		/* Its turn is over but not its work: be called again when the socket is writable. */
		session_put_message(load, session, session_next_len(load, session, now));
		session_poll(load, session);
	}
}

/* Begins (again) a session. */
static inline void session_begin(struct load *load, struct session *session, uint64_t now)
{
	bool to_sink = load->options.mode == LOAD_FLOOD_TO;
	uint64_t *sent_ns = session->sent_ns;
	struct conn conn = session->conn;
	*session = (struct session){ .sent_ns = sent_ns, .conn = conn };
	session->offset = to_sink ? 0 : pattern_random(&load->random) % PATTERN_PERIOD;
	session->begun_ns = now;
	int rc = conn_open(&session->conn, &load->options.addr, load->options.tls ? &load->tls : NULL);
	if (rc < 0)
		load_fail(load, session, "connect: %s", strerror(-rc));
	session->state = SESSION_CONNECT;
	session_poll(load, session);
}

/* Notes that the session can carry data. */
static inline void session_opened(struct load *load, struct session *session)
{
	session->state = SESSION_OPEN;
	load->n_opened++;
	session_pump(load, session, usage_now());
}

/* The way to the other side is there: asks for the upgrade, or is open. */
static inline void session_connected(struct load *load, struct session *session)
{
	if (!load->options.ws) {
		session_opened(load, session);
		session_flush(load, session);
		return;
	}
	session->state = SESSION_UPGRADE;
	uint8_t *at = session_reserve(load, session, LOAD_HEAD);
	session->conn.output.len +=
		wsclient_request((char *)at, LOAD_HEAD, load->options.host, load->options.path);
	session->head = calloc(1, LOAD_HEAD + 1); /* always ends with a NUL */
	if (session->head == NULL)
		load_fail(load, session, "out of memory");
	session_flush(load, session);
}

/* Goes on with the TLS handshake. */
static inline void session_shake(struct load *load, struct session *session)
{
	int rc = conn_shake(&session->conn, &load->tls);
	if (rc < 0)
		load_fail(load, session, "TLS handshake: %s", conn_reason(rc));
	if (rc > 0)
		session_connected(load, session);
	else
		session_poll(load, session);
}

/* The connect has ended. */
static inline void session_reached(struct load *load, struct session *session)
{
	int rc = sock_error(session->conn.fd);
	if (rc < 0)
		load_fail(load, session, "connect: %s", strerror(-rc));
	session->state = SESSION_SHAKE;
	if (load->options.tls)
		session_shake(load, session);
	else
		session_connected(load, session);
}

/* Begins the end: a close frame, or the end of the bytes. */
static inline void session_finish(struct load *load, struct session *session)
{
	session->state = SESSION_CLOSING;
	if (load->options.ws) {
		session_put_frame(load, session, WS_CLOSE, "\x03\xe8", 2);
		session_flush(load, session);
		return;
	}
	int rc = conn_finish(&session->conn);
	if (rc < 0)
		load_fail(load, session, "shutdown: %s", conn_reason(rc));
	session_poll(load, session);
}

/* May the next session begin where one has ended? Those that are paced begin when they are due. */
static inline bool session_may_follow(const struct load *load)
{
	const struct load_options *options = &load->options;
	if (options->count > 0 && load->n_begun == options->count)
		return false;
	if (options->mode == LOAD_RUN && options->rate > 0)
		return false;
	return load->phase == LOAD_WARMUP || load->phase == LOAD_MEASURE;
}

/* The connection is over; begins the next when sessions are what counts. */
static inline void session_done(struct load *load, struct session *session)
{
	conn_close(&session->conn);
	free(session->head);
	session->head = NULL;
	session->state = SESSION_DONE;
	if (!load_counts_sessions(&load->options))
		conn_release(&session->conn);
	load->n_done++;
	if (!load_counts_sessions(&load->options))
		return;
	uint64_t now = usage_now();
	load->n_messages++;
	if (load->phase == LOAD_MEASURE)
		histogram_add(&load->report.latency, now - session->begun_ns);
	if (session_may_follow(load)) {
		load->n_begun++;
		session_begin(load, session, now);
	}
}

#endif
