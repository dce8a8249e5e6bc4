/*
 * preface: what comes on a connection before TLS or HTTP: the PROXY header of a proxy in front
 * (proxy_protocol), and, where TLS is a choice (tls_optional), the byte that makes it.
 *
 * Reads the header and not a byte more: what is behind it goes to TLS, or to HTTP where there is none.
 */
#ifndef GATE_PREFACE_H
#define GATE_PREFACE_H

#include "gate/client.h"
#include "gate/gate.h"
#include "net/proxyhdr.h"

enum {
	PREFACE_HEADER_MS = 3000, /* for the header, and no more than handshake_timeout */
	PREFACE_DRAIN_MS = 1000	  /* once the gateway stops */
};

struct preface;

enum preface_verdict {
	PREFACE_PASSED, /* it goes on */
	PREFACE_BARRED, /* nobody may connect from there; to be told in HTTP, since it has no TLS */
	PREFACE_FAILED	/* it is closed, and the log says why */
};

/* How it ended. All of it is only there during the call, but for the descriptor. */
struct preface_end {
	enum preface_verdict verdict;
	int fd;	  /* the receiver's from now on; -1 of PREFACE_FAILED */
	bool tls; /* TLS is spoken on it */
	const struct entrance *entrance;
	struct client client;
	const struct proxyhdr *told; /* what the header says of the client; NULL: nothing */
	uint64_t spent_ms;	     /* since the accept */
};

/* Is there anything to be read before TLS or HTTP? */
bool preface_is_due(const struct listen_conf *listen, const struct entrance *entrance);

/*
 * Takes a descriptor that was just accepted (non-blocking), and calls `fn` once, later. The caller frees, in
 * the call or any time before or after it; conf and entrance must outlive it. NULL when memory is short: then
 * the descriptor is still the caller's.
 */
struct preface *preface_new(struct loop *loop, const struct listen_conf *listen,
	const struct entrance *entrance, int fd, const struct addr *peer,
	void (*fn)(void *arg, const struct preface_end *end), void *arg);

/* The gateway stops: what is not over soon fails. */
void preface_drain(struct preface *preface);

/* Closes the descriptor if it was not given away. NULL is allowed. */
void preface_free(struct preface *preface);

#endif
