/*
 * exchange_internal: what the parts of the exchange share with each other and with nobody else.
 */
#ifndef GATE_EXCHANGE_INTERNAL_H
#define GATE_EXCHANGE_INTERNAL_H

#include "gate/answer.h"
#include "gate/exchange.h"

enum { EXCHANGE_SEND_MS = 60000 }; /* without a byte leaving, while a response is on its way */

/* exchange.c: enters a state and sets the time that it may last; 0 is without limit. */
void exchange_enter(struct exchange *exchange, enum exchange_state state, uint64_t ms);

/* exchange.c: closes the connection and tells the owner. */
void exchange_gone(struct exchange *exchange);

/* exchange.c: no more responses; waits for the client's end. */
void exchange_linger(struct exchange *exchange);

/* exchange_send.c: does what was decided about a request; NULL is one that could not be read. */
void exchange_act(struct exchange *exchange, const struct http_request *request, const struct answer *answer);

/* exchange_send.c: sends as much of a file as goes now. */
void exchange_pump(struct exchange *exchange);

/* exchange_send.c: is a response on its way that has nothing left to be given to the stream? */
bool exchange_answered(const struct exchange *exchange);

#endif
