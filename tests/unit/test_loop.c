/*
 * Tests of the loop: when the buried are freed, mail from other threads, what is counted, the clock,
 * timers that are late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <pthread.h>

#include "net/loop.h"
#include "rig.h"
#include "untimed.h"

struct corpse {
	struct grave grave; /* first: a grave is its corpse */
	struct loop *loop;
	struct corpse *child; /* buried by its free function */
	bool freed;
	int turn; /* of its end */
};

static int corpse_turns;

static void corpse_free(struct grave *grave)
{
	struct corpse *corpse = (struct corpse *)grave;
	corpse->freed = true;
	corpse->turn = corpse_turns;
	if (corpse->child != NULL)
		loop_bury(corpse->loop, &corpse->child->grave, corpse_free);
}

/* An event that buries one thing and looks whether it is still there. */
static void corpse_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct corpse *corpse = arg;
	(void)fd;
	(void)what;
	if (corpse->grave.free == NULL)
		loop_bury(corpse->loop, &corpse->grave, corpse_free);
	assert_false(corpse->freed);
}

/* What is buried in a turn lives until all callbacks of this turn were called, and no longer. */
static void test_graveyard(void **state)
{
	struct rig rig;
	(void)state;
	rig_init(&rig);

	struct corpse corpse = { .loop = &rig.loop };
	struct event *first = loop_event_new(&rig.loop, -1, 0, corpse_on_event, &corpse);
	struct event *second = loop_event_new(&rig.loop, -1, 0, corpse_on_event, &corpse);
	event_active(first, EV_TIMEOUT, 1);
	event_active(second, EV_TIMEOUT, 1);
	rig_turn(&rig);
	assert_true(corpse.freed);
	assert_null(rig.loop.graveyard);
	loop_event_free(&rig.loop, first);
	loop_event_free(&rig.loop, second);
	rig_done(&rig);
}

/* Who is freed may bury what it owned: that goes in the same turn. */
static void test_graveyard_of_owner(void **state)
{
	struct rig rig;
	(void)state;
	rig_init(&rig);

	struct corpse grandchild = { .loop = &rig.loop };
	struct corpse child = { .loop = &rig.loop, .child = &grandchild };
	struct corpse owner = { .loop = &rig.loop, .child = &child };
	struct corpse other = { .loop = &rig.loop };
	loop_bury(&rig.loop, &owner.grave, corpse_free);
	loop_bury(&rig.loop, &other.grave, corpse_free);
	corpse_turns = 7;
	rig_turn(&rig);
	assert_true(owner.freed && child.freed && grandchild.freed && other.freed);
	assert_int_equal(grandchild.turn, 7);
	rig_done(&rig);
}

/* What was buried outside of any turn is freed with the loop. */
static void test_graveyard_of_loop(void **state)
{
	struct loop loop;
	struct corpse corpse = { .loop = &loop };
	(void)state;

	assert_int_equal(loop_init(&loop, NULL), 0);
	loop_bury(&loop, &corpse.grave, corpse_free);
	assert_false(corpse.freed);
	loop_done(&loop);
	assert_true(corpse.freed);
}

struct letter {
	struct mail mail; /* first: the mail is the letter */
	unsigned sender, number;
};

enum { SENDERS = 3, LETTERS = 2000 };

static unsigned letters_next[SENDERS]; /* by sender, on the loop's thread */
static unsigned letters_n;
static struct loop *letters_loop;

/* The mail of one sender keeps its order. */
static void letter_deliver(struct loop *loop, struct mail *mail)
{
	struct letter *letter = (struct letter *)mail;
	assert_ptr_equal(loop, letters_loop);
	assert_int_equal(letter->number, letters_next[letter->sender]);
	letters_next[letter->sender]++;
	letters_n++;
	free(letter);
}

