/*
 * tcp_clock: a service's one timer: does it take what it is sent, does it end when it should, and is it
 * looked after by the kernel?
 *
 * Runs on its loop's thread.
 */
#include "backend/tcp_internal.h"

#include "net/keepalive.h"

enum {
	TCP_LOOKS = 8,	    /* at the progress of an open service within send_timeout; how exact that is */
	TCP_GUARD_MS = 5000 /* well before any time of net/keepalive.h, and after many a session's end */
};

_Static_assert((int)TCP_GUARD_MS < (int)KEEPALIVE_MARGIN_MS, "as if it had been so from the start");

/* Has the kernel find out when the service's machine is gone. */
static void tcp_guard(struct tcp *tcp)
{
	if (tcp->guarded || tcp->upstream->name.kind != ADDR_TCP)
		return;
	tcp->guarded = true;
	keepalive_set(tcp->channel.stream.rfd, tcp->route->send_timeout_ms);
}

/* Five calls that a short session is spared. */
void tcp_guard_later(struct tcp *tcp)
{
	if (tcp->upstream->name.kind == ADDR_TCP && loop_timer_set(&tcp->timer, TCP_GUARD_MS) != 0)
		tcp_guard(tcp);
}

/* Notes whether the service has gone on taking its input. */
static void tcp_look(struct tcp *tcp, uint64_t now)
{
	uint64_t taken = stream_taken(&tcp->channel.stream);
	if (taken > tcp->taken)
		tcp->moved_at = now;
	tcp->taken = taken;
}

/* Is its time up? */
static bool tcp_is_late(const struct tcp *tcp, uint64_t now)
{
	uint64_t quiet = now - tcp->moved_at;

	if (!tcp->drained)
		return quiet >= tcp->route->send_timeout_ms;
	return quiet >= TCP_DRAIN_MS || tcp->n_looks >= TCP_DRAIN_MAX_MS / TCP_LOOK_MS;
}

/*
 * Finishing. First it takes all of its input, the end included, as slowly as it likes but not in steps longer
 * than send_timeout. Then it may go on sending, but not after a silence and not for ever; while it waits for
 * a slow visitor, who has a time of its own, it is neither silent nor heard.
 */
static void tcp_check_finish(struct tcp *tcp, uint64_t now)
{
	const struct stream *stream = &tcp->channel.stream;

	tcp_look(tcp, now);
	if (!tcp->drained && stream_is_shut(stream) && stream_unsent(stream) == 0) {
		tcp->drained = true;
		tcp->moved_at = now;
	} else if (tcp->drained && stream_is_paused(stream)) {
		tcp->moved_at = now;
	} else if (tcp->drained) {
		tcp->n_looks++;
	}
	bool late = tcp_is_late(tcp, now);
	if (stream_is_over(stream))
		tcp_gone(tcp);
	else if (late && loop_timer_reprieve(&tcp->timer))
		return;
	else if (late && !tcp->drained)
		tcp_reset(tcp);
	else if (late || loop_timer_set(&tcp->timer, TCP_LOOK_MS) != 0)
		tcp_gone(tcp); /* which nobody would look at again */
}

/* Aborting: the reset must not overtake what was received before, as long as the service goes on taking it.
 */
static void tcp_check_abort(struct tcp *tcp, uint64_t now)
{
	tcp_look(tcp, now);
	bool waits = stream_unsent(&tcp->channel.stream) > 0, late = now - tcp->moved_at >= TCP_ABORT_MS;
	if (waits && late && loop_timer_reprieve(&tcp->timer))
		return;
	if (!waits || late || loop_timer_set(&tcp->timer, TCP_LOOK_MS) != 0)
		tcp_reset(tcp);
}

/* Looks again at a service that bytes wait for: now and then within send_timeout. */
static void tcp_arm(struct tcp *tcp)
{
	loop_timer_set(&tcp->timer, tcp->route->send_timeout_ms / TCP_LOOKS + 1);
}

/* Begins to look. The timer is not the guard's any more. */
void tcp_watch(struct tcp *tcp)
{
	if (tcp->watched || tcp->state != TCP_OPEN || !stream_has_queue(&tcp->channel.stream))
		return;
	tcp_guard(tcp);
	tcp->watched = true;
	tcp->taken = stream_taken(&tcp->channel.stream);
	tcp->moved_at = loop_now(tcp->endpoint.loop);
	tcp_arm(tcp);
}

/* It has taken nothing for send_timeout: what waits will not be delivered. */
static void tcp_stalled(struct tcp *tcp)
{
	log_warning(tcp->endpoint.loop->log, "service takes nothing any more",
		LOG_STR("backend", tcp->upstream->uri),
		LOG_U64("undelivered", stream_unsent(&tcp->channel.stream)));
	tcp_report_eof(tcp, 1011, "stalled");
	tcp_reset(tcp);
}

/* Open: does it take what waits for it? */
static void tcp_check_open(struct tcp *tcp, uint64_t now)
{
	tcp_guard(tcp);
	if (!tcp->watched)
		return;
	tcp_look(tcp, now);
	tcp->watched = stream_has_queue(&tcp->channel.stream);
	if (!tcp->watched)
		return;
	if (now - tcp->moved_at < tcp->route->send_timeout_ms)
		tcp_arm(tcp);
	else if (!loop_timer_reprieve(&tcp->timer))
		tcp_stalled(tcp);
}

/* The one timer. */
void tcp_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tcp *tcp = arg;
	(void)fd;
	(void)what;
	if (tcp->state == TCP_SHAKING)
		tcp_shake_late(tcp);
	else if (tcp->state == TCP_OPEN)
		tcp_check_open(tcp, loop_now(tcp->endpoint.loop));
	else if (tcp->state == TCP_FINISHING)
		tcp_check_finish(tcp, loop_now(tcp->endpoint.loop));
	else if (tcp->state == TCP_ABORTING)
		tcp_check_abort(tcp, loop_now(tcp->endpoint.loop));
}
