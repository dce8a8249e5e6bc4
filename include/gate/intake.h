/*
 * intake: what a visitor sends, from reads of its stream to events of its messages, at the pace of who takes
 * them.
 *
 * A read never brings more than may be passed on, so that as a rule nothing waits here. Compressed messages
 * grow: of them the rest of the read waits, and nothing more is read, until there is room again. Where there
 * is no memory for that, the intake closes itself and breaks the stream with ENOMEM.
 */
#ifndef GATE_INTAKE_H
#define GATE_INTAKE_H

#include "http/permessage.h"
#include "net/stream.h"
#include "ws/message.h"

enum {
	INTAKE_STEP = 16384,  /* bytes inflated at once */
	INTAKE_TURN = 262144, /* payload passed on before others have their turn */
	INTAKE_COST = 4096,   /* ... that a compressed message costs besides, for zlib's state */
	INTAKE_READ = 16384   /* bytes read at once where messages may be compressed: what may have to wait */
};

struct intake_held;

struct intake_hooks {
	/* An event of the reader (not MESSAGE_NEED_MORE). Returns whether what follows still matters; when
	 * not, the rest of the read, and what waits, is dropped. */
	bool (*on_event)(void *arg, const struct message_event *event);
	/* The events so far are to take effect: whoever takes them may call intake_allow(). Also after the
	 * last one that mattered, and after intake_close() in on_event. */
	void (*on_flush)(void *arg);
	/* What had to wait has been passed on, or dropped since it did not matter any more. */
	void (*on_caught_up)(void *arg);
};

struct intake {
	struct loop *loop;
	struct stream *stream;
	const struct intake_hooks *hooks;
	void *arg;
	struct message_reader reader;
	struct inflater inflater;
	size_t allowed;		  /* payload that may be passed on until the next on_flush */
	size_t cost;		  /* of a compressed message, in payload */
	struct intake_held *held; /* what waits; NULL as a rule */
	bool closed;
};

/* The stream stays the owner's. agreed: what permessage_negotiate() gave. */
void intake_init(struct intake *intake, struct loop *loop, struct stream *stream, uint64_t max_message,
	const struct permessage *agreed, const struct intake_hooks *hooks, void *arg);

/* Drops what waits, for good; frees all it holds. More than once, from within the hooks too. */
void intake_close(struct intake *intake);

/* Sets how much may be passed on; 0 stops it. Never calls a hook. */
void intake_allow(struct intake *intake, size_t max);

/* Bytes of the stream, not while some of them wait. */
void intake_feed(struct intake *intake, uint8_t *data, size_t len);

/* Does anything wait? The stream is not read then. */
bool intake_waits(const struct intake *intake);

#endif
