/*
 * forms: the command lines without a file: one listener and one route that answers everything, of the options
 * of conf/argv.h under our own name and under websocketd. Owns what these options mean together. Runs once,
 * before anything else.
 */
#include "conf/forms.h"

#include "conf/argv.h"
#include "conf/command.h"
#include "conf/websocketd.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Makes one value of a command's words, quoted so that nothing in them is lost. */
static void forms_put_command(struct argv_state *state, char **words, int n)
{
	char *bytes = NULL;
	size_t len;
	FILE *out = open_memstream(&bytes, &len);

	state->draft.pool.failed |= out == NULL;
	if (out == NULL)
		return;
	for (int i = 0; i < n; i++) {
		if (i > 0)
			fputc(' ', out);
		command_quote(words[i], out);
	}
	state->draft.pool.failed |= fclose(out) != 0 || bytes == NULL;
	if (!state->draft.pool.failed)
		draft_put(&state->draft, state->route, "exec", bytes, NULL);
	free(bytes);
}

/* The port of addresses that have none of their own. */
static const char *forms_port(const struct argv_state *state)
{
	const char *otherwise = state->ssl ? state->guise->port_tls : state->guise->port;

	return state->port != NULL ? state->port : otherwise;
}

/* Listens on an address, with --port's port if it has none of its own. */
static void forms_put_address(struct argv_state *state, const char *word, const char *origin)
{
	struct pool *pool = &state->draft.pool;
	const char *port = forms_port(state);
	struct addr_name name;
	struct in6_addr v6;
	char *address;
	int error = addr_parse(&name, word);

	if (inet_pton(AF_INET6, word, &v6) == 1)
		address = pool_printf(pool, "[%s]:%s", word, port);
	else if (error == ADDR_NO_PORT)
		address = pool_printf(pool, "%s:%s", word, port);
	else
		address = pool_copy(pool, text_of(word));
	state->port_taken |= error != 0;
	if (address != NULL)
		draft_put(&state->draft, state->listen, "address", address, origin);
}

/* The address, where nobody gave one; websocketd has none when a unix socket is all that was asked for. */
static void forms_fill_address(struct argv_state *state)
{
	bool alone = state->sockets.n > 0 && state->port == NULL && state->redirport == NULL;

	if (draft_given(&state->draft, state->listen, "address") == NULL &&
		!(state->guise == &guise_websocketd && alone))
		forms_put_address(state, state->guise->address, NULL);
}

/* Checks that --port is not in vain. */
static void forms_check_port(struct argv_state *state)
{
	if (state->port != NULL && !state->port_taken)
		errors_add(&state->errors, ERRORS_USAGE, "--port",
			"is for an address without a port, and there is none");
}

/* Does an option or a --set give this key of the route? */
static bool forms_has(const struct argv_state *state, const char *key)
{
	return draft_given(&state->draft, state->route, key) != NULL;
}

/* Is there something that an upgrade reaches? */
static bool forms_connects(const struct argv_state *state)
{
	return forms_has(state, "exec") || forms_has(state, "connect") || forms_has(state, "dir") ||
	       forms_has(state, "targets");
}

/* Takes what --set gives, and fills in what nobody gave: the address, and the console. */
static void forms_fill(struct argv_state *state)
{
	struct draft *draft = &state->draft;

	for (size_t i = 0; i < state->addresses.n; i++)
		forms_put_address(state, state->addresses.items[i], "--address");
	for (size_t i = 0; i < state->sets.n; i++)
		draft_set(draft, state->sets.items[i], true);
	forms_fill_address(state);
	forms_check_port(state);
	for (size_t i = 0; i < state->sockets.n; i++)
		draft_put(draft, state->listen, "address", state->sockets.items[i], "--unixsocket");
	websocketd_complete(state);
	bool others = forms_has(state, "static") || (forms_has(state, "cgi") && !forms_connects(state));
	if (!others && !forms_has(state, "console"))
		draft_put(draft, state->route, "console", "yes", NULL);
}

/* Checks that the options of TLS come together. */
static void forms_check_ssl(struct argv_state *state)
{
	static const char *const keys[] = { "tls_certificate", "tls_key", "tls_client_ca" };
	const struct draft_text *given[3];

	for (size_t i = 0; i < 3; i++) {
		given[i] = draft_given(&state->draft, state->listen, keys[i]);
		if (!state->ssl && given[i] != NULL)
			errors_add(&state->errors, ERRORS_USAGE, given[i]->origin, "needs --ssl");
	}
	if (state->ssl && (given[0] == NULL || given[1] == NULL))
		errors_add(&state->errors, ERRORS_USAGE, "--ssl", "needs %s%s%s",
			given[0] == NULL ? "--sslcert=FILE" : "",
			given[0] == NULL && given[1] == NULL ? " and " : "",
			given[1] == NULL ? "--sslkey=FILE" : "");
}

/* Why --redirport can't lead to this address, when `port` is that of those before it (0: it is the first);
 * NULL when it can. */
