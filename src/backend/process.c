/*
 * process: a session's program on pipes.
 *
 * Owns the channel on its stdin and stdout, its stderr, and the ladder that ends it: stdin closed,
 * closing_wait, stop_signal, stop_grace, KILL. It has ended when its output is closed and it has exited,
 * whichever comes second; only then the last bytes are all on their way and its status is told. The process
 * itself belongs to the spawner. Runs on its loop's thread.
 */
#include "backend/process.h"

#include "backend/channel.h"
#include "backend/errlog.h"
#include "base/must.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* How far we have gone in ending it. */
enum process_ladder {
	LADDER_NONE,
	LADDER_FLUSHING, /* stdin takes what is queued, then it closes */
	LADDER_WAITING,	 /* stdin is closed; closing_wait runs */
	LADDER_SIGNALLED,
	LADDER_KILLED
};

struct process {
	struct endpoint endpoint; /* first: an endpoint is its process */
	struct process_params params;
	struct spawn_child *child;
	pid_t pid; /* 0: not started */
	struct channel channel;
	struct errlog errlog;
	enum process_ladder ladder;
	bool stdout_ended, exited, lingering, ended;
	bool broken_off; /* within a message: the signal comes before the end of stdin */
	int status;	 /* as of waitpid, once exited */
	char how[64];	 /* it ended, for the log */
	struct event ladder_timer, linger_timer;
};

/* By which signal of ours it died, if so: that is the end that we wanted. */
static bool process_died_of_us(const struct process *process)
{
	if (!WIFSIGNALED(process->status))
		return false;
	int signo = WTERMSIG(process->status);
	return (process->ladder >= LADDER_SIGNALLED && signo == process->params.route->stop_signal) ||
	       (process->ladder == LADDER_KILLED && signo == SIGKILL);
}

/* How it ended, in words: "exit 3", "signal TERM". */
static void process_status_text(int status, char out[static 64])
{
	if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));
		if (name != NULL)
			snprintf(out, 64, "signal %s", name);
		else
			snprintf(out, 64, "signal %d", WTERMSIG(status));
	} else
		snprintf(out, 64, "exit %d", WEXITSTATUS(status));
}

/* Its status as a close code: 1000 for exit 0, else 4000 + N for exit N and 4000 + 128 + S for death by
 * signal S. */
static struct end process_end_of(const struct process *process)
{
	struct end end = { .code = 1000 };
	int status = process->status;

	if (process_died_of_us(process) || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return end;
	end.code = (uint16_t)(4000 + (WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)));
	process_status_text(status, end.reason);
	return end;
}

/* Reports the end and lets go of everything: what is left of its group is killed by the release. */
static void process_report(struct process *process, const struct end *end)
{
	const struct endpoint_hooks *hooks = process->endpoint.hooks;

	if (process->ended)
		return;
	process->ended = true;
	event_del(&process->ladder_timer);
	event_del(&process->linger_timer);
	errlog_close(&process->errlog);
	channel_done(&process->channel);
	if (process->child != NULL)
		spawn_release(process->child);
	process->child = NULL;
	hooks->on_eof(process->endpoint.arg, end);
	hooks->on_closed(process->endpoint.arg);
}

/* Has it ended, with output closed and status known? */
static void process_check_end(struct process *process)
{
	if (!process->stdout_ended || !process->exited)
		return;
	struct end end = process_end_of(process);
	process_report(process, &end);
}

/* The one place where the ladder is climbed: does what a step is for, and sets the time that it may take. */
static void process_enter(struct process *process, enum process_ladder step)
{
	const struct route_conf *route = process->params.route;

	must(step > process->ladder);
	process->ladder = step;
	switch (step) {
	case LADDER_NONE:
		return;
	case LADDER_FLUSHING:
		if (!process->broken_off)
			stream_finish(&process->channel.stream);
		loop_timer_set(&process->ladder_timer, route->stop_grace_ms);
		return;
	case LADDER_WAITING:
		loop_timer_set(&process->ladder_timer, route->closing_wait_ms);
		return;
	case LADDER_SIGNALLED:
		spawn_signal(process->child, route->stop_signal);
		loop_timer_set(&process->ladder_timer, route->stop_grace_ms);
		return;
	case LADDER_KILLED:
		spawn_signal(process->child, SIGKILL);
		return;
	}
}

/* Has stdin taken all that it will take? */
static bool process_stdin_done(const struct process *process)
{
	return stream_is_shut(&process->channel.stream) ||
	       (process->broken_off && channel_queued(&process->channel) == 0);
}

/* The step after this one. */
static enum process_ladder process_next_step(const struct process *process)
{
	return process->ladder == LADDER_FLUSHING && process->broken_off ? LADDER_SIGNALLED
									 : process->ladder + 1;
}

