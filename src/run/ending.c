/*
 * ending: tells doors, workers and systemd in the right order. Owns the timer of shutdown_grace and the
 * bounds; whose status it exits with is the server's. Runs on the main thread.
 */
#include "run/ending.h"

#include <errno.h>

/* Ends what is left of the sessions. */
void ending_cut(struct ending *ending)
{
	ending->begun = true;
	bounds_stop(&ending->bounds);
	notify_stopping(ending->notify);
	doors_close(ending->doors, false);
	crew_cut(ending->crew);
}

/* Stops: nobody comes in, everybody is told, and has shutdown_grace to go. */
static void ending_drain(struct ending *ending)
{
	unsigned grace_ms = ending->config->gateway.shutdown_grace_ms;

	ending->begun = true;
	bounds_stop(&ending->bounds);
	log_info(ending->loop->log, "stopping", LOG_MS("grace", grace_ms));
	notify_stopping(ending->notify);
	doors_close(ending->doors, true);
	crew_drain(ending->crew);
	loop_timer_set(ending->grace, grace_ms);
}

/* Asks once or twice. */
void ending_ask(struct ending *ending)
{
	ending->hurried = ending->begun;
	if (ending->hurried)
		ending_cut(ending);
	else
		ending_drain(ending);
}

/* shutdown_grace is over. It is the time of the reprieve that helps, not the turn: the workers, who look at
 * what is there, are other threads. */
static void ending_on_grace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct ending *ending = arg;
	if (!loop_timer_reprieve(ending->grace))
		ending_cut(ending);
}

/* Has it end with its last session: nobody comes in any more. systemd is not told, which would wait for the
 * end as long as for any other service, and then kill. */
static void ending_on_shut(void *arg)
{
	struct ending *ending = arg;

	doors_close(ending->doors, true);
	crew_shut(ending->crew);
}

/* It has been there for long enough. */
static void ending_on_end(void *arg)
{
	ending_drain(arg);
}

/* Makes the timer. */
int ending_init(struct ending *ending)
{
	ending->grace = loop_event_new(ending->loop, -1, 0, ending_on_grace, ending);
	return ending->grace == NULL ? -ENOMEM : 0;
}

/* Begins to look. */
int ending_watch(struct ending *ending)
{
	static const struct bounds_hooks hooks = { .on_shut = ending_on_shut, .on_end = ending_on_end };

	return bounds_start(
		&ending->bounds, ending->config, &ending->crew->limits, ending->loop, &hooks, ending);
}

/* Frees the timers. */
void ending_done(struct ending *ending)
{
	bounds_done(&ending->bounds);
	if (ending->grace != NULL)
		loop_event_free(ending->loop, ending->grace);
	ending->grace = NULL;
}
