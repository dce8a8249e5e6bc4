/*
 * strays: finds the children of this process that nobody else knows of, reaps and kills them.
 *
 * Owns the descriptor of the kernel's list, which is open all the time, so that it can be read when no other
 * can be had. The list may lack some when it changes meanwhile; who looks again finds them. Runs on the main
 * thread of the spawner, and of the gateway for what a dead spawner left.
 */
#include "spawn/strays.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRAYS_LOOK_MS = 1 }; /* between two looks at those that are to die */

/* Those that one look has found. */
struct strays_found {
	size_t n, reaped, refused; /* all, and who had ended, and who may not be killed */
};

/* Reads the list, in pieces. */
void strays_each(struct strays *strays, void (*fn)(struct strays *strays, pid_t pid, void *arg), void *arg)
{
	char list[4096]; /* decimal numbers, each with a space behind */
	pid_t pid = 0;
	ssize_t n;

	if (strays->fd < 0 || lseek(strays->fd, 0, SEEK_SET) < 0)
		return;
	while ((n = read(strays->fd, list, sizeof(list))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (list[i] >= '0' && list[i] <= '9') {
				pid = pid * 10 + (list[i] - '0');
			} else if (pid > 0) {
				fn(strays, pid, arg);
				pid = 0;
			}
		}
	}
}

/* Remembers a child that was there before us. */
static void strays_keep(struct strays *strays, pid_t pid, void *arg)
{
	bool *failed = arg;
	pid_t *kept = realloc(strays->kept, (strays->n_kept + 1) * sizeof(*kept));

	if (kept == NULL) {
		*failed = true;
		return;
	}
	strays->kept = kept;
	strays->kept[strays->n_kept++] = pid;
}

/* Is a child none of ours to touch? */
static bool strays_is_known(const struct strays *strays, pid_t pid)
{
	for (size_t i = 0; i < strays->n_kept; i++) {
		if (strays->kept[i] == pid)
			return true;
	}
	return strays->is_known != NULL && strays->is_known(strays->arg, pid);
}

/* Becomes a subreaper of those that it will find. */
int strays_init(struct strays *strays, bool (*is_known)(void *arg, pid_t pid), void *arg)
{
	bool failed = false;
	int error = 0;

	*strays = (struct strays){ .fd = -1, .is_known = is_known, .arg = arg };
	strays->fd = open(STRAYS_LIST, O_RDONLY | O_CLOEXEC);
	if (strays->fd < 0)
		return 0;
	strays_each(strays, strays_keep, &failed);
	if (failed)
		error = -ENOMEM;
	else if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		error = -errno;
	if (error != 0)
		strays_done(strays);
	return error;
}

/* Without the list nobody is. */
bool strays_are_found(const struct strays *strays)
{
	return strays->fd >= 0;
}

/* Closes the list. */
void strays_done(struct strays *strays)
{
	if (strays->fd >= 0)
		close(strays->fd);
	free(strays->kept);
	*strays = (struct strays){ .fd = -1 };
}

/* Reaps a stray that has ended. */
static void strays_reap_one(struct strays *strays, pid_t pid, void *arg)
{
	struct strays_found *found = arg;

	if (strays_is_known(strays, pid))
		return;
	found->n++;
	found->reaped += waitpid(pid, NULL, WNOHANG) == pid;
}

/* Reaps what has ended. */
bool strays_reap(struct strays *strays)
{
	struct strays_found found = { 0 };
	strays_each(strays, strays_reap_one, &found);
	return found.reaped > 0;
}

/* Kills a stray and its group, if it leads one, before it is reaped: until then both ids are its own. */
static void strays_end_one(struct strays *strays, pid_t pid, void *arg)
{
	struct strays_found *found = arg;

	if (strays_is_known(strays, pid))
		return;
	found->refused += kill(pid, SIGKILL) < 0 && errno == EPERM;
	kill(-pid, SIGKILL);
	strays_reap_one(strays, pid, arg);
}

/* Kills until there is nobody left to kill. */
size_t strays_end(struct strays *strays, int64_t timeout_ms, int hurry_fd)
{
	struct pollfd hurry = { .fd = hurry_fd, .events = POLLIN };
	int64_t begin = clock_now_ms();

	for (;;) {
		struct strays_found found = { 0 };
		strays_each(strays, strays_end_one, &found);
		int64_t passed = clock_now_ms() - begin;
		if (found.n == 0 || passed >= timeout_ms ||
			(found.n == found.refused && passed >= STRAYS_REFUSED_MS))
			return found.n;
		if (poll(&hurry, 1, STRAYS_LOOK_MS) > 0)
			return found.n;
	}
}
