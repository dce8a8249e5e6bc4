/*
 * program: the life of each program that the spawner runs.
 *
 * Owns the child process and the gateway's ends of its pipes until they are sent. A program that may take
 * long to begin is STARTING until its error pipe ends; then, or at once, it is RUNNING until its pidfd says
 * that it exited, EXITED until its worker releases it. Only then it is reaped: as long as its pid is taken,
 * signals to its group can't hit anybody else. Each state waits for one descriptor at most. A program whose
 * descriptor can't be waited for is killed and UNWATCHED: it may take its time to end, and nobody waits for
 * it here. Runs in the spawner.
 */
#include "spawn/program.h"

#include "base/must.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum program_state { PROGRAM_STARTING, PROGRAM_RUNNING, PROGRAM_EXITED, PROGRAM_UNWATCHED };

struct program {
	struct idmap_node node;	  /* by the worker's number */
	struct idmap_node leader; /* by the pid */
	struct programs *programs;
	enum program_state state;
	struct watch watch; /* STARTING: the error pipe; RUNNING: the pidfd; else none */
	struct child child;
	bool has_terminal; /* then `session` is all that it leads */
	struct sweep_session session;
	uint64_t sent; /* the signals that it was sent while it lived, a bit each */
	bool released; /* killed; nothing more is said of it; reaped as soon as it has exited */
};

/* Looks a program up. */
static struct program *program_find(const struct programs *programs, uint64_t id)
{
	return (struct program *)idmap_find(&programs->map, id);
}

/* Is the id in use? */
bool program_exists(const struct programs *programs, uint64_t id)
{
	return program_find(programs, id) != NULL;
}

/* Says that a program can't be started. */
void program_refuse(struct programs *programs, uint64_t id, const char *step, int error)
{
	struct wire_header header = { .kind = WIRE_FAILED, .id = id, .value = error };
	header.len = (uint32_t)strlen(step);
	programs->answer(programs->arg, &header, step, NULL);
}

/* Closes our ends of the pipes, if they have not been sent. */
static void program_close_stdio(struct program *program)
{
	for (int i = 0; i < WIRE_FDS; i++) {
		if (program->child.stdio[i] >= 0)
			close(program->child.stdio[i]);
		program->child.stdio[i] = -1;
	}
}

/* Closes what the program's state waits for. */
static void program_unwatch(struct program *program)
{
	int fd = program->watch.fd;
	poller_remove(program->programs->poller, &program->watch);
	close(fd);
}

/* Signals all that the program is: its group, or its session. */
static void program_reach(struct program *program, int signo)
{
	child_signal_group(program->child.pid, signo);
	if (program->has_terminal)
		sweep_signal(program->programs->sweep, &program->session, signo);
}

/* Reaps a program that has exited, and forgets it. */
static void program_reap(struct program *program)
{
	child_reap(program->child.pid);
	idmap_remove(&program->programs->map, &program->node);
	idmap_remove(program->programs->leaders, &program->leader);
	free(program);
}

/* Nobody is left of its session. */
static void program_on_session_end(struct sweep_session *session)
{
	program_reap((struct program *)((char *)session - offsetof(struct program, session)));
}

/* Ends what is left of a program that has exited, and then reaps it. */
static void program_bury(struct program *program)
{
	if (program->has_terminal)
		sweep_end(program->programs->sweep, &program->session);
	else
		program_reap(program);
}

/* Kills a program that nobody wants any more, and reaps it, now or when it has exited. */
static void program_drop(struct program *program)
{
	program->released = true;
	program_close_stdio(program);
	if (program->state == PROGRAM_EXITED) {
		program_bury(program);
		return;
	}
	child_kill(program->child.pid);
	if (program->has_terminal)
		sweep_signal(program->programs->sweep, &program->session, SIGKILL);
}

/* Kills a program that can't be waited for. */
static void program_give_up(struct program *program)
{
	program->state = PROGRAM_UNWATCHED;
	program->programs->n_unwatched++;
	program_drop(program);
}

/* Reaps a program that was given up, if it has exited. */
static void program_reap_node(struct idmap_node *node)
{
	struct program *program = (struct program *)node;
	if (program->state != PROGRAM_UNWATCHED || !child_has_exited(program->child.pid))
		return;
	program->programs->n_unwatched--;
	program->state = PROGRAM_EXITED;
	program_bury(program);
}

/* Looks at all, when there are any. */
void program_reap_unwatched(struct programs *programs)
{
	if (programs->n_unwatched > 0)
		idmap_each(&programs->map, program_reap_node);
}

/* A signal's place among those that were sent. */
static uint64_t program_bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

/* Tells a program's exit to its worker; it is not reaped yet. */
static void program_on_exit(void *owner, uint32_t events)
{
	struct program *program = owner;
	siginfo_t info = { .si_pid = 0 };
	(void)events;
	must(waitid(P_PIDFD, (id_t)program->watch.fd, &info, WEXITED | WNOWAIT | WNOHANG) == 0);
	if (info.si_pid == 0)
		return;
	program_unwatch(program);
	program->state = PROGRAM_EXITED;
	if (program->released) {
		program_bury(program);
		return;
	}
	struct wire_header header = { .kind = WIRE_EXITED, .id = program->node.id };
	if (info.si_code == CLD_EXITED) {
		header.value = W_EXITCODE(info.si_status, 0);
	} else {
		header.value = info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
		if (program->sent & program_bit(info.si_status))
			header.kind = WIRE_STOPPED;
	}
	program->programs->answer(program->programs->arg, &header, NULL, NULL);
}

