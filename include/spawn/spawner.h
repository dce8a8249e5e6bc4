/*
 * spawner: the helper process that owns every program.
 *
 * Forked after the configuration was read and before threads and sockets: single-threaded and small. It
 * parses no network bytes; a worker names generation, route and the entry of a directory, and can never make
 * it run something else. End of file on its sockets means that the gateway is gone: it kills every group,
 * then whatever left its group, and exits. End of file on one of them means that one worker is gone: it kills
 * that worker's programs.
 */
#ifndef SPAWN_SPAWNER_H
#define SPAWN_SPAWNER_H

#include "conf/config.h"
#include "spawn/wire.h"

#include <sys/resource.h>
#include <sys/types.h>

/* Bytes of a step's name, with its NUL. */
enum { SPAWNER_STEP = WIRE_STEP_MAX + 1 };

/*
 * Forks the spawner with n_clients (at least one) socket pairs and waits until it has become the user of
 * [gateway], for good, or stays root where a route has run_as (spawn/privileges.h). Stores the workers' ends
 * in fds (non-blocking, close-on-exec). `files` is the RLIMIT_NOFILE that the gateway was given, which
 * programs get back. 0, 1 and 2 must be open, and the process single-threaded. The spawner ends by itself
 * when all fds are closed. Returns its pid, or -errno with the step that failed, and then there is none. The
 * caller reaps it.
 */
pid_t spawner_fork(const struct config *config, const struct rlimit *files, int *fds, unsigned n_clients,
	char step[SPAWNER_STEP]);

#endif
