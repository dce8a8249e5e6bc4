/*
 * channel: a stream with a framing on it: what every backend has between its descriptors and the bridge.
 *
 * Messages in, bytes out to the backend; bytes in, messages out to the endpoint's hooks.
 */
#ifndef BACKEND_CHANNEL_H
#define BACKEND_CHANNEL_H

#include "backend/framing.h"
#include "backend/pace.h"
#include "net/endpoint.h"
#include "net/stream.h"

/* What the owner hears; pieces, flushes and sent bytes go straight to the endpoint's hooks. */
struct channel_hooks {
	/* A piece of its output, in place of the endpoint's hook, which the owner then calls; or NULL. */
	int (*on_piece)(struct endpoint *endpoint, const struct piece *piece);
	/* All of its output has been passed on. error: 0, or the errno that ended it. */
	void (*on_eof)(struct endpoint *endpoint, int error);
	/* Its output breaks the framing, or memory is short: nothing more is read. */
	void (*on_bad)(struct endpoint *endpoint, const char *reason);
	/* It takes no more input. */
	void (*on_broken)(struct endpoint *endpoint, int error);
	/* Some of its output was passed on; some of the input that was queued went to it. */
	void (*on_output)(struct endpoint *endpoint);
	void (*on_input)(struct endpoint *endpoint); /* or NULL */
};

struct channel {
	struct endpoint *endpoint;
	const struct channel_hooks *hooks;
	struct stream stream;
	struct framing_encoder encoder;
	struct framing_decoder decoder;
	struct pace pace;  /* of its output, beside the bridge's allowance */
	size_t n_pieces;   /* of its output in this turn */
	bool muted;	   /* its output is thrown away */
	bool leaving;	   /* channel_leave() */
	bool over;	   /* channel_end(): it is not read again, whatever the bridge allows */
	uint64_t n_output; /* bytes of it that were read */
	bool half;	   /* bytes of a message were sent to the backend, and its end was not */
	bool eof_message;  /* an empty message ends the input; for the owner to set */
	bool empty;	   /* the message that has begun, up to now; it is held back */
};

/* Before the descriptors are there; so that done is always allowed. */
void channel_init(struct channel *channel, struct endpoint *endpoint, const struct framing_rules *rules,
	const struct channel_hooks *hooks);
void channel_open(struct channel *channel, int rfd, int wfd);
/* The same for a stream that the owner has opened, of which nothing has been read. */
void channel_join(struct channel *channel);
void channel_done(struct channel *channel); /* closes what is open, frees what is held */

/* The endpoint ops of the same names. */
int channel_send(struct channel *channel, const struct piece *piece);
void channel_flush(struct channel *channel);
size_t channel_queued(const struct channel *channel);
void channel_allow(struct channel *channel, size_t max);

/* The output has ended though its descriptor is still open: what came is passed on, then on_eof. */
void channel_end(struct channel *channel);

/* Its client has left in good order and it is to end as well: its output still counts, but where that stops
 * within a record it is not to blame. */
void channel_leave(struct channel *channel);

/* No piece of its output reaches the hooks any more; it is read to nowhere, so that its writer does not wait.
 */
void channel_mute(struct channel *channel);

#endif
