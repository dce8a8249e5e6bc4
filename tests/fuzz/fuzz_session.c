/*
 * fuzz_session: a whole session in memory, from the first byte of the request to the last one of TCP; client
 * and backend are played by the input: requests, frames and raw bytes, messages and ends of the backend,
 * pauses, short and failed reads and writes, memory that runs out, time, cuts, in any order. Whatever happens
 * the backend gets what the client sent, the client what the backend said, each a prefix and in order; at
 * most one close frame, the last one, with a code that may be sent; memory stays bounded; in the end nothing
 * is left. And as long as nothing was lost on the way, everything arrives, and the close frame says why.
 */
#include "conversation.h"
#include "fake_backend.h"
#include "gate/session.h"
#include "kernel.h"
#include "net/batch.h"

#include <event2/event_struct.h>

enum {
	BUFFER = 65536,
	EARLY = 98304,	 /* a request and the frames behind it, while there is no backend */
	SLACK = 24576,	 /* a session beside its queue */
	PACKED = 131072, /* zlib's states within a message, and compressed bytes that wait */
	KEPT = 98304,	 /* ... between messages, where contexts are taken over */
	ROOM = KERNEL_MAX
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One route for each first byte of the input. */
static const char fuzz_ini[] =
	"[listen main]\naddress = 127.0.0.1:80\n"
	"[defaults]\nconnect = tcp://127.0.0.1:9\nbuffer = 64k\n"
	"[route /0]\nping_interval = 0\n"
	"[route /1]\nmax_message = 100\nping_interval = 0\n"
	"[route /2]\nidle_timeout = 10s\n"
	"[route /3]\nsubprotocols = one\nrefuse_as = close\n"
	"[route /4]\nsend_timeout = 1s\nping_interval = 2s\nping_timeout = 1s\n"
	"[route /5]\ndeflate = yes\ndeflate_threshold = 20\n"
	"[route /6]\ndeflate = yes\ndeflate_threshold = 0\ndeflate_context = yes\nrefuse_as = close\n"
	"[route /7]\ndeflate = yes\ndeflate_window = 9\nmax_message = 5000\n"
	"[route /page]\nconsole = yes\n";

enum { ROUTES = 8 };

struct fuzz_session {
	struct loop loop;
	struct event tick;
	const struct config *config;
	struct limits limits;
	struct gate gate;
	struct entrance entrance;
	struct addr peer;
	struct conversation talk;
	struct packing packing; /* of the client */
	bool asked;		/* by a request that is good */
	const struct route_conf *route;
	long memory;  /* held before */
	bool clean;   /* all that was sent arrives: nobody cut, no time passed, nothing failed */
	bool told;    /* the gateway has ended it, or the backend: which code is not the client's doing */
	bool stopped; /* the gateway has ended it: the backend speaks to nobody */
};

static void fuzz_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct fuzz_session *)arg)->loop.stopping = true;
}

static void fuzz_on_empty(void *arg)
{
	must(((struct fuzz_session *)arg)->gate.n_sessions == 0);
}

/* A turn of the loop and its graveyard. What waits for the client is bounded, in all that it takes. */
static void fuzz_turn(struct fuzz_session *session)
{
	session->loop.stopping = false;
	event_active(&session->tick, EV_TIMEOUT, 1);
	loop_run(&session->loop);
	must(session->loop.batch->owner == NULL && !fake_backend.owes_flush);
	size_t queue = !fake_backend_is_joined() ? EARLY : fake_backend.said.n > 0 ? BUFFER : 0;
	size_t packed = session->route->deflate ? PACKED : 0;
	must(faults_held <= session->memory + (long)(SLACK + queue + packed));
	if (faults_n > 0)
		session->clean = false;
}

/* The client sends a frame; the first byte is as the input says. */
static void fuzz_client_frame(uint8_t first, const uint8_t *data, size_t len)
{
	static uint8_t frame[FRAME_HEADER_MAX + (1 << 18)];
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
	kernel_client_sends(frame, n + len);
}

