/*
 * errtag: a program's stderr for the client, beside its stdout: each line a message, told apart by a tag
 * (backend/tag.h), and logged as well.
 *
 * It is read no faster than the client takes it. A line of more than 64 KiB is several messages, so that no
 * message of it ever has to wait for its end. It waits itself while a message of stdout has begun and not
 * ended; where stdout is at its end within one, the rest of stderr is for the log alone.
 */
#ifndef BACKEND_ERRTAG_H
#define BACKEND_ERRTAG_H

#include "backend/errlog.h"
#include "backend/framing.h"
#include "backend/pace.h"
#include "backend/tag.h"
#include "net/endpoint.h"
#include "net/stream.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long a message of stdout that does not go on may hold up a program that waits for its stderr to be
 * read; then it is ended, and the rest of it becomes another one. Also how often it is looked for whether the
 * rest is still there. */
enum { ERRTAG_PATIENCE_MS = 1000 };

/* What the owner hears, from the loop; pieces and flushes go straight to the endpoint's hooks. */
struct errtag_hooks {
	/* All of it that counts was passed on, or will not be: once; not after errtag_close(). */
	void (*on_end)(struct endpoint *endpoint);
	/* Memory is short: the session must end. */
	void (*on_bad)(struct endpoint *endpoint, const char *reason);
};

enum errtag_state {
	ERRTAG_HEARD,  /* by the client, and the log */
	ERRTAG_ENDED,  /* the client heard all that counts; what is there now waits for the owner */
	ERRTAG_LOGGED, /* by the log alone */
	ERRTAG_CLOSED, /* nobody writes to it any more */
	ERRTAG_FAILED  /* it can't be waited for */
};

/* As many bytes of it count as there will be. */
#define ERRTAG_ALL UINT64_MAX

struct errtag {
	struct endpoint *endpoint;
	const struct errtag_hooks *hooks;
	const struct stream *stdout_stream;
	struct errlog *errlog;
	int fd; /* -1: not open */
	size_t capacity;
	size_t max;	  /* bytes for one read; 0: paused */
	struct pace pace; /* beside that */
	size_t n_lines;	  /* in this turn */
	enum errtag_state state;
	uint64_t n_read, until; /* bytes, and how many of them count */
	struct framing_decoder decoder;
	struct tag out, err;
	uint64_t heard_ms; /* when the last piece of stdout came */
	struct event readable, timer;
};

/* Takes the read end (non-blocking) of a program's stderr. All else must outlive it; errlog is open. */
void errtag_open(struct errtag *errtag, struct endpoint *endpoint, int fd, const struct stream *stdout_stream,
	struct errlog *errlog, const struct errtag_hooks *hooks);

/* What is there is logged, but not sent. Allowed when fd is -1, so more than once. */
void errtag_close(struct errtag *errtag);

/* A piece of stdout on its way to the client. Returns as framing_piece_fn does. */
int errtag_pass(struct errtag *errtag, const struct piece *piece);

/* The endpoint op of the same name. */
void errtag_allow(struct errtag *errtag, size_t max);

/* Nothing reaches the client any more; it is read to the log alone. An on_end that is waited for follows. */
void errtag_mute(struct errtag *errtag);

/* Stdout is at its end and no more of stderr counts: what lies in the pipe now is the rest. Returns whether
 * nothing of that is to reach the client, any more or at all; else on_end follows, or on_bad. */
bool errtag_finish(struct errtag *errtag);

#endif
