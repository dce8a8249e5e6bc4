/*
 * stdio: makes the pipes and pseudo-terminals between a program and its session.
 *
 * Owns which of the three is what; how a pseudo-terminal is made is pty's. Runs in the spawner, and between
 * fork and execve.
 */
#include "spawn/stdio.h"

#include "spawn/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Closes a set of descriptors. */
void stdio_close(int fds[3])
{
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* Makes one of the three a pipe; only our end is non-blocking. Returns 0 or -errno. */
static int stdio_open_pipe(struct stdio *stdio, int i, const char **step)
{
	int ends[2];

	*step = "pipe";
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	stdio->ours[i] = ends[i == STDIN_FILENO ? 1 : 0];
	stdio->theirs[i] = ends[i == STDIN_FILENO ? 0 : 1];
	return fcntl(stdio->ours[i], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* Makes one of the three a pseudo-terminal. Returns 0 or -errno. */
static int stdio_open_pty(struct stdio *stdio, int i, const struct stdio_plan *plan, const char **step)
{
	struct pty pty;
	struct pty_params params = {
		.use = plan->kind == STDIO_TERMINAL ? PTY_TERMINAL : PTY_OUTPUT,
		.columns = plan->columns,
		.rows = plan->rows,
		.owner = plan->owner,
	};
	int error = pty_open(&pty, &params, step);

	if (error == 0) {
		stdio->ours[i] = pty.master;
		stdio->theirs[i] = pty.slave;
	}
	return error;
}

/* Makes stderr. Returns 0 or -errno. */
static int stdio_open_stderr(struct stdio *stdio, enum stderr_to to, const char **step)
{
	if (to == STDERR_LOG || to == STDERR_TAGGED)
		return stdio_open_pipe(stdio, STDERR_FILENO, step);
	if (to == STDERR_MERGE)
		return 0;
	*step = "open /dev/null";
	stdio->theirs[STDERR_FILENO] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return stdio->theirs[STDERR_FILENO] < 0 ? -errno : 0;
}

/* Makes all of a program that has no terminal. Returns 0 or -errno. */
static int stdio_open_three(struct stdio *stdio, const struct stdio_plan *plan, const char **step)
{
	int error = stdio_open_pipe(stdio, STDIN_FILENO, step);

	if (error == 0 && plan->kind == STDIO_UNBUFFERED)
		error = stdio_open_pty(stdio, STDOUT_FILENO, plan, step);
	else if (error == 0)
		error = stdio_open_pipe(stdio, STDOUT_FILENO, step);
	return error == 0 ? stdio_open_stderr(stdio, plan->stderr_to, step) : error;
}

/* Makes what is asked for, or nothing. */
int stdio_open(struct stdio *stdio, const struct stdio_plan *plan, const char **step)
{
	*stdio = (struct stdio){ .ours = { -1, -1, -1 }, .theirs = { -1, -1, -1 } };
	int error = plan->kind == STDIO_TERMINAL ? stdio_open_pty(stdio, STDIN_FILENO, plan, step)
						 : stdio_open_three(stdio, plan, step);

	if (error != 0) {
		stdio_close(stdio->ours);
		stdio_close(stdio->theirs);
	}
	return error;
}

/* Puts them in their places. */
int stdio_arrange(const struct stdio *stdio)
{
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		if (dup2(stdio->theirs[i] >= 0 ? stdio->theirs[i] : i - 1, i) < 0)
			return -errno;
	}
	return 0;
}
