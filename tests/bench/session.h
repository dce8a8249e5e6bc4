/*
 * session: one connection of the load generator: connect, upgrade, send, check what comes back, close.
 *
 * What it sends and when follows from the mode and the phase of the whole run, which load.c leads. Anything
 * unexpected ends the program with a message and status 1.
 */
#ifndef TESTS_BENCH_SESSION_H
#define TESTS_BENCH_SESSION_H

#include "load.h"
#include "pattern.h"
#include "wsclient.h"

#include <stdarg.h>
#include <sys/epoll.h>

enum load_phase { LOAD_OPENING, LOAD_WARMUP, LOAD_MEASURE, LOAD_DRAIN, LOAD_CLOSE };
enum session_state {
	SESSION_NEW,
	SESSION_CONNECT,
	SESSION_UPGRADE,
	SESSION_OPEN,
	SESSION_CLOSING,
	SESSION_DONE
};

/* A batch of output ends above the first; a head may be as long as the second. */
enum { LOAD_OUTPUT = 262144, LOAD_HEAD = 4096, LOAD_SCRATCH = 262144 };

struct session {
	int fd;
	enum session_state state;
	uint32_t polled;
	uint64_t offset;	     /* where in the pattern it begins */
	uint64_t sent, received;     /* payload bytes */
	uint64_t n_sent, n_received; /* whole messages */
	uint64_t partial;	     /* bytes of the message that is being received */
	uint64_t begun_ns;	     /* of this connect */
	uint64_t *sent_ns;	     /* of the n_inflight latest messages */
	uint8_t *output;
	size_t output_len, output_off, output_cap;
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
	struct session *sessions;
	uint64_t n_begun, n_opened, n_done;
	uint64_t total_sent, total_received, n_messages;
	uint64_t began_ns, phase_ns, paced_ns, progress_ns, measure_ns;
	uint64_t next_due; /* paced: the first message, over all sessions, that was not due yet */
	uint64_t messages_at, bytes_at, cpu_at; /* when measuring began */
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
	bool output = session->state == SESSION_CONNECT || session->output_len > 0;
	uint32_t want = EPOLLIN | (output ? EPOLLOUT : 0u);
	if (want == session->polled)
		return;
	struct epoll_event event = { .events = want, .data.ptr = session };
	int op = session->polled == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (epoll_ctl(load->epoll, op, session->fd, &event) != 0)
		load_fail(load, session, "epoll_ctl: %s", strerror(errno));
	session->polled = want;
}

/* Makes room for `len` more bytes of output and says where they go. */
static inline uint8_t *session_reserve(struct load *load, struct session *session, size_t len)
{
	if (session->output_len == 0)
		session->output_off = 0;
	size_t need = session->output_off + session->output_len + len;
	if (need > session->output_cap) {
		size_t cap = need < 1024 ? 1024 : need * 2;
		session->output = realloc(session->output, cap);
		session->output_cap = cap;
		if (session->output == NULL)
			load_fail(load, session, "out of memory");
	}
	return session->output + session->output_off + session->output_len;
}

/* Puts a frame with a payload of its own (not of the pattern) into the output. */
static inline void session_put_frame(
	struct load *load, struct session *session, uint8_t opcode, const void *data, size_t len)
{
	uint32_t key = (uint32_t)(pattern_random(&load->random) >> 32);
	uint8_t *at = session_reserve(load, session, WS_HEADER_MAX + len);
	size_t header = wsclient_header(at, opcode, len, key);
	wsclient_mask(at + header, data, len, key);
	session->output_len += header + len;
}

