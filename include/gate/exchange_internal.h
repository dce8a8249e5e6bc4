/*
 * exchange_internal: what the parts of the exchange share with each other and with nobody else.
 */
#ifndef GATE_EXCHANGE_INTERNAL_H
#define GATE_EXCHANGE_INTERNAL_H

#include "gate/answer.h"
#include "gate/exchange.h"

enum {
	EXCHANGE_SEND_MS = 60000,  /* without a byte leaving, while a response is on its way */
	EXCHANGE_EARLY_MAX = 16384 /* bytes read before an upgrade is answered, or behind a request that a
				      program answers; one read more at most */
};

/* exchange.c: enters a state and sets the time that it may last; 0 is without limit. */
void exchange_enter(struct exchange *exchange, enum exchange_state state, uint64_t ms);

/* exchange_end.c: closes the connection and tells the owner, once no program is left of it. */
void exchange_gone(struct exchange *exchange);

/* exchange_end.c: no more responses; waits for the client's end. */
void exchange_linger(struct exchange *exchange);

/* exchange_end.c: LINGER: throws away what the client still sends. */
void exchange_throw(struct exchange *exchange, size_t len);

/* exchange_end.c: LINGER: has the last response left, and the client ended its side? */
bool exchange_is_over(const struct exchange *exchange);

/* exchange_end.c: forgets what was received and not answered. */
void exchange_drop_held(struct exchange *exchange);

/* exchange.c: keeps bytes for later. Returns whether there was memory for them; without it the connection is
 * gone. */
bool exchange_hold(struct exchange *exchange, const void *data, size_t len);

/* exchange.c: derives how much is read. */
void exchange_allow(struct exchange *exchange);

/* exchange.c: goes on to the next request, or ends, if a response is out. */
void exchange_turn(struct exchange *exchange);

/* exchange_send.c: does what was decided about a request, whose head it is; NULL is one that could not be
 * read. */
void exchange_act(struct exchange *exchange, struct text head, const struct http_request *request,
	const struct answer *answer);

/* exchange_send.c: the one line of a plain request or refusal; of one with a run it is only remembered. */
void exchange_log(struct exchange *exchange, int status, uint64_t bytes, const char *reason);

/* exchange_cgi.c: has a program answer, or says why not. */
void exchange_cgi_begin(struct exchange *exchange, struct text head, const struct http_request *request,
	const struct answer *answer);

/* exchange_cgi.c: gives the program what of the bytes is for it now. Returns how many. */
size_t exchange_cgi_feed(struct exchange *exchange, uint8_t *data, size_t len);

/* exchange_cgi.c: how much of what the client sends is to be read. */
size_t exchange_cgi_allowance(struct exchange *exchange);

/* exchange_cgi.c: bytes of the response left. */
void exchange_cgi_on_sent(struct exchange *exchange);

/* exchange_cgi.c: is its time up? */
void exchange_cgi_on_timer(struct exchange *exchange);

/* exchange_redirect.c: answers a request, whose head this is, as one for the target that its program named.
 * The program is gone; what the client gets may be on its way within. */
void exchange_redirect(struct exchange *exchange, const char *head, size_t n_head, const char *location);

/* exchange_run.c: what becomes of the request is known; for the log, once the program is gone. */
void exchange_run_note(struct exchange *exchange, int status, uint64_t bytes, const char *reason);

/* exchange_run.c: the client is gone. Returns whether a program has to be waited for. */
bool exchange_run_leave(struct exchange *exchange);

/* exchange_run.c: ends the program at once, if there is one. */
void exchange_run_drop(struct exchange *exchange, const char *reason);

/* exchange_send.c: sends as much of a file as goes now. */
void exchange_pump(struct exchange *exchange);

/* exchange_send.c: is a response on its way that has nothing left to be given to the stream? */
bool exchange_answered(const struct exchange *exchange);

#endif
