/*
 * program: the programs that the spawner runs for one worker, from the fork to the reaping. Spawner only.
 */
#ifndef SPAWN_PROGRAM_H
#define SPAWN_PROGRAM_H

#include "spawn/child.h"
#include "spawn/idmap.h"
#include "spawn/poller.h"
#include "spawn/sweep.h"
#include "spawn/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct programs {
	struct poller *poller;
	struct idmap map;
	struct idmap *leaders; /* this and other workers' programs by their pids */
	struct sweep *sweep;   /* for those on terminals */
	size_t n_unwatched;    /* for program_reap_unwatched() */
	/* Sends WIRE_STARTED (with descriptors as for wire_message_new()), WIRE_FAILED, WIRE_EXITED or
	 * WIRE_STOPPED. Must not call back into this module. */
	void (*answer)(void *arg, const struct wire_header *header, const char *step, const int *fds);
	void *arg;
};

/* Starts a program under an id that is free. WIRE_STARTED or WIRE_FAILED follows. */
void program_start(struct programs *programs, uint64_t id, const struct child_plan *plan);

/* Answers WIRE_FAILED for a start that was not even tried. */
void program_refuse(struct programs *programs, uint64_t id, const char *step, int error);

bool program_exists(const struct programs *programs, uint64_t id);

/* Signals the group of a running program, or, on a terminal, every process of its session, and then HUP and
 * TERM are followed by CONT. Nothing when there is none. */
void program_signal(struct programs *programs, uint64_t id, int signo);

/* Kills the program and its group, or its session; it is forgotten once it was reaped. Nothing when there is
 * none. */
void program_release(struct programs *programs, uint64_t id);
void program_release_all(struct programs *programs);

/* Reaps those that have exited of those that could not be waited for: they were killed when that was found.
 * To be called when a child has ended. */
void program_reap_unwatched(struct programs *programs);

#endif
