/*
 * errlog: reads a program's stderr always, so that the program never waits for the log, and logs it line by
 * line.
 *
 * Owns the descriptor and at most one unfinished line. Lines are cut and their rate is limited here; the log
 * escapes them. Runs on its loop's thread.
 */
#include "backend/errlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line, or one more that is lost to the rate. */
static void errlog_emit(struct errlog *errlog, const char *line, size_t len)
{
	uint64_t second = loop_now(errlog->loop) / 1000;

	if (second != errlog->second) {
		if (errlog->n_lost > 0)
			log_warning(errlog->loop->log, "stderr lines not logged",
				LOG_STR("id", errlog->session), LOG_U64("lines", errlog->n_lost));
		errlog->second = second;
		errlog->n_lines = errlog->n_lost = 0;
	}
	if (errlog->n_lines == ERRLOG_RATE) {
		errlog->n_lost++;
		return;
	}
	errlog->n_lines++;
	struct text text = { .ptr = line, .len = len };
	log_info(errlog->loop->log, "stderr", LOG_STR("id", errlog->session), LOG_STR("route", errlog->route),
		LOG_STR("program", errlog->program), LOG_TEXT("line", text));
}

/* Keeps a part of a line until the rest comes; what is beyond the limit, or memory, is left out. */
static void errlog_keep(struct errlog *errlog, const char *part, size_t len)
{
	if (errlog->line == NULL)
		errlog->line = malloc(ERRLOG_LINE_MAX);
	size_t room = errlog->line == NULL ? 0 : ERRLOG_LINE_MAX - errlog->len;
	size_t take = len < room ? len : room;
	if (take > 0)
		memcpy(errlog->line + errlog->len, part, take);
	errlog->len += take;
}

/* The line that was kept is whole. */
static void errlog_emit_kept(struct errlog *errlog)
{
	if (errlog->line != NULL)
		errlog_emit(errlog, errlog->line, errlog->len);
	free(errlog->line);
	errlog->line = NULL;
	errlog->len = 0;
}

/* Cuts what came into lines. */
void errlog_feed(struct errlog *errlog, const char *data, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t part = newline == NULL ? len : (size_t)(newline - data);
		if (newline != NULL && errlog->line == NULL)
			errlog_emit(errlog, data, part < ERRLOG_LINE_MAX ? part : ERRLOG_LINE_MAX);
		else
			errlog_keep(errlog, data, part);
		if (newline == NULL)
			return;
		if (errlog->line != NULL)
			errlog_emit_kept(errlog);
		data += part + 1;
		len -= part + 1;
	}
}

/* Reads it no more. */
static void errlog_close_fd(struct errlog *errlog)
{
	loop_event_done(errlog->loop, &errlog->readable);
	close(errlog->fd);
	errlog->fd = -1;
}

/* Something was written to stderr, or it is closed: reads once. */
static void errlog_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct errlog *errlog = arg;
	ssize_t n = read(fd, errlog->loop->scratch, LOOP_SCRATCH);
	(void)what;

	if (n > 0)
		errlog_feed(errlog, (const char *)errlog->loop->scratch, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		errlog_close_fd(errlog);
}

/* Begins to read. */
int errlog_open(struct errlog *errlog, struct loop *loop, int fd, const char *session, const char *route)
{
	*errlog = (struct errlog){ .loop = loop, .fd = fd, .session = session, .route = route };
	if (fd < 0)
		return 0;
	loop_event_init(loop, &errlog->readable, fd, EV_READ | EV_PERSIST, errlog_on_readable, errlog);
	return event_add(&errlog->readable, NULL) == 0 ? 0 : -ENOMEM;
}

/* Reads on, as often as the largest pipe needs it: who writes without end has no say in when. */
void errlog_drain(struct errlog *errlog, int fd)
{
	enum { DRAIN_READS = 16 };
	char *scratch = (char *)errlog->loop->scratch;
	ssize_t n = 1;

	for (int i = 0; i < DRAIN_READS && n > 0; i++) {
		n = read(fd, scratch, LOOP_SCRATCH);
		if (n > 0)
			errlog_feed(errlog, scratch, (size_t)n);
	}
}

/* The end: the last line is whole. */
void errlog_close(struct errlog *errlog)
{
	if (errlog->loop == NULL)
		return;
	if (errlog->fd >= 0) {
		errlog_drain(errlog, errlog->fd); /* what is still there */
		errlog_close_fd(errlog);
	}
	errlog_emit_kept(errlog);
	if (errlog->n_lost > 0)
		log_warning(errlog->loop->log, "stderr lines not logged", LOG_STR("id", errlog->session),
			LOG_U64("lines", errlog->n_lost));
	errlog->loop = NULL;
}
