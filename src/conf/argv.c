/*
 * argv: takes the words of the command line. A table says what each option means; most of them are a key of
 * the file under the name that it has in websocketd. Owns the rules of argv, --help, and what is remembered
 * until all options are known. Runs once, before anything else.
 */
#include "conf/argv.h"

#include "conf/dump.h"
#include "conf/help.h"
#include "conf/options.h"
#include "conf/websocketd.h"

#include <string.h>

/* How an option takes its value; ARGV_LATER is known, but does nothing yet. */
enum argv_kind { ARGV_VALUE, ARGV_FLAG, ARGV_PRINT, ARGV_LATER };

struct argv_option {
	const char *name;
	enum argv_kind kind;
	bool file;	 /* also with --config */
	bool empty;	 /* its value may be empty */
	const char *arg; /* what its value is called in the help */
	const char *key; /* the key that it sets, or NULL and then `take` or `print` */
	void (*take)(struct argv_state *state, const char *value);
	void (*print)(const struct argv_state *state, FILE *out);
	const char *help;
	const char *there; /* the help under the name websocketd, or NULL: the same */
};

/* Adds a mistake in the use of the option that is being taken. */
void argv_reject(struct argv_state *state, const char *must_be, const char *value)
{
	errors_add(&state->errors, ERRORS_USAGE, state->origin, "must be %s, not \"%.80s\"", must_be, value);
}

/* Remembers the port; addresses get it when all of them are known. */
static void argv_take_port(struct argv_state *state, const char *value)
{
	uint64_t port;

	if (!text_to_u64(text_of(value), UINT16_MAX, &port))
		argv_reject(state, "a port from 0 to 65535", value);
	else
		state->port = state->websocketd && port == 0 ? NULL : value; /* there 0 is its default */
}

/* Remembers an address, with or without port. */
static void argv_take_address(struct argv_state *state, const char *value)
{
	pool_append(&state->draft.pool, &state->addresses, pool_copy(&state->draft.pool, text_of(value)));
}

/* Remembers a unix socket. */
static void argv_take_unixsocket(struct argv_state *state, const char *value)
{
	struct pool *pool = &state->draft.pool;

	pool_append(pool, &state->sockets, pool_printf(pool, "unix:%s", value));
}

/* Listens with TLS. */
static void argv_take_ssl(struct argv_state *state, const char *value)
{
	state->ssl = strcmp(value, "yes") == 0;
}

/* A certificate; repeated with its key, one more. */
static void argv_take_sslcert(struct argv_state *state, const char *value)
{
	draft_put(&state->draft, state->listen, "tls_certificate", value, state->origin);
}

/* The key of a certificate. */
static void argv_take_sslkey(struct argv_state *state, const char *value)
{
	draft_put(&state->draft, state->listen, "tls_key", value, state->origin);
}

/* Clients must show a certificate. */
static void argv_take_sslca(struct argv_state *state, const char *value)
{
	draft_put(&state->draft, state->listen, "tls_client_ca", value, state->origin);
}

/* Remembers the port until the addresses are known. */
static void argv_take_redirport(struct argv_state *state, const char *value)
{
	uint64_t port;

	if (!text_to_u64(text_of(value), UINT16_MAX, &port) || (port == 0 && !state->websocketd))
		argv_reject(state, "a port from 1 to 65535", value);
	else
		state->redirport = port > 0 ? value : NULL;
}

/* Remembers it until --origin is known too. */
static void argv_take_sameorigin(struct argv_state *state, const char *value)
{
	state->same_origin = value;
}

/* Passes bytes through; --binary=false is what there is without it. */
static void argv_take_binary(struct argv_state *state, const char *value)
{
	state->binary = strcmp(value, "yes") == 0;
	draft_put(&state->draft, state->route, "framing", state->binary ? "stream" : "", state->origin);
}

/* Keeps a --set until all other options were taken, since it wins over them. */
static void argv_take_set(struct argv_state *state, const char *value)
{
	pool_append(&state->draft.pool, &state->sets, pool_copy(&state->draft.pool, text_of(value)));
}

