/*
 * help: texts that are printed and nothing else (--help, --version, --license), and the beginning of
 * --help under each name. `websocketd`: as a program that was started under that name prints it.
 */
#ifndef CONF_HELP_H
#define CONF_HELP_H

#include <stdbool.h>
#include <stdio.h>

extern const char help_usage_own[], help_usage_websocketd[],
	help_usage_websockify[]; /* what --help begins with */

void help_version(bool websocketd, FILE *out);
void help_license(FILE *out);

#endif
