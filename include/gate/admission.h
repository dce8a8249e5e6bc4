/*
 * admission: may one more session begin, and what is a client told when it can't?
 */
#ifndef GATE_ADMISSION_H
#define GATE_ADMISSION_H

#include "conf/config.h"
#include "gate/limits.h"

enum { REFUSAL_SENTENCE = 124 };

/* Why a session can't start, for each who is told. */
struct refusal {
	int status;			 /* of HTTP */
	uint16_t code;			 /* of a close frame, where refuse_as is close */
	bool later;			 /* it may be otherwise in a second: Retry-After */
	char reason[256];		 /* for the log: the key that says so, or the whole story */
	char sentence[REFUSAL_SENTENCE]; /* for the client; fits into a close frame (RFC 6455 5.5) */
};

/* The places that a session has. Zeroed to begin. */
struct admission {
	struct limits *limits;
	size_t route;
	uint64_t visitor; /* as whom it is counted; 0: as nobody */
	bool session, program;
};

/*
 * Takes the places that a session on a route needs: max_sessions, max_sessions_per_ip, the route's
 * max_sessions, and for a program max_processes and spawn_rate; the first of them, in this order, that has
 * none is the reason. Returns false when it may not begin: then it has no place, and `out` says why.
 * route: one of the configuration's. now: loop_now().
 */
bool admission_enter(struct admission *admission, struct limits *limits, const struct config *config,
	const struct route_conf *route, const struct addr *peer, uint64_t now, struct refusal *out);

/* The same for a program that answers one request: it needs no more than the program's places. */
bool admission_enter_run(struct admission *admission, struct limits *limits, const struct config *config,
	const struct route_conf *route, uint64_t now, struct refusal *out);

/* Gives back what it has; a second time nothing. */
void admission_leave(struct admission *admission);
/* ... only the program's place, when that has ended before its session. */
void admission_end_program(struct admission *admission);

/* What the route leads to can't be reached or started: an errno, and the whole story for the log. */
void admission_no_backend(struct refusal *out, const struct route_conf *route, int error, const char *reason);

/* The same of a program that answers one request. */
void admission_no_program(struct refusal *out, int error, const char *reason);

/* Its targets can't be read: an errno. The log has said more. */
void admission_no_targets(struct refusal *out, const struct route_conf *route, int error);

/* We have not got what a session takes: an errno. */
void admission_no_resources(struct refusal *out, int error);

#endif