/* The client sends a message compressed, in one frame or two: the bytes again and again. */
static void fuzz_client_packed(struct fuzz_session *session, uint8_t how, const uint8_t *data, size_t len)
{
	static uint8_t payload[1 << 18], out[1 << 18];
	size_t n_payload = len << ((how & 7) + (how & 8 ? 3 : 0));

	for (size_t i = 0; i < n_payload && len > 0; i++)
		payload[i] = data[i % len];
	if (!session->packing.on) { /* so far nobody has looked */
		kernel.heard[kernel.n_heard] = '\0';
		packing_agree(&session->packing, (const char *)kernel.heard);
	}
	size_t n = packing_pack(&session->packing, payload, n_payload, out, sizeof(out));
	size_t cut = how & 0x20 ? n / 2 : n;
	uint8_t opcode = how & 0x10 ? FRAME_TEXT : FRAME_BINARY;
	fuzz_client_frame(cut < n ? 0x70 | opcode : 0xf0 | opcode, out, cut);
	if (cut < n && how & 0x40)
		fuzz_client_frame(0x80 | FRAME_PING, &how, 1);
	if (cut < n)
		fuzz_client_frame(0x80, out + cut, n - cut);
}

/* The client sends a long frame of zeroes. */
static void fuzz_client_floods(size_t len)
{
	static const uint8_t zeroes[1 << 16];
	fuzz_client_frame(0x80 | FRAME_BINARY, zeroes, len);
}

/* The client pings many times, and may not read the answers meanwhile. */
static void fuzz_client_pings(struct fuzz_session *session, uint8_t how)
{
	for (uint8_t i = 0; i < how % 80; i++) {
		fuzz_client_frame(0x80 | FRAME_PING, &i, 1);
		if (how >= 80 && i % 16 == 15)
			fuzz_turn(session);
	}
}

/* The client asks: for the route, or first for something else; in one piece or two. */
static void fuzz_client_asks(struct fuzz_session *session, uint8_t route, uint8_t how)
{
	static const char *const offers[] = { "; client_max_window_bits", "",
		"; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10", "" };
	char head[512];
	int n = snprintf(head, sizeof(head),
		"%sGET /%d HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		"Sec-WebSocket-Extensions: permessage-deflate%s\r\n%s\r\n",
		how & 1 ? "HEAD /page HTTP/1.1\r\nHost: localhost\r\n\r\n" : "", route, offers[how >> 2 & 3],
		how & 2 ? "Sec-WebSocket-Protocol: one, two\r\n" : "");
	size_t cut = how >= 0x40 && how < n ? how : (size_t)n;
	kernel_client_sends(head, cut);
	if (cut < (size_t)n)
		fuzz_turn(session);
	kernel_client_sends(head + cut, (size_t)n - cut);
}

/* The backend ends. */
static void fuzz_backend_ends(struct fuzz_session *session, uint8_t how)
{
	static const uint16_t codes[] = { 1000, 1011, 4000, 4999 };
	struct end end = { .code = codes[how % 4], .abrupt = codes[how % 4] == 1011 };

	memset(end.reason, how & 4 ? '\xc3' : 'r', how >> 3);
	session->told = session->told || fake_backend_is_joined();
	fake_backend_ends(&end);
}

/* Time passes; what it ends, it ends. */
static void fuzz_time(struct fuzz_session *session, uint64_t ms)
{
	kernel.now_ms += ms;
	session->clean = false;
	fuzz_turn(session);
}

/* Something fails, or is not done at once. Only what breaks the connection loses anything. */
static void fuzz_trouble(struct fuzz_session *session, uint8_t how)
{
	static const int errors[] = { ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ECONNRESET };
	static const int once[] = { EAGAIN, EINTR };
	unsigned n = how >> 3;

	switch (how % 8) {
	case 0:
		kernel.room = n * n * 64;
		return;
	case 1:
		kernel.write_max = n + 1;
		return;
	case 2:
		kernel.read_max = n + 1;
		return;
	case 3:
		*(n & 2 ? &kernel.read_once : &kernel.write_once) = once[n & 1];
		return;
	case 4:
		kernel.sent_eof = true;
		return;
	case 5:
		kernel_client_goes(errors[n % 4]);
		break;
	case 6:
		kernel.write_error = n & 1 ? EPIPE : ECONNRESET;
		break;
	default:
		faults_arm(n + 1);
		return;
	}
	session->clean = false;
}