static const char *forms_check_redirect(
	const struct argv_state *state, const struct addr_name *name, unsigned port)
{
	if (name->port == 0)
		return "needs a port to lead to that is known: --port=PORT, not 0";
	if (port != 0 && name->port != port)
		return "needs addresses that have one port";
	if (strtoul(state->redirport, NULL, 10) == name->port)
		return "is the port that it leads to";
	return NULL;
}

/* Finds the one port of all TCP addresses. 0 when that can't be, which is said. */
static unsigned forms_find_redirect_port(struct argv_state *state, const struct draft_text *text)
{
	const char *wrong = NULL;
	struct addr_name name;
	unsigned port = 0;

	for (; text != NULL && wrong == NULL; text = text->next) {
		if (addr_parse(&name, text->text) != 0)
			return 0; /* said when all is built */
		if (name.kind != ADDR_TCP)
			continue;
		wrong = forms_check_redirect(state, &name, port);
		port = name.port;
	}
	if (wrong == NULL && port == 0)
		wrong = "needs a TCP address";
	if (wrong != NULL)
		errors_add(&state->errors, ERRORS_USAGE, "--redirport", "%s", wrong);
	return wrong == NULL ? port : 0;
}

/* Answers the same names on a listener as on the one of the command line. */
static void forms_copy_names(struct argv_state *state, struct draft_section *section)
{
	const struct draft_text *names = draft_given(&state->draft, state->listen, "server_names");

	for (; names != NULL; names = names->next)
		draft_put(&state->draft, section, "server_names", names->text, names->origin);
}

/* Adds the listener of --redirport: the same hosts at another port, which lead to --port. */
static void forms_put_redirect(struct argv_state *state)
{
	struct draft *draft = &state->draft;
	const struct draft_text *text = draft_given(draft, state->listen, "address");
	unsigned port = forms_find_redirect_port(state, text);
	struct draft_section *section = port > 0 ? draft_open(draft, "listen redirect", NULL) : NULL;
	struct addr_name name;
	const char *word;

	for (; section != NULL && text != NULL; text = text->next) {
		if (addr_parse(&name, text->text) != 0 || name.kind != ADDR_TCP)
			continue;
		word = pool_printf(&draft->pool, "%.*s:%s", (int)(strrchr(text->text, ':') - text->text),
			text->text, state->redirport);
		if (word != NULL)
			draft_put(draft, section, "address", word, "--redirport");
	}
	if (section == NULL)
		return;
	if (port == (state->ssl ? 443 : 80))
		word = state->ssl ? "https://*" : "http://*";
	else
		word = pool_printf(&draft->pool, "http%s://*:%u", state->ssl ? "s" : "", port);
	if (word == NULL)
		return;
	draft_put(draft, section, "redirect_to", word, "--redirport");
	forms_copy_names(state, section);
}

/* Settles whose pages may connect. To give both holds both there; here it would be taken for a list. */
static void forms_put_origins(struct argv_state *state)
{
	bool listed = draft_given(&state->draft, state->route, "origins") != NULL;
	bool same = state->same_origin != NULL && strcmp(state->same_origin, "yes") == 0;

	if (same && listed && state->guise == &guise_websocketd)
		state->draft.config.same_origin = true;
	else if (same && listed)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"--sameorigin and --origin exclude each other (--origin=same adds to a list)");
	else if (state->same_origin != NULL && !listed)
		draft_put(&state->draft, state->route, "origins", same ? "same" : "any", "--sameorigin");
}

/* Checks that it is said, and once, where requests go. */
static void forms_check_target(struct argv_state *state, int n)
{
	static const char *const others[][2] = { { "connect", "--connect=URI" }, { "dir", "--dir=DIR" } };
	bool serves = n > 0 || forms_connects(state) || forms_has(state, "static") || forms_has(state, "cgi");

	for (size_t i = 0; i < 2; i++) {
		if (n > 0 && forms_has(state, others[i][0]))
			errors_add(&state->errors, ERRORS_USAGE, NULL, "give a COMMAND or %s, not both",
				others[i][1]);
	}
	if (n == 0 && forms_has(state, "connect") && forms_has(state, "dir"))
		errors_add(&state->errors, ERRORS_USAGE, NULL, "give --connect=URI or --dir=DIR, not both");
	if (!serves)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"nothing to serve: give a COMMAND, %s (see --help)",
			state->guise == &guise_websocketd ? "--dir=DIR, --staticdir=DIR or --cgidir=DIR"
							  : "--dir=DIR, --connect=URI or --config=FILE");
}

/* All of it, in the order in which the ones build on the others. */
void forms_complete(struct argv_state *state, char **words, int n)
{
	if (n > 0)
		forms_put_command(state, words, n);
	forms_put_origins(state);
	forms_fill(state);
	forms_check_ssl(state);
	if (state->redirport != NULL)
		forms_put_redirect(state);
	forms_check_target(state, n);
}
