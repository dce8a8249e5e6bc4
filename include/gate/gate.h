/*
 * gate: what all sessions of one worker share. Made by run/worker.c.
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include "base/entropy.h"
#include "conf/config.h"
#include "gate/limits.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "spawn/spawn.h"

struct rotation;
struct session;
struct targets;

struct gate {
	struct loop *loop;
	const struct config *config; /* the current snapshot; sessions take a reference of their own */
	uint32_t generation;	     /* of it, as the spawner counts */
	struct resolver *resolver;
	struct spawn_client *spawner; /* NULL when no route has a program */
	struct limits *limits;
	struct rotation *rotation; /* of services; NULL: they are tried in their order */
	struct targets *targets;   /* of routes with targets, of which there need not be any */
	struct tls **tls;	   /* by index in config->listens; NULL: a plain one. NULL when all are */
	struct tls **service_tls;  /* the same of tls:// services, by index in config->routes */
	struct session *sessions;  /* list of those on this worker, upgraded or not */
	size_t n_sessions, n_upgraded;
	/* What holds memory, counted in plain sessions: one that may compress counts for several, and those
	 * that are still buried count too; and the most since free memory was given back to the system. */
	size_t n_held, n_held_max;
	struct entropy entropy;	     /* for ids */
	void (*on_empty)(void *arg); /* while ending: the last session is gone */
	void *arg;
	bool ending;   /* nobody comes in any more */
	bool draining; /* ... and who is here has been told */
};

/* What a session is told about the listener that it came in by. Lives as long as the workers. */
struct entrance {
	char *name;    /* the section's */
	size_t listen; /* index in config->listens */
	bool loopback; /* bound to a loopback address: DNS rebinding is guarded against */
	bool tls;
	struct addr local; /* what it is bound to, for SERVER_NAME and SERVER_PORT */
};

#endif
