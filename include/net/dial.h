/*
 * dial: connects to a configured place: resolve, then try every address, in the manner of RFC 8305: families
 * interleaved, the next one begun after 250 ms or a failure, the first that connects wins.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/addr.h"
#include "net/loop.h"
#include "net/resolver.h"

#include <errno.h>

enum {
	DIAL_STAGGER_MS = 250,
	DIAL_RETRY_MS = 5 /* a unix socket whose backlog is full; twice that the next time, up to the above */
};

/* The errno of a name that has no address, or whose address can't be asked for: no connect() gives it. */
#define DIAL_UNKNOWN_NAME ENODATA

struct dial;

/*
 * Called once, later, never from within dial_start(): a connected descriptor (non-blocking, close-on-exec,
 * TCP_NODELAY) that is now the receiver's, or fd -1 with an errno (ETIMEDOUT when the deadline passed) and
 * the reason in words.
 */
typedef void (*dial_fn)(void *arg, int fd, int error, const char *reason);

/* NULL when memory is short. After fn or dial_cancel() it is gone. */
struct dial *dial_start(struct loop *loop, struct resolver *resolver, const struct addr_name *name,
	unsigned timeout_ms, dial_fn fn, void *arg);
void dial_cancel(struct dial *dial);

#endif
