/*
 * answer_internal: what the parts of answer share with each other and with nobody else.
 */
#ifndef GATE_ANSWER_INTERNAL_H
#define GATE_ANSWER_INTERNAL_H

#include "gate/answer.h"

/* answer.c: a refusal; the advice is a line or more for people. */
__attribute__((format(printf, 4, 5))) void answer_refuse(
	struct answer *out, int status, const char *reason, const char *advice, ...);

/* answer.c: a response; without a file, which the caller adds. */
void answer_reply(struct answer *out, const struct reply *reply, const char *reason);

/* answer.c: refuses a page whose origin may not have the route that was found. Returns whether it did. */
bool answer_bars_origin(struct answer *out, const struct config *config, const struct client *client,
	const struct http_request *request);

/* answer_plain.c: finds the program of a `dir` route that the path leads to. Returns 0 or a scripts_error. */
int answer_find_entry(struct answer *out, const struct http_request *request);

/* answer_plain.c: there is no program to start, or none can be looked for. */
void answer_refuse_entry(struct answer *out, int error);

/* answer_plain.c: is it a method that files and pages have? */
bool answer_only_asks(const struct http_request *request);

/* answer_plain.c: a request that asks for no upgrade, of a route or none; `path` is decoded. */
void answer_plain(struct answer *out, const struct config *config, const struct entrance *entrance,
	const struct client *client, const struct http_request *request, struct text path);

#endif
