/*
 * wire: the messages between workers and the spawner. Fixed headers in host byte order over a stream socket
 * pair between two processes of one program; lengths are checked on both sides all the same.
 */
#ifndef SPAWN_WIRE_H
#define SPAWN_WIRE_H

#include <stdint.h>

enum wire_kind {
	WIRE_START,   /* worker: id, generation, route; env follows */
	WIRE_SIGNAL,  /* worker: id, value = signal */
	WIRE_RELEASE, /* worker: id */
	WIRE_STARTED, /* spawner: id, value = pid; carries three descriptors */
	WIRE_FAILED,  /* spawner: id, value = errno; the step's name follows */
	WIRE_EXITED,  /* spawner: id, value = wait status */
};

struct wire_header {
	uint32_t len; /* of what follows this header */
	uint32_t kind;
	uint64_t id; /* of the child, chosen by the worker, unique on its socket */
	uint32_t generation, route;
	int32_t value;
	uint32_t reserved;
};

#endif