/* Puts the next `len` bytes of the session's pattern into the output as one message. */
static inline void session_put_message(struct load *load, struct session *session, size_t len)
{
	bool ws = load->options.ws;
	uint32_t key = ws ? (uint32_t)(pattern_random(&load->random) >> 32) : 0;
	uint8_t *at = session_reserve(load, session, WS_HEADER_MAX + len);
	size_t header = ws ? wsclient_header(at, load->options.text ? WS_TEXT : WS_BINARY, len, key) : 0;
	at += header;
	session->output_len += header + len;
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
	while (session->output_len > 0) {
		ssize_t n = send(session->fd, session->output + session->output_off, session->output_len,
			MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			load_fail(load, session, "send: %s", strerror(errno));
		session->output_off += (size_t)n, session->output_len -= (size_t)n;
	}
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
	for (int turn = 0; turn < 4 && session->state == SESSION_OPEN && session->output_len == 0; turn++) {
		size_t len;
		while (session->output_len < LOAD_OUTPUT &&
			(len = session_next_len(load, session, now)) > 0) {
			if (session->sent_ns != NULL)
				session->sent_ns[session->n_sent % load->options.n_inflight] = now;
			session_put_message(load, session, len);
		}
		if (session->output_len == 0)
			return;
		session_flush(load, session);
	}
	if (load->options.mode == LOAD_FLOOD_TO && session->output_len == 0 &&
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
	uint8_t *output = session->output;
	size_t cap = session->output_cap;
	*session = (struct session){ .sent_ns = sent_ns, .output = output, .output_cap = cap };
	session->offset = to_sink ? 0 : pattern_random(&load->random) % PATTERN_PERIOD;
	session->begun_ns = now;
	session->fd = sock_connect(&load->options.addr);
	if (session->fd < 0)
		load_fail(load, session, "connect: %s", strerror(-session->fd));
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

/* The connect has ended: asks for the upgrade, or is open. */
static inline void session_connected(struct load *load, struct session *session)
{
	int rc = sock_error(session->fd);
	if (rc < 0)
		load_fail(load, session, "connect: %s", strerror(-rc));
	if (!load->options.ws) {
		session_opened(load, session);
		session_poll(load, session);
		return;
	}
	session->state = SESSION_UPGRADE;
	uint8_t *at = session_reserve(load, session, LOAD_HEAD);
	session->output_len +=
		wsclient_request((char *)at, LOAD_HEAD, load->options.host, load->options.path);
	session->head = calloc(1, LOAD_HEAD + 1); /* always ends with a NUL */
	if (session->head == NULL)
		load_fail(load, session, "out of memory");
	session_flush(load, session);
}

/* Begins the end: a close frame or a half-close. */
static inline void session_finish(struct load *load, struct session *session)
{
	session->state = SESSION_CLOSING;
	if (load->options.ws) {
		session_put_frame(load, session, WS_CLOSE, "\x03\xe8", 2);
		session_flush(load, session);
	} else if (shutdown(session->fd, SHUT_WR) != 0) {
		load_fail(load, session, "shutdown: %s", strerror(errno));
	}
}

/* May the next session begin where one has ended? Those that are paced begin when they are due. */
static inline bool session_may_follow(const struct load *load)
{
	const struct load_options *options = &load->options;
	if (options->mode == LOAD_RUN && (options->rate > 0 || load->n_begun == options->count))
		return false;
	return load->phase == LOAD_WARMUP || load->phase == LOAD_MEASURE;
}

/* The connection is over; begins the next when sessions are what counts. */
static inline void session_done(struct load *load, struct session *session)
{
	close(session->fd);
	free(session->head);
	session->head = NULL;
	session->state = SESSION_DONE;
	if (!load_counts_sessions(&load->options)) {
		free(session->output);
		session->output = NULL, session->output_cap = 0;
	}
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

/* Counts the messages that `len` more bytes complete, with their latency. */
static inline void session_count(struct load *load, struct session *session, size_t len)
{
	uint64_t now = usage_now();
	session->partial += len;
	for (; session->partial >= load->options.size; session->partial -= load->options.size) {
		uint64_t since = load->options.rate > 0 ? load_due(load, session, session->n_received)
				 : session->sent_ns != NULL
					 ? session->sent_ns[session->n_received % load->options.n_inflight]
					 : now;
		session->n_received++;
		if (load->options.mode != LOAD_ECHO)
			continue;
		load->n_messages++;
		if (load->phase == LOAD_MEASURE)
			histogram_add(&load->report.latency, now > since ? now - since : 0);
	}
}

/* Checks and counts payload that came in. */
static inline void session_payload(
	struct load *load, struct session *session, const uint8_t *data, size_t len)
{
	uint64_t bytes = len;
	bool right = true;
	if (load->options.mode == LOAD_FLOOD_TO) {
		for (size_t i = 0; i < len; i++)
			right = right && data[i] == PATTERN_ACK;
		bytes = len * (uint64_t)PATTERN_ACK_UNIT;
	} else if (load->options.mode != LOAD_RUN) {
		uint64_t offset = load->options.mode == LOAD_FLOOD_FROM ? 0 : session->offset;
		right = pattern_check(&load->pattern, offset + session->received, data, len);
	}
	session->received += bytes;
	load->total_received += bytes;
	if (!right)
		load_fail(load, session, "wrong byte among the last %zu", len);
	bool source = load->options.mode == LOAD_FLOOD_FROM || load->options.mode == LOAD_RUN;
	if (!source && session->received > session->sent)
		load_fail(load, session, "more came back than was sent");
	if (load->options.bytes > 0 && session->received > load->options.bytes)
		load_fail(load, session, "the source sent too much");
	if (load->options.mode != LOAD_FLOOD_TO && load->options.mode != LOAD_RUN)
		session_count(load, session, len);
}

/* Whether all that the session can expect has come. */
static inline bool session_complete(const struct load *load, const struct session *session)
{
	if (load->options.mode == LOAD_FLOOD_FROM)
		return load->options.bytes == 0 || session->received == load->options.bytes;
	if (load->options.mode == LOAD_RUN)
		return session->received == load->options.bytes;
	return session->received == session->sent;
}

/* Answers a ping; takes a close frame, which must have been called for. */
static inline void session_control(struct load *load, struct session *session)
{
	struct wsclient *ws = &session->ws;
	if (ws->opcode == WS_PING) {
		session_put_frame(load, session, WS_PONG, ws->control, ws->n_control);
		session_flush(load, session);
	}
	if (ws->opcode != WS_CLOSE)
		return;
	int code = ws->n_control < 2 ? 1005 : ws->control[0] << 8 | ws->control[1];
	bool source = load->options.mode == LOAD_RUN || load->options.bytes > 0;
	bool ended = source && session_complete(load, session);
	if (session->close_received || code != 1000 || (session->state != SESSION_CLOSING && !ended))
		load_fail(load, session, "closed with %d '%.*s'", code,
			ws->n_control < 2 ? 0 : (int)ws->n_control - 2, ws->control + 2);
	session->close_received = true;
	if (session->state != SESSION_CLOSING)
		session_finish(load, session);
}

/* Takes bytes that came in on an open session. */
static inline void session_take(struct load *load, struct session *session, const uint8_t *data, size_t len)
{
	const uint8_t *end = data + len;
	struct wsclient *ws = &session->ws;
	if (!load->options.ws) {
		session_payload(load, session, data, len);
		return;
	}
	for (;;) {
		enum wsclient_event event = wsclient_read(ws, &data, end);
		if (event == WSCLIENT_MORE)
			return;
		if (event == WSCLIENT_BAD || session->close_received)
			load_fail(load, session, event == WSCLIENT_BAD ? "broken frame" : "data after close");
		if (event == WSCLIENT_CONTROL) {
			session_control(load, session);
			continue;
		}
		session_payload(load, session, ws->data, ws->data_len);
		if (load->options.boundaries && wsclient_message_done(ws) &&
			ws->message_len != load->options.size)
			load_fail(load, session, "a message of %ju bytes", (uintmax_t)ws->message_len);
	}
}

/* Takes a part of the answer to the upgrade; what follows it is data. */
static inline void session_take_head(
	struct load *load, struct session *session, const uint8_t *data, size_t len)
{
	size_t part = len < LOAD_HEAD - session->head_len ? len : LOAD_HEAD - session->head_len;
	size_t before = session->head_len;
	memcpy(session->head + before, data, part);
	session->head_len += part;
	int head_len = wsclient_answer(session->head, session->head_len);
	if (head_len < 0 || (head_len == 0 && session->head_len == LOAD_HEAD))
		load_fail(load, session, "not upgraded: %.*s", (int)strcspn(session->head, "\r\n"),
			session->head);
	if (head_len == 0)
		return;
	size_t used = (size_t)head_len - before;
	free(session->head);
	session->head = NULL;
	session_opened(load, session);
	session_take(load, session, data + used, len - used);
}

/* The peer has closed. */
static inline void session_eof(struct load *load, struct session *session)
{
	bool raw_source_ended = !load->options.ws && load->options.bytes > 0;
	if (session->state != SESSION_CLOSING && !(session->state == SESSION_OPEN && raw_source_ended))
		load_fail(load, session, "closed by the peer");
	if (!session_complete(load, session))
		load_fail(load, session, "closed before all had come");
	if (load->options.ws && !session->close_received)
		load_fail(load, session, "closed without a close frame");
	session_done(load, session);
}

/* Reads once. */
static inline void session_read(struct load *load, struct session *session)
{
	ssize_t n = recv(session->fd, load->scratch, sizeof(load->scratch), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		load_fail(load, session, "recv: %s", strerror(errno));
	if (n == 0)
		session_eof(load, session);
	else if (session->state == SESSION_UPGRADE)
		session_take_head(load, session, load->scratch, (size_t)n);
	else
		session_take(load, session, load->scratch, (size_t)n);
}

/* Serves one readiness. */
static inline void session_on_ready(struct load *load, struct session *session, uint32_t events)
{
	if (session->state == SESSION_CONNECT) {
		session_connected(load, session);
		return;
	}
	if ((events & EPOLLOUT) != 0)
		session_flush(load, session);
	if ((events & ~(uint32_t)EPOLLOUT) != 0)
		session_read(load, session);
	if (session->state == SESSION_OPEN)
		session_pump(load, session, usage_now());
	if (load->options.mode == LOAD_CONNECT && session->state == SESSION_OPEN && session->n_received == 1)
		session_finish(load, session);
}

#endif
