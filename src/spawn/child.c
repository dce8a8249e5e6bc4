/*
 * child: pipes, fork, and what the child does between fork and execve.
 *
 * Owns the order of the steps and their names in error messages. After the fork only async-signal-safe calls
 * are made. Does not decide what runs and does not wait for anything. Runs in the spawner.
 */
#include "spawn/child.h"

#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child writes to its error pipe; small enough to be written at once. */
struct child_error {
	int error;
	char step[CHILD_STEP];
};

/* Up to four pipes; [i][0] reads, [i][1] writes. The first three are stdin, stdout, stderr. */
enum { PIPE_ERROR = 3, PIPES };

struct child_pipes {
	int ends[PIPES][2];
};

/* The child's end of a pipe: it only reads its stdin. */
static int *child_end(struct child_pipes *pipes, int i)
{
	return &pipes->ends[i][i == STDIN_FILENO ? 0 : 1];
}

/* Our end of a pipe. */
static int *child_our_end(struct child_pipes *pipes, int i)
{
	return &pipes->ends[i][i == STDIN_FILENO ? 1 : 0];
}

/* Closes a descriptor if it is there. */
static void child_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Closes all ends that are still there. */
static void child_pipes_close(struct child_pipes *pipes)
{
	for (int i = 0; i < PIPES; i++) {
		child_close(&pipes->ends[i][0]);
		child_close(&pipes->ends[i][1]);
	}
}

/* Has the program's stderr a pipe of its own? */
static bool child_has_stderr(const struct child_plan *plan)
{
	return plan->world->stderr_to == STDERR_LOG || plan->world->stderr_to == STDERR_TAGGED;
}

/* Makes the pipes; only our ends are non-blocking. Returns 0 or -errno. */
static int child_pipes_open(struct child_pipes *pipes, const struct child_plan *plan)
{
	for (int i = 0; i < PIPES; i++)
		pipes->ends[i][0] = pipes->ends[i][1] = -1;
	for (int i = 0; i < PIPES; i++) {
		if (i == STDERR_FILENO && !child_has_stderr(plan))
			continue;
		if (pipe2(pipes->ends[i], O_CLOEXEC) < 0 ||
			fcntl(*child_our_end(pipes, i), F_SETFL, O_NONBLOCK) < 0) {
			int error = errno;
			child_pipes_close(pipes);
			return -error;
		}
	}
	return 0;
}

/*
 * Gives every signal its default disposition and unblocks all. By the system call, since the C library keeps
 * two signals of its own from sigaction(2), and they may have been inherited as ignored (posix_spawn(3)
 * leaves them so); all zero is SIG_DFL.
 */
void child_reset_signals(void)
{
	static const unsigned long default_action[8];
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		syscall(SYS_rt_sigaction, signo, default_action, NULL,
			NSIG / 8); /* fails for KILL and STOP */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Says which step failed, and ends the child. */
static _Noreturn void child_fail(int error_fd, const char *step)
{
	struct child_error error = { .error = errno };
	strncpy(error.step, step, sizeof(error.step) - 1);
	ssize_t n = write(error_fd, &error, sizeof(error));
	(void)n; /* nobody is left to be told */
	_exit(127);
}

/* What becomes stderr. */
static int child_find_stderr(struct child_pipes *pipes, const struct child_plan *plan)
{
	if (child_has_stderr(plan))
		return *child_end(pipes, STDERR_FILENO);
	if (plan->world->stderr_to == STDERR_MERGE)
		return *child_end(pipes, STDOUT_FILENO);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0)
		child_fail(*child_end(pipes, PIPE_ERROR), "open /dev/null");
	return null;
}

/* Makes 0, 1, 2 of the pipes, 3 of the error pipe, and nothing else. Returns the error pipe's new number. */
static int child_arrange_fds(struct child_pipes *pipes, const struct child_plan *plan)
{
	int error_fd = *child_end(pipes, PIPE_ERROR);
	*child_end(pipes, STDERR_FILENO) = child_find_stderr(pipes, plan);
	/* The spawner's own 0, 1 and 2 are open, so that no end is in the way of another. */
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		if (dup2(*child_end(pipes, i), i) < 0)
			child_fail(error_fd, "dup2");
	}
	if (error_fd != PIPE_ERROR && dup3(error_fd, PIPE_ERROR, O_CLOEXEC) < 0)
		child_fail(error_fd, "dup2");
	if (close_range(PIPE_ERROR + 1, ~0U, 0) < 0)
		child_fail(PIPE_ERROR, "close_range");
	return PIPE_ERROR;
}

/* Sets the limits. A sandbox may refuse to set what needs no setting. */
static void child_limit(const struct child_world *world, int error_fd)
{
	for (unsigned i = 0; i < world->n_limits; i++) {
		const struct child_limit *limit = &world->limits[i];
		struct rlimit now;
		if (getrlimit(limit->resource, &now) == 0 && now.rlim_cur == limit->limit.rlim_cur &&
			now.rlim_max == limit->limit.rlim_max)
			continue;
		if (setrlimit(limit->resource, &limit->limit) < 0)
			child_fail(error_fd, limit->step);
	}
}

/* Becomes who it is to be. */
static void child_become(const struct identity *identity, int error_fd)
{
	const char *step;
	int error = identity_become(identity, &step);
	if (error == 0)
		return;
	errno = -error;
	child_fail(error_fd, step);
}

/* Goes into the world of its route. */
static void child_enter(const struct child_world *world, int error_fd)
{
	child_limit(world, error_fd);
	if (world->umask != (mode_t)-1)
		umask(world->umask);
	if (world->directory != NULL && chdir(world->directory) < 0)
		child_fail(error_fd, "chdir");
	if (world->identity != NULL)
		child_become(world->identity, error_fd);
}

/* The child's life up to execve. */
static _Noreturn void child_run(const struct child_plan *plan, struct child_pipes *pipes, pid_t spawner)
{
	child_reset_signals();
	if (setsid() < 0)
		child_fail(*child_end(pipes, PIPE_ERROR), "setsid");
	int error_fd = child_arrange_fds(pipes, plan);
	child_enter(plan->world, error_fd);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		child_fail(error_fd, "prctl");
	if (getppid() != spawner) { /* it died before the prctl */
		errno = ESRCH;
		child_fail(error_fd, "getppid");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		child_fail(error_fd, "no_new_privs");
	execve(plan->file, plan->argv, plan->envp);
	child_fail(error_fd, "execve");
}

/* Makes the pipes and forks. */
int child_start(const struct child_plan *plan, struct child *out, const char **step)
{
	struct child_pipes pipes;
	int rc = child_pipes_open(&pipes, plan);
	if (rc < 0) {
		*step = "pipe";
		return rc;
	}
	pid_t spawner = getpid();
	pid_t pid = fork();
	if (pid == 0)
		child_run(plan, &pipes, spawner);
	if (pid < 0) {
		rc = -errno;
		child_pipes_close(&pipes);
		*step = "fork";
		return rc;
	}
	for (int i = 0; i < PIPES; i++)
		child_close(child_end(&pipes, i));
	out->pid = pid;
	out->error_fd = *child_our_end(&pipes, PIPE_ERROR);
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		out->stdio[i] = *child_our_end(&pipes, i);
	return 0;
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