/* Is it to be ended, and has nobody begun? */
static bool process_may_stop(const struct process *process)
{
	return !process->ended && !process->exited && process->child != NULL;
}

/* Waits until stdin has taken what is queued, then climbs. A program that takes nothing for stop_grace is not
 * waited for. */
static void process_stop(struct process *process)
{
	if (!process_may_stop(process) || process->ladder != LADDER_NONE)
		return;
	process_enter(process, LADDER_FLUSHING);
	if (process_stdin_done(process))
		process_enter(process, process_next_step(process));
}

/* The time of a step is up. */
static void process_on_ladder(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;
	(void)fd;
	(void)what;
	if (process_may_stop(process) && process->ladder < LADDER_KILLED)
		process_enter(process, process_next_step(process));
}

/* After the exit: is somebody else holding stdout open, with nothing to say? Then it has closing_wait left.
 */
static void process_check_linger(struct process *process)
{
	int waiting = 0;

	if (!process->exited || process->stdout_ended || process->lingering || process->ended)
		return;
	if (ioctl(process->channel.stream.rfd, FIONREAD, &waiting) == 0 && waiting > 0)
		return;
	process->lingering = true;
	loop_timer_set(&process->linger_timer, process->params.route->closing_wait_ms);
}

/* closing_wait is over for whoever holds stdout. What it wrote in that time and waits for a slow visitor is
 * still passed on. */
static void process_on_linger(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;
	int waiting = 0;
	(void)fd;
	(void)what;

	if (stream_is_paused(&process->channel.stream) &&
		ioctl(process->channel.stream.rfd, FIONREAD, &waiting) == 0 && waiting > 0)
		loop_timer_set(&process->linger_timer, process->params.route->closing_wait_ms + 1);
	else
		channel_end(&process->channel);
}

/* Its stdout is closed, and all that was in it was passed on. */
static void process_on_eof(struct endpoint *endpoint, int error)
{
	struct process *process = (struct process *)endpoint;
	(void)error; /* a pipe has none worth telling */
	process->stdout_ended = true;
	event_del(&process->linger_timer);
	if (!process->exited)
		process_stop(process);
	process_check_end(process);
}

/* Its output can't be understood, or its session can't go on. */
static void process_on_bad(struct endpoint *endpoint, const char *reason)
{
	struct process *process = (struct process *)endpoint;
	struct end end = { .code = 1011, .abrupt = true };

	log_warning(endpoint->loop->log, "session with a program failed",
		LOG_STR("id", process->params.session), LOG_STR("reason", reason));
	snprintf(end.reason, sizeof(end.reason), "%s", reason);
	snprintf(process->how, sizeof(process->how), "%s", reason);
	process_report(process, &end);
}

/* It closed its stdin: what the visitor sends is dropped from now on, its output goes on. */
static void process_on_broken(struct endpoint *endpoint, int error)
{
	struct process *process = (struct process *)endpoint;
	log_debug(endpoint->loop->log, "program takes no input", LOG_STR("id", process->params.session),
		LOG_STR("error", strerror(error)));
	if (process->ladder == LADDER_FLUSHING)
		process_enter(process, process_next_step(process));
}

/* Output came: was it the last that is there? */
static void process_on_output(struct endpoint *endpoint)
{
	process_check_linger((struct process *)endpoint);
}

/* Its stdin took something. Only that is progress while we wait for it: a program may print for ever and
 * never read. */
static void process_on_input(struct endpoint *endpoint)
{
	struct process *process = (struct process *)endpoint;
	if (process->ladder != LADDER_FLUSHING)
		return;
	if (process_stdin_done(process))
		process_enter(process, process_next_step(process));
	else
		loop_timer_set(&process->ladder_timer, process->params.route->stop_grace_ms);
}

static const struct channel_hooks process_channel_hooks = {
	.on_eof = process_on_eof,
	.on_bad = process_on_bad,
	.on_broken = process_on_broken,
	.on_output = process_on_output,
	.on_input = process_on_input,
};

/* It runs. */
static void process_on_started(void *arg, pid_t pid, const int fds[3])
{
	struct process *process = arg;
	process->pid = pid;
	channel_open(&process->channel, fds[STDOUT_FILENO], fds[STDIN_FILENO]);
	if (fds[STDERR_FILENO] >= 0)
		errlog_open(&process->errlog, process->endpoint.loop, fds[STDERR_FILENO],
			process->params.session, process->params.route->pattern);
	process->endpoint.hooks->on_ready(process->endpoint.arg);
}

/* It could not be started. */
static void process_on_failed(void *arg, const char *step, int error)
{
	struct process *process = arg;
	char reason[256];
	spawn_release(process->child);
	process->child = NULL;
	process->ended = true;
	if (strcmp(step, "execve") == 0)
		snprintf(reason, sizeof(reason), "%s: %s", process->params.program, strerror(error));
	else
		snprintf(
			reason, sizeof(reason), "%s: %s: %s", process->params.program, step, strerror(error));
	process->endpoint.hooks->on_failed(process->endpoint.arg, error, reason);
}

