/*
 * acceptor: accepts for all workers.
 *
 * Owns the listeners and the socket files of ours. Runs on the main thread.
 */
#include "run/acceptor.h"

#include "gate/session.h"
#include "net/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct acceptor {
	struct acceptor *next;
	struct acceptors *all;
	const struct entrance *entrance;
	struct listener *listener;
	unsigned turn; /* whose it is */
	char *path;    /* NULL: systemd keeps the socket */
};

/* Is there room for one more connection that is not upgraded? */
static bool acceptor_has_room(void *arg)
{
	const struct acceptor *acceptor = arg;
	return limits_has_room(acceptor->all->limits, acceptor->all->max_pending);
}

/* A visitor for the next worker. */
static void acceptor_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct acceptor *acceptor = arg;
	struct acceptors *all = acceptor->all;
	worker_pass(&all->workers[acceptor->turn++ % all->n_workers], acceptor->entrance, fd, peer);
}

/* A visitor too many. */
static void acceptor_on_shed(void *arg, int fd)
{
	const struct acceptor *acceptor = arg;
	session_turn_away(acceptor->all->loop->log, acceptor->entrance, fd);
}

static const struct listener_hooks acceptor_listener_hooks = {
	.has_room = acceptor_has_room,
	.on_accept = acceptor_on_accept,
	.on_shed = acceptor_on_shed,
};

/* Frees what is around the listener. */
static void acceptor_free(struct acceptor *acceptor)
{
	free(acceptor->path);
	free(acceptor);
}

/* Begins to accept. */
int acceptor_add(struct acceptors *acceptors, const struct entrance *entrance, int fd, const char *path)
{
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
	char *copy = path == NULL ? NULL : strdup(path);

	if (acceptor == NULL || (path != NULL && copy == NULL)) {
		free(acceptor);
		free(copy);
		close(fd);
		return -ENOMEM;
	}
	*acceptor = (struct acceptor){
		.next = acceptors->first, .all = acceptors, .entrance = entrance, .path = copy
	};
	int error =
		listener_new(&acceptor->listener, acceptors->loop, fd, &acceptor_listener_hooks, acceptor);
	if (error != 0)
		acceptor_free(acceptor);
	else
		acceptors->first = acceptor;
	return error;
}

/* Ends all in one of two ways. A file goes first, so that nobody connects to what is about to be closed. */
static void acceptor_end_all(struct acceptors *acceptors, bool finish)
{
	while (acceptors->first != NULL) {
		struct acceptor *acceptor = acceptors->first;
		acceptors->first = acceptor->next;
		if (acceptor->path != NULL)
			unlink(acceptor->path);
		if (finish && acceptor->path != NULL)
			listener_finish(acceptor->listener);
		else
			listener_free(acceptor->listener);
		acceptor_free(acceptor);
	}
}

/* Lets those in who are connected. */
void acceptor_finish_all(struct acceptors *acceptors)
{
	acceptor_end_all(acceptors, true);
}

/* Closes. */
void acceptor_close_all(struct acceptors *acceptors)
{
	acceptor_end_all(acceptors, false);
}
