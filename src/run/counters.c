/*
 * counters: adds up what the workers have open, by a piece of mail that each passes on to the next, so that
 * nothing is locked. Begins and ends on the main thread.
 */
#include "run/counters.h"

#include "run/self.h"

#include <stddef.h>

/* Whose mail it is. */
static struct counters *counters_of(struct mail *mail)
{
	return (struct counters *)(void *)((char *)mail - offsetof(struct counters, mail));
}

/* All workers have added theirs: the one line. */
static void counters_on_told(struct loop *loop, struct mail *mail)
{
	struct counters *counters = counters_of(mail);
	const struct worker_counters *sums = &counters->sums;

	counters->asking = false;
	log_info(loop->log, "counters", LOG_U64("sessions", sums->sessions),
		LOG_U64("connections", sums->connections),
		LOG_U64("pending", atomic_load(&counters->limits->pending)),
		LOG_U64("descriptors", self_count_descriptors()),
		LOG_U64("events", sums->events + loop->n_events),
		LOG_U64("timers", sums->timers + loop->n_timers), LOG_U64("children", sums->children),
		LOG_U64("log_dropped", log_dropped(loop->log)));
}

/* On each worker's thread in turn. */
static void counters_on_worker(struct loop *loop, struct mail *mail)
{
	struct counters *counters = counters_of(mail);

	worker_count((struct worker *)loop, &counters->sums);
	if (++counters->n_told < counters->n_workers)
		loop_post(&counters->workers[counters->n_told].loop, mail, counters_on_worker);
	else
		loop_post(counters->loop, mail, counters_on_told);
}

/* Begins with the first worker. */
void counters_ask(struct counters *counters)
{
	if (counters->asking)
		return;
	counters->asking = true;
	counters->n_told = 0;
	counters->sums = (struct worker_counters){ 0 };
	loop_post(&counters->workers[0].loop, &counters->mail, counters_on_worker);
}
