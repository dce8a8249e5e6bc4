/*
 * loop: the per-thread context: event base, clock, graveyard, arena, scratch memory.
 *
 * Owns the turn: libevent's callbacks first, then what they buried is freed. Knows nothing of sessions or
 * workers. Runs on its owner's thread.
 */
#include "net/loop.h"

#include "base/clock.h"
#include "base/must.h"
#include "net/batch.h"
#include "net/outbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What a timer has in the place of a descriptor, at which libevent looks only for EV_READ and EV_WRITE. */
enum { LOOP_TIMER = -1, LOOP_REPRIEVED = -2 };

/* A queue under a lock that is held for two assignments, and a descriptor that wakes the loop. */
struct mailbox {
	pthread_mutex_t lock;
	struct mail *first, **last;
	int wake;
	struct event *event;
};

/* Delivers all mail that is there now. */
static void loop_on_mail(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	struct mailbox *mailbox = loop->mailbox;
	uint64_t count;
	(void)what;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
		must(false);
	pthread_mutex_lock(&mailbox->lock);
	struct mail *mail = mailbox->first;
	mailbox->first = NULL;
	mailbox->last = &mailbox->first;
	pthread_mutex_unlock(&mailbox->lock);

	while (mail != NULL) {
		struct mail *next = mail->next;
		mail->deliver(loop, mail);
		mail = next;
	}
}

/* Makes the mailbox. */
static int loop_mailbox_init(struct loop *loop)
{
	struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
	if (mailbox == NULL)
		return -ENOMEM;
	loop->mailbox = mailbox;
	pthread_mutex_init(&mailbox->lock, NULL);
	mailbox->last = &mailbox->first;
	mailbox->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (mailbox->wake < 0)
		return -errno;
	mailbox->event = loop_event_new(loop, mailbox->wake, EV_READ | EV_PERSIST, loop_on_mail, loop);
	if (mailbox->event == NULL)
		return -ENOMEM;
	event_add(mailbox->event, NULL);
	return 0;
}

/* Delivers what is left and frees the mailbox. */
static void loop_mailbox_done(struct loop *loop)
{
	struct mailbox *mailbox = loop->mailbox;
	if (mailbox == NULL)
		return;
	if (mailbox->wake >= 0) {
		while (mailbox->first != NULL)
			loop_on_mail(mailbox->wake, 0, loop);
		close(mailbox->wake);
	}
	loop_event_free(loop, mailbox->event);
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox);
}

/* Queues mail and wakes the loop when it may be asleep. */
void loop_post(struct loop *loop, struct mail *mail, void (*deliver)(struct loop *, struct mail *))
{
	struct mailbox *mailbox = loop->mailbox;
	uint64_t one = 1;

	mail->next = NULL;
	mail->deliver = deliver;
	pthread_mutex_lock(&mailbox->lock);
	bool was_empty = mailbox->first == NULL;
	*mailbox->last = mail;
	mailbox->last = &mail->next;
	/* Within the lock, so that the receiver can't be gone between the two. */
	if (was_empty)
		must(write(mailbox->wake, &one, sizeof(one)) == sizeof(one));
	pthread_mutex_unlock(&mailbox->lock);
}

/* Makes the scratch buffer. */
static uint8_t *loop_new_scratch(void)
{
	uint8_t *memory = aligned_alloc(LOOP_HEADROOM, LOOP_HEADROOM + LOOP_SCRATCH);
	return memory == NULL ? NULL : memory + LOOP_HEADROOM;
}

/* Makes the event base and the memory that the thread's reads and writes share. */
int loop_init(struct loop *loop, struct log *log)
{
	memset(loop, 0, sizeof(*loop));
	loop->log = log;

	/* One thread for each base: no locks inside libevent either. */
	struct event_config *config = event_config_new();
	if (config == NULL)
		return -ENOMEM;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	loop->base = event_base_new_with_config(config);
	event_config_free(config);

	loop->scratch = loop_new_scratch();
	loop->batch = batch_new();
	loop->outbox = outbox_new();
	int error = -ENOMEM;
	if (loop->base != NULL && loop->scratch != NULL && loop->batch != NULL && loop->outbox != NULL)
		error = loop_mailbox_init(loop);
	if (error != 0)
		loop_done(loop);
	return error;
}

