/*
 * process_internal: what the parts of a program's endpoint share with each other and with nobody else.
 */
#ifndef BACKEND_PROCESS_INTERNAL_H
#define BACKEND_PROCESS_INTERNAL_H

#include "backend/channel.h"
#include "backend/errlog.h"
#include "backend/errtag.h"
#include "backend/heirs.h"
#include "backend/ladder.h"
#include "backend/process.h"

#include <event2/event_struct.h>
#include <stdbool.h>

struct process {
	struct endpoint endpoint; /* first: an endpoint is its process */
	struct process_params params;
	struct spawn_child *child;
	pid_t pid;	    /* 0: not started */
	bool on_terminal;   /* its stdin and stdout are one */
	bool deaf;	    /* nothing that its client sends reaches it */
	bool is_unbuffered; /* its stdout alone is a terminal */
	struct channel channel;
	struct errlog errlog;
	struct errtag *errtag; /* NULL: stderr is not for the client */
	struct ladder ladder;
	struct heirs heirs;
	bool stdout_ended, exited, ended;
	bool lost;	   /* exited, as far as one can know */
	bool left;	   /* its client has closed in good order */
	bool cut;	   /* and closing_wait is over: what it has said until then is the last that counts */
	bool told;	   /* on_eof was */
	struct event late; /* the client closed when closing_wait was over already */
	int status;	   /* as of waitpid, once exited */
	bool stopped;	   /* ... of a signal of ours */
	char how[64];	   /* it ended, for the log */
};

/* process_end.c: its stderr is not read any more; the last words are logged. */
void process_close_stderr(struct process *process);

/* process_end.c: lets go of the program, once: what is left of its group is killed. */
void process_release(struct process *process);

/* process_end.c: tells the end and lets go of everything, once. */
void process_report(struct process *process, const struct end *end);

/* process_end.c: does that when there is nothing left to come, for the client at least; after each of its
 * ends. */
void process_check_end(struct process *process);

/* process_end.c: the ladder's signals, the spawner's hooks, the event `late`. */
void process_signal(void *arg, int signo);
void process_on_exited(void *arg, int status, bool stopped);
void process_on_lost(void *arg);
void process_on_late(evutil_socket_t fd, short what, void *arg);

#endif
