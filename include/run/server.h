/*
 * server: the gateway from start to exit: spawner, sockets, workers, signals.
 */
#ifndef RUN_SERVER_H
#define RUN_SERVER_H

#include "conf/config.h"

/*
 * Runs until SIGTERM or SIGINT. The caller is single-threaded and keeps its reference to the configuration.
 * Returns the exit status: 0, or 1 for what failed at start or a spawner that died; it has been logged.
 */
int server_run(const struct config *config);

#endif
