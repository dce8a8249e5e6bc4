/*
 * fake_backend: the backend of a session, played by the test, in place of backend/tcp.c: it hears what the
 * visitor says, holds what it is told to, speaks when it may and ends as it is told. It checks that it is
 * treated as net/endpoint.h says. One program includes it once.
 */
#ifndef TESTS_FUZZ_FAKE_BACKEND_H
#define TESTS_FUZZ_FAKE_BACKEND_H

#include "backend/tcp.h"
#include "faults.h"
#include "heard.h"

#include <stdio.h>

enum { FAKE_BACKEND_BUFFER = 65536 }; /* the route's */

struct fake_backend {
	struct endpoint endpoint; /* first: an endpoint is its backend */
	struct heard got, said;
	int start_error; /* what start will say; set before */
	size_t queued, allowed;
	bool stalled; /* it takes nothing: what it is sent waits */
	bool made, ready, failed;
	bool told, aborted; /* finish or abort came */
	bool eof, closed, gone;
	bool owes_flush; /* it was sent something since the last flush */
};

static struct fake_backend fake_backend;

/* Is it joined to a visitor, so that it may speak? */
static inline bool fake_backend_is_joined(void)
{
	return fake_backend.ready && !fake_backend.gone;
}

static int fake_backend_start(struct endpoint *endpoint)
{
	must(endpoint == &fake_backend.endpoint && fake_backend.made && !fake_backend.gone);
	return fake_backend.start_error;
}

static int fake_backend_send(struct endpoint *endpoint, const struct piece *piece)
{
	struct fake_backend *backend = &fake_backend;
	must(endpoint == &backend->endpoint && backend->ready);
	must(!backend->told && !backend->closed && !backend->gone);
	must(piece->len > 0 || piece->last);
	heard_piece(&backend->got, piece);
	if (backend->stalled) {
		/* No more is sent than it may hold, and nothing when it holds as much already. */
		must(piece->len == 0 || backend->queued + piece->len <= FAKE_BACKEND_BUFFER);
		backend->queued += piece->len;
	}
	if (piece->len > 0)
		memset(piece->data, 0x55, piece->len); /* it may */
	backend->owes_flush = true;
	return 0;
}

static void fake_backend_flush(struct endpoint *endpoint)
{
	must(endpoint == &fake_backend.endpoint && !fake_backend.gone);
	fake_backend.owes_flush = false;
}

static size_t fake_backend_queued(const struct endpoint *endpoint)
{
	must(endpoint == &fake_backend.endpoint && !fake_backend.gone);
	return fake_backend.queued;
}

static void fake_backend_allow(struct endpoint *endpoint, size_t max)
{
	must(endpoint == &fake_backend.endpoint && !fake_backend.gone);
	fake_backend.allowed = max;
}

static void fake_backend_finish(struct endpoint *endpoint, const struct end *end)
{
	struct fake_backend *backend = &fake_backend;
	must(endpoint == &backend->endpoint && backend->ready);
	must(!backend->told && !backend->closed && !backend->gone);
	must(strlen(end->reason) < sizeof(end->reason));
	backend->told = true;
}

static void fake_backend_abort(struct endpoint *endpoint, const struct end *end)
{
	fake_backend_finish(endpoint, end);
	must(end->abrupt);
	fake_backend.aborted = true;
}

static void fake_backend_destroy(struct endpoint *endpoint)
{
	must(endpoint == &fake_backend.endpoint && fake_backend.made && !fake_backend.gone);
	fake_backend.gone = true;
}

static void fake_backend_describe(const struct endpoint *endpoint, char who[static 128], char how[static 64])
{
	must(endpoint == &fake_backend.endpoint && !fake_backend.gone);
	snprintf(who, 128, "fake");
	snprintf(how, 64, "%s", fake_backend.eof ? "ended" : "");
}

