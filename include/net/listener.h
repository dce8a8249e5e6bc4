/*
 * listener: sockets that wait for visitors.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/addr.h"
#include "net/loop.h"

struct listener_hooks {
	/* A place for another connection, before it is accepted. When there is none, the rest waits in the
	 * kernel and this is asked again in a while. */
	bool (*take_place)(void *arg);
	/* There was nobody for the place. */
	void (*give_place)(void *arg);
	/* A connection: a non-blocking, close-on-exec descriptor that is now the receiver's, and the place
	 * with it. */
	void (*on_accept)(void *arg, int fd, const struct addr *peer);
	/* One for whom there is no descriptor: may be told so, in one write; it is closed after. */
	void (*on_shed)(void *arg, int fd);
};

struct listener;

/* Accepts on a listening descriptor, which it takes. Returns 0, or -errno with *out NULL and fd closed. */
int listener_new(
	struct listener **out, struct loop *loop, int fd, const struct listener_hooks *hooks, void *arg);
/* Accepts who is connected already, as far as there is room, and frees it. NULL is allowed. */
void listener_finish(struct listener *listener);
void listener_free(struct listener *listener); /* NULL is allowed; not from within its own hooks */

#endif
