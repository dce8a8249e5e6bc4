/*
 * dial: outgoing connections.
 *
 * Owns the sockets that are being connected and the two timers (the next address, the deadline for all).
 * Gives the winner away and forgets itself. Runs on its loop's thread.
 */
#include "net/dial.h"

#include "base/must.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct dial_attempt {
	struct dial *dial;
	struct addr addr;
	int fd; /* -1: none */
	struct event writable;
};

_Static_assert(RESOLVER_ADDRS_MAX * sizeof(struct dial_attempt) <= ARENA_MAX, "an arena gives them in one");

struct dial {
	struct grave grave; /* first: a grave is its dial */
	struct loop *loop;
	struct addr_name name;
	struct resolver_query *query;
	struct dial_attempt *attempts; /* one for each address, once they are known */
	size_t n_attempts, next;       /* attempts[next] is begun next */
	size_t n_open;
	struct event stagger, deadline;
	unsigned timeout_ms;
	unsigned retry_ms; /* of a unix socket with a full backlog */
	int error;	   /* of the last address that failed */
	dial_fn fn;
	void *arg;
};

static void dial_step(struct dial *dial);

/* Frees it after the turn. */
static void dial_free(struct grave *grave)
{
	struct dial *dial = (struct dial *)grave;
	arena_free(&dial->loop->arena, dial->attempts);
	arena_free(&dial->loop->arena, dial);
}

/* Ends one attempt. */
static void dial_attempt_end(struct dial_attempt *attempt)
{
	if (attempt->fd < 0)
		return;
	loop_event_done(attempt->dial->loop, &attempt->writable);
	close(attempt->fd);
	attempt->fd = -1;
	attempt->dial->n_open--;
}

/* Stops everything. */
void dial_cancel(struct dial *dial)
{
	resolver_forget(dial->query);
	dial->query = NULL;
	for (size_t i = 0; i < dial->n_attempts; i++)
		dial_attempt_end(&dial->attempts[i]);
	loop_event_done(dial->loop, &dial->stagger);
	loop_event_done(dial->loop, &dial->deadline);
	loop_bury(dial->loop, &dial->grave, dial_free);
}

/* Reports that it came to nothing. */
static void dial_fail(struct dial *dial, int error, const char *what)
{
	char place[300], reason[512];

	snprintf(reason, sizeof(reason), "connect to %s: %s", addr_name_format(&dial->name, place), what);
	dial_cancel(dial);
	dial->fn(dial->arg, -1, error, reason);
}

/* The winner: small messages leave at once. */
static void dial_win(struct dial *dial, struct dial_attempt *attempt)
{
	int on = 1;
	int fd = attempt->fd;

	loop_event_done(dial->loop, &attempt->writable);
	attempt->fd = -1;
	dial->n_open--;
	if (dial->name.kind == ADDR_TCP)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	dial_cancel(dial);
	dial->fn(dial->arg, fd, 0, "connected");
}

/*
 * Whom has it found? Where nobody listens on a port that the kernel also gives to who connects, that may be
 * the port of this very socket, and then both ends are one (RFC 9293 3.5, simultaneous open). Returns 0,
 * ECONNREFUSED for itself, or ENOTCONN.
 */
static int dial_look(int fd)
{
	struct addr own = { .len = sizeof(own.u) }, peer = { .len = sizeof(peer.u) };

	if (getpeername(fd, &peer.u.sa, &peer.len) != 0)
		return ENOTCONN;
	if (peer.u.sa.sa_family == AF_UNIX || getsockname(fd, &own.u.sa, &own.len) != 0)
		return 0;
	return own.len == peer.len && memcmp(&own.u, &peer.u, own.len) == 0 ? ECONNREFUSED : 0;
}

/* What came of an attempt: 0 or an errno. */
static int dial_result(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return errno;
	return error == 0 && dial_look(fd) == ECONNREFUSED ? ECONNREFUSED : error;
}

/* Keeps the last error; but that we had no port for an address, or no such family, says nothing of a service
 * that another address was tried for. */
static void dial_note(struct dial *dial, int error)
{
	if ((error != EADDRNOTAVAIL && error != EAFNOSUPPORT) || dial->error == ETIMEDOUT)
		dial->error = error;
}

/* One attempt has a result. */
static void dial_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct dial_attempt *attempt = arg;
	struct dial *dial = attempt->dial;
	int error = dial_result(fd);
	(void)what;

	if (error == 0) {
		dial_win(dial, attempt);
		return;
	}
	dial_note(dial, error);
	dial_attempt_end(attempt);
	dial_step(dial);
}

/* Begins to connect to one address. Returns 0, or an errno and nothing is open. */
static int dial_attempt_begin(struct dial *dial, struct dial_attempt *attempt)
{
	const struct addr *addr = &attempt->addr;
	int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, &addr->u.sa, addr->len) != 0 && errno != EINPROGRESS) {
		int error = errno;
		close(fd);
		return error;
	}
	attempt->fd = fd;
	dial->n_open++;
	loop_event_init(dial->loop, &attempt->writable, fd, EV_WRITE, dial_on_writable, attempt);
	return 0;
}

/* Waits for what comes of an attempt. Without memory for that the deadline ends it. */
static void dial_attempt_wait(struct dial *dial, struct dial_attempt *attempt)
{
	event_add(&attempt->writable, NULL);
	loop_timer_set(&dial->stagger, DIAL_STAGGER_MS);
}

/* A unix socket with a full backlog says EAGAIN, and there is nothing to poll: the same again in a while. A
 * service that is quick takes some milliseconds for those before us. */
static void dial_retry(struct dial *dial)
{
	loop_timer_set(&dial->stagger, dial->retry_ms);
	dial->retry_ms = 2 * dial->retry_ms < DIAL_STAGGER_MS ? 2 * dial->retry_ms : DIAL_STAGGER_MS;
}

