/*
 * spawner: the birth of the helper process: what it keeps of the gateway, and how the gateway hears of it.
 *
 * Owns the sockets and the report until it serves, which is spawn/service.c's. Single-threaded, a process of
 * its own; nothing here runs in the gateway but spawner_fork().
 */
#include "spawn/spawner.h"

#include "base/must.h"
#include "spawn/child.h"
#include "spawn/privileges.h"
#include "spawn/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the gateway hears before it goes on: how the start went. Small enough to be written at once. */
struct spawner_report {
	int error; /* 0 or -errno */
	char step[SPAWNER_STEP];
};

/* Keeps 0, 1, 2 and our ends, which are in ascending order; programs get no input from ours. */
static void spawner_close_others(const int *ends, unsigned n)
{
	unsigned next = STDERR_FILENO + 1;
	for (unsigned i = 0; i < n; i++) {
		must(ends[i] >= (int)next);
		if ((unsigned)ends[i] > next)
			close_range(next, (unsigned)ends[i] - 1, 0);
		next = (unsigned)ends[i] + 1;
	}
	close_range(next, ~0U, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
}

/* Becomes the spawner as far as signals, name and descriptors go. */
static void spawner_settle(const int *ends, unsigned n)
{
	child_settle_signals();
	prctl(PR_SET_NAME, "wsluice-spawner");
	spawner_close_others(ends, n);
}

/* Drops the rights that are not needed, and prepares. Returns 0 or -errno with the step that failed. */
static int spawner_init(struct service *service, const struct plan_sources *from, const int *ends,
	unsigned n_clients, const char **step)
{
	int error = from->changes ? privileges_keep(step) : privileges_drop(&from->config->gateway, step);
	/* One that was stopped could not end the programs of a gateway that dies. (A change of user forgets
	 * this, so it comes after that.) */
	prctl(PR_SET_PDEATHSIG, SIGCONT);
	return error != 0 ? error : service_init(service, from, ends, n_clients, step);
}

/* Says how the start went. */
static void spawner_report(int fd, int error, const char *step)
{
	struct spawner_report report = { .error = error };
	snprintf(report.step, sizeof(report.step), "%s", step);
	ssize_t n = write(fd, &report, sizeof(report));
	(void)n; /* a gateway that is gone needs no report */
	close(fd);
}

/* The spawner's life. ends[0] is for the report, the clients' follow. */
static _Noreturn void spawner_run(
	const struct config *config, const struct rlimit *files, const int *ends, unsigned n_clients)
{
	struct service service = { .n_clients = 0 };
	struct plan_sources from = { .config = config, .environment = environ, .files = files };
	const char *step;
	from.changes = privileges_are_kept(config);
	spawner_settle(ends, n_clients + 1);
	int error = spawner_init(&service, &from, ends + 1, n_clients, &step);
	spawner_report(ends[0], error, step);
	if (error != 0)
		_exit(1);
	service_serve(&service);
	_exit(0);
}

/* Closes n descriptors. */
static void spawner_close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* Makes the pipe of the report, fds[0] and ends[0], and the socket pairs, the workers' ends and ours. Returns
 * 0 or -errno. */
static int spawner_connect(int *fds, int *ends, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int pair[2];
		int rc = i == 0 ? pipe2(pair, O_CLOEXEC)
				: socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
		if (rc < 0) {
			int error = errno;
			spawner_close_all(fds, i);
			spawner_close_all(ends, i);
			return -error;
		}
		fds[i] = pair[0];
		ends[i] = pair[1];
	}
	return 0;
}

/* Waits for the report. A spawner that ends without one is as bad as one that reports a mistake. */
static int spawner_wait_report(pid_t pid, int fd, char step[SPAWNER_STEP])
{
	struct spawner_report report;
	ssize_t n;
	do
		n = read(fd, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(report))
		report.error = -ECHILD;
	else
		memcpy(step, report.step, SPAWNER_STEP);
	if (report.error != 0)
		waitpid(pid, NULL, 0);
	return report.error;
}

/* Forks, and closes those ends that are only the spawner's. */
static pid_t spawner_begin(const struct config *config, const struct rlimit *files, const int *ours,
	const int *ends, unsigned n_clients, char step[SPAWNER_STEP])
{
	pid_t pid = fork();
	if (pid == 0)
		spawner_run(config, files, ends, n_clients);
	int error = pid < 0 ? -errno : 0;
	spawner_close_all(ends, n_clients + 1);
	if (error == 0)
		error = spawner_wait_report(pid, ours[0], step);
	close(ours[0]);
	if (error != 0)
		spawner_close_all(ours + 1, n_clients);
	return error != 0 ? error : pid;
}

/* Forks the spawner and waits until it has begun. */
pid_t spawner_fork(const struct config *config, const struct rlimit *files, int *fds, unsigned n_clients,
	char step[SPAWNER_STEP])
{
	unsigned n = n_clients + 1;
	int *ours = calloc((size_t)n * 2, sizeof(*ours));
	snprintf(step, SPAWNER_STEP, "fork");
	if (ours == NULL)
		return -ENOMEM;
	int *ends = ours + n;
	pid_t pid = spawner_connect(ours, ends, n);
	if (pid == 0)
		pid = spawner_begin(config, files, ours, ends, n_clients, step);
	if (pid > 0)
		memcpy(fds, ours + 1, n_clients * sizeof(*fds));
	free(ours);
	return pid;
}
