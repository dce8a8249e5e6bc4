/*
 * cli: makes a configuration of the command line once its words were taken (conf/argv.h): reads the
 * file that it names, or fills in what the forms without one leave out: one listener, one route that answers
 * everything. Owns what is printed, and the exit statuses. Runs once, before anything else.
 */
#include "conf/cli.h"

#include "conf/argv.h"
#include "conf/command.h"
#include "conf/draft.h"
#include "conf/dump.h"
#include "conf/websocketd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What mistakes begin with on stderr. */
static const char *cli_name(const struct argv_state *state)
{
	return state->websocketd ? "websocketd" : "wsluice";
}

/* Makes one value of a command's words, quoted so that nothing in them is lost. */
static void cli_put_command(struct argv_state *state, char **words, int n)
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
static const char *cli_port(const struct argv_state *state)
{
	if (state->port != NULL)
		return state->port;
	if (state->websocketd)
		return state->ssl ? "443" : "80";
	return state->ssl ? "8443" : "8080";
}

/* Listens on an address, with --port's port if it has none of its own. */
static void cli_put_address(struct argv_state *state, const char *word, const char *origin)
{
	struct pool *pool = &state->draft.pool;
	const char *port = cli_port(state);
	struct addr_name name;
	struct in6_addr v6;
	char *address;

	if (inet_pton(AF_INET6, word, &v6) == 1)
		address = pool_printf(pool, "[%s]:%s", word, port);
	else if (addr_parse(&name, word) == ADDR_NO_PORT)
		address = pool_printf(pool, "%s:%s", word, port);
	else
		address = pool_copy(pool, text_of(word));
	if (address != NULL)
		draft_put(&state->draft, state->listen, "address", address, origin);
}

/* The address, where nobody gave one; websocketd has none when a unix socket is all that was asked for. */
static void cli_complete_address(struct argv_state *state)
{
	bool alone = state->sockets.n > 0 && state->port == NULL && state->redirport == NULL;

	if (draft_given(&state->draft, state->listen, "address") == NULL && !(state->websocketd && alone))
		cli_put_address(state, state->websocketd ? "*" : "127.0.0.1", NULL);
}

/* Takes what --set gives, and fills in what nobody gave: the address, and the console. */
static void cli_complete(struct argv_state *state)
{
	struct draft *draft = &state->draft;

	for (size_t i = 0; i < state->addresses.n; i++)
		cli_put_address(state, state->addresses.items[i], "--address");
	for (size_t i = 0; i < state->sets.n; i++)
		draft_set(draft, state->sets.items[i], true);
	cli_complete_address(state);
	for (size_t i = 0; i < state->sockets.n; i++)
		draft_put(draft, state->listen, "address", state->sockets.items[i], "--unixsocket");
	websocketd_complete(state);
	if (draft_given(draft, state->route, "static") == NULL &&
		draft_given(draft, state->route, "console") == NULL)
		draft_put(draft, state->route, "console", "yes", NULL);
}

/* Checks that the options of TLS come together. */
static void cli_check_ssl(struct argv_state *state)
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
static const char *cli_check_redirect(
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
static unsigned cli_find_redirect_port(struct argv_state *state, const struct draft_text *text)
{
	const char *wrong = NULL;
	struct addr_name name;
	unsigned port = 0;

	for (; text != NULL && wrong == NULL; text = text->next) {
		if (addr_parse(&name, text->text) != 0)
			return 0; /* said when all is built */
		if (name.kind != ADDR_TCP)
			continue;
		wrong = cli_check_redirect(state, &name, port);
		port = name.port;
	}
	if (wrong == NULL && port == 0)
		wrong = "needs a TCP address";
	if (wrong != NULL)
		errors_add(&state->errors, ERRORS_USAGE, "--redirport", "%s", wrong);
	return wrong == NULL ? port : 0;
}

/* Answers the same names on a listener as on the one of the command line. */
static void cli_copy_names(struct argv_state *state, struct draft_section *section)
{
	const struct draft_text *names = draft_given(&state->draft, state->listen, "server_names");

	for (; names != NULL; names = names->next)
		draft_put(&state->draft, section, "server_names", names->text, names->origin);
}

/* Adds the listener of --redirport: the same hosts at another port, which lead to --port. */
static void cli_put_redirect(struct argv_state *state)
{
	struct draft *draft = &state->draft;
	const struct draft_text *text = draft_given(draft, state->listen, "address");
	unsigned port = cli_find_redirect_port(state, text);
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
	cli_copy_names(state, section);
}

/* Settles whose pages may connect. To give both holds both there; here it would be taken for a list. */
static void cli_put_origins(struct argv_state *state)
{
	bool listed = draft_given(&state->draft, state->route, "origins") != NULL;
	bool same = state->same_origin != NULL && strcmp(state->same_origin, "yes") == 0;

	if (same && listed && state->websocketd)
		state->draft.config.same_origin = true;
	else if (same && listed)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"--sameorigin and --origin exclude each other (--origin=same adds to a list)");
	else if (state->same_origin != NULL && !listed)
		draft_put(&state->draft, state->route, "origins", same ? "same" : "any", "--sameorigin");
}

/* Does an option or a --set say where upgrades go? */
static bool cli_has(const struct argv_state *state, const char *key)
{
	return draft_given(&state->draft, state->route, key) != NULL;
}

