/*
 * doors: from `address = ...` to listening sockets.
 *
 * Owns the entrances and the acceptors, which deal connections to the workers in turn. Runs on the main
 * thread.
 */
#include "run/doors.h"

#include "base/must.h"
#include "net/bind.h"
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
	struct listener *listener;
	unsigned turn;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Is there room for one more connection that is not upgraded? */
static bool doors_has_room(void *arg)
{
	const struct doors *doors = ((const struct acceptor *)arg)->doors;
	return limits_has_room(doors->limits, doors->config->gateway.max_pending);
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

/* What a visitor of a socket that is bound there is told. There is room for all: doors_open() made it. */
static struct entrance *doors_entrance(struct doors *doors, size_t listen, const struct addr *at)
{
	must(doors->n_entrances < doors->room);
	struct entrance *entrance = &doors->entrances[doors->n_entrances++];
	*entrance = (struct entrance){
		.name = strdup(doors->config->listens[listen].name),
		.listen = listen,
		.loopback = addr_is_loopback(at),
		.tls = doors->config->listens[listen].tls_certificate.n > 0,
		.local = *at,
	};
	doors_say(doors, at);
	return entrance->name == NULL ? NULL : entrance;
}

/* One address, a socket for each worker: SO_REUSEPORT deals the connections. */
static int doors_open_addr(struct doors *doors, size_t listen, const struct addr *at)
{
	int backlog = (int)doors->config->listens[listen].backlog, error = 0;
	const struct entrance *entrance = doors_entrance(doors, listen, at);

	if (entrance == NULL)
		return -ENOMEM;
	for (unsigned i = 0; error == 0 && i < doors->n_workers; i++) {
		int fd = bind_addr(at, doors->n_workers > 1, backlog);
		error = fd < 0 ? fd : worker_add_door(&doors->workers[i], entrance, fd);
	}
	return error;
}

/* A TCP address, or all those of a host name. */
static int doors_open_tcp(struct doors *doors, size_t listen, const struct addr_name *name)
{
	struct addr found[DOORS_ADDRS_MAX];
	size_t n;
	int error = bind_find(name, found, DOORS_ADDRS_MAX, &n);

	for (size_t i = 0; error == 0 && i < n; i++)
		error = doors_open_addr(doors, listen, &found[i]);
	return error;
}

/* A unix socket, for the acceptor. */
static int doors_open_unix(
	struct doors *doors, struct loop *loop, size_t listen, const struct addr_name *name)
{
	const struct listen_conf *conf = &doors->config->listens[listen];
	struct addr at = { .len = sizeof(at.u) };
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
	if (acceptor == NULL)
		return -ENOMEM;
	int fd = bind_unix(name->path, conf->mode, conf->uid, conf->gid, (int)conf->backlog);
	if (fd < 0) {
		free(acceptor);
		return fd;
	}
	must(getsockname(fd, &at.u.sa, &at.len) == 0);
	*acceptor = (struct acceptor){
		.next = doors->acceptors, .doors = doors, .entrance = doors_entrance(doors, listen, &at)
	};
	memcpy(acceptor->path, name->path, sizeof(acceptor->path));
	doors->acceptors = acceptor;
	int error = listener_new(&acceptor->listener, loop, fd, &doors_listener_hooks, acceptor);
	return acceptor->entrance == NULL ? -ENOMEM : error;
}

/* One `address`. */
static int doors_open_one(struct doors *doors, struct loop *loop, size_t listen, const char *address)
{
	struct addr_name name;
	must(addr_parse(&name, address) == 0); /* conf has checked it */
	int error = name.kind == ADDR_UNIX ? doors_open_unix(doors, loop, listen, &name)
					   : doors_open_tcp(doors, listen, &name);
	if (error != 0)
		log_error(loop->log, "cannot listen", LOG_STR("address", address),
			LOG_STR("error", bind_error(&name, error)));
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
	*doors = (struct doors){
		.config = config, .limits = limits, .workers = workers, .n_workers = n_workers
	};
	int error = doors_make_room(doors, config);
	for (size_t i = 0; i < config->n_listens; i++)
		for (size_t k = 0; error == 0 && k < config->listens[i].address.n; k++)
			error = doors_open_one(doors, loop, i, config->listens[i].address.items[k]);
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