/* The gateway stops, or has no more patience. */
static void fuzz_gateway_ends(struct fuzz_session *session, bool cut)
{
	session->told = session->stopped = true;
	if (cut) {
		session->clean = false;
		session_cut_all(&session->gate);
		return;
	}
	session->gate.ending = session->gate.draining = true;
	session_drain_all(&session->gate);
}

/* One step of the input: what happens, how, and bytes. Returns how many were used. */
static size_t fuzz_step(struct fuzz_session *session, const uint8_t *data, size_t size)
{
	uint8_t how = size > 1 ? data[1] : 0;
	size_t rest = size > 2 ? size - 2 : 0;
	size_t len = rest < how % 140u ? rest : how % 140u;

	switch (data[0] % 16) {
	case 0:
		kernel_client_sends(data + 2, len);
		return 2 + len;
	case 1:
	case 2:
		len = rest > 0 && rest - 1 < data[2] % 130u ? rest - 1 : rest > 0 ? data[2] % 130u : 0;
		fuzz_client_frame(how, data + (rest > 0 ? 3 : 2), len);
		return 3 + len;
	case 3:
		len = rest > 0 && rest - 1 < data[2] % 130u ? rest - 1 : rest > 0 ? data[2] % 130u : 0;
		fuzz_client_packed(session, how, data + (rest > 0 ? 3 : 2), len);
		return 3 + len;
	case 4:
	case 5:
		fake_backend_says(how, rest > 0 ? (size_t)data[2] << (how >> 4) : 0, how & 1, how >> 1 & 1);
		return 3;
	case 6:
		fuzz_backend_ends(session, how);
		return 2;
	case 7:
		session->clean = session->clean && !fake_backend.eof;
		fake_backend_goes();
		return 1;
	case 8:
		kernel_client_takes((size_t)how << (data[0] >> 4));
		return 2;
	case 9:
		fake_backend_answers(how & 0x80 ? how & 1 ? ECONNREFUSED : ETIMEDOUT : 0);
		return 2;
	case 10:
		fuzz_trouble(session, how);
		return 2;
	case 11:
		fake_backend_holds(how * (size_t)512, how & 1);
		return 2;
	case 12:
		fuzz_time(session, how * 500u);
		return 2;
	case 13:
		fuzz_gateway_ends(session, data[0] >= 0xe0);
		return 1;
	case 14:
		if (how >= 200)
			fuzz_client_floods((how - 199u) * 1024);
		else
			fuzz_client_pings(session, how);
		return 2;
	default:
		fuzz_turn(session);
		return 1;
	}
}

/* A connection, and its request. */
static void fuzz_begin(struct fuzz_session *session, uint8_t route, uint8_t how)
{
	faults_arm(0);
	faults_n = 0;
	kernel_connect();
	fake_backend_begin(how & 4 && how & 8 ? -ENOMEM : 0, ROOM);
	conversation_begin(&session->talk, ROOM);
	session->clean = true;
	session->told = session->stopped = false;
	session->gate.ending = session->gate.draining = false;
	session->route = &session->config->routes[route];
	session->memory = faults_held;
	must(limits_take_pending(&session->limits, 1));
	session_open(&session->gate, &session->entrance, KERNEL_FD, &session->peer);
	packing_begin(&session->packing);
	session->asked = (how & 0x30) != 0x30;
	if (session->asked) /* else the input says it all */
		fuzz_client_asks(session, route, how);
	if ((how & 0x10) == 0) { /* most of them come so far */
		fuzz_turn(session);
		fake_backend_answers(0);
	}
}

/* Lets all that was said arrive: everybody reads and takes as long as anything comes. */
static void fuzz_settle(struct fuzz_session *session)
{
	kernel.room = KERNEL_MAX;
	fake_backend_holds(0, false);
	for (int quiet = 0; quiet < 4; quiet++) {
		size_t before = kernel.n_heard + kernel.n_read + fake_backend.got.n;
		kernel_client_takes(KERNEL_MAX);
		fuzz_turn(session);
		if (kernel.n_heard + kernel.n_read + fake_backend.got.n != before)
			quiet = 0;
	}
	/* Who has nothing to write does not ask whether he can, again and again. */
	must((kernel.interest & EPOLLOUT) == 0 || kernel.write_error != 0);
}