/* Checks that it is said, and once, where requests go. */
static void cli_check_target(struct argv_state *state, int n)
{
	static const char *const others[][2] = { { "connect", "--connect=URI" }, { "dir", "--dir=DIR" } };
	bool serves = n > 0 || cli_has(state, "exec") || cli_has(state, "static");

	for (size_t i = 0; i < 2; i++) {
		if (n > 0 && cli_has(state, others[i][0]))
			errors_add(&state->errors, ERRORS_USAGE, NULL, "give a COMMAND or %s, not both",
				others[i][1]);
		serves |= cli_has(state, others[i][0]);
	}
	if (n == 0 && cli_has(state, "connect") && cli_has(state, "dir"))
		errors_add(&state->errors, ERRORS_USAGE, NULL, "give --connect=URI or --dir=DIR, not both");
	if (!serves)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"nothing to serve: give a COMMAND, %s (see --help)",
			state->websocketd ? "--dir=DIR or --staticdir=DIR"
					  : "--dir=DIR, --connect=URI or --config=FILE");
}

/* Completes the draft of a form without a file and builds it. */
static const struct config *cli_build(struct argv_state *state, char **words, int n)
{
	struct draft *draft = &state->draft;

	if (n > 0)
		cli_put_command(state, words, n);
	cli_put_origins(state);
	cli_complete(state);
	cli_check_ssl(state);
	if (state->redirport != NULL)
		cli_put_redirect(state);
	cli_check_target(state, n);
	return state->errors.n > 0 && !draft->pool.failed ? NULL : config_build(draft);
}

/* Reads the file, if nothing stands beside it that it excludes. */
static const struct config *cli_read_file(struct argv_state *state, int n)
{
	if (n > 0)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"a COMMAND does not go with --config; exec in a [route] does");
	else if (state->without_file != NULL)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"%.200s does not go with --config (--set SECTION.KEY=VALUE does)",
			state->without_file);
	return state->errors.n > 0 ? NULL : config_read(state->file, &state->sets, &state->errors);
}

/* Prints the mistakes: those of a file as they are, so that editors can jump there; one in a --set over it is
 * none of the file's. */
static int cli_print_errors(const struct argv_state *state, bool of_file, FILE *err)
{
	bool all_of_file = of_file;

	for (size_t i = 0; i < state->errors.lines.n; i++) {
		const char *line = state->errors.lines.items[i];
		bool of_line = of_file && strncmp(line, "--", 2) != 0;
		fprintf(err, "%s%s%s\n", of_line ? "" : cli_name(state), of_line ? "" : ": ", line);
		all_of_file &= of_line;
	}
	return state->errors.usage && !all_of_file ? 2 : 1;
}

/* The end of a call that only printed: what could not be written is a failure, and said. */
static struct cli cli_printed(const struct argv_state *state, int error, FILE *out, FILE *err)
{
	errno = -error;
	if (error == 0 && fflush(out) == 0 && ferror(out) == 0)
		return (struct cli){ .action = CLI_EXIT };
	fprintf(err, "%s: cannot write: %s\n", cli_name(state), strerror(errno != 0 ? errno : EIO));
	return (struct cli){ .action = CLI_EXIT, .status = 1 };
}

/* Does what was asked for: shows the snapshot, or hands it on. */
static struct cli cli_finish(
	const struct argv_state *state, const struct config *config, FILE *out, FILE *err)
{
	if (!state->dump)
		return (struct cli){ .action = state->check ? CLI_CHECK : CLI_RUN, .config = config };
	int error = dump_config(config, out);
	config_unref(config);
	return cli_printed(state, error, out, err);
}

/* Takes the options, then what is left of argv, then builds. */
static struct cli cli_run(struct argv_state *state, int argc, char **argv, FILE *out, FILE *err)
{
	const struct config *config = NULL;
	int at = argv_scan(state, argc, argv, out, err), status;
	bool of_file = false, scanned = state->errors.n == 0;

	if (at < 0)
		return cli_printed(state, 0, out, err);
	if (scanned) {
		of_file = state->file != NULL && state->without_file == NULL && at == argc;
		config = state->file != NULL ? cli_read_file(state, argc - at)
					     : cli_build(state, argv + at, argc - at);
	}
	if (config != NULL)
		return cli_finish(state, config, out, err);
	status = cli_print_errors(state, of_file, err);
	if (state->websocketd && !of_file)
		status = websocketd_status(state, scanned);
	return (struct cli){ .action = CLI_EXIT, .status = status };
}

/* Begins with the two sections of the forms without a file; owns what lives as long as the reading. */
struct cli cli_parse(int argc, char **argv, FILE *out, FILE *err)
{
	struct argv_state state = { .websocketd = websocketd_is(argv[0]) };
	struct cli result = { .action = CLI_EXIT, .status = 1 };

	if (draft_init(&state.draft, &state.errors) == 0) {
		state.draft.config.command_line = true;
		state.listen = draft_open(&state.draft, "listen default", NULL);
		state.route = draft_open(&state.draft, "route /*", NULL);
	}
	if (state.listen != NULL && state.route != NULL)
		result = cli_run(&state, argc, argv, out, err);
	else
		fprintf(err, "wsluice: %s\n", strerror(ENOMEM));
	draft_done(&state.draft);
	errors_done(&state.errors);
	return result;
}
