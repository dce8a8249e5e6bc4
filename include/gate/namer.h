/*
 * namer: has a program wait for its client's name, for REMOTE_HOST.
 */
#ifndef GATE_NAMER_H
#define GATE_NAMER_H

#include "base/addr.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/resolver.h"

/* For the name; after that REMOTE_HOST stays the address in digits (RFC 3875 4.1.9). */
enum { NAMER_MS = 2000 };

struct namer;

/* What a program is to be started with: its entry (struct spawn_request), its environment, with REMOTE_HOST,
 * and its client's name that stands there, NULL for none. All are only there during the call. */
typedef void (*namer_fn)(void *arg, struct text entry, struct text env, const char *name);

/* Has a peer an address that may have a name? Of a unix socket it has none. */
bool namer_may_name(const struct addr *peer);

/*
 * Looks up what such a peer is called, then calls fn, once and never from within. entry is copied; env is
 * from environ_build(), of malloc, and taken, also when NULL is returned for want of memory.
 */
struct namer *namer_new(struct loop *loop, struct resolver *resolver, const struct addr *peer,
	struct text entry, struct text env, namer_fn fn, void *arg);

/* fn is not called any more. In fn too. NULL is allowed. */
void namer_free(struct namer *namer);

#endif