/* Begins to wait for the exit. Returns 0 or -errno. */
static int program_watch_exit(struct program *program)
{
	int pidfd = pidfd_open(program->child.pid, 0);
	if (pidfd < 0)
		return -errno;
	program->watch.on_ready = program_on_exit;
	int rc = poller_add(program->programs->poller, &program->watch, pidfd, EPOLLIN);
	if (rc < 0)
		close(pidfd);
	return rc;
}

/* Says that a program runs and hands its pipes over. */
static void program_announce(struct program *program)
{
	int fds[WIRE_FDS]; /* that there is no stderr is the one thing that they can lack */
	struct wire_header header = { .kind = WIRE_STARTED, .id = program->node.id };
	header.value = program->child.pid;
	memcpy(fds, program->child.stdio, sizeof(fds));
	for (int i = 0; i < WIRE_FDS; i++)
		program->child.stdio[i] = -1;
	program->programs->answer(program->programs->arg, &header, NULL, fds);
}

/* How execve went is known: from now on its exit is waited for, also that of a child that is about to give
 * up. */
static void program_begin(struct program *program, int failed, const char *step)
{
	struct programs *programs = program->programs;
	uint64_t id = program->node.id;
	bool wanted = !program->released;
	int watched = program_watch_exit(program);

	program->state = PROGRAM_RUNNING;
	if (failed == 0 && watched < 0) {
		failed = watched;
		step = "pidfd_open";
	}
	if (failed == 0 && wanted) {
		program_announce(program);
		return;
	}
	if (watched < 0)
		program_give_up(program);
	else
		program_drop(program);
	if (wanted)
		program_refuse(programs, id, step, -failed);
}

/* Learns how execve went. */
static void program_on_error_pipe(void *owner, uint32_t events)
{
	struct program *program = owner;
	char step[CHILD_STEP];
	(void)events;
	int failed = child_read_error(program->watch.fd, step);
	if (failed > 0)
		return;
	/* Closed first: its number is then free for the pidfd, even when all others are taken. */
	program_unwatch(program);
	program_begin(program, failed, step);
}

/* Has a child begin. NULL leaves -errno, and the step that failed. */
static struct program *program_new(
	struct programs *programs, const struct child_plan *plan, const char **step, int *error)
{
	struct program *program = calloc(1, sizeof(*program));
	*step = "malloc";
	*error = -ENOMEM;
	if (program == NULL)
		return NULL;
	*error = child_start(plan, &program->child, step);
	if (*error < 0) {
		free(program);
		return NULL;
	}
	program->programs = programs;
	program->watch = (struct watch){ .fd = -1, .on_ready = program_on_error_pipe, .owner = program };
	return program;
}

/* Starts a program and begins to wait for what becomes of it. */
void program_start(struct programs *programs, uint64_t id, const struct child_plan *plan)
{
	const char *step;
	int error;
	struct program *program = program_new(programs, plan, &step, &error);
	if (program == NULL) {
		program_refuse(programs, id, step, -error);
		return;
	}
	program->node.id = id;
	program->leader.id = (uint64_t)program->child.pid;
	program->has_terminal = plan->stdio.kind == STDIO_TERMINAL;
	program->session.node.id = program->leader.id;
	program->session.on_end = program_on_session_end;
	idmap_insert(&programs->map, &program->node);
	idmap_insert(programs->leaders, &program->leader);
	if (program->child.error_fd < 0) {
		program_begin(program, program->child.error, program->child.step);
		return;
	}
	error = poller_add(programs->poller, &program->watch, program->child.error_fd, EPOLLIN);
	if (error == 0)
		return;
	close(program->child.error_fd);
	program_give_up(program);
	program_refuse(programs, id, "epoll_ctl", -error);
}

/* Signals a program; on a terminal also its jobs, which hear nothing else while they are stopped. One that is
 * dead though we have not heard of it did not die of this. */
void program_signal(struct programs *programs, uint64_t id, int signo)
{
	struct program *program = program_find(programs, id);
	if (program == NULL || program->released)
		return;
	if (program->state != PROGRAM_EXITED && !child_has_exited(program->child.pid))
		program->sent |= program_bit(signo);
	program_reach(program, signo);
	if (program->has_terminal && (signo == SIGHUP || signo == SIGTERM))
		program_reach(program, SIGCONT);
}

/* Ends a program for good. */
void program_release(struct programs *programs, uint64_t id)
{
	struct program *program = program_find(programs, id);
	if (program != NULL && !program->released)
		program_drop(program);
}

/* Ends one of all programs. */
static void program_release_node(struct idmap_node *node)
{
	struct program *program = (struct program *)node;
	if (!program->released)
		program_drop(program);
}

/* Ends all programs. */
void program_release_all(struct programs *programs)
{
	idmap_each(&programs->map, program_release_node);
}
