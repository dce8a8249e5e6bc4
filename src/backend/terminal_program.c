/*
 * terminal_program: the program of a terminal: how it is started, what the client is told then, and what
 * becomes of its output.
 *
 * Owns nothing: the program's endpoint is terminal.c's. Runs on its loop's thread.
 */
#include "backend/terminal_internal.h"

#include "ws/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The program can't be had. */
static void terminal_on_unstarted(void *arg, int error, const char *reason)
{
	struct terminal *terminal = arg;
	struct end end = { .code = CLOSE_INTERNAL, .abrupt = true };

	log_warning(terminal->endpoint.loop->log, "program could not be started",
		LOG_STR("id", terminal->params.process.session), LOG_STR("reason", reason));
	terminal->params.on_unstarted(terminal->params.process.arg, error, reason, &end);
	terminal_end(terminal, &end, "not started");
}

/* A whole message for the client. */
static void terminal_say(struct terminal *terminal, uint8_t *data, size_t len)
{
	struct piece piece = { .data = data, .len = len, .first = true, .last = true };

	terminal->endpoint.hooks->on_piece(terminal->endpoint.arg, &piece);
}

/* What the client is told first. */
static void terminal_greet(struct terminal *terminal)
{
	const struct process_params *params = &terminal->params.process;
	uint8_t message[TTYMESSAGE_MAX];

	terminal_say(terminal, message, ttymessage_title(params->program, message));
	terminal_say(terminal, message, ttymessage_preferences(params->route->write, message));
	terminal->endpoint.hooks->on_flush(terminal->endpoint.arg);
}

/* The program runs. */
static void terminal_on_ready(void *arg)
{
	struct terminal *terminal = arg;

	terminal_enter(terminal, TERMINAL_OPEN);
	terminal_greet(terminal);
	terminal_type_early(terminal);
	terminal_resize(terminal);
	if (terminal->wish != TERMINAL_STAY)
		terminal_leave(terminal);
	terminal_update(terminal);
	terminal->endpoint.hooks->on_sent(terminal->endpoint.arg);
}

/* Output of the program: messages of their own. */
static int terminal_on_piece(void *arg, const struct piece *piece)
{
	struct terminal *terminal = arg;
	uint8_t message[1 + TERMINAL_READ];

	terminal->unseen += piece->len;
	message[0] = TTYMESSAGE_OUTPUT;
	for (size_t at = 0, n; at < piece->len; at += n) {
		n = piece->len - at < TERMINAL_READ ? piece->len - at : TERMINAL_READ;
		memcpy(message + 1, piece->data + at, n);
		terminal_say(terminal, message, 1 + n);
	}
	return 0;
}

/* The pieces of this turn are there. */
static void terminal_on_flush(void *arg)
{
	struct terminal *terminal = arg;
	terminal->endpoint.hooks->on_flush(terminal->endpoint.arg);
}

/* The program took some of its input. */
static void terminal_on_sent(void *arg)
{
	struct terminal *terminal = arg;
	terminal->endpoint.hooks->on_sent(terminal->endpoint.arg);
	terminal_update(terminal);
}

/* It has exited: who wants nothing of what it has left may keep its place for a while, but not for ever. */
static void terminal_on_exited(void *arg)
{
	struct terminal *terminal = arg;

	terminal->exited = true;
	if (loop_timer_set(&terminal->timer, terminal->params.process.route->send_timeout_ms) != 0)
		terminal_unhold(terminal);
}

/* It has said all that it had to say. */
static void terminal_on_eof(void *arg, const struct end *end)
{
	struct terminal *terminal = arg;
	terminal->endpoint.hooks->on_eof(terminal->endpoint.arg, end);
}

/* It is gone. */
static void terminal_on_closed(void *arg)
{
	struct terminal *terminal = arg;
	terminal_enter(terminal, TERMINAL_ENDED);
	terminal->endpoint.hooks->on_closed(terminal->endpoint.arg);
}

static const struct endpoint_hooks terminal_process_hooks = {
	.on_ready = terminal_on_ready,
	.on_failed = terminal_on_unstarted,
	.on_piece = terminal_on_piece,
	.on_flush = terminal_on_flush,
	.on_sent = terminal_on_sent,
	.on_eof = terminal_on_eof,
	.on_closed = terminal_on_closed,
};

/* The first message: starts the program. */
void terminal_launch(struct terminal *terminal)
{
	struct endpoint *endpoint = &terminal->endpoint;
	struct ttymessage_size *size = &terminal->reader.size;
	struct process_params *params = &terminal->params.process;

	size->columns = size->columns > 0 ? size->columns : TERMINAL_COLUMNS;
	size->rows = size->rows > 0 ? size->rows : TERMINAL_ROWS;
	terminal->size = *size;
	params->columns = size->columns;
	params->rows = size->rows;
	params->on_exited = terminal_on_exited;
	terminal_enter(terminal, TERMINAL_STARTING);
	terminal->process = process_new(endpoint->loop, params, &terminal_process_hooks, terminal);
	int error = terminal->process == NULL ? -ENOMEM : terminal->process->ops->start(terminal->process);
	if (error != 0)
		terminal_on_unstarted(terminal, -error, strerror(-error));
	else
		terminal->has_started = true;
	free(terminal->strings);
	terminal->strings = NULL;
}