/* It exited; its output may still be on the way. */
static void process_on_exited(void *arg, int status)
{
	struct process *process = arg;
	process->exited = true;
	process->status = status;
	process_status_text(status, process->how);
	event_del(&process->ladder_timer);
	process_check_linger(process);
	process_check_end(process);
}

static const struct spawn_hooks process_spawn_hooks = {
	.started = process_on_started,
	.failed = process_on_failed,
	.exited = process_on_exited,
};

/* Asks the spawner for it. */
static int process_start(struct endpoint *endpoint)
{
	struct process *process = (struct process *)endpoint;
	struct spawn_request request = {
		.generation = process->params.generation,
		.route = process->params.route_index,
		.entry = process->params.entry,
		.env = process->params.env,
	};
	process->child = spawn_start(process->params.spawner, &request, &process_spawn_hooks, process);
	return process->child == NULL ? -ENOMEM : 0;
}

/* The visitor's piece for its stdin. */
static int process_send(struct endpoint *endpoint, const struct piece *piece)
{
	return channel_send(&((struct process *)endpoint)->channel, piece);
}

/* The turn's pieces leave. */
static void process_flush(struct endpoint *endpoint)
{
	channel_flush(&((struct process *)endpoint)->channel);
}

/* What its stdin has not taken. */
static size_t process_queued(const struct endpoint *endpoint)
{
	return channel_queued(&((const struct process *)endpoint)->channel);
}

/* How much is read from it at once. */
static void process_allow(struct endpoint *endpoint, size_t max)
{
	channel_allow(&((struct process *)endpoint)->channel, max);
}

/* The visitor has closed: the ladder from its first step; output still counts. */
static void process_finish(struct endpoint *endpoint, const struct end *end)
{
	(void)end;
	process_stop((struct process *)endpoint);
}

/*
 * The visitor broke off. In the middle of a message the signal comes before the end of its stdin, so that
 * half a command is never taken for a whole one; but after what came before, which may be more than a pipe
 * holds.
 */
static void process_abort(struct endpoint *endpoint, const struct end *end)
{
	struct process *process = (struct process *)endpoint;
	if (process->ended)
		return;
	channel_flush(&process->channel);
	channel_mute(&process->channel);
	if (end->in_message && process->ladder == LADDER_NONE)
		process->broken_off = true;
	if (!end->in_message || process->broken_off)
		process_stop(process);
	else if (process_may_stop(process) && process->ladder < LADDER_SIGNALLED)
		process_enter(process, LADDER_SIGNALLED);
}

/* Frees it after the turn. */
static void process_free(struct grave *grave)
{
	struct process *process = (struct process *)grave;
	arena_free(&process->endpoint.loop->arena, process);
}

/* Takes it down in any state. */
static void process_destroy(struct endpoint *endpoint)
{
	struct process *process = (struct process *)endpoint;
	if (process->child != NULL)
		spawn_release(process->child);
	errlog_close(&process->errlog);
	channel_done(&process->channel);
	loop_event_done(endpoint->loop, &process->ladder_timer);
	loop_event_done(endpoint->loop, &process->linger_timer);
	loop_bury(endpoint->loop, &endpoint->grave, process_free);
}

/* For the log. */
static void process_describe(const struct endpoint *endpoint, char who[static 128], char how[static 64])
{
	const struct process *process = (const struct process *)endpoint;
	snprintf(who, 128, "pid %d", (int)process->pid);
	snprintf(how, 64, "%s", process->how);
}

static const struct endpoint_ops process_ops = {
	.start = process_start,
	.send = process_send,
	.flush = process_flush,
	.queued = process_queued,
	.allow = process_allow,
	.finish = process_finish,
	.abort = process_abort,
	.destroy = process_destroy,
	.describe = process_describe,
};

/* A program that is not started. */
struct endpoint *process_new(
	struct loop *loop, const struct process_params *params, const struct endpoint_hooks *hooks, void *arg)
{
	struct process *process = arena_alloc(&loop->arena, sizeof(*process));
	if (process == NULL)
		return NULL;
	process->endpoint =
		(struct endpoint){ .ops = &process_ops, .hooks = hooks, .arg = arg, .loop = loop };
	process->params = *params;
	process->errlog.fd = -1;
	loop_event_init(loop, &process->ladder_timer, -1, 0, process_on_ladder, process);
	loop_event_init(loop, &process->linger_timer, -1, 0, process_on_linger, process);
	channel_init(&process->channel, &process->endpoint, &params->rules, &process_channel_hooks);
	return &process->endpoint;
}