/* Takes a level, also by the names that websocketd has for two of them. */
static void argv_take_loglevel(struct argv_state *state, const char *value)
{
	const struct option *option = options_find(OPTION_GATEWAY, text_of("log_level"));
	const struct option_word *word = option->words;
	const char *ours = websocketd_log_level(state, value);
	char what[VALUE_DESCRIBE];

	while (word->word != NULL && strcmp(word->word, ours) != 0)
		word++;
	if (word->word == NULL)
		argv_reject(state,
			state->websocketd ? "debug, trace, access, info, error, fatal or none"
					  : value_describe(option, what),
			value);
	else
		pool_append(&state->draft.pool, &state->sets,
			pool_printf(&state->draft.pool, "gateway.log_level=%s", ours));
}

/* Remembers the file. */
static void argv_take_config(struct argv_state *state, const char *value)
{
	state->file = value;
}

/* Only checks. */
static void argv_take_check(struct argv_state *state, const char *value)
{
	state->check = strcmp(value, "yes") == 0;
}

/* Only shows. */
static void argv_take_dump(struct argv_state *state, const char *value)
{
	state->dump = strcmp(value, "yes") == 0;
}

static void argv_print_help(const struct argv_state *state, FILE *out);

/* Prints every key. */
static void argv_print_keys(const struct argv_state *state, FILE *out)
{
	(void)state;
	dump_help(out);
}

/* Prints the version. */
static void argv_print_version(const struct argv_state *state, FILE *out)
{
	help_version(state->websocketd, out);
}

/* Prints the licence. */
static void argv_print_license(const struct argv_state *state, FILE *out)
{
	if (state->websocketd)
		help_version(true, out);
	help_license(out);
}

