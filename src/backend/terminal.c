/*
 * terminal: the endpoint that stands before a program's: its state, what the bridge wants of it, its end.
 *
 * Owns the state, the timer and the program's endpoint; what the client says is in terminal_input.c, what the
 * program does in terminal_program.c. How that ends is its own endpoint's; when there is none the end is told
 * from the loop. Runs on its loop's thread.
 */
#include "backend/terminal.h"

#include "backend/terminal_internal.h"
#include "base/buffer.h"
#include "base/must.h"
#include "ws/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one place where the state changes, and with it what the timer is for. */
void terminal_enter(struct terminal *terminal, enum terminal_state state)
{
	must(state > terminal->state);
	terminal->state = state;
	loop_event_stop(&terminal->timer);
	if (state == TERMINAL_GREETING)
		loop_timer_set(&terminal->timer, TERMINAL_HELLO_MS);
}

/* Gives the program's place back when there never was one. */
static void terminal_let_go(struct terminal *terminal)
{
	if (!terminal->has_started)
		terminal->params.process.on_released(terminal->params.process.arg);
	terminal->has_started = true;
}

/* The program's endpoint goes. */
static void terminal_drop_process(struct terminal *terminal)
{
	if (terminal->process != NULL)
		terminal->process->ops->destroy(terminal->process);
	terminal->process = NULL;
}

/* It is over, as the next turn says: the other side is never told from within what it calls. */
void terminal_end(struct terminal *terminal, const struct end *end, const char *how)
{
	if (terminal->state == TERMINAL_ENDED)
		return;
	terminal_drop_process(terminal);
	terminal->end = *end;
	snprintf(terminal->how, sizeof(terminal->how), "%.63s", how);
	terminal_enter(terminal, TERMINAL_ENDED);
	event_active(&terminal->timer, EV_TIMEOUT, 1);
}

/* ... with an end that is not in order, and for which these words are all that there is. */
void terminal_fail(struct terminal *terminal, uint16_t code, const char *reason)
{
	struct end end = { .code = code, .abrupt = true };

	snprintf(end.reason, sizeof(end.reason), "%s", reason);
	terminal_end(terminal, &end, reason);
}

/* Ready on the next turn. */
static int terminal_start(struct endpoint *endpoint)
{
	return loop_timer_set(&((struct terminal *)endpoint)->timer, 0);
}

/* What the client has sent leaves for the program. */
static void terminal_flush(struct endpoint *endpoint)
{
	struct terminal *terminal = (struct terminal *)endpoint;

	if (terminal->state != TERMINAL_OPEN)
		return;
	terminal->process->ops->flush(terminal->process);
	terminal_update(terminal);
}

/* What the program has not taken. */
static size_t terminal_queued(const struct endpoint *endpoint)
{
	const struct terminal *terminal = (const struct terminal *)endpoint;
	size_t early = terminal->early != NULL ? buffer_cost(terminal->early) : 0;

	return early + (terminal->process != NULL ? terminal->process->ops->queued(terminal->process) : 0);
}

/* How much the bridge lets through. */
static void terminal_allow(struct endpoint *endpoint, size_t max)
{
	struct terminal *terminal = (struct terminal *)endpoint;

	terminal->allowed = max;
	terminal_update(terminal);
}

/* The other side has ended: so do the pause and the window, since nobody could end them any more. */
void terminal_leave(struct terminal *terminal)
{
	const struct endpoint_ops *ops = terminal->process->ops;

	terminal_unhold(terminal);
	if (terminal->wish == TERMINAL_FINISH)
		ops->finish(terminal->process, &terminal->wished);
	else
		ops->abort(terminal->process, &terminal->wished);
}

/* The other side has ended, in its way: the program is told, once it is there. */
static void terminal_part(struct terminal *terminal, enum terminal_wish wish, const struct end *end)
{
	struct end none = { .code = CLOSE_NORMAL };

	terminal->wish = wish;
	terminal->wished = *end;
	if (terminal->state == TERMINAL_OPEN)
		terminal_leave(terminal);
	else if (terminal->state != TERMINAL_STARTING)
		terminal_end(terminal, &none, "left before its first message");
}

/* The visitor has closed. */
static void terminal_finish(struct endpoint *endpoint, const struct end *end)
{
	terminal_part((struct terminal *)endpoint, TERMINAL_FINISH, end);
}

