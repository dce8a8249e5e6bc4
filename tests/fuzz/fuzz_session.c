/*
 * fuzz_session: a bridged session, the client and the backend played by the input: frames and raw bytes of
 * the client, messages and ends of the backend, pauses, time, cuts, in any order. Whatever happens the
 * backend gets what the client sent, the client what the backend said, each a prefix and in order; at most
 * one close frame, the last one, with a code that may be sent; the queue stays within the buffer; in the end
 * both sides are gone, once, and nothing is left.
 */
#include "gate/bridge.h"
#include "gate/visitor.h"
#include "net/batch.h"
#include "ws/message.h"

#include <event2/event_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536, SLACK = 16384, BYTES_MAX = 1 << 21, MARKS_MAX = 1 << 18, CLIENT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Messages as they were heard: their bytes, and at which of them they begin and end. */
enum fuzz_mark { MARK_TEXT, MARK_BINARY, MARK_END, MARKS };

struct record {
	uint8_t *bytes;
	size_t *marks; /* where * MARKS + which */
	size_t n, n_marks;
	bool in_message, text;
};

/* Puts the monotonic clock forward, for us and libevent. */
static long fuzz_skipped_ms;

int clock_gettime(clockid_t id, struct timespec *now)
{
	if (syscall(SYS_clock_gettime, id, now) != 0)
		return -1;
	if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE) {
		now->tv_sec += fuzz_skipped_ms / 1000;
		now->tv_nsec += fuzz_skipped_ms % 1000 * 1000000;
		now->tv_sec += now->tv_nsec / 1000000000;
		now->tv_nsec %= 1000000000;
	}
	return 0;
}

/* The backend: an endpoint that does what the input says. */
struct fuzz_backend {
	struct endpoint endpoint; /* first: an endpoint is its backend */
	struct record got, said;
	size_t queued, allowed;
	bool told, eof, closed, buried; /* told: finish or abort came */
};

struct fuzz_session {
	struct loop loop;
	struct event tick;
	struct stream stream;
	struct route_conf route;
	struct bridge bridge;
	struct endpoint *visitor;
	struct fuzz_backend backend;
	int fd;	    /* the client's end; -1 once closed */
	bool clean; /* the client's bytes all reach the visitor: nobody cut, no time passed */
	unsigned n_over;
	uint8_t *sent; /* by the client */
	size_t n_sent;
	uint8_t *heard; /* by the client */
	size_t n_heard;
};

/* Ends the run with a report when the property doesn't hold. */
#define fuzz_check(holds) ((holds) ? (void)0 : fuzz_fail(#holds, __LINE__))

static _Noreturn void fuzz_fail(const char *what, int line)
{
	fprintf(stderr, "fuzz_session.c:%d: not so: %s\n", line, what);
	abort();
}

/* Adds a mark. */
static void fuzz_mark(struct record *record, enum fuzz_mark mark)
{
	fuzz_check(record->n_marks < MARKS_MAX);
	record->marks[record->n_marks++] = record->n * MARKS + mark;
}

/* Adds a piece of a message. */
static void fuzz_note(
	struct record *record, const uint8_t *data, size_t len, bool text, bool first, bool last)
{
	fuzz_check(first == !record->in_message);
	fuzz_check(first || text == record->text);
	fuzz_check(record->n + len <= BYTES_MAX);
	if (first)
		fuzz_mark(record, text ? MARK_TEXT : MARK_BINARY);
	if (len > 0)
		memcpy(record->bytes + record->n, data, len);
	record->n += len;
	if (last)
		fuzz_mark(record, MARK_END);
	record->in_message = !last;
	record->text = text;
}

/* Was all of `part` said, and nothing before it left out? */
static bool fuzz_is_prefix(const struct record *part, const struct record *whole)
{
	return part->n <= whole->n && memcmp(part->bytes, whole->bytes, part->n) == 0 &&
	       part->n_marks <= whole->n_marks &&
	       memcmp(part->marks, whole->marks, part->n_marks * sizeof(*part->marks)) == 0;
}

static struct fuzz_backend *fuzz_backend_of(struct endpoint *endpoint)
{
	return (struct fuzz_backend *)endpoint;
}

