/*
 * cgiclock: how long a run of a CGI program may wait for what it waits for. Pure: all times are given,
 * monotonic milliseconds.
 */
#ifndef GATE_CGICLOCK_H
#define GATE_CGICLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* For its head, once the program has taken what there is of its input; and for its end, once its response is
 * whole. */
enum { CGICLOCK_HEAD_MS = 60000 };

/* Who is to do something next. */
enum cgiclock_turn {
	CGICLOCK_PROGRAM,  /* reads, or says something */
	CGICLOCK_BODY,	   /* the client, whose body is not whole: send_timeout */
	CGICLOCK_RESPONSE, /* the client, who has not taken all that was sent to it: send_timeout */
	CGICLOCK_TURNS
};

struct cgiclock {
	unsigned idle_ms, lifetime_ms; /* the route's; 0: for ever */
	unsigned send_ms;
	uint64_t began_at;
	/* When a byte of the body came or was taken, or one of the output came or was taken; and when it
	 * became this turn. The later one counts. */
	uint64_t moved_at;
	enum cgiclock_turn turn;
	bool answered; /* the program has sent its head */
	bool over;     /* ... and all of its response: idle_ms counts still, if it is less */
};

/* What is over when a time is up. */
enum cgiclock_verdict {
	CGICLOCK_ON = 0,
	CGICLOCK_LIFETIME, /* max_lifetime */
	CGICLOCK_NO_HEAD,  /* the program has not answered */
	CGICLOCK_IDLE,	   /* idle_timeout: it had answered, and neither says more nor ends */
	CGICLOCK_NO_BODY,  /* the client's body does not come on */
	CGICLOCK_STUCK	   /* the client takes nothing */
};

/* Is a time up? If not, the run is to be looked at again in *again_ms, at least 1; UINT64_MAX is never, as
 * it is. */
enum cgiclock_verdict cgiclock_check(const struct cgiclock *clock, uint64_t now, uint64_t *again_ms);

/* For the log. */
const char *cgiclock_reason(enum cgiclock_verdict verdict);

#endif
