/*
 * announce: says where the gateway listens.
 */
#ifndef RUN_ANNOUNCE_H
#define RUN_ANNOUNCE_H

#include "run/doors.h"

/* One line with all addresses, whatever the log's level: with port 0 there is no other way to learn the port.
 * Under the name websocketd those lines that it begins with: what it serves and where. */
void announce(struct log *log, const struct config *config, const struct doors *doors, unsigned n_workers);

#endif
