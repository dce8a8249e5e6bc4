/*
 * child: a process is born, and what it does between that and execve.
 *
 * Owns the order of the steps and their names in error messages. What can be executed at once is born as by
 * vfork(): it shares the spawner's memory, none of which is copied, and the spawner goes on when it has
 * executed its file or failed. What may have to wait gets a copy, so that nobody waits with it, and so does
 * who becomes somebody else. Only async-signal-safe calls are made, and nothing is written but a stack and
 * the reason of a failure. Does not decide what runs. Runs in the spawner.
 */
#include "spawn/child.h"

#include "base/must.h"
#include "spawn/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child says when it fails; small enough to be written to a pipe at once. */
struct child_error {
	int error;
	char step[CHILD_STEP];
};

/* What a child begins with. */
struct child_birth {
	const struct child_plan *plan;
	const struct stdio *stdio;
	pid_t spawner;
	int error_fd; /* where it says that it has failed; -1: in `error`, in memory that it shares */
	struct child_error error;
};

enum {
	CHILD_FIRST_FD = STDERR_FILENO + 1, /* behind its 0, 1 and 2: the error pipe, if there is one */
	CHILD_STACK = 16 * 1024
};

/* A sanitizer that keeps account of threads takes what shares our memory for one of them. */
#if defined(__SANITIZE_THREAD__)
static const bool child_shares = false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
static const bool child_shares = false;
#else
static const bool child_shares = true;
#endif
#else
static const bool child_shares = true;
#endif

/* Of one that never returns a sanitizer would go on to keep the marks that it made around its locals. */
#define CHILD_UNMARKED __attribute__((no_sanitize("address")))

/* What must not end the spawner: only the end of the gateway does. Blocked, not ignored: a child then needs
 * one call to have all signals as a program is to find them. */
static const int child_blocked[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2 };

/*
 * Gives every signal its default disposition, and blocks those of the spawner. By the system call, since the
 * C library keeps two signals of its own from sigaction(2), and they may have been inherited as ignored
 * (posix_spawn(3) leaves them so); all zero is SIG_DFL.
 */
void child_settle_signals(void)
{
	static const unsigned long default_action[8];
	sigset_t blocked;

	for (int signo = 1; signo < NSIG; signo++)
		syscall(SYS_rt_sigaction, signo, default_action, NULL,
			NSIG / 8); /* fails for KILL and STOP */
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(child_blocked) / sizeof(child_blocked[0]); i++)
		sigaddset(&blocked, child_blocked[i]);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Drops what the spawner's group was sent while the child belonged to it, and unblocks all signals. */