static void fuzz_backend_send(struct endpoint *endpoint, const struct piece *piece)
{
	struct fuzz_backend *backend = fuzz_backend_of(endpoint);
	fuzz_check(!backend->told && !backend->closed && !backend->buried);
	fuzz_note(&backend->got, piece->data, piece->len, piece->text, piece->first, piece->last);
	if (piece->len > 0)
		memset(piece->data, 0x55, piece->len); /* it may */
}

static void fuzz_backend_flush(struct endpoint *endpoint)
{
	fuzz_check(!fuzz_backend_of(endpoint)->buried);
}

static size_t fuzz_backend_queued(const struct endpoint *endpoint)
{
	return ((const struct fuzz_backend *)endpoint)->queued;
}

static void fuzz_backend_allow(struct endpoint *endpoint, size_t max)
{
	fuzz_backend_of(endpoint)->allowed = max;
}

static void fuzz_backend_finish(struct endpoint *endpoint, const struct end *end)
{
	struct fuzz_backend *backend = fuzz_backend_of(endpoint);
	fuzz_check(!backend->told && !backend->closed && !backend->buried &&
		   strlen(end->reason) < sizeof(end->reason));
	backend->told = true;
}

static void fuzz_backend_destroy(struct endpoint *endpoint)
{
	fuzz_check(!fuzz_backend_of(endpoint)->buried);
	fuzz_backend_of(endpoint)->buried = true;
}

static const struct endpoint_ops fuzz_backend_ops = {
	.send = fuzz_backend_send,
	.flush = fuzz_backend_flush,
	.queued = fuzz_backend_queued,
	.allow = fuzz_backend_allow,
	.finish = fuzz_backend_finish,
	.abort = fuzz_backend_finish,
	.destroy = fuzz_backend_destroy,
};

/* Takes the session down, as its owner does. */
static void fuzz_cut(struct fuzz_session *session)
{
	if (session->backend.buried)
		return;
	session->visitor->ops->destroy(session->visitor);
	fuzz_backend_destroy(&session->backend.endpoint);
}

static void fuzz_on_over(void *arg)
{
	struct fuzz_session *session = arg;
	fuzz_check(++session->n_over == 1);
	fuzz_check(session->backend.eof && session->backend.closed);
	fuzz_cut(session);
}

static void fuzz_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct fuzz_session *)arg)->loop.stopping = true;
}

/* A turn of the loop and its graveyard. */
static void fuzz_turn(struct fuzz_session *session)
{
	session->loop.stopping = false;
	event_active(&session->tick, EV_TIMEOUT, 1);
	loop_run(&session->loop);
	fuzz_check(session->loop.batch->owner == NULL);
	if (!session->backend.buried)
		fuzz_check(session->visitor->ops->queued(session->visitor) <= BUFFER + SLACK);
}

/* The client sends raw bytes, as many as there is room for. */
static void fuzz_client_sends(struct fuzz_session *session, const uint8_t *data, size_t len)
{
	if (session->fd < 0 || session->n_sent + len > CLIENT_MAX)
		return;
	ssize_t n = send(session->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		memcpy(session->sent + session->n_sent, data, (size_t)n);
		session->n_sent += (size_t)n;
	}
}

/* The client sends a frame; the first byte is as the input says. */
static void fuzz_client_frame(struct fuzz_session *session, uint8_t first, const uint8_t *data, size_t len)
{
	uint8_t frame[FRAME_HEADER_MAX + 256];
	struct frame_header header = { .fin = first >> 7,
		.rsv = (first & 0x70) == 0x70 ? 4 : 0,
		.opcode = first & 0xf,
		.masked = true,
		.key = { first, 0x55, 0xaa, (uint8_t)len },
		.len = len };
	size_t n = frame_encode(&header, frame);
	if (len > 0)
		memcpy(frame + n, data, len);
	frame_mask(frame + n, len, header.key, 0);
	fuzz_client_sends(session, frame, n + len);
}

/* The client pings many times, and may not read the answers meanwhile. */
static void fuzz_client_pings(struct fuzz_session *session, uint8_t how)
{
	for (uint8_t i = 0; i < how % 80; i++) {
		fuzz_client_frame(session, 0x80 | FRAME_PING, &i, 1);
		if (how >= 80 && i % 16 == 15)
			fuzz_turn(session);
	}
}

