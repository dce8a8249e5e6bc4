/*
 * stream: one connection as two directions of bytes: a socket, plain or with TLS, or the pipe pair of a
 * program.
 *
 * Reads go into the thread's scratch buffer and from there to the owner; writes are tried at once and only
 * the rest is queued, so an idle stream holds no buffer. Nothing is ever reported from within a call that the
 * owner makes: errors found while writing come as a callback of their own. Bytes stay in order; what is
 * queued is counted by what it costs.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/loop.h"
#include "net/outlet.h"
#include "net/tls.h"

#include <event2/buffer.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pump;

struct stream_hooks {
	/* The handshake of TLS is over; once, before the first bytes. NULL: nobody waits for it. */
	void (*on_open)(void *arg);
	/* Bytes came. They may be changed in place and are gone after the call. */
	void (*on_data)(void *arg, uint8_t *data, size_t len);
	/* Queued bytes went to the peer: stream_queued() is smaller now. */
	void (*on_sent)(void *arg);
	/* The peer ended its side; nothing more will be read. error: 0 for an orderly end, else the errno
	 * (ECONNRESET; EPROTO when it broke TLS, and then stream_tls_failure() has the words). */
	void (*on_eof)(void *arg, int error);
	/* Writing failed (EPIPE, ECONNRESET): what was queued is dropped, and so is what is sent from now on.
	 * Reading goes on. */
	void (*on_broken)(void *arg, int error);
};

enum stream_read { STREAM_READ_ON, STREAM_READ_PAUSED, STREAM_READ_EOF };
enum stream_write { STREAM_WRITE_OPEN, STREAM_WRITE_FINISHING, STREAM_WRITE_SHUT, STREAM_WRITE_BROKEN };

struct stream {
	struct loop *loop;
	const struct stream_hooks *hooks;
	void *arg;
	int rfd;	   /* -1 once closed */
	struct outlet out; /* its descriptor is rfd for a socket; -1 once closed; its queue is as it goes to
			    * the kernel: of TLS, records */
	enum stream_read read;
	enum stream_write write;
	int write_error;     /* of STREAM_WRITE_BROKEN */
	size_t read_max;     /* bytes for one read */
	struct pump *pump;   /* NULL: plain */
	size_t unasked;	     /* bytes that TLS made by itself while something was queued */
	bool yielding;	     /* stream_yield() */
	bool doomed;	     /* stream_doom() */
	bool gathers;	     /* stream_gather() */
	uint8_t extra_reads; /* in a turn, beside the first; stream_read_on() */
	struct event readable, writable;
};

/* Takes the descriptors (non-blocking) and begins to read. rfd == wfd for a socket. */
void stream_open(struct stream *stream, struct loop *loop, int rfd, int wfd, const struct stream_hooks *hooks,
	void *arg);

/*
 * The same for a socket that speaks TLS: its handshake happens before the first bytes come, and nothing can
 * be sent before that. host NULL: a visitor's; else a service's that is so called (net/tls_client.h). Returns
 * 0, or -ENOMEM: then the descriptor is still the caller's.
 */
int stream_open_tls(struct stream *stream, struct loop *loop, int fd, struct tls *tls, const char *host,
	const struct stream_hooks *hooks, void *arg);

/* TLS of it, to look at; NULL for a plain one. */
SSL *stream_ssl(const struct stream *stream);

/* Why TLS failed, a few words that are not the peer's; "" when it did not. */
const char *stream_tls_failure(const struct stream *stream);

/* Has TLS not begun yet, or not come to the end of its handshake? */
bool stream_in_handshake(const struct stream *stream);

/* Did the peer begin with HTTP where TLS is spoken? What is sent then goes out without TLS, so that it can be
 * told. */
bool stream_met_http(const struct stream *stream);

/* Changes who is called. */
void stream_set_hooks(struct stream *stream, const struct stream_hooks *hooks, void *arg);

