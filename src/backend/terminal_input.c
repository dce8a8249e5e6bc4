/*
 * terminal_input: what the client of a terminal says: keys, sizes, and how much output it wants.
 *
 * Owns what was typed before there was a program. Runs on its loop's thread.
 */
#include "backend/terminal_internal.h"
#include "base/buffer.h"
#include "ws/message.h"

/* How much output the client takes now. */
static size_t terminal_wanted(const struct terminal *terminal)
{
	uint32_t window = terminal->reader.window;

	if (terminal->unheld)
		return TERMINAL_READ;
	if (terminal->paused || (window > 0 && terminal->unseen >= window))
		return 0;
	return window > 0 && window - terminal->unseen < TERMINAL_READ ? window - terminal->unseen
								       : TERMINAL_READ;
}

/*
 * Derives how much of the output is read. What the client wants holds only while it is heard: when so much of
 * what it has sent waits that no more is read from it (the marks of net/endpoint.h), a program that waits for
 * its output to be read would never read its input, nor we the end of the pause behind that.
 */
void terminal_update(struct terminal *terminal)
{
	size_t buffer = terminal->params.process.route->buffer;

	if (terminal->state != TERMINAL_OPEN)
		return;
	size_t queued = terminal->process->ops->queued(terminal->process);
	terminal->choked = queued > buffer - buffer / ENDPOINT_LEAST ||
			   (terminal->choked && queued >= buffer / ENDPOINT_LOW);
	size_t max = terminal->choked ? TERMINAL_READ : terminal_wanted(terminal);
	terminal->process->ops->allow(terminal->process, terminal->allowed < max ? terminal->allowed : max);
}

/* Nothing of the client's holds the output back any more. */
void terminal_unhold(struct terminal *terminal)
{
	terminal->unheld = true;
	terminal_update(terminal);
}

/* Tells the program how large its terminal is, if it is there, does not know and was not told just now. */
void terminal_resize(struct terminal *terminal)
{
	const struct ttymessage_size *size = &terminal->reader.size;

	if (terminal->state != TERMINAL_OPEN || terminal->exited ||
		event_pending(&terminal->timer, EV_TIMEOUT, NULL) ||
		(size->columns == terminal->size.columns && size->rows == terminal->size.rows))
		return;
	terminal->size = *size;
	process_resize(terminal->process, size->columns, size->rows);
	loop_timer_set(&terminal->timer, TERMINAL_RESIZE_MS);
}

/* What was typed before the program was there. */
void terminal_type_early(struct terminal *terminal)
{
	struct evbuffer *early = terminal->early;
	struct evbuffer_iovec part;

	if (early == NULL)
		return;
	while (evbuffer_peek(early, -1, NULL, &part, 1) > 0) {
		struct piece piece = { .data = part.iov_base, .len = part.iov_len };
		terminal->process->ops->send(terminal->process, &piece);
		evbuffer_drain(early, part.iov_len);
	}
	evbuffer_free(early);
	terminal->early = NULL;
	terminal->process->ops->flush(terminal->process);
}

/* Keeps what is typed before the program is there. */
static void terminal_keep(struct terminal *terminal, const struct piece *input)
{
	if (terminal->early == NULL)
		terminal->early = evbuffer_new();
	if (terminal->early == NULL || buffer_append(terminal->early, input->data, input->len) != 0)
		terminal_fail(terminal, CLOSE_INTERNAL, "out of memory");
}

/* Input goes to the program, in time. */
static void terminal_type(struct terminal *terminal, const struct piece *input)
{
	if (!terminal->params.process.route->write || input->len == 0)
		return;
	if (terminal->state == TERMINAL_OPEN)
		terminal->process->ops->send(terminal->process, input);
	else
		terminal_keep(terminal, input);
}

/* The client says what it must not. A program that runs is ended as that of any client that breaks a rule.
 * Returns the close code, or 0 when the end is told later. */
static int terminal_refuse(struct terminal *terminal, enum ttymessage wrong)
{
	if (wrong == TTYMESSAGE_TOO_BIG && terminal->state == TERMINAL_OPEN)
		return CLOSE_TOO_BIG;
	if (wrong == TTYMESSAGE_TOO_BIG)
		terminal_fail(terminal, CLOSE_TOO_BIG, "message too big");
	else if (wrong == TTYMESSAGE_NO_HELLO)
		terminal_fail(terminal, CLOSE_POLICY,
			"the first message of tty is a JSON object: {\"columns\":80,\"rows\":24}");
	else
		terminal_fail(terminal, CLOSE_INTERNAL, "out of memory");
	return 0;
}

/* The client is done with some of the output; no more than there was. */
static void terminal_see(struct terminal *terminal)
{
	uint64_t seen = terminal->reader.seen;

	terminal->unseen -= seen < terminal->unseen ? seen : terminal->unseen;
	terminal_update(terminal);
}

/* A piece of what the client says. */
int terminal_send(struct endpoint *endpoint, const struct piece *piece)
{
	struct terminal *terminal = (struct terminal *)endpoint;
	struct piece input;

	if (terminal->state == TERMINAL_ENDED)
		return 0;
	enum ttymessage said = ttymessage_read(&terminal->reader, piece, &input);
	switch (said) {
	case TTYMESSAGE_NOTHING:
		break;
	case TTYMESSAGE_HELLO:
		terminal_launch(terminal);
		break;
	case TTYMESSAGE_INPUT:
		terminal_type(terminal, &input);
		break;
	case TTYMESSAGE_RESIZE:
		terminal_resize(terminal);
		break;
	case TTYMESSAGE_PAUSE:
	case TTYMESSAGE_RESUME:
		terminal->paused = said == TTYMESSAGE_PAUSE;
		terminal_update(terminal);
		break;
	case TTYMESSAGE_SEEN:
		terminal_see(terminal);
		break;
	case TTYMESSAGE_NO_HELLO:
	case TTYMESSAGE_TOO_BIG:
	case TTYMESSAGE_NO_MEMORY:
		return terminal_refuse(terminal, said);
	}
	return 0;
}

/* Drops it. */
void terminal_forget_input(struct terminal *terminal)
{
	ttymessage_reader_done(&terminal->reader);
	if (terminal->early != NULL)
		evbuffer_free(terminal->early);
	terminal->early = NULL;
}