/* The client reads. */
static void fuzz_client_reads(struct fuzz_session *session, size_t max)
{
	if (session->fd < 0)
		return;
	max = max < CLIENT_MAX - session->n_heard ? max : CLIENT_MAX - session->n_heard;
	ssize_t n = recv(session->fd, session->heard + session->n_heard, max, MSG_DONTWAIT);
	session->n_heard += n > 0 ? (size_t)n : 0;
}

/* The backend says a part of a message, no more than it may. */
static void fuzz_backend_says(struct fuzz_session *session, uint8_t how, size_t len)
{
	static uint8_t bytes[BUFFER];
	struct fuzz_backend *backend = &session->backend;
	bool goes_on = backend->said.in_message;
	struct piece piece = { .data = bytes,
		.len = len < backend->allowed ? len : backend->allowed,
		.text = goes_on ? backend->said.text : how & 1,
		.first = !goes_on,
		.last = how >> 1 & 1 };
	if (backend->buried || backend->eof || backend->allowed == 0 ||
		backend->said.n + piece.len > CLIENT_MAX)
		return;
	memset(bytes, how, piece.len);
	fuzz_note(&backend->said, bytes, piece.len, piece.text, piece.first, piece.last);
	backend->endpoint.hooks->on_piece(backend->endpoint.arg, &piece);
	backend->endpoint.hooks->on_flush(backend->endpoint.arg);
}

/* The backend ends. */
static void fuzz_backend_ends(struct fuzz_session *session, uint8_t how)
{
	static const uint16_t codes[] = { 1000, 1011, 4000, 4999 };
	struct end end = { .code = codes[how % 4], .abrupt = codes[how % 4] == 1011 };
	struct fuzz_backend *backend = &session->backend;

	if (backend->buried || backend->eof)
		return;
	memset(end.reason, how & 4 ? '\xc3' : 'r', how >> 3);
	backend->eof = true;
	backend->endpoint.hooks->on_eof(backend->endpoint.arg, &end);
}

/* ... and is gone. */
static void fuzz_backend_goes(struct fuzz_session *session)
{
	struct fuzz_backend *backend = &session->backend;

	if (backend->buried || !backend->eof || backend->closed)
		return;
	backend->closed = true;
	session->clean = false;
	backend->endpoint.hooks->on_closed(backend->endpoint.arg);
}

/* The backend takes, or takes no more, of what it was sent. */
static void fuzz_backend_holds(struct fuzz_session *session, uint8_t how)
{
	struct fuzz_backend *backend = &session->backend;

	if (backend->buried || backend->closed)
		return;
	backend->queued = how * (size_t)512;
	backend->endpoint.hooks->on_sent(backend->endpoint.arg);
}

/* Time passes; what it ends, it ends. */
static void fuzz_time(struct fuzz_session *session, long ms)
{
	fuzz_skipped_ms += ms;
	session->clean = false;
	fuzz_turn(session);
}

/* The gateway ends the session. */
static void fuzz_gateway_ends(struct fuzz_session *session)
{
	struct end end = { .code = CLOSE_GOING_AWAY, .reason = "going away" };
	if (!session->backend.buried)
		bridge_end(&session->bridge, &end);
}

/* The client goes. */
static void fuzz_client_goes(struct fuzz_session *session)
{
	if (session->fd >= 0)
		close(session->fd);
	session->fd = -1;
	session->clean = false;
}

