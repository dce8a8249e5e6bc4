/*
 * doors: from `address = ...` to listening sockets.
 *
 * Owns the entrances. Runs on the main thread.
 */
#include "run/doors.h"

#include "base/must.h"
#include "net/bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DOORS_ADDRS_MAX = 16 }; /* of one name */

/* Adds an address to the words of the start line, and what it is called by systemd. */
static void doors_say(struct doors *doors, const struct addr *addr, const char *fdname)
{
	char word[ADDR_TEXT], *all = NULL;
	const char *before = doors->addresses;

	addr_format(addr, word);
	if (asprintf(&all, "%s%s%s%s%s%s", before == NULL ? "" : before, before == NULL ? "" : " ", word,
		    fdname == NULL ? "" : " (systemd:", fdname == NULL ? "" : fdname,
		    fdname == NULL ? "" : ")") < 0)
		return;
	free(doors->addresses);
	doors->addresses = all;
}

/* What a visitor of a socket that is bound there is told. There is room for all: doors_open() made it. */
static struct entrance *doors_entrance(
	struct doors *doors, size_t listen, const struct addr *at, const char *fdname)
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
	doors_say(doors, at, fdname);
	return entrance->name == NULL ? NULL : entrance;
}

/* One address, a socket for each worker: SO_REUSEPORT deals the connections. Takes the first one. */
static int doors_open_addr(struct doors *doors, size_t listen, const struct bound *bound)
{
	int backlog = (int)doors->config->listens[listen].backlog;
	unsigned n_workers = doors->acceptors.n_workers;
	const struct entrance *entrance = doors_entrance(doors, listen, &bound->at, NULL);
	int error = entrance == NULL ? -ENOMEM : n_workers > 1 ? bind_share(bound->fd) : 0;

	if (error != 0) {
		close(bound->fd);
		return error;
	}
	for (unsigned i = 0; error == 0 && i < n_workers; i++) {
		int fd = i == 0 ? bound->fd : bind_addr(&bound->at, true, backlog);
		error = fd < 0 ? fd : worker_add_door(&doors->acceptors.workers[i], entrance, fd);
	}
	return error;
}

/* A TCP address, or all those of a host name; *why says in words that it has none. */
static int doors_open_tcp(struct doors *doors, size_t listen, const struct addr_name *name, const char **why)
{
	struct bound bound[DOORS_ADDRS_MAX];
	size_t n, i = 0;
	int error =
		bind_name(name, (int)doors->config->listens[listen].backlog, bound, DOORS_ADDRS_MAX, &n, why);

	while (error == 0 && i < n)
		error = doors_open_addr(doors, listen, &bound[i++]);
	while (i < n)
		close(bound[i++].fd);
	return error;
}

/* Accepts on a socket for all workers; takes the descriptor. */
static int doors_accept(struct doors *doors, const struct entrance *entrance, int fd, const char *path)
{
	if (entrance != NULL)
		return acceptor_add(&doors->acceptors, entrance, fd, path);
	close(fd);
	return -ENOMEM;
}

/* A unix socket, for an acceptor. */
static int doors_open_unix(struct doors *doors, size_t listen, const struct addr_name *name)
{
	const struct listen_conf *conf = &doors->config->listens[listen];
	struct addr at = { .len = sizeof(at.u) };
	int fd = bind_unix(name->path, conf->mode, conf->uid, conf->gid, (int)conf->backlog);

	if (fd < 0)
		return fd;
	must(getsockname(fd, &at.u.sa, &at.len) == 0);
	int error = doors_accept(doors, doors_entrance(doors, listen, &at, NULL), fd, name->path);
	if (error != 0)
		unlink(name->path);
	return error;
}

/* All sockets that systemd passed under one name; *why says in words what is wrong with one. */
static int doors_open_systemd(
	struct doors *doors, size_t listen, const struct addr_name *name, const char **why)
{
	size_t at = 0, n = 0;
	int fd, error = 0;

	for (; error == 0 && (fd = inherited_take(doors->inherited, name->host, &at)) >= 0; n++) {
		struct addr bound;
		*why = bind_adopt(fd, &bound);
		if (*why != NULL) {
			close(fd);
			return -EINVAL;
		}
		error = doors_accept(doors, doors_entrance(doors, listen, &bound, name->host), fd, NULL);
	}
	if (n > 0)
		return error;
	if (doors->inherited->n > 0)
		*why = "systemd passed no socket of this name";
	else
		*why = "no sockets were passed (LISTEN_FDS): the .socket unit of systemd's has to be started "
		       "first";
	return -ENOENT;
}

/* One `address`. */
static int doors_open_one(struct doors *doors, size_t listen, const char *address)
{
	struct addr_name name;
	const char *why = NULL;
	int error = 0;
	must(addr_parse(&name, address) == 0); /* conf has checked it */

	switch (name.kind) {
	case ADDR_TCP:
		error = doors_open_tcp(doors, listen, &name, &why);
		break;
	case ADDR_UNIX:
		error = doors_open_unix(doors, listen, &name);
		break;
	case ADDR_SYSTEMD:
		error = doors_open_systemd(doors, listen, &name, &why);
		break;
	}
	if (error != 0) {
		char *passed = error == -ENOENT && why != NULL ? inherited_names(doors->inherited) : NULL;
		log_error(doors->log, "cannot listen", LOG_STR("address", address),
			LOG_STR("error", why != NULL ? why : bind_error(&name, error)),
			LOG_STR("passed", passed));
		free(passed);
	}
	return error;
}

/* Room for as many entrances as there may be, so that they do not move. */
static int doors_make_room(struct doors *doors)
{
	doors->room = doors->inherited->n;
	for (size_t i = 0; i < doors->config->n_listens; i++)
		doors->room += doors->config->listens[i].address.n * DOORS_ADDRS_MAX;
	doors->entrances = calloc(doors->room, sizeof(*doors->entrances));
	return doors->entrances == NULL ? -ENOMEM : 0;
}

/* Opens all of them. */
int doors_open(struct doors *doors, const struct config *config, const struct acceptors *acceptors,
	struct inherited *inherited)
{
	*doors = (struct doors){
		.config = config, .log = acceptors->loop->log, .inherited = inherited, .acceptors = *acceptors
	};
	int error = doors_make_room(doors);
	for (size_t i = 0; i < config->n_listens; i++)
		for (size_t k = 0; error == 0 && k < config->listens[i].address.n; k++)
			error = doors_open_one(doors, i, config->listens[i].address.items[k]);
	if (error == 0)
		inherited_drop(inherited, doors->log);
	return error;
}

/* Nobody comes in by an acceptor any more. */
void doors_close(struct doors *doors, bool finish)
{
	if (finish)
		acceptor_finish_all(&doors->acceptors);
	else
		acceptor_close_all(&doors->acceptors);
}

/* Frees what the sessions may have looked at until now. */
void doors_done(struct doors *doors)
{
	doors_close(doors, false);
	for (size_t i = 0; i < doors->n_entrances; i++)
		free(doors->entrances[i].name);
	free(doors->entrances);
	free(doors->addresses);
}
