/*
 * exchange_run: the beginning and the end of what is known of a run, and its line in the log.
 *
 * Owns the memory of it and the program; what happens in between is gate/exchange_cgi.c's business. Runs on
 * its loop's thread.
 */
#include "gate/exchange_run.h"

#include "gate/exchange_internal.h"

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
struct exchange_run *exchange_run_new(struct loop *loop, struct text head, const struct http_request *request,
	const struct route_conf *route)
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
