/*
 * session: a connection from its accept to its one log line: plain requests, or an upgrade and the bridge to
 * a backend.
 */
#ifndef GATE_SESSION_H
#define GATE_SESSION_H

#include "gate/gate.h"

struct session;

/* Takes an accepted descriptor and its place (limits_take_pending()). When memory is short the descriptor is
 * closed and the place given back. `entrance` must outlive the session. */
void session_open(struct gate *gate, const struct entrance *entrance, int fd, const struct addr *peer);

/* Tells a visitor, for whom there is no descriptor, to come again, in the words of its protocol; the caller
 * closes. On any thread. */
void session_turn_away(struct log *log, const struct entrance *entrance, int fd);

/* The gateway stops: idle connections end now, sessions are told 1001 and end in their own time. */
void session_drain_all(struct gate *gate);

/* Nobody else comes in: idle connections end now, others with their answer, sessions go on. */
void session_drain_plain(struct gate *gate);

/* What is left is cut. */
void session_cut_all(struct gate *gate);

#endif
