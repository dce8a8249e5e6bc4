/*
 * errtag: reads a program's stderr for the client and the log, and keeps its messages out of those of stdout.
 *
 * Owns the descriptor and at most one unfinished line; the log's is errlog's. Runs on its loop's thread.
 */
#include "backend/errtag.h"

#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void errtag_enter(struct errtag *errtag, enum errtag_state state);

/* One place derives whether it is read. */
static void errtag_update(struct errtag *errtag)
{
	bool heard = errtag->state == ERRTAG_HEARD && errtag->max > 0 && !errtag->out.open;

	if (errtag->fd < 0)
		return;
	if (!heard && errtag->state != ERRTAG_LOGGED)
		loop_event_stop(&errtag->readable);
	else if (event_add(&errtag->readable, NULL) != 0)
		errtag_enter(errtag, ERRTAG_FAILED);
}

/* The one place where the state changes. What the timer has to tell once the client hears no more comes from
 * the loop. */
static void errtag_enter(struct errtag *errtag, enum errtag_state state)
{
	bool waited_for = errtag->state == ERRTAG_HEARD && errtag->until != ERRTAG_ALL;

	must(state > errtag->state);
	if (errtag->state == ERRTAG_HEARD)
		loop_event_stop(&errtag->timer);
	errtag->state = state;
	if (state == ERRTAG_FAILED || (state == ERRTAG_LOGGED && waited_for))
		event_active(&errtag->timer, EV_TIMEOUT, 1);
	errtag_update(errtag);
}

/* A piece with its tag goes to whoever holds the endpoint. */
static int errtag_on_tagged(void *arg, const struct piece *piece)
{
	const struct endpoint *endpoint = ((struct errtag *)arg)->endpoint;
	endpoint->hooks->on_piece(endpoint->arg, piece);
	return 0; /* a visitor may be told all */
}

/* A line, or a part of a long one, is a message. */
static int errtag_on_line(void *arg, const struct piece *piece)
{
	struct errtag *errtag = arg;
	struct piece line = *piece;

	line.last = true;
	errtag->n_lines++;
	return tag_piece(&errtag->err, &line, errtag_on_tagged, errtag);
}

/* The messages of this turn leave, or the session does. Returns whether it goes on. */
static bool errtag_flush(struct errtag *errtag, int rc)
{
	struct endpoint *endpoint = errtag->endpoint;

	endpoint->hooks->on_flush(endpoint->arg);
	if (rc < 0)
		errtag->hooks->on_bad(endpoint, "out of memory");
	return rc >= 0;
}

/* Nothing more of it counts: a last line without newline does. Returns whether the session goes on. */
static bool errtag_last(struct errtag *errtag, enum errtag_state state)
{
	int rc = framing_decode_end(&errtag->decoder, errtag_on_line, errtag);

	errtag_enter(errtag, state);
	return errtag_flush(errtag, rc);
}

/* What it holds that was not read. */
static size_t errtag_waiting(int fd)
{
	int n = 0;
	return ioctl(fd, FIONREAD, &n) == 0 ? (size_t)n : 0;
}

/* Has what it read logged and sent. Returns whether the session goes on. */
static bool errtag_on_data(struct errtag *errtag, uint8_t *data, size_t len)
{
	errtag->n_read += len;
	errlog_feed(errtag->errlog, (const char *)data, len);
	if (errtag->state == ERRTAG_LOGGED)
		return true;
	errtag->n_lines = 0;
	int rc = framing_decode(&errtag->decoder, data, len, errtag_on_line, errtag);
	pace_after(&errtag->pace, len, errtag->n_lines);
	return errtag_flush(errtag, rc);
}

/* How much is read at once: of what goes to the client, no more than it may have, nor than a turn should
 * take.
 */
static size_t errtag_room(const struct errtag *errtag)
{
	if (errtag->state == ERRTAG_LOGGED)
		return LOOP_SCRATCH;
	return errtag->max < errtag->pace.most ? errtag->max : errtag->pace.most;
}

/* Reads once. */
static void errtag_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct errtag *errtag = arg;
	uint8_t *scratch = errtag->endpoint->loop->scratch;
	ssize_t n = read(fd, scratch, errtag_room(errtag));
	(void)what;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && !errtag_on_data(errtag, scratch, (size_t)n))
		return;
	if (errtag->state == ERRTAG_HEARD) {
		if ((n <= 0 || errtag->n_read >= errtag->until) &&
			errtag_last(errtag, n <= 0 ? ERRTAG_CLOSED : ERRTAG_ENDED))
			errtag->hooks->on_end(errtag->endpoint);
	} else if (n <= 0) {
		errtag_enter(errtag, ERRTAG_CLOSED);
	}
}

/*
 * Does the program wait for us to read its stderr, in the middle of a message of stdout, with nothing more of
 * that on its way? A pipe takes a write into a page of its own when it does not fit behind the one before, so
 * it can be full with little more than half its bytes.
 */
static bool errtag_is_stuck(const struct errtag *errtag)
{
	const struct stream *out = errtag->stdout_stream;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return errtag->max > 0 && !stream_is_paused(out) && errtag_waiting(out->rfd) == 0 &&
	       errtag_waiting(errtag->fd) > errtag->capacity / page / 2 * page;
}

