/*
 * process: a program's stdin and stdout as an endpoint; its stderr goes to the log, or as messages with a tag
 * to the client as well, unless the spawner gives it none of its own.
 */
#ifndef BACKEND_PROCESS_H
#define BACKEND_PROCESS_H

#include "backend/framing.h"
#include "conf/config.h"
#include "net/endpoint.h"
#include "spawn/spawn.h"

/* What to start. The strings and the route must outlive the endpoint, entry and env only the call of start.
 */
struct process_params {
	struct spawn_client *spawner;
	const struct route_conf *route;
	uint32_t generation, route_index;
	struct framing_rules rules;
	const char *program; /* the file, for the log */
	struct text entry;   /* as in struct spawn_request, as is env */
	struct text env;
	const char *session; /* its id, for the log */
	/* It has been released: runs no more, or never did; before whoever hears of its end could know. Once,
	 * if start returned 0. */
	void (*on_released)(void *arg);
	void *arg;
};

/* A program that is not yet started. NULL when memory is short. */
struct endpoint *process_new(struct loop *loop, const struct process_params *params,
	const struct endpoint_hooks *hooks, void *arg);

#endif
