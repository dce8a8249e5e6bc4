/*
 * launch: whether and what to run of what a worker asks for. Spawner only.
 */
#ifndef SPAWN_LAUNCH_H
#define SPAWN_LAUNCH_H

#include "spawn/plan.h"
#include "spawn/program.h"
#include "spawn/wire.h"

/* Starts what a WIRE_START names, whose id is free, whose kind of program there is, and whose value is not
 * beyond its body; WIRE_STARTED or WIRE_FAILED follows. */
void launch_start(struct programs *programs, const struct plans *plans, const struct wire_received *received);

#endif
