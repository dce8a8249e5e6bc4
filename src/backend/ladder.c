/*
 * ladder: when a program that is to end gets which signal.
 *
 * Owns the step and its timer; the descriptors are the channel's, the process is the spawner's. Runs on its
 * loop's thread.
 */
#include "backend/ladder.h"

#include "base/must.h"

#include <signal.h>
#include <sys/ioctl.h>

enum { LADDER_LOOK_MS = 5 }; /* between two looks at what the program has not read */

/* Sends a signal. The last thing that is done: it may be the end of us. */
static void ladder_send(struct ladder *ladder, int signo)
{
	ladder->send_signal(ladder->arg, signo);
}

/* The one place where it is climbed: does what a step is for, and sets the time that it may take. */
static void ladder_enter(struct ladder *ladder, enum ladder_step step)
{
	const struct route_conf *route = ladder->route;

	must(step > ladder->step);
	ladder->step = step;
	switch (step) {
	case LADDER_FLUSHING:
		if (!ladder->broken_off)
			stream_finish(&ladder->channel->stream);
		loop_timer_set(&ladder->timer, route->stop_grace_ms);
		return;
	case LADDER_READING:
		ladder->until_ms = loop_now(ladder->loop) + route->closing_wait_ms;
		loop_timer_set(&ladder->timer, 0);
		return;
	case LADDER_WAITING:
		loop_timer_set(&ladder->timer, route->closing_wait_ms);
		return;
	case LADDER_SIGNALLED:
		loop_timer_set(&ladder->timer, route->stop_grace_ms);
		ladder_send(ladder, ladder->stop_signal);
		return;
	case LADDER_KILLED:
		loop_event_stop(&ladder->timer);
		ladder_send(ladder, SIGKILL);
		return;
	case LADDER_NONE:
	case LADDER_OVER:
		loop_event_stop(&ladder->timer);
		return;
	}
}

/* The step after this one, which is none of the last two. */
static enum ladder_step ladder_next(const struct ladder *ladder)
{
	if (ladder->step == LADDER_FLUSHING && !ladder->broken_off)
		return LADDER_WAITING;
	if (ladder->step == LADDER_READING)
		return LADDER_SIGNALLED;
	return ladder->step + 1;
}

/* Has stdin taken all that it will take? */
static bool ladder_is_flushed(const struct ladder *ladder)
{
	const struct stream *stream = &ladder->channel->stream;
	return stream_is_shut(stream) || (ladder->broken_off && !stream_has_queue(stream));
}

/*
 * Has the program read its stdin to the end? What it read last it may still be busy with, so it must have
 * been empty for a while.
 */
static bool ladder_is_read(struct ladder *ladder)
{
	const struct stream *stream = &ladder->channel->stream;
	bool was_empty = ladder->was_empty;
	int unread = 0;

	if (stream_is_shut(stream) || ioctl(stream->out.fd, FIONREAD, &unread) != 0)
		return true;
	ladder->was_empty = unread == 0;
	return was_empty && unread == 0;
}

/* The time of a step is up. */
static void ladder_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ladder *ladder = arg;
	uint64_t now = loop_now(ladder->loop);
	(void)fd;
	(void)what;

	if (ladder->step == LADDER_READING && now < ladder->until_ms && !ladder_is_read(ladder)) {
		uint64_t left = ladder->until_ms - now;
		loop_timer_set(&ladder->timer, left < LADDER_LOOK_MS ? left : LADDER_LOOK_MS);
	} else if (!loop_timer_reprieve(&ladder->timer)) {
		ladder_enter(ladder, ladder_next(ladder));
	}
}

/* Nobody is to be ended yet. */
void ladder_init(struct ladder *ladder, struct loop *loop, const struct route_conf *route,
	struct channel *channel, int stop_signal, void (*send_signal)(void *arg, int signo), void *arg)
{
	*ladder = (struct ladder){ .loop = loop,
		.route = route,
		.channel = channel,
		.stop_signal = stop_signal,
		.send_signal = send_signal,
		.arg = arg };
	loop_event_init(loop, &ladder->timer, -1, 0, ladder_on_timer, ladder);
}

/* Gives the timer back. */
void ladder_done(struct ladder *ladder)
{
	loop_event_done(ladder->loop, &ladder->timer);
}

/* Waits until stdin has taken what is queued, then climbs. A program that takes nothing for stop_grace is not
 * waited for. */
void ladder_begin(struct ladder *ladder, bool broken_off)
{
	if (ladder->step != LADDER_NONE)
		return;
	ladder->broken_off = broken_off;
	ladder_enter(ladder, LADDER_FLUSHING);
	if (ladder_is_flushed(ladder))
		ladder_enter(ladder, ladder_next(ladder));
}

/* Skips what comes before the signal. */
void ladder_hurry(struct ladder *ladder)
{
	if (ladder->step < LADDER_SIGNALLED)
		ladder_enter(ladder, LADDER_SIGNALLED);
}

/* Only this is progress while we wait for stdin: a program may print for ever and never read. */
void ladder_on_input(struct ladder *ladder)
{
	if (ladder->step != LADDER_FLUSHING)
		return;
	if (ladder_is_flushed(ladder))
		ladder_enter(ladder, ladder_next(ladder));
	else
		loop_timer_set(&ladder->timer, ladder->route->stop_grace_ms);
}

/* There is nobody left to be ended. */
void ladder_stop(struct ladder *ladder)
{
	if (ladder->step != LADDER_OVER)
		ladder_enter(ladder, LADDER_OVER);
}

/* Is closing_wait over? */
bool ladder_has_signalled(const struct ladder *ladder)
{
	return ladder->step == LADDER_SIGNALLED || ladder->step == LADDER_KILLED;
}
