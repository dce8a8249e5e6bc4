/*
 * doors: from `address = ...` to listening sockets.
 *
 * Owns the entrances and the acceptors, which deal connections to the workers in turn. Runs on the main
 * thread.
 */
#include "run/doors.h"

#include "base/must.h"
#include "net/listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DOORS_ADDRS_MAX = 16 }; /* of one name */

struct acceptor {
	struct acceptor *next;
	struct doors *doors;
	const struct entrance *entrance;
	const struct limits *limits;
	struct listener *listener;
	unsigned max_pending, turn;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Is there room for one more connection that is not upgraded? */
static bool doors_has_room(void *arg)
{
	const struct acceptor *acceptor = arg;
	return limits_has_room(acceptor->limits, acceptor->max_pending);
}

/* A visitor for the next worker. */
static void doors_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct acceptor *acceptor = arg;
	struct doors *doors = acceptor->doors;
	worker_pass(&doors->workers[acceptor->turn++ % doors->n_workers], acceptor->entrance, fd, peer);
}

static const struct listener_hooks doors_listener_hooks = {
	.has_room = doors_has_room,
	.on_accept = doors_on_accept,
};

/* Adds an address to the words of the start line. */
static void doors_say(struct doors *doors, const struct addr *addr)
{
	char word[ADDR_TEXT], *all = NULL;
	const char *before = doors->addresses;

	addr_format(addr, word);
	if (asprintf(&all, "%s%s%s", before == NULL ? "" : before, before == NULL ? "" : " ", word) < 0)
		return;
	free(doors->addresses);
	doors->addresses = all;
}

/* What a visitor of this socket is told. There is room for all: doors_open() made it. */
static struct entrance *doors_entrance(
	struct doors *doors, const struct config *config, size_t listen, int fd)
{
	must(doors->n_entrances < doors->room);
	struct entrance *entrance = &doors->entrances[doors->n_entrances++];
	*entrance = (struct entrance){
		.name = strdup(config->listens[listen].name),
		.listen = listen,
		.local.len = sizeof(entrance->local.u),
	};
	if (getsockname(fd, &entrance->local.u.sa, &entrance->local.len) != 0)
		entrance->local.len = 0;
	entrance->loopback = addr_is_loopback(&entrance->local);
	doors_say(doors, &entrance->local);
	return entrance->name == NULL ? NULL : entrance;
}

/* One door for the first worker for each descriptor. Takes them all. */
static int doors_give_first(
	struct doors *doors, const struct config *config, size_t listen, const int *fds, size_t n)
{
	int error = 0;
	for (size_t i = 0; i < n; i++) {
		const struct entrance *entrance =
			error == 0 ? doors_entrance(doors, config, listen, fds[i]) : NULL;
		if (entrance == NULL)
			close(fds[i]);
		if (error == 0)
			error = entrance == NULL ? -ENOMEM
						 : worker_add_door(&doors->workers[0], entrance, fds[i]);
	}
	return error;
}

/* The same addresses for another worker: SO_REUSEPORT deals the connections. */
static int doors_give_next(
	struct doors *doors, struct worker *worker, const struct addr_name *name, size_t first, int backlog)
{
	int fds[DOORS_ADDRS_MAX];
	size_t n;
	int error = listener_bind_tcp(
		name, addr_port(&doors->entrances[first].local), true, backlog, fds, DOORS_ADDRS_MAX, &n);
	if (error != 0)
		return error;
	for (size_t i = 0; i < n; i++) {
		if (first + i >= doors->n_entrances) {
			close(fds[i]);
			continue;
		}
		int added = worker_add_door(worker, &doors->entrances[first + i], fds[i]);
		error = error == 0 ? added : error;
	}
	return error;
}

/* Shows that the address is free: with SO_REUSEPORT alone a second gateway would share it silently. */
static int doors_probe(const struct addr_name *name, int backlog)
{
	int fds[DOORS_ADDRS_MAX];
	size_t n;
	int error =
		name->port == 0 ? 0 : listener_bind_tcp(name, 0, false, backlog, fds, DOORS_ADDRS_MAX, &n);
	while (error == 0 && name->port != 0 && n > 0)
		close(fds[--n]);
	return error;
}

