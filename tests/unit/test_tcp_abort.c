/*
 * Tests of a service whose visitor broke off: whatever else happens to the connection, and in which order, it
 * has what was sent whole, or the beginning of it, and then a reset: no end of TCP, no close_notify.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <signal.h>

#include "meeting.h"
#include "untimed.h"

enum { MUCH = 1 << 18, SOME = 1 << 15, LITTLE = 5000 };

/* What may happen meanwhile. */
enum happening {
	NOTHING,
	ENDS,	    /* the service, in good order */
	IS_CUT,	    /* it ends TCP, and of TLS nothing */
	RESETS,	    /* it does that */
	SPEAKS,	    /* it has much to say */
	BABBLES,    /* it sends what is no TLS */
	UNWRITABLE, /* we give up writing, though it is there */
	DESTROYED,  /* our end is taken down */
	EVENTS
};

/* A connection, and what its service gets. */
struct story {
	struct meeting *meeting;
	size_t n_sent, n_got;
	bool over;    /* it broke TLS, and we knew, before the visitor broke off */
	bool alerted; /* ... of which it was told */
	bool reset;   /* ... or, when it wrote, of a reset */
	char end;     /* what its service reads in the end: 'R'eset, 'F'IN, close_'N'otify; 0: nothing yet */
};

static uint8_t bytes[MUCH];

/* Connected. `small`: with little room in the kernel. */
static struct story story_begin(bool tls, bool small)
{
	struct meeting *meeting = meeting_plan(1, NULL, tls, &ear_hooks);
	int room = 4096;

