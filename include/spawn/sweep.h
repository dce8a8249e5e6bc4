/*
 * sweep: reaches every process of the sessions that programs on terminals lead, whatever groups their jobs
 * are in: the kernel signals processes and groups, and knows no way to signal a session. Spawner only.
 *
 * Looks for them in /proc, for all sessions at once, and among the spawner's children, to which those come
 * whose parents have died, and which /proc may hide from us. Who made a session of its own is no member any
 * more. A session's number stays taken as long as its leader is not reaped, so its members can't be mistaken.
 */
#ifndef SPAWN_SWEEP_H
#define SPAWN_SWEEP_H

#include "spawn/idmap.h"
#include "spawn/strays.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sweep {
	DIR *proc; /* NULL: without it groups other than the leaders' are only found once they are strays */
	int spare; /* a descriptor that can be had when there is no other; -1: none */
	struct strays *strays;
	struct idmap sessions; /* those that are looked for */
	int64_t due_ms;	       /* when to look, on the monotonic clock ... */
	int64_t rest_ms;       /* ... and not before this */
	unsigned wait_ms;      /* until the next look, when this one has found somebody */
	bool found;	       /* by this look: somebody alive, of any session that ends */
};

/* Of one program, inside it. All zero but for node.id, its leader's pid, and on_end. */
struct sweep_session {
	struct idmap_node node;
	struct sweep *sweep; /* as long as it is looked for, else NULL */
	bool ends;
	uint64_t signals; /* for the next look: bit 0 is signal 1 */
	bool found;	  /* somebody alive, by this look */
	unsigned n_quiet; /* looks in a row that have found nobody */
	/* Nobody is left; it is not looked for any more. */
	void (*on_end)(struct sweep_session *session);
};

/* Opens /proc, if it is there. `strays` must stay. */
void sweep_init(struct sweep *sweep, struct strays *strays);

/* Closes it. For tests: the spawner looks until it exits (spawn/service.h), which closes it as well. */
void sweep_done(struct sweep *sweep);

/* Has the next look send a signal to all members that are not in their leader's group. */
void sweep_signal(struct sweep *sweep, struct sweep_session *session, int signo);

/* Has the looks kill all members, whose leader has exited and is not reaped, until two looks in a row have
 * found nobody alive; then calls on_end. */
void sweep_end(struct sweep *sweep, struct sweep_session *session);

/* Milliseconds until a look is due; -1: nobody is sought. */
int sweep_due(const struct sweep *sweep);

/* Looks once for all that are sought, and does what was asked. Members that were just made may be missed;
 * on_end comes from here. */
void sweep_look(struct sweep *sweep);

#endif
