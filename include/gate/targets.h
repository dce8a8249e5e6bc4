/*
 * targets: which service a client's token picks on a route with `targets`, from files that are looked at each
 * time.
 *
 * A client says a token and never an address: what it is led to stands in a file. The token is a secret; no
 * log and no answer has it. One for all workers: a lock for each route, held while its files are looked at,
 * and read when they have changed.
 */
#ifndef GATE_TARGETS_H
#define GATE_TARGETS_H

#include "base/log.h"
#include "conf/route.h"
#include "conf/targetfile.h"
#include "http/request.h"

/* What was chosen for a session. */
struct target {
	struct upstream_list list; /* of this one */
	struct upstream upstream;
	char uri[TARGETFILE_URI];
};

enum targets_error {
	TARGETS_NO_TOKEN = -1, /* the request has none */
	TARGETS_UNKNOWN = -2,  /* no file has it */
	TARGETS_TWO = -3,      /* two that are not the same */
	TARGETS_BAD = -4,      /* it can't be decoded */
	TARGETS_UNREAD = -5    /* perhaps one has it, but can't be read: *error is the errno */
};

/* Room for any token. */
enum { TARGETS_TOKEN = HTTP_LINE_MAX };

/*
 * The token of a request for this route, by its target_by: of the query the value of `token`, decoded as
 * forms are ("+" is a space); of the path what follows the route's, if that is one segment; of Host the name.
 * Returns its length, or a targets_error. Pure.
 */
long targets_token(
	char out[TARGETS_TOKEN], const struct http_request *request, const struct route_match *match);

struct targets;

/* For the routes of a configuration, which must outlive it. NULL when memory is short. */
struct targets *targets_new(const struct config *config);
void targets_free(struct targets *targets); /* NULL is allowed */

/*
 * The files are looked at whenever somebody asks, and read when they have changed; but so that whoever
 * guesses tokens does not keep a CPU busy:
 * - those of a large directory are looked at not more often than every millisecond for each TARGETS_LOOKS;
 * - while they look as they did and only may have changed (they were touched a moment ago, or their times are
 *   to come), they are read not more often than every millisecond for each TARGETS_BYTES in them and each
 *   TARGETS_FILES, which is about ten times as long as it takes;
 * - when they can't be read for a reason that passes, again after TARGETS_AGAIN_MS. Until then what they said
 *   before counts, and what they did not say is TARGETS_UNREAD. If it is a disk or a network that fails,
 * which may last, then of a directory only what can be read counts, and if nothing can be read, what was
 * known counts for TARGETS_KEEP_MS from the first time on: tokens that were taken back must not stay good.
 */
enum {
	TARGETS_LOOKS = 100,
	TARGETS_BYTES = 4096,
	TARGETS_FILES = 16,
	TARGETS_AGAIN_MS = 200,
	TARGETS_KEEP_MS = 60000
};

/* Reads all files for the first time, so that what is wrong with them is said at the start. now: loop_now(),
 * here and below. */
void targets_read(struct targets *targets, struct log *log, uint64_t now);

/* Picks the service for a request. Returns 0 or a targets_error; then *error is an errno for admission, of
 * TARGETS_UNREAD. *out must not be moved. */
int targets_choose(struct targets *targets, struct log *log, uint64_t now, struct target *out,
	const struct http_request *request, const struct route_match *match, int *error);

/* What a client and the log are told, and by which status, of all but TARGETS_UNREAD. */
int targets_status(int error);
const char *targets_reason(int error);
const char *targets_advice(int error);

/* For --check: writes what is wrong with the files of all routes. Returns 0, or -errno when anything is. */
int targets_check(const struct config *config, FILE *out);

#endif
