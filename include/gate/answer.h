/*
 * answer: what a request gets: a refusal, a file, the console, or the way to a backend (SPEC 7).
 */
#ifndef GATE_ANSWER_H
#define GATE_ANSWER_H

#include "gate/exchange.h"

/* Decides about one request whose head was parsed, and has the exchange answer it. */
void answer_request(struct exchange *exchange, const struct http_request *request);

/* Refuses one whose head could not be parsed: a negative http_request_error. */
void answer_bad_request(struct exchange *exchange, int error);

#endif
