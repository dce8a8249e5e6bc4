/*
 * receive: what comes in on a connection of the load generator: it is checked, counted and answered.
 *
 * Anything unexpected ends the program with a message and status 1.
 */
#ifndef TESTS_BENCH_RECEIVE_H
#define TESTS_BENCH_RECEIVE_H

#include "session.h"

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

/* With --any-end: is this an end after which nothing more is asked of the peer? */
static inline bool session_is_over(const struct load *load, const struct session *session)
{
	bool source = load->options.mode == LOAD_RUN || load->options.bytes > 0;
	bool ending = session->state == SESSION_CLOSING || (session->state == SESSION_OPEN && source);
	return load->options.any_end && ending && session_complete(load, session);
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
	bool right = code == 1000 && (session->state == SESSION_CLOSING || ended);
	if (session->close_received || (!right && !session_is_over(load, session)))
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
		if (!load->options.boundaries || !wsclient_message_done(ws))
			continue;
		if (ws->message_len != load->options.size)
			load_fail(load, session, "a message of %ju bytes", (uintmax_t)ws->message_len);
		if (ws->type != (load->options.text ? WS_TEXT : WS_BINARY))
			load_fail(load, session, "a message of another type than was sent");
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

/* The peer has closed. Within TLS it must say so where nothing else says that all has come. */
static inline void session_eof(struct load *load, struct session *session)
{
	bool cut = session->conn.end == CONN_CUT;
	bool raw_source_ended = !load->options.ws && load->options.bytes > 0;
	bool over = session_is_over(load, session);
	bool bare_end = over || (load->options.bare_end && load->options.mode == LOAD_RUN);
	bool may_end = session->state == SESSION_CLOSING ||
		       (session->state == SESSION_OPEN && (raw_source_ended || bare_end));
	if (!may_end)
		load_fail(load, session, "closed by the peer");
	if (!session_complete(load, session))
		load_fail(load, session, "closed before all had come");
	if (load->options.ws && !session->close_received && !bare_end)
		load_fail(load, session, "closed without a close frame");
	if (cut && raw_source_ended && !over)
		load_fail(load, session, "closed without close_notify");
	load->report.n_cut += cut;
	if (load->options.tls && !cut)
		(void)conn_finish(&session->conn); /* the other side may be gone, which is all the same now */
	session_done(load, session);
}

/* Reads once. */
static inline void session_read(struct load *load, struct session *session)
{
	ssize_t n = conn_recv(&session->conn, load->scratch, sizeof(load->scratch));
	if (n == -EAGAIN)
		return;
	if (n < 0 && session_is_over(load, session))
		session->conn.end = CONN_CUT;
	else if (n < 0)
		load_fail(load, session, "recv: %s", conn_reason((int)n));
	if (n > 0 && session->state == SESSION_UPGRADE)
		session_take_head(load, session, load->scratch, (size_t)n);
	else if (n > 0)
		session_take(load, session, load->scratch, (size_t)n);
	if (session->conn.end != CONN_LIVE)
		session_eof(load, session);
}

/* Serves one readiness. */
static inline void session_on_ready(struct load *load, struct session *session, uint32_t events)
{
	if (session->state == SESSION_CONNECT) {
		session_reached(load, session);
		return;
	}
	if (session->state == SESSION_SHAKE) {
		session_shake(load, session);
		if (!conn_holds_input(&session->conn))
			return;
		events = EPOLLIN; /* what came with the end of the handshake */
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
