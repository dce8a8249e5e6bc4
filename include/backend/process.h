/*
 * process: a program's stdin and stdout as an endpoint, on pipes or on a terminal; its stderr goes to the
 * log, or as messages with a tag to the client as well, unless the spawner gives it none of its own.
 */
#ifndef BACKEND_PROCESS_H
#define BACKEND_PROCESS_H

#include "backend/framing.h"
#include "conf/config.h"
#include "net/endpoint.h"
#include "spawn/spawn.h"

/* on_failed of the endpoint: the file is there, but not the interpreter of its first line. An errno that no
 * start of a program has. */
#define PROCESS_NO_INTERPRETER ELIBACC

/* What to start. The strings and the route must outlive the endpoint, entry and env only the call of start.
 */
struct process_params {
	struct spawn_client *spawner;
	const struct route_conf *route;
	uint32_t generation, route_index;
	enum spawn_kind kind;
	uint16_t columns, rows; /* of its terminal, if it has one; 0: the usual ones */
	struct framing_rules rules;
	const char *program; /* the file, for the log */
	struct text entry;   /* as in struct spawn_request, as is env */
	struct text env;
	const char *session; /* its id, for the log */
	/* It has been released: runs no more, or never did; before whoever hears of its end could know. Once,
	 * if start returned 0. */
	void (*on_released)(void *arg);
	void *arg;
	/* It has exited, and its output has not ended yet; once at most, with the arg of the endpoint's
	 * hooks. NULL: nobody asks. */
	void (*on_exited)(void *arg);
};

/* A program that is not yet started. NULL when memory is short. */
struct endpoint *process_new(struct loop *loop, const struct process_params *params,
	const struct endpoint_hooks *hooks, void *arg);

/* Its terminal, if it has one, is so large from now on: the program is told by SIGWINCH. Once it is ready. */
void process_resize(struct endpoint *endpoint, uint16_t columns, uint16_t rows);

/* Its stdin closes once it has taken what is queued, and what is sent from now on is dropped; it may go on
 * and its output counts for as long as it likes. Once it is ready; of a program on pipes. */
void process_end_input(struct endpoint *endpoint);

#endif