	if (small)
		setsockopt(meeting->listeners[0], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(meeting->tcp->ops->start(meeting->tcp), 0);
	if (tls) {
		meeting_accept(meeting, 0);
		meeting_shake(meeting);
	} else {
		rig_until(&meeting->rig, meeting->ear.heard[0] == 'R');
		meeting->fd = accept4(meeting->listeners[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		assert_true(meeting->fd >= 0);
	}
	return (struct story){ .meeting = meeting };
}

/* The visitor's bytes. */
static void story_send(struct story *story, size_t len)
{
	struct endpoint *tcp = story->meeting->tcp;
	struct piece piece = { .data = bytes, .len = len, .first = true, .last = true };

	assert_int_equal(tcp->ops->send(tcp, &piece), 0);
	tcp->ops->flush(tcp);
	story->n_sent += len;
}

/* Much of them, or little: more than the kernel takes, or not. */
static void story_fill(struct story *story, bool much)
{
	do
		story_send(story, much ? MUCH : LITTLE);
	while (much && story->meeting->tcp->ops->queued(story->meeting->tcp) < MUCH);
}

/* What the end of a read from the bare socket means. */
static char story_verdict(ssize_t n, int error)
{
	return n == 0 ? 'F' : n > 0 || error == EAGAIN ? 0 : error == ECONNRESET ? 'R' : '?';
}

/* One thing happens, of those that still can. */
static void story_let(struct story *story, enum happening event)
{
	struct meeting *meeting = story->meeting;
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (meeting->tcp == NULL || meeting->fd < 0)
		return;
	switch (event) {
	case ENDS:
		if (meeting->service != NULL && SSL_shutdown(meeting->service) < 0)
			story->reset |= errno == ECONNRESET; /* which no read is told again */
		shutdown(meeting->fd, SHUT_WR);
		return;
	case IS_CUT:
		shutdown(meeting->fd, SHUT_WR);
		return;
	case RESETS:
		setsockopt(meeting->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		meeting_hang_up(meeting);
		return;
	case SPEAKS:
		if ((meeting->service == NULL ? write(meeting->fd, bytes, LITTLE)
					      : SSL_write(meeting->service, bytes, LITTLE)) < 0)
			story->reset |= errno == ECONNRESET;
		ERR_clear_error();
		return;
	case BABBLES:
		if (write(meeting->fd, "no TLS\r\n", 8) < 0)
			story->reset |= errno == ECONNRESET;
		return;
	case UNWRITABLE:
		stream_break(&((struct tcp *)meeting->tcp)->channel.stream, ENOBUFS);
		return;
	case DESTROYED:
		meeting->tcp->ops->destroy(meeting->tcp);
		meeting->tcp = NULL;
		return;
	case NOTHING:
	case EVENTS:
		return;
	}
}

/* The visitor breaks off. */
static void story_abort(struct story *story)
{
	struct endpoint *tcp = story->meeting->tcp;

	if (tcp != NULL)
		tcp->ops->abort(tcp, &(struct end){ .code = 1006, .abrupt = true });
}

/* The service reads once. What is no TLS any more, as behind an alert, is not looked at. */
static void story_read(struct story *story)
{
	static uint8_t got[65536];
	struct meeting *meeting = story->meeting;
	ssize_t n;

	if (meeting->service == NULL || story->alerted) {
		n = recv(meeting->fd, got, sizeof(got), 0);
		story->end = story_verdict(n, errno);
	} else {
		ERR_clear_error(); /* that was our end's */
		n = SSL_read(meeting->service, got, sizeof(got));
		int saved = errno, error = SSL_get_error(meeting->service, (int)n);
		if (error == SSL_ERROR_ZERO_RETURN)
			story->end = 'N';
		else if (error == SSL_ERROR_SYSCALL)
			story->end = story_verdict(-1, saved);
		else if (error == SSL_ERROR_SSL &&
			 ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			story->end = 'F';
		else if (error == SSL_ERROR_SSL)
			story->alerted = true;
		ERR_clear_error();
	}
	if (story->end == 'F' && story->reset)
		story->end = 'R';
	story->n_got += n > 0 && !story->alerted ? (size_t)n : 0;
}

/* The service reads until it is told an end. Where nothing comes any more, the kernel of a busy machine has a
 * while before our times are over. */
static void story_read_on(struct story *story)
{
	enum { SOON = 200, LATE = 400, NEVER = 20000 };

	for (int idle = 0; idle < NEVER && story->end == 0; idle++) {
		size_t before = story->n_got;
		if (story->meeting->fd >= 0)
			story_read(story);
		else if (story->meeting->tcp == NULL || story->meeting->ear.n_closed > 0)
			return;
		if (story->n_got != before)
			idle = 0;
		if (idle > SOON && idle < LATE)
			rig_wait(&story->meeting->rig);
		rig_skip(idle > SOON && idle < LATE ? 0 : 1);
		rig_turn(&story->meeting->rig);
	}
}

/* Two things happen and the visitor breaks off, in this order, with turns between where `turns` has a bit. */
static void story_tell(struct story *story, const enum happening events[2], int at, int turns)
{
	for (int i = 0, next = 0; i < 3; i++) {
		bool broke = next > 0 && (events[next - 1] == IS_CUT || events[next - 1] == BABBLES);
		bool turned = i > 0 && (turns & 1 << (i - 1)) != 0;
		story->over |= i <= at && broke && turned && story->meeting->service != NULL;
		if (i == at)
			story_abort(story);
		else
			story_let(story, events[next++]);
		if ((turns & 1 << i) != 0)
			rig_turns(&story->meeting->rig, 3);
	}
}

/* May bytes be missing: was it us who gave up, or the service who wanted no more? */
static bool story_may_lose(const struct story *story, const enum happening events[2])
{
	return events[0] == UNWRITABLE || events[1] == UNWRITABLE || events[1] == DESTROYED || story->over;
}

/* Every order of that. */
static void abort_in_every_order(bool tls, bool much)
{
	for (int n = 0; n < 2 * EVENTS * 3 * 4; n++) {
		enum happening events[2] = { n % 2 == 0 ? NOTHING : UNWRITABLE, n / 2 % EVENTS };
		int at = n / 2 / EVENTS % 3, turns = n / 2 / EVENTS / 3;
		if ((!tls && events[1] == BABBLES) || (events[0] == NOTHING && at == 1))
			continue;
		struct story story = story_begin(tls, much);
		story_fill(&story, much);
		story_tell(&story, events, at, turns);
		story_read_on(&story);
		bool reset = story.end == 'R' || (story.end == 'F' && story.over && story.alerted);
		bool whole = story.n_got == story.n_sent || story_may_lose(&story, events);
		if (story.meeting->fd >= 0 && (!reset || !whole))
			fail_msg("%s, %zu of %zu bytes; events %d and %d, abort %d, turns %d: %c",
				tls ? "TLS" : "plain", story.n_got, story.n_sent, events[0], events[1], at,
				turns, story.end == 0 ? '-' : story.end);
		meeting_free(story.meeting);
	}
}

static void test_plain(void **state)
{
	(void)state;
	abort_in_every_order(false, false);
	abort_in_every_order(false, true);
}

static void test_tls(void **state)
{
	(void)state;
	abort_in_every_order(true, false);
	abort_in_every_order(true, true);
}

/* The same where nobody breaks off, but part of what was sent can't arrive: it is given up here, and an end
 * in good order follows; or the service breaks TLS while much waits for it. */
static void test_part_is_lost(void **state)
{
	static const struct {
		bool tls;
		enum happening happening;
	} ways[] = { { false, UNWRITABLE }, { true, UNWRITABLE }, { true, IS_CUT }, { true, BABBLES } };
	(void)state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct story story = story_begin(ways[i].tls, true);
		struct endpoint *tcp = story.meeting->tcp;
		story_fill(&story, true);
		story_let(&story, ways[i].happening);
		tcp->ops->finish(tcp, &(struct end){ .code = 1000 });
		story_read_on(&story);
		assert_int_equal(story.end, 'R');
		assert_true(story.n_got < story.n_sent);
		rig_until(&story.meeting->rig, story.meeting->ear.n_closed == 1);
		if (ways[i].happening != UNWRITABLE) /* then it never ended */
			assert_int_equal(story.meeting->ear.end.code, 1011);
		meeting_free(story.meeting);
	}
}

/* The visitor has closed, all is with the kernel, and the service cuts TLS. One that has read our end of it
 * has all, and its own is enough; of one that has not nobody knows what it took. */
static void test_cut_at_the_end(void **state)
{
	(void)state;
	for (int reads = 0; reads < 2; reads++) {
		struct story story = story_begin(true, true);
		struct endpoint *tcp = story.meeting->tcp;
		const struct stream *stream = &((struct tcp *)tcp)->channel.stream;
		story_send(&story, SOME);
		tcp->ops->finish(tcp, &(struct end){ .code = 1000 });
		assert_true(stream_is_shut(stream));
		assert_true(stream_unsent(stream) > SOME / 2);
		if (reads)
			story_read_on(&story);
		assert_int_equal(story.end, reads ? 'N' : 0);
		story_let(&story, IS_CUT);
		rig_until(&story.meeting->rig, story.meeting->ear.n_closed == 1);
		assert_int_equal(story.meeting->ear.end.code, reads ? 1000 : 1011);
		meeting_free(story.meeting);
	}
}

static struct endpoint *early_tcp;

/* The visitor had said something, and left, before there was anybody to hear it. */
static void early_on_ready(void *arg)
{
	struct piece piece = { .data = bytes, .len = LITTLE, .first = true, .last = true };

	ear_on_ready(arg);
	assert_int_equal(early_tcp->ops->send(early_tcp, &piece), 0);
	early_tcp->ops->flush(early_tcp);
	early_tcp->ops->abort(early_tcp, &(struct end){ .code = 1006, .abrupt = true });
}

/* It breaks off within on_ready, and what the service says, and its end, are right behind its handshake. */
static void test_early(void **state)
{
	struct endpoint_hooks hooks = ear_hooks;
	(void)state;

	hooks.on_ready = early_on_ready;
	SSL_CTX_set_max_proto_version(server_ctx, TLS1_2_VERSION); /* the service has the last word of it */
	for (int ends = 0; ends < 2; ends++) {
		struct story story = { .meeting = meeting_plan(1, NULL, true, &hooks) };
		struct meeting *meeting = story.meeting;
		early_tcp = meeting->tcp;
		assert_int_equal(early_tcp->ops->start(early_tcp), 0);
		meeting_accept(meeting, 0);
		for (int i = 0; i < 100 && SSL_do_handshake(meeting->service) != 1; i++)
			rig_wait(&meeting->rig);
		story_let(&story, SPEAKS);
		story_let(&story, ends ? ENDS : NOTHING);
		story_read_on(&story);
		assert_int_equal(story.end, 'R');
		assert_int_equal(story.n_got, LITTLE);
		meeting_free(meeting);
	}
	SSL_CTX_set_max_proto_version(server_ctx, 0);
}

/* Without a timer it is not waited for: neither that it begins, nor that the service takes what comes before
 * it. */
static void test_no_timer(void **state)
{
	(void)state;
	for (int much = 0; much < 2; much++) {
		struct story story = story_begin(false, true);
		struct rig *rig = &story.meeting->rig;
		rig_pass(rig, 6000, 1000); /* that of the kernel's look is over */
		story.meeting->ear.heard[0] = '\0';
		if (much)
			story_fill(&story, true);
		rig_turns(rig, 3);
		untimed_at = 1;
		story_abort(&story);
		heard(&story.meeting->ear, "");
		rig_turns(rig, 6);
		heard(&story.meeting->ear, "EC");
		assert_int_equal(untimed_at, 0);
		story_read_on(&story);
		assert_int_equal(story.end, 'R');
		meeting_free(story.meeting);
	}
}

/* The same of an end in good order: what waits does not arrive, and the service is told so. */
static void test_no_timer_for_an_end(void **state)
{
	struct story story = story_begin(false, true);
	struct endpoint *tcp = story.meeting->tcp;
	(void)state;

	story.meeting->ear.heard[0] = '\0';
	story_fill(&story, true);
	untimed_at = 1; /* one is set already, which moves */
	tcp->ops->finish(tcp, &(struct end){ .code = 1000 });
	rig_skip(TCP_LOOK_MS);
	rig_turns(&story.meeting->rig, 3);
	heard(&story.meeting->ear, "EC");
	story_read_on(&story);
	assert_int_equal(story.end, 'R');
	meeting_free(story.meeting);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_part_is_lost),
		cmocka_unit_test(test_cut_at_the_end),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_no_timer),
		cmocka_unit_test(test_no_timer_for_an_end),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, meeting_setup, meeting_teardown);
}