/* A thread that posts. */
static void *letter_send_all(void *arg)
{
	for (unsigned i = 0; i < LETTERS; i++) {
		struct letter *letter = calloc(1, sizeof(*letter));
		letter->sender = (unsigned)(uintptr_t)arg;
		letter->number = i;
		loop_post(letters_loop, &letter->mail, letter_deliver);
	}
	return NULL;
}

/* Several threads post at once: nothing is lost, doubled or turned round. */
static void test_mail_of_threads(void **state)
{
	struct rig rig;
	pthread_t threads[SENDERS];
	(void)state;
	rig_init(&rig);
	memset(letters_next, 0, sizeof(letters_next));
	letters_n = 0;
	letters_loop = &rig.loop;

	for (uintptr_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, letter_send_all, (void *)i), 0);
	rig_until(&rig, letters_n == SENDERS * LETTERS);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	rig_turns(&rig, 3);
	assert_int_equal(letters_n, SENDERS * LETTERS);
	rig_done(&rig);
}

struct answer {
	struct mail mail; /* first: the mail is the answer */
	struct loop *back;
	unsigned left;
	struct loop *self;
};

/* Sends the same mail to the other loop; the last one stops both. */
static void answer_deliver(struct loop *loop, struct mail *mail)
{
	struct answer *answer = (struct answer *)mail;
	struct loop *back = answer->back;
	if (answer->left == 0) {
		loop_stop(loop);
		return;
	}
	answer->left--;
	answer->back = loop;
	loop_post(back, mail, answer_deliver);
}

static void *answer_run(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Two loops play mail to and fro, each on its thread: whoever sleeps is woken. */
static void test_mail_wakes(void **state)
{
	struct loop here, there;
	struct answer ball = { .left = 999, .back = &here };
	struct answer stop = { .left = 0 };
	pthread_t thread;
	(void)state;

	assert_int_equal(loop_init(&here, NULL), 0);
	assert_int_equal(loop_init(&there, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, answer_run, &there), 0);
	loop_post(&there, &ball.mail, answer_deliver);
	loop_run(&here); /* 999 is odd: the ball ends here */
	assert_int_equal(ball.left, 0);
	loop_post(&there, &stop.mail, answer_deliver);
	pthread_join(thread, NULL);
	loop_done(&here);
	loop_done(&there);
}

/* Sends another letter while it is delivered, and again once that is. */
static void letter_deliver_chain(struct loop *loop, struct mail *mail)
{
	struct letter *letter = (struct letter *)mail;
	letters_n++;
	if (letter->number > 0) {
		letter->number--;
		loop_post(loop, mail, letter_deliver_chain);
	} else
		free(letter);
}

/* Mail that nobody fetched is delivered by loop_done(), and so is what that mail sends. */
static void test_mail_of_the_dead(void **state)
{
	struct loop loop;
	struct letter *letter = calloc(1, sizeof(*letter));
	(void)state;

	letters_n = 0;
	letter->number = 2;
	assert_int_equal(loop_init(&loop, NULL), 0);
	loop_post(&loop, &letter->mail, letter_deliver_chain);
	assert_int_equal(letters_n, 0); /* never from within */
	loop_done(&loop);
	assert_int_equal(letters_n, 3);
}

static void count_nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(int *)arg;
}

/* Every event counts while it exists, pending or not; without a descriptor it is a timer too. */
static void test_counts(void **state)
{
	struct rig rig;
	struct event timer, io;
	int n = 0;
	(void)state;
	rig_init(&rig);

	assert_int_equal(rig.loop.n_events, 1);
	loop_event_init(&rig.loop, &timer, -1, 0, count_nothing, &n);
	loop_event_init(&rig.loop, &io, rig.log_fd, EV_READ, count_nothing, &n);
	struct event *third = loop_event_new(&rig.loop, -1, 0, count_nothing, &n);
	assert_int_equal(rig.loop.n_events, 4);
	assert_int_equal(rig.loop.n_timers, 2);
	loop_timer_set(&timer, 1000);
	assert_int_equal(rig.loop.n_events, 4);
	loop_event_done(&rig.loop, &timer);
	loop_event_done(&rig.loop, &io);
	loop_event_free(&rig.loop, third);
	loop_event_free(&rig.loop, NULL);
	assert_int_equal(rig.loop.n_events, 1);
	assert_int_equal(rig.loop.n_timers, 0);
	rig_skip(2000);
	rig_turn(&rig);
	assert_int_equal(n, 0); /* done before its time */
	rig_done(&rig);
}

