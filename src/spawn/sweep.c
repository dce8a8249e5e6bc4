/*
 * sweep: looks through all processes for members of certain sessions.
 *
 * Owns when it looks, and that nobody else is ever hit: a process is signalled by a descriptor that means it
 * alone, after it was asked which session it is in. One look serves all sessions, and no more than half of
 * the spawner's time is spent on looks. Runs in the spawner.
 */
#include "spawn/sweep.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between looks: those that were killed need a moment; one that hangs in the kernel may need long. */
enum { SWEEP_WAIT_MS = 1, SWEEP_WAIT_MAX_MS = 250 };

/* A process may be born where a look has been already, by one that ends before the look gets to it; the next
 * one finds what that has left to us. */
enum { SWEEP_QUIET = 2 };

/* Opens what looks need, since none may be had later. */
void sweep_init(struct sweep *sweep, struct strays *strays)
{
	*sweep = (struct sweep){ .proc = opendir("/proc"), .spare = -1, .strays = strays };
	if (sweep->proc != NULL)
		sweep->spare = fcntl(dirfd(sweep->proc), F_DUPFD_CLOEXEC, 0);
}

/* Closes it. */
void sweep_done(struct sweep *sweep)
{
	if (sweep->proc != NULL)
		closedir(sweep->proc);
	if (sweep->spare >= 0)
		close(sweep->spare);
	*sweep = (struct sweep){ .spare = -1 };
}

/* Looks for a session, and soon. */
static void sweep_seek(struct sweep *sweep, struct sweep_session *session)
{
	sweep->due_ms = clock_now_ms();
	sweep->wait_ms = SWEEP_WAIT_MS;
	if (session->sweep == NULL)
		idmap_insert(&sweep->sessions, &session->node);
	session->sweep = sweep;
}

/* Asks for a signal. */
void sweep_signal(struct sweep *sweep, struct sweep_session *session, int signo)
{
	session->signals |= (uint64_t)1 << (signo - 1);
	sweep_seek(sweep, session);
}

/* Asks for the end. */
void sweep_end(struct sweep *sweep, struct sweep_session *session)
{
	session->ends = true;
	session->n_quiet = 0;
	sweep_seek(sweep, session);
}

/* A descriptor of a process. Returns it or -errno. */
static int sweep_open(struct sweep *sweep, pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	if (fd >= 0 || errno != EMFILE || sweep->spare < 0)
		return fd >= 0 ? fd : -errno;
	close(sweep->spare);
	sweep->spare = -1;
	fd = pidfd_open(pid, 0);
	return fd >= 0 ? fd : -errno;
}

/* Closes a descriptor of a process. */
static void sweep_close(struct sweep *sweep, int fd)
{
	close(fd);
	if (sweep->spare < 0 && sweep->proc != NULL)
		sweep->spare = fcntl(dirfd(sweep->proc), F_DUPFD_CLOEXEC, 0);
}

/* Has a process ended, and is not reaped? */
static bool sweep_has_ended(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	return poll(&end, 1, 0) > 0;
}

/* Does to a member what was asked. Those of the leader's group have had their signals with it. */
static void sweep_deliver(struct sweep_session *session, pid_t pid, int pidfd)
{
	if (sweep_has_ended(pidfd))
		return;
	if (session->ends) {
		session->found |= pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0;
		return;
	}
	if ((uint64_t)getpgid(pid) == session->node.id)
		return;
	for (int signo = 1; signo < NSIG; signo++) {
		if ((session->signals & (uint64_t)1 << (signo - 1)) != 0)
			pidfd_send_signal(pidfd, signo, NULL, 0);
	}
}

/* The session that is sought and that a process is in but does not lead, or NULL. */
static struct sweep_session *sweep_session_of(const struct sweep *sweep, pid_t pid)
{
	pid_t leader = getsid(pid);

	if (leader <= 0 || leader == pid)
		return NULL;
	return (struct sweep_session *)idmap_find(&sweep->sessions, (uint64_t)leader);
}

/* Looks at one process. */
static void sweep_visit(struct sweep *sweep, pid_t pid)
{
	struct sweep_session *session = sweep_session_of(sweep, pid);

	if (session == NULL)
		return;
	int pidfd = sweep_open(sweep, pid);
	if (pidfd < 0) {
		session->found |= pidfd != -ESRCH;
		return;
	}
	/* What has this pid now is the same process, or that one is gone, and is not hit. */
	if (sweep_session_of(sweep, pid) == session)
		sweep_deliver(session, pid, pidfd);
	sweep_close(sweep, pidfd);
}

/*
 * Looks at a child of ours: has its session to end? Then its whole group dies at once, so that none of it can
 * run away from a look by forks, and the group's number is not another's as long as the child is not reaped,
 * whether it lives or not. One that had ended says that there may be another which it has made.
 */
static void sweep_visit_stray(struct strays *strays, pid_t pid, void *arg)
{
	struct sweep_session *session = sweep_session_of(arg, pid);
	pid_t group = getpgid(pid);

	(void)strays;
	if (session == NULL || !session->ends || group <= 1)
		return;
	session->found |= kill(-group, SIGKILL) == 0;
	session->found |= waitpid(pid, NULL, WNOHANG) == pid;
}

/* Looks at every process that there is. */
static void sweep_visit_all(struct sweep *sweep)
{
	const struct dirent *entry;

	if (sweep->proc != NULL) {
		rewinddir(sweep->proc);
		while ((entry = readdir(sweep->proc)) != NULL) {
			if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
				sweep_visit(sweep, (pid_t)atoi(entry->d_name));
		}
	}
	strays_each(sweep->strays, sweep_visit_stray, sweep);
}

/* Begins a look for a session. */
static void sweep_begin_node(struct idmap_node *node)
{
	((struct sweep_session *)node)->found = false;
}

/* Stops to look for a session that was signalled, or of which nobody is left. */
static void sweep_decide_node(struct idmap_node *node)
{
	struct sweep_session *session = (struct sweep_session *)node;
	struct sweep *sweep = session->sweep;

	sweep->found |= session->found;
	session->signals = 0;
	session->n_quiet = session->found ? 0 : session->n_quiet + 1;
	if (session->ends && session->n_quiet < SWEEP_QUIET)
		return;
	idmap_remove(&sweep->sessions, &session->node);
	session->sweep = NULL;
	if (session->ends)
		session->on_end(session);
}

/* Looks, and finds out when to look again. */
void sweep_look(struct sweep *sweep)
{
	int64_t begin_ms = clock_now_ms();

	sweep->found = false;
	idmap_each(&sweep->sessions, sweep_begin_node);
	sweep_visit_all(sweep);
	idmap_each(&sweep->sessions, sweep_decide_node);
	sweep->due_ms = clock_now_ms();
	sweep->rest_ms = sweep->due_ms + (sweep->due_ms - begin_ms);
	if (!sweep->found)
		return;
	sweep->due_ms += sweep->wait_ms;
	sweep->wait_ms *= 2;
	if (sweep->wait_ms > SWEEP_WAIT_MAX_MS)
		sweep->wait_ms = SWEEP_WAIT_MAX_MS;
}

/* When that is. */
int sweep_due(const struct sweep *sweep)
{
	int64_t due_ms = sweep->due_ms > sweep->rest_ms ? sweep->due_ms : sweep->rest_ms;
	int64_t now_ms = clock_now_ms();

	if (sweep->sessions.n == 0)
		return -1;
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}
