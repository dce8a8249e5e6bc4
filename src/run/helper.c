/*
 * helper: starts the spawner and waits for it; ends its programs when it could not.
 *
 * Owns its pid, its pidfd and the sockets that no worker has taken yet. What it does is spawn's. Programs and
 * all that they start are the spawner's children or become so; if it is killed, they become ours. Runs on the
 * main thread.
 */
#include "run/helper.h"

#include "spawn/plan.h"
#include "spawn/spawner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Does any route start programs? */
static bool helper_is_needed(const struct config *config)
{
	for (size_t i = 0; i < config->n_routes; i++)
		if (plan_has_program(&config->routes[i]))
			return true;
	return false;
}

/* Forks it. */
int helper_start(
	struct helper *helper, const struct config *config, const struct rlimit *files, unsigned n_workers)
{
	char step[SPAWNER_STEP] = "";

	snprintf(helper->step, sizeof(helper->step), "start the spawner");
	if (!helper_is_needed(config))
		return 0;
	int *fds = calloc(n_workers, sizeof(*fds));
	if (fds == NULL)
		return -ENOMEM;
	signal(SIGCHLD, SIG_DFL); /* if it were ignored, whoever dies would be gone before we are told */
	int error = strays_init(&helper->strays, NULL, NULL);
	pid_t pid = error != 0 ? error : spawner_fork(config, files, fds, n_workers, step);
	if (pid < 0) {
		snprintf(helper->step, sizeof(helper->step), "start the spawner: %s", step);
		strays_done(&helper->strays);
		free(fds);
		return (int)pid;
	}
	helper->pid = pid;
	helper->fds = fds;
	helper->n = n_workers;
	helper->pidfd = pidfd_open(pid, 0);
	error = helper->pidfd < 0 ? -errno : 0;
	snprintf(helper->step, sizeof(helper->step), "watch the spawner");
	return error;
}

/* Waits for its pidfd. */
int helper_watch(struct helper *helper, struct loop *loop, event_callback_fn fn, void *arg)
{
	if (helper->pid == 0)
		return 0;
	helper->loop = loop;
	helper->on_end = loop_event_new(loop, helper->pidfd, EV_READ, fn, arg);
	return helper->on_end == NULL ? -ENOMEM : event_add(helper->on_end, NULL);
}

/* Looks no more. */
void helper_unwatch(struct helper *helper)
{
	if (helper->on_end != NULL)
		loop_event_free(helper->loop, helper->on_end);
	helper->on_end = NULL;
}

/* Gives one away. */
int helper_take(struct helper *helper, unsigned worker)
{
	if (helper->fds == NULL)
		return -1;
	int fd = helper->fds[worker];
	helper->fds[worker] = -1;
	return fd;
}

/* Programs die with it, but not what they have started. */
size_t helper_end_programs(struct helper *helper)
{
	if (helper->pid > 0)
		waitpid(helper->pid, NULL, 0); /* before the others, who are ours only when it is gone */
	helper->pid = 0;
	size_t left = strays_end(&helper->strays, HELPER_END_MS);
	strays_done(&helper->strays);
	return left;
}

/* Closes the sockets that are left: the last one tells it to end. */
void helper_stop(struct helper *helper)
{
	for (unsigned i = 0; helper->fds != NULL && i < helper->n; i++)
		if (helper->fds[i] >= 0)
			close(helper->fds[i]);
	if (helper->fds != NULL) {
		helper_end_programs(helper); /* of a spawner that was killed just now */
		if (helper->pidfd >= 0)
			close(helper->pidfd);
	}
	free(helper->fds);
	*helper = (struct helper){ 0 };
}
