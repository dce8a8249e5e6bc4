/*
 * guard: terminals, and other programs, that whoever reaches an address could use. What is bound to a
 * loopback address or a unix socket is for this host alone, and a listener that requires certificates of its
 * clients asks who they are; nothing else does.
 */
#ifndef RUN_GUARD_H
#define RUN_GUARD_H

#include "base/log.h"
#include "conf/config.h"
#include "gate/gate.h"

/*
 * Looks at the addresses as they are written, for --check. Prints on `out` a line for each terminal and each
 * listener that has it open to a network, and one for each that pages of every origin may use, wherever it
 * is, but for listeners that require certificates; unless its route says auth = none. Names of hosts are
 * looked up; one that nobody knows now, and what systemd passes, can't be told and is no mistake. Returns 0
 * or -EPERM.
 */
int guard_try(const struct config *config, FILE *out);

/* The same, logged, of what the listeners are bound to, at start, before anybody is let in. */
int guard_check(
	struct log *log, const struct config *config, const struct entrance *entrances, size_t n_entrances);

/*
 * Warns, in a line at most, of programs that a network may start, unless their routes say auth = none; but
 * not under another program's name, where it has always been so.
 */
void guard_warn(
	struct log *log, const struct config *config, const struct entrance *entrances, size_t n_entrances);

#endif
