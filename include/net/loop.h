/*
 * loop: what everything on one thread shares: the event base, the clock, the graveyard, its memory.
 *
 * A worker has one, the main thread has one. Nothing here is locked; only the owner's thread may touch it,
 * but for loop_post() and loop_now().
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/arena.h"
#include "base/log.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct loop;
struct mailbox;
struct outbox;

/* Put into what must not be freed inside a callback; see loop_bury(). */
struct grave {
	struct grave *next;
	void (*free)(struct grave *grave);
};

/*
 * A message to another thread's loop: made by the sender, delivered once on the receiver's thread. Whoever
 * receives it owns it.
 */
struct mail {
	struct mail *next;
	void (*deliver)(struct loop *loop, struct mail *mail);
};

enum {
	LOOP_HEADROOM = 64, /* bytes for a header of what was read, in front of it; a line of the cache */
	/* Bytes read at once at most: a message of 64 KiB, which is what many send, with its header. */
	LOOP_SCRATCH = 65536 + LOOP_HEADROOM,
	LOOP_LATE_MS = 250,	/* a timer that is so late was not only waiting for its turn */
	LOOP_REPRIEVE_MS = 1000 /* ... and this at most is added to it: for an answer to what we say late */
};

struct loop {
	struct mailbox *mailbox; /* what other threads sent; the only thing here that they may touch, through
				    loop_post() */
	struct event_base *base;
	struct log *log;
	struct grave *graveyard;
	uint8_t *scratch; /* LOOP_SCRATCH bytes, and LOOP_HEADROOM in front of them: every read of this thread
			     goes here first, and may once what lies there was flushed */
	struct batch *batch;   /* writes of this turn, net/batch.h */
	struct outbox *outbox; /* TLS records of this call, net/outbox.h */
	uint64_t n_events; /* that exist, for SIGUSR2 and the tests; timers are counted among them and beside
			      them */
	uint64_t n_timers;
	unsigned n_floods, n_floods_before; /* streams that had more to read than a read brings, in this turn
					     * and in the last one */
	uint64_t n_dropped; /* bytes of queues that were thrown away; whoever gives free memory back to the
			     * system sets it to 0 */
	bool stopping;
	struct arena arena; /* for what comes and goes with sessions */
};

/* Returns 0 or -errno. */
int loop_init(struct loop *loop, struct log *log);
void loop_done(struct loop *loop); /* empties the graveyard first */

/*
 * Has libevent's own messages logged (the sentence "libevent"), those of all loops: it knows only one place
 * for them. When it finds itself broken the process aborts, once the log has been written. NULL takes that
 * back; before log_free(). While there is one thread.
 */
void loop_log_to(struct log *log);

/* Runs until loop_stop(): a turn of events, then the graveyard. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* same thread only */

/*
 * Sends mail to a loop; for other threads. The order of one sender's mail is kept.
 * Mail that is still there in loop_done() is delivered then.
 */
void loop_post(struct loop *loop, struct mail *mail, void (*deliver)(struct loop *, struct mail *));

/* Monotonic milliseconds, the same clock for every loop. On any thread: it looks at nothing in the loop. */
uint64_t loop_now(const struct loop *loop);

/* Has `grave` freed after this turn's callbacks. Once per grave. The owner must have detached its events
 * before. */
void loop_bury(struct loop *loop, struct grave *grave, void (*free_fn)(struct grave *));

/*
 * Events are counted, so that a leak shows. The first pair is for a struct event within the owner
 * (event2/event_struct.h), the second one for a pointer. NULL when memory is short; loop_event_free(NULL) is
 * allowed.
 */
void loop_event_init(
	struct loop *loop, struct event *event, int fd, short what, event_callback_fn fn, void *arg);
void loop_event_done(struct loop *loop, struct event *event);
struct event *loop_event_new(struct loop *loop, int fd, short what, event_callback_fn fn, void *arg);
void loop_event_free(struct loop *loop, struct event *event);

/* Does the kernel tell of it? */
static inline bool loop_event_is_watched(const struct event *event)
{
	return (event->ev_evcallback.evcb_flags & EVLIST_INSERTED) != 0;
}

/* Is it waited for, or about to be called? event_pending() says the same, by more calls. */
static inline bool loop_event_is_set(const struct event *event)
{
	return (event->ev_evcallback.evcb_flags &
		       (EVLIST_TIMEOUT | EVLIST_INSERTED | EVLIST_ACTIVE | EVLIST_ACTIVE_LATER)) != 0;
}

/* event_del() for all of the tree; it asks first: most events that a session stops are not set. */
void loop_event_stop(struct event *event);

/* (Re)starts a timer; 0 is the next turn. Returns 0 or -ENOMEM, of a timer that was not set before: for who
 * is lost without it. */
int loop_timer_set(struct event *timer, uint64_t ms);

/*
 * For the callback of a timer whose time is up, before it believes that a peer did nothing: a process that
 * stood still (stopped, frozen, without a CPU) has its timers due before it has seen what came meanwhile, or
 * sent what it was to send. Returns true, once after each loop_timer_set(), and has the callback called
 * again: on the next turn, when what is there has been looked at, as far as one turn does (epoll gives 32
 * events at first, more after turns that were full: of hundreds, some are not heard); or, if it was called
 * LOOP_LATE_MS late or more, after as much time again, LOOP_REPRIEVE_MS at most. Bytes that trickle win no
 * more than that.
 */
bool loop_timer_reprieve(struct event *timer);

#endif