/* Reads what both sides said so far. */
static void fuzz_read(struct fuzz_session *session)
{
	struct conversation *talk = &session->talk;
	struct message_reader reader;
	struct inflater inflater;
	static uint8_t out[16384];

	talk->sent = kernel.sent;
	talk->n_sent = kernel.n_sent;
	talk->heard = kernel.heard;
	talk->n_heard = kernel.n_heard;
	conversation_read_http(talk, &session->packing);
	must(talk->upgraded || !fake_backend.ready || !session->clean);
	if (!talk->upgraded && !(fake_backend.ready && conversation_skip_request(talk))) {
		must(fake_backend.got.n_marks == 0 && fake_backend.said.n_marks == 0);
		return;
	}
	inflater_init(&inflater, 15, session->packing.client_context);
	message_reader_init(&reader, session->route->max_message, session->packing.on ? &inflater : NULL);
	reader.out = out;
	reader.out_len = sizeof(out);
	conversation_read_sent(talk, &reader);
	inflater_done(&inflater);
	if (talk->upgraded)
		conversation_read_heard(talk, &session->packing);
}

/* Who was let in without a backend hears why, and nothing else. */
static void fuzz_check_refused(const struct fuzz_session *session)
{
	const struct conversation *talk = &session->talk;
	must(session->route->refuse_as == REFUSE_AS_CLOSE);
	must(talk->close_heard &&
		(talk->close_code == CLOSE_TRY_LATER || talk->close_code == CLOSE_BAD_GATEWAY));
	must(talk->answers.n_marks == 0 && !kernel.lost);
}

/* Nothing was lost on the way: all arrived, the close frame says why, and nothing destroyed it. */
static void fuzz_check_clean(const struct fuzz_session *session)
{
	const struct conversation *talk = &session->talk;
	enum message_kind verdict = talk->verdict.kind;

	must(!session->asked || session->stopped || fake_backend.made);
	if (!talk->upgraded)
		return;
	if (!fake_backend.ready) {
		fuzz_check_refused(session);
		return;
	}
	bool broken = verdict == MESSAGE_ERROR;
	if (!session->packing.on || broken || (!talk->answers.open && !talk->messages.open))
		must(faults_held <=
			session->memory + SLACK +
				(session->packing.server_context || session->packing.client_context ? KEPT
												    : 0));
	/* A client that ends TCP without a word is gone; one that broke a rule is told no more. */
	if (!session->stopped && (verdict == MESSAGE_CLOSE || (verdict != MESSAGE_ERROR && !kernel.sent_eof)))
		must(heard_is_same(&talk->answers, &fake_backend.said));
	must(!kernel.lost);
	if (verdict == MESSAGE_ERROR || !session->told) {
		must(heard_is_same(&fake_backend.got, &talk->messages));
		must(verdict == MESSAGE_NEED_MORE || fake_backend.told);
	}
	if (session->stopped && !fake_backend.eof && verdict == MESSAGE_NEED_MORE && !kernel.sent_eof)
		must(talk->close_heard && talk->close_code == CLOSE_GOING_AWAY);
	if (session->told)
		return;
	must(!fake_backend.told || fake_backend.aborted == (verdict != MESSAGE_CLOSE));
	if (verdict == MESSAGE_ERROR)
		must(talk->close_heard && talk->close_code == talk->verdict.code && kernel.shut);
	else
		must(!talk->close_heard);
}

/* The backend does what it should when it is told that the client has ended; the client hears its own code.
 */
static void fuzz_check_goodbye(struct fuzz_session *session)
{
	struct end end = { .code = 1000 };
	const struct conversation *talk = &session->talk;

	if (!session->clean || session->told || !talk->upgraded || !fake_backend.ready ||
		talk->verdict.kind != MESSAGE_CLOSE)
		return;
	size_t before = kernel.n_heard;
	fake_backend_ends(&end);
	fake_backend_goes();
	fuzz_settle(session);
	const uint8_t *frame = kernel.heard + before;
	uint16_t code = talk->verdict.code;
	must(kernel.n_heard == before + (code == CLOSE_NO_STATUS ? 2u : 4u));
	must(frame[0] == 0x88 && frame[1] == (code == CLOSE_NO_STATUS ? 0 : 2));
	must(code == CLOSE_NO_STATUS || (frame[2] == code >> 8 && frame[3] == (code & 255)));
	must(kernel.shut && !kernel.lost);
}

