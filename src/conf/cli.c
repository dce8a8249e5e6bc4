/*
 * cli: makes a configuration of the command line once its words were taken (conf/argv.h): reads the file that
 * it names, or builds what the words come to under the name of the program (conf/guise.h). Owns what is
 * printed, and the exit statuses. Runs once, before anything else.
 */
#include "conf/cli.h"

#include "conf/argv.h"
#include "conf/draft.h"
#include "conf/dump.h"

#include <errno.h>
#include <string.h>

/* Completes the draft of a form without a file and builds it. */
static const struct config *cli_build(struct argv_state *state, char **words, int n)
{
	state->guise->complete(state, words, n);
	return state->errors.n > 0 && !state->draft.pool.failed ? NULL : config_build(&state->draft);
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
		fprintf(err, "%s%s%s\n", of_line ? "" : state->guise->name, of_line ? "" : ": ", line);
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
	fprintf(err, "%s: cannot write: %s\n", state->guise->name, strerror(errno != 0 ? errno : EIO));
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
	int at = state->guise->scan(state, argc, argv, out, err), status;
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
	if (state->guise->status != NULL && !of_file)
		status = state->guise->status(state, scanned);
	return (struct cli){ .action = CLI_EXIT, .status = status };
}

/* Begins with the two sections of the forms without a file; owns what lives as long as the reading. */
struct cli cli_parse(int argc, char **argv, FILE *out, FILE *err)
{
	struct argv_state state = { .guise = guise_find(argv[0]) };
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