static void child_welcome_signals(void)
{
	static const struct timespec at_once;
	sigset_t all, none;

	sigfillset(&all);
	while (sigtimedwait(&all, NULL, &at_once) > 0)
		continue;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Says which step failed, and ends the child. */
static _Noreturn void child_fail(struct child_birth *birth, const char *step)
{
	struct child_error error = { .error = errno };
	strncpy(error.step, step, sizeof(error.step) - 1);
	if (birth->error_fd < 0) {
		birth->error = error;
	} else {
		ssize_t n = write(birth->error_fd, &error, sizeof(error));
		(void)n; /* nobody is left to be told */
	}
	_exit(127);
}

/* The same for what returns its error. */
static void child_check(struct child_birth *birth, int error, const char *step)
{
	if (error == 0)
		return;
	errno = -error;
	child_fail(birth, step);
}

/* Makes 0, 1, 2 of what was made for them, 3 of the error pipe, if there is one, and nothing else. */
static void child_arrange_fds(struct child_birth *birth)
{
	unsigned next = CHILD_FIRST_FD;

	child_check(birth, stdio_arrange(birth->stdio), "dup2");
	if (birth->error_fd >= 0) {
		if (birth->error_fd != CHILD_FIRST_FD && dup3(birth->error_fd, CHILD_FIRST_FD, O_CLOEXEC) < 0)
			child_fail(birth, "dup2");
		birth->error_fd = CHILD_FIRST_FD;
		next++;
	}
	if (close_range(next, ~0U, 0) < 0)
		child_fail(birth, "close_range");
}

/* Sets the limits. A sandbox may refuse to set what needs no setting. */
static void child_limit(struct child_birth *birth)
{
	const struct child_world *world = birth->plan->world;

	for (unsigned i = 0; i < world->n_limits; i++) {
		const struct child_limit *limit = &world->limits[i];
		struct rlimit now;
		if (getrlimit(limit->resource, &now) == 0 && now.rlim_cur == limit->limit.rlim_cur &&
			now.rlim_max == limit->limit.rlim_max)
			continue;
		if (setrlimit(limit->resource, &limit->limit) < 0)
			child_fail(birth, limit->step);
	}
}

/* Goes into the world of its route, and becomes who it is to be. */
static void child_enter(struct child_birth *birth)
{
	const struct child_world *world = birth->plan->world;
	const char *directory = world->directory != NULL ? world->directory : birth->plan->directory;
	const char *step = "";

	child_limit(birth);
	if (world->umask != (mode_t)-1)
		umask(world->umask);
	if (directory != NULL && chdir(directory) < 0)
		child_fail(birth, "chdir");
	if (world->identity != NULL) {
		int error = identity_become(world->identity, &step);
		child_check(birth, error, step);
	}
}

/* The child's life up to execve. */
CHILD_UNMARKED static int child_run(void *arg)
{
	struct child_birth *birth = arg;
	const struct child_plan *plan = birth->plan;

	if (setsid() < 0)
		child_fail(birth, "setsid");
	child_welcome_signals();
	child_arrange_fds(birth);
	if (plan->stdio.kind == STDIO_TERMINAL)
		child_check(birth, pty_control(STDIN_FILENO), "take the terminal");
	child_enter(birth);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		child_fail(birth, "prctl");
	if (getppid() != birth->spawner) /* it died before the prctl */
		child_check(birth, -ESRCH, "getppid");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		child_fail(birth, "no_new_privs");
	execve(plan->file, plan->argv, plan->envp);
	child_fail(birth, "execve");
}

/* Has a child begin, on a stack of its own within ours. Without an
 * error pipe this returns when it has executed its file or has failed. Returns its pid or -errno. */
CHILD_UNMARKED static pid_t child_clone(struct child_birth *birth)
{
	alignas(16) char stack[CHILD_STACK];
	int flags = birth->error_fd < 0 ? CLONE_VM | CLONE_VFORK | SIGCHLD : SIGCHLD;
	pid_t pid = clone(child_run, stack + sizeof(stack), flags, birth);

	return pid < 0 ? -errno : pid;
}

/* Makes the pipe that tells of errors, to be read without blocking. Returns 0 or -errno. */
static int child_open_error(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	int error = errno;
	close(ends[0]);
	close(ends[1]);
	return -error;
}

/* Has one begin that may have to wait. Returns 0, or -errno with the step that failed. */
static int child_fork(struct child_birth *birth, struct child *out, const char **step)
{
	int ends[2];
	int error = child_open_error(ends);
	*step = "pipe";
	if (error != 0)
		return error;
	birth->error_fd = ends[1];
	out->error_fd = ends[0];
	out->pid = child_clone(birth);
	*step = "fork";
	close(ends[1]);
	if (out->pid > 0)
		return 0;
	close(ends[0]);
	return out->pid;
}

/* Has one begin, and end or execute its file. Returns as child_fork() does. */
static int child_vfork(struct child_birth *birth, struct child *out, const char **step)
{
	out->pid = child_clone(birth);
	*step = "fork";
	if (out->pid < 0)
		return out->pid;
	out->error = -birth->error.error;
	memcpy(out->step, birth->error.step, sizeof(out->step));
	return 0;
}

/*
 * Does it get a copy of our memory? What shares it holds us up until execve, and from a change of identity on
 * any process of that user may stop it, for ever: nobody would be started or stopped any more. (He can't
 * trace it: such a change takes that away from the memory, which would be ours.)
 */
static bool child_is_apart(const struct child_plan *plan)
{
	return !child_shares || plan->may_wait || plan->world->identity != NULL;
}

/* Makes its descriptors and has it begin. */
int child_start(const struct child_plan *plan, struct child *out, const char **step)
{
	struct stdio stdio;
	struct child_birth birth = { .plan = plan, .stdio = &stdio, .spawner = getpid(), .error_fd = -1 };
	int error = stdio_open(&stdio, &plan->stdio, step);
	if (error != 0)
		return error;
	*out = (struct child){ .error_fd = -1 };
	error = child_is_apart(plan) ? child_fork(&birth, out, step) : child_vfork(&birth, out, step);
	stdio_close(stdio.theirs);
	if (error != 0)
		stdio_close(stdio.ours);
	memcpy(out->stdio, stdio.ours, sizeof(out->stdio));
	return error;
}

/* Reads what the child may have written. */
int child_read_error(int error_fd, char step[CHILD_STEP])
{
	struct child_error error;
	ssize_t n;
	do
		n = read(error_fd, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 ? 0 : 1;
	must(n == sizeof(error) && error.error > 0 && memchr(error.step, '\0', CHILD_STEP) != NULL);
	memcpy(step, error.step, CHILD_STEP);
	return -error.error;
}

/* Signals a group by its leader's pid, which can't have been given to another as long as it is unreaped. */
void child_signal_group(pid_t pid, int signo)
{
	must(pid > 1);
	kill(-pid, signo);
}

/* Kills the leader first: from then on it makes no group, and no more members of one. */
void child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	child_signal_group(pid, SIGKILL);
}

/* Asks, and leaves it as it is. */
bool child_has_exited(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };
	must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0);
	return info.si_pid == pid;
}

/* Kills a group and reaps its leader. */
void child_reap(pid_t pid)
{
	child_signal_group(pid, SIGKILL);
	must(waitpid(pid, NULL, WNOHANG) == pid);
}