/* clang-format off */
static const struct argv_option argv_options[] = {
	{ "port", ARGV_VALUE, .arg = "PORT", .take = argv_take_port, .help = "TCP port, 8080 by default, 8443 with --ssl; 0 takes a free one", .there = "TCP port, 80 by default, 443 with --ssl" },
	{ "address", ARGV_VALUE, .arg = "HOST[:PORT]", .take = argv_take_address, .help = "address to listen on, 127.0.0.1 by default, * for all; repeatable", .there = "address to listen on, all by default; repeatable" },
	{ "unixsocket", ARGV_VALUE, .arg = "PATH", .take = argv_take_unixsocket, .help = "listen on a unix socket too", .there = "listen on a unix socket; without --port, --address and --redirport on nothing else" },
	{ "ssl", ARGV_FLAG, .take = argv_take_ssl, .help = "listen with TLS; needs --sslcert and --sslkey" },
	{ "sslcert", ARGV_VALUE, .arg = "FILE", .take = argv_take_sslcert, .help = "certificate and its chain, PEM" },
	{ "sslkey", ARGV_VALUE, .arg = "FILE", .take = argv_take_sslkey, .help = "the certificate's private key, PEM" },
	{ "sslca", ARGV_VALUE, .arg = "FILE", .take = argv_take_sslca, .help = "clients must show a certificate of these authorities, PEM" },
	{ "redirport", ARGV_VALUE, .arg = "PORT", .take = argv_take_redirport, .help = "redirect plain HTTP on this port to --port" },
	{ "connect", ARGV_VALUE, .arg = "URI", .key = "connect", .help = "bridge to tcp://HOST:PORT, tls://HOST:PORT or unix:PATH instead of a program; repeatable" },
	{ "dir", ARGV_VALUE, .arg = "DIR", .key = "dir", .help = "start the program that the path names under this directory, instead of one COMMAND" },
	{ "passenv", ARGV_VALUE, .empty = true, .arg = "VAR[,VAR...]", .take = websocketd_take_passenv, .help = "the only variables of our own that programs get; PATH LANG LC_* TZ by default", .there = "the only variables of our own that programs get; PATH,LD_LIBRARY_PATH by default" },
	{ "passstderr", ARGV_FLAG, .take = websocketd_take_passstderr, .help = "send what programs write to stderr too, each line as JSON that says which it is" },
	{ "maxforks", ARGV_VALUE, .arg = "N", .take = websocketd_take_maxforks, .help = "programs at the same time, 1024 by default; 0 is no limit" },
	{ "closems", ARGV_VALUE, .arg = "MS", .take = websocketd_take_closems, .help = "give a program so much longer to end when the client has gone" },
	{ "binary", ARGV_FLAG, .take = argv_take_binary, .help = "pass bytes through as binary messages, not lines as text" },
	{ "subprotocol", ARGV_VALUE, .arg = "NAME", .key = "subprotocols", .help = "answer only these subprotocols, best first; repeatable" },
	{ "origin", ARGV_VALUE, .arg = "ORIGIN", .key = "origins", .help = "web pages that may connect: same (the default), any, HOST[:PORT]; repeatable", .there = "web pages that may connect: any (the default), same, HOST[:PORT]; repeatable" },
	{ "sameorigin", ARGV_FLAG, .take = argv_take_sameorigin, .help = "only pages from this host and port; =false lets any connect", .there = "only pages from this host and port" },
	{ "staticdir", ARGV_VALUE, .arg = "DIR", .key = "static", .help = "serve the files of a directory to plain requests" },
	{ "reverselookup", ARGV_FLAG, .take = websocketd_take_reverselookup, .help = "look up the name of each client for REMOTE_HOST" },
	{ "devconsole", ARGV_FLAG, .key = "console", .help = "serve the test page; the default without --staticdir", .there = "serve the test page to plain requests" },
	{ "maxframesize", ARGV_VALUE, .arg = "BYTES", .take = websocketd_take_maxframesize, .help = "largest message from a client; 0, the default, is no limit", .there = "largest message from a client, 1048576 by default; 0 is no limit" },
	{ "pingms", ARGV_VALUE, .arg = "MS", .take = websocketd_take_pingms, .help = "ping a client that was silent for so long, 30000 by default; it has as long to answer" },
	{ "header", ARGV_VALUE, .arg = "HEADER", .key = "header", .help = "\"Name: value\" added to every response; repeatable" },
	{ "header-ws", ARGV_VALUE, .arg = "HEADER", .key = "header_ws", .help = "... to responses that upgrade" },
	{ "header-http", ARGV_VALUE, .arg = "HEADER", .key = "header_http", .help = "... to all other responses" },
	{ "set", ARGV_VALUE, .file = true, .arg = "KEY=VALUE", .take = argv_take_set, .help = "set any key of the file, see --help-config; also SECTION.KEY=VALUE; repeatable" },
	{ "loglevel", ARGV_VALUE, .file = true, .arg = "LEVEL", .take = argv_take_loglevel, .help = "error, warning, info, debug or trace", .there = "debug, trace, access (the default), info, error, fatal or none" },
	{ "config", ARGV_VALUE, .file = true, .arg = "FILE", .take = argv_take_config, .help = "read this file; only --set, --loglevel, --check and --dump go with it" },
	{ "check", ARGV_FLAG, .file = true, .take = argv_take_check, .help = "say \"ok\" or every mistake, and exit" },
	{ "dump", ARGV_FLAG, .file = true, .take = argv_take_dump, .help = "print the configuration that comes of it as a file, and exit" },
	{ "help", ARGV_PRINT, .print = argv_print_help, .help = "print this" },
	{ "help-config", ARGV_PRINT, .print = argv_print_keys, .help = "print a file with every key, its meaning and its default" },
	{ "version", ARGV_PRINT, .print = argv_print_version, .help = "print the version" },
	{ "license", ARGV_PRINT, .print = argv_print_license, .help = "print the licence" },
	{ .name = "cgidir", .kind = ARGV_LATER },
};
/* clang-format on */

enum { ARGV_OPTIONS = sizeof(argv_options) / sizeof(argv_options[0]) };

/* Prints the forms, then the table. */
static void argv_print_help(const struct argv_state *state, FILE *out)
{
	help_usage(state->websocketd, out);
	for (size_t i = 0; i < ARGV_OPTIONS; i++) {
		const struct argv_option *option = &argv_options[i];
		bool there = state->websocketd && option->there != NULL;
		char name[64];

		if (option->help == NULL)
			continue;
		snprintf(name, sizeof(name), "--%s%s%s", option->name, option->arg != NULL ? "=" : "",
			option->arg != NULL ? option->arg : "");
		fprintf(out, "  %-23s %s\n", name, there ? option->there : option->help);
	}
}

