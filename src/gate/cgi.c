/*
 * cgi: a CGI program on its way from its start to its end.
 *
 * Owns the endpoint of the program, its place among the programs, and its head until that is whole. Knows
 * nothing of the connection that its request came by. Runs on its loop's thread.
 */
#include "gate/cgi.h"

#include "backend/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* It runs. */
static void cgi_on_ready(void *arg)
{
	struct cgi *cgi = arg;
	cgi->hooks->on_ready(cgi->arg);
}

/* It does not: the whole reason is for the log, the client gets a sentence for the errno. */
static void cgi_on_failed(void *arg, int error, const char *reason)
{
	struct cgi *cgi = arg;
	struct refusal refusal;

	admission_no_program(&refusal, error, reason);
	cgi->hooks->on_failed(cgi->arg, &refusal);
}

/* Nothing of its output counts any more, once what came is dealt with. */
static void cgi_fail(struct cgi *cgi, const char *reason)
{
	cgi->headed = cgi->failed = true;
	cgi->bad = reason;
}

/* Keeps what may be of the head. Returns how many bytes, or -1 when memory is short. */
static long cgi_hold(struct cgi *cgi, const uint8_t *data, size_t len)
{
	size_t room = CGIHEAD_MAX - cgi->n_head, n = len < room ? len : room;
	char *head = realloc(cgi->head, cgi->n_head + n);

	if (head == NULL)
		return -1;
	memcpy(head + cgi->n_head, data, n);
	cgi->head = head;
	cgi->n_head += n;
	return (long)n;
}

/* The head is whole: passes it on, and what is held of the document behind it. */
static void cgi_pass_head(struct cgi *cgi, size_t len)
{
	struct cgihead head;
	size_t n_rest = cgi->n_head - len;
	int error = cgihead_parse(&head, cgi->head, len);

	cgi->headed = true;
	if (error < 0) {
		cgi_fail(cgi, cgihead_reason(error));
		return;
	}
	cgi->hooks->on_head(cgi->arg, &head);
	if (n_rest > 0)
		cgi->hooks->on_document(cgi->arg, (uint8_t *)cgi->head + len, n_rest);
}

/* Bytes of the head. Returns how many of them are not the document's, which is what follows. */
static size_t cgi_take_head(struct cgi *cgi, const uint8_t *data, size_t len)
{
	long held = cgi_hold(cgi, data, len);

	if (held < 0) {
		cgi_fail(cgi, strerror(ENOMEM));
		return 0;
	}
	long end = cgihead_scan(&cgi->scan, cgi->head, cgi->n_head);
	if (end < 0)
		cgi_fail(cgi, cgihead_reason((int)end));
	else if (end > 0)
		cgi_pass_head(cgi, (size_t)end);
	if (cgi->headed) {
		free(cgi->head);
		cgi->head = NULL;
	}
	return (size_t)held;
}

/* A piece of its output. */
static int cgi_on_piece(void *arg, const struct piece *piece)
{
	struct cgi *cgi = arg;
	size_t held = cgi->headed ? 0 : cgi_take_head(cgi, piece->data, piece->len);

	if (cgi->headed && !cgi->failed && held < piece->len)
		cgi->hooks->on_document(cgi->arg, piece->data + held, piece->len - held);
	return 0;
}

/* Says, once, that there will be no head. */
static void cgi_tell_bad(struct cgi *cgi)
{
	const char *reason = cgi->bad;

	cgi->bad = NULL;
	if (reason != NULL)
		cgi->hooks->on_bad(cgi->arg, reason);
}

/* The pieces of this turn are there. */
static void cgi_on_flush(void *arg)
{
	struct cgi *cgi = arg;

	cgi->hooks->on_flush(cgi->arg);
	cgi_tell_bad(cgi);
}

/* It has taken input. */
static void cgi_on_sent(void *arg)
{
	struct cgi *cgi = arg;
	cgi->hooks->on_taken(cgi->arg);
}

/* The output is over and had no head: was there nothing, or would an empty line have made it one? */
static const char *cgi_why_no_head(struct cgi *cgi)
{
	static const uint8_t end[] = "\n\n";
	size_t n = cgi->n_head;

	if (n == 0)
		return "the program printed nothing";
	size_t len = cgi->head[n - 1] == '\n' ? 1 : 2;
	struct cgihead head;
	if (cgi_hold(cgi, end, len) == (long)len && cgihead_parse(&head, cgi->head, cgi->n_head) == 0)
		return "the program ended before the empty line that ends its head";
	return "what the program printed is no head";
}

/* All of its output is there, and it has exited. */
static void cgi_on_eof(void *arg, const struct end *end)
{
	struct cgi *cgi = arg;

	if (!cgi->headed)
		cgi_fail(cgi, cgi_why_no_head(cgi));
	cgi_tell_bad(cgi);
	if (!cgi->failed)
		cgi->hooks->on_end(cgi->arg, end->killed || end->abrupt);
}

/* It is gone. */
static void cgi_on_closed(void *arg)
{
	struct cgi *cgi = arg;
	cgi->hooks->on_gone(cgi->arg);
}

static const struct endpoint_hooks cgi_endpoint_hooks = {
	.on_ready = cgi_on_ready,
	.on_failed = cgi_on_failed,
	.on_piece = cgi_on_piece,
	.on_flush = cgi_on_flush,
	.on_sent = cgi_on_sent,
	.on_eof = cgi_on_eof,
	.on_closed = cgi_on_closed,
};

/* The program has been released: its place is another one's. */
static void cgi_on_released(void *arg)
{
	admission_end_program(&((struct cgi *)arg)->admission);
}

