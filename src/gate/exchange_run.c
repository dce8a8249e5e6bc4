/*
 * exchange_run: the beginning and the end of what is known of a run, and its line in the log.
 *
 * Owns the memory of it and the program, which it starts; what happens in between is gate/exchange_cgi.c's
 * business. Runs on its loop's thread.
 */
#include "gate/exchange_run.h"

#include "base/must.h"
#include "gate/environ.h"
#include "gate/exchange_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { EXCHANGE_RUN_LEFT = 499 }; /* in the log alone: nobody was there to be answered */

/* Frees it after the turn. */
static void exchange_run_bury(struct grave *grave)
{
	struct exchange_run *run = (struct exchange_run *)grave;

	free(run->head);
	free(run->location);
	arena_free(&run->loop->arena, run);
}

/* What is known before the program runs. NULL when memory is short. */
static struct exchange_run *exchange_run_new(struct loop *loop, struct text head,
	const struct http_request *request, const struct route_conf *route)
{
	struct exchange_run *run = arena_alloc(&loop->arena, sizeof(*run));

	if (run == NULL)
		return NULL;
	run->loop = loop;
	run->route = route;
	run->has_body = request->content_length > 0;
	run->expects = request->expects_continue && request->minor == 1;
	run->reply.only_head = text_is(request->method, "HEAD");
	run->reply.old = request->minor == 0;
	run->clock = (struct cgiclock){
		.idle_ms = route->idle_timeout_ms,
		.lifetime_ms = route->max_lifetime_ms,
		.send_ms = route->send_timeout_ms,
		.began_at = loop_now(loop),
	};
	run->head = text_dup(head);
	run->n_head = head.len;
	if (run->head != NULL)
		return run;
	arena_free(&loop->arena, run);
	return NULL;
}

/* Has the program started. Returns 0 or -errno. */
static int exchange_run_start(
	struct exchange *exchange, const struct http_request *request, const struct route_match *match)
{
	struct text env;
	char *variables;

	int error = environ_build_cgi(exchange, request, match, exchange->run->cgi->id, &variables, &env.len);
	if (error != 0)
		return error;
	env.ptr = variables;
	return cgi_start(exchange->run->cgi, exchange->client, match->entry, env);
}

/* Takes places for it and starts it. */
bool exchange_run_begin(struct exchange *exchange, struct text head, const struct http_request *request,
	const struct route_match *match, const struct cgi_hooks *hooks, struct refusal *out)
{
	struct exchange_run *run = exchange_run_new(exchange->gate->loop, head, request, match->route);

	must(exchange->run == NULL);
	if (run == NULL) {
		admission_no_resources(out, ENOMEM);
		return false;
	}
	exchange->run = run;
	run->cgi =
		cgi_new(exchange->gate, exchange->config, match->route, match->entry, hooks, exchange, out);
	if (run->cgi != NULL) {
		int error = exchange_run_start(exchange, request, match);
		if (error == 0)
			return true;
		admission_no_resources(out, -error);
	}
	exchange_run_free(exchange);
	return false;
}

/* Writes its line. */
void exchange_run_log(const struct exchange *exchange)
{
	const struct exchange_run *run = exchange->run;
	struct loop *loop = exchange->gate->loop;
	char who[128], how[64];
	struct access_outcome outcome = {
		.status = run->status,
		.bytes = run->clock.answered ? run->reply.sent : run->bytes,
		.reason = run->reason,
		.id = run->cgi->id,
		.program = run->cgi->program,
		.backend = who,
		.end = how,
		.in_bytes = run->n_body,
		.duration_ms = loop_now(loop) - run->clock.began_at,
	};

	cgi_describe(run->cgi, who, how);
	access_log(&exchange->access, loop->log, exchange->config, exchange->entrance,
		&exchange->client->addr, &outcome);
}

/* Takes the run away, with all that is left of it. */
void exchange_run_free(struct exchange *exchange)
{
	struct exchange_run *run = exchange->run;

	exchange->run = NULL;
	cgi_free(run->cgi);
	loop_bury(run->loop, &run->grave, exchange_run_bury);
}

/* What becomes of it is known. */
void exchange_run_note(struct exchange *exchange, int status, uint64_t bytes, const char *reason)
{
	struct exchange_run *run = exchange->run;

	run->status = status;
	run->bytes = bytes;
	run->reason = reason;
}

/* Nobody waits for the program any more. */
void exchange_run_abort(struct exchange *exchange)
{
	struct exchange_run *run = exchange->run;

	if (run == NULL || run->aborted)
		return;
	run->aborted = true;
	cgi_abort(run->cgi, run->has_body && exchange->body_left > 0);
}

/* Ends it at once. */
void exchange_run_drop(struct exchange *exchange, const char *reason)
{
	struct exchange_run *run = exchange->run;

	if (run == NULL)
		return;
	if (run->status == 0)
		run->status = EXCHANGE_RUN_LEFT;
	if (run->reason == NULL)
		run->reason = reason;
	exchange_run_log(exchange);
	exchange_run_free(exchange);
}

/* One that runs is given the time of the ladder; one that is only about to is not. */
bool exchange_run_leave(struct exchange *exchange)
{
	struct exchange_run *run = exchange->run;

	if (run == NULL)
		return false;
	if (!run->ready) {
		exchange_run_drop(exchange, "client left");
		return false;
	}
	if (run->status == 0)
		run->status = EXCHANGE_RUN_LEFT;
	if (run->reason == NULL && exchange->state == EXCHANGE_CGI && !cgi_reply_is_whole(&run->reply))
		run->reason = "client left";
	exchange_run_abort(exchange);
	return true;
}