/* Frees what was buried in this turn; a free function may bury more. */
static void loop_empty_graveyard(struct loop *loop)
{
	while (loop->graveyard != NULL) {
		struct grave *grave = loop->graveyard;
		loop->graveyard = grave->next;
		grave->free(grave);
	}
}

/* Frees everything that the loop owns. */
void loop_done(struct loop *loop)
{
	loop_mailbox_done(loop);
	loop_empty_graveyard(loop);
	must(loop->n_events == 0);
	arena_done(&loop->arena);
	batch_free(loop->batch);
	outbox_free(loop->outbox);
	if (loop->scratch != NULL)
		free(loop->scratch - LOOP_HEADROOM);
	if (loop->base != NULL)
		event_base_free(loop->base);
	memset(loop, 0, sizeof(*loop));
}

/* Turns until loop_stop(). */
void loop_run(struct loop *loop)
{
	while (!loop->stopping) {
		must(event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) >= 0);
		loop->n_floods_before = loop->n_floods;
		loop->n_floods = 0;
		loop_empty_graveyard(loop);
	}
}

/* Ends loop_run() after this turn. */
void loop_stop(struct loop *loop)
{
	loop->stopping = true;
	event_base_loopbreak(loop->base);
}

/* The monotonic clock; a read of it costs some 20 ns (vDSO), so it is not cached. */
uint64_t loop_now(const struct loop *loop)
{
	(void)loop;
	return (uint64_t)clock_now_ms();
}

/* Queues something to be freed when no callback can be holding it any more. */
void loop_bury(struct loop *loop, struct grave *grave, void (*free_fn)(struct grave *))
{
	must(grave->free == NULL);
	grave->free = free_fn;
	grave->next = loop->graveyard;
	loop->graveyard = grave;
}

/* Counts an event, or a timer, in or out. */
static void loop_count(struct loop *loop, const struct event *event, int step)
{
	loop->n_events += (uint64_t)step;
	if (event->ev_fd < 0)
		loop->n_timers += (uint64_t)step;
}

/* A counted event_assign(). */
void loop_event_init(
	struct loop *loop, struct event *event, int fd, short what, event_callback_fn fn, void *arg)
{
	must(event_assign(event, loop->base, fd, what, fn, arg) == 0);
	loop_count(loop, event, 1);
}

/* Takes an event out of the loop for good. */
void loop_event_done(struct loop *loop, struct event *event)
{
	loop_event_stop(event);
	loop_count(loop, event, -1);
}

/* A counted event_new(). */
struct event *loop_event_new(struct loop *loop, int fd, short what, event_callback_fn fn, void *arg)
{
	struct event *event = event_new(loop->base, fd, what, fn, arg);
	if (event != NULL)
		loop_count(loop, event, 1);
	return event;
}

/* A counted event_free(). */
void loop_event_free(struct loop *loop, struct event *event)
{
	if (event == NULL)
		return;
	loop_count(loop, event, -1);
	event_free(event);
}

/* Asks before it calls. */
void loop_event_stop(struct event *event)
{
	if (loop_event_is_set(event))
		event_del(event);
}

/* Starts or moves a timer. */
int loop_timer_set(struct event *timer, uint64_t ms)
{
	struct timeval after = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
	timer->ev_fd = LOOP_TIMER;
	return event_add(timer, &after) == 0 ? 0 : -ENOMEM;
}

/* Notes in the timer that it was set by this. */
bool loop_timer_reprieve(struct event *timer)
{
	const struct timeval *due = &timer->ev_timeout;
	int64_t late_ms = clock_now_ms() - ((int64_t)due->tv_sec * 1000 + due->tv_usec / 1000);
	int64_t more_ms = late_ms < LOOP_LATE_MS       ? 0
			  : late_ms < LOOP_REPRIEVE_MS ? late_ms
						       : LOOP_REPRIEVE_MS;

	if (timer->ev_fd == LOOP_REPRIEVED || loop_timer_set(timer, (uint64_t)more_ms) != 0)
		return false;
	timer->ev_fd = LOOP_REPRIEVED;
	return true;
}