/* The visitor broke off. */
static void terminal_abort(struct endpoint *endpoint, const struct end *end)
{
	terminal_part((struct terminal *)endpoint, TERMINAL_ABORT, end);
}

/* Says the end for which there is no program. */
static void terminal_report(struct terminal *terminal)
{
	terminal_let_go(terminal);
	terminal->endpoint.hooks->on_eof(terminal->endpoint.arg, &terminal->end);
	terminal->endpoint.hooks->on_closed(terminal->endpoint.arg);
}

/* The one timer. */
static void terminal_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct terminal *terminal = arg;
	(void)fd;
	(void)what;

	switch (terminal->state) {
	case TERMINAL_NEW:
		terminal_enter(terminal, TERMINAL_GREETING);
		terminal->endpoint.hooks->on_ready(terminal->endpoint.arg);
		return;
	case TERMINAL_GREETING:
		if (!loop_timer_reprieve(&terminal->timer))
			terminal_fail(terminal, CLOSE_POLICY, "no first message of tty");
		return;
	case TERMINAL_OPEN:
		if (terminal->exited)
			terminal_unhold(terminal);
		else
			terminal_resize(terminal);
		return;
	case TERMINAL_ENDED:
		terminal_report(terminal);
		return;
	case TERMINAL_STARTING:
		break;
	}
	must(false);
}

/* Frees it after the turn. */
static void terminal_free(struct grave *grave)
{
	struct terminal *terminal = (struct terminal *)grave;
	arena_free(&terminal->endpoint.loop->arena, terminal);
}

/* Takes it down in any state. */
static void terminal_destroy(struct endpoint *endpoint)
{
	struct terminal *terminal = (struct terminal *)endpoint;

	terminal_drop_process(terminal);
	terminal_let_go(terminal);
	terminal_forget_input(terminal);
	free(terminal->strings);
	loop_event_done(endpoint->loop, &terminal->timer);
	loop_bury(endpoint->loop, &endpoint->grave, terminal_free);
}

/* For the log: the program, when there was one. */
static void terminal_describe(const struct endpoint *endpoint, char who[static 128], char how[static 64])
{
	const struct terminal *terminal = (const struct terminal *)endpoint;

	if (terminal->process != NULL) {
		terminal->process->ops->describe(terminal->process, who, how);
		return;
	}
	who[0] = '\0';
	snprintf(how, 64, "%s", terminal->how);
}

static const struct endpoint_ops terminal_ops = {
	.start = terminal_start,
	.send = terminal_send,
	.flush = terminal_flush,
	.queued = terminal_queued,
	.allow = terminal_allow,
	.finish = terminal_finish,
	.abort = terminal_abort,
	.destroy = terminal_destroy,
	.describe = terminal_describe,
};

/* Copies what only lives for the call. Returns false when memory is short. */
static bool terminal_keep_strings(struct terminal *terminal)
{
	struct text *entry = &terminal->params.process.entry, *env = &terminal->params.process.env;

	terminal->strings = malloc(entry->len + env->len + 1);
	if (terminal->strings == NULL)
		return false;
	if (entry->len > 0)
		memcpy(terminal->strings, entry->ptr, entry->len);
	if (env->len > 0)
		memcpy(terminal->strings + entry->len, env->ptr, env->len);
	entry->ptr = terminal->strings;
	env->ptr = terminal->strings + entry->len;
	return true;
}

/* A terminal that nobody has greeted. */
struct endpoint *terminal_new(struct loop *loop, const struct terminal_params *params,
	const struct endpoint_hooks *hooks, void *arg)
{
	struct terminal *terminal = arena_alloc(&loop->arena, sizeof(*terminal));

	if (terminal == NULL)
		return NULL;
	terminal->endpoint =
		(struct endpoint){ .ops = &terminal_ops, .hooks = hooks, .arg = arg, .loop = loop };
	terminal->params = *params;
	if (!terminal_keep_strings(terminal)) {
		arena_free(&loop->arena, terminal);
		return NULL;
	}
	ttymessage_reader_init(&terminal->reader);
	loop_event_init(loop, &terminal->timer, -1, 0, terminal_on_timer, terminal);
	return &terminal->endpoint;
}
