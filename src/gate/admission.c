/*
 * admission: who may begin a session, and the words for who may not.
 *
 * Asks the limits in one order and gives back what was taken when a later one says no. Holds nothing but the
 * places of its session. Runs on the session's thread.
 */
#include "gate/admission.h"

#include "backend/process.h"
#include "base/shortage.h"
#include "net/dial.h"
#include "ws/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum admission_limit {
	ADMISSION_OK,
	ADMISSION_SESSIONS,
	ADMISSION_VISITOR,
	ADMISSION_MEMORY,
	ADMISSION_ROUTE,
	ADMISSION_PROCESSES,
	ADMISSION_RATE
};

/* What each limit is called in the configuration, and to the client. */
static const struct {
	int status;
	const char *key, *sentence;
} admission_words[] = {
	[ADMISSION_SESSIONS] = { 503, "max_sessions", "All sessions are taken. Try again later." },
	[ADMISSION_VISITOR] = { 429, "max_sessions_per_ip",
		"There are too many sessions from this address." },
	[ADMISSION_MEMORY] = { 503, "Cannot allocate memory", "There is no memory for one more session." },
	[ADMISSION_ROUTE] = { 503, "max_sessions of the route",
		"All sessions of this route are taken. Try again later." },
	[ADMISSION_PROCESSES] = { 503, "max_processes", "Too many programs run already. Try again later." },
	[ADMISSION_RATE] = { 503, "spawn_rate",
		"Programs of this route are not started as fast as that. Try again later." },
};

/* A refusal for now. */
static void admission_refuse(struct refusal *out, int status, const char *reason, const char *sentence)
{
	*out = (struct refusal){ .status = status, .code = CLOSE_TRY_LATER, .later = true };
	snprintf(out->reason, sizeof(out->reason), "%s", reason);
	snprintf(out->sentence, sizeof(out->sentence), "%s", sentence);
}

/* A place among all sessions, and one among the visitor's. */
static enum admission_limit admission_enter_gateway(
	struct admission *admission, const struct gateway_conf *conf)
{
	switch (limits_enter(
		admission->limits, conf->max_sessions, conf->max_sessions_per_ip, admission->visitor)) {
	case LIMITS_OK:
		return ADMISSION_OK;
	case LIMITS_FULL:
		return ADMISSION_SESSIONS;
	case LIMITS_VISITOR_FULL:
		return ADMISSION_VISITOR;
	case LIMITS_NO_MEMORY:
		break;
	}
	return ADMISSION_MEMORY;
}

/* A place among the programs, and a start of the route's. */
static enum admission_limit admission_enter_program(struct admission *admission,
	const struct gateway_conf *conf, const struct route_conf *route, uint64_t now)
{
	if (!limits_take_process(admission->limits, conf->max_processes))
		return ADMISSION_PROCESSES;
	admission->program = true;
	bool in_time = limits_start(admission->limits, admission->route, route->spawn_rate, now);
	return in_time ? ADMISSION_OK : ADMISSION_RATE;
}

/* All of them, in order, up to the first that says no; what was taken before is still taken then. */
static enum admission_limit admission_take(struct admission *admission, const struct gateway_conf *conf,
	const struct route_conf *route, uint64_t now)
{
	enum admission_limit limit = admission_enter_gateway(admission, conf);

	if (limit != ADMISSION_OK)
		return limit;
	if (!limits_take_route(admission->limits, admission->route, route->max_sessions)) {
		limits_leave(admission->limits, admission->visitor);
		return ADMISSION_ROUTE;
	}
	admission->session = true;
	return route->is_service ? ADMISSION_OK : admission_enter_program(admission, conf, route, now);
}

/* Is it let in? If not, it gives back what it has, and is told why. */
static bool admission_judge(struct admission *admission, const struct config *config,
	enum admission_limit limit, struct refusal *out)
{
	if (limit == ADMISSION_OK)
		return true;
	admission_leave(admission);
	int status =
		limit == ADMISSION_PROCESSES ? config->manners->status_busy : admission_words[limit].status;
	admission_refuse(out, status, admission_words[limit].key, admission_words[limit].sentence);
	return false;
}

