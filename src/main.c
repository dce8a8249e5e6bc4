/*
 * main: argv -> configuration -> server.
 */
#include "conf/cli.h"
#include "run/server.h"
#include "run/trial.h"

/* Nothing else. */
int main(int argc, char **argv)
{
	struct cli cli = cli_parse(argc, argv, stdout, stderr);
	if (cli.action == CLI_EXIT)
		return cli.status;
	int status = cli.action == CLI_CHECK ? trial_run(cli.config) : server_run(cli.config);
	config_unref(cli.config);
	return status;
}