/* One step of the input: what happens, how, and bytes. Returns how many were used. */
static size_t fuzz_step(struct fuzz_session *session, const uint8_t *data, size_t size)
{
	uint8_t how = size > 1 ? data[1] : 0;
	size_t rest = size > 2 ? size - 2 : 0;
	size_t len = rest < how % 140u ? rest : how % 140u;

	switch (data[0] % 16) {
	case 0:
		fuzz_client_sends(session, data + 2, len);
		return 2 + len;
	case 1:
	case 2:
	case 3:
		len = rest > 0 && rest - 1 < data[2] % 130u ? rest - 1 : rest > 0 ? data[2] % 130u : 0;
		fuzz_client_frame(session, how, data + (rest > 0 ? 3 : 2), len);
		return 3 + len;
	case 4:
	case 5:
		fuzz_backend_says(session, how, rest > 0 ? (size_t)data[2] << (how >> 4) : 0);
		return 3;
	case 6:
		fuzz_backend_ends(session, how);
		return 2;
	case 7:
		fuzz_backend_goes(session);
		return 1;
	case 8:
	case 9:
		fuzz_client_reads(session, (size_t)how << (data[0] >> 4));
		return 2;
	case 10:
		if (session->fd >= 0)
			shutdown(session->fd, SHUT_WR);
		return 1;
	case 11:
		if (data[0] >= 0xc0)
			fuzz_client_goes(session);
		else
			fuzz_backend_holds(session, how);
		return 2;
	case 12:
		fuzz_time(session, how * 500L);
		return 2;
	case 13:
		if (data[0] >= 0xe0)
			fuzz_cut(session);
		else
			fuzz_gateway_ends(session);
		return 1;
	case 14:
		fuzz_client_pings(session, how);
		return 2;
	default:
		fuzz_turn(session);
		return 1;
	}
}

/* What the client sent, read at once: messages, and pings one after another with their lengths. Returns
 * whether it closed or broke a rule. */
static bool fuzz_read_sent(struct fuzz_session *session, struct record *messages, struct record *pings)
{
	struct message_reader reader;
	struct message_event event;
	uint8_t *at = session->sent;
	size_t left = session->n_sent;

	message_reader_init(&reader, session->route.max_message, NULL);
	do {
		size_t used = message_read(&reader, at, left, &event);
		at += used;
		left -= used;
		if (event.kind == MESSAGE_DATA)
			fuzz_note(messages, event.data, event.len, event.text, event.first, event.last);
		else if (event.kind == MESSAGE_PING)
			fuzz_note(pings, event.data, event.len, false, true, true);
	} while (event.kind != MESSAGE_NEED_MORE && event.kind != MESSAGE_CLOSE &&
		 event.kind != MESSAGE_ERROR);
	return event.kind != MESSAGE_NEED_MORE;
}

/* A pong must answer one of the pings that are left, and those before it stay unanswered. */
static void fuzz_check_pong(const struct record *pings, size_t *next, const uint8_t *data, size_t len)
{
	for (bool found = false; !found; *next += 2) {
		fuzz_check(*next < pings->n_marks);
		size_t begin = pings->marks[*next] / MARKS, end = pings->marks[*next + 1] / MARKS;
		found = end - begin == len && memcmp(pings->bytes + begin, data, len) == 0;
	}
}

/* Checks the frames that the client heard, and gathers their messages. */
static void fuzz_read_heard(
	const struct fuzz_session *session, struct record *messages, const struct record *pings)
{
	struct frame_header frame;
	bool closed = false;
	size_t next_ping = 0;

	for (size_t at = 0; at < session->n_heard;) {
		int n = frame_decode(&frame, session->heard + at, session->n_heard - at);
		fuzz_check(n >= 0 && !closed);
		if (n == 0)
			return;
		fuzz_check(!frame.masked && frame.rsv == 0);
		at += (size_t)n;
		bool whole = frame.len <= session->n_heard - at;
		const uint8_t *data = session->heard + at;
		size_t len = whole ? (size_t)frame.len : session->n_heard - at;
		at += len;
		if (!frame_is_control(frame.opcode)) {
			bool first = frame.opcode != FRAME_CONTINUATION;
			bool text = first ? frame.opcode == FRAME_TEXT : messages->text;
			fuzz_note(messages, data, len, text, first, whole && frame.fin);
		} else if (whole && frame.opcode == FRAME_PONG)
			fuzz_check_pong(pings, &next_ping, data, len);
		else if (whole && frame.opcode == FRAME_CLOSE) {
			closed = true;
			fuzz_check(len != 1);
			if (len >= 2)
				fuzz_check(message_close_code_valid((uint16_t)(data[0] << 8 | data[1])));
		}
	}
}