/* Names it. Returns 0 or -errno. */
static int cgi_name(struct cgi *cgi, struct text entry)
{
	const char *slash = text_ends_with(text_of(cgi->route->cgi_dir), "/") ? "" : "/";

	if (asprintf(&cgi->program, "%s%s%.*s", cgi->route->cgi_dir, slash, TEXT_ARG(entry)) >= 0)
		return record_make_id(&cgi->gate->entropy, cgi->id);
	cgi->program = NULL;
	return -ENOMEM;
}

/* A run without a program. */
struct cgi *cgi_new(struct gate *gate, const struct config *config, const struct route_conf *route,
	struct text entry, const struct cgi_hooks *hooks, void *arg, struct refusal *out)
{
	struct cgi *cgi = arena_alloc(&gate->loop->arena, sizeof(*cgi));

	if (cgi == NULL) {
		admission_no_resources(out, ENOMEM);
		return NULL;
	}
	cgi->gate = gate;
	cgi->config = config;
	cgi->route = route;
	cgi->hooks = hooks;
	cgi->arg = arg;
	int error = cgi_name(cgi, entry);
	if (error != 0)
		admission_no_resources(out, -error);
	if (error == 0 &&
		admission_enter_run(&cgi->admission, gate->limits, config, route, loop_now(gate->loop), out))
		return cgi;
	cgi_free(cgi);
	return NULL;
}

/* Asks for the program. Returns 0 or -errno. */
static int cgi_launch(struct cgi *cgi, struct text entry, struct text env)
{
	struct process_params params = {
		.spawner = cgi->gate->spawner,
		.route = cgi->route,
		.generation = cgi->gate->generation,
		.route_index = (uint32_t)(cgi->route - cgi->config->routes),
		.kind = SPAWN_CGI,
		.rules = { .framing = FRAMING_STREAM, .messages = MESSAGES_BINARY },
		.program = cgi->program,
		.entry = entry,
		.env = env,
		.session = cgi->id,
		.on_released = cgi_on_released,
		.arg = cgi,
	};
	cgi->endpoint = process_new(cgi->gate->loop, &params, &cgi_endpoint_hooks, cgi);
	return cgi->endpoint == NULL ? -ENOMEM : cgi->endpoint->ops->start(cgi->endpoint);
}

/* The client's name is there, or will not be. */
static void cgi_on_named(void *arg, struct text entry, struct text env, const char *name)
{
	struct cgi *cgi = arg;
	struct refusal refusal;
	(void)name;

	int error = cgi_launch(cgi, entry, env);
	namer_free(cgi->namer);
	cgi->namer = NULL;
	if (error == 0)
		return;
	admission_no_resources(&refusal, -error);
	cgi->hooks->on_failed(cgi->arg, &refusal);
}

/* Looks the client's name up first, where that is asked for. */
int cgi_start(struct cgi *cgi, const struct client *client, struct text entry, struct text env)
{
	if (cgi->config->reverse_lookup && namer_may_name(&client->addr)) {
		cgi->namer = namer_new(
			cgi->gate->loop, cgi->gate->resolver, &client->addr, entry, env, cgi_on_named, cgi);
		return cgi->namer == NULL ? -ENOMEM : 0;
	}
	int error = cgi_launch(cgi, entry, env);
	free((char *)env.ptr);
	return error;
}

/* Frees it after the turn. */
static void cgi_bury(struct grave *grave)
{
	struct cgi *cgi = (struct cgi *)grave;

	free(cgi->program);
	free(cgi->head);
	arena_free(&cgi->gate->loop->arena, cgi);
}

/* Takes it down. */
void cgi_free(struct cgi *cgi)
{
	if (cgi == NULL)
		return;
	namer_free(cgi->namer);
	if (cgi->endpoint != NULL)
		cgi->endpoint->ops->destroy(cgi->endpoint);
	admission_leave(&cgi->admission);
	loop_bury(cgi->gate->loop, &cgi->grave, cgi_bury);
}

/* One message is all of it, so that where it is cut is within a message. */
void cgi_send(struct cgi *cgi, uint8_t *data, size_t len, bool last)
{
	struct piece piece = { .data = data, .len = len, .first = !cgi->began, .last = last };

	cgi->began = true;
	cgi->endpoint->ops->send(cgi->endpoint, &piece);
	cgi->endpoint->ops->flush(cgi->endpoint);
	if (last)
		process_end_input(cgi->endpoint);
}

/* There is none. */
void cgi_send_nothing(struct cgi *cgi)
{
	process_end_input(cgi->endpoint);
}

/* What waits for it. */
size_t cgi_queued(const struct cgi *cgi)
{
	return cgi->endpoint == NULL ? 0 : cgi->endpoint->ops->queued(cgi->endpoint);
}

/* Before it has begun there is nothing to read. */
void cgi_allow(struct cgi *cgi, size_t max)
{
	if (cgi->endpoint != NULL)
		cgi->endpoint->ops->allow(cgi->endpoint, max);
}

/* A start that waits for a name is none any more. */
void cgi_abort(struct cgi *cgi, bool cut)
{
	struct end end = { .code = 1006, .abrupt = true, .in_message = cut };

	cgi->headed = cgi->failed = true;
	cgi->bad = NULL;
	cgi->endpoint->ops->abort(cgi->endpoint, &end);
}

/* Asks the endpoint. */
void cgi_describe(const struct cgi *cgi, char who[static 128], char how[static 64])
{
	who[0] = how[0] = '\0';
	if (cgi->endpoint != NULL)
		cgi->endpoint->ops->describe(cgi->endpoint, who, how);
}
