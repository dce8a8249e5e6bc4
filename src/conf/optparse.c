/*
 * optparse: the rules of Python's optparse. Owns no option (conf/argv.h). Runs once, before anything else.
 */
#include "conf/optparse.h"

#include <string.h>

/* A command line on its way. */
struct optparse {
	struct argv_state *state;
	int argc;
	char **argv;
	int at; /* the next word */
	FILE *out, *err;
	bool printed; /* what was asked for */
};

/* Finds the option whose name begins so, if it is the only one; says so if it is not. */
static const struct argv_option *optparse_complete(
	struct optparse *parse, struct text name, struct text typed)
{
	const struct argv_option *found = NULL;

	for (const struct argv_option *row = parse->state->guise->options; row->name != NULL; row++) {
		if (strncmp(row->name, name.ptr, name.len) != 0)
			continue;
		if (found != NULL) {
			errors_add(&parse->state->errors, ERRORS_USAGE, NULL,
				"%.*s may be --%s or --%s: write more of it", TEXT_ARG(typed), found->name,
				row->name);
			return NULL;
		}
		found = row;
	}
	if (found == NULL)
		argv_reject_unknown(parse->state, name, typed);
	return found;
}

/* Takes one that was found, or prints for it. */
static void optparse_take(struct optparse *parse, const struct argv_option *option, const char *value)
{
	if (option->kind == ARGV_PRINT) {
		argv_print(parse->state, option, parse->out, parse->err);
		parse->printed = true;
	} else if (option->kind == ARGV_FLAG && value != NULL)
		errors_add(&parse->state->errors, ERRORS_USAGE, NULL, "--%s: takes no value", option->name);
	else
		argv_take(parse->state, option, value);
}

/* Takes --NAME or --NAME=VALUE; a value that is not there is the next word. */
static void optparse_take_long(struct optparse *parse, const char *word)
{
	const char *name = word + 2, *equals = strchrnul(name, '=');
	const char *value = *equals ? equals + 1 : NULL;
	struct text text = { name, (size_t)(equals - name) };
	const struct argv_option *option = argv_find(parse->state, text);

	if (option == NULL)
		option = optparse_complete(parse, text, (struct text){ word, text.len + 2 });
	if (option == NULL)
		return;
	if (option->kind == ARGV_VALUE && value == NULL && parse->at < parse->argc)
		value = parse->argv[parse->at++];
	optparse_take(parse, option, value);
}

/* Finds a short option. */
static const struct argv_option *optparse_find_letter(const struct optparse *parse, char letter)
{
	const struct argv_option *row = parse->state->guise->options;

	if (letter == 'h')
		return argv_find(parse->state, text_of("help"));
	while (row->name != NULL && row->letter != letter)
		row++;
	return row->name != NULL ? row : NULL;
}

/* Takes -V, or several behind one dash. */
static void optparse_take_short(struct optparse *parse, const char *word)
{
	for (const char *at = word + 1; *at && !parse->printed && parse->state->errors.n == 0; at++) {
		const struct argv_option *option = optparse_find_letter(parse, *at);
		const char typed[] = { '-', *at, '\0' };

		if (option == NULL)
			argv_reject_unknown(parse->state, text_of(typed + 1), text_of(typed));
		else
			optparse_take(parse, option, NULL);
	}
}

/* Moves a word to another place; those between make room. */
static void optparse_move(char **argv, int from, int to)
{
	char *word = argv[from];

	for (; from < to; from++)
		argv[from] = argv[from + 1];
	for (; from > to; from--)
		argv[from] = argv[from - 1];
	argv[to] = word;
}

/* Gathers the words that are no options at the beginning, and then puts them before those behind "--". */
int optparse_scan(struct argv_state *state, int argc, char **argv, FILE *out, FILE *err)
{
	struct optparse parse = {
		.state = state, .argc = argc, .argv = argv, .at = 1, .out = out, .err = err
	};
	int n = 0;

	while (parse.at < argc && !state->dashes && !parse.printed && state->errors.n == 0) {
		char *word = argv[parse.at++];

		if (strcmp(word, "--") == 0)
			state->dashes = true;
		else if (strncmp(word, "--", 2) == 0)
			optparse_take_long(&parse, word);
		else if (word[0] == '-' && word[1])
			optparse_take_short(&parse, word);
		else
			optparse_move(argv, parse.at - 1, 1 + n++);
	}
	for (int i = 0; i < n; i++)
		optparse_move(argv, 1, parse.at - 1);
	return parse.printed ? -1 : parse.at - n;
}
