/*
 * process: a session's program, on pipes or on a terminal.
 *
 * Owns the channel on its stdin and stdout, and its stderr; the order of its end is in process_end.c. How it
 * is made to end is backend/ladder.h, how long its heirs may talk backend/heirs.h; the process itself belongs
 * to the spawner. Runs on its loop's thread.
 */
#include "backend/process.h"

#include "backend/process_internal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Its stdout is closed, and all that was in it was passed on. */
static void process_on_eof(struct endpoint *endpoint, int error)
{
	struct process *process = (struct process *)endpoint;
	(void)error; /* a pipe has none worth telling */
	process->stdout_ended = true;
	heirs_stop(&process->heirs);
	ladder_begin(&process->ladder, false);
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
	ladder_on_input(&process->ladder);
}

/* Output came: was it the last that is there? */
static void process_on_output(struct endpoint *endpoint)
{
	heirs_on_output(&((struct process *)endpoint)->heirs);
}

/* Its stdin took something. */
static void process_on_input(struct endpoint *endpoint)
{
	ladder_on_input(&((struct process *)endpoint)->ladder);
}

static const struct channel_hooks process_channel_hooks = {
	.on_eof = process_on_eof,
	.on_bad = process_on_bad,
	.on_broken = process_on_broken,
	.on_output = process_on_output,
	.on_input = process_on_input,
};

/* A piece of its stdout, which is to be told from its stderr. */
static int process_on_piece(struct endpoint *endpoint, const struct piece *piece)
{
	return errtag_pass(((struct process *)endpoint)->errtag, piece);
}

static const struct channel_hooks process_tagged_hooks = {
	.on_piece = process_on_piece,
	.on_eof = process_on_eof,
	.on_bad = process_on_bad,
	.on_broken = process_on_broken,
	.on_output = process_on_output,
	.on_input = process_on_input,
};

/* All of its stderr that counts was passed on. */
static void process_on_stderr_end(struct endpoint *endpoint)
{
	process_check_end((struct process *)endpoint);
}

static const struct errtag_hooks process_errtag_hooks = { .on_end = process_on_stderr_end,
	.on_bad = process_on_bad };

/* Takes its stderr, if it has one of its own. Returns 0 or -errno. */
static int process_open_stderr(struct process *process, int fd)
{
	struct errtag *errtag = process->errtag;

	if (fd < 0)
		return 0;
	int error = errlog_open(&process->errlog, process->endpoint.loop, errtag != NULL ? -1 : fd,
		process->params.session, process->params.route->pattern);
	if (process->params.kind == SPAWN_CGI || process->params.route->dir != NULL)
		process->errlog.program = process->params.program;
	if (errtag != NULL)
		errtag_open(errtag, &process->endpoint, fd, &process->channel.stream, &process->errlog,
			&process_errtag_hooks);
	return error;
}

/* Is its file there? */
static bool process_is_there(const struct process *process)
{
	return access(process->params.program, F_OK) == 0;
}

/* Why a file could not be executed: for a script the errno alone leads astray. */
static const char *process_execve_error(const struct process *process, int error)
{
	if (error == ENOENT && process_is_there(process))
		return "the interpreter that its #! line names is not there (or the line ends in CR LF)";
	if (error == ENOEXEC)
		return "Exec format error: it has no #! line, or is for another machine";
	return strerror(error);
}

/* It could not be started. */
static void process_on_failed(void *arg, const char *step, int error)
{
	struct process *process = arg;
	char reason[256];
	bool script = strcmp(step, "execve") == 0 && error == ENOENT && process_is_there(process);
	process_release(process);
	process->ended = true;
	if (strcmp(step, "execve") == 0)
		snprintf(reason, sizeof(reason), "%s: %s", process->params.program,
			process_execve_error(process, error));
	else
		snprintf(
			reason, sizeof(reason), "%s: %s: %s", process->params.program, step, strerror(error));
	process->endpoint.hooks->on_failed(
		process->endpoint.arg, script ? PROCESS_NO_INTERPRETER : error, reason);
}

/* It runs; but it is not used when its stderr can't be read. */
static void process_on_started(void *arg, pid_t pid, const int fds[3])
{
	struct process *process = arg;
	process->pid = pid;
	process->on_terminal = fds[STDIN_FILENO] == fds[STDOUT_FILENO];
	channel_open(&process->channel, fds[STDOUT_FILENO], fds[STDIN_FILENO]);
	if (process->on_terminal || process->is_unbuffered)
		stream_gather(&process->channel.stream);
	int error = process_open_stderr(process, fds[STDERR_FILENO]);
	if (error != 0)
		process_on_failed(process, "stderr", -error);
	else
		process->endpoint.hooks->on_ready(process->endpoint.arg);
}

static const struct spawn_hooks process_spawn_hooks = {
	.started = process_on_started,
	.failed = process_on_failed,
	.exited = process_on_exited,
	.lost = process_on_lost,
};

/* Asks the spawner for it. */
static int process_start(struct endpoint *endpoint)
{
	struct process *process = (struct process *)endpoint;
	struct spawn_request request = {
		.generation = process->params.generation,
		.route = process->params.route_index,
		.kind = process->params.kind,
		.columns = process->params.columns,
		.rows = process->params.rows,
		.entry = process->params.entry,
		.env = process->params.env,
	};
	process->child = spawn_start(process->params.spawner, &request, &process_spawn_hooks, process);
	return process->child == NULL ? -ENOMEM : 0;
}

