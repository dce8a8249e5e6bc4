/*
 * endpoint: one side of a session, and all that the bridge sees of it. The visitor (gate/visitor.c) and every
 * backend (backend/...) are endpoints. A side is asked through its ops and answers through its hooks, never
 * from within an op.
 */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include "base/piece.h"
#include "net/loop.h"

/*
 * How a side ended, in the words of a WebSocket close (RFC 6455 7.4): 1000 for a stream that is complete,
 * 4000 and up for the status of a program, 1011 for what broke, 1006 (never sent) for a visitor that
 * vanished.
 */
struct end {
	uint16_t code;
	char reason[124]; /* NUL-terminated, UTF-8, may be empty; as much as fits into a close frame */
	bool abrupt;	  /* not an orderly end: the stream may not be complete */
	bool in_message;  /* ... and it broke off within a message */
	bool killed;	  /* a program: by a signal that was not ours */
};

struct endpoint;

/* The marks of back-pressure: who is read into a buffer stops being read when less than this part of it is
 * free, and goes on when less than that part is taken. */
enum { ENDPOINT_LEAST = 16, ENDPOINT_LOW = 2 };

/* on_ready and on_failed are NULL for an endpoint that is joined already. */
struct endpoint_hooks {
	/* It can take messages. Once, unless on_failed. */
	void (*on_ready)(void *arg);
	/* It could not be started: errno, and the whole story in words. The last call; destroy is still due.
	 */
	void (*on_failed)(void *arg, int error, const char *reason);
	/* A piece of a message from it. Returns 0, or the close code with which it is to be failed, since the
	 * other side must not be told that; only a visitor looks at it. */
	int (*on_piece)(void *arg, const struct piece *piece);
	/* The pieces of this turn are all there: flush the other side. */
	void (*on_flush)(void *arg);
	/* Bytes that it had queued are gone. */
	void (*on_sent)(void *arg);
	/* It will say no more; what it is sent still reaches it, if it can. Once. */
	void (*on_eof)(void *arg, const struct end *end);
	/* It is gone in both directions and holds no descriptor. After on_eof; the last call. */
	void (*on_closed)(void *arg);
};

struct endpoint_ops {
	/* Of a backend: returns 0, and then on_ready or on_failed follows, or -errno. A visitor is ready from
	 * the start: NULL. */
	int (*start)(struct endpoint *endpoint);
	/* Takes a piece; drops it when it is past taking any. Flush before the callback returns. Returns 0,
	 * or as on_piece: then nothing of that message was or will be delivered, or with 1007 nothing of
	 * what is broken. */
	int (*send)(struct endpoint *endpoint, const struct piece *piece);
	void (*flush)(struct endpoint *endpoint);
	/*
	 * Bytes of memory that it holds of what it was sent and its peer has not taken. A message or line
	 * that a framing holds until it is whole (64 KiB, or framing_max_message()) is not among them: only
	 * more of it can set it free.
	 */
	size_t (*queued)(const struct endpoint *endpoint);
	/* Reads at most so many bytes at once; 0 stops reading. */
	void (*allow)(struct endpoint *endpoint, size_t max);
	/* No more will be sent: deliver what is queued, then say the end in its own way. on_closed follows in
	 * bounded time. */
	void (*finish)(struct endpoint *endpoint, const struct end *end);
	/* The other side broke off: what was received whole is delivered, then its peer learns that it is not
	 * an orderly end. */
	void (*abort)(struct endpoint *endpoint, const struct end *end);
	/* Ends at once, no more hooks; frees through the graveyard. In any state. */
	void (*destroy)(struct endpoint *endpoint);
	/* Its peer in words ("tcp://127.0.0.1:5900", "pid 12") and how it ended ("exit 3", "closed"), for the
	 * log; the end is "" before. */
	void (*describe)(const struct endpoint *endpoint, char who[static 128], char how[static 64]);
};

struct endpoint {
	struct grave grave; /* first: a grave is its endpoint */
	const struct endpoint_ops *ops;
	const struct endpoint_hooks *hooks;
	void *arg; /* of the hooks */
	struct loop *loop;
};

#endif
