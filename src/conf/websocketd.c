/*
 * websocketd: its options in terms of our keys, and what differs under its name: defaults, exit statuses, the
 * log. What it does was looked up in its documentation; where that leaves no choice it is done as there. Runs
 * once, before anything else.
 */
#include "conf/websocketd.h"

#include "conf/variables.h"

#include <string.h>

enum {
	WEBSOCKETD_SESSIONS = 10000,	/* our max_sessions, which must not be less than --maxforks */
	WEBSOCKETD_MOST = 10000000,	/* max_processes and max_sessions take no more */
	WEBSOCKETD_FIRST_WAIT_MS = 100, /* from the end of stdin to its first signal */
	WEBSOCKETD_LAST_WAITS_MS = 750, /* from that to KILL, in two steps */
	WEBSOCKETD_GRACE_MS = 5000,	/* our own default for that */
	WEBSOCKETD_MS_MAX = 1000000000
};

/* Its statuses: a word that is no option, what it finds wrong later, what makes no sense together. */
enum { WEBSOCKETD_NO_OPTION = 2, WEBSOCKETD_MISTAKE = 1, WEBSOCKETD_CONTRADICTION = 4 };

/* Its levels, with ours that make all lines of theirs: what a program writes to stderr is an error there. */
static const struct {
	const char *there;
	enum log_websocketd least;
	const char *ours;
} websocketd_levels[] = {
	{ "debug", LOG_WEBSOCKETD_DEBUG, "trace" },
	{ "trace", LOG_WEBSOCKETD_TRACE, "debug" },
	{ "access", LOG_WEBSOCKETD_ACCESS, "info" },
	{ "info", LOG_WEBSOCKETD_INFO, "info" },
	{ "error", LOG_WEBSOCKETD_ERROR, "info" },
	{ "fatal", LOG_WEBSOCKETD_FATAL, "error" },
	{ "none", LOG_WEBSOCKETD_NONE, "error" },
};

enum { WEBSOCKETD_LEVELS = sizeof(websocketd_levels) / sizeof(websocketd_levels[0]) };

/* Sets a key of the route to what the option that is being taken says. */
static void websocketd_put(struct argv_state *state, const char *key, const char *value)
{
	if (value != NULL)
		draft_put(&state->draft, state->route, key, value, state->origin);
}

/* Sets a time of the route. */
static void websocketd_put_ms(struct argv_state *state, const char *key, uint64_t ms)
{
	websocketd_put(state, key, pool_printf(&state->draft.pool, "%llums", (unsigned long long)ms));
}

/* Reads a bare number of milliseconds. */
static bool websocketd_parse_ms(struct argv_state *state, const char *value, uint64_t *ms)
{
	bool good = text_to_u64(text_of(value), WEBSOCKETD_MS_MAX, ms);

	if (!good)
		argv_reject(state, "a number of milliseconds", value);
	return good;
}

/* The only variables that are passed on. What the gateway says itself is not, like HTTPS. */
void websocketd_take_passenv(struct argv_state *state, const char *value)
{
	struct text rest = text_of(value), name;

	state->passenv = true;
	while (text_next(&rest, ',', &name)) {
		if (name.len > 0 && !variables_is_own(name) && !variables_is_managers(name))
			websocketd_put(state, "pass_env", pool_copy(&state->draft.pool, name));
	}
}

/* Both outputs go to the client, tagged. */
void websocketd_take_passstderr(struct argv_state *state, const char *value)
{
	state->tagged = strcmp(value, "yes") == 0;
	websocketd_put(state, "stderr", state->tagged ? "tagged" : "");
}

/* No key has this: it is for whoever comes from websocketd. */
void websocketd_take_reverselookup(struct argv_state *state, const char *value)
{
	state->draft.config.reverse_lookup = strcmp(value, "yes") == 0;
}

/* Programs at the same time. More of them than sessions would be of no use, so those follow. */
void websocketd_take_maxforks(struct argv_state *state, const char *value)
{
	struct draft *draft = &state->draft;
	uint64_t n;
	bool below = value[0] == '-';
	const char *word;

	if (!text_to_u64(text_of(value + below), WEBSOCKETD_MOST, &n)) {
		argv_reject(state, "a number up to 10000000", value);
		return;
	}
	if (below || n == 0)
		n = WEBSOCKETD_MOST;
	word = pool_printf(&draft->pool, "%llu", (unsigned long long)n);
	if (word == NULL)
		return;
	draft_put(draft, draft->gateway, "max_processes", word, state->origin);
	draft_put(draft, draft->gateway, "max_sessions", n > WEBSOCKETD_SESSIONS ? word : "", state->origin);
}