/* The visitor's piece for its stdin. */
static int process_send(struct endpoint *endpoint, const struct piece *piece)
{
	struct process *process = (struct process *)endpoint;
	return process->deaf ? 0 : channel_send(&process->channel, piece);
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

/* How much is read from it at once: less where an empty line, a byte, becomes an object of JSON. */
static void process_allow(struct endpoint *endpoint, size_t max)
{
	enum { TAGS_GROWTH = 8 };
	struct process *process = (struct process *)endpoint;

	if (process->errtag != NULL)
		max = max / TAGS_GROWTH + (max % TAGS_GROWTH > 0);
	channel_allow(&process->channel, max);
	if (process->errtag != NULL)
		errtag_allow(process->errtag, max);
}

/* The visitor has closed: the ladder from its first step; output still counts until the signal. A close frame
 * may stand between the fragments of a message, which then never ends. */
static void process_finish(struct endpoint *endpoint, const struct end *end)
{
	struct process *process = (struct process *)endpoint;
	(void)end;
	channel_leave(&process->channel);
	process->left = true;
	ladder_begin(&process->ladder, process->channel.half && !process->on_terminal);
	if (ladder_has_signalled(&process->ladder))
		event_active(&process->late, EV_TIMEOUT, 1);
}

/*
 * The visitor broke off. In the middle of a message the signal comes before the end of its stdin, so that
 * half a command is never taken for a whole one; but after what came before, which may be more than a pipe
 * holds. A terminal has no such end, and its messages are keys.
 */
static void process_abort(struct endpoint *endpoint, const struct end *end)
{
	struct process *process = (struct process *)endpoint;
	bool in_message = end->in_message && !process->on_terminal;

	if (process->ended)
		return;
	channel_flush(&process->channel);
	channel_mute(&process->channel);
	if (process->errtag != NULL)
		errtag_mute(process->errtag);
	if (in_message && process->ladder.step > LADDER_NONE)
		ladder_hurry(&process->ladder);
	else
		ladder_begin(&process->ladder, in_message);
}

/* Frees it after the turn. */
static void process_free(struct grave *grave)
{
	struct process *process = (struct process *)grave;
	struct arena *arena = &process->endpoint.loop->arena;
	arena_free(arena, process->errtag);
	arena_free(arena, process);
}

/* Takes it down in any state. */
static void process_destroy(struct endpoint *endpoint)
{
	struct process *process = (struct process *)endpoint;
	process_release(process);
	process_close_stderr(process);
	channel_done(&process->channel);
	ladder_done(&process->ladder);
	heirs_done(&process->heirs);
	loop_event_done(endpoint->loop, &process->late);
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

/* The signal that ends such a program. An interactive shell ignores TERM. */
static int process_stop_signal(const struct route_conf *route, bool terminal)
{
	if (route->stop_signal != 0)
		return route->stop_signal;
	return terminal ? SIGHUP : SIGTERM;
}

/* A program that is not started. What a route says of its sessions' programs does not hold for those of cgi,
 * nor what it says of pipes for a terminal. */
struct endpoint *process_new(
	struct loop *loop, const struct process_params *params, const struct endpoint_hooks *hooks, void *arg)
{
	const struct route_conf *route = params->route;
	bool of_session = params->kind == SPAWN_SESSION;
	bool terminal = of_session && route->terminal, piped = of_session && !route->terminal;
	bool tagged = piped && route->stderr_to == STDERR_TAGGED;
	struct process *process = arena_alloc(&loop->arena, sizeof(*process));
	struct errtag *errtag = tagged ? arena_alloc(&loop->arena, sizeof(*errtag)) : NULL;

	if (process == NULL || (tagged && errtag == NULL)) {
		arena_free(&loop->arena, errtag);
		arena_free(&loop->arena, process);
		return NULL;
	}
	process->endpoint =
		(struct endpoint){ .ops = &process_ops, .hooks = hooks, .arg = arg, .loop = loop };
	process->params = *params;
	process->errtag = errtag;
	process->deaf = terminal && !route->write;
	process->is_unbuffered = piped && route->unbuffer;
	if (tagged)
		errtag->fd = -1;
	ladder_init(&process->ladder, loop, route, &process->channel, process_stop_signal(route, terminal),
		process_signal, process);
	loop_event_init(loop, &process->late, -1, 0, process_on_late, process);
	heirs_init(&process->heirs, loop, &process->channel, route->closing_wait_ms);
	channel_init(&process->channel, &process->endpoint, &params->rules,
		tagged ? &process_tagged_hooks : &process_channel_hooks);
	process->channel.eof_message = piped && route->eof_message;
	return &process->endpoint;
}

/* Tells the kernel, which tells the program. */
void process_resize(struct endpoint *endpoint, uint16_t columns, uint16_t rows)
{
	const struct process *process = (const struct process *)endpoint;
	struct winsize size = { .ws_col = columns, .ws_row = rows };

	if (process->on_terminal && stream_is_open(&process->channel.stream))
		ioctl(process->channel.stream.rfd, TIOCSWINSZ, &size);
}

/* Nothing else changes: the ladder is for a program that is to end. */
void process_end_input(struct endpoint *endpoint)
{
	stream_finish(&((struct process *)endpoint)->channel.stream);
}