/* Detaches the events and closes the descriptors now; no callback comes after it. What is queued is lost.
 * Idempotent. */
void stream_close(struct stream *stream);

/* As stream_close(), but a TCP peer sees a reset instead of an orderly end, and no close_notify. */
void stream_reset(struct stream *stream);

/* stream_reset() is to follow: where TLS fails before that, our side is not ended, which would come first. */
void stream_doom(struct stream *stream);

bool stream_is_open(const struct stream *stream);
bool stream_has_queue(const struct stream *stream); /* bytes wait for the peer */
bool stream_is_paused(const struct stream *stream); /* stream_allow(0) holds, and more may come */
bool stream_has_ended(const struct stream *stream); /* the peer has ended its side */
bool stream_is_shut(
	const struct stream *stream); /* our side is ended (all of it is with the kernel) or broken */
bool stream_is_over(const struct stream *stream); /* both are */

/*
 * Sends bytes; stream_flush() must follow before the callback returns. Bytes in the thread's scratch buffer
 * must not be changed before that (they may only be pointed at), and those in front of them may be by it;
 * others need to live only for the call. Never fails: what cannot be sent is reported by on_broken.
 */
void stream_send(struct stream *stream, const void *data, size_t len);
void stream_flush(struct stream *stream);

/* The same for data behind a header of at most LOOP_HEADROOM bytes, which is put in front of it where that is
 * possible, so that both leave as one piece. */
void stream_send_behind(
	struct stream *stream, const void *header, size_t n_header, const void *data, size_t len);

/*
 * Sends at most `len` bytes of a file from `offset`, behind all that was sent before. Returns how many it
 * took; 0 when the peer takes no more now (on_sent comes when it does), -1 when the file ends before or can't
 * be read. No flush is needed. A TLS stream reads the file into the scratch buffer.
 */
long stream_send_file(struct stream *stream, int fd, uint64_t offset, size_t len);

/* Has a socket's peer ended its side, or reset the connection, though nobody reads? It can't be seen while it
 * has sent more than the kernel takes. */
bool stream_peer_has_left(const struct stream *stream);

/* Has a socket's connection failed (a reset, a time-out of TCP) though nobody reads or writes? One that the
 * peer has ended in order has not. */
bool stream_has_failed(const struct stream *stream);

/* Bytes of memory held by the queue (an upper bound), 0 when nothing waits. */
size_t stream_queued(const struct stream *stream);

/* Bytes that the peer has not taken yet: the queue's and, for a socket, the kernel's (SIOCOUTQ). */
size_t stream_unsent(const struct stream *stream);

/* Bytes that the kernel has taken since the stream was opened: of TLS, of its records. */
uint64_t stream_written(const struct stream *stream);

/* Bytes that the peer has taken (of TCP: acknowledged) since the stream was opened; never falls. */
uint64_t stream_taken(const struct stream *stream);

/* Has on_sent called on the next turn though nothing is queued, for who has more to send than one turn should
 * take. */
void stream_yield(struct stream *stream);

/* It reads a terminal's master, which gives 4 KiB at once at most: several of those are one on_data from now
 * on, as far as stream_allow() lets them. */
void stream_gather(struct stream *stream);

/* A flood of it is read several times in a turn, 256 KiB at most, and 512 KiB of all floods of the thread,
 * from now on: for who makes one message of a read, however long. Each on_data is followed by a look at what
 * stream_allow() says. Not of TLS. */
void stream_read_on(struct stream *stream);

/* Reads at most `max` bytes at once; 0 stops reading. */
void stream_allow(struct stream *stream, size_t max);

/* Gives writing up, as if the kernel had failed it: on_broken follows. */
void stream_break(struct stream *stream, int error);

/* Sends what is queued, then ends our side: close_notify of TLS, then shutdown(SHUT_WR) of a socket; close of
 * a pipe. */
void stream_finish(struct stream *stream);

#endif