/* A timer fires once, at its time and not before; setting it again moves it. */
static void test_timer(void **state)
{
	struct rig rig;
	struct event timer;
	int n = 0;
	(void)state;
	rig_init(&rig);
	loop_event_init(&rig.loop, &timer, -1, 0, count_nothing, &n);

	uint64_t before = loop_now(&rig.loop);
	rig_skip(1234);
	assert_in_range(loop_now(&rig.loop) - before, 1234, 2 * 1234 - 1);
	loop_timer_set(&timer, 5000);
	rig_skip(4000);
	rig_turn(&rig);
	assert_int_equal(n, 0);
	loop_timer_set(&timer, 5000);
	rig_skip(4000);
	rig_turn(&rig);
	assert_int_equal(n, 0);
	rig_skip(1100);
	rig_turns(&rig, 2);
	assert_int_equal(n, 1);
	rig_skip(60000);
	rig_turn(&rig);
	assert_int_equal(n, 1);
	loop_timer_set(&timer, 0); /* on the next turn */
	rig_turns(&rig, 2);
	assert_int_equal(n, 2);
	loop_event_done(&rig.loop, &timer);
	rig_done(&rig);
}

/* A time that somebody has. */
struct limit {
	struct event timer;
	int n_over;
};

static void limit_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct limit *limit = arg;
	(void)fd;
	(void)what;
	if (!loop_timer_reprieve(&limit->timer))
		limit->n_over++;
}

/* Each time that is set has one: a turn, unless it was late; then as much again, but not without end, however
 * late that is. */
static void test_reprieve(void **state)
{
	static const struct {
		long late, more;
	} cases[] = {
		{ 0, 0 },
		{ LOOP_LATE_MS - 1, 0 },
		{ LOOP_LATE_MS, LOOP_LATE_MS },
		{ LOOP_LATE_MS + 1, LOOP_LATE_MS + 1 },
		{ LOOP_REPRIEVE_MS, LOOP_REPRIEVE_MS },
		{ LOOP_REPRIEVE_MS + 1, LOOP_REPRIEVE_MS },
		{ 3600000, LOOP_REPRIEVE_MS },
	};
	struct limit limit = { .n_over = 0 };
	struct rig rig;
	(void)state;
	rig_init(&rig);
	loop_event_init(&rig.loop, &limit.timer, -1, 0, limit_on_timer, &limit);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = limit.n_over;
		loop_timer_set(&limit.timer, 1000);
		rig_skip(1000 + cases[i].late);
		rig_turn(&rig);
		if (cases[i].more > 0) {
			rig_skip(cases[i].more - 1);
			rig_turns(&rig, 3);
			assert_int_equal(limit.n_over, before);
			rig_skip(1);
		}
		assert_int_equal(limit.n_over, before);
		rig_skip(i == 6 ? 5000 : 0); /* late again: it has had its time */
		rig_turn(&rig);
		assert_int_equal(limit.n_over, before + 1);
	}
	loop_timer_set(&limit.timer, 1000);
	rig_skip(1000);
	untimed_at = 1;
	rig_turn(&rig);
	assert_int_equal(limit.n_over, 8); /* there was no memory for it */
	loop_event_done(&rig.loop, &limit.timer);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_graveyard),
		cmocka_unit_test(test_graveyard_of_owner),
		cmocka_unit_test(test_graveyard_of_loop),
		cmocka_unit_test(test_mail_of_threads),
		cmocka_unit_test(test_mail_wakes),
		cmocka_unit_test(test_mail_of_the_dead),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_reprieve),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