/* Lets it in, or says why not. */
bool admission_enter(struct admission *admission, struct limits *limits, const struct config *config,
	const struct route_conf *route, const struct addr *peer, uint64_t now, struct refusal *out)
{
	const struct gateway_conf *conf = &config->gateway;

	*admission = (struct admission){
		.limits = limits,
		.route = (size_t)(route - config->routes),
		.visitor = conf->max_sessions_per_ip > 0 ? addr_visitor(peer) : 0,
	};
	return admission_judge(admission, config, admission_take(admission, conf, route, now), out);
}

/* It is no session. */
bool admission_enter_run(struct admission *admission, struct limits *limits, const struct config *config,
	const struct route_conf *route, uint64_t now, struct refusal *out)
{
	*admission = (struct admission){ .limits = limits, .route = (size_t)(route - config->routes) };
	return admission_judge(
		admission, config, admission_enter_program(admission, &config->gateway, route, now), out);
}

/* The program has ended. */
void admission_end_program(struct admission *admission)
{
	if (admission->program)
		limits_give_process(admission->limits);
	admission->program = false;
}

/* The session has ended, or never began. */
void admission_leave(struct admission *admission)
{
	admission_end_program(admission);
	if (!admission->session)
		return;
	limits_give_route(admission->limits, admission->route);
	limits_leave(admission->limits, admission->visitor);
	admission->session = false;
}

/* What the client is told where the system's words for an errno would mislead. */
static const struct {
	bool service;
	int error;
	const char *sentence;
} admission_errors[] = {
	{ true, EPROTO, "TLS with what this route leads to failed; the log of the gateway says why." },
	{ true, DIAL_UNKNOWN_NAME, "The name of what this route leads to could not be found." },
	{ false, PROCESS_NO_INTERPRETER,
		"The program of this route could not be started: its first line names an interpreter that is "
		"not there." },
};

/* Says why there is no backend. */
static void admission_explain(char out[static REFUSAL_SENTENCE], bool service, int error)
{
	for (size_t i = 0; i < sizeof(admission_errors) / sizeof(admission_errors[0]); i++) {
		if (service != admission_errors[i].service || error != admission_errors[i].error)
			continue;
		snprintf(out, REFUSAL_SENTENCE, "%s", admission_errors[i].sentence);
		return;
	}
	snprintf(out, REFUSAL_SENTENCE, "%s: %s.",
		service ? "What this route leads to could not be reached"
			: "The program of this route could not be started",
		strerror(error));
}

/* A service that can't be reached is a bad gateway (1014), a program that can't be started our own failure.
 */
static void admission_without(struct refusal *out, bool service, int error, const char *reason)
{
	char sentence[sizeof(out->sentence)];

	admission_explain(sentence, service, error);
	admission_refuse(out, 503, reason, sentence);
	/* Also of processes, or places in a unix socket's queue; and of ports of ours for one service. */
	if (shortage_is(error) || error == EAGAIN || error == EADDRNOTAVAIL)
		return;
	out->status = error == ETIMEDOUT ? 504 : 502;
	out->code = service ? CLOSE_BAD_GATEWAY : CLOSE_INTERNAL;
	out->later = false;
}

/* What the route leads to. */
void admission_no_backend(struct refusal *out, const struct route_conf *route, int error, const char *reason)
{
	admission_without(out, route->is_service, error, reason);
}

/* Whatever else the route leads to. */
void admission_no_program(struct refusal *out, int error, const char *reason)
{
	admission_without(out, false, error, reason);
}

/* Which service it is to be is not known. */
void admission_no_targets(struct refusal *out, const struct route_conf *route, int error)
{
	admission_no_backend(out, route, error, "targets can't be read");
	snprintf(out->sentence, sizeof(out->sentence),
		"The targets of this route can't be read; the log of the gateway says why.");
}

/* Memory, most likely; or a program would be given more than it can be. */
void admission_no_resources(struct refusal *out, int error)
{
	admission_refuse(out, 503, strerror(error), "There are not enough resources for one more session.");
	if (error != E2BIG)
		return;
	admission_refuse(out, 431, "head too long for a program",
		"The request's target and headers are more than a program can be given.");
	out->code = CLOSE_TOO_BIG;
	out->later = false;
}
