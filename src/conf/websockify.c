/*
 * websockify: what its options and its two words come to together. Where it leaves a choice the safer one is
 * taken, and --help says so: a certificate is asked for and checked, or it is an error. What it does was
 * looked up in its documentation and source. Runs once, before anything else.
 */
#include "conf/websockify.h"

#include <string.h>
#include <unistd.h>

static const char websockify_default_cert[] = "self.pem";

/* A mistake in how options stand together. */
static void websockify_reject(struct argv_state *state, const char *origin, const char *words)
{
	errors_add(&state->errors, ERRORS_USAGE, origin, "%s", words);
}

/* Says what is missing: of the options that are of no use without another one, those that are alone. */
static void websockify_check_pairs(struct argv_state *state)
{
	bool tokens = argv_given(state, "token-plugin") != NULL || argv_given(state, "target-config") != NULL;
	const struct {
		const char *option, *needs;
		bool there;
	} pairs[] = {
		{ "token-source", "needs --token-plugin=TokenFile",
			argv_given(state, "token-plugin") != NULL },
		{ "token-plugin", "needs --token-source=FILE", argv_given(state, "token-source") != NULL },
		{ "host-token", "needs --token-plugin=TokenFile", tokens },
		{ "unix-listen-mode", "needs --unix-listen=PATH", argv_given(state, "unix-listen") != NULL },
		{ "cafile", "needs --verify-client", argv_given(state, "verify-client") != NULL },
		{ "verify-client",
			"needs --cafile=FILE: no client is believed for a certificate that anybody can get",
			argv_given(state, "cafile") != NULL },
		{ "legacy-syslog", "needs --syslog=/dev/log",
			draft_given(&state->draft, state->draft.gateway, "log_target") != NULL },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (argv_given(state, pairs[i].option) != NULL && !pairs[i].there)
			websockify_reject(state, pool_printf(&state->draft.pool, "--%s", pairs[i].option),
				pairs[i].needs);
	}
}

/* Reads HOST:PORT, split at the last colon as there: brackets around an IPv6 address may be left out. Writes
 * it with a host of ours for an empty one. NULL when it is none. */
static const char *websockify_parse_place(struct argv_state *state, const char *word, const char *every)
{
	const char *colon = strrchr(word, ':');
	struct text host = { word, colon != NULL ? (size_t)(colon - word) : 0 };
	uint64_t port;

	if (!text_to_u64(text_of(colon != NULL ? colon + 1 : word), UINT16_MAX, &port))
		return NULL;
	if (host.len > 1 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct text){ host.ptr + 1, host.len - 2 };
	if (host.len == 0)
		host = text_of(every);
	bool v6 = memchr(host.ptr, ':', host.len) != NULL;
	return pool_printf(&state->draft.pool, "%s%.*s%s:%u", v6 ? "[" : "", TEXT_ARG(host), v6 ? "]" : "",
		(unsigned)port);
}

/* Listens on [SOURCE_ADDR:]SOURCE_PORT. */
static void websockify_listen(struct argv_state *state, const char *word)
{
	const char *address = websockify_parse_place(state, word, state->guise->address);

	if (address != NULL)
		draft_put(&state->draft, state->listen, "address", address, NULL);
	else
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"[SOURCE_ADDR:]SOURCE_PORT is what comes first, not \"%.80s\"", word);
}

/* Listens on a unix socket. */
static void websockify_listen_unix(struct argv_state *state, const char *path)
{
	struct draft *draft = &state->draft;
	const char *mode = argv_given(state, "unix-listen-mode");

	draft_put(
		draft, state->listen, "address", pool_printf(&draft->pool, "unix:%s", path), "--unix-listen");
	draft_put(draft, state->listen, "mode", pool_printf(&draft->pool, "0%s", mode != NULL ? mode : "600"),
		"--unix-listen-mode");
}

/* Bridges to TARGET_ADDR:TARGET_PORT. */
static void websockify_connect(struct argv_state *state, const char *word)
{
	const char *place = strchr(word, ':') != NULL ? websockify_parse_place(state, word, "") : NULL;
	bool good = place != NULL && strstr(word, "://") == NULL && place[0] != ':' &&
		    strcmp(strrchr(place, ':'), ":0") != 0;
	const char *scheme = argv_given(state, "ssl-target") != NULL ? "tls" : "tcp";

	if (good)
		draft_put(&state->draft, state->route, "connect",
			pool_printf(&state->draft.pool, "%s://%s", scheme, place), NULL);
	else
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"TARGET_ADDR:TARGET_PORT is what is needed, not \"%.80s\"", word);
}

