/*
 * test_cli: running cli_parse() on a list of words, for the tests of the command line.
 */
#ifndef TESTS_UNIT_TEST_CLI_H
#define TESTS_UNIT_TEST_CLI_H

#include "test_conf.h"

#include "conf/cli.h"

enum { WORDS = 20 };

/* One run of cli_parse(). */
struct run {
	struct cli cli;
	char *out, *err;
};

/* The name that the program is started under. */
static const char *program = "wsluice";

/* Runs it with the words of a NULL-terminated list. */
static inline struct run run_words(const char *const *words)
{
	char *argv[WORDS + 2] = { strdup(program) };
	int argc = 1;
	struct run run = { 0 };
	size_t out_len, err_len;
	FILE *out = open_memstream(&run.out, &out_len), *err = open_memstream(&run.err, &err_len);

	for (; *words; words++) {
		assert_true(argc <= WORDS);
		argv[argc++] = strdup(*words);
	}
	run.cli = cli_parse(argc, argv, out, err);
	fclose(out);
	fclose(err);
	while (argc > 0)
		free(argv[--argc]);
	return run;
}

static inline void run_done(struct run *run)
{
	if (run->cli.config)
		config_unref(run->cli.config);
	free(run->out);
	free(run->err);
}

#define RUN(...) run_words((const char *const[]){ __VA_ARGS__, NULL })

/* A run that serves and says nothing. */
static inline struct run run_good(const char *const *words)
{
	struct run run = run_words(words);

	assert_string_equal(run.err, "");
	assert_int_equal(run.cli.action, CLI_RUN);
	assert_non_null(run.cli.config);
	assert_string_equal(run.out, "");
	return run;
}

#define GOOD(...) run_good((const char *const[]){ __VA_ARGS__, NULL })

/* A run that fails with this status and says this. */
static inline void run_bad(int status, const char *err, const char *const *words)
{
	struct run run = run_words(words);

	assert_string_equal(run.err, err);
	assert_int_equal(run.cli.action, CLI_EXIT);
	assert_int_equal(run.cli.status, status);
	assert_null(run.cli.config);
	assert_string_equal(run.out, "");
	run_done(&run);
}

#define BAD(status, err, ...) run_bad(status, err, (const char *const[]){ __VA_ARGS__, NULL })

/* Compares the addresses of the first listener, and ends the run. */
static inline void check_addresses(struct run run, const char *expected)
{
	const struct conf_list *list = &run.cli.config->listens[0].address;
	char all[512] = "";

	for (size_t i = 0; i < list->n; i++)
		strcat(strcat(all, i ? " " : ""), list->items[i]);
	assert_string_equal(all, expected);
	run_done(&run);
}

/* What a listener of these options is; the files only have to be there. */
#define SSL "--ssl", "--sslcert=/etc/passwd", "--sslkey=/etc/group"

/* The second listener of --redirport. */
static inline void check_redirect(struct run run, const char *addresses, const char *to)
{
	const struct listen_conf *listen = &run.cli.config->listens[1];
	char all[512] = "";

	assert_int_equal(run.cli.config->n_listens, 2);
	assert_string_equal(listen->name, "redirect");
	assert_string_equal(listen->redirect_to, to);
	assert_int_equal(listen->tls_certificate.n, 0);
	assert_null(run.cli.config->listens[0].redirect_to);
	for (size_t i = 0; i < listen->address.n; i++)
		strcat(strcat(all, i ? " " : ""), listen->address.items[i]);
	assert_string_equal(all, addresses);
	run_done(&run);
}

#endif
