/*
 * cli: the command line, turned into what to do and, for the forms that serve, a snapshot.
 */
#ifndef CONF_CLI_H
#define CONF_CLI_H

#include "conf/config.h"

/* CLI_CHECK: the configuration is right as far as it goes; what else there is to check is the caller's. */
enum cli_action { CLI_RUN, CLI_CHECK, CLI_EXIT };

struct cli {
	enum cli_action action;
	int status; /* for CLI_EXIT: 0, 1 failed, 2 usage; what there was to say has been printed */
	const struct config *config; /* unless CLI_EXIT: one reference */
};

/* Reads argv; prints help, versions, dumps and mistakes itself (out: stdout, err: stderr). */
struct cli cli_parse(int argc, char **argv, FILE *out, FILE *err);

#endif
