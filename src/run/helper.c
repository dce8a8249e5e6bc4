/*
 * helper: starts the spawner and waits for it; ends its programs when it could not.
 *
 * Owns its pid, its pidfd and the sockets that no worker has taken yet. What it does is spawn's. Programs and
 * all that they start are the spawner's children or become so; if it is killed, they become ours. Runs on the
 * main thread.
 */
#include "run/helper.h"

#include "base/clock.h"
#include "spawn/plan.h"
#include "spawn/spawner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A wait with an end. */
struct helper_wait {
	int64_t until_ms; /* on the monotonic clock */
	int hurry_fd;	  /* readable: there is less time; -1: none, or that was seen */
};

/* Does any route start programs? */
static bool helper_is_needed(const struct config *config)
{
	for (size_t i = 0; i < config->n_routes; i++)
		if (plan_has_program(&config->routes[i]))
			return true;
	return false;
}

/* Forks it. */
int helper_start(struct helper *helper, struct log *log, const struct config *config,
	const struct rlimit *files, unsigned n_workers)
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
	if (!strays_are_found(&helper->strays))
		log_warning(log,
			"what leaves the process group of its program will not be found: "
			"the system has no list of our children",
			LOG_STR("file", STRAYS_LIST));
	helper->log = log;
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
void helper_reap(struct helper *helper)
{
	if (helper->pid > 0 && waitpid(helper->pid, NULL, WNOHANG) == helper->pid)
		helper->pid = 0;
	strays_end(&helper->strays, 0, -1);
}

/* How long may be waited yet? A hurry leaves less. */
static int helper_left(struct helper_wait *wait)
{
	struct pollfd hurry = { .fd = wait->hurry_fd, .events = POLLIN };
	int64_t now = clock_now_ms();

	if (poll(&hurry, 1, 0) > 0) {
		wait->hurry_fd = -1;
		if (wait->until_ms > now + HELPER_HURRY_MS)
			wait->until_ms = now + HELPER_HURRY_MS;
	}
	return wait->until_ms > now ? (int)(wait->until_ms - now) : 0;
}

/* Waits for the spawner's end as long as there is time. */
static void helper_await_spawner(struct helper *helper, struct helper_wait *wait)
{
	int left;

	while (helper->pid > 0 && helper->pidfd >= 0 && (left = helper_left(wait)) > 0) {
		struct pollfd fds[] = { { .fd = helper->pidfd, .events = POLLIN },
			{ .fd = wait->hurry_fd, .events = POLLIN } };
		poll(fds, 2, left);
		if (waitpid(helper->pid, NULL, WNOHANG) == helper->pid)
			helper->pid = 0;
	}
}

/* Has the spawner end, then what it has left. Returns how many of these live on. */
static size_t helper_end(struct helper *helper, struct helper_wait *wait)
{
	size_t left;

	helper_await_spawner(helper, wait);
	if (helper->pid > 0) { /* stopped, or busy with what does not die */
		kill(helper->pid, SIGKILL);
		wait->until_ms = clock_now_ms() + HELPER_HURRY_MS;
		helper_await_spawner(helper, wait);
	}
	int left_ms = helper_left(wait), hurry_fd = wait->hurry_fd;
	left = strays_end(&helper->strays, left_ms > 0 ? left_ms : HELPER_HURRY_MS, hurry_fd);
	left_ms = helper_left(wait);
	if (left > 0 && wait->hurry_fd != hurry_fd) /* cut short */
		left = strays_end(&helper->strays, left_ms, -1);
	return left;
}

/* Closes the sockets that are left: the last one tells it to end. */
void helper_stop(struct helper *helper, int timeout_ms, int hurry_fd)
{
	struct helper_wait wait = { .until_ms = clock_now_ms() + timeout_ms, .hurry_fd = hurry_fd };

	if (helper->fds == NULL)
		return;
	for (unsigned i = 0; i < helper->n; i++)
		if (helper->fds[i] >= 0)
			close(helper->fds[i]);
	size_t left = helper_end(helper, &wait);
	if (left > 0)
		log_warning(helper->log,
			"processes that programs have started live on: they are other users' or don't die",
			LOG_U64("processes", left));
	strays_done(&helper->strays);
	if (helper->pidfd >= 0)
		close(helper->pidfd);
	free(helper->fds);
	*helper = (struct helper){ 0 };
}
