/*
 * preface: waits for a PROXY header, or for the first byte.
 *
 * Owns the descriptor until it is given away, what was read of the header, and the timer. Bytes are looked at
 * first (MSG_PEEK) and taken only as far as they belong to the header, at once, so that a slow peer is not
 * looked at again and again. Runs on its loop's thread.
 */
#include "gate/preface.h"

#include "base/must.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PREFACE_TLS_BYTE = 0x16 }; /* a record of the handshake (RFC 8446 5.1); no method of HTTP has it */

enum preface_state {
	PREFACE_HEADER,	  /* waits for the rest of the header */
	PREFACE_STRANGER, /* nobody may connect from there: waits for the first byte, to answer in its way */
	PREFACE_FIRST,	  /* waits for the first byte, to know whether it is TLS */
	PREFACE_OVER
};

struct preface {
	struct grave grave; /* first: a grave is its preface */
	struct loop *loop;
	const struct listen_conf *listen;
	const struct entrance *entrance;
	void (*fn)(void *arg, const struct preface_end *end);
	void *arg;
	int fd; /* -1: given away, or closed */
	enum preface_state state;
	struct addr peer;
	uint64_t began_at;
	struct event readable, timer;
	struct proxyhdr header; /* once it is there */
	size_t n_held;
	uint8_t held[PROXYHDR_MAX]; /* of the header */
};

/* Does a connection there begin with something else than TLS or HTTP, or with either? */
bool preface_is_due(const struct listen_conf *listen, const struct entrance *entrance)
{
	return listen->proxy_protocol || (listen->tls_optional && entrance->tls);
}

/* How long it may still be as it is. A state has its time from the accept on. */
static uint64_t preface_left(const struct preface *preface)
{
	uint64_t spent = loop_now(preface->loop) - preface->began_at;
	uint64_t ms = preface->listen->handshake_timeout_ms;

	if (preface->state != PREFACE_FIRST && ms > PREFACE_HEADER_MS)
		ms = PREFACE_HEADER_MS;
	return spent < ms ? ms - spent : 0;
}

/* The one place where the state changes. Returns 0, or -ENOMEM: only of the first state's timer, the next
 * ones move it. */
static int preface_enter(struct preface *preface, enum preface_state state)
{
	must(state >= preface->state);
	preface->state = state;
	if (state != PREFACE_OVER)
		return loop_timer_set(&preface->timer, preface_left(preface));
	loop_event_stop(&preface->readable);
	loop_event_stop(&preface->timer);
	return 0;
}

/* Ends it; the descriptor is closed, or goes with it. */
static void preface_end(struct preface *preface, enum preface_verdict verdict, bool tls)
{
	bool relayed = preface->header.relayed;
	struct preface_end end = {
		.verdict = verdict,
		.fd = verdict == PREFACE_FAILED ? -1 : preface->fd,
		.tls = tls,
		.entrance = preface->entrance,
		.client = { .addr = relayed ? preface->header.from : preface->peer,
			.secure = tls || (preface->header.tls & PROXYHDR_TLS),
			.untold = preface->listen->proxy_protocol && !relayed },
		.told = relayed ? &preface->header : NULL,
		.spent_ms = loop_now(preface->loop) - preface->began_at,
	};

	preface_enter(preface, PREFACE_OVER);
	if (verdict == PREFACE_FAILED)
		close(preface->fd);
	preface->fd = -1;
	preface->fn(preface->arg, &end);
}

/* Ends it with a line in the log. */
static void preface_fail(struct preface *preface, const char *sentence, const char *reason)
{
	char peer[ADDR_TEXT];

	log_info(preface->loop->log, sentence, LOG_STR("peer", addr_format(&preface->peer, peer)),
		LOG_STR("listen", preface->entrance->name), LOG_STR("reason", reason));
	preface_end(preface, PREFACE_FAILED, false);
}

/* The peer ended its side, or the connection broke. One that never said a word (a look whether the port is
 * open) is not worth a line. */
static void preface_on_eof(struct preface *preface)
{
	if (preface->state == PREFACE_HEADER && preface->n_held > 0)
		preface_fail(preface, "no PROXY header", "the connection ended within it");
	else
		preface_end(preface, PREFACE_FAILED, false);
}

/* All of the header is there; what comes behind it is of the client. */
static void preface_pass_header(struct preface *preface)
{
	const struct proxyhdr *header = &preface->header;
	char peer[ADDR_TEXT], client[ADDR_TEXT];

	log_debug(preface->loop->log, "PROXY header", LOG_STR("peer", addr_format(&preface->peer, peer)),
		LOG_STR("listen", preface->entrance->name),
		LOG_STR("client", header->relayed ? addr_format(&header->from, client) : NULL));
	if (preface->listen->tls_optional && preface->entrance->tls)
		preface_enter(preface, PREFACE_FIRST);
	else
		preface_end(preface, PREFACE_PASSED, preface->entrance->tls);
}

