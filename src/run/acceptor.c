/*
 * acceptor: accepts for all workers.
 *
 * Owns the listeners and the socket files of ours. Runs on the main thread.
 */
#include "run/acceptor.h"

#include "run/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct acceptor {
	struct door door; /* first: a door is its acceptor */
	struct acceptor *next;
	struct acceptors *all;
	unsigned turn; /* whose it is */
	char *path;    /* NULL: systemd keeps the socket */
};

/* A visitor for the next worker. */
static void acceptor_on_visitor(struct door *door, int fd, const struct addr *peer)
{
	struct acceptor *acceptor = (struct acceptor *)door;
	struct acceptors *all = acceptor->all;
	worker_pass(&all->workers[acceptor->turn++ % all->n_workers], door->entrance, fd, peer);
}

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
		.door = {
			.entrance = entrance,
			.limits = acceptors->limits,
			.max_pending = acceptors->max_pending,
			.on_visitor = acceptor_on_visitor,
		},
		.next = acceptors->first,
		.all = acceptors,
		.path = copy,
	};
	int error = door_open(&acceptor->door, acceptors->loop, fd);
	if (error != 0)
		acceptor_free(acceptor);
	else
		acceptors->first = acceptor;
	return error;
}

/* Removes the socket file. The user that we have become may not be allowed to: then it stays, and the next
 * start replaces it. */
static void acceptor_remove_file(const struct acceptor *acceptor)
{
	if (acceptor->path != NULL && unlink(acceptor->path) < 0)
		log_info(acceptor->all->loop->log, "a socket file stays behind",
			LOG_STR("path", acceptor->path), LOG_STR("error", strerror(errno)));
}

/* Ends all in one of two ways. A file goes first, so that nobody connects to what is about to be closed. */
static void acceptor_end_all(struct acceptors *acceptors, bool finish)
{
	while (acceptors->first != NULL) {
		struct acceptor *acceptor = acceptors->first;
		acceptors->first = acceptor->next;
		acceptor_remove_file(acceptor);
		door_close(&acceptor->door, finish && acceptor->path != NULL);
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
