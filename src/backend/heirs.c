/*
 * heirs: when an output that does not close has ended.
 *
 * Owns the step and the timer; the descriptor is the channel's. What counts is told by the bytes that a pipe
 * holds at a moment, not by finding it empty: who writes without end would never let it be. Of a terminal the
 * kernel tells only the part that was made ready to read, so there it is the one or the other, whichever
 * comes first: found empty, or more read than it can have held. Runs on its loop's thread.
 */
#include "backend/heirs.h"

#include "base/must.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Bytes that a terminal can hold for its master, at least; it was seen to take 22 KiB. */
enum { HEIRS_TERMINAL = 65536 };

/* What lies there now, at most. To poll a terminal moves what was written to it to where it is seen. */
static uint64_t heirs_waiting(const struct heirs *heirs)
{
	struct pollfd look = { .fd = heirs->channel->stream.rfd, .events = POLLIN };
	int n = 0;

	if (heirs->on_terminal)
		return poll(&look, 1, 0) > 0 && (look.revents & POLLIN) != 0 ? HEIRS_TERMINAL : 0;
	return ioctl(look.fd, FIONREAD, &n) == 0 ? (uint64_t)n : 0;
}

/* What has been read, and what lies there now. */
static uint64_t heirs_output(const struct heirs *heirs)
{
	return heirs->channel->n_output + heirs_waiting(heirs);
}

/* The one place where the step changes, and with it what counts and what the timer is for. */
static void heirs_enter(struct heirs *heirs, enum heirs_step step)
{
	must(step > heirs->step);
	if (heirs->step == HEIRS_NONE && step != HEIRS_OVER)
		heirs->on_terminal = isatty(heirs->channel->stream.rfd);
	heirs->step = step;
	switch (step) {
	case HEIRS_OWN:
	case HEIRS_REST:
		heirs->until = heirs_output(heirs);
		loop_timer_set(&heirs->timer, HEIRS_LOOK_MS);
		return;
	case HEIRS_WAITING:
		loop_timer_set(&heirs->timer, heirs->wait_ms);
		return;
	case HEIRS_NONE:
	case HEIRS_OVER:
		loop_event_stop(&heirs->timer);
		return;
	}
}

/* No more counts than what was read and what is still there. */
static void heirs_shrink(struct heirs *heirs)
{
	uint64_t output = heirs_output(heirs);

	if (output < heirs->until)
		heirs->until = output;
}

/* Goes on when that was the last of what counts. */
void heirs_on_output(struct heirs *heirs)
{
	if (heirs->on_terminal && heirs->channel->n_output < heirs->until)
		heirs_shrink(heirs);
	if (heirs->channel->n_output < heirs->until)
		return;
	if (heirs->step == HEIRS_OWN) {
		heirs_enter(heirs, HEIRS_WAITING);
	} else if (heirs->step == HEIRS_REST) {
		heirs_enter(heirs, HEIRS_OVER);
		channel_end(heirs->channel);
	}
}

/* Counts what is there. */
void heirs_cut(struct heirs *heirs)
{
	heirs_enter(heirs, HEIRS_REST);
	heirs_on_output(heirs);
}

/* Somebody else may read the pipe, since who has one end of it can open the other: what was taken away is not
 * waited for. */
static void heirs_look(struct heirs *heirs)
{
	heirs_shrink(heirs);
	loop_timer_set(&heirs->timer, HEIRS_LOOK_MS);
	heirs_on_output(heirs);
}

/* closing_wait is over, or it is time to look. */
static void heirs_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct heirs *heirs = arg;
	(void)fd;
	(void)what;

	if (heirs->step != HEIRS_WAITING)
		heirs_look(heirs);
	else if (!loop_timer_reprieve(&heirs->timer))
		heirs_cut(heirs);
}

/* The program lives. */
void heirs_init(struct heirs *heirs, struct loop *loop, struct channel *channel, unsigned wait_ms)
{
	*heirs = (struct heirs){ .loop = loop, .channel = channel, .wait_ms = wait_ms };
	loop_event_init(loop, &heirs->timer, -1, 0, heirs_on_timer, heirs);
}

/* Gives the timer back. */
void heirs_done(struct heirs *heirs)
{
	loop_event_done(heirs->loop, &heirs->timer);
}

/* Begins with what the program has left, unless less counts. */
void heirs_begin(struct heirs *heirs)
{
	if (heirs->step != HEIRS_NONE)
		return;
	heirs_enter(heirs, HEIRS_OWN);
	heirs_on_output(heirs);
}

/* Nobody holds it any more. */
void heirs_stop(struct heirs *heirs)
{
	if (heirs->step != HEIRS_OVER)
		heirs_enter(heirs, HEIRS_OVER);
}