/* A session that has just been bridged; its first frames may have come with the request. */
static void fuzz_begin(struct fuzz_session *session, uint8_t how)
{
	int fds[2], room = 4096;

	session->route = (struct route_conf){ .ping_interval_ms = how & 1 ? 30000 : 0,
		.ping_timeout_ms = 20000,
		.send_timeout_ms = 60000,
		.max_message = how & 2 ? 100 : 0 };
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	if (how & 4)
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	session->fd = fds[1];
	session->clean = true;
	session->n_over = 0;
	session->n_sent = session->n_heard = 0;
	session->backend = (struct fuzz_backend){
		.endpoint = { .ops = &fuzz_backend_ops, .loop = &session->loop },
		.got = { .bytes = session->backend.got.bytes, .marks = session->backend.got.marks },
		.said = { .bytes = session->backend.said.bytes, .marks = session->backend.said.marks },
	};
	stream_open(&session->stream, &session->loop, fds[0], fds[0], NULL, NULL);
	session->visitor =
		visitor_new(&session->loop, &session->stream, &session->route, &(struct permessage){ 0 });
	fuzz_check(session->visitor != NULL);
	bridge_init(&session->bridge, BUFFER, fuzz_on_over, session);
	bridge_join(&session->bridge, session->visitor, &session->backend.endpoint);
	if (how & 8) {
		uint8_t first[] = "\x82\x85\0\0\0\0first\x89\x80\0\0\0"; /* and half a ping */
		memcpy(session->sent, first, sizeof(first));
		session->n_sent = sizeof(first);
		visitor_feed(session->visitor, first, sizeof(first));
	}
}

/* Lets it come to its end: everybody reads and takes as long as anything comes. */
static void fuzz_finish(struct fuzz_session *session)
{
	fuzz_backend_holds(session, 0);
	for (int quiet = 0; quiet < 4; quiet++) {
		size_t before = session->n_heard + session->backend.got.n;
		fuzz_client_reads(session, CLIENT_MAX);
		fuzz_turn(session);
		if (session->n_heard + session->backend.got.n != before)
			quiet = 0;
	}
}

/* ... whatever it takes. */
static void fuzz_end(struct fuzz_session *session)
{
	fuzz_client_goes(session);
	fuzz_turn(session);
	fuzz_turn(session);
	fuzz_check(session->backend.buried || session->backend.told || session->backend.eof);
	fuzz_backend_ends(session, 0);
	fuzz_turn(session);
	fuzz_backend_goes(session);
	for (int i = 0; i < 3; i++)
		fuzz_time(session, 70000);
	fuzz_check(session->backend.buried);
	fuzz_check(session->loop.n_events == 1 && session->loop.n_timers == 0);
}

/* Room for what was heard. */
static struct record fuzz_record(void)
{
	return (struct record){ .bytes = malloc(BYTES_MAX), .marks = malloc(MARKS_MAX * sizeof(size_t)) };
}

/* Empties one that lives as long as the process. */
static void fuzz_clear(struct record *record)
{
	if (record->bytes == NULL)
		*record = fuzz_record();
	*record = (struct record){ .bytes = record->bytes, .marks = record->marks };
}

/* What lives as long as the process. */
static struct fuzz_session *fuzz_session(void)
{
	static struct fuzz_session session;
	if (session.loop.base != NULL)
		return &session;
	signal(SIGPIPE, SIG_IGN);
	fuzz_check(loop_init(&session.loop, NULL) == 0);
	event_assign(&session.tick, session.loop.base, -1, 0, fuzz_on_tick, &session);
	session.sent = malloc(CLIENT_MAX);
	session.heard = malloc(CLIENT_MAX);
	session.backend.got = fuzz_record();
	session.backend.said = fuzz_record();
	return &session;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record messages, pings, heard;
	struct fuzz_session *session = fuzz_session();

	if (size < 2)
		return 0;
	fuzz_clear(&messages);
	fuzz_clear(&pings);
	fuzz_clear(&heard);
	fuzz_begin(session, data[0]);
	for (size_t at = 1; at < size;)
		at += fuzz_step(session, data + at, size - at);
	fuzz_finish(session);
	bool ended = fuzz_read_sent(session, &messages, &pings);
	fuzz_read_heard(session, &heard, &pings);
	fuzz_check(fuzz_is_prefix(&session->backend.got, &messages));
	fuzz_check(fuzz_is_prefix(&heard, &session->backend.said));
	if (session->clean && !session->backend.buried) {
		fuzz_check(session->backend.got.n == messages.n);
		fuzz_check(!ended || session->backend.told);
	}
	fuzz_end(session);
	return 0;
}
