/*
 * child: from a process's birth to execve, for the spawner only: it is single-threaded and handles no signal.
 */
#ifndef SPAWN_CHILD_H
#define SPAWN_CHILD_H

#include "spawn/identity.h"
#include "spawn/stdio.h"
#include "spawn/wire.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Bytes of a step's name, with its NUL. */
enum { CHILD_LIMITS = 4, CHILD_STEP = WIRE_STEP_MAX + 1 };

struct child_limit {
	int resource; /* RLIMIT_* */
	struct rlimit limit;
	const char *step; /* its name in errors */
};

/* What all programs of a route have in common; all of it prepared before the fork. */
struct child_world {
	struct child_limit limits[CHILD_LIMITS];
	unsigned n_limits;
	mode_t umask;			 /* (mode_t)-1: the spawner's */
	const char *directory;		 /* NULL: the spawner's */
	const struct identity *identity; /* NULL: the spawner's */
};

/* What runs, and how. */
struct child_plan {
	const char *file; /* an absolute path, never searched for */
	char *const *argv, *const *envp;
	const struct child_world *world;
	const char *directory; /* unless the world has one; NULL: the spawner's */
	bool may_wait; /* its file or directory may take long to be opened: the spawner does not wait. Nor
			  does it for one with an identity */
	struct stdio_plan stdio;
};

/* A child on its way to execve. */
struct child {
	pid_t pid;
	int error_fd; /* non-blocking: end of file when execve succeeded, else see child_read_error(); or -1:
			 how it went is known already */
	int error;    /* then: 0, or -errno with the step that failed; it is about to exit */
	char step[CHILD_STEP];
	int stdio[3]; /* our ends, as in struct stdio */
};

/*
 * Starts one. In the child, in this order: every signal at its default; a session of its own; none
 * blocked; 0, 1 and 2 as the plan says, and nothing else of ours; its terminal, if it has one; limits, umask,
 * directory and identity of the plan; SIGKILL when the spawner dies, which a change of identity would undo;
 * no_new_privs; execve. Returns 0, or -errno with the step that failed.
 */
int child_start(const struct child_plan *plan, struct child *out, const char **step);

/* Asks how it went. Returns 0 when execve succeeded, the child's -errno with the step that failed, or 1 when
 * that is not known yet. */
int child_read_error(int error_fd, char step[CHILD_STEP]);

/* For the spawner before its first child: gives all signals their default dispositions, blocks what must not
 * end it and unblocks all others. */
void child_settle_signals(void);

/* Signals the group of a leader that has not been reaped; nothing when it is not there yet. */
void child_signal_group(pid_t pid, int signo);

/* Kills a leader that has not been reaped and its group, whether it is there yet or not. */
void child_kill(pid_t pid);

/* Has a child that has not been reaped exited? */
bool child_has_exited(pid_t pid);

/* Kills what is left of the group and reaps its leader, which has exited. */
void child_reap(pid_t pid);

#endif