/* Takes its end: the client goes, or says no more and reads no more, and time passes. */
static void fuzz_end(struct fuzz_session *session, bool silent)
{
	struct end end = { .code = 1000 };

	faults_arm(0);
	if (silent)
		fuzz_gateway_ends(session, false);
	else
		kernel_client_goes(ECONNRESET);
	for (int i = 0; i < 4; i++) {
		fuzz_time(session, 70000);
		fake_backend_answers(ETIMEDOUT);
		if (!fake_backend_is_joined() || !fake_backend.told)
			continue;
		fake_backend_ends(&end);
		fake_backend_goes();
	}
	if (fake_backend_is_joined())
		must(fake_backend.told || fake_backend.eof);
	fake_backend_goes();
	fuzz_turn(session);
	must(session->gate.n_sessions == 0 && session->gate.n_held == 0 && session->gate.n_upgraded == 0);
	must(session->limits.pending == 0 && session->limits.sessions == 0);
	must(!kernel.open && (!fake_backend.made || fake_backend.gone));
	must(session->loop.n_events == 1 && session->loop.n_timers == 0);
}

/* Adds timers and an event that never come to pass, and hashes something, so that the libraries have their
 * tables from the first run on. */
static void fuzz_warm(struct loop *loop)
{
	struct event *timers[64];

	for (size_t i = 0; i < 64; i++) {
		timers[i] = loop_event_new(loop, -1, 0, fuzz_on_tick, NULL);
		loop_timer_set(timers[i], 1);
	}
	for (size_t i = 0; i < 64; i++)
		loop_event_free(loop, timers[i]);
	kernel_connect();
	struct event *event = loop_event_new(loop, KERNEL_FD, EV_READ | EV_PERSIST, fuzz_on_tick, NULL);
	event_add(event, NULL);
	loop_event_free(loop, event);
	must(close(KERNEL_FD) == 0);
}

/* What lives as long as the process. */
static struct fuzz_session *fuzz_session(void)
{
	static struct fuzz_session session;
	struct conf_errors errors = { 0 };
	FILE *ini;

	if (session.loop.base != NULL)
		return &session;
	must(loop_init(&session.loop, log_new(STDERR_FILENO, LOG_ERROR, LOG_FORMAT_TEXT, 0)) == 0);
	event_assign(&session.tick, session.loop.base, -1, 0, fuzz_on_tick, &session);
	fuzz_warm(&session.loop);
	ini = fmemopen((void *)(uintptr_t)fuzz_ini, sizeof(fuzz_ini) - 1, "r");
	must(ini != NULL);
	session.config = config_read_stream(ini, "fuzz.ini", NULL, &errors);
	fclose(ini);
	must(session.config != NULL && session.config->n_routes == ROUTES + 1);
	must(limits_init(&session.limits, session.config->n_routes) == 0);
	session.gate = (struct gate){ .loop = &session.loop,
		.config = session.config,
		.limits = &session.limits,
		.on_empty = fuzz_on_empty,
		.arg = &session };
	session.entrance = (struct entrance){ .name = session.config->listens[0].name, .loopback = true };
	packing_init(&session.packing);
	session.peer = (struct addr){ .len = sizeof(session.peer.u.in), .u.in = { .sin_family = AF_INET } };
	session.entrance.local = session.peer;
	return &session;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_session *session = fuzz_session();

	if (size < 3)
		return 0;
	fuzz_begin(session, data[0] % ROUTES, data[1]);
	for (size_t at = 2; at < size;)
		at += fuzz_step(session, data + at, size - at);
	fuzz_turn(session);
	faults_arm(0);
	fuzz_settle(session);
	fuzz_read(session);
	/* Who did not hear the 101 does not know whether RSV1 was agreed on. */
	if (session->talk.upgraded || !session->route->deflate)
		must(heard_is_prefix(&fake_backend.got, &session->talk.messages));
	must(heard_is_prefix(&session->talk.answers, &fake_backend.said));
	if (session->clean)
		fuzz_check_clean(session);
	fuzz_check_goodbye(session);
	fuzz_end(session, data[0] & 0x80);
	return 0;
}
