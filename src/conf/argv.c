/*
 * argv: takes the words of the command line by a table of options (conf/guise.h says which). Owns those that
 * there are under every name, the rules of our argv, --help, and what is remembered until all options are
 * known. Runs once, before anything else.
 */
#include "conf/argv.h"

#include "base/must.h"
#include "conf/dump.h"
#include "conf/help.h"
#include "conf/options.h"
#include "conf/websocketd.h"

#include <string.h>

enum { ARGV_HELP_INDENT = 26, ARGV_HELP_WIDTH = 100 };

/* Adds a mistake in the use of the option that is being taken. */
void argv_reject(struct argv_state *state, const char *must_be, const char *value)
{
	errors_add(&state->errors, ERRORS_USAGE, state->origin, "must be %s, not \"%.80s\"", must_be, value);
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
			state->guise == &guise_websocketd ? "debug, trace, access, info, error, fatal or none"
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
	help_version(state->guise == &guise_websocketd, out);
}

/* Prints the licence. */
static void argv_print_license(const struct argv_state *state, FILE *out)
{
	if (state->guise == &guise_websocketd)
		help_version(true, out);
	help_license(out);
}

/* clang-format off */
const struct argv_option argv_shared[] = {
	{ "set", ARGV_VALUE, .file = true, .arg = "KEY=VALUE", .take = argv_take_set, .help = "set any key of the file, see --help-config; also SECTION.KEY=VALUE; repeatable" },
	{ "loglevel", ARGV_VALUE, .file = true, .arg = "LEVEL", .take = argv_take_loglevel, .help = "error, warning, info, debug or trace", .there = "debug, trace, access (the default), info, error, fatal or none" },
	{ "config", ARGV_VALUE, .file = true, .arg = "FILE", .take = argv_take_config, .help = "read this file; only --set, --loglevel, --check and --dump go with it" },
	{ "check", ARGV_FLAG, .file = true, .take = argv_take_check, .help = "say \"ok\" or every mistake, and exit" },
	{ "dump", ARGV_FLAG, .file = true, .take = argv_take_dump, .help = "print the configuration that comes of it as a file, and exit" },
	{ "help", ARGV_PRINT, .print = argv_print_help, .help = "print this" },
	{ "help-config", ARGV_PRINT, .print = argv_print_keys, .help = "print a file with every key, its meaning and its default" },
	{ "version", ARGV_PRINT, .print = argv_print_version, .help = "print the version" },
	{ "license", ARGV_PRINT, .print = argv_print_license, .help = "print the licence" },
	{ .name = NULL },
};
/* clang-format on */

/* The i-th row: the name's own, then those that there are under every name. NULL after the last. */
static const struct argv_option *argv_row(const struct argv_state *state, size_t i)
{
	const struct argv_option *const tables[] = { state->guise->options, argv_shared };

	for (size_t k = 0; k < 2; k++) {
		for (const struct argv_option *row = tables[k]; row->name != NULL; row++) {
			if (i-- == 0)
				return row;
		}
	}
	return NULL;
}

/* Prints a sentence beside the names of options, in lines that are not too long. */
static void argv_print_wrapped(const char *words, FILE *out)
{
	size_t column = 0;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (column > 0 && column + 1 + len > ARGV_HELP_WIDTH) {
			fprintf(out, "\n%*s", ARGV_HELP_INDENT, "");
			column = 0;
		}
		column += (size_t)fprintf(out, "%s%.*s", column > 0 ? " " : "", (int)len, words);
		words += len + (words[len] == ' ');
	}
	fputc('\n', out);
}

/* Prints what an option does, or what there is instead of it. */
static void argv_print_option(const struct argv_state *state, const struct argv_option *option, FILE *out)
{
	bool there = state->guise == &guise_websocketd && option->there != NULL;
	char name[64];

	if (option->help == NULL)
		return;
	snprintf(name, sizeof(name), "%s%.1s%s--%s%s%s", option->letter ? "-" : "", &option->letter,
		option->letter ? ", " : "", option->name, option->arg != NULL ? "=" : "",
		option->arg != NULL ? option->arg : "");
	fprintf(out, "  %-*s ", ARGV_HELP_INDENT - 3, name);
	argv_print_wrapped(there ? option->there : option->help, out);
}