/* Takes as much of what came as belongs to the header. */
static void preface_read_header(struct preface *preface)
{
	uint8_t *at = preface->held + preface->n_held;
	ssize_t came = recv(preface->fd, at, sizeof(preface->held) - preface->n_held, MSG_PEEK);

	if (came < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (came <= 0) {
		preface_on_eof(preface);
		return;
	}
	int whole = proxyhdr_decode(&preface->header, preface->held, preface->n_held + (size_t)came);
	if (whole < 0) {
		preface_fail(preface, "no PROXY header", proxyhdr_error(whole));
		return;
	}
	size_t ours = whole == 0 ? (size_t)came : (size_t)whole - preface->n_held;
	preface->n_held += ours;
	if (recv(preface->fd, at, ours, 0) != (ssize_t)ours)
		preface_on_eof(preface);
	else if (whole > 0)
		preface_pass_header(preface);
}

/* Looks at the first byte, which stays with the kernel. */
static void preface_look(struct preface *preface)
{
	uint8_t first = 0;
	ssize_t came = recv(preface->fd, &first, 1, MSG_PEEK);
	bool may_choose = preface->listen->tls_optional;
	bool tls = preface->entrance->tls && (!may_choose || first == PREFACE_TLS_BYTE);

	if (came < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (came <= 0)
		preface_on_eof(preface);
	else if (preface->state == PREFACE_FIRST)
		preface_end(preface, PREFACE_PASSED, tls);
	else if (tls)
		preface_fail(preface, "connection refused", "its address is none of trusted_proxies");
	else
		preface_end(preface, PREFACE_BARRED, false);
}

/* Something came, or the end. */
static void preface_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct preface *preface = arg;
	(void)fd;
	(void)what;

	if (preface->state == PREFACE_HEADER)
		preface_read_header(preface);
	else
		preface_look(preface);
}

/* Time is up. */
static void preface_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct preface *preface = arg;
	(void)fd;
	(void)what;

	if (loop_timer_reprieve(&preface->timer))
		return;
	if (preface->state == PREFACE_HEADER)
		preface_fail(preface, "no PROXY header", "it did not come in time");
	else
		preface_end(preface, PREFACE_FAILED, false); /* it never said a word */
}

/* What a connection from there begins with. */
static enum preface_state preface_first_state(const struct listen_conf *listen, const struct addr *peer)
{
	const struct cidr_list *trusted = &listen->trusted_proxies;

	if (!listen->proxy_protocol)
		return PREFACE_FIRST;
	return cidr_has(trusted->items, trusted->n, peer) ? PREFACE_HEADER : PREFACE_STRANGER;
}

/* Begins to wait. */
struct preface *preface_new(struct loop *loop, const struct listen_conf *listen,
	const struct entrance *entrance, int fd, const struct addr *peer,
	void (*fn)(void *arg, const struct preface_end *end), void *arg)
{
	struct preface *preface = arena_alloc(&loop->arena, sizeof(*preface));

	if (preface == NULL)
		return NULL;
	preface->loop = loop;
	preface->listen = listen;
	preface->entrance = entrance;
	preface->fn = fn;
	preface->arg = arg;
	preface->fd = fd;
	preface->peer = *peer;
	preface->began_at = loop_now(loop);
	loop_event_init(loop, &preface->readable, fd, EV_READ | EV_PERSIST, preface_on_readable, preface);
	loop_event_init(loop, &preface->timer, -1, 0, preface_on_timer, preface);
	if (preface_enter(preface, preface_first_state(listen, peer)) == 0 &&
		event_add(&preface->readable, NULL) == 0)
		return preface;
	preface->fd = -1; /* the caller's */
	preface_free(preface);
	return NULL;
}

/* Hurries it. */
void preface_drain(struct preface *preface)
{
	uint64_t left = preface_left(preface);

	if (preface->state != PREFACE_OVER)
		loop_timer_set(&preface->timer, left < PREFACE_DRAIN_MS ? left : PREFACE_DRAIN_MS);
}

/* Frees it after the turn. */
static void preface_free_later(struct grave *grave)
{
	struct preface *preface = (struct preface *)grave;
	arena_free(&preface->loop->arena, preface);
}

/* Takes it down in any state. */
void preface_free(struct preface *preface)
{
	if (preface == NULL)
		return;
	loop_event_done(preface->loop, &preface->readable);
	loop_event_done(preface->loop, &preface->timer);
	if (preface->fd >= 0)
		close(preface->fd);
	loop_bury(preface->loop, &preface->grave, preface_free_later);
}
