/*
 * tcp_internal: what the parts of a service's endpoint share with each other and with nobody else.
 */
#ifndef BACKEND_TCP_INTERNAL_H
#define BACKEND_TCP_INTERNAL_H

#include "backend/channel.h"
#include "backend/tcp.h"

#include <event2/event_struct.h>

enum { TCP_LOOK_MS = 50 }; /* between two looks at an end that is under way */

enum tcp_state {
	TCP_NEW,
	TCP_DIALLING,
	TCP_SHAKING, /* connected, TLS is not there yet; when it fails: DIALLING, the next one */
	TCP_OPEN,
	TCP_FINISHING, /* our side ends after what is queued; its output still comes */
	TCP_ABORTING,  /* a reset follows what is queued */
	TCP_GONE
};

struct tcp {
	struct endpoint endpoint; /* first: an endpoint is its tcp */
	const struct route_conf *route;
	const struct upstream *upstream; /* the one that is connected, or was tried last; NULL while `reach`
					    is there, which knows */
	struct reach *reach;		 /* until it is there */
	struct rotation_service *counted;
	struct tls *tls; /* for one that is tls://, or NULL */
	struct channel channel;
	enum tcp_state state;
	bool eof; /* on_eof was called */
	int write_error;
	bool guarded; /* the kernel looks whether it is still there; a unix socket needs none of that */
	/* Does it go on taking its input, and, while FINISHING, then sending output? */
	bool watched;	   /* OPEN: bytes wait for it */
	uint64_t taken;	   /* of its input when we looked last */
	uint64_t moved_at; /* the last time that it went on */
	bool drained;	   /* it has taken all */
	unsigned n_looks;  /* that found it drained, and read */
	struct event timer;
	char how[64];
};

/* tcp.c: reports the end of its output, once. */
void tcp_report_eof(struct tcp *tcp, uint16_t code, const char *reason);

/* tcp.c: the one place where the state changes. An end that is under way is looked at by the timer. */
void tcp_enter(struct tcp *tcp, enum tcp_state state);

/* tcp.c: its channel is open. */
void tcp_opened(struct tcp *tcp);

/* tcp.c: nothing is left of it. */
void tcp_gone(struct tcp *tcp);

/* tcp.c: the same, and the service sees a reset: what it has is not the whole. */
void tcp_reset(struct tcp *tcp);

/* tcp_shake.c: begins TLS with the service that reach has connected, or goes on with the next one. */
void tcp_shake(struct tcp *tcp, int fd);

/* tcp_shake.c: its time is up; it may be given some more. */
void tcp_shake_late(struct tcp *tcp);

/* tcp_clock.c: it has just been opened: has the kernel look after it, but not before that can matter. */
void tcp_guard_later(struct tcp *tcp);

/* tcp_clock.c: when the first byte has to wait, the clock of send_timeout starts. */
void tcp_watch(struct tcp *tcp);

/* tcp_clock.c: the one timer. */
void tcp_on_timer(evutil_socket_t fd, short what, void *arg);

#endif