/* Prints the forms, then the table: what there is, and what is refused. */
static void argv_print_help(const struct argv_state *state, FILE *out)
{
	const struct argv_option *option;
	bool refused = false;

	fputs(state->guise->usage, out);
	for (size_t i = 0; (option = argv_row(state, i)) != NULL; i++) {
		if (option->kind != ARGV_NOT)
			argv_print_option(state, option, out);
	}
	for (size_t i = 0; (option = argv_row(state, i)) != NULL; i++) {
		if (option->kind != ARGV_NOT)
			continue;
		fputs(refused ? "" : "\nRefused, since there is none of it here; what there is instead:\n",
			out);
		refused = true;
		argv_print_option(state, option, out);
	}
}

/* Prints. */
void argv_print(const struct argv_state *state, const struct argv_option *option, FILE *out, FILE *err)
{
	bool to_err = state->guise->help_to_stderr && option->print == argv_print_help;

	option->print(state, to_err ? err : out);
}

/* Says that there is no such option. */
void argv_reject_unknown(struct argv_state *state, struct text name, struct text typed)
{
	const char *names[ARGV_OPTIONS_MAX], *nearest;
	const struct argv_option *option;
	int len = typed.len < 63 ? (int)typed.len : 63;
	size_t n;
	char word[64];

	for (n = 0; (option = argv_row(state, n)) != NULL; n++)
		names[n] = option->name;
	snprintf(word, sizeof(word), "%.*s", name.len < 63 ? (int)name.len : 63, name.ptr);
	nearest = text_nearest(word, names, n);
	if (text_is(name, "p") && argv_find(state, text_of("port")) != NULL)
		nearest = "port"; /* of all that begin so, what many try first */
	if (options_find(OPTION_ROUTE, name) != NULL || options_find(OPTION_LISTEN, name) != NULL ||
		options_find(OPTION_GATEWAY, name) != NULL)
		errors_add(&state->errors, ERRORS_USAGE, NULL,
			"unknown option %.*s, but it is a key: use --set %s=VALUE", len, typed.ptr, word);
	else
		errors_add(&state->errors, ERRORS_USAGE, NULL, "unknown option %.*s%s%s%s", len, typed.ptr,
			nearest != NULL ? "; did you mean --" : "", nearest != NULL ? nearest : "",
			nearest != NULL ? "?" : "");
}

/* Looks through the rows; -h is what many try first. */
const struct argv_option *argv_find(const struct argv_state *state, struct text name)
{
	const struct argv_option *option;
	size_t i = 0;

	if (text_is(name, "h"))
		name = text_of("help");
	while ((option = argv_row(state, i)) != NULL && !text_is(name, option->name))
		i++;
	return option;
}

/* Where the value of an option of the name's own is remembered. */
static size_t argv_place(const struct argv_state *state, const char *name)
{
	size_t i = 0;

	while (state->guise->options[i].name != NULL && strcmp(state->guise->options[i].name, name) != 0)
		i++;
	must(state->guise->options[i].name != NULL && i < ARGV_OPTIONS_MAX);
	return i;
}

/* Looks it up. */
const char *argv_given(const struct argv_state *state, const char *name)
{
	return state->given[argv_place(state, name)];
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

/* Takes one option with its value. */
void argv_take(struct argv_state *state, const struct argv_option *option, const char *value)
{
	const char *given = value;

	state->origin = pool_printf(&state->draft.pool, "--%s", option->name);
	if (!option->file && state->without_file == NULL)
		state->without_file = state->origin;
	if (option->kind == ARGV_NOT) {
		errors_add(&state->errors, ERRORS_USAGE, state->origin, "is refused: %s", option->help);
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
	else if (option->take != NULL)
		option->take(state, value);
	else
		state->given[argv_place(state, option->name)] = value;
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
		option = argv_find(state, (struct text){ name, (size_t)(equals - name) });
		if (option == NULL)
			argv_reject_unknown(state, (struct text){ name, (size_t)(equals - name) },
				(struct text){ word, (size_t)(equals - word) });
		if (option != NULL && option->kind == ARGV_PRINT) {
			argv_print(state, option, out, err);
			return -1;
		}
		if (option != NULL && option->kind == ARGV_VALUE && value == NULL && at < argc)
			value = argv[at++];
		if (option != NULL)
			argv_take(state, option, value);
	}
	return at;
}