/* A TCP address, for every worker. */
static int doors_open_tcp(
	struct doors *doors, const struct config *config, size_t listen, const struct addr_name *name)
{
	int fds[DOORS_ADDRS_MAX];
	size_t n, first = doors->n_entrances;
	int backlog = (int)config->listens[listen].backlog;

	int error = doors_probe(name, backlog);
	if (error == 0)
		error = listener_bind_tcp(name, 0, doors->n_workers > 1, backlog, fds, DOORS_ADDRS_MAX, &n);
	if (error == 0)
		error = doors_give_first(doors, config, listen, fds, n);
	for (unsigned i = 1; error == 0 && i < doors->n_workers; i++)
		error = doors_give_next(doors, &doors->workers[i], name, first, backlog);
	return error;
}

/* A unix socket, for the acceptor. */
static int doors_open_unix(struct doors *doors, struct loop *loop, const struct config *config,
	const struct limits *limits, size_t listen, const struct addr_name *name)
{
	const struct listen_conf *conf = &config->listens[listen];
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
	if (acceptor == NULL)
		return -ENOMEM;
	int fd = listener_bind_unix(name->path, conf->mode, conf->uid, conf->gid, (int)conf->backlog);
	if (fd < 0) {
		free(acceptor);
		return fd;
	}
	*acceptor = (struct acceptor){ .next = doors->acceptors,
		.doors = doors,
		.limits = limits,
		.max_pending = config->gateway.max_pending };
	memcpy(acceptor->path, name->path, sizeof(acceptor->path));
	doors->acceptors = acceptor;
	acceptor->entrance = doors_entrance(doors, config, listen, fd);
	int error = listener_new(&acceptor->listener, loop, fd, &doors_listener_hooks, acceptor);
	return acceptor->entrance == NULL ? -ENOMEM : error;
}

/* One `address`. */
static int doors_open_one(struct doors *doors, struct loop *loop, const struct config *config,
	const struct limits *limits, size_t listen, const char *address)
{
	struct addr_name name;
	must(addr_parse(&name, address) == 0); /* conf has checked it */
	int error = name.kind == ADDR_UNIX ? doors_open_unix(doors, loop, config, limits, listen, &name)
					   : doors_open_tcp(doors, config, listen, &name);
	if (error != 0)
		log_error(loop->log, "cannot listen", LOG_STR("address", address),
			LOG_STR("error", strerror(-error)));
	return error;
}

/* Room for as many entrances as there may be, so that they do not move. */
static int doors_make_room(struct doors *doors, const struct config *config)
{
	for (size_t i = 0; i < config->n_listens; i++)
		doors->room += config->listens[i].address.n * DOORS_ADDRS_MAX;
	doors->entrances = calloc(doors->room, sizeof(*doors->entrances));
	return doors->entrances == NULL ? -ENOMEM : 0;
}

/* Binds all of them. */
int doors_open(struct doors *doors, struct loop *loop, const struct config *config,
	const struct limits *limits, struct worker *workers, unsigned n_workers)
{
	*doors = (struct doors){ .workers = workers, .n_workers = n_workers };
	int error = doors_make_room(doors, config);
	for (size_t i = 0; i < config->n_listens; i++)
		for (size_t k = 0; error == 0 && k < config->listens[i].address.n; k++)
			error = doors_open_one(
				doors, loop, config, limits, i, config->listens[i].address.items[k]);
	return error;
}

/* Nobody comes in by a unix socket any more. */
void doors_close(struct doors *doors)
{
	while (doors->acceptors != NULL) {
		struct acceptor *acceptor = doors->acceptors;
		doors->acceptors = acceptor->next;
		unlink(acceptor->path);
		listener_free(acceptor->listener);
		free(acceptor);
	}
}

/* Frees what the sessions may have looked at until now. */
void doors_done(struct doors *doors)
{
	doors_close(doors);
	for (size_t i = 0; i < doors->n_entrances; i++)
		free(doors->entrances[i].name);
	free(doors->entrances);
	free(doors->addresses);
}