/* From now on there is something to wait for: still in the turn of the start, so that no time is lost.
 * Returns false when that can't be bounded; then it is over. */
static bool dial_wait(struct dial *dial)
{
	if (loop_event_is_set(&dial->deadline) || loop_timer_set(&dial->deadline, dial->timeout_ms) == 0)
		return true;
	dial_fail(dial, ENOMEM, strerror(ENOMEM));
	return false;
}

/* Begins with the next address that can be begun; when all have failed, it is over. A service on this
 * machine is there when connect() returns, though that says EINPROGRESS: there is nothing to wait for. */
static void dial_step(struct dial *dial)
{
	while (dial->next < dial->n_attempts) {
		struct dial_attempt *attempt = &dial->attempts[dial->next];
		int error = dial_attempt_begin(dial, attempt);
		if (error == EAGAIN) {
			if (dial_wait(dial))
				dial_retry(dial);
			return;
		}
		dial->next++;
		if (error == 0)
			error = dial_look(attempt->fd);
		if (error == 0) {
			dial_win(dial, attempt);
			return;
		}
		if (error == ENOTCONN) {
			if (dial_wait(dial))
				dial_attempt_wait(dial, attempt);
			return;
		}
		dial_attempt_end(attempt);
		dial_note(dial, error);
	}
	if (dial->n_open == 0)
		dial_fail(dial, dial->error, strerror(dial->error));
}

/* Time for the next address. */
static void dial_on_stagger(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct dial *dial = arg;
	if (dial->next < dial->n_attempts || dial->n_open == 0)
		dial_step(dial);
}

/* Time is up for all of them. */
static void dial_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct dial *dial = arg;
	if (!loop_timer_reprieve(&dial->deadline))
		dial_fail(dial, ETIMEDOUT, strerror(ETIMEDOUT));
}

/* Puts the families in turn, beginning with the first address's, each in the resolver's order. Returns 0 or
 * -ENOMEM. */
static int dial_interleave(struct dial *dial, const struct addr *addrs, size_t n)
{
	sa_family_t want = addrs[0].u.sa.sa_family;
	bool used[RESOLVER_ADDRS_MAX] = { false };

	dial->attempts = arena_alloc(&dial->loop->arena, n * sizeof(*dial->attempts));
	if (dial->attempts == NULL)
		return -ENOMEM;
	for (; dial->n_attempts < n; dial->n_attempts++) {
		size_t pick = n;
		for (size_t i = 0; i < n; i++) {
			if (used[i])
				continue;
			if (pick == n)
				pick = i;
			if (addrs[i].u.sa.sa_family == want) {
				pick = i;
				break;
			}
		}
		used[pick] = true;
		dial->attempts[dial->n_attempts] =
			(struct dial_attempt){ .dial = dial, .addr = addrs[pick], .fd = -1 };
		want = addrs[pick].u.sa.sa_family == AF_INET ? AF_INET6 : AF_INET;
	}
	return 0;
}

/* The addresses are there. */
static void dial_on_resolved(void *arg, const struct addr *addrs, size_t n, const char *reason)
{
	struct dial *dial = arg;
	dial->query = NULL;
	if (n == 0) {
		dial_fail(dial, DIAL_UNKNOWN_NAME, reason);
		return;
	}
	if (dial_interleave(dial, addrs, n) == 0)
		dial_step(dial);
	else
		dial_fail(dial, ENOMEM, strerror(ENOMEM));
}

/* The one address of a unix socket. */
static int dial_set_unix(struct dial *dial)
{
	struct addr addr = { .len = sizeof(addr.u.un) };
	addr.u.un.sun_family = AF_UNIX;
	memcpy(addr.u.un.sun_path, dial->name.path, sizeof(dial->name.path));
	return dial_interleave(dial, &addr, 1);
}

/* Takes the addresses that need no lookup, or asks for them, which takes of the time. Returns 0 or -ENOMEM.
 */
static int dial_find(struct dial *dial, struct resolver *resolver)
{
	struct addr addrs[RESOLVER_ADDRS_MAX];
	size_t n;

	if (dial->name.kind == ADDR_UNIX)
		return dial_set_unix(dial);
	if ((n = resolver_known(resolver, dial->loop, &dial->name, addrs)) > 0)
		return dial_interleave(dial, addrs, n);
	if (loop_timer_set(&dial->deadline, dial->timeout_ms) != 0)
		return -ENOMEM;
	dial->query = resolver_ask(resolver, dial->loop, &dial->name, dial_on_resolved, dial);
	return dial->query == NULL ? -ENOMEM : 0;
}

/* Begins: the first attempt comes as a callback of its own, still in this turn, so that no result is reported
 * from within. */
struct dial *dial_start(struct loop *loop, struct resolver *resolver, const struct addr_name *name,
	unsigned timeout_ms, dial_fn fn, void *arg)
{
	struct dial *dial = arena_alloc(&loop->arena, sizeof(*dial));
	if (dial == NULL)
		return NULL;
	*dial = (struct dial){ .loop = loop,
		.name = *name,
		.fn = fn,
		.arg = arg,
		.timeout_ms = timeout_ms,
		.retry_ms = DIAL_RETRY_MS,
		.error = ETIMEDOUT };
	loop_event_init(loop, &dial->stagger, -1, 0, dial_on_stagger, dial);
	loop_event_init(loop, &dial->deadline, -1, 0, dial_on_deadline, dial);
	if (dial_find(dial, resolver) != 0) {
		dial_cancel(dial);
		return NULL;
	}
	if (dial->query == NULL)
		event_active(&dial->stagger, EV_TIMEOUT, 1);
	return dial;
}