/* A message of stdout takes its time. */
static void errtag_check_patience(struct errtag *errtag)
{
	uint64_t quiet = loop_now(errtag->endpoint->loop) - errtag->heard_ms;

	if (quiet < ERRTAG_PATIENCE_MS || !errtag_is_stuck(errtag)) {
		loop_timer_set(&errtag->timer, ERRTAG_PATIENCE_MS - (quiet < ERRTAG_PATIENCE_MS ? quiet : 0));
		return;
	}
	int rc = tag_end(&errtag->out, errtag_on_tagged, errtag);
	errtag_update(errtag);
	errtag_flush(errtag, rc);
}

/* The owner waits for the rest, which somebody else may have taken: who has one end of a pipe can open the
 * other. */
static void errtag_check_rest(struct errtag *errtag)
{
	uint64_t there = errtag->n_read + errtag_waiting(errtag->fd);

	if (there < errtag->until)
		errtag->until = there;
	if (errtag->n_read < errtag->until)
		loop_timer_set(&errtag->timer, ERRTAG_PATIENCE_MS);
	else if (errtag_last(errtag, ERRTAG_ENDED))
		errtag->hooks->on_end(errtag->endpoint);
}

/* A message of stdout is open, or the owner waits. */
static void errtag_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct errtag *errtag = arg;
	(void)fd;
	(void)what;

	if (errtag->state == ERRTAG_FAILED)
		errtag->hooks->on_bad(errtag->endpoint, "out of memory");
	else if (errtag->state != ERRTAG_HEARD)
		errtag->hooks->on_end(errtag->endpoint);
	else if (errtag->until != ERRTAG_ALL)
		errtag_check_rest(errtag);
	else if (errtag->out.open && stream_has_ended(errtag->stdout_stream))
		errtag_enter(errtag, ERRTAG_LOGGED); /* the rest of that message never comes */
	else if (errtag->out.open)
		errtag_check_patience(errtag);
}

/* Begins to read. */
void errtag_open(struct errtag *errtag, struct endpoint *endpoint, int fd, const struct stream *stdout_stream,
	struct errlog *errlog, const struct errtag_hooks *hooks)
{
	const struct framing_rules lines = { .framing = FRAMING_LINES };
	int capacity = fcntl(fd, F_GETPIPE_SZ);

	*errtag = (struct errtag){ .endpoint = endpoint,
		.hooks = hooks,
		.stdout_stream = stdout_stream,
		.errlog = errlog,
		.fd = fd,
		.capacity = capacity > 0 ? (size_t)capacity : 0,
		.max = LOOP_SCRATCH,
		.until = ERRTAG_ALL,
		.out.stream = "stdout",
		.err.stream = "stderr" };
	pace_init(&errtag->pace, false);
	framing_decoder_init(&errtag->decoder, &lines);
	loop_event_init(
		endpoint->loop, &errtag->readable, fd, EV_READ | EV_PERSIST, errtag_on_readable, errtag);
	loop_event_init(endpoint->loop, &errtag->timer, -1, 0, errtag_on_timer, errtag);
	errtag_update(errtag);
}

/* Closes it; what it still holds, a pipe's worth at most, is for the log. */
void errtag_close(struct errtag *errtag)
{
	if (errtag->fd < 0)
		return;
	struct loop *loop = errtag->endpoint->loop;
	errlog_drain(errtag->errlog, errtag->fd);
	loop_event_done(loop, &errtag->readable);
	loop_event_done(loop, &errtag->timer);
	framing_decoder_done(&errtag->decoder);
	close(errtag->fd);
	errtag->fd = -1;
}

/* Tags a piece of stdout, and notes whether stderr has to wait for the rest. */
int errtag_pass(struct errtag *errtag, const struct piece *piece)
{
	int rc = tag_piece(&errtag->out, piece, errtag_on_tagged, errtag);

	errtag->heard_ms = loop_now(errtag->endpoint->loop);
	if (errtag->state == ERRTAG_HEARD && errtag->out.open &&
		!event_pending(&errtag->timer, EV_TIMEOUT, NULL))
		loop_timer_set(&errtag->timer, ERRTAG_PATIENCE_MS);
	errtag_update(errtag);
	return rc;
}

/* Sets how much is read at once. */
void errtag_allow(struct errtag *errtag, size_t max)
{
	errtag->max = max < LOOP_SCRATCH ? max : LOOP_SCRATCH;
	errtag_update(errtag);
}

/* Goes on for the log. */
void errtag_mute(struct errtag *errtag)
{
	if (errtag->fd >= 0 && errtag->state < ERRTAG_LOGGED)
		errtag_enter(errtag, ERRTAG_LOGGED);
}

/* Counts what is left, the first time. What would have to wait for the rest of a message of stdout waits for
 * what never comes. */
bool errtag_finish(struct errtag *errtag)
{
	if (errtag->state != ERRTAG_HEARD)
		return errtag->state != ERRTAG_FAILED;
	if (errtag->until != ERRTAG_ALL)
		return false;
	if (errtag->out.open) {
		errtag_enter(errtag, ERRTAG_LOGGED);
		return errtag->state != ERRTAG_FAILED;
	}
	errtag->until = errtag->n_read + errtag_waiting(errtag->fd);
	if (errtag->n_read >= errtag->until)
		errtag_last(errtag, ERRTAG_ENDED);
	else
		loop_timer_set(&errtag->timer, ERRTAG_PATIENCE_MS);
	return errtag->state != ERRTAG_HEARD;
}
