/*
 * process_end: how a program's session ends: what must have come to pass, and who is told what.
 *
 * It has ended when its output is closed and it has exited, whichever comes second; only then the last bytes
 * are all on their way and its status is told. A client that has closed does not wait for that longer than
 * closing_wait. Runs on its loop's thread.
 */
#include "backend/process_internal.h"
#include "backend/waitstatus.h"

#include <stdio.h>
#include <sys/wait.h>

/* Its status as an end; death by a signal of ours is the one that we wanted. */
static struct end process_end_of(const struct process *process)
{
	struct end end = { .code = 1000 };
	int status = process->status;

	if (process->lost) {
		end = (struct end){ .code = 1011, .abrupt = true };
		snprintf(end.reason, sizeof(end.reason), "%s", process->how);
		return end;
	}
	if (process->stopped)
		return end;
	end.code = waitstatus_code(status);
	end.killed = WIFSIGNALED(status);
	if (end.code != 1000)
		waitstatus_text(status, end.reason);
	return end;
}

/* Its last words on stderr are logged. */
void process_close_stderr(struct process *process)
{
	if (process->errtag != NULL)
		errtag_close(process->errtag);
	errlog_close(&process->errlog);
}

/* Lets go of the program, once: what is left of its group is killed. */
void process_release(struct process *process)
{
	if (process->child == NULL)
		return;
	spawn_release(process->child);
	process->child = NULL;
	process->params.on_released(process->params.arg);
}

/* Tells its end, once. */
static void process_tell(struct process *process, const struct end *end)
{
	if (process->told)
		return;
	process->told = true;
	process->endpoint.hooks->on_eof(process->endpoint.arg, end);
}

/* Reports the end and lets go of everything: what is left of its group is killed by the release. */
void process_report(struct process *process, const struct end *end)
{
	if (process->ended)
		return;
	process->ended = true;
	ladder_stop(&process->ladder);
	heirs_stop(&process->heirs);
	process_close_stderr(process);
	process_release(process);
	channel_done(&process->channel);
	process_tell(process, end);
	process->endpoint.hooks->on_closed(process->endpoint.arg);
}

/* The client that has closed is answered; the program goes on to nowhere until it is gone. */
static void process_dismiss(struct process *process)
{
	struct end end = { .code = 1000 };

	channel_mute(&process->channel);
	if (process->errtag != NULL)
		errtag_mute(process->errtag);
	process_tell(process, &end);
}

/* Has it ended, with output closed, status known, and the client told what it said on stderr? Or has it for
 * its client? */
void process_check_end(struct process *process)
{
	if (process->ended || !process->stdout_ended || !(process->exited || process->cut))
		return;
	if (process->errtag != NULL && (!errtag_finish(process->errtag) || process->ended))
		return;
	if (!process->exited) {
		process_dismiss(process);
		return;
	}
	struct end end = process_end_of(process);
	process_report(process, &end);
}

/* Its client has closed and closing_wait is over. */
static void process_cut(struct process *process)
{
	process->cut = true;
	if (process->stdout_ended)
		process_check_end(process);
	else
		heirs_cut(&process->heirs);
}

/* A signal for its group, from the ladder. */
void process_signal(void *arg, int signo)
{
	struct process *process = arg;
	if (process->child != NULL)
		spawn_signal(process->child, signo);
	if (process->left && !process->cut)
		process_cut(process);
}

/* The client has closed after the signal. */
void process_on_late(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;
	(void)fd;
	(void)what;
	if (!process->cut)
		process_cut(process);
}

/* Says so to whoever may hold its output back. */
static void process_tell_exit(struct process *process)
{
	if (process->params.on_exited != NULL && !process->stdout_ended && !process->ended)
		process->params.on_exited(process->endpoint.arg);
}

/* It exited; its output may still be on the way. */
void process_on_exited(void *arg, int status, bool stopped)
{
	struct process *process = arg;
	process->exited = true;
	process->status = status;
	process->stopped = stopped;
	waitstatus_text(status, process->how);
	ladder_stop(&process->ladder);
	process_tell_exit(process);
	if (!process->stdout_ended)
		heirs_begin(&process->heirs);
	process_check_end(process);
}

/* Who kept it is gone, and so is it. What it has said counts; nobody waits for its heirs. */
void process_on_lost(void *arg)
{
	struct process *process = arg;
	process->exited = process->lost = true;
	snprintf(process->how, sizeof(process->how), "the process that starts programs died");
	ladder_stop(&process->ladder);
	process_tell_exit(process);
	if (process->stdout_ended || process->cut)
		process_check_end(process);
	else
		heirs_cut(&process->heirs);
}
