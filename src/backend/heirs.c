/*
 * heirs: when an output that does not close has ended.
 *
 * Owns the step and the timer; the descriptor is the channel's. What counts is told by the bytes that a pipe
 * holds at a moment, not by finding it empty: who writes without end would never let it be. Runs on its
 * loop's thread.
 */
#include "backend/heirs.h"

#include "base/must.h"

#include <sys/ioctl.h>

/* What has been read, and what lies there now. */
static uint64_t heirs_output(const struct heirs *heirs)
{
	const struct channel *channel = heirs->channel;
	int waiting = 0;

	if (ioctl(channel->stream.rfd, FIONREAD, &waiting) != 0)
		waiting = 0;
	return channel->n_output + (uint64_t)waiting;
}

/* The one place where the step changes, and with it what counts and what the timer is for. */
static void heirs_enter(struct heirs *heirs, enum heirs_step step)
{
	must(step > heirs->step);
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
		event_del(&heirs->timer);
		return;
	}
}

/* Goes on when that was the last of what counts. */
void heirs_on_output(struct heirs *heirs)
{
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
	uint64_t output = heirs_output(heirs);

	if (output < heirs->until)
		heirs->until = output;
	loop_timer_set(&heirs->timer, HEIRS_LOOK_MS);
	heirs_on_output(heirs);
}

/* closing_wait is over, or it is time to look. */
static void heirs_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct heirs *heirs = arg;
	(void)fd;
	(void)what;

	if (heirs->step == HEIRS_WAITING)
		heirs_cut(heirs);
	else
		heirs_look(heirs);
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