/* Has tokens pick the target. Of plugins there are those that only read files. */
static void websockify_choose(struct argv_state *state, const char *file, const char *origin)
{
	static const char module[] = "websockify.token_plugins.";
	const char *plugin = argv_given(state, "token-plugin");

	if (plugin != NULL && strncmp(plugin, module, sizeof(module) - 1) == 0)
		plugin += sizeof(module) - 1;
	if (plugin != NULL && strcmp(plugin, "TokenFile") != 0 && strcmp(plugin, "ReadOnlyTokenFile") != 0)
		errors_add(&state->errors, ERRORS_USAGE, "--token-plugin",
			"must be TokenFile or ReadOnlyTokenFile (no Python code is run), not \"%.80s\"",
			plugin);
	draft_put(&state->draft, state->route, "targets", file, origin);
	if (argv_given(state, "host-token") != NULL)
		draft_put(&state->draft, state->route, "target_by", "host", "--host-token");
}

/* Takes the target of an option. Returns whether there is one, so that no word says it. */
static bool websockify_take_target(struct argv_state *state)
{
	const char *path = argv_given(state, "unix-target"), *file = argv_given(state, "token-source");
	const char *old = argv_given(state, "target-config");
	bool any = path != NULL || file != NULL || old != NULL;

	if ((path != NULL) + (file != NULL) + (old != NULL) > 1)
		websockify_reject(state, NULL,
			"give one of --unix-target, --token-source and --target-config, not several");
	if (any && argv_given(state, "ssl-target") != NULL)
		websockify_reject(state, "--ssl-target",
			path != NULL
				? "does not go with --unix-target"
				: "does not go with tokens: write \"TOKEN: tls://HOST:PORT\" in the file");
	if (path != NULL)
		draft_put(&state->draft, state->route, "connect",
			pool_printf(&state->draft.pool, "unix:%s", path), "--unix-target");
	if (file != NULL || old != NULL)
		websockify_choose(state, file != NULL ? file : old,
			file != NULL ? "--token-source" : "--target-config");
	return any;
}

/* Takes the words: where it listens, then where it leads, unless an option says the one or the other. */
static void websockify_take_words(struct argv_state *state, char **words, int n)
{
	const char *path = argv_given(state, "unix-listen");
	bool led = websockify_take_target(state);
	int needed = (path == NULL) + !led, at = 0;

	if (state->dashes)
		websockify_reject(state, "--", websockify_no_wrapping);
	else if (n != needed)
		errors_add(&state->errors, ERRORS_USAGE, NULL, "%s: give %s%s%s (see --help)",
			n < needed ? "something is missing" : "there is a word too many",
			path == NULL ? "[SOURCE_ADDR:]SOURCE_PORT" : "",
			path == NULL && !led ? " and "
			: needed == 0	     ? "options only"
					     : "",
			led ? "" : "TARGET_ADDR:TARGET_PORT");
	if (state->errors.n > 0)
		return;
	if (path != NULL)
		websockify_listen_unix(state, path);
	else
		websockify_listen(state, words[at++]);
	if (!led)
		websockify_connect(state, words[at]);
}

/* Has TLS where there is a certificate, the default one if that is there. */
static void websockify_put_tls(struct argv_state *state)
{
	struct draft *draft = &state->draft;
	const char *cert = argv_given(state, "cert"), *key = argv_given(state, "key");
	const char *ca = argv_given(state, "verify-client") != NULL ? argv_given(state, "cafile") : NULL;
	const char *only = argv_given(state, "ssl-only") != NULL ? "--ssl-only"
			   : ca != NULL				 ? "--verify-client"
								 : NULL;
	const char *origin = "--cert";

	if (cert == NULL && access(websockify_default_cert, R_OK) == 0) {
		cert = websockify_default_cert;
		origin = NULL;
	}
	if (cert == NULL && (only != NULL || key != NULL))
		websockify_reject(state, only != NULL ? only : "--key",
			"needs --cert=FILE (there is no self.pem here)");
	draft->tls_optional = only == NULL;
	if (cert == NULL)
		return;
	draft_put(draft, state->listen, "tls_certificate", cert, origin);
	draft_put(draft, state->listen, "tls_key", key != NULL ? key : cert, key != NULL ? "--key" : origin);
	if (ca != NULL)
		draft_put(draft, state->listen, "tls_client_ca", ca, "--cafile");
}

/* Fills in what is otherwise there: who may connect, and that a browser hears why it may not. */
static void websockify_fill(struct argv_state *state)
{
	struct draft *draft = &state->draft;

	draft_fill(draft, state->route, "origins", "any");
	draft_fill(draft, state->route, "subprotocols", "binary base64");
	draft_fill(draft, state->route, "refuse_as", "close");
	draft_fill(draft, state->route, "console", "no");
}

/* All of it; --set wins. */
void websockify_complete(struct argv_state *state, char **words, int n)
{
	state->draft.config.manners = &manners_websockify;
	websockify_check_pairs(state);
	websockify_take_words(state, words, n);
	websockify_put_tls(state);
	for (size_t i = 0; i < state->sets.n; i++)
		draft_set(&state->draft, state->sets.items[i], true);
	websockify_fill(state);
}