/* Says that there is no such option, as it was typed, and which one was probably meant. */
static void argv_reject_unknown(struct argv_state *state, struct text name, struct text typed)
{
	const char *names[ARGV_OPTIONS], *nearest;
	int len = typed.len < 63 ? (int)typed.len : 63;
	char word[64];

	for (size_t i = 0; i < ARGV_OPTIONS; i++)
		names[i] = argv_options[i].name;
	snprintf(word, sizeof(word), "%.*s", name.len < 63 ? (int)name.len : 63, name.ptr);
	nearest = text_nearest(word, names, ARGV_OPTIONS);
	if (options_find(OPTION_ROUTE, name) != NULL || options_find(OPTION_LISTEN, name) != NULL ||
		options_find(OPTION_GATEWAY, name) != NULL)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"unknown option %.*s, but it is a key: use --set %s=VALUE", len, typed.ptr, word);
	else
		errors_add(&state->errors, ERRORS_USAGE, NULL, "unknown option %.*s%s%s%s", len, typed.ptr,
			nearest != NULL ? "; did you mean --" : "", nearest != NULL ? nearest : "",
			nearest != NULL ? "?" : "");
}

/* Finds an option by its name; -h is what many try first. */
static const struct argv_option *argv_find(struct text name)
{
	if (text_is(name, "h"))
		name = text_of("help");
	for (size_t i = 0; i < ARGV_OPTIONS; i++) {
		if (text_is(name, argv_options[i].name))
			return &argv_options[i];
	}
	return NULL;
}

/* Reads the value of a flag as Go's flag package does, for whoever comes from websocketd. */
static const char *argv_read_flag(const char *value)
{
	static const char *const yes[] = { "true", "yes", "on", "1", "t" };
	static const char *const no[] = { "false", "no", "off", "0", "f" };

	for (size_t i = 0; value != NULL && i < 5; i++) {
		if (text_is_nocase(text_of(value), yes[i]))
			return "yes";
		if (text_is_nocase(text_of(value), no[i]))
			return "no";
	}
	return value != NULL ? NULL : "yes";
}

/* Takes one option with its value; `value` is NULL when there was none. */
static void argv_take(struct argv_state *state, const struct argv_option *option, const char *value)
{
	const char *given = value;

	state->origin = pool_printf(&state->draft.pool, "--%s", option->name);
	if (!option->file && state->without_file == NULL)
		state->without_file = state->origin;
	if (option->kind == ARGV_LATER) {
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"option --%s is not supported yet by this version", option->name);
		return;
	}
	if (option->kind == ARGV_FLAG)
		value = argv_read_flag(value);
	if (option->kind == ARGV_FLAG && value == NULL)
		argv_reject(state, "true or false", given);
	else if (value == NULL || (!value[0] && !option->empty))
		errors_add(&state->errors, ERRORS_USAGE, state->origin, "needs a value: --%s=%s",
			option->name, option->arg);
	else if (option->key != NULL)
		draft_put(&state->draft, state->route, option->key, value, state->origin);
	else
		option->take(state, value);
}

/* Takes word after word: one or two dashes are the same, "-" alone is no option, "--" ends them. */
int argv_scan(struct argv_state *state, int argc, char **argv, FILE *out, FILE *err)
{
	int at = 1;

	while (at < argc && argv[at][0] == '-' && argv[at][1] && state->errors.n == 0) {
		const char *word = argv[at++];
		const char *name = word + (word[1] == '-' ? 2 : 1);
		const char *equals = strchrnul(name, '=');
		const char *value = *equals ? equals + 1 : NULL;
		const struct argv_option *option;

		if (strcmp(word, "--") == 0)
			break;
		option = argv_find((struct text){ name, (size_t)(equals - name) });
		if (option == NULL)
			argv_reject_unknown(state, (struct text){ name, (size_t)(equals - name) },
				(struct text){ word, (size_t)(equals - word) });
		if (option != NULL && option->kind == ARGV_PRINT) {
			/* websocketd has its help go where its mistakes go. */
			option->print(
				state, state->websocketd && option->print == argv_print_help ? err : out);
			return -1;
		}
		if (option != NULL && option->kind == ARGV_VALUE && value == NULL && at < argc)
			value = argv[at++];
		if (option != NULL)
			argv_take(state, option, value);
	}
	return at;
}
