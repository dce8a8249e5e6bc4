/*
 * errlog: what a program writes to its stderr, as lines of the log.
 */
#ifndef BACKEND_ERRLOG_H
#define BACKEND_ERRLOG_H

#include "net/loop.h"

#include <event2/event_struct.h>
#include <stdbool.h>

enum {
	ERRLOG_LINE_MAX = 2048, /* bytes; the rest of a longer line is left out */
	ERRLOG_RATE = 200	/* lines a second; the rest is counted */
};

struct errlog {
	struct loop *loop;
	int fd; /* -1: somebody else reads it, or closed */
	struct event readable;
	const char *session, *route; /* for the log; borrowed */
	const char *program; /* which of its route's; NULL: there is but one. Borrowed, of who opens */
	char *line;	     /* of ERRLOG_LINE_MAX bytes while a line is not whole, else NULL */
	size_t len;
	uint64_t second;
	unsigned n_lines, n_lost; /* in this second */
};

/* Takes the read end (non-blocking) of a program's stderr; -1 when somebody else reads it, for errlog_feed().
 * The strings must outlive it. Returns 0, or -ENOMEM when the kernel can't wait for it: the program would
 * stand still at the end of a full pipe. It is open then too. */
int errlog_open(struct errlog *errlog, struct loop *loop, int fd, const char *session, const char *route);

/* Logs what somebody else has read. */
void errlog_feed(struct errlog *errlog, const char *data, size_t len);

/* Reads what lies in a stderr (non-blocking), a pipe's worth at most, and logs it: the last before it is
 * closed. */
void errlog_drain(struct errlog *errlog, int fd);

/* Logs what is there, the last line without newline too, and closes. Allowed on a zeroed or closed one. */
void errlog_close(struct errlog *errlog);

#endif