static const struct endpoint_ops fake_backend_ops = {
	.start = fake_backend_start,
	.send = fake_backend_send,
	.flush = fake_backend_flush,
	.queued = fake_backend_queued,
	.allow = fake_backend_allow,
	.finish = fake_backend_finish,
	.abort = fake_backend_abort,
	.destroy = fake_backend_destroy,
	.describe = fake_backend_describe,
};

struct endpoint *tcp_new(
	struct loop *loop, const struct tcp_params *params, const struct endpoint_hooks *hooks, void *arg)
{
	struct fake_backend *backend = &fake_backend;
	(void)params;

	must(!backend->made); /* one connection, one upgrade */
	if (faults_strike())
		return NULL;
	backend->made = true;
	backend->endpoint =
		(struct endpoint){ .ops = &fake_backend_ops, .hooks = hooks, .arg = arg, .loop = loop };
	return &backend->endpoint;
}

/* For the next session. `room` bytes are heard and said at most. */
static inline void fake_backend_begin(int start_error, size_t room)
{
	struct heard got = fake_backend.got, said = fake_backend.said;

	heard_clear(&got);
	heard_clear(&said);
	heard_reserve(&got, room, room / 8);
	heard_reserve(&said, room, room / 8);
	fake_backend = (struct fake_backend){ .got = got, .said = said, .start_error = start_error };
}

/* It can be talked to, or can't. */
static inline void fake_backend_answers(int error)
{
	struct fake_backend *backend = &fake_backend;

	if (!backend->made || backend->ready || backend->failed || backend->gone || backend->start_error != 0)
		return;
	backend->ready = error == 0;
	backend->failed = error != 0;
	if (error == 0)
		backend->endpoint.hooks->on_ready(backend->endpoint.arg);
	else
		backend->endpoint.hooks->on_failed(backend->endpoint.arg, error, "it is not there");
}

/* It says a part of a message, no more than it may: `fill` again and again. */
static inline void fake_backend_says(uint8_t fill, size_t len, bool text, bool last)
{
	static uint8_t bytes[1 << 16];
	struct fake_backend *backend = &fake_backend;
	bool goes_on = backend->said.open;

	len = len < backend->allowed ? len : backend->allowed;
	len = len < sizeof(bytes) ? len : sizeof(bytes);
	if (!fake_backend_is_joined() || backend->eof || backend->allowed == 0 ||
		len > backend->said.room - backend->said.n)
		return;
	struct piece piece = { .data = bytes,
		.len = len,
		.text = goes_on ? backend->said.text : text,
		.first = !goes_on,
		.last = last };
	if (len == 0 && !last)
		return;
	memset(bytes, fill, len);
	heard_piece(&backend->said, &piece);
	backend->endpoint.hooks->on_piece(backend->endpoint.arg, &piece);
	backend->endpoint.hooks->on_flush(backend->endpoint.arg);
}

/* It says no more. */
static inline void fake_backend_ends(const struct end *end)
{
	struct fake_backend *backend = &fake_backend;

	if (!fake_backend_is_joined() || backend->eof)
		return;
	backend->eof = true;
	backend->endpoint.hooks->on_eof(backend->endpoint.arg, end);
}

/* ... and is gone. */
static inline void fake_backend_goes(void)
{
	struct fake_backend *backend = &fake_backend;

	if (!fake_backend_is_joined() || !backend->eof || backend->closed)
		return;
	backend->closed = true;
	backend->endpoint.hooks->on_closed(backend->endpoint.arg);
}

/* It takes all but so many bytes of what it was sent; stalled: and no more of what is to come. */
static inline void fake_backend_holds(size_t queued, bool stalled)
{
	struct fake_backend *backend = &fake_backend;

	if (!fake_backend_is_joined() || backend->closed)
		return;
	backend->queued = queued;
	backend->stalled = stalled;
	backend->endpoint.hooks->on_sent(backend->endpoint.arg);
}

#endif
