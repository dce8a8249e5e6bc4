/*
 * intake: gives the reader what was read and keeps what can't be passed on yet.
 *
 * Owns the message reader, the inflater, and the bytes that wait with their event. What the events mean is
 * the visitor's. Runs on its loop's thread.
 */
#include "gate/intake.h"

#include "base/must.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

/* The rest of a read. There may be no bytes in it while the inflater has more to give. */
struct intake_held {
	struct grave grave; /* first: a grave is what was held */
	struct event again; /* goes on with it */
	size_t at, len;
	uint8_t data[];
};

/* One run over bytes. */
struct intake_run {
	uint8_t *data;
	size_t len;
	size_t room; /* payload that may be passed on before the next flush */
	size_t turn; /* ... before others have their turn */
};

/* Smaller of two. */
static size_t intake_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How much is read at once: nothing while something waits. */
static void intake_update(struct intake *intake)
{
	size_t max =
		intake->reader.inflater != NULL ? intake_min(intake->allowed, INTAKE_READ) : intake->allowed;
	stream_allow(intake->stream, intake_waits(intake) ? 0 : max);
}

/* Frees it after the turn. */
static void intake_free_held(struct grave *grave)
{
	free(grave);
}

/* Nothing waits any more. */
static void intake_drop_held(struct intake *intake)
{
	struct intake_held *held = intake->held;

	if (held == NULL)
		return;
	intake->held = NULL;
	loop_event_done(intake->loop, &held->again);
	loop_bury(intake->loop, &held->grave, intake_free_held);
}

static void intake_on_again(evutil_socket_t fd, short what, void *arg);

/* Memory is short: what comes next would not be what follows, so that nothing more is passed on. */
static void intake_fail(struct intake *intake)
{
	intake_close(intake);
	stream_break(intake->stream, ENOMEM);
}

/* Has what waits go on in a turn of its own, if there is room. */
static void intake_wake(struct intake *intake)
{
	if (intake->held != NULL && intake->allowed > 0 && loop_timer_set(&intake->held->again, 0) != 0)
		intake_fail(intake);
}

/* Begins to wait. NULL when memory is short. */
static struct intake_held *intake_new_held(struct intake *intake, const struct intake_run *run)
{
	struct intake_held *held = malloc(sizeof(*held) + run->len);

	if (held == NULL)
		return NULL;
	*held = (struct intake_held){ .len = run->len };
	if (run->len > 0)
		memcpy(held->data, run->data, run->len);
	loop_event_init(intake->loop, &held->again, -1, 0, intake_on_again, intake);
	intake->held = held;
	return held;
}

/* Keeps the rest of a run. */
static void intake_hold(struct intake *intake, const struct intake_run *run)
{
	struct intake_held *held = intake->held;

	if (held != NULL) {
		held->at = held->len - run->len;
	} else {
		held = intake_new_held(intake, run);
		if (held == NULL) {
			intake_fail(intake);
			return;
		}
	}
	intake_wake(intake);
	intake_update(intake);
}

/* Has what was passed on taken effect, so that there may be room again. Returns whether there is. */
static bool intake_flush(struct intake *intake, struct intake_run *run)
{
	intake->hooks->on_flush(intake->arg);
	run->room = intake_min(intake->allowed, run->turn);
	return run->room > 0 && !intake->closed;
}

/* What is passed on takes room, and of the turn; the end of a compressed message, which may be of no byte,
 * has its cost too. */
static void intake_pay(const struct intake *intake, struct intake_run *run, const struct message_event *event)
{
	size_t cost = event->last && intake->reader.compressed ? event->len + intake->cost : event->len;

	run->turn -= intake_min(run->turn, cost);
	run->room = intake_min(run->room - event->len, run->turn);
}

/* Takes one event off the run. Returns whether what follows matters. */
static bool intake_step(struct intake *intake, struct intake_run *run)
{
	struct message_event event;

	intake->reader.out_len = intake_min(run->room, INTAKE_STEP);
	size_t used = message_read(&intake->reader, run->data, intake_min(run->len, run->room), &event);
	run->data += used;
	run->len -= used;
	if (event.kind == MESSAGE_NEED_MORE)
		return true;
	if (event.kind == MESSAGE_DATA)
		intake_pay(intake, run, &event);
	return intake->hooks->on_event(intake->arg, &event) && !intake->closed;
}

/* Goes on as long as there is something and room for it; the rest waits. */
static void intake_go(struct intake *intake, uint8_t *data, size_t len)
{
	struct intake_run run = { data, len, intake_min(intake->allowed, INTAKE_TURN), INTAKE_TURN };
	uint8_t out[INTAKE_STEP];

	intake->reader.out = out;
	while (run.len > 0 || message_reader_has_more(&intake->reader)) {
		if (run.room == 0 && !intake_flush(intake, &run)) {
			if (!intake->closed)
				intake_hold(intake, &run);
			return;
		}
		if (!intake_step(intake, &run))
			break;
	}
	bool waited = intake_waits(intake);
	intake_drop_held(intake);
	intake->hooks->on_flush(intake->arg); /* all that is read has been looked at: this may read again */
	if (intake->closed || !waited)
		return;
	intake_update(intake);
	intake->hooks->on_caught_up(intake->arg);
}

/* Goes on with what waits. */
static void intake_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct intake *intake = arg;
	struct intake_held *held = intake->held;
	(void)fd;
	(void)what;

	intake_go(intake, held->data + held->at, held->len - held->at);
}

/* Begins with as much room as a read may bring. */
void intake_init(struct intake *intake, struct loop *loop, struct stream *stream, uint64_t max_message,
	const struct permessage *agreed, const struct intake_hooks *hooks, void *arg)
{
	*intake = (struct intake){
		.loop = loop, .stream = stream, .hooks = hooks, .arg = arg, .allowed = LOOP_SCRATCH
	};
	/* A context is copied in and out. */
	intake->cost = agreed->client_no_context_takeover
			       ? INTAKE_COST
			       : INTAKE_COST + ((size_t)1 << agreed->client_max_window_bits);
	inflater_init(&intake->inflater, agreed->client_max_window_bits, !agreed->client_no_context_takeover);
	message_reader_init(&intake->reader, max_message, agreed->on ? &intake->inflater : NULL);
}

/* Gives everything back, once. */
void intake_close(struct intake *intake)
{
	intake->closed = true;
	intake_drop_held(intake);
	inflater_done(&intake->inflater);
}

/* Sets the pace; what waits goes on in a turn of its own. */
void intake_allow(struct intake *intake, size_t max)
{
	if (intake->closed)
		return;
	intake->allowed = max;
	intake_wake(intake);
	intake_update(intake);
}

/* A read. */
void intake_feed(struct intake *intake, uint8_t *data, size_t len)
{
	must(!intake_waits(intake));
	if (!intake->closed)
		intake_go(intake, data, len);
}

/* Is there anything? */
bool intake_waits(const struct intake *intake)
{
	return intake->held != NULL;
}