/* The largest message; a sign would look like no limit. */
void websocketd_take_maxframesize(struct argv_state *state, const char *value)
{
	if (value[0] == '-') {
		argv_reject(state, "0 (no limit) or more", value);
		state->status = WEBSOCKETD_MISTAKE;
		return;
	}
	websocketd_put(state, "max_message", value);
}

/* So much longer for each step on the way to KILL. */
void websocketd_take_closems(struct argv_state *state, const char *value)
{
	uint64_t ms, grace;

	if (!websocketd_parse_ms(state, value, &ms))
		return;
	grace = WEBSOCKETD_LAST_WAITS_MS + 2 * ms;
	websocketd_put_ms(state, "closing_wait", WEBSOCKETD_FIRST_WAIT_MS + ms);
	websocketd_put_ms(state, "stop_grace", grace > WEBSOCKETD_GRACE_MS ? grace : WEBSOCKETD_GRACE_MS);
}

/* A ping after so much silence, the end after twice as much. */
void websocketd_take_pingms(struct argv_state *state, const char *value)
{
	uint64_t ms;

	if (!websocketd_parse_ms(state, value, &ms))
		return;
	websocketd_put_ms(state, "ping_interval", ms);
	if (ms > 0)
		websocketd_put_ms(state, "ping_timeout", ms);
}

/* Looks through the levels; under our own name only for the two that we don't have. */
const char *websocketd_log_level(struct argv_state *state, const char *word)
{
	if (state->guise != &guise_websocketd && strcmp(word, "access") != 0)
		return strcmp(word, "fatal") == 0 ? "error" : word;
	for (size_t i = 0; i < WEBSOCKETD_LEVELS; i++) {
		if (strcmp(websocketd_levels[i].there, word) != 0)
			continue;
		state->least = websocketd_levels[i].least;
		return websocketd_levels[i].ours;
	}
	state->status = WEBSOCKETD_MISTAKE;
	return "";
}

/* Its log, unless the form or the place of another was asked for. */
static void websocketd_complete_log(struct argv_state *state)
{
	struct draft *draft = &state->draft;

	if (draft_given(draft, draft->gateway, "log_format") == NULL &&
		draft_given(draft, draft->gateway, "log_target") == NULL)
		draft->config.log_websocketd =
			state->least != LOG_WEBSOCKETD_OFF ? state->least : LOG_WEBSOCKETD_ACCESS;
}

/* Checks that bytes which have no lines are not to be tagged line by line. */
static void websocketd_check_stderr(struct argv_state *state)
{
	if (state->binary && state->tagged)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"give --binary or --passstderr, not both: what is tagged are lines");
}

/* Checks that nothing else is to answer plain requests beside the console. */
static void websocketd_check_console(struct argv_state *state, const char *key, const char *option)
{
	if (draft_given(&state->draft, state->route, key) == NULL)
		return;
	errors_add(&state->errors, ERRORS_USAGE, NULL, "give --devconsole or %s, not both", option);
	state->status = WEBSOCKETD_CONTRADICTION;
}

/* Fills in defaults; what it forbids has a status of its own. */
void websocketd_complete(struct argv_state *state)
{
	struct draft *draft = &state->draft;
	const struct draft_text *console = draft_given(draft, state->route, "console");

	websocketd_check_stderr(state);
	if (state->passenv && draft_given(draft, state->route, "pass_env") == NULL)
		draft_put(draft, state->route, "pass_env", "none", "--passenv");
	if (state->guise != &guise_websocketd)
		return;
	draft->config.manners = &manners_websocketd;
	draft_fill(draft, state->route, "origins", "any");
	draft_fill(draft, state->route, "max_message", "1M");
	draft_fill(draft, state->route, "pass_env", "PATH LD_LIBRARY_PATH");
	draft_fill(draft, state->route, "console", "no");
	websocketd_complete_log(state);
	if (console != NULL && strcmp(console->text, "yes") == 0) {
		websocketd_check_console(state, "static", "--staticdir");
		websocketd_check_console(state, "cgi", "--cgidir");
	}
}

/* A certificate that can't be read is found when it is about to listen. */
int websocketd_status(const struct argv_state *state, bool scanned)
{
	if (state->status != 0)
		return state->status;
	if (!scanned)
		return WEBSOCKETD_NO_OPTION;
	if (!state->errors.usage && state->errors.listen)
		return manners_websocketd.exit_cannot_start;
	return WEBSOCKETD_MISTAKE;
}
